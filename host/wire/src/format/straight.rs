//! Walking text that is well formed as straight as it can be walked, to check it or to write it in another format.
//!
//! A straight walk knows what most payloads are made of, and gives up at the first byte that is a mistake or none of its
//! business. Whoever asked then goes the long way, by way of the parser, which knows all of the format and says what is wrong
//! and where: so a text is walked twice at most. A straight walk never takes what the parser refuses, nor writes anything else.

use super::walk::Inside;

/// From one byte to another.
pub(super) type Span = (usize, usize);

/// What has no parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaf {
    Nil,
    Bool(bool),
    /// Digits, with a `-` or not.
    Integer,
    /// Digits, a point, digits.
    Decimal,
    /// A number with an exponent.
    Exponent,
    /// `escaped`: it cannot be written as it stands here.
    String {
        escaped: bool,
    },
    /// With its colon.
    Keyword,
    Symbol,
}

/// Who is told what a straight walk comes by, and where it stands. None: the long way has to be gone.
pub(super) trait Sink {
    /// Whether it writes, so that it has to know what cannot be written as it stands.
    const WRITES: bool;

    fn open(&mut self, inside: Inside);
    fn close(&mut self, inside: Inside) -> Option<()>;
    /// Another element or pair follows.
    fn part(&mut self);
    /// A map's key.
    fn key(&mut self, key: Leaf, span: Span) -> Option<()>;
    fn leaf(&mut self, leaf: Leaf, span: Span) -> Option<()>;
}

/// Only checks, in formats whose maps may have a key twice.
impl Sink for () {
    const WRITES: bool = false;

    fn open(&mut self, _: Inside) {}
    fn close(&mut self, _: Inside) -> Option<()> {
        Some(())
    }
    fn part(&mut self) {}
    fn key(&mut self, _: Leaf, _: Span) -> Option<()> {
        Some(())
    }
    fn leaf(&mut self, _: Leaf, _: Span) -> Option<()> {
        Some(())
    }
}

/// Where a value ends that was walked straight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Walked {
    pub(super) end: usize,
    /// Half of a surrogate pair stands in it.
    pub(super) halved: bool,
}
