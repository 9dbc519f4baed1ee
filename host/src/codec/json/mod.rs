//! JSON (RFC 8259): checked, walked, read and written.
//!
//! Stricter than the RFC where it leaves a choice: no half surrogate pairs (RFC 7493 section 2.1), and of a key that
//! occurs twice the last one stays.

mod parser;
mod write;

#[cfg(test)]
mod tests;

pub(crate) use parser::Parser;
pub use write::write;

use super::{
    error::{Problem, ReadError},
    value::Value,
    walk::Walk,
};
use crate::payload::{Encoding, Payload};
use std::ops::Range;

/// Where in a text its only value stands. Builds nothing.
pub fn check(text: &str) -> Result<Range<usize>, ReadError> {
    let mut parser = Parser::new(text, 0);
    let span = parser.skip()?;
    parser.end()?;
    Ok(span)
}

/// A JSON text as a value: keys that read as keywords become keywords, everything else stays what it is.
pub fn read(text: &str) -> Result<Value, ReadError> {
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
