//! The grammar of JSON, walked once from left to right.

use super::{
    super::{
        MAX_DEPTH,
        build::{Build, Keep},
        convert,
        error::{Problem, ReadError},
        text::{
            strings::{self, Escapes, Raw},
            surrogate,
        },
        value::Value,
        walk::Inside,
    },
    Json, number,
};

pub(crate) struct Parser<'a> {
    pub(in super::super) text: &'a str,
    pub(in super::super) at: usize,
    pub(in super::super) halved: bool,
}

impl<'a> Parser<'a> {
    /// Begins at this byte of the text.
    pub(in super::super) fn new(text: &'a str, at: usize) -> Self {
        Self { text, at, halved: false }
    }

    pub(in super::super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(in super::super) fn eat(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    pub(in super::super) fn fail<T>(&self, problem: Problem) -> Result<T, ReadError> {
        match problem {
            Problem::Expected(what) if self.at >= self.text.len() => {
                Err(Problem::Ends(what).at(self.at))
            }
            _ => Err(problem.at(self.at)),
        }
    }

    pub(in super::super) fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    pub(in super::super) fn gap(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// The value that is here, built.
    pub(super) fn read(&mut self) -> Result<Value<'a>, ReadError> {
        self.value::<Keep>(0)
    }

    pub(super) fn value<B: Build<'a>>(&mut self, depth: usize) -> Result<B::Value, ReadError> {
        #[cfg(test)]
        super::super::work::step();
        self.gap();
        match self.peek() {
            Some(b'"') => {
                let raw = self.quoted()?;
                Ok(B::leaf(|| Value::String(raw.unescaped())))
            }
            Some(b'-' | b'0'..=b'9') => self.number::<B>(),
            Some(b'{') => self.object::<B>(depth + 1),
            Some(b'[') => self.array::<B>(depth + 1),
            Some(b't') => self.word::<B>("true", Value::Bool(true)),
            Some(b'f') => self.word::<B>("false", Value::Bool(false)),
            Some(b'n') => self.word::<B>("null", Value::Nil),
            _ => self.fail(Problem::Expected("a JSON value")),
        }
    }

    pub(in super::super) fn word<B: Build<'a>>(
        &mut self,
        word: &'static str,
        value: Value<'a>,
    ) -> Result<B::Value, ReadError> {
        if !self
            .text
            .as_bytes()
            .get(self.at..)
            .is_some_and(|rest| rest.starts_with(word.as_bytes()))
        {
            return self
                .fail(Problem::Expected("a JSON value (words are `true`, `false` and `null`)"));
        }
        self.at += word.len();
        Ok(B::leaf(|| value))
    }

    fn array<B: Build<'a>>(&mut self, depth: usize) -> Result<B::Value, ReadError> {
        let mut items = B::Items::default();
        self.open(depth)?;
        let mut first = true;
        while self.another(Inside::Vector, first)? {
            B::push(&mut items, self.value::<B>(depth)?);
            first = false;
        }
        Ok(B::sequence(items, Value::Vector))
    }

    fn object<B: Build<'a>>(&mut self, depth: usize) -> Result<B::Value, ReadError> {
        let mut map = B::Map::default();
        self.open(depth)?;
        let mut first = true;
        while self.another(Inside::Map, first)? {
            let key = self.key()?;
            self.colon()?;
            let key = B::leaf(|| convert::key_from_json(key.unescaped()));
            B::pair(&mut map, key, self.value::<B>(depth)?);
            first = false;
        }
        Ok(B::map(map, |pairs| Value::Map(convert::last_wins(pairs))))
    }

    /// Passes over the opening bracket.
    fn open(&mut self, depth: usize) -> Result<(), ReadError> {
        if depth > MAX_DEPTH {
            return self.fail(Problem::TooDeep);
        }
        self.at += 1;
        Ok(())
    }

    /// Whether another part follows, or the collection ends here.
    pub(super) fn another(&mut self, inside: Inside, first: bool) -> Result<bool, ReadError> {
        self.gap();
        match self.peek() {
            Some(byte) if byte == inside.close() => {
                self.at += 1;
                Ok(false)
            }
            Some(b',') if !first => {
                self.at += 1;
                self.gap();
                Ok(true)
            }
            Some(_) if first => Ok(true),
            _ => self.fail(Problem::Expected(match inside {
                Inside::Vector => "`,` or `]`",
                Inside::Map => "`,` or `}`",
            })),
        }
    }

    /// From a key to its value.
    pub(super) fn colon(&mut self) -> Result<(), ReadError> {
        self.gap();
        if self.eat(b':') { Ok(()) } else { self.fail(Problem::Expected("`:` after the key")) }
    }

    fn key(&mut self) -> Result<Raw<'a, Json>, ReadError> {
        match self.peek() {
            Some(b'"') => self.quoted(),
            _ => self.fail(Problem::Expected("a key in double quotes")),
        }
    }

    /// Passes over the string that is here.
    pub(in super::super) fn quoted(&mut self) -> Result<Raw<'a, Json>, ReadError> {
        let (raw, end) = strings::scan(self.text, self.at)?;
        self.at = end;
        self.halved |= raw.halved;
        Ok(raw)
    }

    pub(in super::super) fn number<B: Build<'a>>(&mut self) -> Result<B::Value, ReadError> {
        let start = self.at;
        self.eat(b'-');
        let leading = self.at;
        if self.digits() == 0 {
            return self.fail(number("digits must follow the `-`"));
        }
        if self.since(leading).starts_with('0') && self.at - leading > 1 {
            return Err(number("it may not begin with 0").at(start));
        }
        let mut whole = true;
        if self.eat(b'.') {
            whole = false;
            if self.digits() == 0 {
                return self.fail(number("digits must follow the point"));
            }
        }
        if self.eat(b'e') || self.eat(b'E') {
            whole = false;
            let _signed = self.eat(b'+') || self.eat(b'-');
            if self.digits() == 0 {
                return self.fail(number("digits must follow the exponent's `e`"));
            }
        }
        let text = self.since(start);
        Ok(B::leaf(|| number_value(text, whole)))
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        self.at - start
    }
}

/// A number as the narrowest type that loses nothing (a fraction: that loses what every reader loses).
pub(in super::super) fn number_value(text: &str, whole: bool) -> Value<'_> {
    // `-0` is a number of its own only as a float.
    if whole && text != "-0" {
        return text.parse().map_or_else(|_| Value::BigInteger(text.into()), Value::Integer);
    }
    match text.parse::<f64>() {
        Ok(float) if float.is_finite() => Value::Float(float),
        _ => Value::BigDecimal(text.into()),
    }
}

/// Between quotes: RFC 8259 section 7.
impl Escapes for Json {
    const RAW_CONTROLS: bool = false;
    const ESCAPES: Problem = Problem::Escape(
        "`\\\"`, `\\\\`, `\\/`, `\\b`, `\\f`, `\\n`, `\\r`, `\\t` and `\\u` with four hex digits",
    );

    fn escape(after_backslash: &[u8]) -> Option<(Option<char>, usize)> {
        let character = match after_backslash.first() {
            Some(&byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return surrogate::unicode_escape(after_backslash),
            _ => return None,
        };
        Some((Some(character), 2))
    }
}
