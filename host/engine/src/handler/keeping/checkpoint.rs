//! A state that was saved, and whether it is any good.

use crate::call::saved::Saved;
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::time::Instant;

/// Traps that follow the loading of a state within this time speak against it.
const TRIAL: Duration = Duration::from_secs(10);
/// So many of them, and it is put aside.
const TRAPS: u32 = 2;

/// The state of an instance at a moment between two calls.
#[derive(Debug, Clone)]
pub(in crate::handler) struct Checkpoint {
    pub(in crate::handler) state: Arc<Saved>,
    pub(in crate::handler) at: SystemTime,
    /// How long saving took.
    pub(in crate::handler) took: Duration,
}

impl Checkpoint {
    pub(in crate::handler) fn age(&self) -> Duration {
        self.at.elapsed().unwrap_or_default()
    }
}

/// What speaks against the state of an instance that came in the place of one that broke.
#[derive(Debug, Default)]
pub(in crate::handler) struct Trial {
    /// When it was brought to that state; none: it has worked since, or came in nobody's place.
    loaded: Option<Instant>,
    traps: u32,
}

impl Trial {
    pub(in crate::handler) fn loaded(&mut self, now: Instant) {
        self.loaded = Some(now);
    }

    /// Nothing has shown yet that the state is good.
    pub(in crate::handler) fn is_open(&self) -> bool {
        self.loaded.is_some()
    }

    /// A call returned, and it was work: whatever traps after it traps at an event.
    pub(in crate::handler) fn went_well(&mut self) {
        *self = Self::default();
    }

    /// A call trapped. Whether the state is to be looked at: nothing went well since it was loaded, again and again.
    pub(in crate::handler) fn trapped(&mut self, now: Instant) -> bool {
        let soon = self.loaded.is_some_and(|loaded| now.saturating_duration_since(loaded) <= TRIAL);
        if !soon {
            return false;
        }
        self.traps += 1;
        self.traps >= TRAPS
    }

    /// It was looked at, or another state is tried.
    pub(in crate::handler) fn begins(&mut self) {
        self.traps = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_on_which_nothing_goes_well_is_looked_at_at_the_second_trap_after_it_was_loaded() {
        let (mut trial, now) = (Trial::default(), Instant::now());
        assert!(!trial.trapped(now), "the instance that saved it has trapped");
        trial.loaded(now);
        assert!(!trial.trapped(now));
        trial.loaded(now);
        assert!(trial.trapped(now + Duration::from_secs(9)));
    }

    #[test]
    fn where_a_call_went_well_or_time_has_passed_it_is_the_events_that_trap() {
        let now = Instant::now();
        let mut trial = Trial::default();
        trial.loaded(now);
        trial.went_well();
        assert!((0..9).all(|_| !trial.trapped(now)));
        let mut trial = Trial::default();
        trial.loaded(now);
        assert!((0..9).all(|_| !trial.trapped(now + Duration::from_secs(11))));
    }
}
