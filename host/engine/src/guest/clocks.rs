//! The clocks that guests read: right, but coarse, so that what another guest's work does to a cache is not measured.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock};

/// Guests see time in steps of this.
pub(super) const GRAIN: Duration = Duration::from_micros(100);

/// Both clocks, the one that only goes forward counted from when it was made.
pub(super) struct Coarse(Instant);

impl Coarse {
    pub(super) fn new() -> Self {
        Self(Instant::now())
    }
}

impl HostWallClock for Coarse {
    fn resolution(&self) -> Duration {
        GRAIN
    }

    fn now(&self) -> Duration {
        coarse(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

impl HostMonotonicClock for Coarse {
    fn resolution(&self) -> u64 {
        nanoseconds(GRAIN)
    }

    fn now(&self) -> u64 {
        nanoseconds(coarse(self.0.elapsed()))
    }
}

/// In whole steps.
pub(super) fn coarse(time: Duration) -> Duration {
    let beyond = time.as_nanos() % GRAIN.as_nanos();
    time.saturating_sub(Duration::from_nanos(u64::try_from(beyond).unwrap_or_default()))
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
