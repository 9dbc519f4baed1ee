//! The grammar of Transit in JSON, walked once from left to right. Verbose and plain texts are one grammar.

use super::{
    super::{
        MAX_DEPTH,
        build::{Build, Keep},
        check::Digest,
        error::{Problem, ReadError},
        json,
        text::strings,
        value::Value,
        walk::{Inside, Walk as _},
    },
    cache::{self, Cache, Entry, Kind},
    said,
};
use std::borrow::Cow;

/// How many bytes may be made of codes: so many times the text's length, or [`SMALL`].
const GROWTH: usize = 8;
const SMALL: usize = 64 << 10;

const CODE: Problem = Problem::Own(
    "a cache code that stands for nothing here: say the string, or begin strings of your own with `~^`",
);
const MARKER: Problem = Problem::Own("`\"^ \"` stands first in an array, which is a map then");
const LENT: Problem =
    Problem::Foreign("codes make the value more than eight times as long: send less at once");

pub(crate) struct Parser<'a> {
    pub(super) json: json::Parser<'a>,
    pub(super) cache: Cache,
    /// How many codes were read.
    pub(super) codes: usize,
    /// How many bytes were made of them.
    lent: usize,
    /// Digests of keys and elements, and where they begin: of all maps and sets that are open.
    pub(super) digests: Vec<(u64, usize)>,
}

/// A string that was read.
#[derive(Debug)]
pub(super) enum Said<'a> {
    /// It says that its array is a map.
    Marker,
    Text(Cow<'a, str>),
    /// What stands in this place of the cache.
    Code(usize, Entry),
}

impl<'a> Parser<'a> {
    /// Begins at this byte of the text.
    pub(super) fn new(text: &'a str, at: usize, cache: Cache) -> Self {
        let json = json::Parser::new(text, at);
        Self { json, cache, codes: 0, lent: 0, digests: Vec::new() }
    }

    /// The value that is here, built.
    pub(super) fn read(&mut self) -> Result<Value<'a>, ReadError> {
        self.value::<Keep>(0, false)
    }

    pub(super) fn deeper(&self, depth: usize, at: usize) -> Result<usize, ReadError> {
        if depth < MAX_DEPTH { Ok(depth + 1) } else { Err(Problem::TooDeep.at(at)) }
    }

    /// The string that is here. `as_key`: in the place of a map's key.
    pub(super) fn string(&mut self, as_key: bool) -> Result<Said<'a>, ReadError> {
        let at = self.json.at;
        let said = self.json.quoted()?.unescaped();
        match said.as_bytes() {
            b"^ " => Ok(Said::Marker),
            [b'^', ..] => {
                let place = cache::place(&said).unwrap_or(usize::MAX);
                let entry = self.cache.get(place).ok_or(CODE.at(at))?;
                self.codes += 1;
                Ok(Said::Code(place, entry))
            }
            _ => {
                if cache::is_cached(&said, as_key) {
                    let (start, end) = (at + 1, self.json.at - 1);
                    let escaped = matches!(said, Cow::Owned(_));
                    let kind = Kind::of(&said);
                    self.cache.add(Entry { start, end, escaped, kind, digest: None });
                }
                Ok(Said::Text(said))
            }
        }
    }

    /// The string of an entry, which costs something where it has escapes.
    pub(super) fn lend(&mut self, entry: Entry, at: usize) -> Result<Cow<'a, str>, ReadError> {
        if entry.escaped {
            self.charge(entry, at)?;
        }
        Ok(text_of(self.json.text, entry))
    }

    /// Counts what is made of a code. A text of codes alone would otherwise become gigabytes.
    fn charge(&mut self, entry: Entry, at: usize) -> Result<(), ReadError> {
        self.lent += entry.end - entry.start;
        let most = SMALL.max(self.json.text.len().saturating_mul(GROWTH));
        if self.lent <= most { Ok(()) } else { Err(LENT.at(at)) }
    }

    /// The tag that a string is, without its sign.
    pub(super) fn tag(
        &mut self,
        said: &Said<'a>,
        at: usize,
    ) -> Result<Option<Cow<'a, str>>, ReadError> {
        let tag = match said {
            Said::Text(text) if Kind::of(text) == Kind::Tag => text.clone(),
            Said::Code(_, entry) if entry.kind == Kind::Tag => self.lend(*entry, at)?,
            _ => return Ok(None),
        };
        Ok(Some(said::cut(tag, 2)))
    }

    pub(super) fn value<B: Build<'a>>(
        &mut self,
        depth: usize,
        as_key: bool,
    ) -> Result<B::Value, ReadError> {
        #[cfg(test)]
        super::super::work::step();
        self.json.gap();
        match self.json.peek() {
            Some(b'"') => {
                let at = self.json.at;
                let said = self.string(as_key)?;
                self.leaf::<B>(said, at, depth)
            }
            Some(b'[') => self.array::<B>(depth),
            Some(b'{') => self.object::<B>(depth),
            _ => self.plain::<B>(),
        }
    }

    /// What is neither string nor collection: the same as in JSON.
    fn plain<B: Build<'a>>(&mut self) -> Result<B::Value, ReadError> {
        match self.json.peek() {
            Some(b'-' | b'0'..=b'9') => self.json.number::<B>(),
            Some(b't') => self.json.word::<B>("true", Value::Bool(true)),
            Some(b'f') => self.json.word::<B>("false", Value::Bool(false)),
            Some(b'n') => self.json.word::<B>("null", Value::Nil),
            _ => self.json.fail(Problem::Expected("a JSON value")),
        }
    }

    /// What a string says that began at this byte.
    pub(super) fn leaf<B: Build<'a>>(
        &mut self,
        said: Said<'a>,
        at: usize,
        depth: usize,
    ) -> Result<B::Value, ReadError> {
        match said {
            Said::Marker => Err(MARKER.at(at)),
            Said::Text(text) => {
                if Kind::of(&text) == Kind::Level {
                    self.deeper(depth, at)?;
                }
                match said::value(text) {
                    Ok(value) => Ok(made::<B>(value)),
                    Err(Problem::Foreign(_)) if !B::BUILDS => Ok(B::leaf(|| Value::Nil)),
                    Err(problem) => Err(problem.at(at)),
                }
            }
            Said::Code(place, entry) => self.known::<B>(place, entry, at, depth),
        }
    }

    /// What a code stands for. Nothing is made of it that nobody wants.
    fn known<B: Build<'a>>(
        &mut self,
        place: usize,
        entry: Entry,
        at: usize,
        depth: usize,
    ) -> Result<B::Value, ReadError> {
        match entry.kind {
            Kind::Tag => return Err(said::TAG.at(at)),
            Kind::Level => {
                self.deeper(depth, at)?;
            }
            Kind::Leaf => {}
        }
        let text = self.json.text;
        // It was read before, and found to be good.
        let value = move || said::value(text_of(text, entry));
        if B::BUILDS {
            self.charge(entry, at)?;
            let value = value().map_err(|problem| problem.at(at))?;
            return Ok(made::<B>(value));
        }
        let value = move || value().unwrap_or(Value::Nil);
        Ok(B::again(value, || self.digest(place, entry, value)))
    }

    /// By what an entry is compared as a key: made once, however often its code stands somewhere.
    fn digest(&mut self, place: usize, entry: Entry, value: impl FnOnce() -> Value<'a>) -> u64 {
        let digest = entry.digest.unwrap_or_else(|| made::<Digest>(value()));
        if let Some(entry) = self.cache.get_mut(place) {
            entry.digest = Some(digest);
        }
        digest
    }

    fn array<B: Build<'a>>(&mut self, depth: usize) -> Result<B::Value, ReadError> {
        let inside = self.deeper(depth, self.json.at)?;
        self.json.at += 1;
        self.json.gap();
        let mut items = B::Items::default();
        let mut first = true;
        if self.json.peek() == Some(b'"') {
            let at = self.json.at;
            let said = self.string(false)?;
            if matches!(said, Said::Marker) {
                return self.pairs::<B>(inside);
            }
            if let Some(tag) = self.tag(&said, at)? {
                return self.tagged::<B>(tag, at, Inside::Vector, depth);
            }
            B::push(&mut items, self.leaf::<B>(said, at, inside)?);
            first = false;
        }
        while self.json.more(Inside::Vector, first)? {
            B::push(&mut items, self.value::<B>(inside, false)?);
            first = false;
        }
        Ok(B::sequence(items, Value::Vector))
    }
}

/// What a string said: a leaf, or what is tagged and one string in Transit.
pub(super) fn made<'a, B: Build<'a>>(value: Value<'a>) -> B::Value {
    match value {
        Value::Tagged(tag, value) => B::tagged(tag, B::leaf(|| *value)),
        value => B::leaf(|| value),
    }
}

fn text_of(text: &str, entry: Entry) -> Cow<'_, str> {
    if entry.escaped {
        let scanned = strings::scan::<json::Json>(text, entry.start - 1);
        return scanned.map(|(raw, _)| raw.unescaped()).unwrap_or_default();
    }
    text.get(entry.start..entry.end).unwrap_or_default().into()
}
