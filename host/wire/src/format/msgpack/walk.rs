//! Frames of MessagePack, walked.

use super::{
    super::{
        check::Check,
        error::{Problem, ReadError},
        walk::{self, Inside},
    },
    head::{self, Head},
    parser::Parser,
};
use std::{borrow::Cow, ops::Range};

/// How many levels of a frame are walked at most: itself, its event, and one more.
const LEVELS: usize = 3;

/// A place in a frame, and how much is left of the vectors and maps that it lies in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Walk<'a> {
    parser: Parser<'a>,
    left: [usize; LEVELS],
    level: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { parser: Parser::new(bytes, 0), left: [0; LEVELS], level: 0 }
    }
}

impl<'a> walk::Walk<'a> for Walk<'a> {
    fn from(&self, at: usize) -> Self {
        Self { parser: Parser::new(self.parser.bytes, at), ..*self }
    }

    fn at(&mut self) -> Result<usize, ReadError> {
        Ok(self.parser.at)
    }

    fn enter(&mut self, inside: Inside) -> Result<bool, ReadError> {
        if self.parser.at >= self.parser.bytes.len() {
            return Ok(false);
        }
        let (count, length) = match (self.parser.peek()?, inside) {
            ((Head::Vector(count), length), Inside::Vector)
            | ((Head::Map(count), length), Inside::Map) => (count, length),
            _ => return Ok(false),
        };
        let Some(left) = self.left.get_mut(self.level) else {
            return Err(Problem::TooDeep.at(self.parser.at));
        };
        *left = count;
        self.level += 1;
        self.parser.at += length;
        Ok(true)
    }

    fn more(&mut self, _: Inside, _: bool) -> Result<bool, ReadError> {
        let left = self.level.checked_sub(1).and_then(|level| self.left.get_mut(level));
        match left {
            Some(left @ 1..) => {
                *left -= 1;
                Ok(true)
            }
            _ => {
                self.level = self.level.saturating_sub(1);
                Ok(false)
            }
        }
    }

    fn name(&mut self) -> Result<Option<Cow<'a, str>>, ReadError> {
        walk::Walk::string(self)
    }

    fn string(&mut self) -> Result<Option<Cow<'a, str>>, ReadError> {
        let start = self.parser.at;
        let (Head::String(text), length) = self.parser.peek()? else { return Ok(None) };
        self.parser.at += length;
        self.parser.text(text, start).map(|text| Some(Cow::Borrowed(text)))
    }

    fn to_value(&mut self) -> Result<(), ReadError> {
        Ok(())
    }

    fn skip(&mut self) -> Result<Range<usize>, ReadError> {
        let start = self.parser.at;
        self.parser.value::<Check>(0)?;
        Ok(start..self.parser.at)
    }

    fn is_halved(&self) -> bool {
        false
    }

    /// Lengths say it, whatever is wrong with what they are the lengths of.
    fn end_of(&self, mut at: usize) -> Option<usize> {
        let mut values = 1_usize;
        while let Some(others) = values.checked_sub(1) {
            let (head, length) = head::read(self.parser.bytes.get(at..)?).ok()?;
            at = at.checked_add(length)?;
            values = match head {
                Head::Vector(count) => others.checked_add(count)?,
                Head::Map(count) => others.checked_add(count.checked_mul(2)?)?,
                Head::String(length) | Head::Bytes(length) | Head::Ext(_, length) => {
                    at = at.checked_add(length)?;
                    others
                }
                _ => others,
            };
        }
        (at <= self.parser.bytes.len()).then_some(at)
    }

    fn end(&mut self) -> Result<(), ReadError> {
        self.parser.end()
    }

    fn expected(&self, what: &'static str, at: usize) -> ReadError {
        match at < self.parser.bytes.len() {
            true => Problem::Expected(what).at(at),
            false => super::missing(what).at(at),
        }
    }
}
