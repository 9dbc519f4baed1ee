//! What is counted of all connections together.

use std::sync::atomic::{AtomicU64, Ordering};
use tengen_core::{count::Count, effect::Refusals};
use tengen_wire::{close::Reason, fault};

/// Losses and totals, each by its reason. What comes with each event is a [`Count`].
#[derive(Debug, Default)]
pub struct Counters {
    pub opened: AtomicU64,
    /// Upgrades that were refused.
    pub rejected: AtomicU64,
    /// HTTP connections that ended in the middle: not HTTP, too slow, or gone.
    pub failed_requests: AtomicU64,
    /// Connections that ended, by [`Reason::kind`].
    pub ended: [AtomicU64; Reason::KINDS.len()],
    pub events: Count,
    pub replies: Count,
    pub delivered: Count,
    /// Frames that an outbox did not take or gave up.
    pub outbox_dropped: AtomicU64,
    /// Connections closed because they held most when memory was short.
    pub shed: AtomicU64,
    /// Upgrades that were refused because memory was short.
    pub refused_for_memory: AtomicU64,
    /// Events that waited for a plugin and were given up because memory was short.
    pub shed_events: AtomicU64,
    /// Connections closed because they read too slowly.
    pub slow_consumers: AtomicU64,
    /// Effects that were not carried out.
    pub refused: Refusals,
    /// Replies to nothing: unknown, too late, or given twice.
    pub stray_replies: AtomicU64,
    /// Callers that waited in vain: nobody decided about their event in time.
    pub reply_timeouts: AtomicU64,
    /// Callers that waited in vain: their event was decided without a reply.
    pub unanswered: AtomicU64,
    /// Payloads that a receiver's format cannot hold.
    pub unsupported: AtomicU64,
    pub malformed: AtomicU64,
    /// Events that no handler took.
    pub declined: fault::Counts,
    pub unrouted: AtomicU64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, by: u64) {
        counter.fetch_add(by, Ordering::Relaxed);
    }

    pub(super) fn count_end(&self, reason: &Reason) {
        if let Some(counter) = self.ended.get(reason.kind()) {
            Self::add(counter, 1);
        }
    }
}
