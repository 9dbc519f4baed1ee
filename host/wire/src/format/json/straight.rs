//! JSON, walked straight. What it gives up at is for the parser.

use super::{
    super::{
        MAX_DEPTH,
        straight::{Leaf, Sink, Span, Walked},
        text::{
            scan::{self, Escaped},
            strings::{self, Passed},
        },
        walk::Inside,
    },
    Json,
};
use std::mem;

/// Walks the value that begins here, or behind white space.
#[inline(never)]
pub(in super::super) fn walk<S: Sink>(text: &str, at: usize, sink: &mut S) -> Option<Walked> {
    let mut walk = Straight { bytes: text.as_bytes(), at, sink, open: 0, depth: 0, halved: false };
    while walk.value()? || walk.next()? {}
    Some(Walked { end: walk.at, halved: walk.halved })
}

struct Straight<'a, S> {
    bytes: &'a [u8],
    at: usize,
    sink: &'a mut S,
    /// A bit for each collection that is open, the innermost lowest: set for objects.
    open: u64,
    depth: usize,
    halved: bool,
}

impl<S: Sink> Straight<'_, S> {
    #[inline(always)]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// The first byte behind white space.
    #[inline(always)]
    fn ahead(&mut self) -> Option<u8> {
        loop {
            match self.peek()? {
                b' ' | b'\n' | b'\t' | b'\r' => self.at += 1,
                byte => return Some(byte),
            }
        }
    }

    /// One value, or the beginning of one; whether another value has to follow at once.
    #[inline(always)]
    fn value(&mut self) -> Option<bool> {
        #[cfg(test)]
        super::super::work::step();
        let first = self.ahead()?;
        let start = self.at;
        match first {
            b'"' => {
                let (leaf, span) = self.string()?;
                self.sink.leaf(leaf, span)?;
            }
            b'0'..=b'9' => {
                let leaf = self.number()?;
                self.sink.leaf(leaf, (start, self.at))?;
            }
            b'-' => {
                self.at += 1;
                let leaf = self.number()?;
                self.sink.leaf(leaf, (start, self.at))?;
            }
            b'{' => return self.enter(Inside::Map),
            b'[' => return self.enter(Inside::Vector),
            b't' => self.word(b"true", Leaf::Bool(true))?,
            b'f' => self.word(b"false", Leaf::Bool(false))?,
            b'n' => self.word(b"null", Leaf::Nil)?,
            _ => return None,
        }
        Some(false)
    }

    /// Whether a value has to follow; the collection has no parts otherwise, and is left.
    #[inline(always)]
    fn enter(&mut self, inside: Inside) -> Option<bool> {
        if self.depth == MAX_DEPTH {
            return None;
        }
        self.at += 1;
        self.sink.open(inside);
        if self.ahead()? == inside.close() {
            self.at += 1;
            self.sink.close(inside)?;
            return Some(false);
        }
        self.depth += 1;
        self.open = self.open << 1 | u64::from(inside == Inside::Map);
        if inside == Inside::Map {
            self.key()?;
        }
        Some(true)
    }

    /// From the end of a value to the beginning of the next one, out of all collections that end; whether there is one.
    #[inline(always)]
    fn next(&mut self) -> Option<bool> {
        while self.depth > 0 {
            let inside = if self.open & 1 == 1 { Inside::Map } else { Inside::Vector };
            let byte = self.ahead()?;
            self.at += 1;
            if byte == b',' {
                self.sink.part();
                if inside == Inside::Map {
                    self.ahead()?;
                    self.key()?;
                }
                return Some(true);
            }
            if byte != inside.close() {
                return None;
            }
            self.sink.close(inside)?;
            self.depth -= 1;
            self.open >>= 1;
        }
        Some(false)
    }

    #[inline(always)]
    fn key(&mut self) -> Option<()> {
        if self.peek()? != b'"' {
            return None;
        }
        let (key, span) = self.string()?;
        self.sink.key(key, span)?;
        if self.ahead()? != b':' {
            return None;
        }
        self.at += 1;
        Some(())
    }

    #[inline(always)]
    fn string(&mut self) -> Option<(Leaf, Span)> {
        let start = self.at;
        let Passed { end, escaped, halved } = match S::WRITES {
            true => strings::pass::<Json, Escaped>(self.bytes, start + 1)?,
            false => strings::pass::<Json, Json>(self.bytes, start + 1)?,
        };
        self.at = end + 1;
        self.halved |= halved;
        Some((Leaf::String { escaped }, (start, self.at)))
    }

    fn word(&mut self, word: &[u8], leaf: Leaf) -> Option<()> {
        let end = self.at + word.len();
        if self.bytes.get(self.at..end)? != word {
            return None;
        }
        let start = mem::replace(&mut self.at, end);
        self.sink.leaf(leaf, (start, end))
    }

    /// A number behind its `-`.
    #[inline(always)]
    fn number(&mut self) -> Option<Leaf> {
        let digits = self.at;
        let (whole, end) = scan::decimal(self.bytes, digits);
        let zero = whole > digits + 1 && self.bytes.get(digits) == Some(&b'0');
        if whole == digits || zero || end == whole + 1 {
            return None;
        }
        self.at = end;
        match self.peek() {
            Some(b'e' | b'E') => self.exponent(),
            _ if end == whole => Some(Leaf::Integer),
            _ => Some(Leaf::Decimal),
        }
    }

    fn exponent(&mut self) -> Option<Leaf> {
        self.at += 1;
        self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
        let start = self.at;
        self.at = scan::digits(self.bytes, start);
        (self.at > start).then_some(Leaf::Exponent)
    }
}
