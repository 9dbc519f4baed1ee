//! Frames of Transit, walked.

use super::{
    super::{
        check::Check,
        error::{Problem, ReadError},
        text::{self, brackets},
        value::Value,
        walk::{self, Inside},
    },
    cache::{Cache, Kind},
    parser::{Parser, Said},
    recode, said,
};
use std::{borrow::Cow, ops::Range};

/// A place in a frame.
pub(crate) struct Walk<'a> {
    parser: Parser<'a>,
    /// The map that it is inside of is an object.
    in_object: bool,
    /// A map's key is next.
    at_key: bool,
    /// Where the value began that was passed over last.
    last: usize,
    /// There was a code in it.
    coded: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn new(text: &'a str, at: usize, cache: Cache) -> Self {
        let parser = Parser::new(text, at, cache);
        Self { parser, in_object: false, at_key: false, last: 0, coded: false }
    }

    fn text(&self) -> &'a str {
        self.parser.json.text
    }

    fn peeks_at(&mut self, wanted: &[u8]) -> bool {
        self.parser.json.gap();
        let rest = self.text().as_bytes().get(self.parser.json.at..);
        rest.is_some_and(|rest| rest.starts_with(wanted))
    }

    /// The value of the string that is here; nothing moves unless `wanted` says so.
    fn said(
        &mut self,
        wanted: impl FnOnce(Value<'a>) -> Option<Cow<'a, str>>,
    ) -> Result<Option<Cow<'a, str>>, ReadError> {
        if !self.peeks_at(b"\"") {
            return Ok(None);
        }
        let (at, before) = (self.parser.json.at, self.parser.cache.clone());
        let text = match self.parser.string(self.at_key)? {
            Said::Text(text) => text,
            Said::Code(_, entry) if entry.kind == Kind::Leaf => self.parser.lend(entry, at)?,
            _ => Cow::default(),
        };
        let found = said::value(text).ok().and_then(wanted);
        if found.is_none() {
            // It is passed over by whoever wanted something else.
            (self.parser.json.at, self.parser.cache) = (at, before);
        }
        Ok(found)
    }
}

impl<'a> walk::Walk<'a> for Walk<'a> {
    /// What was said before this byte is known here, and where the last value began.
    fn from(&self, at: usize) -> Self {
        let cache = match at {
            _ if at == self.parser.json.at => self.parser.cache.clone(),
            _ if at == self.last => self.parser.cache.at_mark(),
            // At the beginning, and where an event ends that is broken: there no code is read.
            _ => Cache::default(),
        };
        Self::new(self.text(), at, cache)
    }

    fn at(&mut self) -> Result<usize, ReadError> {
        self.parser.json.gap();
        Ok(self.parser.json.at)
    }

    fn enter(&mut self, inside: Inside) -> Result<bool, ReadError> {
        let start = self.at()?;
        if inside == Inside::Map && self.peeks_at(b"{") {
            self.parser.json.at += 1;
            self.in_object = true;
            return Ok(true);
        }
        if !self.peeks_at(b"[") {
            return Ok(false);
        }
        self.parser.json.at += 1;
        let is_map = self.peeks_at(b"\"^ \"");
        let is_tagged = self.peeks_at(b"\"~#");
        match inside {
            Inside::Map if is_map => {
                self.parser.json.at += 4;
                self.in_object = false;
            }
            Inside::Vector if !is_map && !is_tagged => {}
            _ => {
                self.parser.json.at = start;
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn more(&mut self, inside: Inside, first: bool) -> Result<bool, ReadError> {
        self.at_key = inside == Inside::Map;
        match inside {
            Inside::Map if self.in_object => self.parser.json.more(inside, first),
            // Its marker stands before its first key.
            Inside::Map => self.parser.json.more(Inside::Vector, false),
            Inside::Vector => self.parser.json.more(inside, first),
        }
    }

    fn name(&mut self) -> Result<Option<Cow<'a, str>>, ReadError> {
        self.said(|value| match value {
            Value::Keyword(name) => Some(name),
            _ => None,
        })
    }

    fn string(&mut self) -> Result<Option<Cow<'a, str>>, ReadError> {
        self.said(|value| match value {
            Value::String(text) => Some(text),
            _ => None,
        })
    }

    fn to_value(&mut self) -> Result<(), ReadError> {
        self.at_key = false;
        if self.in_object {
            return self.parser.json.to_value();
        }
        self.parser.json.gap();
        if self.parser.json.eat(b',') { Ok(()) } else { Err(Problem::Odd.at(self.parser.json.at)) }
    }

    fn skip(&mut self) -> Result<Range<usize>, ReadError> {
        let start = self.at()?;
        let codes = self.parser.codes;
        self.parser.cache.mark();
        self.parser.value::<Check>(0, self.at_key)?;
        (self.last, self.coded) = (start, self.parser.codes > codes);
        Ok(start..self.parser.json.at)
    }

    fn apart(&self) -> Option<Vec<u8>> {
        let value = self.last..self.parser.json.at;
        let mut out = Vec::new();
        let before = self.parser.cache.at_mark();
        self.coded.then(|| recode::recode(self.text(), value, before, 0, &mut out))?;
        Some(out)
    }

    fn is_halved(&self) -> bool {
        self.parser.json.halved
    }

    fn end_of(&self, at: usize) -> Option<usize> {
        brackets::end_of_json(self.text(), at)
    }

    fn end(&mut self) -> Result<(), ReadError> {
        self.parser.json.end()
    }

    fn expected(&self, what: &'static str, at: usize) -> ReadError {
        text::expected(self.text(), what, at)
    }
}
