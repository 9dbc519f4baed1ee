//! How much of something may come in a second. Takes the time as an argument, never asks a clock.

use std::{
    num::NonZeroUsize,
    time::{Duration, Instant},
};

/// So much may come in a second, and so much of it at once. Holds a point in time, and nothing of what came.
#[derive(Debug, Clone)]
pub struct Allowance {
    per_second: NonZeroUsize,
    at_once: usize,
    /// When all that has come is paid for.
    paid: Option<Instant>,
}

impl Allowance {
    /// `at_once`: the most that one demand may be; no less than comes in a second in any case.
    pub fn new(per_second: NonZeroUsize, at_once: NonZeroUsize) -> Self {
        Self { per_second, at_once: at_once.max(per_second).get(), paid: None }
    }

    /// Whether so much may come now; Err: after how long it may. What is more than may come at once may never.
    pub fn ask(&self, much: usize, now: Instant) -> Result<(), Duration> {
        let owed = self.paid.map_or(Duration::ZERO, |paid| paid.saturating_duration_since(now));
        let after = owed.saturating_add(self.time_of(much));
        match after.checked_sub(self.time_of(self.at_once)) {
            None | Some(Duration::ZERO) => Ok(()),
            Some(wait) => Err(wait),
        }
    }

    /// So much has come.
    pub fn take(&mut self, much: usize, now: Instant) {
        let since = self.paid.map_or(now, |paid| paid.max(now));
        self.paid = since.checked_add(self.time_of(much)).or(self.paid);
    }

    fn time_of(&self, much: usize) -> Duration {
        let nanos = much as u128 * 1_000_000_000 / self.per_second.get() as u128;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn some(number: usize) -> NonZeroUsize {
        NonZeroUsize::new(number).unwrap()
    }

    #[test]
    fn a_burst_passes_and_what_follows_waits_for_its_time() {
        let (mut allowance, start) = (Allowance::new(some(10), some(20)), Instant::now());
        assert_eq!(allowance.ask(20, start), Ok(()));
        allowance.take(20, start);
        assert_eq!(allowance.ask(1, start), Err(Duration::from_millis(100)));
        assert_eq!(allowance.ask(1, start + Duration::from_millis(100)), Ok(()));
        assert_eq!(allowance.ask(20, start + Duration::from_secs(1)), Err(Duration::from_secs(1)));
        assert_eq!(allowance.ask(20, start + Duration::from_secs(60)), Ok(()), "all is paid for");
    }

    #[test]
    fn what_comes_in_a_second_may_come_at_once() {
        let allowance = Allowance::new(some(50), some(5));
        assert_eq!(allowance.ask(50, Instant::now()), Ok(()));
    }

    proptest! {
        #[test]
        fn over_a_long_time_no_more_passes_than_may(
            demands in proptest::collection::vec((1_usize..30, 0_u64..2000), 1..100),
        ) {
            let (mut allowance, start) = (Allowance::new(some(10), some(20)), Instant::now());
            let (mut now, mut passed) = (start, 0);
            for (much, pause) in demands {
                now += Duration::from_millis(pause);
                if allowance.ask(much, now).is_ok() {
                    allowance.take(much, now);
                    passed += much;
                }
            }
            let seconds = (now - start).as_secs_f64();
            prop_assert!(passed as f64 <= 20.0 + 10.0 * seconds + 0.001, "{passed} in {seconds} s");
        }
    }
}
