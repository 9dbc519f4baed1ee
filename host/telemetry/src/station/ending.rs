//! How a sink is held up for a while, and how it ends.

use super::{Station, Waiting};
use std::{
    sync::PoisonError,
    time::{Duration, Instant},
};

impl Station {
    pub(crate) fn pause(&self, paused: bool) {
        self.lock().is_paused = paused;
        self.hurry();
    }

    /// Takes no more; what is queued is delivered by then, or lost.
    pub(crate) fn close(&self, until: Instant) {
        let mut waiting = self.lock();
        waiting.is_closed = true;
        waiting.until = waiting.until.map_or(Some(until), |other| Some(other.min(until)));
        drop(waiting);
        self.room.notify_all();
        self.hurry();
    }

    pub(super) fn hurry(&self) {
        self.lock().wake();
        self.filled.notify_all();
        self.wake.notify_waiters();
    }

    /// When to have ended, if the end has begun.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.lock().until
    }

    /// Nobody delivers any more: what is queued is lost. What is under way stays so.
    pub(crate) fn abandon(&self) {
        let mut waiting = self.lock();
        let left = std::mem::take(&mut waiting.queue);
        waiting.bytes -= left.iter().map(|(_, weight)| weight).sum::<usize>();
        waiting.account.dropped.shutdown += left.len() as u64;
        self.forsake(&mut waiting);
    }

    /// Waits until nothing is queued or under way, so long at most; whether nothing is.
    pub(crate) fn drain(&self, within: Duration) -> bool {
        let busy = |waiting: &mut Waiting| {
            let is_aside = waiting.aside.as_ref().is_some_and(|aside| aside.is_in_use());
            is_aside || !waiting.queue.is_empty() || waiting.account.in_flight > 0
        };
        let mut waiting = self.lock();
        waiting.blocked += 1;
        let waited = self.room.wait_timeout_while(waiting, within, busy);
        let (mut waiting, result) = waited.unwrap_or_else(PoisonError::into_inner);
        waiting.blocked -= 1;
        !result.timed_out()
    }
}
