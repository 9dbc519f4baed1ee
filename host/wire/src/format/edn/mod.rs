//! EDN: checked, walked, read and written.
//!
//! The whole of the format, and what Clojure's own reader of EDN takes beyond it: ratios, octal escapes, `##Inf`,
//! `#:ns{…}`. Keys and elements that occur twice are refused, because most readers of EDN refuse the whole text then.
//! `#base64 "…"` is ours: the bytes that Transit and MessagePack can hold.

mod keys;
mod maps;
mod name;
mod number;
mod parser;
pub(super) mod straight;
mod walk;
mod write;

#[cfg(test)]
mod cost_tests;
#[cfg(test)]
mod equality_tests;
#[cfg(test)]
mod straight_tests;
#[cfg(test)]
mod tests;

pub(crate) use name::is_portable_name;
use name::is_readable_name;
use parser::Parser;
pub(super) use parser::{parse_base64, parse_uuid};
pub use write::write;

use super::{
    Encoding, Format, Notation, Sight,
    error::{ReadError, WriteError},
    text::{self, strings::quote},
    value::Value,
    walk::{Inside, only_value},
    writer::Out,
};
use bytes::Bytes;
use std::{borrow::Cow, fmt::Write as _, ops::Range};

/// Where in a text its only value stands: comments and discarded forms around it are left out. Builds nothing.
pub fn check(text: &str) -> Result<Range<usize>, ReadError> {
    only_value(Parser::new(text, 0)).map(|found| found.span)
}

/// An EDN text as a value.
pub fn read(text: &str) -> Result<Value<'_>, ReadError> {
    let span = check(text)?;
    read_checked(text.get(span).unwrap_or_default())
}

/// As [`read`], of a text that was checked: keys are not compared again.
pub(super) fn read_checked(text: &str) -> Result<Value<'_>, ReadError> {
    Parser::new(text, 0).read()
}

/// Whether a text is a number without EDN's letters: digits with an optional `-`, a fraction and an exponent.
pub(super) fn is_decimal(text: &str) -> bool {
    number::is_number(text)
        && matches!(
            number::parse(text),
            Ok(number::Number::Integer(same) | number::Number::Float(same)) if same == text
        )
}

pub(crate) struct Edn;

impl Format for Edn {
    const ENCODING: Encoding = Encoding::Edn;
    const WORD: &'static str = "edn";
    const TEXT: bool = true;
    const NIL: &'static [u8] = b"nil";
    const HAS_BYTES: bool = false;
    const NOTATION: Notation = Notation {
        frame: "a frame such as `[[:ns/name data] callback]`",
        event: "an event stands in brackets of its own: `[[:ns/name data] callback]`",
        id: "not an event id: write a keyword `:ns/name` of at most 128 bytes",
        callback: "not a callback: write a string of at most 64 bytes, or nil",
        meta: "not a meta map: write a map such as `{:traceparent \"…\"}`, or leave it out",
        name: "no EDN keyword: use letters, digits and `*!_?+-.`, and one `/`",
    };
    type Walk<'a> = Parser<'a>;

    fn walk(body: &[u8]) -> Result<Parser<'_>, ReadError> {
        text::utf8(body).map(|text| Parser::new(text, 0))
    }

    fn legible(body: &[u8]) -> Cow<'_, [u8]> {
        text::legible(body)
    }

    fn read(body: &[u8], is_checked: bool) -> Result<Value<'_>, ReadError> {
        let text = text::utf8(body)?;
        if is_checked { read_checked(text) } else { read(text) }
    }

    fn write(value: &Value<'_>) -> Result<Vec<u8>, WriteError> {
        let mut out = String::new();
        write(&mut out, value)?;
        Ok(out.into_bytes())
    }

    fn sight(value: &[u8]) -> Sight {
        match value {
            // A symbol, and what JSON's clients write who have changed the format and not the habit.
            b"nil" | b"null" => Sight::Nil,
            [b'"', inside @ .., b'"'] => Sight::String(inside.len()),
            _ => Sight::Other,
        }
    }

    fn whole(body: &Bytes) -> Bytes {
        text::whole(body)
    }

    fn begin(out: &mut Out, inside: Inside, _: usize) {
        text::begin(out, inside);
    }

    fn between(out: &mut Out) {
        out.put(b" ");
    }

    fn end(out: &mut Out, inside: Inside) {
        text::end(out, inside);
    }

    fn key(out: &mut Out, key: &str) {
        Self::name(out, key);
        out.put(b" ");
    }

    fn name(out: &mut Out, name: &str) {
        out.put(b":");
        out.put(name.as_bytes());
    }

    fn is_name(name: &str) -> bool {
        is_readable_name(name)
    }

    fn string(out: &mut Out, text: &str) {
        quote(out, text);
    }

    fn number(out: &mut Out, number: u64) {
        // What is measured and written never fails.
        let _ok = write!(out, "{number}");
    }
}
