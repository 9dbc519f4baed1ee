//! Frames of EDN, walked.

use super::{
    super::{
        check::Check,
        error::{Problem, ReadError},
        straight::Walked,
        text::{self, brackets},
        walk::{Inside, Walk},
    },
    parser::Parser,
    straight::{self, Differ},
};
use std::{borrow::Cow, ops::Range};

impl<'a> Walk<'a> for Parser<'a> {
    fn from(&self, at: usize) -> Self {
        Self::new(self.text, at)
    }

    fn at(&mut self) -> Result<usize, ReadError> {
        self.gap(0)?;
        Ok(self.at)
    }

    fn enter(&mut self, inside: Inside) -> Result<bool, ReadError> {
        self.gap(0)?;
        let open = match inside {
            Inside::Vector => b'[',
            Inside::Map => b'{',
        };
        let there = self.peek() == Some(open);
        self.at += usize::from(there);
        Ok(there)
    }

    fn more(&mut self, inside: Inside, _first: bool) -> Result<bool, ReadError> {
        self.inside(inside.close(), 0)
    }

    fn name(&mut self) -> Result<Option<Cow<'a, str>>, ReadError> {
        self.gap(0)?;
        if self.peek() != Some(b':') {
            return Ok(None);
        }
        self.keyword().map(|name| Some(Cow::Borrowed(name)))
    }

    fn string(&mut self) -> Result<Option<Cow<'a, str>>, ReadError> {
        self.gap(0)?;
        if self.peek() != Some(b'"') {
            return Ok(None);
        }
        self.quoted().map(|raw| Some(raw.unescaped()))
    }

    fn to_value(&mut self) -> Result<(), ReadError> {
        Ok(())
    }

    fn skip(&mut self) -> Result<Range<usize>, ReadError> {
        self.gap(0)?;
        let start = self.at;
        match straight::walk(self.text, start, &mut Differ::new(self.text)) {
            Some(Walked { end, halved }) => {
                self.at = end;
                self.halved |= halved;
            }
            None => self.value::<Check>(0)?,
        }
        Ok(start..self.at)
    }

    fn is_halved(&self) -> bool {
        self.halved
    }

    fn end_of(&self, at: usize) -> Option<usize> {
        brackets::end_of_edn(self.text, at)
    }

    fn end(&mut self) -> Result<(), ReadError> {
        self.gap(0)?;
        if self.at < self.text.len() { self.fail(Problem::Second) } else { Ok(()) }
    }

    fn expected(&self, what: &'static str, at: usize) -> ReadError {
        text::expected(self.text, what, at)
    }
}
