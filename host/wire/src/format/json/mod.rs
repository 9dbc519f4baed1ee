//! JSON (RFC 8259): checked, walked, read and written.
//!
//! Where the RFC leaves a choice: half of a surrogate pair is taken for U+FFFD, since no text in UTF-8 can hold it, and of a
//! key that occurs twice the last one stays.

mod parser;
mod write;

#[cfg(test)]
mod tests;

pub(crate) use parser::Parser;
pub use write::write;

use super::{
    error::{Problem, ReadError},
    value::Value,
    walk::{self, Walk},
};
use crate::payload::{Encoding, Payload};
use std::ops::Range;

/// Where in a text its only value stands. Builds nothing.
pub fn check(text: &str) -> Result<Range<usize>, ReadError> {
    walk::only_value::<Parser<'_>>(text).map(|found| found.span)
}

/// A JSON text as a value: keys that read as keywords become keywords, everything else stays what it is.
pub fn read(text: &str) -> Result<Value<'_>, ReadError> {
    let mut parser = Parser::new(text, 0);
    let value = parser.read()?;
    parser.end()?;
    Ok(value)
}

/// Data of the gateway's own, written once and transcoded to what each peer speaks.
pub fn to_payload(value: &serde_json::Value) -> Payload {
    Payload::checked(Encoding::Json, value.to_string())
}

/// For messages about numbers.
const fn number(what: &'static str) -> Problem {
    Problem::Number(what)
}
