//! A bound that many share, each of whom asks the others only now and then.
//!
//! Whoever needs a place takes [`STEP`] of them from the [`Pool`] at once and keeps them for later, so that what comes and
//! goes for each event writes nothing that others write. The price is that places which somebody keeps are missing elsewhere:
//! two steps at most of each who shares the pool.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Places that are taken from the pool, or given back, at one time.
const STEP: usize = 64;

/// So many places.
#[derive(Debug)]
pub(super) struct Pool {
    taken: AtomicUsize,
    most: usize,
}

impl Pool {
    pub(super) fn new(most: usize) -> Self {
        Self { taken: AtomicUsize::new(0), most }
    }

    fn take(&self) -> bool {
        let more = |taken: usize| Some(taken + STEP).filter(|taken| *taken <= self.most);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    fn give_back(&self) {
        self.taken.fetch_sub(STEP, Ordering::Relaxed);
    }
}

/// What one of those who share a pool has of it.
#[derive(Debug, Default)]
pub(super) struct Lease {
    used: usize,
    taken: usize,
}

impl Lease {
    /// One place more; false when there is none.
    pub(super) fn take(&mut self, pool: &Pool) -> bool {
        if self.used == self.taken {
            if !pool.take() {
                return false;
            }
            self.taken += STEP;
        }
        self.used += 1;
        true
    }

    /// One place less. Half of two steps stays for the next, so that who goes to and fro takes and gives nothing.
    pub(super) fn give_back(&mut self, pool: &Pool) {
        self.used = self.used.saturating_sub(1);
        if self.taken - self.used >= 2 * STEP {
            pool.give_back();
            self.taken -= STEP;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nobody_has_more_than_there_is_and_all_comes_back(
            steps in proptest::collection::vec((0_usize..4, any::<bool>()), 0..4000),
        ) {
            let pool = Pool::new(10 * STEP);
            let mut leases = [const { Lease { used: 0, taken: 0 } }; 4];
            for (who, takes) in steps {
                let lease = &mut leases[who];
                match takes {
                    true => {
                        let had = lease.used;
                        let took = lease.take(&pool);
                        prop_assert_eq!(lease.used, had + usize::from(took));
                    }
                    false => if lease.used > 0 { lease.give_back(&pool) },
                }
                let taken: usize = leases.iter().map(|lease| lease.taken).sum();
                prop_assert_eq!(taken, pool.taken.load(Ordering::Relaxed));
                prop_assert!(taken <= 10 * STEP);
                prop_assert!(leases.iter().all(|lease| lease.used <= lease.taken));
            }
            for lease in &mut leases {
                while lease.used > 0 { lease.give_back(&pool) }
                prop_assert!(lease.taken < 2 * STEP);
            }
        }
    }

    #[test]
    fn one_alone_gets_all_there_is_and_not_one_more() {
        let (pool, mut lease) = (Pool::new(3 * STEP), Lease::default());
        assert_eq!((0..).take_while(|_| lease.take(&pool)).count(), 3 * STEP);
        lease.give_back(&pool);
        assert!(lease.take(&pool));
    }
}
