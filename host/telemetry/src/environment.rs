//! Environment variables, read as OpenTelemetry's specification asks: what cannot be read is noted, and counts as unset.

use percent_encoding::percent_decode_str;
use std::{cell::RefCell, env::VarError, fmt, str::FromStr, time::Duration};

/// The variables of the process, or a table in tests, and what there is to say of them.
pub(super) struct Environment<'a> {
    lookup: &'a dyn Fn(&str) -> Result<String, VarError>,
    notes: RefCell<Vec<String>>,
}

/// A variable that is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Variable {
    pub(super) name: &'static str,
    /// Never empty, no white space around it.
    pub(super) value: String,
}

impl<'a> Environment<'a> {
    pub(super) fn new(lookup: &'a dyn Fn(&str) -> Result<String, VarError>) -> Self {
        Self { lookup, notes: RefCell::default() }
    }

    /// Says something in the log, once.
    pub(super) fn note(&self, what: impl fmt::Display) {
        let (what, mut notes) = (what.to_string(), self.notes.borrow_mut());
        if !notes.contains(&what) {
            notes.push(what);
        }
    }

    /// What there was to say.
    pub(super) fn into_notes(self) -> Vec<String> {
        self.notes.into_inner()
    }

    /// A variable's value; one that is empty counts as unset.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        let value = match (self.lookup)(name) {
            Ok(value) => value.trim().to_owned(),
            Err(VarError::NotPresent) => return None,
            Err(VarError::NotUnicode(_)) => {
                self.note(format_args!("`{name}` is ignored: it is not Unicode"));
                return None;
            }
        };
        (!value.is_empty()).then_some(value)
    }

    /// The first of these variables that is set.
    pub(super) fn first(&self, names: &[&'static str]) -> Option<Variable> {
        names.iter().find_map(|&name| Some(Variable { name, value: self.get(name)? }))
    }

    /// What the first of these variables says that can be read. One that cannot, `unfit` says why, counts as unset.
    pub(super) fn read<T>(
        &self,
        names: &[&'static str],
        unfit: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        names.iter().find_map(|name| {
            let value = self.get(name)?;
            let read = parse(&value);
            if read.is_none() {
                self.note(format_args!("`{name}` is ignored: `{value}` {unfit}"));
            }
            read
        })
    }

    /// A number from the first of these variables that has one.
    pub(super) fn number<N: FromStr>(&self, names: &[&'static str]) -> Option<N> {
        self.read(names, "is not a number it can take", |value| value.parse().ok())
    }

    /// Whether the first of these variables that is set is `true`. The specification has everything else stand for `false`:
    /// such a value is noted, and does not count as unset.
    pub(super) fn flag(&self, names: &[&'static str]) -> bool {
        let Some(Variable { name, value }) = self.first(names) else { return false };
        let flag = value.eq_ignore_ascii_case("true");
        if !flag && !value.eq_ignore_ascii_case("false") {
            self.note(format_args!(
                "`{name}` counts as `false`: `{value}` is neither `true` nor `false`"
            ));
        }
        flag
    }

    /// How long something may take; none: for ever, which is what zero stands for.
    pub(super) fn timeout(&self, names: &[&'static str], default: Duration) -> Option<Duration> {
        let time = self.number(names).map_or(default, Duration::from_millis);
        (!time.is_zero()).then_some(time)
    }

    /// Pairs as in `key=value,other=value`, with percent signs before what is written in hex. Where one of them cannot
    /// be read, none is taken: a part would be taken for all.
    pub(super) fn pairs(&self, name: &'static str) -> Vec<(String, String)> {
        let Some(value) = self.get(name) else { return Vec::new() };
        let parts = value.split(',').map(str::trim).filter(|part| !part.is_empty());
        let pairs: Option<Vec<_>> = parts.map(pair).collect();
        if pairs.is_none() {
            self.note(format_args!(
                "`{name}` is ignored: it is no list of `key=value` with commas between, and `%2C` for a comma in a value"
            ));
        }
        pairs.unwrap_or_default()
    }
}

fn pair(part: &str) -> Option<(String, String)> {
    let (key, value) = part.split_once('=')?;
    let (key, value) = (decoded(key.trim())?, decoded(value.trim())?);
    (!key.is_empty()).then_some((key, value))
}

/// Text with its percent signs resolved; none where there is no byte behind one, or no Unicode behind them all.
pub(super) fn decoded(text: &str) -> Option<String> {
    let is_hex =
        |pair: Option<&[u8]>| pair.is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit));
    let bytes = text.as_bytes();
    let signs = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'%');
    if !signs.map(|(at, _)| bytes.get(at + 1..at + 3)).all(is_hex) {
        return None;
    }
    percent_decode_str(text).decode_utf8().ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn with<T>(value: &str, read: impl FnOnce(&Environment<'_>) -> T) -> (T, Vec<String>) {
        let lookup = |_: &str| Ok(value.to_owned());
        let environment = Environment::new(&lookup);
        let read = read(&environment);
        (read, environment.into_notes())
    }

    #[track_caller]
    fn check_pairs(value: &str, expected: &[(&str, &str)], notes: usize) {
        let (pairs, noted) = with(value, |environment| environment.pairs("X"));
        let pairs: Vec<_> = pairs.iter().map(|(key, value)| (&**key, &**value)).collect();
        assert_eq!(pairs, expected, "{value}");
        assert_eq!(noted.len(), notes, "{noted:?}");
    }

    // The percent signs were sent on.
    #[test]
    fn pairs_are_percent_decoded_all_or_none() {
        check_pairs("team=north%20side", &[("team", "north side")], 0);
        check_pairs(" a = 1 , b%3D=x%2Cy=z,", &[("a", "1"), ("b=", "x,y=z")], 0);
        check_pairs("a=%C5%BC", &[("a", "ż")], 0);
        check_pairs("a=", &[("a", "")], 0);
        check_pairs("a=1,b", &[], 1);
        check_pairs("a=1,=2", &[], 1);
        check_pairs("a=100%", &[], 1);
        check_pairs("a=%2g", &[], 1);
        check_pairs("a=%FF", &[], 1);
    }

    // With zero, whatever was exported counted as lost.
    #[test]
    fn zero_is_no_limit_of_time_and_rubbish_the_usual_one() {
        let usual = Duration::from_secs(5);
        let timeout = |value| with(value, |environment| environment.timeout(&["X"], usual));
        assert_eq!(timeout("250"), (Some(Duration::from_millis(250)), Vec::new()));
        assert_eq!(timeout("0"), (None, Vec::new()));
        assert_eq!(timeout(""), (Some(usual), Vec::new()));
        let (time, notes) = timeout("5s");
        assert_eq!(time, Some(usual));
        assert_eq!(notes, ["`X` is ignored: `5s` is not a number it can take"]);
        assert_eq!(timeout("-1").1.len(), 1);
    }

    // A mistake in the signal's own variable hid the one for all signals.
    #[test]
    fn a_variable_that_cannot_be_read_hides_no_other() {
        let lookup = |name: &str| Ok(if name == "OWN" { "ten" } else { "10" }.to_owned());
        let environment = Environment::new(&lookup);
        assert_eq!(environment.number(&["OWN", "ALL"]), Some(10));
        assert_eq!(
            environment.timeout(&["OWN", "ALL"], Duration::ZERO),
            Some(Duration::from_millis(10))
        );
        assert_eq!(
            environment.into_notes(),
            ["`OWN` is ignored: `ten` is not a number it can take"]
        );
    }

    #[test]
    fn what_is_not_true_is_false_and_told() {
        let flag = |value| with(value, |environment| environment.flag(&["X"]));
        assert_eq!(flag("True"), (true, Vec::new()));
        assert_eq!(flag("false"), (false, Vec::new()));
        assert_eq!(flag(""), (false, Vec::new()));
        assert_eq!(flag("yes").1, ["`X` counts as `false`: `yes` is neither `true` nor `false`"]);
    }

    #[test]
    fn what_is_not_unicode_is_noted_and_counts_as_unset() {
        let lookup = |_: &str| Err(VarError::NotUnicode("x".into()));
        let environment = Environment::new(&lookup);
        assert_eq!((environment.get("X"), environment.get("X")), (None, None));
        assert_eq!(environment.into_notes(), ["`X` is ignored: it is not Unicode"]);
    }

    proptest! {
        #[test]
        fn what_is_encoded_comes_back(text in any::<String>()) {
            let all = percent_encoding::NON_ALPHANUMERIC;
            let encoded = percent_encoding::utf8_percent_encode(&text, all).to_string();
            prop_assert_eq!(decoded(&encoded), Some(text));
        }

        #[test]
        fn no_text_breaks_the_reader(text in any::<String>()) {
            decoded(&text);
        }
    }
}
