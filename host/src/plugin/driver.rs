//! A handler's task: takes batches from the queue, runs them, and between two calls does what it is asked.

use super::{
    bindings::snapshot,
    counters::count,
    error::PluginError,
    queue::{Batch, Queue},
    runner::{Next, Runner},
    shared::Shared,
};
use crate::{
    event::{Event, Occurrence},
    fault::{Fault, FaultId},
    handler::{Declined, Handler},
};
use std::{ops::ControlFlow, sync::Arc, time::Duration};
use tokio::{
    select,
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

/// Requests to the task that may wait; reloads are one at a time.
const REQUESTS: usize = 4;

/// Where events for a handler plugin are offered, and how its task is asked for things.
#[derive(Debug)]
pub(super) struct Seat {
    shared: Arc<Shared>,
    queue: Arc<Queue>,
    requests: mpsc::Sender<Request>,
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
    /// Where events are offered, and the future that drives the instance; the caller gives it a task.
    pub(super) fn new(
        shared: Arc<Shared>,
        queue: Arc<Queue>,
        runner: Runner,
        stop: CancellationToken,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let (requests, received) = mpsc::channel(REQUESTS);
        (Self { shared, queue, requests }, drive(runner, received, stop))
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
            count(&self.shared.counters.declined_events);
            let why = Fault::new(FaultId::UnknownEvent, "the plugin does not take this event");
            return Err(Box::new(Declined { event, why }));
        }
        self.queue.offer(event).inspect_err(|_| count(&self.shared.counters.declined_events))
    }
}

async fn drive(mut runner: Runner, mut requests: mpsc::Receiver<Request>, stop: CancellationToken) {
    let mut batch = Batch::default();
    let mut gathering = Gathering::default();
    let mut asked = None;
    while !stop.is_cancelled() {
        // Requests first: a reload does not wait for a backlog to end.
        if let Ok(request) = requests.try_recv() {
            if let ControlFlow::Break(answer) = obey(&mut runner, request, &mut batch).await {
                asked = Some(answer);
                break;
            }
            continue;
        }
        if runner.queue.take(runner.max_batch(), &mut batch) {
            runner.run(&mut batch).await;
            tokio::task::coop::consume_budget().await;
            continue;
        }
        select! {
            biased;
            () = stop.cancelled() => break,
            request = requests.recv() => match request {
                Some(request) => if let ControlFlow::Break(answer) = obey(&mut runner, request, &mut batch).await {
                    asked = Some(answer);
                    break;
                },
                None => break,
            },
            () = pause(runner.down_until()) => runner.restart().await,
            () = runner.queue.filled() => gathering.gather(&runner.queue).await,
        }
    }
    runner.finish().await;
    if let Some(answer) = asked {
        answer.send(()).ok();
    }
}

/// Lets connections that are ready as well go first, so that one call decides their events too. No time is waited: the
/// task goes behind those that could run anyway. Where that brings nothing, it is rarely tried.
#[derive(Debug, Default)]
struct Gathering {
    /// How often in a row it brought nothing.
    vain: u32,
    /// How often to leave it out before the next try.
    pass: u32,
}

impl Gathering {
    /// In vain so often, it is left out...
    const VAIN: u32 = 4;
    /// ...for so many batches.
    const PASS: u32 = 32;

    async fn gather(&mut self, queue: &Queue) {
        if self.pass > 0 {
            self.pass -= 1;
            return;
        }
        let before = queue.len();
        tokio::task::yield_now().await;
        if queue.len() > before {
            self.vain = 0;
        } else {
            self.vain += 1;
            if self.vain >= Self::VAIN {
                self.pass = Self::PASS;
            }
        }
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
