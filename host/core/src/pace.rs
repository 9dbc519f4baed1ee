//! Whether a peer takes what it is sent fast enough. Takes the time as an argument, never asks a clock.
//!
//! Who takes nothing is given up after a deadline. Who takes something, however slowly, is judged by what it took in the
//! last minute: a kernel tells of what its peer has read in lumps, and between two of them a steady reader looks stuck.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Bytes a second that a peer takes at least.
const RATE: u64 = 1024;
/// What it took is measured over so long.
const WINDOW: Duration = Duration::from_secs(60);
/// Measurements are so far apart, or further.
const APART: Duration = Duration::from_secs(10);

/// One peer's.
#[derive(Debug)]
pub struct Pace {
    deadline: Duration,
    stuck: Option<Stuck>,
    /// When the peer had taken how much in all: the first is the youngest that is older than the window, if there is one.
    marks: VecDeque<Mark>,
}

#[derive(Debug, Clone, Copy)]
struct Stuck {
    since: Instant,
    /// When it is judged next.
    next: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    at: Instant,
    taken: u64,
}

impl Pace {
    /// `deadline`: after so long a peer is judged that does not take all.
    pub fn new(deadline: Duration) -> Self {
        Self { deadline, stuck: None, marks: VecDeque::new() }
    }

    /// The peer does not take all that is there for it. `taken`: what it has taken since the connection began.
    pub fn stuck(&mut self, now: Instant, taken: u64) {
        if self.stuck.is_none() {
            self.stuck = Some(Stuck { since: now, next: now + self.deadline });
            self.mark(now, taken);
        }
    }

    /// It has taken all.
    pub fn clear(&mut self) {
        self.stuck = None;
    }

    pub fn is_stuck(&self) -> bool {
        self.stuck.is_some()
    }

    /// When [`Pace::is_too_slow`] is to be asked next; none: the peer takes all.
    pub fn next(&self) -> Option<Instant> {
        self.stuck.map(|stuck| stuck.next)
    }

    /// Whether the peer is to be given up. If not, it is given the deadline again.
    pub fn is_too_slow(&mut self, now: Instant, taken: u64) -> bool {
        let Some(stuck) = &mut self.stuck else { return false };
        if now < stuck.next {
            return false;
        }
        stuck.next = now + self.deadline;
        let measured = now.saturating_duration_since(stuck.since).min(WINDOW);
        self.mark(now, taken);
        let before = self.marks.front().map_or(taken, |mark| mark.taken);
        let wanted = measured.as_millis() * u128::from(RATE) / 1000;
        u128::from(taken.saturating_sub(before)) < wanted
    }

    /// Notes what the peer has taken so far, so that it is known when it should ever be stuck.
    pub fn mark(&mut self, now: Instant, taken: u64) {
        if self.marks.back().is_none_or(|last| now >= last.at + APART) {
            self.marks.push_back(Mark { at: now, taken });
        }
        while self.marks.get(1).is_some_and(|second| now >= second.at + WINDOW) {
            self.marks.pop_front();
        }
    }

    /// The peer is idle, and has taken all: nothing is kept of it.
    pub fn forget(&mut self) {
        self.marks = VecDeque::new();
    }

    /// So much time has passed in which nobody could write: the peer had no part in it.
    pub fn excuse(&mut self, time: Duration) {
        if let Some(stuck) = &mut self.stuck {
            stuck.since += time;
            stuck.next += time;
        }
        for mark in &mut self.marks {
            mark.at += time;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(10);

    /// At which second a peer is given up that has taken so much by each second; none: it stays for an hour.
    fn given_up(taken: impl Fn(u64) -> u64) -> Option<u64> {
        let start = Instant::now();
        let mut pace = Pace::new(DEADLINE);
        pace.stuck(start, taken(0));
        (0..3600)
            .find(|second| pace.is_too_slow(start + Duration::from_secs(*second), taken(*second)))
    }

    #[test]
    fn who_takes_nothing_is_given_up_after_the_deadline() {
        assert_eq!(given_up(|_| 100_000), Some(10));
    }

    #[test]
    fn a_slow_and_steady_reader_stays() {
        for rate in [1024, 1500, 4096, 100_000] {
            assert_eq!(given_up(|second| rate * second), None, "{rate} bytes a second");
        }
    }

    #[test]
    fn who_takes_a_byte_now_and_then_is_given_up() {
        assert_eq!(given_up(|second| second), Some(10));
        assert_eq!(given_up(|second| 900 * second), Some(10));
        // Fast at first, and then too slow.
        let ended = given_up(|second| 2000 * second.min(100) + second);
        assert!(matches!(ended, Some(101..=180)), "{ended:?}");
    }

    #[test]
    fn a_reader_that_takes_lumps_is_judged_by_the_minute() {
        // 64 KiB every 40 seconds, as a kernel with a large buffer tells of it.
        let start = Instant::now();
        let mut pace = Pace::new(DEADLINE);
        let taken = |second: u64| (second / 40) << 16;
        (0..80).for_each(|second| pace.mark(start + Duration::from_secs(second), taken(second)));
        pace.stuck(start + Duration::from_secs(80), taken(80));
        let slow = (80..3600)
            .find(|second| pace.is_too_slow(start + Duration::from_secs(*second), taken(*second)));
        assert_eq!(slow, None);
    }

    #[test]
    fn what_was_taken_long_ago_does_not_help() {
        let start = Instant::now();
        let mut pace = Pace::new(DEADLINE);
        pace.mark(start, 0);
        pace.mark(start + Duration::from_secs(30), 1 << 20);
        let late = start + Duration::from_secs(300);
        pace.stuck(late, 1 << 20);
        assert!(pace.is_too_slow(late + DEADLINE, 1 << 20));
    }

    #[test]
    fn a_pause_does_not_count_and_who_took_all_begins_anew() {
        let start = Instant::now();
        let mut pace = Pace::new(DEADLINE);
        pace.stuck(start, 0);
        pace.excuse(Duration::from_secs(100));
        assert_eq!(pace.next(), Some(start + Duration::from_secs(110)));
        assert!(!pace.is_too_slow(start + Duration::from_secs(105), 0));
        pace.clear();
        assert_eq!(pace.next(), None);
        pace.stuck(start + Duration::from_secs(109), 0);
        assert!(!pace.is_too_slow(start + Duration::from_secs(115), 0));
    }

    #[test]
    fn measurements_are_bounded() {
        let start = Instant::now();
        let mut pace = Pace::new(DEADLINE);
        for tenth in 0..100_000 {
            pace.mark(start + Duration::from_millis(100 * tenth), tenth);
            assert!(pace.marks.len() <= 8);
        }
        pace.forget();
        assert_eq!(pace.marks.capacity(), 0);
    }
}
