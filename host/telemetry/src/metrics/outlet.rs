//! When metrics are exported, how often that is tried, and what becomes of it.

use super::{
    Read,
    plan::Plan,
    points::{Page, Sheet},
};
use crate::{
    processor::{Stop, expired},
    sending::{self, ASK_IT, Answer, Client, Trouble},
    stats::MetricStats,
};
use std::{
    collections::VecDeque,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};
use tokio::time::{self, Instant};

/// Tries of one request after the first.
const RETRIES: u32 = 3;

/// What became of the exports so far.
#[derive(Debug, Default)]
pub(super) struct Counts {
    exports: AtomicU64,
    failed: AtomicU64,
    points: AtomicU64,
    rejected: AtomicU64,
    last_error: Mutex<Option<String>>,
    /// Why nothing can be exported at all.
    broken: Mutex<Option<String>>,
}

impl Counts {
    /// Says that nothing will be exported.
    pub(super) fn broke(&self, why: String) {
        tracing::error!(%why, "no metrics are sent");
        *self.broken.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
    }

    pub(super) fn broken(&self) -> Option<String> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The counts; without what is known of the exporter before it begins.
    pub(super) fn stats(&self) -> MetricStats {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        MetricStats {
            exports: read(&self.exports),
            failed: read(&self.failed),
            points: read(&self.points),
            rejected: read(&self.rejected),
            last_error: self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            ..MetricStats::default()
        }
    }

    fn error(&self, why: String) {
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
    }
}

/// What the thread owns.
pub(super) struct Outlet {
    pub(super) read: Read,
    pub(super) sheet: Sheet,
    pub(super) client: Client,
    pub(super) plan: Plan,
    pub(super) counts: std::sync::Arc<Counts>,
    pub(super) stop: Stop,
    /// What the collector said last of metrics that it took.
    pub(super) said: String,
}

impl Outlet {
    /// Exports every so often until told to stop, then once more, until the deadline at most.
    pub(super) async fn run(mut self) {
        let mut told = Told::default();
        let mut ticks = time::interval_at(Instant::now() + self.plan.every, self.plan.every);
        ticks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
        loop {
            let mut stop = self.stop.clone();
            let stopped = async { drop(stop.wait_for(Option::is_some).await) };
            let turn = async {
                ticks.tick().await;
                self.export().await
            };
            // An export that is under way goes: the last one says all that it would have said.
            let done = tokio::select! {
                biased;
                () = stopped => break,
                done = turn => done,
            };
            told.hear(done, self.plan.collector.endpoint.shown());
        }
        let deadline = expired(self.stop.clone());
        tokio::select! {
            biased;
            () = deadline => {
                self.counts.failed.fetch_add(1, Ordering::Relaxed);
                self.counts.error("the gateway ended first".into());
            }
            done = self.export() => told.hear(done, self.plan.collector.endpoint.shown()),
        }
    }

    /// Exports all that is counted now. Err: what went wrong with the first request that could not be handed over.
    async fn export(&mut self) -> Result<(), Trouble> {
        let Some(samples) = (self.read)() else { return Ok(()) };
        let pages = self.sheet.pages(samples, SystemTime::now());
        let sent = match self.plan.timeout {
            None => self.send(pages).await,
            Some(timeout) => match time::timeout(timeout, self.send(pages)).await {
                Ok(sent) => sent,
                Err(_) => Err(Trouble {
                    why: format!("no answer within {timeout:?}"),
                    remedy: "is the collector overloaded? `OTEL_EXPORTER_OTLP_METRICS_TIMEOUT` gives it more time",
                }),
            },
        };
        let counter = if sent.is_ok() { &self.counts.exports } else { &self.counts.failed };
        counter.fetch_add(1, Ordering::Relaxed);
        if let Err(trouble) = &sent {
            self.counts.error(trouble.why.clone());
        }
        sent
    }

    /// Err also: of all of it nothing was taken.
    async fn send(&mut self, pages: Vec<Page>) -> Result<(), Trouble> {
        let (mut left, mut taken, mut refused) = (VecDeque::from(pages), 0, None);
        while let Some(page) = left.pop_front() {
            let points = page.points;
            let (rejected, said) = match self.hand_over(&page).await? {
                Handed::Over { rejected, said } => (rejected.min(points), said),
                Handed::TooLarge(Trouble { why, .. }) => match page.halves() {
                    Ok([first, second]) => {
                        left.push_front(second);
                        left.push_front(first);
                        continue;
                    }
                    Err(page) => (page.points, why),
                },
            };
            taken += points - rejected;
            self.account_for(points - rejected, rejected, &said);
            if rejected > 0 {
                refused = Some(format!("{rejected} points were refused: {said}"));
            }
        }
        match refused {
            Some(why) if taken == 0 => Err(Trouble { why, remedy: ASK_IT }),
            Some(why) => {
                self.counts.error(why);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The log is told once of what is refused (the same is in each export, and how much that is is counted), and of what else
    /// is said when it changes.
    fn account_for(&mut self, taken: u64, rejected: u64, said: &str) {
        self.counts.points.fetch_add(taken, Ordering::Relaxed);
        let before = self.counts.rejected.fetch_add(rejected, Ordering::Relaxed);
        if before == 0 && rejected > 0 {
            tracing::warn!(rejected, %said, "the collector refuses some of the metrics; its own log says more");
        }
        if rejected == 0 && !said.is_empty() && said != self.said {
            tracing::warn!(%said, "the collector took the metrics, and says this of them");
            said.clone_into(&mut self.said);
        }
    }

    /// Tries until the collector has it, or will not, or too often.
    async fn hand_over(&mut self, page: &Page) -> Result<Handed, Trouble> {
        let mut tries = 0;
        loop {
            let (after, trouble) = match self.client.send(page.request.clone()).await {
                Answer::Taken { rejected, said } => return Ok(Handed::Over { rejected, said }),
                Answer::TooLarge(trouble) => return Ok(Handed::TooLarge(trouble)),
                Answer::Refused(trouble) => return Err(trouble),
                Answer::Later { after, trouble } => (after, trouble),
            };
            if tries == RETRIES {
                return Err(trouble);
            }
            time::sleep(after.unwrap_or_default().max(sending::pause(tries))).await;
            tries += 1;
        }
    }
}

/// What became of a request that was answered.
enum Handed {
    /// How many points the collector refused, and what it says of that or of all.
    Over {
        rejected: u64,
        said: String,
    },
    TooLarge(Trouble),
}

/// What the log has heard: the first failure of a row, and its end.
#[derive(Default)]
struct Told {
    failures: u64,
}

impl Told {
    fn hear(&mut self, done: Result<(), Trouble>, endpoint: &str) {
        match done {
            Ok(()) if self.failures > 0 => {
                let missed = std::mem::take(&mut self.failures);
                tracing::info!(endpoint, missed, "metrics reach the collector again");
            }
            Ok(()) => {}
            Err(Trouble { why, remedy }) => {
                if self.failures == 0 {
                    tracing::warn!(endpoint, %why, remedy, "no metrics reach the collector");
                }
                self.failures += 1;
            }
        }
    }
}
