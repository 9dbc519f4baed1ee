//! One value of the file, read as what it should be; what it is instead is noted as a mistake.

use super::{
    document::{Document, Place},
    mistakes::{choice, nearest},
    units,
};
use crate::{Memory, Rate, Secret};
use std::{net::SocketAddr, num::NonZeroUsize, ops::RangeInclusive, path::PathBuf, time::Duration};
use toml::{
    Spanned,
    de::{DeString, DeTable, DeValue},
};

/// With less than this, no connection could say anything.
const MEMORY_MIN: usize = 64 << 10;

/// Shorter keys are a slip of the fingers,
const KEY_MIN: usize = 4;
/// and shorter ones than these can be guessed.
const KEY_GOOD: usize = 16;

/// A value of the file.
pub(super) struct Value<'a> {
    pub(super) document: &'a Document<'a>,
    pub(super) place: Place,
    value: &'a DeValue<'a>,
}

impl<'a> Value<'a> {
    pub(super) fn new(document: &'a Document<'a>, place: Place, value: &'a DeValue<'a>) -> Self {
        Self { document, place, value }
    }

    pub(super) fn is_table(&self) -> bool {
        matches!(self.value, DeValue::Table(_))
    }

    pub(super) fn mistake(&self, what: impl Into<String>) {
        self.document.mistake(&self.place, what);
    }

    fn wrong_type<T>(&self, expected: &str) -> Option<T> {
        self.mistake(format!("must be {expected}, and is {}", kind(self.value)));
        None
    }

    /// What a string is read as. A mistake is told in the words of the file: it may quote a part of the text, and what a
    /// variable in it stands for may be a secret.
    pub(super) fn read<T>(&self, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let text = self.text()?;
        let what = match read(&text) {
            Ok(value) => return Some(value),
            Err(what) => what,
        };
        self.mistake(match self.value {
            DeValue::String(written) if **written != *text => {
                read(written).err().unwrap_or_else(|| {
                    "is not right with what its environment variables stand for".into()
                })
            }
            _ => what,
        });
        None
    }

    pub(super) fn table(&self) -> Option<&'a DeTable<'a>> {
        match self.value {
            DeValue::Table(entries) => Some(entries),
            _ => self.wrong_type("a table"),
        }
    }

    /// The values of a table whose names are free.
    pub(super) fn entries(&self) -> Option<Vec<(String, Value<'a>)>> {
        let entries = self.table()?;
        let value = |(name, value): (&'a Spanned<DeString<'a>>, &'a Spanned<DeValue<'a>>)| {
            let place = Place {
                key: format!("{}.{}", self.place.key, name.get_ref()),
                at: name.span().start,
            };
            (name.get_ref().to_string(), Value::new(self.document, place, value.get_ref()))
        };
        Some(entries.iter().map(value).collect())
    }

    pub(super) fn items(&self) -> Option<Vec<Value<'a>>> {
        let DeValue::Array(array) = self.value else {
            return self.wrong_type("a list, as in [\"…\"]");
        };
        let value = |(place, item): (usize, &'a Spanned<DeValue<'a>>)| {
            let place =
                Place { key: format!("{}[{place}]", self.place.key), at: item.span().start };
            Value::new(self.document, place, item.get_ref())
        };
        Some(array.iter().enumerate().map(value).collect())
    }

    /// The items that can be read; those that cannot are noted.
    pub(super) fn list<T>(&self, read: impl FnMut(&Value<'a>) -> Option<T>) -> Option<Vec<T>> {
        let items = self.items()?;
        Some(items.iter().filter_map(read).collect())
    }

    /// A string with its environment variables put in.
    pub(super) fn text(&self) -> Option<String> {
        match self.value {
            DeValue::String(text) => {
                self.document.expand(text).map_err(|what| self.mistake(what)).ok()
            }
            _ => self.wrong_type("a string"),
        }
    }

    /// A string that has at least one character that is not white space.
    pub(super) fn filled(&self) -> Option<String> {
        let text = self.text()?;
        if text.trim().is_empty() {
            self.mistake("is empty; write something or remove it");
            return None;
        }
        Some(text)
    }

    /// A key that callers send in a header. What it is does not show in the mistake.
    pub(super) fn key(&self) -> Option<Secret> {
        let text = self.filled()?;
        if text.trim() != text {
            self.mistake(
                "begins or ends with white space, perhaps a file's line end, which no caller can send; remove it",
            );
            return None;
        }
        if !text.chars().all(|c| matches!(c, ' '..='~')) {
            self.mistake(
                "has characters that a header does not carry; write letters, digits and signs of ASCII",
            );
            return None;
        }
        let remedy = "take a random one, as `openssl rand -hex 16` prints";
        if text.len() < KEY_MIN {
            let count = text.len();
            self.mistake(format!("has {count} of at least {KEY_MIN} characters; {remedy}"));
            return None;
        }
        if text.len() < KEY_GOOD {
            let what = format!("has fewer than {KEY_GOOD} characters and may be guessed; {remedy}");
            self.document.warning(&self.place, what);
        }
        Some(Secret(text))
    }

    pub(super) fn duration(&self) -> Option<Duration> {
        let duration = self.pause()?;
        if duration.is_zero() {
            self.mistake("must be more than zero");
            return None;
        }
        Some(duration)
    }

    /// A duration that may be none: `"0s"`.
    pub(super) fn pause(&self) -> Option<Duration> {
        let DeValue::String(_) = self.value else {
            return self.wrong_type("a string with a unit, as in \"25s\"");
        };
        self.read(units::duration)
    }

    pub(super) fn size(&self) -> Option<usize> {
        let DeValue::String(_) = self.value else {
            return self.wrong_type("a string with a unit, as in \"1MiB\"");
        };
        self.read(units::size)
    }

    pub(super) fn some_size(&self) -> Option<NonZeroUsize> {
        self.at_least_one(self.size()?)
    }

    /// `"half"`, or a size.
    pub(super) fn memory(&self) -> Option<Memory> {
        let DeValue::String(_) = self.value else {
            return self.wrong_type("\"half\" or a string with a unit, as in \"256MiB\"");
        };
        self.read(|text| {
            if text == "half" {
                return Ok(Memory::Half);
            }
            let size = units::size(text).map_err(|what| format!("{what}, or \"half\""))?;
            let size = NonZeroUsize::new(size).filter(|size| size.get() >= MEMORY_MIN);
            size.map(Memory::Bytes).ok_or_else(|| "must be at least 64KiB".into())
        })
    }

    /// How often, as in `"16/min"`.
    pub(super) fn rate(&self) -> Option<Rate> {
        match self.value {
            DeValue::String(_) => self.read(units::rate),
            DeValue::Integer(integer) => {
                self.mistake(format!("is a number within a time; write \"{integer}/min\""));
                None
            }
            _ => self.wrong_type("a string with a time, as in \"16/min\""),
        }
    }

    /// A whole number of at least 0.
    pub(super) fn number<N: TryFrom<u64>>(&self) -> Option<N> {
        let DeValue::Integer(integer) = self.value else {
            return self.wrong_type("a whole number");
        };
        let number = u64::from_str_radix(integer.as_str(), integer.radix())
            .ok()
            .and_then(|n| N::try_from(n).ok());
        if number.is_none() {
            self.mistake(format!("`{integer}` is too large or negative; write a number from 0"));
        }
        number
    }

    pub(super) fn count(&self) -> Option<NonZeroUsize> {
        self.at_least_one(self.number()?)
    }

    /// A whole number of at least 1 in 32 bits.
    pub(super) fn small_count(&self) -> Option<u32> {
        let number = self.number()?;
        self.at_least_one(usize::try_from(number).unwrap_or(usize::MAX))?;
        Some(number)
    }

    /// The number, if it is in the range, whose ends are told as they are written.
    pub(super) fn between(
        &self,
        number: NonZeroUsize,
        least: &str,
        most: &str,
        range: RangeInclusive<usize>,
    ) -> Option<NonZeroUsize> {
        let number = Some(number).filter(|number| range.contains(&number.get()));
        if number.is_none() {
            self.mistake(format!("must be at least {least} and at most {most}"));
        }
        number
    }

    fn at_least_one(&self, number: usize) -> Option<NonZeroUsize> {
        let number = NonZeroUsize::new(number);
        if number.is_none() {
            self.mistake("must be at least 1");
        }
        number
    }

    /// A number from 0 to 1.
    pub(super) fn share(&self) -> Option<f64> {
        let number: Option<f64> = match self.value {
            DeValue::Float(float) => float.as_str().parse().ok(),
            DeValue::Integer(integer) => integer.as_str().parse().ok(),
            _ => return self.wrong_type("a number from 0 to 1"),
        };
        let number = number.filter(|number| (0.0..=1.0).contains(number));
        if number.is_none() {
            self.mistake("must be a number from 0 to 1");
        }
        number
    }

    pub(super) fn truth(&self) -> Option<bool> {
        match self.value {
            DeValue::Boolean(truth) => Some(*truth),
            _ => self.wrong_type("true or false"),
        }
    }

    /// One of the words; `later` are those that the file format knows and this version does not carry out.
    pub(super) fn word<T: Clone>(
        &self,
        words: &[(&'static str, T)],
        later: &[&'static str],
    ) -> Option<T> {
        self.read(|text| {
            if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == text) {
                return Ok(meaning.clone());
            }
            let known = || words.iter().map(|(word, _)| *word);
            let problem = match later.contains(&text) {
                true => "is not available in this version",
                false => "is not known here",
            };
            Err(match nearest(text, known()) {
                Some(meant) => format!("`{text}` {problem}; did you mean `{meant}`?"),
                None => format!("`{text}` {problem}; write {}", choice(known())),
            })
        })
    }

    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.read(|text| {
            text.parse().map_err(|_| {
                format!("`{text}` is not an address and port; {}", address_remedy(text))
            })
        })
    }

    /// A path; a relative one counts from the configuration file's folder.
    pub(super) fn path(&self) -> Option<PathBuf> {
        self.filled().map(|text| self.document.base.join(text))
    }

    /// What a plugin reads as this value: text as it is, numbers and truths as they are written, the rest as JSON.
    pub(super) fn plain(&self) -> Option<String> {
        match self.value {
            DeValue::String(_) => self.text(),
            _ => match self.json()? {
                serde_json::Value::String(text) => Some(text),
                value => Some(value.to_string()),
            },
        }
    }

    fn json(&self) -> Option<serde_json::Value> {
        Some(match self.value {
            DeValue::String(_) => self.text()?.into(),
            DeValue::Integer(_) => self.signed()?.into(),
            DeValue::Float(float) => {
                let number = float.as_str().parse().ok().and_then(serde_json::Number::from_f64);
                let Some(number) = number else { return self.wrong_type("a finite number") };
                serde_json::Value::Number(number)
            }
            DeValue::Boolean(truth) => (*truth).into(),
            DeValue::Datetime(datetime) => datetime.to_string().into(),
            DeValue::Array(_) => serde_json::Value::Array(self.list(Value::json)?),
            DeValue::Table(_) => {
                let entries = self.entries()?;
                entries
                    .iter()
                    .filter_map(|(name, value)| Some((name.clone(), value.json()?)))
                    .collect()
            }
        })
    }

    fn signed(&self) -> Option<i64> {
        let DeValue::Integer(integer) = self.value else {
            return self.wrong_type("a whole number");
        };
        let number = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
        if number.is_none() {
            self.mistake(format!("`{integer}` is too large; write it as a string"));
        }
        number
    }
}

/// What to write instead of something that is no address and port.
pub fn address_remedy(text: &str) -> String {
    match text.rsplit_once(':') {
        Some(("", port)) if port.parse::<u16>().is_ok() => {
            format!("write `127.0.0.1:{port}` (this machine) or `0.0.0.0:{port}` (everyone)")
        }
        Some(("localhost", port)) if port.parse::<u16>().is_ok() => {
            format!("write `127.0.0.1:{port}`")
        }
        _ => "write it as in `127.0.0.1:8080`, an IPv6 address in brackets".into(),
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "a truth value",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
