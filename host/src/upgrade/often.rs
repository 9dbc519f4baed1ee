//! What outsiders can make happen again and again: counted by its label, and told in the log once a second each.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// A label is told once in this time.
const QUIET: Duration = Duration::from_secs(1);

/// How often each thing has happened. The labels are ours, so they are few.
#[derive(Debug, Default)]
pub struct Often(Mutex<BTreeMap<&'static str, Times>>);

/// What is to be told of one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) count: u64,
    /// How many of them the log does not have.
    pub(super) untold: u64,
    at: Instant,
}

impl Often {
    /// How many there were, by label.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|(label, times)| (*label, times.count)).collect()
    }

    /// Counts one more; when it is time to tell of it, how many of them the log does not have.
    pub fn untold(&self, label: &'static str, now: Instant) -> Option<u64> {
        self.count(label, now).map(|times| times.untold)
    }

    /// Counts one more; some when it is time to tell of it.
    pub(super) fn count(&self, label: &'static str, now: Instant) -> Option<Times> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(times) = all.get_mut(label) else {
            let first = Times { count: 1, untold: 0, at: now };
            all.insert(label, first);
            return Some(first);
        };
        times.count += 1;
        if now.saturating_duration_since(times.at) < QUIET {
            times.untold += 1;
            return None;
        }
        let untold = std::mem::take(&mut times.untold);
        times.at = now;
        Some(Times { untold, ..*times })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_does_a_thing_a_thousand_times_fills_no_log() {
        let (often, now) = (Often::default(), Instant::now());
        let untold = |label, now| often.count(label, now).map(|times| times.untold);
        assert_eq!(untold("origin", now), Some(0));
        let told = (0..1000).filter(|_| untold("origin", now).is_some()).count();
        assert_eq!(told, 0);
        assert_eq!(untold("denied", now), Some(0), "another thing is told");
        assert_eq!(untold("origin", now + QUIET), Some(1000), "and how many are not");
        assert_eq!(often.counts(), BTreeMap::from([("denied", 1), ("origin", 1002)]));
    }
}
