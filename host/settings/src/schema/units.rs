//! Durations and sizes as a person writes them: `"25s"`, `"1MiB"`.

use std::{num::NonZeroU32, time::Duration};

const DURATIONS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

const SIZES: [(&str, u64); 7] = [
    ("B", 1),
    ("KB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

const RATES: [(&str, u64); 3] = [("s", 1), ("min", 60), ("h", 3600)];
/// The largest number of a rate: each of what it counts is remembered for its time.
const RATE_MAX: u32 = 10_000;

/// Reads `"25s"`, `"10ms"`, `"2m"`, `"1.5h"`, `"7d"`. Err: what is wrong and what to write.
pub fn duration(text: &str) -> Result<Duration, String> {
    let how = "write a number and a unit (ms, s, m, h, d), as in \"25s\"";
    amount(text, &DURATIONS, how).map(Duration::from_millis)
}

/// Reads `"1MiB"`, `"512KiB"`, `"1MB"`, `"100B"`. Err: what is wrong and what to write.
pub fn size(text: &str) -> Result<usize, String> {
    let how = "write a number and a unit (B, KB, MB, GB, KiB, MiB, GiB), as in \"1MiB\"";
    usize::try_from(amount(text, &SIZES, how)?).map_err(|_| format!("`{text}` is too much"))
}

/// Reads `"16/min"`, `"5/s"`, `"100/h"`: how often within what time. Err: what is wrong and what to write.
pub(crate) fn rate(text: &str) -> Result<(NonZeroU32, Duration), String> {
    let how = "write a number and a time (/s, /min, /h), as in \"16/min\"";
    let Some((number, unit)) = text.split_once('/') else {
        return Err(format!("`{text}` has no time; {how}"));
    };
    let Some((_, seconds)) = RATES.iter().find(|(word, _)| *word == unit.trim_start()) else {
        return Err(format!("`{text}` is not understood; {how}"));
    };
    let Ok(count) = number.trim_end().parse::<u32>() else {
        return Err(format!("`{text}` is not understood or too much; {how}"));
    };
    let count = NonZeroU32::new(count).ok_or_else(|| "must be at least 1".to_owned())?;
    if count.get() > RATE_MAX {
        return Err(format!("`{text}` is too much; write {RATE_MAX} at most"));
    }
    Ok((count, Duration::from_secs(*seconds)))
}

/// As it is read.
pub(crate) fn show_rate(count: NonZeroU32, per: Duration) -> String {
    let unit = RATES.iter().find(|(_, seconds)| *seconds == per.as_secs());
    format!("{count}/{}", unit.map_or("s", |(word, _)| word))
}

/// A number with a unit, in the smallest unit.
fn amount(text: &str, units: &[(&str, u64)], how: &str) -> Result<u64, String> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim_start();
    let exact = units.iter().find(|(word, _)| *word == unit);
    let Some((_, factor)) =
        exact.or_else(|| units.iter().find(|(word, _)| word.eq_ignore_ascii_case(unit)))
    else {
        return Err(match unit {
            "" => format!("`{text}` has no unit; {how}"),
            _ => format!("`{text}` is not understood; {how}"),
        });
    };
    scaled(number, *factor).ok_or_else(|| format!("`{text}` is not understood or too much; {how}"))
}

/// Decimal digits with at most one point, times a factor, in whole numbers: nothing is rounded.
fn scaled(number: &str, factor: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let tenths = 10u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let digits =
        whole.parse::<u64>().ok()?.checked_mul(tenths)?.checked_add(fraction.parse().ok()?)?;
    let product = u128::from(digits) * u128::from(factor);
    if product % u128::from(tenths) != 0 {
        return None;
    }
    u64::try_from(product / u128::from(tenths)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        for (text, millis) in [
            ("25s", 25_000),
            ("10ms", 10),
            ("2m", 120_000),
            ("1.5h", 5_400_000),
            ("7 d", 604_800_000),
            ("0s", 0),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn sizes_have_units_and_kib_is_not_kb() {
        for (text, bytes) in [
            ("1MiB", 1 << 20),
            ("512KiB", 512 << 10),
            ("1MB", 1_000_000),
            ("100B", 100),
            ("1.5KiB", 1536),
            ("8mib", 8 << 20),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn rates_have_a_number_and_a_time() {
        for (text, count, seconds) in
            [("16/min", 16, 60), ("5/s", 5, 1), ("100 / h", 100, 3600), ("10000/min", 10_000, 60)]
        {
            let count = NonZeroU32::new(count).unwrap();
            let read = (count, Duration::from_secs(seconds));
            assert_eq!(rate(text), Ok(read), "{text}");
            assert_eq!(rate(&show_rate(read.0, read.1)), Ok(read));
        }
        for bad in ["", "16", "/min", "16/", "16/day", "1.5/min", "-1/s", "16/MIN", "5000000000/s"]
        {
            let error = rate(bad).unwrap_err();
            assert!(error.contains("as in \"16/min\""), "{bad}: {error}");
        }
        assert_eq!(rate("0/min").unwrap_err(), "must be at least 1");
        assert_eq!(rate("10001/h").unwrap_err(), "`10001/h` is too much; write 10000 at most");
    }

    #[test]
    fn what_is_not_an_amount_says_what_to_write() {
        for bad in [
            "",
            "25",
            "s",
            "1 fortnight",
            "-1s",
            "1..2s",
            "1.0001s",
            "99999999999999999999s",
            "1s ",
        ] {
            let error = duration(bad).unwrap_err();
            assert!(error.contains("as in \"25s\""), "{bad}: {error}");
        }
        assert!(size("1TiB").unwrap_err().contains("as in \"1MiB\""));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,24}") {
            let (_, _, _) = (duration(&text), size(&text), rate(&text));
        }

        #[test]
        fn milliseconds_read_back(millis in 0u64..10_000_000_000) {
            proptest::prop_assert_eq!(duration(&format!("{millis}ms")), Ok(Duration::from_millis(millis)));
        }
    }
}
