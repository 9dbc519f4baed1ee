//! A moment as RFC 3339 has it, in UTC, with microseconds.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

const DAY: u64 = 86_400;

/// How long something took, in milliseconds.
pub(super) fn millis(took: Duration) -> f64 {
    took.as_secs_f64() * 1e3
}

/// `2026-11-27T02:24:28.123456Z`; what was before 1970 is its beginning.
pub(super) struct Moment(pub(super) SystemTime);

impl Moment {
    /// In ASCII. A year after 9999 shows its last four digits.
    pub(super) fn text(&self) -> [u8; 27] {
        let since = self.0.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (seconds, micros) = (since.as_secs(), u64::from(since.subsec_micros()));
        let (year, month, day) = date(seconds / DAY);
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        for (end, digits, number) in [
            (4, 4, year),
            (7, 2, month),
            (10, 2, day),
            (13, 2, seconds / 3600 % 24),
            (16, 2, seconds / 60 % 60),
            (19, 2, seconds % 60),
            (26, 6, micros),
        ] {
            let mut left = number;
            for place in text.iter_mut().take(end).rev().take(digits) {
                *place = b'0' + (left % 10) as u8;
                left /= 10;
            }
        }
        text
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.text()).unwrap_or_default())
    }
}

/// Of days since 1970. Years are counted from March, so that a leap day is the last of its year.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn moments_are_as_rfc_3339_has_them() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"),
            (1_709_251_199_999_999, "2024-02-29T23:59:59.999999Z"),
            (4_107_542_400_000_001, "2100-03-01T00:00:00.000001Z"),
        ] {
            let moment = UNIX_EPOCH + Duration::from_micros(micros);
            assert_eq!(Moment(moment).to_string(), text);
        }
    }

    #[test]
    fn each_day_follows_the_one_before() {
        let mut last = (1970, 1, 1);
        for day in 1..60_000 {
            let next = date(day);
            let (year, month, of_month) = last;
            let follows = [(year, month, of_month + 1), (year, month + 1, 1), (year + 1, 1, 1)];
            assert!(follows.contains(&next), "{last:?} {next:?}");
            last = next;
        }
    }
}
