//! The breaker of a stateless role: many calls at once, and each says what became of it.

use crate::breaker::{Blame, Breaker, Phase, seed};
use std::{
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// A breaker that several callers share.
#[derive(Debug)]
pub(super) struct Guard {
    born: Instant,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    breaker: Breaker,
    open_until: Instant,
    /// A trial is under way; one at a time.
    trying: bool,
}

/// The right to make one call. Dropped without a word (the caller went away) it says nothing about the plugin.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    guard: &'a Guard,
    is_trial: bool,
}

impl Guard {
    pub(super) fn new(now: Instant) -> Self {
        let breaker = Breaker::new(seed());
        Self { born: now, inner: Mutex::new(Inner { breaker, open_until: now, trying: false }) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn second(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.born).as_secs()
    }

    /// Lets a call through, and says whether the breaker changed by that; or says how long to wait.
    pub(super) fn admit(&self, now: Instant) -> Result<(Pass<'_>, bool), Duration> {
        let mut inner = self.lock();
        let wait = inner.open_until.saturating_duration_since(now);
        let was_open = inner.breaker.phase() == Phase::Open;
        if was_open {
            if !wait.is_zero() {
                return Err(wait);
            }
            inner.breaker.try_again();
        }
        let is_trial = inner.breaker.phase() == Phase::HalfOpen;
        if is_trial && std::mem::replace(&mut inner.trying, true) {
            // A trial ends soon, one way or the other.
            return Err(Duration::from_millis(250));
        }
        Ok((Pass { guard: self, is_trial }, was_open))
    }

    pub(super) fn phase(&self) -> Phase {
        self.lock().breaker.phase()
    }

    /// Another version: nothing is held against it.
    pub(super) fn reset(&self) {
        self.lock().breaker.reset();
    }
}

impl Pass<'_> {
    /// The call went well. Returns whether the breaker has closed by that.
    pub(super) fn passed(self, now: Instant) -> bool {
        self.guard.lock().breaker.passed(self.guard.second(now), 1)
    }

    /// The call broke. Returns for how long the breaker has opened by that.
    pub(super) fn broke(self, now: Instant, blame: Blame) -> Option<Duration> {
        let mut inner = self.guard.lock();
        let opened = inner.breaker.broke(self.guard.second(now), blame).opened;
        if let Some(pause) = opened {
            inner.open_until = now + pause;
        }
        opened
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.is_trial {
            self.guard.lock().trying = false;
        }
    }
}

/// Who is blamed for what came from this address: everybody behind the same one, of IPv6 everybody in its network.
pub(super) fn blame(address: IpAddr) -> Blame {
    Some(match address.to_canonical() {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits() >> 64 << 64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A guard that has opened, and when it is tried again.
    fn open(now: Instant) -> (Guard, Instant) {
        let guard = Guard::new(now);
        let broken = || guard.admit(now).expect("it is closed").0.broke(now, None);
        let pause = (0..8).find_map(|_| broken()).expect("it opens");
        (guard, now + pause)
    }

    #[test]
    fn calls_are_refused_until_the_pause_is_over_and_then_tried_one_at_a_time() {
        let now = Instant::now();
        let (guard, later) = open(now);
        assert_eq!(guard.admit(now).expect_err("it is open"), later - now);
        let (trial, changed) = guard.admit(later).expect("a trial");
        assert!(changed);
        assert!(guard.admit(later).is_err(), "a second one at the same time");
        assert!(!trial.passed(later));
        drop(guard.admit(later).expect("given up by its caller"));
        assert!(!guard.admit(later).expect("the next").0.passed(later));
        assert!(guard.admit(later).expect("the last").0.passed(later), "it closes");
        let both = (guard.admit(later), guard.admit(later));
        assert!(both.0.is_ok() && both.1.is_ok());
    }

    #[test]
    fn a_failed_trial_opens_it_again_for_longer() {
        let now = Instant::now();
        let (guard, later) = open(now);
        let (trial, _) = guard.admit(later).expect("a trial");
        let pause = trial.broke(later, None).expect("it opens again");
        assert!(pause > later - now, "{pause:?}");
        assert_eq!(guard.phase(), Phase::Open);
        guard.reset();
        assert!(guard.admit(later).is_ok());
    }

    #[test]
    fn one_address_is_one_client_and_so_is_a_network_of_ipv6() {
        let blame = |text: &str| blame(text.parse().expect("an address"));
        assert_eq!(blame("10.0.0.1"), blame("::ffff:10.0.0.1"));
        assert_ne!(blame("10.0.0.1"), blame("10.0.0.2"));
        assert_eq!(blame("2001:db8::1"), blame("2001:db8::2:3:4:5"));
        assert_ne!(blame("2001:db8::1"), blame("2001:db8:0:1::1"));
    }
}
