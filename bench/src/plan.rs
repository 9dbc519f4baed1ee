//! How long and how large: a full run, or one that only shows that everything still works.

use crate::load::closed::Window;
use std::time::Duration;

/// The sizes of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) smoke: bool,
    pub(crate) slopes: bool,
    /// How often each server takes its turn.
    pub(crate) rounds: u32,
    /// Rounds where a turn needs a new server and half a minute.
    pub(crate) long_rounds: u32,
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
    pub(crate) idle: usize,
    /// For how long idle connections are watched.
    pub(crate) still: Duration,
    pub(crate) handshakes: usize,
    pub(crate) subscribers: usize,
}

/// Latencies that a sample should hold, so that five rounds have enough for a tail.
const ROUND_TRIPS: usize = 50_000;

/// Rounds of a comparison, unless more are asked for.
pub(crate) const AGAINST_ROUNDS: u32 = 9;

impl Plan {
    pub(crate) fn full(slopes: bool) -> Self {
        Self {
            smoke: false,
            slopes,
            rounds: 5,
            long_rounds: 2,
            warm_up: Duration::from_millis(300),
            measured: Duration::from_millis(1500),
            idle: 10_000,
            still: Duration::from_secs(300),
            handshakes: 20_000,
            subscribers: 1000,
        }
    }

    /// One revision against another: as full, with the rounds that a judgement needs.
    pub(crate) fn against() -> Self {
        Self { rounds: AGAINST_ROUNDS, ..Self::full(false) }
    }

    pub(crate) fn smoke() -> Self {
        Self {
            smoke: true,
            slopes: false,
            rounds: 1,
            long_rounds: 1,
            warm_up: Duration::from_millis(100),
            measured: Duration::from_millis(200),
            idle: 200,
            still: Duration::from_secs(1),
            handshakes: 500,
            subscribers: 100,
        }
    }

    pub(crate) fn window(&self) -> Window {
        let round_trips = if self.smoke { 0 } else { ROUND_TRIPS };
        Window { warm_up: self.warm_up, measured: self.measured, round_trips }
    }
}
