//! When a state is saved beside the plugin's work.

use std::time::Duration;
use tokio::time::Instant;

/// Saving may take this part of the time: a hundredth.
const SHARE: u32 = 100;
/// After so many attempts in a row that failed, there are no more.
const ATTEMPTS: u32 = 3;

/// Says when the next checkpoint is due.
#[derive(Debug)]
pub(in crate::handler) struct Schedule {
    /// Zero: never.
    every: Duration,
    last: Instant,
    /// What the last one took.
    cost: Duration,
    /// Something was decided since.
    dirty: bool,
    /// It is wanted before its time.
    wanted: bool,
    failed: u32,
}

impl Schedule {
    pub(in crate::handler) fn new(every: Duration, now: Instant) -> Self {
        Self { every, last: now, cost: Duration::ZERO, dirty: false, wanted: false, failed: 0 }
    }

    /// Something was decided.
    pub(in crate::handler) fn decided(&mut self) {
        self.dirty = true;
    }

    /// One is wanted as soon as may be.
    pub(in crate::handler) fn want(&mut self) {
        self.wanted = true;
    }

    /// Whether there will be another one.
    pub(in crate::handler) fn is_on(&self) -> bool {
        !self.every.is_zero() && self.failed < ATTEMPTS
    }

    pub(in crate::handler) fn saved(&mut self, now: Instant, took: Duration) {
        *self = Self { last: now, cost: took, dirty: false, wanted: false, failed: 0, ..*self };
    }

    /// Saving was tried in vain. Returns whether it was the last attempt.
    pub(in crate::handler) fn failed(&mut self, now: Instant, took: Duration) -> bool {
        self.failed += 1;
        (self.last, self.cost, self.wanted) = (now, took, false);
        self.failed == ATTEMPTS
    }

    /// When the next one is due; none: not before something happens.
    pub(in crate::handler) fn due(&self) -> Option<Instant> {
        if !self.dirty || !self.is_on() {
            return None;
        }
        let pause = if self.wanted { Duration::ZERO } else { self.every };
        Some(self.last + pause.max(self.cost.saturating_mul(SHARE)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(10);

    #[test]
    fn it_is_due_when_its_time_has_come_and_something_was_decided() {
        let now = Instant::now();
        let mut schedule = Schedule::new(EVERY, now);
        assert_eq!(schedule.due(), None);
        schedule.decided();
        assert_eq!(schedule.due(), Some(now + EVERY));
        let later = now + EVERY;
        schedule.saved(later, Duration::from_millis(1));
        assert_eq!(schedule.due(), None, "nothing was decided since");
        schedule.want();
        assert_eq!(schedule.due(), None, "and wanting it changes nothing about that");
        schedule.decided();
        assert_eq!(schedule.due(), Some(later + Duration::from_millis(100)));
        let mut never = Schedule::new(Duration::ZERO, now);
        never.decided();
        never.want();
        assert_eq!(never.due(), None);
    }

    #[test]
    fn it_takes_no_more_than_a_hundredth_of_the_time() {
        let now = Instant::now();
        let mut schedule = Schedule::new(EVERY, now);
        schedule.saved(now, Duration::from_secs(1));
        schedule.decided();
        assert_eq!(schedule.due(), Some(now + Duration::from_secs(100)));
        schedule.want();
        assert_eq!(schedule.due(), Some(now + Duration::from_secs(100)), "wanted or not");
    }

    #[test]
    fn what_fails_again_and_again_is_not_tried_for_ever() {
        let now = Instant::now();
        let mut schedule = Schedule::new(EVERY, now);
        schedule.decided();
        assert!(!schedule.failed(now, EVERY) && !schedule.failed(now, Duration::ZERO));
        assert_eq!(schedule.due(), Some(now + EVERY));
        assert!(schedule.failed(now, Duration::ZERO));
        assert_eq!(schedule.due(), None);
        schedule.saved(now, Duration::ZERO);
        schedule.decided();
        assert!(schedule.due().is_some(), "after one that went well it goes on");
    }
}
