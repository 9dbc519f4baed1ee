//! Walking the outermost levels of a frame by hand, so that what lies deeper is checked but never built.

use super::error::ReadError;
use std::{borrow::Cow, ops::Range};

/// What a walk has gone into. JSON's words are array and object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inside {
    Vector,
    Map,
}

impl Inside {
    /// The bracket that begins it in text.
    pub(crate) const fn open(self) -> u8 {
        match self {
            Self::Vector => b'[',
            Self::Map => b'{',
        }
    }

    /// The bracket that ends it in text.
    pub(crate) const fn close(self) -> u8 {
        match self {
            Self::Vector => b']',
            Self::Map => b'}',
        }
    }
}

/// A place in written bytes, and what can be asked of it. White space before a value is passed over.
///
/// All bytes that are walked to their [`Walk::end`] are well formed: nothing is passed over unchecked.
pub(crate) trait Walk<'a>: Sized {
    /// A walk through the same bytes, inside of what this one is inside of, from this byte on.
    fn from(&self, at: usize) -> Self;

    /// Where the next value begins.
    fn at(&mut self) -> Result<usize, ReadError>;

    /// Goes into the vector or map that is here; false, and nothing moves, when something else is.
    fn enter(&mut self, inside: Inside) -> Result<bool, ReadError>;

    /// Goes on to the next element or key of what it is inside of; false, and it has left, when there is none. `first`
    /// before the first element.
    fn more(&mut self, inside: Inside, first: bool) -> Result<bool, ReadError>;

    /// The keyword that is here, without its colon; in formats that have none, the string.
    fn name(&mut self) -> Result<Option<Cow<'a, str>>, ReadError>;

    /// The string that is here, or nothing.
    fn string(&mut self) -> Result<Option<Cow<'a, str>>, ReadError>;

    /// From a map's key to its value.
    fn to_value(&mut self) -> Result<(), ReadError>;

    /// Passes over one value of any kind and says where it stands.
    fn skip(&mut self) -> Result<Range<usize>, ReadError>;

    /// The value that was passed over last, as it means the same anywhere else; none where it does as it stands.
    fn apart(&self) -> Option<Vec<u8>> {
        None
    }

    /// Whether half of a surrogate pair stood in a string so far.
    fn is_halved(&self) -> bool;

    /// Where the value ends that begins at this byte and is not well formed: as far as brackets and quotes, or lengths, say.
    /// None where they do not.
    fn end_of(&self, at: usize) -> Option<usize>;

    /// Nothing but white space may follow.
    fn end(&mut self) -> Result<(), ReadError>;

    /// That something else stands at this byte, or nothing.
    fn expected(&self, what: &'static str, at: usize) -> ReadError;
}

/// The only value in written bytes, checked.
#[derive(Debug)]
pub(crate) struct Found {
    /// What stands around it is no part of it.
    pub(crate) span: Range<usize>,
    /// Half of a surrogate pair stands in it.
    pub(crate) halved: bool,
}

/// Checks that there is one value.
pub(crate) fn only_value<'a, W: Walk<'a>>(mut walk: W) -> Result<Found, ReadError> {
    let span = walk.skip()?;
    walk.end()?;
    Ok(Found { span, halved: walk.is_halved() })
}
