//! One value of the file, read as what it should be; what it is instead is noted as a mistake.

use super::{
    document::{Document, Place},
    mistakes::{choice, nearest},
    units,
};
use std::{net::SocketAddr, num::NonZeroUsize, path::PathBuf, time::Duration};
use toml::{
    Spanned,
    de::{DeString, DeTable, DeValue},
};

/// A value of the file.
pub(crate) struct Value<'a> {
    pub(crate) document: &'a Document<'a>,
    pub(crate) place: Place,
    value: &'a DeValue<'a>,
}

impl<'a> Value<'a> {
    pub(crate) fn new(document: &'a Document<'a>, place: Place, value: &'a DeValue<'a>) -> Self {
        Self { document, place, value }
    }

    pub(crate) fn is_table(&self) -> bool {
        matches!(self.value, DeValue::Table(_))
    }

    /// Whether it is this text. What else it may be is no mistake.
    pub(crate) fn says(&self, word: &str) -> bool {
        matches!(self.value, DeValue::String(text) if self.document.expand(text).is_ok_and(|text| text == word))
    }

    /// A number as it is written, if it is a whole one.
    pub(crate) fn digits(&self) -> Option<String> {
        match self.value {
            DeValue::Integer(integer) => Some(integer.to_string()),
            _ => None,
        }
    }

    /// Notes what it is instead of a text.
    pub(crate) fn must_be_text(&self, expected: &str) -> Option<()> {
        match self.value {
            DeValue::String(_) => Some(()),
            _ => self.wrong_type(expected),
        }
    }

    pub(crate) fn mistake(&self, what: impl Into<String>) {
        self.document.mistake(&self.place, what);
    }

    fn wrong_type<T>(&self, expected: &str) -> Option<T> {
        self.mistake(format!("must be {expected}, and is {}", kind(self.value)));
        None
    }

    /// What a string is read as. A mistake is told in the words of the file: it may quote a part of the text, and what a
    /// variable in it stands for may be a secret.
    pub(crate) fn read<T>(&self, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
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

    pub(crate) fn table(&self) -> Option<&'a DeTable<'a>> {
        match self.value {
            DeValue::Table(entries) => Some(entries),
            _ => self.wrong_type("a table"),
        }
    }

    /// What stands under a name, where it is a table.
    pub(crate) fn entry(&self, name: &str) -> Option<Value<'a>> {
        let entries = self.is_table().then(|| self.entries()).flatten()?;
        entries.into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The values of a table whose names are free.
    pub(crate) fn entries(&self) -> Option<Vec<(String, Value<'a>)>> {
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

    pub(crate) fn items(&self) -> Option<Vec<Value<'a>>> {
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

    /// The texts of a list and where they stand. What is wrong with the others is noted by whoever reads it.
    pub(crate) fn texts(&self) -> Vec<(String, Place)> {
        if !matches!(self.value, DeValue::Array(_)) {
            return Vec::new();
        }
        let text = |item: Value<'a>| match item.value {
            DeValue::String(text) => Some((self.document.expand(text).ok()?, item.place)),
            _ => None,
        };
        self.items().unwrap_or_default().into_iter().filter_map(text).collect()
    }

    /// The items that can be read; those that cannot are noted.
    pub(crate) fn list<T>(&self, read: impl FnMut(&Value<'a>) -> Option<T>) -> Option<Vec<T>> {
        let items = self.items()?;
        Some(items.iter().filter_map(read).collect())
    }

    /// A string with its environment variables put in.
    pub(crate) fn text(&self) -> Option<String> {
        match self.value {
            DeValue::String(text) => {
                self.document.expand(text).map_err(|what| self.mistake(what)).ok()
            }
            _ => self.wrong_type("a string"),
        }
    }

    /// A string that has at least one character that is not white space.
    pub(crate) fn filled(&self) -> Option<String> {
        let text = self.text()?;
        if text.trim().is_empty() {
            self.mistake("is empty; write something or remove it");
            return None;
        }
        Some(text)
    }

    pub(crate) fn duration(&self) -> Option<Duration> {
        let duration = self.pause()?;
        if duration.is_zero() {
            self.mistake("must be more than zero");
            return None;
        }
        Some(duration)
    }

    /// A duration that may be none: `"0s"`.
    pub(crate) fn pause(&self) -> Option<Duration> {
        self.must_be_text("a string with a unit, as in \"25s\"")?;
        self.read(units::duration)
    }

    pub(crate) fn size(&self) -> Option<usize> {
        self.must_be_text("a string with a unit, as in \"1MiB\"")?;
        self.read(units::size)
    }

    pub(crate) fn some_size(&self) -> Option<NonZeroUsize> {
        self.at_least_one(self.size()?)
    }

    /// A whole number of at least 0.
    pub(crate) fn number<N: TryFrom<u64>>(&self) -> Option<N> {
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

    pub(crate) fn count(&self) -> Option<NonZeroUsize> {
        self.at_least_one(self.number()?)
    }

    /// A whole number of at least 1 in 32 bits.
    pub(crate) fn small_count(&self) -> Option<u32> {
        let number = self.number()?;
        self.at_least_one(usize::try_from(number).unwrap_or(usize::MAX))?;
        Some(number)
    }

    fn at_least_one(&self, number: usize) -> Option<NonZeroUsize> {
        let number = NonZeroUsize::new(number);
        if number.is_none() {
            self.mistake("must be at least 1");
        }
        number
    }

    /// A number from 0 to 1.
    pub(crate) fn share(&self) -> Option<f64> {
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

    pub(crate) fn truth(&self) -> Option<bool> {
        match self.value {
            DeValue::Boolean(truth) => Some(*truth),
            _ => self.wrong_type("true or false"),
        }
    }

    /// One of the words; `later` are those that the file format knows and this version does not carry out.
    pub(crate) fn word<T: Clone>(
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

    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.read(|text| {
            text.parse().map_err(|_| {
                format!("`{text}` is not an address and port; {}", address_remedy(text))
            })
        })
    }

    /// A path; a relative one counts from the configuration file's folder.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        self.filled().map(|text| self.document.base.join(text))
    }

    /// What a plugin reads as this value: text as it is, numbers and truths as they are written, the rest as JSON.
    pub(crate) fn plain(&self) -> Option<String> {
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
