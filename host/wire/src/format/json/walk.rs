//! Frames of JSON, walked.

use super::{
    super::{
        check::Check,
        error::{Problem, ReadError},
        straight::Walked,
        text::{self, brackets},
        walk::{Inside, Walk},
    },
    parser::Parser,
    straight,
};
use std::{borrow::Cow, ops::Range};

impl<'a> Walk<'a> for Parser<'a> {
    fn from(&self, at: usize) -> Self {
        Self::new(self.text, at)
    }

    fn at(&mut self) -> Result<usize, ReadError> {
        self.gap();
        Ok(self.at)
    }

    fn enter(&mut self, inside: Inside) -> Result<bool, ReadError> {
        self.gap();
        Ok(self.eat(inside.open()))
    }

    fn more(&mut self, inside: Inside, first: bool) -> Result<bool, ReadError> {
        self.another(inside, first)
    }

    fn name(&mut self) -> Result<Option<Cow<'a, str>>, ReadError> {
        self.string()
    }

    fn string(&mut self) -> Result<Option<Cow<'a, str>>, ReadError> {
        self.gap();
        if self.peek() != Some(b'"') {
            return Ok(None);
        }
        self.quoted().map(|raw| Some(raw.unescaped()))
    }

    fn to_value(&mut self) -> Result<(), ReadError> {
        self.colon()
    }

    fn skip(&mut self) -> Result<Range<usize>, ReadError> {
        self.gap();
        let start = self.at;
        match straight::walk(self.text, start, &mut ()) {
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
        brackets::end_of_json(self.text, at)
    }

    fn end(&mut self) -> Result<(), ReadError> {
        self.gap();
        if self.at < self.text.len() { self.fail(Problem::Second) } else { Ok(()) }
    }

    fn expected(&self, what: &'static str, at: usize) -> ReadError {
        text::expected(self.text, what, at)
    }
}
