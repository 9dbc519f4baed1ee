//! How soon an instance that broke is replaced. A new one hears of every open connection first, so with many of them a
//! restart is work for everybody: so much of it is done at once, and the rest at a steady rate.

use std::time::Duration;
use tokio::time::Instant;

/// Connections that may be adopted at once...
const AT_ONCE: u64 = 16_384;
/// ...and in a second.
const A_SECOND: u64 = 2_048;
/// A restart counts as so many at least: an instance has to be made.
const LEAST: u64 = 256;
/// Bringing it where the one before it was counts as so many for each millisecond that it takes: an eighth of the time may go
/// into that.
const A_MILLISECOND: u64 = 16;

#[derive(Debug)]
pub(super) struct Restarts {
    /// What has been adopted and is not made up for by time yet.
    debt: u64,
    since: Instant,
    /// Connections of the last one.
    last: u64,
}

impl Restarts {
    pub(super) fn new(now: Instant) -> Self {
        Self { debt: 0, since: now, last: 0 }
    }

    /// A new instance has been told of so many connections.
    pub(super) fn adopted(&mut self, now: Instant, connections: usize) {
        self.last = LEAST.max(connections as u64);
        self.debt = self.debt_at(now).saturating_add(self.last.min(AT_ONCE));
        self.since = now;
    }

    /// Bringing an instance where the one before it was has taken so long.
    pub(super) fn took(&mut self, now: Instant, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let counts = millis.saturating_mul(A_MILLISECOND).min(AT_ONCE);
        self.debt = self.debt_at(now).saturating_add(counts);
        self.since = now;
    }

    /// How long the next restart has to wait.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        let over = self.debt_at(now).checked_sub(AT_ONCE).filter(|over| *over > 0)?;
        Some(Duration::from_millis(over * 1000 / A_SECOND).max(Duration::from_millis(1)))
    }

    /// After so many broken calls in a while whoever caused them is to be left alone: fewer where a restart costs much.
    pub(super) fn patience(&self) -> u32 {
        u32::try_from(AT_ONCE / (2 * self.last.max(1))).unwrap_or(u32::MAX).max(2)
    }

    fn debt_at(&self, now: Instant) -> u64 {
        let millis = now.saturating_duration_since(self.since).as_millis();
        let paid = u64::try_from(millis).unwrap_or(u64::MAX).saturating_mul(A_SECOND) / 1000;
        self.debt.saturating_sub(paid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often an instance is replaced in these seconds that breaks at once each time.
    fn restarts(connections: usize, seconds: u64) -> u64 {
        let start = Instant::now();
        let (mut restarts, mut now, mut count) = (Restarts::new(start), start, 0);
        while now < start + Duration::from_secs(seconds) {
            match restarts.wait(now) {
                Some(wait) => now += wait,
                None => {
                    restarts.adopted(now, connections);
                    count += 1;
                    now += Duration::from_millis(1);
                }
            }
        }
        count
    }

    #[test]
    fn with_many_connections_restarts_are_few_and_with_few_they_are_at_once() {
        assert!((4..=8).contains(&restarts(5_000, 8)), "{}", restarts(5_000, 8));
        assert!((1..=4).contains(&restarts(100_000, 8)), "{}", restarts(100_000, 8));
        assert!((65..=140).contains(&restarts(10, 8)), "{}", restarts(10, 8));
    }

    #[test]
    fn who_breaks_calls_is_left_alone_sooner_where_a_restart_costs_much() {
        let mut restarts = Restarts::new(Instant::now());
        assert!(restarts.patience() > 8);
        restarts.adopted(Instant::now(), 10);
        assert!(restarts.patience() > 8);
        restarts.adopted(Instant::now(), 5_000);
        assert_eq!(restarts.patience(), 2);
    }
}
