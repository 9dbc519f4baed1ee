//! Walking the outermost levels of a text by hand, so that what lies deeper is checked but never built.

use super::error::ReadError;
use std::{borrow::Cow, ops::Range};

/// A place in a text, and what can be asked of it. White space before a value is passed over.
///
/// Every text that is walked to its [`Walk::end`] is well formed: nothing is passed over unchecked.
pub(crate) trait Walk<'a>: Sized {
    /// Begins at this byte of the text.
    fn new(text: &'a str, at: usize) -> Self;

    /// Where the next value begins.
    fn at(&mut self) -> Result<usize, ReadError>;

    /// Goes into the vector (JSON: array) that is here; false, and nothing moves, when something else is.
    fn enter_vector(&mut self) -> Result<bool, ReadError>;

    /// Goes into the map (JSON: object) that is here.
    fn enter_map(&mut self) -> Result<bool, ReadError>;

    /// Goes on to the next element or key; false when the bracket `close` was there and has been passed. `first` before
    /// the first element.
    fn more(&mut self, close: u8, first: bool) -> Result<bool, ReadError>;

    /// The keyword that is here, without its colon; in JSON, which has none, the string.
    fn name(&mut self) -> Result<Option<Cow<'a, str>>, ReadError>;

    /// The string that is here, or nothing.
    fn string(&mut self) -> Result<Option<Cow<'a, str>>, ReadError>;

    /// From a map's key to its value.
    fn to_value(&mut self) -> Result<(), ReadError>;

    /// Passes over one value of any kind and says where it stands.
    fn skip(&mut self) -> Result<Range<usize>, ReadError>;

    /// Whether half of a surrogate pair stood in a string so far.
    fn is_halved(&self) -> bool;

    /// Where the value ends that begins at this byte and is not well formed: as far as brackets and quotes say. None where
    /// they do not.
    fn end_of(text: &str, at: usize) -> Option<usize>;

    /// Nothing but white space may follow.
    fn end(&mut self) -> Result<(), ReadError>;
}

/// A text's only value, checked.
#[derive(Debug)]
pub(crate) struct Found {
    /// What stands around it is no part of it.
    pub(crate) span: Range<usize>,
    /// Half of a surrogate pair stands in it.
    pub(crate) halved: bool,
}

/// Checks that a text is one value.
pub(crate) fn only_value<'a, W: Walk<'a>>(text: &'a str) -> Result<Found, ReadError> {
    let mut walk = W::new(text, 0);
    let span = walk.skip()?;
    walk.end()?;
    Ok(Found { span, halved: walk.is_halved() })
}
