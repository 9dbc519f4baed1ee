//! Instants: EDN's `#inst` and RFC 3339 text, to the nanosecond.

use std::{fmt::Write, ops::Range};

/// What four digits of a year can say.
const YEARS_0_TO_9999: Range<i64> = -62_167_219_200..253_402_300_800;

/// A point in time in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Inst {
    /// Since 1970-01-01T00:00:00Z.
    pub seconds: i64,
    /// Always less than 1,000,000,000.
    pub nanos: u32,
}

impl Inst {
    /// None beyond the years 0 to 9999, or when the nanoseconds are a second or more.
    pub(crate) fn new(seconds: i64, nanos: u32) -> Option<Self> {
        (YEARS_0_TO_9999.contains(&seconds) && nanos < 1_000_000_000)
            .then_some(Self { seconds, nanos })
    }

    /// Reads RFC 3339, and what `#inst` allows beyond it: parts may be left out from the right (`1985`, `1985-04-12T23:20`).
    ///
    /// Years 0 to 9999. Digits beyond nanoseconds are dropped; without an offset the time is UTC.
    pub fn parse(text: &str) -> Option<Self> {
        let mut scan = Scan(text.as_bytes());
        let year = i64::from(scan.digits(4)?);
        let (mut month, mut day, mut clock, mut nanos, mut offset) = (1, 1, 0, 0, 0);
        if scan.eat(b'-') {
            month = scan.digits(2)?;
            if scan.eat(b'-') {
                day = scan.digits(2)?;
                if scan.eat(b'T') || scan.eat(b't') {
                    (clock, nanos) = scan.clock()?;
                }
                offset = scan.offset()?;
            }
        }
        if !scan.0.is_empty()
            || !(1..=12).contains(&month)
            || !(1..=days_in(year, month)).contains(&day)
        {
            return None;
        }
        let seconds = days_since_1970(year, month.into(), day.into()) * 86_400 + clock - offset;
        Self::new(seconds, nanos)
    }

    /// RFC 3339 in UTC with `Z`, as browsers write it: milliseconds, or nanoseconds where there are any.
    pub fn to_rfc3339(self) -> String {
        self.text("Z")
    }

    /// As Clojure writes it after `#inst`.
    pub(crate) fn to_edn(self) -> String {
        self.text("-00:00")
    }

    fn text(self, offset: &str) -> String {
        let (year, month, day) = date(self.seconds.div_euclid(86_400));
        let clock = self.seconds.rem_euclid(86_400);
        let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
        let mut out = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.");
        // Writing to a `String` cannot fail.
        let _ok = if self.nanos.is_multiple_of(1_000_000) {
            write!(out, "{:03}{offset}", self.nanos / 1_000_000)
        } else {
            write!(out, "{:09}{offset}", self.nanos)
        };
        out
    }
}

struct Scan<'a>(&'a [u8]);

impl Scan<'_> {
    fn eat(&mut self, byte: u8) -> bool {
        match self.0.split_first() {
            Some((&first, rest)) if first == byte => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    fn digits(&mut self, count: usize) -> Option<u32> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        digits.iter().try_fold(0, |number, &digit| {
            digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0'))
        })
    }

    /// `hh`, `hh:mm`, `hh:mm:ss` or `hh:mm:ss.fraction`: seconds of the day and nanoseconds.
    fn clock(&mut self) -> Option<(i64, u32)> {
        let hour = self.digits(2)?;
        let minute = if self.eat(b':') {
            self.digits(2)?
        } else {
            return (hour < 24).then(|| (i64::from(hour) * 3600, 0));
        };
        let second = if self.eat(b':') { self.digits(2)? } else { 0 };
        let nanos = if self.eat(b'.') { self.fraction()? } else { 0 };
        // A leap second is the first of the next minute, as in POSIX time.
        let fits = hour < 24 && minute < 60 && (second < 60 || (second == 60 && minute == 59));
        fits.then(|| (i64::from(hour * 3600 + minute * 60 + second), nanos))
    }

    fn fraction(&mut self) -> Option<u32> {
        let count = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        let nanos = (0..9).fold(0, |nanos, place| {
            nanos * 10 + digits.get(place).map_or(0, |&digit| u32::from(digit - b'0'))
        });
        (count > 0).then_some(nanos)
    }

    /// `Z`, `+hh:mm`, `-hh:mm` or nothing, in seconds east of UTC.
    fn offset(&mut self) -> Option<i64> {
        let sign = match self.0.first() {
            Some(b'+') => 1,
            Some(b'-') => -1,
            Some(b'Z' | b'z') => 0,
            _ => return Some(0),
        };
        self.0 = self.0.get(1..)?;
        if sign == 0 {
            return Some(0);
        }
        let hour = self.digits(2)?;
        let minute = self.eat(b':').then(|| self.digits(2))??;
        (hour < 24 && minute < 60).then(|| sign * i64::from(hour * 3600 + minute * 60))
    }
}

fn days_in(year: i64, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Counts in years that begin in March, so that the leap day comes last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year
        - 719_468
}

fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march_based = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_based + 2) / 5 + 1;
    let month = if march_based < 10 { march_based + 3 } else { march_based - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, seconds: i64, nanos: u32, rfc3339: &str) {
        let inst = Inst::parse(text).unwrap();
        assert_eq!(inst, Inst { seconds, nanos });
        assert_eq!(inst.to_rfc3339(), rfc3339);
    }

    #[test]
    fn instants_read_as_clojure_and_rfc_3339_write_them() {
        check("1970-01-01T00:00:00.000-00:00", 0, 0, "1970-01-01T00:00:00.000Z");
        check("2024-02-29T12:30:15.5Z", 1_709_209_815, 500_000_000, "2024-02-29T12:30:15.500Z");
        check("1985-04-12T23:20:50.52+02:30", 482_187_050, 520_000_000, "1985-04-12T20:50:50.520Z");
        check("1985", 473_385_600, 0, "1985-01-01T00:00:00.000Z");
        check("1985-04-12T23:20", 482_196_000, 0, "1985-04-12T23:20:00.000Z");
        check("1969-12-31T23:59:59.000000001Z", -1, 1, "1969-12-31T23:59:59.000000001Z");
        check("0000-01-01", -62_167_219_200, 0, "0000-01-01T00:00:00.000Z");
        check("1990-12-31T23:59:60Z", 662_688_000, 0, "1991-01-01T00:00:00.000Z");
    }

    #[test]
    fn what_is_no_instant_is_not_read() {
        for bad in [
            "",
            "19",
            "1985-13",
            "1985-02-29",
            "1985-04-31",
            "1985-04-12T24:00",
            "1985-04-12T23:60",
            "1985-04-12T",
            "1985-04-12T23:20:50.",
            "1985-04-12T23:20:50+0230",
            "1985-04-12 23:20",
            "1985-04-12T23:20:50Zx",
            "x985",
            "0000-01-01T00:00:00+01:00",
        ] {
            assert_eq!(Inst::parse(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn instants_come_back(seconds in YEARS_0_TO_9999, nanos in 0_u32..1_000_000_000) {
            let inst = Inst { seconds, nanos };
            prop_assert_eq!(Inst::parse(&inst.to_rfc3339()), Some(inst));
            prop_assert_eq!(Inst::parse(&inst.to_edn()), Some(inst));
        }

        #[test]
        fn any_text_is_taken_or_refused_without_a_panic(text in "[0-9TZ:.+-]{0,40}|.{0,40}") {
            let _parsed = Inst::parse(&text);
        }
    }
}
