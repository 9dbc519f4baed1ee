//! Which traces are told after the fact although nobody chose them: of what failed, was refused, or took long. So many
//! within a second, and no more: a plugin that fails at everything has the collector get a sample of that.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

const SECOND: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Late {
    slow: Duration,
    /// Traces within a second; 0: none at all.
    most: usize,
    second: Mutex<Second>,
    told: AtomicU64,
    over: AtomicU64,
}

/// What was told since a moment.
#[derive(Debug)]
struct Second {
    began: Instant,
    told: usize,
}

impl Late {
    pub(crate) fn new(slow: Duration, most: usize) -> Self {
        let second = Mutex::new(Second { began: Instant::now(), told: 0 });
        Self { slow, most, second, told: AtomicU64::new(0), over: AtomicU64::new(0) }
    }

    /// How old a slow event is; none: nothing is told.
    pub(crate) fn slow(&self) -> Option<Duration> {
        (self.most > 0).then_some(self.slow)
    }

    /// Whether one more may be told now; counts it either way.
    pub(crate) fn has_room(&self) -> bool {
        let has_room = self.take_one(Instant::now());
        let count = if has_room { &self.told } else { &self.over };
        count.fetch_add(1, Ordering::Relaxed);
        has_room
    }

    fn take_one(&self, now: Instant) -> bool {
        let mut second = self.second.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(second.began) >= SECOND {
            *second = Second { began: now, told: 0 };
        }
        let has_room = second.told < self.most;
        second.told += usize::from(has_room);
        has_room
    }

    /// How many were told, and how many were not because of the limit.
    pub(crate) fn counts(&self) -> [u64; 2] {
        [&self.told, &self.over].map(|count| count.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_told_within_a_second_and_the_rest_is_counted() {
        let late = Late::new(SECOND, 3);
        let told = (0..10).filter(|_| late.has_room()).count();
        assert_eq!((told, late.counts()), (3, [3, 7]));
    }

    #[test]
    fn the_next_second_has_room_again() {
        let late = Late::new(SECOND, 1);
        let now = Instant::now();
        let at = |ms| now + Duration::from_millis(ms);
        let told = [0, 500, 1500, 1600, 2600].map(|ms| late.take_one(at(ms)));
        assert_eq!(told, [true, false, true, false, true]);
    }

    #[test]
    fn none_at_all_makes_nothing_slow() {
        assert_eq!(Late::new(SECOND, 0).slow(), None);
        assert_eq!(Late::new(SECOND, 1).slow(), Some(SECOND));
    }
}
