//! Drives a handler's instance: takes batches from the queue, runs them, and between two calls does what it is asked.
//!
//! Whoever offers an event drives it through the instance at once, where nobody else does (see `inline`); the handler's
//! own task does the rest.

use super::{
    bindings::snapshot,
    error::PluginError,
    gathering::Gathering,
    inline::{Inline, Visited},
    queue::{Batch, Queue},
    runner::{Next, Runner},
    shared::Shared,
};
use crate::{
    event::{Event, Occurrence},
    fault::{Fault, FaultId},
    handler::{Declined, Handler},
};
use std::{
    future::poll_fn,
    ops::ControlFlow,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until},
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

/// Requests to the task that may wait; reloads are one at a time.
const REQUESTS: usize = 4;

/// Where events for a handler plugin are offered, and how its task is asked for things.
#[derive(Debug)]
pub(super) struct Seat {
    shared: Arc<Shared>,
    queue: Arc<Queue>,
    requests: mpsc::Sender<Request>,
    gathering: Arc<Gathering>,
    driver: Arc<Inline>,
}

/// What the task does between two calls.
#[derive(Debug)]
enum Request {
    /// The state, for the rehearsal of a reload.
    Save(oneshot::Sender<Result<snapshot::State, PluginError>>),
    Swap(Box<Next>, oneshot::Sender<Result<(), PluginError>>),
    /// Work off what waits, as long as there is time, and end.
    Stop(Instant, oneshot::Sender<()>),
}

impl Seat {
    /// Where events are offered, and the future that drives the instance when nobody else does; the caller gives it a
    /// task.
    pub(super) fn new(
        shared: Arc<Shared>,
        queue: Arc<Queue>,
        runner: Runner,
        stop: CancellationToken,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let (requests, received) = mpsc::channel(REQUESTS);
        let visited = Visited::default();
        let gathering = Arc::<Gathering>::default();
        let driving = drive(runner, received, stop, Arc::clone(&gathering), visited.clone());
        let driver = Arc::new(Inline::new(driving, &visited));
        let task = Arc::clone(&driver);
        (Self { shared, queue, requests, gathering, driver }, poll_fn(move |cx| task.poll(cx)))
    }

    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    pub(super) async fn save(&self) -> Result<snapshot::State, PluginError> {
        let (answer, answered) = oneshot::channel();
        self.ask(Request::Save(answer)).await?;
        answered.await.unwrap_or(Err(ENDED))
    }

    pub(super) async fn swap(&self, next: Next) -> Result<(), PluginError> {
        let (answer, answered) = oneshot::channel();
        self.ask(Request::Swap(Box::new(next), answer)).await?;
        answered.await.unwrap_or(Err(ENDED))
    }

    pub(super) async fn stop(&self, deadline: Duration) {
        self.queue.end();
        let (answer, answered) = oneshot::channel();
        if self.ask(Request::Stop(Instant::now() + deadline, answer)).await.is_ok() {
            // A task that ended without an answer has stopped as well.
            answered.await.ok();
        }
    }

    async fn ask(&self, request: Request) -> Result<(), PluginError> {
        self.requests.send(request).await.map_err(|_| ENDED)
    }
}

const ENDED: PluginError = PluginError::NotRunning { why: "the plugin has been stopped" };

impl Handler for Seat {
    fn offer(&self, event: Event) -> Result<(), Box<Declined>> {
        if let Occurrence::Message(message) = &event.what
            && !self.shared.current.load().about.wants(&message.id)
        {
            let why = Fault::new(FaultId::UnknownEvent, "the plugin does not take this event");
            self.shared.counters.declined.add(why.id, 1);
            return Err(Box::new(Declined { event, why }));
        }
        self.queue.offer(event).inspect_err(|declined| {
            self.shared.counters.declined.add(declined.why.id, 1);
        })
    }

    fn settle(&self) {
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
}

async fn drive(
    mut runner: Runner,
    mut requests: mpsc::Receiver<Request>,
    stop: CancellationToken,
    gathering: Arc<Gathering>,
    visited: Visited,
) {
    let mut batch = Batch::default();
    runner.visited = visited.clone();
    let mut stopped = pin!(stop.cancelled());
    // What is large and rare has a box of its own: what every call needs is moved with each call.
    let asked = loop {
        let pause = pause(runner.down_until());
        let waited =
            next(&runner.queue, &mut requests, stopped.as_mut(), pause, &gathering, &visited);
        match waited.await {
            Due::Events => {
                gather(&runner.queue, &gathering, &visited).await;
                gathering.ends();
                if runner.queue.take(runner.max_batch(), &mut batch) {
                    runner.run(&mut batch).await;
                }
                if !runner.queue.is_empty() {
                    // Others have added theirs meanwhile: that is the task's work.
                    hand_over(&visited).await;
                    tokio::task::coop::consume_budget().await;
                }
            }
            Due::Request(request) => {
                hand_over(&visited).await;
                let obeyed = Box::pin(obey(&mut runner, request, &mut batch)).await;
                if let ControlFlow::Break(answer) = obeyed {
                    break Some(answer);
                }
            }
            Due::Restart => {
                hand_over(&visited).await;
                Box::pin(runner.restart()).await;
            }
            Due::End => break None,
        }
    };
    Box::pin(runner.finish()).await;
    if let Some(answer) = asked {
        answer.send(()).ok();
    }
}

/// What there is to do between two calls.
enum Due {
    Events,
    Request(Request),
    /// The pause before another try to start is over.
    Restart,
    End,
}

/// Waits for something to do. Requests come first: a reload does not wait for a backlog to end. Only a visitor, who
/// came for the events that it brought, begins with them.
async fn next(
    queue: &Queue,
    requests: &mut mpsc::Receiver<Request>,
    mut stopped: Pin<&mut WaitForCancellationFuture<'_>>,
    restart: impl Future<Output = ()>,
    gathering: &Gathering,
    visited: &Visited,
) -> Due {
    let mut restart = pin!(restart);
    poll_fn(|cx| {
        let mut events = !queue.is_empty();
        if !events {
            // What the task was called for may have been given up: who comes next has to call it again. Looked at once
            // more, for who came in between and found it called.
            gathering.ends();
            events = !queue.is_empty();
        }
        if events && visited.is_so() {
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
        Request::Save(answer) => {
            answer.send(runner.save().await).ok();
        }
        Request::Swap(next, answer) => {
            answer.send(runner.swap(*next).await).ok();
        }
        Request::Stop(deadline, answer) => {
            while Instant::now() < deadline && runner.queue.take(runner.max_batch(), batch) {
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
    use std::{num::NonZeroUsize, task::Context, task::Waker};

    #[tokio::test]
    async fn a_call_for_events_that_were_given_up_does_not_keep_the_next_from_calling() {
        let (queue, gathering) = (Queue::new(NonZeroUsize::MIN), Gathering::default());
        let (_requests, mut received) = mpsc::channel(REQUESTS);
        let (stop, visited) = (CancellationToken::new(), Visited::default());
        assert!(gathering.calls(), "somebody brought an event, which was given up");
        let mut stopped = pin!(stop.cancelled());
        let waits =
            next(&queue, &mut received, stopped.as_mut(), pause(None), &gathering, &visited);
        let polled = pin!(waits).poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        assert!(gathering.calls(), "the next one calls");
    }
}
