//! A client's time, corrected: how far its clock is off follows from when it says that it has sent a batch, and when that came.

use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tengen_wire::format::inst::Inst;

/// Nothing is older: a page that was away for longer than that has lost what it kept.
const OLDEST: Duration = Duration::from_secs(24 * 3600);
/// What no clock shows: milliseconds on either side of 1970, as far as browsers count.
const FARTHEST: f64 = 8.64e15;

/// A time as a client says it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Time {
    /// Milliseconds since 1970.
    Millis(i64),
    /// It is no time.
    Absurd,
}

impl Time {
    pub(super) fn of_number(millis: f64) -> Self {
        match millis.abs() <= FARTHEST {
            true => Self::Millis(millis as i64),
            false => Self::Absurd,
        }
    }

    /// As RFC 3339 has it.
    pub(super) fn of_text(text: &str) -> Self {
        let millis = |inst: Inst| inst.seconds * 1000 + i64::from(inst.nanos / 1_000_000);
        Inst::parse(text).map_or(Self::Absurd, |inst| Self::Millis(millis(inst)))
    }
}

/// What the times of one batch mean.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    arrived: SystemTime,
    /// What has to be added to a time of the client's: milliseconds.
    offset: i64,
}

/// When something happened.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Moment {
    /// By our clock.
    pub(super) at: SystemTime,
    /// By the client's, where that is another time.
    pub(super) said: Option<i64>,
    /// Why it is not what the client said: `future`, `old` or `absurd`.
    pub(super) odd: Option<&'static str>,
}

impl Clock {
    /// `sent`: when the batch was sent, by the client's clock. Without it, that is taken to be right.
    pub(super) fn new(sent: Option<Time>, arrived: SystemTime) -> Self {
        let offset = match sent {
            Some(Time::Millis(sent)) => millis(arrived).saturating_sub(sent),
            Some(Time::Absurd) | None => 0,
        };
        Self { arrived, offset }
    }

    /// A time within a day before the batch came; without any, when it came.
    pub(super) fn of(self, said: Option<&Time>) -> Moment {
        let Self { arrived, offset } = self;
        match said {
            None => Moment { at: arrived, said: None, odd: None },
            Some(Time::Absurd) => Moment { at: arrived, said: None, odd: Some("absurd") },
            Some(Time::Millis(said)) => {
                let ago = millis(arrived).saturating_sub(said.saturating_add(offset));
                let oldest = OLDEST.as_millis() as i64;
                let (ago, odd) = match ago {
                    ..0 => (0, Some("future")),
                    ago if ago > oldest => (oldest, Some("old")),
                    ago => (ago, None),
                };
                let ago = Duration::from_millis(ago.unsigned_abs());
                let at = arrived.checked_sub(ago).unwrap_or(UNIX_EPOCH);
                Moment { at, said: (millis(at) != *said).then_some(*said), odd }
            }
        }
    }
}

fn millis(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(millis)
    }

    const NOW: u64 = 1_800_000_000_000;

    #[test]
    fn a_clock_that_is_wrong_is_corrected_and_both_times_are_kept() {
        // An hour slow.
        let sent = NOW as i64 - 3_600_000;
        let clock = Clock::new(Some(Time::Millis(sent)), at(NOW));
        let moment = clock.of(Some(&Time::Millis(sent - 1500)));
        assert_eq!(moment, Moment { at: at(NOW - 1500), said: Some(sent - 1500), odd: None });
        let right = Clock::new(Some(Time::Millis(NOW as i64)), at(NOW));
        let moment = right.of(Some(&Time::Millis(NOW as i64 - 7)));
        assert_eq!(moment, Moment { at: at(NOW - 7), said: None, odd: None });
    }

    #[test]
    fn a_batch_that_does_not_say_when_it_was_sent_has_a_clock_that_is_right() {
        let moment = Clock::new(None, at(NOW)).of(Some(&Time::Millis(NOW as i64 - 5)));
        assert_eq!(moment, Moment { at: at(NOW - 5), said: None, odd: None });
        let none = Clock::new(None, at(NOW)).of(None);
        assert_eq!(none, Moment { at: at(NOW), said: None, odd: None });
    }

    #[test]
    fn absurd_times_are_clamped_and_told() {
        let clock = Clock::new(Some(Time::Millis(NOW as i64)), at(NOW));
        let later = NOW as i64 + 60_000;
        let moment = clock.of(Some(&Time::Millis(later)));
        assert_eq!(moment, Moment { at: at(NOW), said: Some(later), odd: Some("future") });
        let moment = clock.of(Some(&Time::Millis(0)));
        let day = at(NOW) - OLDEST;
        assert_eq!(moment, Moment { at: day, said: Some(0), odd: Some("old") });
        for absurd in [f64::NAN, f64::INFINITY, -1e300] {
            let moment = clock.of(Some(&Time::of_number(absurd)));
            assert_eq!(moment, Moment { at: at(NOW), said: None, odd: Some("absurd") });
        }
        assert_eq!(Time::of_text("yesterday"), Time::Absurd);
        assert_eq!(Time::of_text("1970-01-01T00:00:01.5Z"), Time::Millis(1500));
    }

    proptest! {
        #[test]
        fn whatever_is_said_it_happened_within_a_day_before_it_came(
            sent in any::<i64>(), said in any::<i64>(), number in any::<f64>(),
        ) {
            for sent in [Some(Time::Millis(sent)), Some(Time::of_number(number)), None] {
                let Moment { at: moment, .. } = Clock::new(sent, at(NOW)).of(Some(&Time::Millis(said)));
                prop_assert!(moment <= at(NOW) && moment >= at(NOW) - OLDEST);
            }
        }
    }
}
