//! The grammar of MessagePack, walked once from left to right. Nothing is reserved for what a length says.

use super::{
    super::{
        MAX_DEPTH,
        build::{Build, Keep},
        convert,
        error::{Problem, ReadError},
        inst::Inst,
        value::Value,
    },
    head::{self, CUT, Head},
    instant,
};

#[derive(Debug, Clone, Copy)]
pub(crate) struct Parser<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
}

const INSTANT: Problem = Problem::Own(
    "not a timestamp: it has 4, 8 or 12 bytes, and less than 1,000,000,000 nanoseconds",
);
const LATE: Problem =
    Problem::Foreign("only MessagePack has timestamps outside of the years 0 to 9999");
const EXT: Problem = Problem::Foreign(
    "only MessagePack has extension types: send a timestamp, or data that needs none",
);
const KEY: Problem = Problem::Foreign("only MessagePack has such map keys: use strings or numbers");

impl<'a> Parser<'a> {
    /// Begins at this byte.
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// The value that is here, built.
    pub(super) fn read(&mut self) -> Result<Value<'a>, ReadError> {
        self.value::<Keep>(0)
    }

    pub(super) fn end(&self) -> Result<(), ReadError> {
        if self.at < self.bytes.len() { Err(Problem::Second.at(self.at)) } else { Ok(()) }
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// The head that is here; nothing moves.
    pub(super) fn peek(&self) -> Result<(Head, usize), ReadError> {
        head::read(self.rest()).map_err(|problem| problem.at(self.at))
    }

    /// So many bytes of the value that begins at `start`.
    fn take(&mut self, length: usize, start: usize) -> Result<&'a [u8], ReadError> {
        let (taken, _) = self.rest().split_at_checked(length).ok_or(CUT.at(start))?;
        self.at += length;
        Ok(taken)
    }

    /// A string of so many bytes.
    pub(super) fn text(&mut self, length: usize, start: usize) -> Result<&'a str, ReadError> {
        let text = self.at;
        let taken = self.take(length, start)?;
        std::str::from_utf8(taken).map_err(|error| Problem::Utf8.at(text + error.valid_up_to()))
    }

    pub(super) fn value<B: Build<'a>>(&mut self, depth: usize) -> Result<B::Value, ReadError> {
        #[cfg(test)]
        super::super::work::step();
        let start = self.at;
        let (head, length) = self.peek()?;
        self.at += length;
        Ok(match head {
            Head::Nil => B::leaf(|| Value::Nil),
            Head::Bool(truth) => B::leaf(|| Value::Bool(truth)),
            Head::Integer(number) => B::leaf(|| Value::Integer(number)),
            Head::Unsigned(number) => B::leaf(|| Value::BigInteger(number.to_string().into())),
            Head::Float(number) => B::leaf(|| Value::Float(number)),
            Head::String(length) => {
                let text = self.text(length, start)?;
                B::leaf(|| Value::String(text.into()))
            }
            Head::Bytes(length) => {
                self.tagged(depth, start)?;
                let bytes = self.take(length, start)?;
                B::leaf(|| Value::Bytes(bytes.to_vec()))
            }
            Head::Vector(count) => {
                let depth = self.open(depth, count, start)?;
                self.vector::<B>(count, depth)?
            }
            Head::Map(count) => {
                let depth = self.open(depth, count.saturating_mul(2), start)?;
                self.map::<B>(count, depth)?
            }
            Head::Ext(instant::TYPE, length) => {
                self.tagged(depth, start)?;
                self.instant::<B>(length, start)?
            }
            Head::Ext(_, length) => {
                self.take(length, start)?;
                self.foreign::<B>(EXT, start)?
            }
        })
    }

    /// What EDN tags is a level of its own, here too: what is read can be written in every format, and read again.
    fn tagged(&self, depth: usize, start: usize) -> Result<(), ReadError> {
        if depth < MAX_DEPTH { Ok(()) } else { Err(Problem::TooDeep.at(start)) }
    }

    /// Goes into a collection. Each of its values takes a byte at least, so that what cannot have come is refused at once.
    fn open(&self, depth: usize, values: usize, start: usize) -> Result<usize, ReadError> {
        self.tagged(depth, start)?;
        if values > self.rest().len() {
            return Err(CUT.at(start));
        }
        Ok(depth + 1)
    }

    fn vector<B: Build<'a>>(&mut self, count: usize, depth: usize) -> Result<B::Value, ReadError> {
        let mut items = B::Items::default();
        for _ in 0..count {
            B::push(&mut items, self.value::<B>(depth)?);
        }
        Ok(B::sequence(items, Value::Vector))
    }

    fn map<B: Build<'a>>(&mut self, count: usize, depth: usize) -> Result<B::Value, ReadError> {
        let mut map = B::Map::default();
        for _ in 0..count {
            let key = self.key::<B>(depth)?;
            B::pair(&mut map, key, self.value::<B>(depth)?);
        }
        Ok(B::map(map, |pairs| Value::Map(convert::last_wins(pairs))))
    }

    /// A string that reads as a keyword is one. Any other value can be a key, and ours are strings and numbers.
    fn key<B: Build<'a>>(&mut self, depth: usize) -> Result<B::Value, ReadError> {
        let start = self.at;
        let (head, length) = self.peek()?;
        match head {
            Head::String(text) => {
                self.at += length;
                let text = self.text(text, start)?;
                Ok(B::leaf(|| convert::key_from_json(text.into())))
            }
            Head::Integer(_) | Head::Unsigned(_) | Head::Float(_) => self.value::<B>(depth),
            _ if B::BUILDS => Err(KEY.at(start)),
            _ => self.value::<B>(depth),
        }
    }

    fn instant<B: Build<'a>>(
        &mut self,
        length: usize,
        start: usize,
    ) -> Result<B::Value, ReadError> {
        let body = self.take(length, start)?;
        let (seconds, nanos) = instant::read(body).ok_or(INSTANT.at(start))?;
        match Inst::new(seconds, nanos) {
            Some(inst) => Ok(B::leaf(|| Value::Inst(inst))),
            None => self.foreign::<B>(LATE, start),
        }
    }

    /// What is well formed, and no value of ours.
    fn foreign<B: Build<'a>>(&self, what: Problem, start: usize) -> Result<B::Value, ReadError> {
        if B::BUILDS { Err(what.at(start)) } else { Ok(B::leaf(|| Value::Nil)) }
    }
}
