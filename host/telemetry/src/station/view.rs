//! What can be seen of a sink.

use super::{Gate, Station, aside::Aside};
use crate::stats::{Latency, SinkStats};
use std::sync::{
    Arc, PoisonError,
    atomic::{AtomicU64, Ordering},
};
use tengen_core::sink::Signal;

impl Station {
    pub(crate) fn lost(&self) -> u64 {
        self.lock().account.dropped.of_the_sink()
    }

    /// Signals that were delivered last.
    pub(crate) fn recent(&self) -> Vec<Arc<Signal>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).all()
    }

    pub(crate) fn stats(&self) -> SinkStats {
        let mut waiting = self.lock();
        let sight = waiting.sight(&self.traits);
        waiting.health.look(sight);
        waiting.account.turn(sight.now);
        let latency = Latency::of(self.latency.read());
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let aside = waiting.aside.as_deref();
        let first = waiting.queue.front().or(aside.and_then(|aside| aside.queue.front()));
        let oldest = first.map(|(signal, _)| signal.at.elapsed().unwrap_or_default());
        let account = &waiting.account;
        let Gate { filtered, sampled_out, limited, withheld } = &self.gate;
        let [filtered, sampled_out, limited, withheld] =
            [filtered, sampled_out, limited, withheld].map(read);
        let recovered = aside.map_or(0, |aside| aside.seen.recovered);
        SinkStats {
            kind: self.traits.kind,
            // What an earlier run left was offered to that.
            offered: filtered + sampled_out + limited + withheld + account.accepted - recovered,
            filtered,
            sampled_out,
            limited,
            withheld,
            accepted: account.accepted,
            processed: account.delivered,
            queued: (waiting.queue.len() + aside.map_or(0, Aside::len)) as u64,
            in_flight: account.in_flight,
            bytes: (waiting.bytes + aside.map_or(0, |aside| aside.bytes)) as u64,
            spilled: aside.map_or(0, |aside| aside.seen.signals),
            spill: aside.map(|aside| aside.seen.told()),
            buffer: self.traits.buffer.get() as u64,
            dropped: account.dropped,
            errors: account.errors,
            retries: account.retries,
            accepted_per_s: account.accepted_per_s(),
            processed_per_s: account.delivered_per_s(),
            oldest_ms: oldest.map_or(0, |age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
            latency,
            breaker: waiting.breaker.phase().word(),
            breaker_openings: waiting.breaker.openings,
            health: match (waiting.health.is_gone, waiting.is_paused) {
                (true, _) => "gone",
                (false, true) => "paused",
                (false, false) => waiting.health.word(),
            },
            advice: aside.and_then(|aside| aside.advice(&self.traits)).or_else(|| {
                waiting.health.advice(&self.traits, waiting.is_paused, &waiting.breaker)
            }),
            last_error: waiting.health.last_error(),
            gone: waiting.health.is_gone,
        }
    }
}
