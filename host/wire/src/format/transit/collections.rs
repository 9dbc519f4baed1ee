//! Maps, sets, and what is tagged.

use super::{
    super::{
        build::{Build, Keep},
        error::{Problem, ReadError},
        value::Value,
        walk::{Inside, Walk as _},
    },
    parser::{Parser, Said, made},
    said,
};
use std::borrow::Cow;

const ONE: Problem = Problem::Own("a tag has one value");
const EMPTY: Problem = Problem::Own("a tag needs a name behind its `~#`");
const REP: Problem = Problem::Own("this tag takes an array");
const STRING: Problem = Problem::Own("this tag takes a string");
const RATIO: Problem =
    Problem::Own("`~#ratio` takes two integers, of which the second is more than 0");

impl<'a> Parser<'a> {
    /// The map whose array has begun with its marker.
    pub(super) fn pairs<B: Build<'a>>(&mut self, depth: usize) -> Result<B::Value, ReadError> {
        self.map::<B>(depth, true, false)
    }

    /// Keys and values in an array, up to its end.
    fn map<B: Build<'a>>(
        &mut self,
        depth: usize,
        as_key: bool,
        mut first: bool,
    ) -> Result<B::Value, ReadError> {
        let base = self.digests.len();
        let mut map = B::Map::default();
        while self.json.more(Inside::Vector, first)? {
            first = false;
            let key = self.key::<B>(depth, as_key)?;
            if !self.json.more(Inside::Vector, false)? {
                return Err(Problem::Odd.at(self.json.at - 1));
            }
            B::pair(&mut map, key, self.value::<B>(depth, false)?);
        }
        self.all_differ(base)?;
        Ok(B::map(map, Value::Map))
    }

    /// A map of a verbose text, or what is tagged there.
    pub(super) fn object<B: Build<'a>>(&mut self, depth: usize) -> Result<B::Value, ReadError> {
        let inside = self.deeper(depth, self.json.at)?;
        self.json.at += 1;
        let base = self.digests.len();
        let mut map = B::Map::default();
        let mut first = true;
        while self.json.more(Inside::Map, first)? {
            if self.json.peek() != Some(b'"') {
                return self.json.fail(Problem::Expected("a key in double quotes"));
            }
            let at = self.json.at;
            let said = self.string(true)?;
            if let Some(tag) = self.tag(&said, at)?.filter(|_| first) {
                return self.tagged::<B>(tag, at, Inside::Map, depth);
            }
            first = false;
            let key = self.compared::<B>(at, |parser| parser.leaf::<B::Key>(said, at, inside))?;
            self.json.to_value()?;
            B::pair(&mut map, key, self.value::<B>(inside, false)?);
        }
        self.all_differ(base)?;
        Ok(B::map(map, Value::Map))
    }

    /// A map's key or a set's element.
    fn key<B: Build<'a>>(&mut self, depth: usize, as_key: bool) -> Result<B::Value, ReadError> {
        self.json.gap();
        let at = self.json.at;
        self.compared::<B>(at, |parser| parser.value::<B::Key>(depth, as_key))
    }

    fn compared<B: Build<'a>>(
        &mut self,
        at: usize,
        read: impl FnOnce(&mut Self) -> Result<<B::Key as Build<'a>>::Value, ReadError>,
    ) -> Result<B::Value, ReadError> {
        let key = read(self)?;
        if B::COMPARES {
            self.digests.extend(B::Key::digest(&key).map(|digest| (digest, at)));
        }
        Ok(B::of_key(key))
    }

    /// Whether no key of a map, or element of a set, occurs twice.
    ///
    /// They are told apart by numbers of 64 bits that nobody can foresee: of 100,000 keys that differ, two have the same one
    /// once in four thousand million texts, and then one peer's text is refused.
    fn all_differ(&mut self, base: usize) -> Result<(), ReadError> {
        let digests = self.digests.get_mut(base..).unwrap_or_default();
        digests.sort_unstable();
        let pairs = digests.iter().zip(digests.iter().skip(1));
        let duplicate = pairs.filter(|(one, next)| one.0 == next.0).map(|(_, next)| next.1).min();
        self.digests.truncate(base);
        duplicate.map_or(Ok(()), |at| Err(Problem::Duplicate.at(at)))
    }

    /// What a tag says of the value that follows it, up to the end of both.
    pub(super) fn tagged<B: Build<'a>>(
        &mut self,
        tag: Cow<'a, str>,
        at: usize,
        close: Inside,
        depth: usize,
    ) -> Result<B::Value, ReadError> {
        let inside = self.deeper(depth, at)?;
        self.json.gap();
        match close {
            Inside::Map => self.json.to_value()?,
            Inside::Vector if self.json.eat(b',') => {}
            Inside::Vector => return self.json.fail(ONE),
        }
        self.json.gap();
        let mut characters = tag.chars();
        let value = match (&*tag, characters.next(), characters.next()) {
            ("", ..) => return Err(EMPTY.at(at)),
            ("'", ..) => self.value::<B>(inside, false)?,
            ("set", ..) => self.set::<B>(inside)?,
            ("list", ..) => self.list::<B>(inside)?,
            ("cmap", ..) => {
                self.open()?;
                self.map::<B>(inside, false, true)?
            }
            ("ratio", ..) => self.ratio::<B>()?,
            (_, Some(kind), None) if said::is_ground(kind) => self.ground::<B>(kind, depth)?,
            _ => {
                let value = self.value::<B>(inside, false)?;
                B::tagged(tag, value)
            }
        };
        self.json.gap();
        if self.json.eat(close.close()) { Ok(value) } else { self.json.fail(ONE) }
    }

    /// Into the array that a tag takes.
    fn open(&mut self) -> Result<(), ReadError> {
        self.json.gap();
        if self.json.eat(b'[') { Ok(()) } else { self.json.fail(REP) }
    }

    fn set<B: Build<'a>>(&mut self, depth: usize) -> Result<B::Value, ReadError> {
        self.open()?;
        let base = self.digests.len();
        let mut set = B::Set::default();
        let mut first = true;
        while self.json.more(Inside::Vector, first)? {
            first = false;
            B::insert(&mut set, self.key::<B>(depth, false)?);
        }
        self.all_differ(base)?;
        Ok(B::set(set))
    }

    fn list<B: Build<'a>>(&mut self, depth: usize) -> Result<B::Value, ReadError> {
        self.open()?;
        let mut items = B::Items::default();
        let mut first = true;
        while self.json.more(Inside::Vector, first)? {
            first = false;
            B::push(&mut items, self.value::<B>(depth, false)?);
        }
        Ok(B::sequence(items, Value::List))
    }

    fn ratio<B: Build<'a>>(&mut self) -> Result<B::Value, ReadError> {
        self.open()?;
        let numerator = self.integer()?;
        self.json.gap();
        if !self.json.eat(b',') {
            return self.json.fail(RATIO);
        }
        let at = self.json.at;
        let denominator = self.integer()?;
        if denominator == "0" || denominator.starts_with('-') {
            return Err(RATIO.at(at));
        }
        self.json.gap();
        if !self.json.eat(b']') {
            return self.json.fail(RATIO);
        }
        Ok(B::leaf(|| Value::Ratio(format!("{numerator}/{denominator}").into())))
    }

    /// The digits of an integer, as a number or as a string.
    fn integer(&mut self) -> Result<Cow<'a, str>, ReadError> {
        self.json.gap();
        let at = self.json.at;
        let is_leaf = !matches!(self.json.peek(), Some(b'[' | b'{'));
        match is_leaf.then(|| self.value::<Keep>(0, false)).transpose()? {
            Some(Value::Integer(number)) => Ok(number.to_string().into()),
            Some(Value::BigInteger(digits)) => Ok(digits),
            _ => Err(RATIO.at(at)),
        }
    }

    /// A value of a known kind that is written with its tag apart.
    fn ground<B: Build<'a>>(&mut self, kind: char, depth: usize) -> Result<B::Value, ReadError> {
        let at = self.json.at;
        // As if it were one string: what is tagged in EDN is a level there.
        self.deeper(depth, at)?;
        let value = match self.json.peek() {
            Some(b'"') => match self.string(false)? {
                Said::Text(text) => said::value(text).and_then(|value| match value {
                    Value::String(text) => said::ground(kind, text),
                    _ => Err(STRING),
                }),
                _ => Err(STRING),
            },
            Some(b'-' | b'0'..=b'9') if kind == 'm' => match self.json.number::<Keep>()? {
                Value::Integer(millis) => said::millis(millis),
                _ => Err(STRING),
            },
            _ => Err(STRING),
        };
        match value {
            Ok(value) => Ok(made::<B>(value)),
            Err(Problem::Foreign(_)) if !B::BUILDS => Ok(B::leaf(|| Value::Nil)),
            Err(problem) => Err(problem.at(at)),
        }
    }
}
