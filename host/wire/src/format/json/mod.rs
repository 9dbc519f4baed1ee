//! JSON (RFC 8259): checked, walked, read and written.
//!
//! Where the RFC leaves a choice: half of a surrogate pair is taken for U+FFFD, since no text in UTF-8 can hold it, and of a
//! key that occurs twice the last one stays.

mod parser;
pub(super) mod straight;
mod walk;
mod write;

#[cfg(test)]
mod straight_tests;
#[cfg(test)]
mod tests;

pub(super) use parser::{Parser, number_value};
pub use write::write;

use super::{
    Encoding, Format, Notation, Sight,
    error::{Problem, ReadError, WriteError},
    text::{self, strings::quote},
    value::Value,
    walk::{Inside, Walk as _, only_value},
    writer::Out,
};
use bytes::Bytes;
use std::{borrow::Cow, fmt::Write as _, ops::Range};

/// Where in a text its only value stands. Builds nothing.
pub fn check(text: &str) -> Result<Range<usize>, ReadError> {
    only_value(Parser::new(text, 0)).map(|found| found.span)
}

/// A JSON text as a value: keys that read as keywords become keywords, everything else stays what it is.
pub fn read(text: &str) -> Result<Value<'_>, ReadError> {
    let mut parser = Parser::new(text, 0);
    let value = parser.read()?;
    parser.end()?;
    Ok(value)
}

/// For messages about numbers.
const fn number(what: &'static str) -> Problem {
    Problem::Number(what)
}

pub(crate) struct Json;

impl Format for Json {
    const ENCODING: Encoding = Encoding::Json;
    const WORD: &'static str = "json";
    const TEXT: bool = true;
    const NIL: &'static [u8] = b"null";
    const HAS_BYTES: bool = false;
    const NOTATION: Notation = Notation {
        frame: "a frame such as `[[\"ns/name\", data], callback]`",
        event: "an event stands in brackets of its own: `[[\"ns/name\", data], callback]`",
        id: "not an event id: write a string `\"ns/name\"` of at most 128 bytes, without white space",
        callback: "not a callback: write a string of at most 64 bytes, or null",
        meta: "not a meta map: write an object such as `{\"traceparent\": \"…\"}`, or leave it out",
        name: "no JSON string",
    };
    type Walk<'a> = Parser<'a>;

    fn walk(body: &[u8]) -> Result<Parser<'_>, ReadError> {
        text::utf8(body).map(|text| Parser::new(text, 0))
    }

    fn legible(body: &[u8]) -> Cow<'_, [u8]> {
        text::legible(body)
    }

    fn read(body: &[u8], _: bool) -> Result<Value<'_>, ReadError> {
        read(text::utf8(body)?)
    }

    fn write(value: &Value<'_>) -> Result<Vec<u8>, WriteError> {
        let mut out = String::new();
        write(&mut out, value)?;
        Ok(out.into_bytes())
    }

    fn sight(value: &[u8]) -> Sight {
        match value {
            b"null" => Sight::Nil,
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
        out.put(b",");
    }

    fn end(out: &mut Out, inside: Inside) {
        text::end(out, inside);
    }

    fn key(out: &mut Out, key: &str) {
        out.put(b"\"");
        out.put(key.as_bytes());
        out.put(b"\":");
    }

    fn name(out: &mut Out, name: &str) {
        if name.bytes().any(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
            return quote(out, name);
        }
        out.put(b"\"");
        out.put(name.as_bytes());
        out.put(b"\"");
    }

    fn is_name(_: &str) -> bool {
        true
    }

    fn string(out: &mut Out, text: &str) {
        quote(out, text);
    }

    fn number(out: &mut Out, number: u64) {
        // What is measured and written never fails.
        let _ok = write!(out, "{number}");
    }
}
