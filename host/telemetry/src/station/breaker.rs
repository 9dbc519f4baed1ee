//! When a sink that keeps failing is left alone, and when it is tried again: a state machine without IO.
//!
//! Closed: deliveries go on, with a pause after each failure. Open: after so many failures in a row nothing is delivered for
//! a pause. Half open: the pause is over and one batch is tried; it closes the breaker, or the next pause is longer.
//!
//! It is not the breaker of plugins (`tengen-engine`): nobody sends a sink what breaks it, so there is nobody to blame.

use std::time::{Duration, Instant};

/// Failures in a row that open it.
pub(crate) const OPENS: u32 = 5;
/// The pause after a first failure; it doubles with each further one,
pub(crate) const PAUSE: Duration = Duration::from_millis(100);
/// up to this.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// While one tries, the others ask again after so long.
const TRYING: Duration = Duration::from_millis(50);

/// Whether signals are delivered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    #[default]
    Closed,
    /// One batch, as a trial.
    HalfOpen,
    /// None, for a pause.
    Open,
}

impl Phase {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half-open",
            Self::Open => "open",
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// In a row.
    failures: u32,
    until: Option<Instant>,
    is_trying: bool,
    pub(super) openings: u64,
}

impl Breaker {
    pub(super) fn phase(&self) -> Phase {
        match (self.failures >= OPENS, self.is_trying) {
            (false, _) => Phase::Closed,
            (true, true) => Phase::HalfOpen,
            (true, false) => Phase::Open,
        }
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Lets a delivery begin, or says how long it is to wait before it asks again.
    pub(super) fn admit(&mut self, now: Instant) -> Result<(), Duration> {
        match self.phase() {
            Phase::Closed => Ok(()),
            Phase::HalfOpen => Err(TRYING),
            Phase::Open => {
                let left = self.until.map(|until| until.saturating_duration_since(now));
                match left.filter(|left| !left.is_zero()) {
                    Some(left) => Err(left),
                    None => {
                        self.is_trying = true;
                        Ok(())
                    }
                }
            }
        }
    }

    /// A delivery went well. Returns whether that closed it.
    pub(super) fn passed(&mut self) -> bool {
        let was_open = self.failures >= OPENS;
        (self.failures, self.is_trying, self.until) = (0, false, None);
        was_open
    }

    /// A delivery failed. Returns how long the next is to wait, and whether that opened it.
    pub(super) fn broke(&mut self, now: Instant) -> (Duration, bool) {
        self.failures = self.failures.saturating_add(1);
        self.is_trying = false;
        let pause = (PAUSE * 2_u32.pow(self.failures.min(16) - 1)).min(LONGEST_PAUSE);
        self.until = Some(now + pause);
        let opened = self.failures == OPENS;
        self.openings += u64::from(opened);
        (pause, opened)
    }

    /// A delivery came to nothing, which says nothing of the sink.
    pub(super) fn withdrew(&mut self) {
        self.is_trying = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_so_many_failures_in_a_row_and_lets_one_batch_try_after_each_pause() {
        let (mut breaker, mut now) = (Breaker::default(), Instant::now());
        for _ in 1..OPENS {
            assert!(!breaker.broke(now).1);
            assert_eq!(breaker.admit(now), Ok(()), "it is closed");
        }
        let (first, opened) = breaker.broke(now);
        assert_eq!((opened, breaker.phase(), breaker.openings), (true, Phase::Open, 1));
        assert_eq!(breaker.admit(now), Err(first));
        now += first;
        assert_eq!(breaker.admit(now), Ok(()));
        assert_eq!((breaker.phase(), breaker.admit(now)), (Phase::HalfOpen, Err(TRYING)));
        let (second, opened) = breaker.broke(now);
        assert_eq!((second, opened, breaker.phase()), (first * 2, false, Phase::Open));
        now += second;
        assert_eq!(breaker.admit(now), Ok(()));
        assert!(breaker.passed(), "it closes");
        assert_eq!(
            (breaker.phase(), breaker.admit(now), breaker.admit(now)),
            (Phase::Closed, Ok(()), Ok(()))
        );
        assert_eq!(breaker.broke(now).0, PAUSE, "nothing is held against it");
    }

    #[test]
    fn no_pause_is_longer_than_the_longest() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        let longest = (0..100).map(|_| breaker.broke(now).0).max();
        assert_eq!(longest, Some(LONGEST_PAUSE));
    }

    #[test]
    fn a_trial_that_says_nothing_leaves_the_next_one_its_turn() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        for _ in 0..OPENS {
            breaker.broke(now);
        }
        let later = now + LONGEST_PAUSE;
        assert_eq!(breaker.admit(later), Ok(()));
        breaker.withdrew();
        assert_eq!((breaker.phase(), breaker.admit(later)), (Phase::Open, Ok(())));
    }
}
