//! EDN: checked, walked, read and written.
//!
//! The whole of the format, and what Clojure's own reader of EDN takes beyond it: ratios, octal escapes, `##Inf`,
//! `#:ns{…}`. Keys and elements that occur twice are refused, because most readers of EDN refuse the whole text then.
//! `#base64 "…"` is ours: the bytes that Transit and MessagePack can hold.

mod keys;
mod name;
mod number;
mod parser;
mod write;

#[cfg(test)]
mod tests;

pub(crate) use name::{is_portable_name, is_readable_name};
pub(crate) use parser::Parser;
pub use write::write;

use super::{error::ReadError, value::Value, walk::Walk};
use std::ops::Range;

/// Where in a text its only value stands: comments and discarded forms around it are left out. Builds nothing.
pub fn check(text: &str) -> Result<Range<usize>, ReadError> {
    let mut parser = Parser::new(text, 0);
    let span = parser.skip()?;
    parser.end()?;
    Ok(span)
}

/// An EDN text as a value.
pub fn read(text: &str) -> Result<Value, ReadError> {
    let mut parser = Parser::new(text, 0);
    let value = parser.read()?;
    parser.end()?;
    Ok(value)
}
