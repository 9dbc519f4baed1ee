//! The clocks that guests read: right, but coarse, so that what another guest's work does to a cache is not measured.

use super::tape::Tape;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock};

/// Guests see time in steps of this.
pub(super) const GRAIN: Duration = Duration::from_micros(100);

/// Both clocks, the one that only goes forward counted from when the tape says that it began.
pub(super) struct Coarse(Tape);

impl Coarse {
    pub(super) fn new(tape: &Tape) -> Self {
        Self(tape.clone())
    }
}

impl HostWallClock for Coarse {
    fn resolution(&self) -> Duration {
        GRAIN
    }

    fn now(&self) -> Duration {
        self.0.answer("wall", || {
            coarse(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
        })
    }
}

impl HostMonotonicClock for Coarse {
    fn resolution(&self) -> u64 {
        nanoseconds(GRAIN)
    }

    fn now(&self) -> u64 {
        self.0.answer("steady", || nanoseconds(coarse(self.0.began().elapsed())))
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
