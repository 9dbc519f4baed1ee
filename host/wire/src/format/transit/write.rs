//! Values as Transit, so that reading it gives the same value.

use super::{
    super::{error::WriteError, text::strings::quote_behind, value::Value},
    cache, said,
};
use base64::prelude::{BASE64_STANDARD as BASE64, Engine as _};
use foldhash::quality::RandomState;
use std::{borrow::Cow, collections::HashMap, fmt::Write};

/// Integers up to here mean the same number to every reader of JSON.
const EXACT: u64 = (1 << 53) - 1;

/// What stands before a string to say what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Sign {
    /// It is written as it has to stand there.
    None,
    Text,
    Keyword,
    Symbol,
    Tag,
}

/// Writes a value, as a value that stands in others: a number that is alone is not quoted.
///
/// Err: a tag that means something else in Transit.
pub fn write(out: &mut String, value: &Value<'_>) -> Result<(), WriteError> {
    Writing { out, places: HashMap::default() }.value(value, false)
}

struct Writing<'v, 'o> {
    out: &'o mut String,
    /// What was said, and where it stands in the cache.
    places: HashMap<(Sign, Cow<'v, str>), usize, RandomState>,
}

impl<'v> Writing<'v, '_> {
    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a `String` cannot fail.
        let _ok = self.out.write_fmt(text);
    }

    fn value(&mut self, value: &'v Value<'_>, as_key: bool) -> Result<(), WriteError> {
        match value {
            Value::Nil if !as_key => self.out.push_str("null"),
            Value::Bool(truth) if !as_key => self.push(format_args!("{truth}")),
            Value::Integer(number) if !as_key && number.unsigned_abs() <= EXACT => {
                self.push(format_args!("{number}"));
            }
            Value::Float(number) if !as_key && number.is_finite() => {
                self.push(format_args!("{number:?}"));
            }
            Value::String(text) => self.said(Sign::Text, text.as_ref().into(), as_key),
            Value::Keyword(name) => self.said(Sign::Keyword, name.as_ref().into(), as_key),
            Value::Symbol(name) => self.said(Sign::Symbol, name.as_ref().into(), as_key),
            Value::Ratio(text) => self.ratio(text),
            Value::Vector(items) => self.array("[", items)?,
            Value::List(items) => self.sequence("list", items)?,
            Value::Set(items) => self.sequence("set", items)?,
            Value::Map(pairs) => self.map(pairs)?,
            Value::Tagged(tag, value) if as_string(tag, value).is_none() => {
                self.tagged(tag, value)?;
            }
            _ => self.said(Sign::None, ground(value).into(), as_key),
        }
        Ok(())
    }

    /// A string, or its code if it was said before.
    fn said(&mut self, sign: Sign, text: Cow<'v, str>, as_key: bool) {
        let before = match sign {
            Sign::None => "",
            Sign::Text if text.starts_with(['~', '^', '`']) => "~",
            Sign::Text => "",
            Sign::Keyword => "~:",
            Sign::Symbol => "~$",
            Sign::Tag => "~#",
        };
        let is_name = matches!(sign, Sign::Keyword | Sign::Symbol | Sign::Tag);
        let is_long = cache::is_long(before.len(), &text);
        if !(is_long && (is_name || as_key)) {
            return quote_behind(self.out, before, &text);
        }
        let key = (sign, text);
        if let Some(place) = self.places.get(&key) {
            let (code, length) = cache::code(*place);
            let code = code.get(..length).and_then(|code| std::str::from_utf8(code).ok());
            return self.out.push_str(code.unwrap_or_default());
        }
        if self.places.len() >= cache::ROOM {
            self.places.clear();
        }
        quote_behind(self.out, before, &key.1);
        self.places.insert(key, self.places.len());
    }

    fn tag(&mut self, tag: &'v str) {
        self.out.push('[');
        self.said(Sign::Tag, tag.into(), false);
        self.out.push(',');
    }

    fn array(&mut self, open: &str, items: &'v [Value<'_>]) -> Result<(), WriteError> {
        self.out.push_str(open);
        for (place, item) in items.iter().enumerate() {
            if place > 0 {
                self.out.push(',');
            }
            self.value(item, false)?;
        }
        self.out.push(']');
        Ok(())
    }

    fn sequence(&mut self, tag: &'static str, items: &'v [Value<'_>]) -> Result<(), WriteError> {
        self.tag(tag);
        self.array("[", items)?;
        self.out.push(']');
        Ok(())
    }

    fn ratio(&mut self, text: &str) {
        let (numerator, denominator) = text.split_once('/').unwrap_or((text, "1"));
        self.tag("ratio");
        self.push(format_args!("[\"~n{numerator}\",\"~n{denominator}\"]]"));
    }

    fn map(&mut self, pairs: &'v [(Value<'_>, Value<'_>)]) -> Result<(), WriteError> {
        let as_keys = pairs.iter().all(|(key, _)| is_string(key));
        if as_keys {
            self.out.push_str("[\"^ \"");
        } else {
            self.tag("cmap");
            self.out.push('[');
        }
        for (place, (key, value)) in pairs.iter().enumerate() {
            if as_keys || place > 0 {
                self.out.push(',');
            }
            self.value(key, as_keys)?;
            self.out.push(',');
            self.value(value, false)?;
        }
        self.out.push_str(if as_keys { "]" } else { "]]" });
        Ok(())
    }

    fn tagged(&mut self, tag: &'v str, value: &'v Value<'_>) -> Result<(), WriteError> {
        let mut characters = tag.chars();
        let kind = characters.next().filter(|_| characters.next().is_none());
        let is_taken = matches!(tag, "" | "set" | "list" | "cmap" | "ratio");
        if is_taken || kind.is_some_and(said::is_ground) {
            return Err(WriteError::Tag(tag.to_owned()));
        }
        self.tag(tag);
        self.value(value, false)?;
        self.out.push(']');
        Ok(())
    }
}

/// Whether a value is written as one string where it is a map's key.
fn is_string(key: &Value<'_>) -> bool {
    match key {
        Value::Ratio(_) | Value::List(_) | Value::Vector(_) | Value::Set(_) | Value::Map(_) => {
            false
        }
        Value::Tagged(tag, value) => as_string(tag, value).is_some(),
        _ => true,
    }
}

/// The sign and the text of what is tagged and one string in Transit.
fn as_string<'t>(tag: &str, value: &'t Value<'_>) -> Option<(char, &'t str)> {
    let Value::String(text) = value else { return None };
    if tag == said::URI {
        return Some(('r', text));
    }
    let mut characters = tag.chars();
    let kind = characters.next().filter(|_| characters.next().is_none())?;
    (kind.is_ascii_alphanumeric() && !said::is_ground(kind)).then_some((kind, text))
}

/// The string of a value that has no parts.
fn ground(value: &Value<'_>) -> String {
    match value {
        Value::Bool(truth) => if *truth { "~?t" } else { "~?f" }.into(),
        Value::Integer(number) => format!("~i{number}"),
        Value::BigInteger(digits) => format!("~n{digits}"),
        Value::Float(number) if number.is_nan() => "~zNaN".into(),
        Value::Float(number) if number.is_infinite() => {
            if *number > 0.0 { "~zINF" } else { "~z-INF" }.into()
        }
        Value::Float(number) => format!("~d{number:?}"),
        Value::BigDecimal(text) => format!("~f{text}"),
        Value::Char(character) => format!("~c{character}"),
        Value::Inst(inst) if inst.nanos.is_multiple_of(1_000_000) => {
            format!("~m{}", inst.seconds * 1000 + i64::from(inst.nanos / 1_000_000))
        }
        Value::Inst(inst) => format!("~t{}", inst.to_rfc3339()),
        Value::Uuid(uuid) => format!("~u{uuid}"),
        Value::Bytes(bytes) => format!("~b{}", BASE64.encode(bytes)),
        Value::Tagged(tag, value) => match as_string(tag, value) {
            Some((sign, text)) => format!("~{sign}{text}"),
            None => String::new(),
        },
        _ => "~_".into(),
    }
}
