//! Whether something happens too often. Takes the time as an argument, never asks a clock.

use std::{collections::VecDeque, time::Instant};
use tengen_settings::Rate;

/// Counts what happens within the time of a rate. Holds nothing before something happened.
#[derive(Debug)]
pub struct Meter {
    rate: Rate,
    recent: VecDeque<Instant>,
}

impl Meter {
    pub fn new(rate: Rate) -> Self {
        Self { rate, recent: VecDeque::new() }
    }

    /// It happened; true: as often as the rate says, within its time.
    pub fn note(&mut self, now: Instant) -> bool {
        while self.recent.front().is_some_and(|first| now >= *first + self.rate.per) {
            self.recent.pop_front();
        }
        let most = usize::try_from(self.rate.count.get()).unwrap_or(usize::MAX);
        if self.recent.len() < most {
            self.recent.push_back(now);
        }
        self.recent.len() >= most
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_happens_within_the_time_counts_and_nothing_before() {
        let start = Instant::now();
        let at = |second: u64| start + Duration::from_secs(second);
        let mut meter = Meter::new(Rate::per_minute(4));
        assert!([0, 10, 20].iter().all(|second| !meter.note(at(*second))));
        assert!(!meter.note(at(60)), "the first is a minute old");
        assert!(meter.note(at(69)), "10, 20, 60, 69");
        assert!(!meter.note(at(1000)));
    }

    #[test]
    fn who_errs_less_often_than_the_rate_may_go_on_for_ever() {
        let start = Instant::now();
        let mut meter = Meter::new(Rate::per_minute(16));
        assert!((0..10_000).all(|number| !meter.note(start + Duration::from_secs(4 * number))));
    }

    #[test]
    fn what_it_holds_is_bounded() {
        let start = Instant::now();
        let mut meter = Meter::new(Rate::per_minute(3));
        let often = (0..1000).filter(|_| meter.note(start)).count();
        assert_eq!((often, meter.recent.len()), (998, 3));
    }
}
