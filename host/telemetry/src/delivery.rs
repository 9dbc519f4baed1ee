//! One sink's task: takes records from its queue and delivers them in batches.

use super::{
    processor::{Stop, expired},
    stats::SinkStats,
    tap::{SERVING, Tap},
};
use futures_util::FutureExt;
use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tengen_core::{
    often::Times,
    sink::{Refusal, Signal, Sink},
};
use tokio::{sync::watch, time};
use tokio_util::task::TaskTracker;

/// Records in one delivery.
const BATCH: usize = 256;
/// How long one delivery may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The pause after a first failure; it doubles with each further one.
const PAUSE: Duration = Duration::from_millis(100);
/// No pause is longer, whatever a sink asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Failures in a row after which a batch is given up.
const ATTEMPTS: u32 = 5;

/// The handle of a sink's task.
#[derive(Debug)]
pub(super) struct Delivery {
    tap: Arc<Tap>,
    stop: watch::Sender<Option<Instant>>,
    /// Closed when the task has ended.
    done: watch::Receiver<()>,
}

impl Delivery {
    pub(super) fn start(tap: Arc<Tap>, sink: Arc<dyn Sink>, tasks: &TaskTracker) -> Self {
        let (stop, stopped) = watch::channel(None);
        let (alive, done) = watch::channel(());
        let courier = Courier { tap: tap.clone(), sink, stop: stopped, told: 0 };
        tasks.spawn(async move {
            let _alive = alive;
            courier.run().await;
        });
        Self { tap, stop, done }
    }

    pub(super) fn stats(&self) -> SinkStats {
        self.tap.stats()
    }

    /// Takes no more records; the future ends when the queued ones are delivered, or at the deadline.
    pub(super) fn stop(&self, deadline: Instant) -> impl Future<Output = ()> + use<> {
        self.tap.detach();
        self.stop.send_replace(Some(deadline));
        let mut done = self.done.clone();
        async move {
            // Longer than the deadline only if the task cannot run: it has the same one.
            let patience = Duration::from_millis(100);
            let ended = time::timeout_at((deadline + patience).into(), async {
                while done.changed().await.is_ok() {}
            });
            ended.await.unwrap_or_default();
        }
    }
}

impl Drop for Delivery {
    /// Without a shutdown nobody waits for the task: it ends at once.
    fn drop(&mut self) {
        self.tap.detach();
        self.stop.send_if_modified(|stop| {
            stop.is_none().then(|| *stop = Some(Instant::now())).is_some()
        });
    }
}

/// What the task owns.
struct Courier {
    tap: Arc<Tap>,
    sink: Arc<dyn Sink>,
    stop: Stop,
    /// Losses that the sink was told of.
    told: u64,
}

/// What one delivery came to.
enum Outcome {
    Taken(usize),
    /// Not now; after this pause.
    Later(Duration),
    Failed(String),
    GivenUp(String),
    Fatal(String),
    OutOfTime,
}

impl Courier {
    async fn run(mut self) {
        loop {
            let stopping = self.stop.borrow().is_some();
            let batch = self.tap.take(BATCH);
            if !batch.is_empty() {
                self.deliver(&batch).await;
                self.tap.release(&batch);
            } else if stopping {
                break;
            } else {
                tokio::select! {
                    () = self.tap.queue.filled() => {}
                    _ = self.stop.changed() => {}
                }
            }
        }
        self.flush().await;
    }

    /// Delivers a batch as a whole, in as many attempts as it takes, or counts what is lost of it.
    async fn deliver(&mut self, batch: &[Signal]) {
        let (mut rest, mut failures) = (batch, 0);
        while !rest.is_empty() {
            self.tap.counts.in_flight.store(rest.len() as u64, Ordering::Relaxed);
            if self.tap.counts.gone.load(Ordering::Relaxed) {
                self.lose(rest, |tap| &tap.counts.sink_error);
                break;
            }
            match self.attempt(rest).await {
                Outcome::Taken(taken) => {
                    self.count(|tap| &tap.counts.processed, taken as u64);
                    rest = rest.get(taken..).unwrap_or_default();
                    failures = 0;
                }
                Outcome::Later(pause) => {
                    self.count(|tap| &tap.counts.retries, 1);
                    self.pause(pause).await;
                }
                Outcome::Failed(error) => {
                    failures += 1;
                    if failures == ATTEMPTS {
                        self.lose(rest, |tap| &tap.counts.sink_error);
                        self.failed(error);
                        break;
                    }
                    self.failed(error);
                    self.pause(PAUSE * 2_u32.pow(failures - 1)).await;
                }
                Outcome::GivenUp(error) => {
                    self.lose(rest, |tap| &tap.counts.sink_error);
                    self.failed(error);
                    break;
                }
                Outcome::Fatal(error) => self.give_up(error),
                Outcome::OutOfTime => {
                    self.lose(rest, |tap| &tap.counts.shutdown);
                    break;
                }
            }
        }
        self.tap.counts.in_flight.store(0, Ordering::Relaxed);
    }

    async fn attempt(&mut self, rest: &[Signal]) -> Outcome {
        let dropped = self.tap.counts.dropped().total();
        let news = u32::try_from(dropped - self.told).unwrap_or(u32::MAX);
        let delivery =
            SERVING.scope((), AssertUnwindSafe(self.sink.deliver(rest, news)).catch_unwind());
        let answer = tokio::select! {
            biased;
            () = expired(self.stop.clone()) => return Outcome::OutOfTime,
            answer = time::timeout(PATIENCE, delivery) => answer,
        };
        let outcome = match answer {
            Ok(Ok(Ok(0))) => Outcome::Failed("the sink took nothing and did not say why".into()),
            Ok(Ok(Ok(taken))) => Outcome::Taken(taken.min(rest.len())),
            Ok(Ok(Err(Refusal::RetryAfter(pause)))) => Outcome::Later(pause),
            Ok(Ok(Err(Refusal::Drop(reason)))) => Outcome::GivenUp(reason),
            Ok(Ok(Err(Refusal::Fatal(reason)))) => Outcome::Fatal(reason),
            Ok(Err(_)) => Outcome::GivenUp("the sink panicked".into()),
            Err(_) => Outcome::Failed(format!("no answer within {PATIENCE:?}")),
        };
        if matches!(outcome, Outcome::Taken(_)) {
            self.told = dropped;
        }
        outcome
    }

    /// Waits before the next attempt, but not past the deadline.
    async fn pause(&self, pause: Duration) {
        tokio::select! {
            () = expired(self.stop.clone()) => {}
            // At least a moment: a sink that says `retry after nothing` must not keep a processor busy.
            () = time::sleep(pause.clamp(Duration::from_millis(1), LONGEST_PAUSE)) => {}
        }
    }

    /// The sink wants no more. What is queued for it is counted as lost; nothing new comes.
    fn give_up(&self, error: String) {
        tracing::error!(sink = %self.tap.name, %error, "a sink gave itself up");
        self.failed(error);
        self.tap.counts.gone.store(true, Ordering::Relaxed);
        self.tap.detach();
    }

    /// To be called when what the failure costs is counted. Told now and then, however it is worded: a failure that lasts
    /// would be told never if it had to be another than the one before.
    fn failed(&self, error: String) {
        let counts = &self.tap.counts;
        counts.errors.fetch_add(1, Ordering::Relaxed);
        let now = time::Instant::now().into_std();
        if let Some(Times { untold, .. }) = counts.failures.count("sink", now) {
            let lost = counts.dropped().total();
            tracing::warn!(sink = %self.tap.name, %error, untold, lost, "a sink failed");
        }
        *counts.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    fn lose(&self, rest: &[Signal], reason: impl Fn(&Tap) -> &AtomicU64) {
        self.count(reason, rest.len() as u64);
    }

    fn count(&self, of: impl Fn(&Tap) -> &AtomicU64, more: u64) {
        of(&self.tap).fetch_add(more, Ordering::Relaxed);
    }

    async fn flush(&self) {
        if self.tap.counts.gone.load(Ordering::Relaxed) {
            return;
        }
        let flush = SERVING.scope((), AssertUnwindSafe(self.sink.flush()).catch_unwind());
        let answer = tokio::select! {
            biased;
            () = expired(self.stop.clone()) => return,
            answer = time::timeout(PATIENCE, flush) => answer,
        };
        match answer {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => self.failed(error),
            Ok(Err(_)) => self.failed("the sink panicked".into()),
            Err(_) => self.failed(format!("no answer within {PATIENCE:?}")),
        }
    }
}

#[cfg(test)]
mod tests;
