//! How deliveries take what waits, and wait for it.
//!
//! Waking somebody costs who does it as much as dozens of signals. So a delivery that has just taken something looks again
//! by itself, a moment later, and is woken before that only when a whole batch is there; after a moment without anything it
//! sleeps, and the next signal wakes it.

use super::{Batch, Lingering, Next, Station, Traits, Waiting};
use std::{
    num::NonZeroUsize,
    sync::PoisonError,
    time::{Duration, Instant},
};

/// So many bytes are delivered without waiting for more.
const EAGER_BYTES: usize = 1 << 20;

/// How long that moment is.
pub(crate) const LINGER: Duration = Duration::from_millis(1);

/// What a delivery is woken for that lingers.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Enough {
    signals: usize,
    bytes: usize,
}

impl Station {
    /// What a delivery does next. What a rule drops is counted, and is not in the batch.
    pub(crate) fn next(&self, most: NonZeroUsize) -> Next {
        self.next_of(most, false)
    }

    /// The same for one that has just delivered: where nothing is left, it looks again soon, so that who says something
    /// the next moment need not wake it.
    pub(crate) fn next_soon(&self, most: NonZeroUsize) -> Next {
        self.next_of(most, true)
    }

    fn next_of(&self, most: NonZeroUsize, soon: bool) -> Next {
        let mut waiting = self.lock();
        if waiting.leaves_the_rest() {
            return Next::End;
        }
        let is_held = !waiting.is_closed && (waiting.is_paused || waiting.keeps_all());
        if waiting.queue.is_empty() || is_held {
            return match (waiting.is_closed && waiting.has_no_more(), soon) {
                (true, _) => Next::End,
                (false, true) => Next::Linger(waiting.linger(self.enough(most))),
                (false, false) => {
                    waiting.asleep += 1;
                    Next::Wait
                }
            };
        }
        let sight = waiting.sight(&self.traits);
        waiting.health.look(sight);
        waiting.account.turn(sight.now);
        let count = most.get().min(waiting.queue.len());
        let taken: Vec<_> = waiting.queue.drain(..count).collect();
        waiting.account.in_flight += count as u64;
        self.tell_keeper(&waiting);
        drop(waiting);
        let bytes = taken.iter().map(|(_, weight)| weight).sum();
        let rules = &self.traits.rules;
        let signals: Vec<_> =
            taken.into_iter().filter_map(|(signal, _)| rules.apply(signal)).collect();
        let ruled_out = (count - signals.len()) as u64;
        if ruled_out > 0 {
            let mut waiting = self.lock();
            waiting.account.in_flight -= ruled_out;
            waiting.account.dropped.rule += ruled_out;
        }
        Next::Deliver(Batch { signals, bytes })
    }

    /// The same for a thread, which waits for it.
    pub(crate) fn wait_for(&self, most: NonZeroUsize, delay: Duration) -> Option<Batch> {
        let mut next = self.next_soon(most);
        loop {
            match next {
                Next::Deliver(batch) => return Some(batch),
                Next::End => return None,
                Next::Linger(since) => self.stay(since, LINGER),
                Next::Wait => {
                    self.sleep();
                    if let Some(since) = self.gather(most, delay) {
                        self.stay(since, delay);
                    }
                }
            }
            next = self.next(most);
        }
    }

    /// Waits on a thread until there is something to do.
    fn sleep(&self) {
        let waiting = self.lock();
        match waiting.until {
            None => {
                let idle = |waiting: &mut Waiting| waiting.asleep > 0 && !waiting.is_closed;
                drop(self.filled.wait_while(waiting, idle));
            }
            // Something is on its way from the disk.
            Some(until) => {
                let left = until.saturating_duration_since(Instant::now());
                let idle = |waiting: &mut Waiting| waiting.asleep > 0;
                drop(self.filled.wait_timeout_while(waiting, left, idle));
            }
        }
    }

    /// Before a delivery waits a while for more; none: there is enough, or nothing to wait for.
    pub(crate) fn gather(&self, most: NonZeroUsize, delay: Duration) -> Option<Lingering> {
        let (mut waiting, enough) = (self.lock(), self.enough(most));
        let is_over = delay.is_zero() || waiting.until.is_some() || waiting.is_plenty(enough);
        (!is_over).then(|| waiting.linger(enough))
    }

    /// A whole batch, but no more than leaves room for what is said until somebody has woken up.
    fn enough(&self, most: NonZeroUsize) -> Enough {
        let Traits { buffer, bytes, .. } = &self.traits;
        Enough {
            signals: most.get().min(buffer.get().div_ceil(2)),
            bytes: EAGER_BYTES.min(bytes.get().div_ceil(2)),
        }
    }

    /// Waits on a thread until there is enough, or for so long.
    fn stay(&self, since: Lingering, most: Duration) {
        let waiting = self.lock();
        let few = |waiting: &mut Waiting| waiting.wakes == since.0 && !waiting.is_closed;
        let waited = self.filled.wait_timeout_while(waiting, most, few);
        let (mut waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
        waiting.look(since);
    }

    /// A delivery has waited a while: it looks by itself, if nobody has woken it.
    pub(crate) fn look(&self, since: Lingering) {
        self.lock().look(since);
    }
}

impl Waiting {
    /// Whether a delivery waits for what has just come.
    pub(super) fn is_awaited(&self) -> bool {
        match self.lingering {
            0 => self.asleep > 0,
            _ => self.is_plenty(self.enough),
        }
    }

    fn is_plenty(&self, enough: Enough) -> bool {
        self.queue.len() >= enough.signals || self.bytes >= enough.bytes
    }

    /// A delivery waits a while.
    fn linger(&mut self, enough: Enough) -> Lingering {
        (self.lingering, self.enough) = (self.lingering + 1, enough);
        Lingering(self.wakes)
    }

    /// It has waited.
    fn look(&mut self, since: Lingering) {
        if self.wakes == since.0 {
            self.lingering -= 1;
        }
    }

    /// All are to look.
    pub(super) fn wake(&mut self) {
        (self.asleep, self.lingering) = (0, 0);
        self.wakes += 1;
    }
}
