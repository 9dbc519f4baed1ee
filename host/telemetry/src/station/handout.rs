//! What deliveries say became of the signals that they took.

use super::{Batch, Loss, Station, Waiting, breaker::Phase};
use std::{
    sync::{Arc, PoisonError},
    time::{Duration, Instant, SystemTime},
};
use tengen_core::{
    meter::{Exemplar, Gathered},
    sink::Signal,
};

impl Station {
    /// Waits on a thread, but not past the end.
    pub(crate) fn pause_until(&self, until: Instant) {
        let waiting = self.lock();
        let left = until.saturating_duration_since(Instant::now());
        drop(self.filled.wait_timeout_while(waiting, left, |waiting| !waiting.is_closed));
    }

    /// Lets a delivery begin, or says how long it is to wait before it asks again. At the end nobody waits.
    pub(crate) fn admit(&self, now: Instant) -> Result<(), Duration> {
        let mut waiting = self.lock();
        match waiting.is_closed {
            true => Ok(()),
            false => waiting.breaker.admit(now),
        }
    }

    /// So many of those under way were delivered, from the first.
    pub(crate) fn delivered(&self, signals: &[Arc<Signal>]) {
        // Read once for all of them; one that is set back makes no time negative.
        let now = SystemTime::now();
        let age = |signal: &Arc<Signal>| now.duration_since(signal.at).unwrap_or_default();
        self.latency.add(&Gathered::of(signals.iter().map(age)));
        // One of each batch is enough.
        let recorded = signals.iter().rev().find(|signal| signal.sampled);
        if let Some(shown) = recorded.and_then(|signal| exemplar(signal, age(signal), now)) {
            self.latency.show(shown);
        }
        let mut waiting = self.lock();
        let count = signals.len() as u64;
        waiting.account.in_flight -= count;
        waiting.account.delivered(count);
        waiting.health.succeeded();
        let closed = waiting.breaker.passed();
        drop(waiting);
        // Under a lock of its own: freeing what is forgotten takes longer than who says something should wait.
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).add(signals);
        if closed {
            tracing::info!(sink = self.name(), "a sink that kept failing works again");
        }
    }

    /// These of those under way are lost; at the end, and where the sink is gone, they go back where they came from, if there
    /// is a disk for them.
    pub(crate) fn lose(&self, signals: &[Arc<Signal>], why: Loss) {
        let (mut waiting, count) = (self.lock(), signals.len() as u64);
        waiting.account.in_flight -= count;
        match why {
            Loss::SinkError => waiting.account.dropped.sink_error += count,
            Loss::Refused => waiting.account.dropped.refused += count,
            Loss::TooLarge => waiting.account.dropped.too_large += count,
            Loss::Shutdown | Loss::Gone
                if waiting.aside.as_ref().is_some_and(|aside| !aside.is_over()) =>
            {
                for signal in signals.iter().rev() {
                    let weight = signal.weight();
                    waiting.bytes += weight;
                    waiting.queue.push_front((Arc::clone(signal), weight));
                }
            }
            Loss::Gone => waiting.account.dropped.sink_error += count,
            Loss::Shutdown => waiting.account.dropped.shutdown += count,
        }
    }

    /// A batch takes up no more memory.
    pub(crate) fn release(&self, batch: &Batch) {
        let mut waiting = self.lock();
        waiting.bytes -= batch.bytes;
        let blocked = waiting.blocked > 0;
        self.tell_keeper(&waiting);
        drop(waiting);
        if blocked {
            self.room.notify_all();
        }
    }

    /// There may be room for what is on the disk.
    pub(super) fn tell_keeper(&self, waiting: &Waiting) {
        if waiting.aside.is_some() {
            self.errands.notify_all();
        }
    }

    /// A delivery failed; how long the next is to wait.
    pub(crate) fn failed(&self, error: &str, now: Instant) -> Duration {
        let mut waiting = self.lock();
        waiting.account.errors += 1;
        waiting.health.failed(error);
        let (pause, opened) = waiting.breaker.broke(now);
        drop(waiting);
        if opened {
            let sink = self.name();
            tracing::warn!(sink, error, "a sink keeps failing: one batch is tried now and then");
        }
        pause
    }

    /// The sink took a batch and said something about it: no failure of its own.
    pub(crate) fn noted(&self, error: &str) {
        let mut waiting = self.lock();
        waiting.account.errors += 1;
        waiting.health.noted(error);
    }

    /// Whether nothing more is to be delivered, because the end has begun and there is a disk for what is left.
    pub(crate) fn leaves_the_rest(&self) -> bool {
        self.lock().leaves_the_rest()
    }

    /// A delivery came to nothing, which says nothing of the sink.
    pub(crate) fn withdrew(&self) {
        self.lock().breaker.withdrew();
    }

    pub(crate) fn retried(&self) {
        self.lock().account.retries += 1;
    }

    /// It wants no more.
    pub(crate) fn give_up(&self) {
        self.lock().health.is_gone = true;
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.lock().health.is_gone
    }
}

/// The trace that shows how old a signal was; none where it has none.
fn exemplar(signal: &Signal, time: Duration, at: SystemTime) -> Option<Exemplar> {
    let trace_id = u128::from_str_radix(&signal.trace_id, 16).ok()?;
    let span_id = u64::from_str_radix(&signal.span_id, 16).ok()?;
    Some(Exemplar { trace_id, span_id, time, at })
}

impl Waiting {
    /// Whether nothing is on its way from the disk.
    pub(super) fn has_no_more(&self) -> bool {
        !self.aside.as_ref().is_some_and(|aside| aside.is_in_use())
    }

    /// Whether nothing is delivered, and all is kept for the next start: the sink wants no more, and there is a disk.
    pub(super) fn keeps_all(&self) -> bool {
        self.health.is_gone && self.aside.is_some()
    }

    /// At the end, whether the disk gets what is left: it is too late to deliver it, or the sink keeps failing, or is gone.
    pub(super) fn leaves_the_rest(&self) -> bool {
        let is_late = || self.until.is_some_and(|until| until <= Instant::now());
        let fails = self.health.is_gone || self.breaker.phase() != Phase::Closed;
        self.is_closed && self.aside.is_some() && (fails || is_late())
    }
}
