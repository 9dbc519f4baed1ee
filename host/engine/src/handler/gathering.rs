//! Whether events are decided at once by who brought them, or together with those of others who are about to.
//!
//! A call costs the most when it is alone: the guest's code and memory are no longer in the processor's caches. A busy
//! gateway has many connections that are ready at one time, each with one event; their events are worth a common call.
//! No time is waited for that: the handler's task goes behind the connections that could run anyway. Where that brings
//! nothing, because nobody else was ready, it is rarely tried, and who brings an event drives it through at once.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

#[derive(Debug, Default)]
pub(super) struct Gathering {
    /// How often in a row waiting for others brought nothing.
    vain: AtomicU32,
    /// How often events go at once before the next try.
    pass: AtomicU32,
    /// Whether the task was woken for what waits. Woken twice, it would not be behind the others any more.
    called: AtomicBool,
}

impl Gathering {
    /// So many events are worth a call of their own.
    pub(super) const ENOUGH: usize = 64;
    /// In vain so often, waiting is left out...
    const VAIN: u32 = 16;
    /// ...for so many times.
    const PASS: u32 = 16;

    /// Whether so many events go at once.
    pub(super) fn is_over(&self, waiting: usize) -> bool {
        if waiting >= Self::ENOUGH {
            return true;
        }
        // Two that count down at the same time count once: then the next try comes a little later.
        let pass = self.pass.load(Ordering::Relaxed);
        self.pass.store(pass.saturating_sub(1), Ordering::Relaxed);
        pass > 0
    }

    /// Whether the task has to be woken.
    pub(super) fn calls(&self) -> bool {
        !self.called.swap(true, Ordering::Relaxed)
    }

    /// What waits is taken: for what comes after, the task has to be woken again. To be said before it is taken.
    pub(super) fn ends(&self) {
        self.called.store(false, Ordering::Relaxed);
    }

    /// What waiting for others brought: so many events waited before, so many after.
    pub(super) fn brought(&self, before: usize, after: usize) {
        if after > before {
            self.vain.store(0, Ordering::Relaxed);
        } else if self.vain.fetch_add(1, Ordering::Relaxed) + 1 >= Self::VAIN {
            self.pass.store(Self::PASS, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_in_vain_is_left_out_for_a_while_and_tried_again() {
        let gathering = Gathering::default();
        for _ in 0..Gathering::VAIN {
            assert!(!gathering.is_over(1));
            gathering.brought(1, 1);
        }
        assert!((0..Gathering::PASS).all(|_| gathering.is_over(1)));
        assert!(!gathering.is_over(1), "another try");
        gathering.brought(1, 9);
        assert!((0..100).all(|_| !gathering.is_over(1)), "it pays again");
    }

    #[test]
    fn the_task_is_woken_once_for_all_that_gather() {
        let gathering = Gathering::default();
        assert!(gathering.calls());
        assert!(!gathering.calls(), "it is on its way");
        gathering.ends();
        assert!(gathering.calls());
    }

    #[test]
    fn a_batch_that_is_large_enough_goes_at_once() {
        let gathering = Gathering::default();
        assert!(!gathering.is_over(Gathering::ENOUGH - 1));
        assert!(gathering.is_over(Gathering::ENOUGH));
    }
}
