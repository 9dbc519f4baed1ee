//! Transit in its JSON form, plain and verbose: checked, walked, read and written.
//!
//! It has a form for each of our values, so between it and EDN nothing is lost. Its own are the URI, which is tagged `#uri`
//! elsewhere, and kinds that nobody here knows, `~Xtext`, which are tagged `#X`. Keys and elements that occur twice are refused,
//! as in EDN.
//!
//! A name or key that was said stands again as a code (`cache`). Codes count from the beginning of a text, so that a payload
//! cannot stand in a frame as it came: a value with codes is written anew when it leaves a frame, and when it goes into one
//! (`recode`). A payload alone is Transit to every reader. Frames say the gateway's own words in full.

mod cache;
mod collections;
mod parser;
mod recode;
mod said;
mod walk;
mod write;

#[cfg(test)]
pub(crate) mod tests;

pub use write::write;

use super::{
    Encoding, Format, Notation, Sight,
    error::{ReadError, WriteError},
    text::{self, strings::quote_behind},
    value::Value,
    walk::{Inside, only_value},
    writer::Out,
};
use bytes::Bytes;
use cache::Cache;
use parser::Parser;
use std::{borrow::Cow, ops::Range};
use walk::Walk;

/// Integers up to here are JSON's numbers.
const EXACT: u64 = (1 << 53) - 1;

/// Where in a text its only value stands. Builds nothing.
pub fn check(text: &str) -> Result<Range<usize>, ReadError> {
    only_value(Walk::new(text, 0, Cache::default())).map(|found| found.span)
}

/// A Transit text as a value.
pub fn read(text: &str) -> Result<Value<'_>, ReadError> {
    let span = check(text)?;
    read_checked(text.get(span).unwrap_or_default())
}

/// As [`read`], of a text that was checked: keys are not compared again.
fn read_checked(text: &str) -> Result<Value<'_>, ReadError> {
    Parser::new(text, 0, Cache::default()).read()
}

pub(crate) struct Transit;

impl Transit {
    /// A string of the gateway's own, which takes its place in the cache.
    fn own(out: &mut Out, sign: &str, text: &str, as_key: bool) {
        quote_behind(out, sign, text);
        let is_name = sign != "~" && !sign.is_empty();
        let takes = cache::is_long(sign.len(), text) && (is_name || as_key);
        out.places += usize::from(takes);
    }
}

impl Format for Transit {
    const ENCODING: Encoding = Encoding::Transit;
    const WORD: &'static str = "transit";
    const TEXT: bool = true;
    const NIL: &'static [u8] = b"null";
    const HAS_BYTES: bool = true;
    const NOTATION: Notation = Notation {
        frame: "a frame such as `[[\"~:ns/name\", data], callback]`",
        event: "an event stands in brackets of its own: `[[\"~:ns/name\", data], callback]`",
        id: "not an event id: write a keyword `\"~:ns/name\"` of at most 128 bytes, without white space",
        callback: "not a callback: write a string of at most 64 bytes, or null",
        meta: "not a meta map: write a map such as `[\"^ \", \"~:traceparent\", \"…\"]`, or leave it out",
        name: "no keyword",
    };
    type Walk<'a> = Walk<'a>;

    fn walk(body: &[u8]) -> Result<Walk<'_>, ReadError> {
        text::utf8(body).map(|text| Walk::new(text, 0, Cache::default()))
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
            b"null" | b"\"~_\"" => Sight::Nil,
            [b'"', inside @ .., b'"'] => Sight::String(inside.len()),
            _ => Sight::Other,
        }
    }

    fn whole(body: &Bytes) -> Bytes {
        text::whole(body)
    }

    fn begin(out: &mut Out, inside: Inside, count: usize) {
        out.put(match (inside, count) {
            (Inside::Vector, _) => b"[",
            (Inside::Map, 0) => b"[\"^ \"",
            (Inside::Map, _) => b"[\"^ \",",
        });
    }

    fn between(out: &mut Out) {
        out.put(b",");
    }

    fn end(out: &mut Out, _: Inside) {
        out.put(b"]");
    }

    fn key(out: &mut Out, key: &str) {
        Self::own(out, "~:", key, true);
        out.put(b",");
    }

    fn name(out: &mut Out, name: &str) {
        Self::own(out, "~:", name, false);
    }

    fn is_name(_: &str) -> bool {
        true
    }

    fn string(out: &mut Out, text: &str) {
        let sign = if text.starts_with(['~', '^', '`']) { "~" } else { "" };
        Self::own(out, sign, text, false);
    }

    fn number(out: &mut Out, number: u64) {
        let sign = if number > EXACT { "~n" } else { "" };
        let quote: &[u8] = if number > EXACT { b"\"" } else { b"" };
        out.put(quote);
        out.put(sign.as_bytes());
        out.put(number.to_string().as_bytes());
        out.put(quote);
    }

    /// No frame has two values with codes in it, so what this one leaves in the cache need not be known.
    fn value(out: &mut Out, written: &[u8]) {
        let text = std::str::from_utf8(written).unwrap_or_default();
        if out.places == 0 || !recode::may_have_codes(written) {
            return out.put(written);
        }
        let mut recoded = Vec::with_capacity(written.len() + 16);
        let done = recode::recode(text, 0..text.len(), Cache::default(), out.places, &mut recoded);
        debug_assert!(done.is_some(), "what stands in frames was checked");
        out.put(&recoded);
    }
}
