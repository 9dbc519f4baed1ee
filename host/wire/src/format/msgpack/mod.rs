//! MessagePack, as `tengen.v1.msgpack` uses it: checked, walked, read and written.
//!
//! Integers, decimals, bytes and points in time are MessagePack's own (the last is its extension type -1). What it has no
//! type for becomes what it becomes in JSON: keywords, symbols, characters, UUIDs, ratios and numbers beyond 64 bits are
//! strings, sets and lists arrays, and what is tagged is `{"#tag": value}`. Keys are strings or numbers, because most of its
//! readers lose a whole frame for any other; a key that reads as a keyword is one to EDN, and of a key that occurs twice
//! the last one stays, both as in JSON.
//!
//! What only MessagePack can say (other extension types, other keys, years beyond 9999) goes to all who speak it as it came,
//! and is `unsupported` for everybody else.

mod head;
mod instant;
mod parser;
mod walk;
mod write;

#[cfg(test)]
pub(crate) mod tests;

pub use write::write;

use super::{
    Encoding, Format, Notation, Sight,
    error::{Problem, ReadError, WriteError},
    value::Value,
    walk::{Inside, only_value},
    writer::Out,
};
use head::Head;
use parser::Parser;
use std::ops::Range;
use walk::Walk;

/// Where in these bytes their only value stands: all of them. Builds nothing.
pub fn check(body: &[u8]) -> Result<Range<usize>, ReadError> {
    only_value(Walk::new(body)).map(|found| found.span)
}

/// The only value of these bytes.
pub fn read(body: &[u8]) -> Result<Value<'_>, ReadError> {
    let mut parser = Parser::new(body, 0);
    let value = parser.read()?;
    parser.end()?;
    Ok(value)
}

/// That something would have to begin where the bytes end.
const fn missing(what: &'static str) -> Problem {
    Problem::Cut(what)
}

pub(crate) struct Msgpack;

impl Format for Msgpack {
    const ENCODING: Encoding = Encoding::Msgpack;
    const WORD: &'static str = "msgpack";
    const TEXT: bool = false;
    const NIL: &'static [u8] = b"\xc0";
    const HAS_BYTES: bool = true;
    const NOTATION: Notation = Notation {
        frame: "a frame: an array such as `[[\"ns/name\", data], callback]`",
        event: "an event is an array of its own: `[[\"ns/name\", data], callback]`",
        id: "not an event id: write a string `ns/name` of at most 128 bytes, without white space",
        callback: "not a callback: write a string of at most 64 bytes, or nil",
        meta: "not a meta map: write a map such as `{\"traceparent\": \"…\"}`, or leave it out",
        name: "no string",
    };
    type Walk<'a> = Walk<'a>;

    fn walk(body: &[u8]) -> Result<Walk<'_>, ReadError> {
        Ok(Walk::new(body))
    }

    fn read(body: &[u8], _: bool) -> Result<Value<'_>, ReadError> {
        read(body)
    }

    fn write(value: &Value<'_>) -> Result<Vec<u8>, WriteError> {
        let mut out = Vec::new();
        write(&mut out, value)?;
        Ok(out)
    }

    fn sight(value: &[u8]) -> Sight {
        match head::read(value) {
            Ok((Head::Nil, _)) => Sight::Nil,
            Ok((Head::String(length), _)) => Sight::String(length),
            _ => Sight::Other,
        }
    }

    fn begin(out: &mut Out, inside: Inside, count: usize) {
        match inside {
            Inside::Vector => head::vector(out, head::own(count)),
            Inside::Map => head::map(out, head::own(count)),
        }
    }

    fn between(_: &mut Out) {}

    fn end(_: &mut Out, _: Inside) {}

    fn key(out: &mut Out, key: &str) {
        Self::string(out, key);
    }

    fn name(out: &mut Out, name: &str) {
        Self::string(out, name);
    }

    fn is_name(_: &str) -> bool {
        true
    }

    fn string(out: &mut Out, text: &str) {
        head::string(out, head::own(text.len()));
        out.put(text.as_bytes());
    }

    fn number(out: &mut Out, number: u64) {
        head::unsigned(out, number);
    }
}
