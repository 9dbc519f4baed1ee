//! What time it is for what is due later, for timers and questions to clients: it passes, or it is told.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

/// Time that somebody tells: how long it is since the beginning, in whole milliseconds. It only goes on. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct ToldTime(Arc<AtomicU64>);

impl ToldTime {
    /// Lets it pass until so long after the beginning. A time that is over already changes nothing.
    pub fn pass_to(&self, after: Duration) {
        self.0.fetch_max(millis(after), Ordering::Relaxed);
    }

    /// How long it is since the beginning.
    pub fn now(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// Tells the time in milliseconds since it began.
#[derive(Debug)]
pub(super) struct Clock {
    begin: Instant,
    told: Option<ToldTime>,
}

impl Default for Clock {
    fn default() -> Self {
        Self { begin: Instant::now(), told: None }
    }
}

impl Clock {
    pub(super) fn told(by: &ToldTime) -> Self {
        Self { told: Some(by.clone()), ..Self::default() }
    }

    pub(super) fn now(&self) -> u64 {
        match &self.told {
            Some(told) => told.0.load(Ordering::Relaxed),
            None => millis(self.begin.elapsed()),
        }
    }

    /// When it is so late, where time passes by itself.
    pub(super) fn at(&self, now: u64) -> Instant {
        self.begin + Duration::from_millis(now)
    }
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn told_time_passes_when_it_is_told_and_never_goes_back() {
        let time = ToldTime::default();
        let clock = Clock::told(&time);
        assert_eq!(clock.now(), 0);
        time.pass_to(Duration::from_secs(2));
        time.pass_to(Duration::from_secs(1));
        assert_eq!((clock.now(), time.now()), (2000, Duration::from_secs(2)));
    }
}
