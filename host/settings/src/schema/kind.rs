//! How values are written in the file: read as what they should be, and shown as they would stand there.

use super::{key::Read, value::Value};
use std::{
    fmt, net::SocketAddr, num::NonZeroUsize, ops::RangeInclusive, path::PathBuf, time::Duration,
};
use tengen_wire::id::PluginName;

/// From this on, digits stand in groups of three.
const GROUPED: usize = 10_000;

/// A way to write a `T`.
pub(crate) struct Kind<T> {
    pub(super) read: Read<T>,
    /// In TOML.
    pub(super) show: Box<dyn Fn(&T) -> String>,
}

impl<T> fmt::Debug for Kind<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kind").finish_non_exhaustive()
    }
}

impl<T: 'static> Kind<T> {
    pub(crate) fn new(
        read: impl Fn(&Value<'_>) -> Option<T> + 'static,
        show: impl Fn(&T) -> String + 'static,
    ) -> Self {
        Self { read: Box::new(read), show: Box::new(show) }
    }

    /// The same, where it may be none.
    pub(super) fn some(self) -> Kind<Option<T>> {
        let Self { read, show } = self;
        let show = move |it: &Option<T>| it.as_ref().map(&show).unwrap_or_default();
        Kind::new(move |value| read(value).map(Some), show)
    }

    /// A list of them; those that cannot be read are mistakes.
    pub(crate) fn list(self) -> Kind<Vec<T>> {
        let Self { read, show } = self;
        let show = move |list: &Vec<T>| {
            format!("[{}]", list.iter().map(&show).collect::<Vec<_>>().join(", "))
        };
        Kind::new(move |value| value.list(&read), show)
    }

    /// The same, within bounds that a mistake tells.
    pub(crate) fn within(self, range: RangeInclusive<T>) -> Self
    where
        T: PartialOrd,
    {
        let Self { read, show } = self;
        let told = |end: &T| show(end).trim_matches('"').to_owned();
        let bounds =
            format!("must be at least {} and at most {}", told(range.start()), told(range.end()));
        let read = move |value: &Value<'_>| {
            let it = read(value)?;
            if !range.contains(&it) {
                value.mistake(bounds.as_str());
                return None;
            }
            Some(it)
        };
        Self { read: Box::new(read), show }
    }
}

/// A text in quotes.
pub(crate) fn quoted(text: impl fmt::Display) -> String {
    format!("\"{}\"", text.to_string().replace('\\', "\\\\").replace('"', "\\\""))
}

/// A text that is not empty.
pub(crate) fn text() -> Kind<String> {
    Kind::new(|value| value.filled(), |it| quoted(it))
}

/// A plugin's name. Whether there is such a plugin is seen when the whole file is read.
pub(crate) fn plugin_name() -> Kind<PluginName> {
    Kind::new(|value| value.filled().map(Into::into), |it| quoted(it))
}

/// An address and port.
pub(crate) fn address() -> Kind<SocketAddr> {
    Kind::new(|value| value.address(), |it| quoted(it))
}

/// A path; a relative one counts from the file's folder.
pub(crate) fn path() -> Kind<PathBuf> {
    Kind::new(|value| value.path(), |it| quoted(it.display()))
}

/// The path of an URL: begins with `/`, no query, no fragment.
pub(crate) fn url_path() -> Kind<String> {
    let read = |text: &str| {
        if !text.starts_with('/') {
            return Err(format!("`{text}` must begin with `/`; write `/{text}`"));
        }
        let is_odd = text.contains(['?', '#', '%', '\\']) || text.contains(char::is_whitespace);
        match is_odd || text.contains("//") {
            true => Err(format!(
                "`{text}` is not a plain path; write letters, digits, `-`, `_`, `.` and single `/`"
            )),
            false => Ok(text.to_owned()),
        }
    };
    Kind::new(move |value| value.read(read), |it| quoted(it))
}

pub(crate) fn truth() -> Kind<bool> {
    Kind::new(|value| value.truth(), ToString::to_string)
}

/// A number from 0 to 1.
pub(crate) fn share() -> Kind<f64> {
    Kind::new(|value| value.share(), |it| format!("{it:?}"))
}

/// A whole number, of at least 1.
pub(crate) fn count() -> Kind<NonZeroUsize> {
    Kind::new(|value| value.count(), |it| grouped(it.get()))
}

/// The same as a plain number,
pub(crate) fn plain_count() -> Kind<usize> {
    Kind::new(|value| value.count().map(Into::into), |it| grouped(*it))
}

/// in 32 bits,
pub(crate) fn small_count() -> Kind<u32> {
    Kind::new(|value| value.small_count(), |it| it.to_string())
}

/// and one that may be 0.
pub(crate) fn number() -> Kind<usize> {
    Kind::new(|value| value.number(), |it| grouped(*it))
}

/// A number of bytes, of at least 1: `"1MiB"`.
pub(crate) fn size() -> Kind<NonZeroUsize> {
    Kind::new(|value| value.some_size(), |it| bytes(it.get()))
}

/// The same as a plain number.
pub(crate) fn plain_size() -> Kind<usize> {
    Kind::new(|value| value.some_size().map(Into::into), |it| bytes(*it))
}

/// A time that is not zero: `"25s"`.
pub(crate) fn duration() -> Kind<Duration> {
    Kind::new(|value| value.duration(), |it| time(*it))
}

/// A time that may be `"0s"`.
pub(crate) fn pause() -> Kind<Duration> {
    Kind::new(|value| value.pause(), |it| time(*it))
}

/// One of the words; `later` are those that the file format knows and this version does not carry out.
pub(crate) fn words<T: Clone + PartialEq + 'static>(
    words: impl Into<Vec<(&'static str, T)>>,
    later: &'static [&'static str],
) -> Kind<T> {
    let words = words.into();
    let shown = words.clone();
    let show = move |it: &T| {
        let word = shown.iter().find(|(_, meaning)| meaning == it);
        word.map(|(word, _)| quoted(word)).unwrap_or_default()
    };
    Kind::new(move |value| value.word(&words, later), show)
}

fn grouped(number: usize) -> String {
    let digits = number.to_string();
    if number < GROUPED {
        return digits;
    }
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push('_');
        }
        out.push(digit);
    }
    out
}

pub(crate) fn bytes(size: usize) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = units.into_iter().find(|(unit, _)| size > 0 && size.is_multiple_of(*unit));
    let (unit, word) = unit.unwrap_or((1, "B"));
    quoted(format_args!("{}{word}", size / unit))
}

fn time(time: Duration) -> String {
    match time.subsec_millis() {
        0 => quoted(format_args!("{}s", time.as_secs())),
        _ => quoted(format_args!("{}ms", time.as_millis())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::units;

    fn unquoted(text: &str) -> &str {
        text.trim_matches('"')
    }

    #[test]
    fn numbers_are_shown_as_people_write_them() {
        let shown = [0, 7, 9999, 10_000, 100_000, 1_234_567].map(grouped);
        assert_eq!(shown, ["0", "7", "9999", "10_000", "100_000", "1_234_567"]);
        let shown = [1, 1000, 1024, 1536, 32 << 10, 16 << 20, 4 << 30].map(bytes);
        let expected = ["1B", "1000B", "1KiB", "1536B", "32KiB", "16MiB", "4GiB"];
        assert_eq!(shown.each_ref().map(|text| unquoted(text)), expected);
        let shown = [0, 50, 1000, 1500, 75_000].map(|ms| time(Duration::from_millis(ms)));
        assert_eq!(shown.each_ref().map(|it| unquoted(it)), ["0s", "50ms", "1s", "1500ms", "75s"]);
    }

    proptest::proptest! {
        #[test]
        fn what_is_shown_is_read_back(number in 0_usize..1 << 40) {
            proptest::prop_assert_eq!(units::size(unquoted(&bytes(number))), Ok(number));
            let span = Duration::from_millis(number as u64);
            proptest::prop_assert_eq!(units::duration(unquoted(&time(span))), Ok(span));
            proptest::prop_assert_eq!(grouped(number).replace('_', "").parse(), Ok(number));
        }
    }
}
