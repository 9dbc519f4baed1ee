//! Deliveries to a sink that takes signals in batches, on tasks of its own.

use super::{
    pipe::SERVING,
    station::{Batch, LINGER, Loss, Next, Station},
};
use futures_util::FutureExt;
use std::{
    num::NonZeroUsize,
    panic::AssertUnwindSafe,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tengen_core::{
    often::{Often, Times},
    sink::{PATIENCE, Refusal, Signal, Sink},
};
use tengen_settings as settings;
use tokio::{sync::watch, time};
use tokio_util::task::TaskTracker;

/// No pause is longer, whatever a sink asks for.
const LONGEST_WISH: Duration = Duration::from_secs(30);
/// Failures in a row after which a batch is given up.
const ATTEMPTS: u32 = 5;
/// When the end has begun, who cannot be reached is tried again after so long.
const AT_THE_END: Duration = Duration::from_millis(100);

/// Delivers until the station is closed and empty; the receiver is closed then.
pub(super) fn start(
    station: &Arc<Station>,
    sink: &Arc<dyn Sink>,
    settings: &settings::Sink,
    tasks: &TaskTracker,
) -> watch::Receiver<()> {
    let (alive, done) = watch::channel(());
    let told = Arc::new(AtomicU64::new(0));
    let ending = Arc::new(AtomicU64::new(settings.workers.get() as u64));
    for _ in 0..settings.workers.get() {
        let courier = Courier {
            station: Arc::clone(station),
            sink: Arc::clone(sink),
            batch: settings.batch,
            delay: settings.delay,
            told: Arc::clone(&told),
            working: Arc::clone(&ending),
            often: Often::default(),
        };
        let alive = alive.clone();
        tasks.spawn(async move {
            let _alive = alive;
            courier.run().await;
        });
    }
    done
}

/// What a task owns.
struct Courier {
    station: Arc<Station>,
    sink: Arc<dyn Sink>,
    batch: NonZeroUsize,
    delay: Duration,
    /// Losses that the sink was told of, or is being told of.
    told: Arc<AtomicU64>,
    /// Tasks that have not come to their end.
    working: Arc<AtomicU64>,
    /// Which of the failures the log is told of.
    often: Often,
}

/// What one delivery came to.
enum Outcome {
    Taken(usize),
    /// Not now; after this pause.
    Later(Duration),
    Failed(String),
    /// Nobody is there: it is kept, and the pause is as long as they said, if they did.
    Unavailable(String, Option<Duration>),
    /// So many are done with, of which so many were refused.
    Partly(usize, usize, String),
    /// The first is more than is taken.
    TooLarge(String),
    GivenUp(String),
    Fatal(String),
    OutOfTime,
}

impl Courier {
    async fn run(mut self) {
        let mut soon = true;
        loop {
            let station = Arc::clone(&self.station);
            let mut woken = pin!(station.wake.notified());
            // From here on, whoever brings something wakes us.
            woken.as_mut().enable();
            let next = if soon { station.next_soon(self.batch) } else { station.next(self.batch) };
            soon = matches!(next, Next::Deliver(_));
            match next {
                Next::Deliver(batch) => self.deliver(&batch).await,
                Next::End => break,
                Next::Linger(since) => {
                    time::timeout(LINGER, woken).await.unwrap_or_default();
                    station.look(since);
                }
                Next::Wait => {
                    tokio::select! {
                        () = woken => {}
                        () = expired(&station) => {}
                    }
                    self.gather().await;
                }
            }
        }
        // The last of them writes out what the sink holds back.
        if self.working.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.flush().await;
        }
    }

    /// Waits a while for more.
    async fn gather(&self) {
        let mut enough = pin!(self.station.wake.notified());
        enough.as_mut().enable();
        if let Some(since) = self.station.gather(self.batch, self.delay) {
            time::timeout(self.delay, enough).await.unwrap_or_default();
            self.station.look(since);
        }
    }

    /// Delivers a batch as a whole, in as many attempts as it takes, or counts what is lost of it.
    async fn deliver(&mut self, batch: &Batch) {
        let (mut rest, mut failures) = (batch.signals.as_slice(), 0);
        while !rest.is_empty() {
            if self.station.is_gone() {
                self.station.lose(rest, Loss::Gone);
                break;
            }
            let was_closing = self.station.until().is_some();
            if self.station.leaves_the_rest() {
                self.station.lose(rest, Loss::Shutdown);
                break;
            }
            if let Err(pause) = self.station.admit(time::Instant::now().into_std()) {
                self.pause(pause, was_closing).await;
                continue;
            }
            match self.attempt(rest).await {
                Outcome::Taken(taken) => {
                    let (taken, left) = rest.split_at(taken);
                    self.station.delivered(taken);
                    (rest, failures) = (left, 0);
                }
                Outcome::Later(pause) => {
                    self.station.retried();
                    self.station.withdrew();
                    self.pause(pause, was_closing).await;
                }
                Outcome::Failed(error) => {
                    failures += 1;
                    if failures == ATTEMPTS {
                        self.station.lose(rest, Loss::SinkError);
                        self.failed(&error);
                        break;
                    }
                    let pause = self.failed(&error);
                    self.pause(pause, was_closing).await;
                }
                Outcome::Unavailable(error, wished) => {
                    self.wait_for_them(&error, wished, was_closing).await;
                }
                Outcome::Partly(taken, refused, error) => {
                    let (taken, left) = rest.split_at(taken);
                    self.take_partly(taken, refused, &error);
                    (rest, failures) = (left, 0);
                }
                Outcome::TooLarge(error) => {
                    let (first, left) = rest.split_at(1);
                    self.lose_too_large(first, &error);
                    (rest, failures) = (left, 0);
                }
                Outcome::GivenUp(error) => {
                    self.station.lose(rest, Loss::SinkError);
                    self.failed(&error);
                    break;
                }
                Outcome::Fatal(error) => self.give_up(&error),
                Outcome::OutOfTime => {
                    self.station.withdrew();
                    self.station.lose(rest, Loss::Shutdown);
                    break;
                }
            }
        }
        self.station.release(batch);
    }

    /// Tells the sink with the batch what was lost before it, which nobody else tells it meanwhile.
    async fn attempt(&self, rest: &[Arc<Signal>]) -> Outcome {
        let lost = self.station.lost();
        let news = lost.saturating_sub(self.told.fetch_max(lost, Ordering::Relaxed));
        let outcome = self.try_once(rest, u32::try_from(news).unwrap_or(u32::MAX)).await;
        let is_told = match &outcome {
            Outcome::Taken(_) => true,
            Outcome::Partly(taken, refused, _) => refused < taken,
            _ => false,
        };
        if !is_told {
            self.told.fetch_sub(news, Ordering::Relaxed);
        }
        outcome
    }

    async fn try_once(&self, rest: &[Arc<Signal>], news: u32) -> Outcome {
        let delivery =
            SERVING.scope((), AssertUnwindSafe(self.sink.deliver(rest, news)).catch_unwind());
        let answer = tokio::select! {
            biased;
            () = expired(&self.station) => return Outcome::OutOfTime,
            answer = time::timeout(self.sink.patience(), delivery) => answer,
        };
        match answer {
            Ok(Ok(Ok(0))) => Outcome::Failed("the sink took nothing and did not say why".into()),
            Ok(Ok(Ok(taken))) => Outcome::Taken(taken.min(rest.len())),
            Ok(Ok(Err(Refusal::RetryAfter(pause)))) => Outcome::Later(pause),
            Ok(Ok(Err(Refusal::Drop(reason)))) => Outcome::GivenUp(reason),
            Ok(Ok(Err(Refusal::Fatal(reason)))) => Outcome::Fatal(reason),
            Ok(Ok(Err(Refusal::Unavailable { why, after }))) => Outcome::Unavailable(why, after),
            Ok(Ok(Err(Refusal::Partly { taken, refused, why }))) => {
                let taken = taken.clamp(1, rest.len());
                Outcome::Partly(taken, refused.min(taken), why)
            }
            Ok(Ok(Err(Refusal::TooLarge(reason)))) => Outcome::TooLarge(reason),
            Ok(Err(_)) => Outcome::GivenUp("the sink panicked".into()),
            Err(_) => Outcome::Failed(format!("no answer within {:?}", self.sink.patience())),
        }
    }

    /// Waits before the next attempt, but not past the deadline; when the end begins, there is one at once. `was_closing`:
    /// whether it had begun before the last attempt did. Asked here, an end that began since would cost a whole pause.
    async fn pause(&self, pause: Duration, was_closing: bool) {
        let enough = async {
            match was_closing {
                true => expired(&self.station).await,
                false => {
                    closing(&self.station).await;
                }
            }
        };
        tokio::select! {
            () = enough => {}
            // At least a moment: a sink that says `retry after nothing` must not keep a processor busy.
            () = time::sleep(pause.clamp(Duration::from_millis(1), LONGEST_WISH)) => {}
        }
    }

    /// Nobody is there who takes the batch. When all ends each moment counts, and they are asked again soon.
    async fn wait_for_them(&self, error: &str, wished: Option<Duration>, was_closing: bool) {
        let pause = self.failed(error).max(wished.unwrap_or_default());
        self.station.retried();
        match was_closing {
            false => self.pause(pause, false).await,
            true => self.pause(pause.min(AT_THE_END), true).await,
        }
    }

    /// The sink wants no more. What is queued for it is counted as lost, and what comes.
    fn give_up(&self, error: &str) {
        tracing::error!(sink = self.station.name(), error, "a sink gave itself up");
        self.failed(error);
        self.station.give_up();
    }

    /// To be called when what the failure costs is counted. Told now and then, however it is worded: a failure that lasts
    /// would be told never if it had to be another than the one before.
    fn failed(&self, error: &str) -> Duration {
        let now = time::Instant::now().into_std();
        let pause = self.station.failed(error, now);
        if let Some(Times { untold, .. }) = self.often.count("sink", now) {
            let (sink, lost) = (self.station.name(), self.station.lost());
            tracing::warn!(sink, error, untold, lost, "a sink failed");
        }
        pause
    }

    /// These are done with, and so many of them were refused: which, nobody says. That is told now and then. It is a failure
    /// of the sink if it was all of them, and no failure at all if it was none.
    fn take_partly(&self, taken: &[Arc<Signal>], refused: usize, error: &str) {
        let (refused, kept) = taken.split_at(refused);
        self.station.lose(refused, Loss::Refused);
        if kept.is_empty() {
            self.failed(error);
            return;
        }
        self.station.delivered(kept);
        let now = time::Instant::now().into_std();
        let sink = self.station.name();
        if refused.is_empty() {
            if let Some(Times { untold, .. }) = self.often.count("said", now) {
                tracing::warn!(sink, said = error, untold, "a sink took all, and says this of it");
            }
            return;
        }
        self.station.noted(error);
        if let Some(Times { untold, .. }) = self.often.count("refused", now) {
            let lost = self.station.lost();
            tracing::warn!(sink, error, untold, lost, "a sink refused some signals");
        }
    }

    /// No other try would take it. It says nothing of the sink.
    fn lose_too_large(&self, first: &[Arc<Signal>], error: &str) {
        self.station.lose(first, Loss::TooLarge);
        self.station.noted(error);
        self.station.withdrew();
        let now = time::Instant::now().into_std();
        if let Some(Times { untold, .. }) = self.often.count("too-large", now) {
            let (sink, lost) = (self.station.name(), self.station.lost());
            tracing::warn!(sink, error, untold, lost, "a signal is larger than its sink takes");
        }
    }

    async fn flush(&self) {
        if self.station.is_gone() {
            return;
        }
        let flush = SERVING.scope((), AssertUnwindSafe(self.sink.flush()).catch_unwind());
        let answer = tokio::select! {
            biased;
            () = expired(&self.station) => return,
            answer = time::timeout(PATIENCE, flush) => answer,
        };
        match answer {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => {
                self.failed(&error);
            }
            Ok(Err(_)) => {
                self.failed("the sink panicked");
            }
            Err(_) => {
                self.failed(&format!("no answer within {PATIENCE:?}"));
            }
        }
    }
}

/// Waits until the moment by which all has to have ended, if there will be one.
async fn expired(station: &Station) {
    time::sleep_until(closing(station).await.into()).await;
}

/// Waits until the end begins; by when all has to have ended.
async fn closing(station: &Station) -> Instant {
    loop {
        let mut woken = pin!(station.wake.notified());
        woken.as_mut().enable();
        if let Some(until) = station.until() {
            return until;
        }
        woken.await;
    }
}

#[cfg(test)]
mod tests;
