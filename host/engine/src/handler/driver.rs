//! Drives a handler's instance: takes batches from the queue, runs them, and between two calls does what it is asked.
//!
//! Whoever offers an event drives it through the instance at once, where nobody else does (see `inline`); the handler's
//! own task does the rest.

use super::{
    alarm::{Alarm, Times},
    gathering::Gathering,
    inline::{Inline, Visited},
    queue::{Batch, Closed, Missed, Queue},
    runner::{Next, Runner, change::Verdict},
};
use crate::{
    call::saved::Saved,
    error::PluginError,
    shared::{Each, State},
};
use futures_util::FutureExt as _;
use std::{
    future::poll_fn,
    ops::ControlFlow,
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};
use tengen_core::{event::Event, meter::PluginHappened};
use tengen_wire::{fault::FaultId, id::Handle};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

/// Requests to the task that may wait; reloads are one at a time.
const REQUESTS: usize = 4;
/// How long a request waits for its turn, beside the longest call.
const TURN: Duration = Duration::from_secs(30);

/// Where events for a handler plugin are offered, and how its task is asked for things.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(super) each: Arc<Each>,
    pub(super) queue: Arc<Queue>,
    requests: mpsc::Sender<Request>,
    gathering: Arc<Gathering>,
    driver: Arc<Inline>,
}

/// What the task does between two calls.
#[derive(Debug)]
enum Request {
    /// The state, for the rehearsal of a reload.
    Save(Turn<Saved>),
    Swap(Box<Next>, Turn<bool>),
    /// Give the state up, if it is asked for, and wait for what becomes of it.
    Hold(Option<(bool, Turn<Option<Saved>>)>, oneshot::Receiver<Verdict>),
    /// Say, between two calls, whether nothing waits.
    Rest(Turn<bool>),
    /// Work off what waits, as long as there is time, and end.
    Stop(Instant, oneshot::Sender<()>),
}

/// How a request learns that its turn has come, and then what came of it.
#[derive(Debug)]
struct Turn<T> {
    begun: oneshot::Sender<()>,
    answer: oneshot::Sender<Result<T, PluginError>>,
}

impl<T> Turn<T> {
    /// Where the answer goes; none: whoever asked has given up waiting, and was told that nothing was changed.
    fn begin(self) -> Option<oneshot::Sender<Result<T, PluginError>>> {
        self.begun.send(()).is_ok().then_some(self.answer)
    }
}

impl Seat {
    /// Where events are offered, and the future that drives the instance when nobody else does; the caller gives it a
    /// task.
    pub(crate) fn new(
        runner: Runner,
        stop: CancellationToken,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let (each, queue) = (Arc::clone(&runner.shared), Arc::clone(&runner.queue));
        let (requests, received) = mpsc::channel(REQUESTS);
        let visited = Visited::default();
        let gathering = Arc::<Gathering>::default();
        let driving = drive(runner, received, stop, Arc::clone(&gathering), visited.clone());
        let driver = Arc::new(Inline::new(driving, &visited));
        let task = Arc::clone(&driver);
        (Self { each, queue, requests, gathering, driver }, poll_fn(move |cx| task.poll(cx)))
    }

    pub(crate) fn waiting(&self) -> usize {
        self.queue.len()
    }

    pub(crate) async fn save(&self) -> Result<Saved, PluginError> {
        self.take_turn(Request::Save).await
    }

    /// Waits until no call is under way. Whether nothing waited at that moment.
    pub(super) async fn rests(&self) -> Result<bool, PluginError> {
        self.take_turn(Request::Rest).await
    }

    /// Returns whether the state went along.
    pub(crate) async fn swap(&self, next: Next) -> Result<bool, PluginError> {
        self.take_turn(|turn| Request::Swap(Box::new(next), turn)).await
    }

    /// Has something done between two calls. What has not begun in time is not done at all; what has begun ends by itself,
    /// for the guest's calls have their allowances.
    async fn take_turn<T>(
        &self,
        request: impl FnOnce(Turn<T>) -> Request,
    ) -> Result<T, PluginError> {
        let ((begun, begins), (answer, answered)) = (oneshot::channel(), oneshot::channel());
        let turn = async {
            self.ask(request(Turn { begun, answer })).await?;
            begins.await.map_err(|_| ENDED)
        };
        let current = self.each.current.load_full();
        let patience = TURN.saturating_add(current.allowance(current.about.max_batch).wall);
        let why = "the plugin did not come to it between its events";
        timeout(patience, turn).await.unwrap_or(Err(PluginError::Busy { why }))?;
        answered.await.unwrap_or(Err(ENDED))
    }

    /// Has the instance give its state up, if that is wanted and it has one, and wait for what becomes of it. It goes on when
    /// what it waits for is dropped.
    pub(super) async fn hold(
        &self,
        takes_state: bool,
    ) -> Result<(Option<Saved>, oneshot::Sender<Verdict>), PluginError> {
        let (verdict, comes) = oneshot::channel();
        let saved = self.take_turn(|turn| Request::Hold(Some((takes_state, turn)), comes)).await?;
        Ok((saved, verdict))
    }

    /// The same before it begins: it does nothing until then.
    pub(super) fn hold_new(&self) -> oneshot::Sender<Verdict> {
        let (verdict, comes) = oneshot::channel();
        // There is room: nothing was asked of it yet.
        let _asked = self.requests.try_send(Request::Hold(None, comes)).is_ok();
        verdict
    }

    pub(crate) async fn stop(&self, deadline: Duration) {
        self.queue.end();
        let (answer, answered) = oneshot::channel();
        if self.ask(Request::Stop(Instant::now() + deadline, answer)).await.is_ok() {
            // A task that ended without an answer has stopped as well.
            answered.await.ok();
        }
    }

    /// Takes an event over that was dealt out by this turn, or says why not.
    pub(super) fn offer(&self, event: Event, turn: u32) -> Result<(), Missed> {
        self.queue.offer(event, turn).inspect_err(|missed| {
            // For want of room it is offered again, or counted when it is given up.
            if let Missed::Declined(declined) = missed
                && declined.why.id != FaultId::Overloaded
            {
                self.lost(declined.why.id);
            }
        })
    }

    /// Has decided what was offered, see [`tengen_core::handler::Handler::settle`].
    pub(super) fn settle(&self) {
        let waiting = self.queue.len();
        if waiting == 0 {
            return;
        }
        if self.gathering.is_over(waiting) {
            self.driver.visit();
        } else if self.gathering.calls() {
            self.driver.wake();
        }
    }

    pub(super) fn forget(&self, connection: Handle) -> u64 {
        let mut events = self.queue.forget(connection);
        for event in &mut events {
            event.recall(&*self.each.tracer, event.at);
            event.span.fail(FaultId::Overloaded.word());
        }
        let forgotten = events.len() as u64;
        self.each.counters.note(PluginHappened::Declined(FaultId::Overloaded, forgotten));
        forgotten
    }

    fn lost(&self, why: FaultId) {
        self.each.counters.note(PluginHappened::Declined(why, 1));
    }

    async fn ask(&self, request: Request) -> Result<(), PluginError> {
        self.requests.send(request).await.map_err(|_| ENDED)
    }
}

const ENDED: PluginError = PluginError::NotRunning { why: "the plugin has been stopped" };

async fn drive(
    mut runner: Runner,
    mut requests: mpsc::Receiver<Request>,
    stop: CancellationToken,
    gathering: Arc<Gathering>,
    visited: Visited,
) {
    let mut batch = Batch::default();
    let _end = End { shared: Arc::clone(&runner.shared), queue: Arc::clone(&runner.queue) };
    runner.visited = visited.clone();
    runner.note_memory();
    let mut stopped = pin!(stop.cancelled());
    let mut alarm = Alarm::default();
    // What is large and rare has a box of its own: what every call needs is moved with each call.
    let asked = loop {
        let pause = pause(runner.down_until());
        let times = Times { due: runner.save_due(), last: runner.last_ended() };
        let (queue, saving) = (&runner.queue, (&mut alarm, times));
        let waited =
            next(queue, &mut requests, stopped.as_mut(), pause, &gathering, &visited, saving);
        match waited.await {
            Due::Events => {
                gather(&runner.queue, &gathering, &visited).await;
                gathering.ends();
                if runner.queue.take(runner.share(), &mut batch)
                    && contained(runner.run(&mut batch)).await.is_err()
                {
                    Box::pin(recover(&mut runner, &mut batch)).await;
                }
                runner.note_memory();
                if !runner.queue.is_empty() {
                    // Others have added theirs meanwhile: that is the task's work.
                    hand_over(&visited).await;
                    tokio::task::coop::consume_budget().await;
                }
            }
            Due::Request(request) => {
                hand_over(&visited).await;
                let obeyed = Box::pin(contained(obey(&mut runner, request, &mut batch))).await;
                match obeyed {
                    Ok(ControlFlow::Continue(())) => {}
                    Ok(ControlFlow::Break(answer)) => break Some(answer),
                    Err(_) => Box::pin(recover(&mut runner, &mut batch)).await,
                }
            }
            Due::Saving => {
                hand_over(&visited).await;
                Box::pin(save(&mut runner, &mut batch)).await;
            }
            Due::Restart => {
                hand_over(&visited).await;
                Box::pin(restart(&mut runner, &mut batch)).await;
            }
            Due::End => break None,
        }
    };
    Box::pin(runner.finish()).await;
    if let Some(answer) = asked {
        answer.send(()).ok();
    }
}

/// However it ends: nothing is taken any more, and it is seen that it has ended.
struct End {
    shared: Arc<Each>,
    queue: Arc<Queue>,
}

impl Drop for End {
    fn drop(&mut self) {
        self.shared.set_state(State::Stopped);
        self.queue.close(Closed::Stopped);
    }
}

/// What panics in the gateway while it works for a plugin costs that work, not the plugin, and not the connection that
/// happened to drive it.
fn contained<T>(work: impl Future<Output = T>) -> impl Future<Output = std::thread::Result<T>> {
    AssertUnwindSafe(work).catch_unwind()
}

async fn save(runner: &mut Runner, batch: &mut Batch) {
    if contained(runner.checkpoint()).await.is_err() {
        recover(runner, batch).await;
    }
}

async fn restart(runner: &mut Runner, batch: &mut Batch) {
    if contained(runner.restart()).await.is_err() {
        runner.lie_down(batch);
    }
}

async fn recover(runner: &mut Runner, batch: &mut Batch) {
    if contained(runner.recover(batch)).await.is_err() {
        runner.lie_down(batch);
    }
}

/// What there is to do between two calls.
enum Due {
    Events,
    Request(Request),
    /// The state is to be saved.
    Saving,
    /// The pause before another try to start is over.
    Restart,
    End,
}

/// Waits for something to do. Requests come first: a reload does not wait for a backlog to end. A visitor, who came for
/// the events that it brought, does not look for anything else, unless there is a request: visitors may follow each
/// other without end.
async fn next(
    queue: &Queue,
    requests: &mut mpsc::Receiver<Request>,
    mut stopped: Pin<&mut WaitForCancellationFuture<'_>>,
    restart: impl Future<Output = ()>,
    gathering: &Gathering,
    visited: &Visited,
    (alarm, saving): (&mut Alarm, Times),
) -> Due {
    let mut restart = pin!(restart);
    poll_fn(|cx| {
        if alarm.is_over(saving, visited.is_so(), cx) {
            return Poll::Ready(Due::Saving);
        }
        let mut events = !queue.is_empty();
        if !events {
            // What the task was called for may have been given up: who comes next has to call it again. Looked at once
            // more, for who came in between and found it called.
            gathering.ends();
            events = !queue.is_empty();
        }
        if events && visited.is_so() && requests.is_empty() {
            return Poll::Ready(Due::Events);
        }
        if stopped.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Due::End);
        }
        if let Poll::Ready(request) = requests.poll_recv(cx) {
            return Poll::Ready(request.map_or(Due::End, Due::Request));
        }
        if events {
            return Poll::Ready(Due::Events);
        }
        restart.as_mut().poll(cx).map(|()| Due::Restart)
    })
    .await
}

/// Lets connections that are ready as well go first, so that one call decides their events too.
async fn gather(queue: &Queue, gathering: &Gathering, visited: &Visited) {
    let before = queue.len();
    if !visited.is_so() && before < Gathering::ENOUGH {
        tokio::task::yield_now().await;
        gathering.brought(before, queue.len());
    }
}

/// Leaves what follows to the task.
async fn hand_over(visited: &Visited) {
    if visited.is_so() {
        tokio::task::yield_now().await;
    }
}

/// Until the next try to start; for ever while an instance runs.
async fn pause(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}

async fn obey(
    runner: &mut Runner,
    request: Request,
    batch: &mut Batch,
) -> ControlFlow<oneshot::Sender<()>> {
    // Nobody waiting for an answer is no failure: the request was carried out.
    match request {
        Request::Save(turn) => {
            if let Some(answer) = turn.begin() {
                answer.send(runner.save().await).ok();
            }
        }
        Request::Swap(next, turn) => {
            if let Some(answer) = turn.begin() {
                answer.send(runner.swap(*next).await).ok();
            }
        }
        Request::Rest(turn) => {
            if let Some(answer) = turn.begin() {
                answer.send(Ok(runner.queue.is_empty())).ok();
            }
        }
        Request::Hold(asked, verdict) => {
            if let Some((takes_state, turn)) = asked {
                let Some(answer) = turn.begin() else { return ControlFlow::Continue(()) };
                answer.send(runner.give_up_state(takes_state).await).ok();
            }
            if runner.obey(verdict).await.is_break() {
                return ControlFlow::Break(oneshot::channel().0);
            }
        }
        Request::Stop(deadline, answer) => {
            while Instant::now() < deadline && runner.queue.take(runner.share(), batch) {
                runner.run(batch).await;
            }
            return ControlFlow::Break(answer);
        }
    }
    ControlFlow::Continue(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handler::keeping::known::Missing;
    use std::{
        num::NonZeroUsize,
        task::{Context, Waker},
    };

    const NEVER: Times = Times { due: None, last: None };

    #[tokio::test]
    async fn a_call_for_events_that_were_given_up_does_not_keep_the_next_from_calling() {
        let (queue, gathering) = (Queue::new(NonZeroUsize::MIN), Gathering::default());
        let (_requests, mut received) = mpsc::channel(REQUESTS);
        let (stop, visited) = (CancellationToken::new(), Visited::default());
        assert!(gathering.calls(), "somebody brought an event, which was given up");
        let mut stopped = pin!(stop.cancelled());
        let never = (&mut Alarm::default(), NEVER);
        let waits =
            next(&queue, &mut received, stopped.as_mut(), pause(None), &gathering, &visited, never);
        let polled = pin!(waits).poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        assert!(gathering.calls(), "the next one calls");
    }

    #[tokio::test]
    async fn a_request_does_not_wait_until_no_visitor_brings_events() {
        let (queue, gathering) = (Queue::new(NonZeroUsize::MIN), Gathering::default());
        let (requests, mut received) = mpsc::channel(REQUESTS);
        let (stop, visited) = (CancellationToken::new(), Visited::by_somebody());
        queue.open();
        let open = vec![Arc::new(tengen_core::event::Connection::anybody(1))];
        queue.adopt(open, Missing::default(), false);
        assert!(!queue.is_empty());
        let mut stopped = pin!(stop.cancelled());
        let mut due = async || {
            let never = (&mut Alarm::default(), NEVER);
            next(&queue, &mut received, stopped.as_mut(), pause(None), &gathering, &visited, never)
                .await
        };
        assert!(matches!(due().await, Due::Events), "a visitor begins with what it brought");
        let (answer, _) = oneshot::channel();
        requests.send(Request::Stop(Instant::now(), answer)).await.expect("there is room");
        assert!(matches!(due().await, Due::Request(_)), "unless there is a request");
        assert!(matches!(due().await, Due::Events));
    }

    #[tokio::test]
    async fn a_request_that_nobody_waits_for_any_more_is_not_carried_out() {
        let ((begun, begins), (answer, mut answered)) = (oneshot::channel(), oneshot::channel());
        let turn = Turn::<bool> { begun, answer };
        drop(begins);
        assert!(turn.begin().is_none());
        assert!(answered.try_recv().is_err());
    }
}
