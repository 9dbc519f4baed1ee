//! What became of the signals that a sink was to get.

use crate::stats::SignalsDropped;
use std::time::Instant;

/// Rates are of about so many seconds.
const SECONDS: f64 = 10.0;

#[derive(Debug, Default)]
pub(super) struct Account {
    pub(super) accepted: u64,
    pub(super) delivered: u64,
    pub(super) in_flight: u64,
    pub(super) dropped: SignalsDropped,
    pub(super) errors: u64,
    pub(super) retries: u64,
    /// When counting for the rates began anew, and what was counted then.
    since: Option<(Instant, u64, u64)>,
    /// Of the time before that.
    rates: (f64, f64),
}

impl Account {
    pub(super) fn accepted(&mut self, count: u64) {
        self.accepted += count;
    }

    pub(super) fn delivered(&mut self, count: u64) {
        self.delivered += count;
        self.turn(Instant::now());
    }

    /// Every few seconds, what was counted becomes the rate.
    pub(super) fn turn(&mut self, now: Instant) {
        let (since, accepted, delivered) = *self.since.get_or_insert((now, 0, 0));
        let passed = now.saturating_duration_since(since).as_secs_f64();
        if passed >= SECONDS {
            let rate = |count: u64| count as f64 / passed;
            self.rates = (rate(self.accepted - accepted), rate(self.delivered - delivered));
            self.since = Some((now, self.accepted, self.delivered));
        }
    }

    pub(super) fn accepted_per_s(&self) -> u64 {
        self.rate(|(_, accepted, _)| (self.accepted, accepted), self.rates.0)
    }

    pub(super) fn delivered_per_s(&self) -> u64 {
        self.rate(|(_, _, delivered)| (self.delivered, delivered), self.rates.1)
    }

    /// Of the seconds that are being counted and the ones before, by how long those are past.
    fn rate(&self, of: impl Fn((Instant, u64, u64)) -> (u64, u64), before: f64) -> u64 {
        let Some(since) = self.since else { return 0 };
        let (now, then) = of(since);
        let passed = since.0.elapsed().as_secs_f64();
        let old = before * (SECONDS - passed).max(0.0);
        let rate = ((now - then) as f64 + old) / SECONDS.max(passed);
        rate.round() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn rates_are_of_the_last_seconds_and_go_down_where_nothing_happens() {
        let (mut account, now) = (Account::default(), Instant::now());
        let later = |seconds| now + Duration::from_secs(seconds);
        account.turn(now);
        account.accepted(1000);
        account.delivered += 500;
        account.turn(later(10));
        assert_eq!((account.accepted_per_s(), account.delivered_per_s()), (100, 50));
        account.turn(later(20));
        assert_eq!((account.accepted_per_s(), account.delivered_per_s()), (0, 0));
    }
}
