//! What outsiders can make happen again and again: counted by its label, and told in the log once in a while each.
//!
//! Takes the time as an argument, never asks a clock.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How often each thing has happened. The labels are ours, so they are few.
#[derive(Debug)]
pub struct Often {
    /// A label is told once in this time.
    quiet: Duration,
    times: Mutex<BTreeMap<&'static str, Times>>,
}

/// What is to be told of one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    pub count: u64,
    /// How many of them the log does not have.
    pub untold: u64,
    at: Instant,
}

impl Often {
    /// Each thing is told once in so long.
    pub fn once_in(quiet: Duration) -> Self {
        Self { quiet, times: Mutex::default() }
    }

    /// For the ordinary course of things: once a second.
    pub fn each_second() -> Self {
        Self::once_in(Duration::from_secs(1))
    }

    /// How many there were, by label.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.all().iter().map(|(label, times)| (*label, times.count)).collect()
    }

    /// Counts one more; when it is time to tell of it, how many of them the log does not have.
    pub fn untold(&self, label: &'static str, now: Instant) -> Option<u64> {
        self.count(label, now).map(|times| times.untold)
    }

    /// Counts one more; some when it is time to tell of it.
    pub fn count(&self, label: &'static str, now: Instant) -> Option<Times> {
        let mut all = self.all();
        let Some(times) = all.get_mut(label) else {
            let first = Times { count: 1, untold: 0, at: now };
            all.insert(label, first);
            return Some(first);
        };
        times.count += 1;
        if now.saturating_duration_since(times.at) < self.quiet {
            times.untold += 1;
            return None;
        }
        let untold = std::mem::take(&mut times.untold);
        times.at = now;
        Some(Times { untold, ..*times })
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<&'static str, Times>> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Often {
    /// For what somebody should look at: once a minute, so that it does not bury what else there is to look at.
    fn default() -> Self {
        Self::once_in(Duration::from_secs(60))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_does_a_thing_a_thousand_times_fills_no_log() {
        let (often, now) = (Often::each_second(), Instant::now());
        let untold = |label, now| often.count(label, now).map(|times| times.untold);
        assert_eq!(untold("origin", now), Some(0));
        let told = (0..1000).filter(|_| untold("origin", now).is_some()).count();
        assert_eq!(told, 0);
        assert_eq!(untold("denied", now), Some(0), "another thing is told");
        assert_eq!(
            untold("origin", now + Duration::from_secs(1)),
            Some(1000),
            "and how many are not"
        );
        assert_eq!(often.counts(), BTreeMap::from([("denied", 1), ("origin", 1002)]));
    }

    #[test]
    fn what_somebody_should_look_at_is_said_once_a_minute() {
        let (often, start) = (Often::default(), Instant::now());
        let told = |second| often.count("large", start + Duration::from_secs(second));
        let told: Vec<_> = (0..300).filter_map(|second| told(second).map(|_| second)).collect();
        assert_eq!(told, [0, 60, 120, 180, 240]);
    }
}
