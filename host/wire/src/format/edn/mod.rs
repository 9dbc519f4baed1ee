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
mod write;

#[cfg(test)]
mod cost_tests;
#[cfg(test)]
mod equality_tests;
#[cfg(test)]
mod tests;

pub(crate) use name::{is_portable_name, is_readable_name};
pub(crate) use parser::Parser;
pub use write::write;

use super::{
    error::ReadError,
    value::Value,
    walk::{self, Walk},
};
use std::ops::Range;

/// Where in a text its only value stands: comments and discarded forms around it are left out. Builds nothing.
pub fn check(text: &str) -> Result<Range<usize>, ReadError> {
    walk::only_value::<Parser<'_>>(text).map(|found| found.span)
}

/// An EDN text as a value.
pub fn read(text: &str) -> Result<Value<'_>, ReadError> {
    let span = check(text)?;
    read_checked(text.get(span).unwrap_or_default())
}

/// As [`read`], of a text that was checked: keys are not compared again.
pub(crate) fn read_checked(text: &str) -> Result<Value<'_>, ReadError> {
    Parser::new(text, 0).read()
}
