//! EDN, walked straight: what most payloads are made of. What begins with `#` or a backslash is left to the parser where it
//! stands; a map is, from its text's beginning, where one of its keys can be written in several ways.

use super::{
    super::{
        MAX_DEPTH,
        build::Keep,
        check::Check,
        straight::{Leaf, Sink, Span, Walked},
        text::{
            names::Names,
            scan::{self, Escaped},
            strings::{self, Passed},
        },
        value::Value,
        walk::Inside,
    },
    Edn,
    name::{self, CLASSES, OTHER, PLAIN},
    number,
    parser::Parser,
};

/// Who is told what a straight walk through EDN comes by.
pub(in super::super) trait EdnSink: Sink {
    /// What the parser has read; only where it is written.
    fn value(&mut self, value: &Value<'_>) -> Option<()>;
}

/// Only checks: that no key occurs twice, too.
pub(super) struct Differ<'a> {
    text: &'a str,
    names: Names,
}

impl<'a> Differ<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, names: Names::default() }
    }
}

impl Sink for Differ<'_> {
    const WRITES: bool = false;

    #[inline(always)]
    fn open(&mut self, inside: Inside) {
        if inside == Inside::Map {
            self.names.open();
        }
    }

    #[inline(always)]
    fn close(&mut self, inside: Inside) -> Option<()> {
        if inside == Inside::Map { self.names.close(self.text) } else { Some(()) }
    }

    fn part(&mut self) {}

    /// Keys of this kind are equal when their texts are.
    #[inline(always)]
    fn key(&mut self, _: Leaf, span: Span) -> Option<()> {
        self.names.add(self.text, span)
    }

    fn leaf(&mut self, _: Leaf, _: Span) -> Option<()> {
        Some(())
    }
}

impl EdnSink for Differ<'_> {
    fn value(&mut self, _: &Value<'_>) -> Option<()> {
        Some(())
    }
}

/// Walks the value that begins here, or behind white space.
#[inline(never)]
pub(in super::super) fn walk<S: EdnSink>(text: &str, at: usize, sink: &mut S) -> Option<Walked> {
    let mut walk = Straight { text, at, sink, closes: [0; MAX_DEPTH], depth: 0, halved: false };
    while walk.value()? || walk.next()? {}
    Some(Walked { end: walk.at, halved: walk.halved })
}

struct Straight<'a, S> {
    text: &'a str,
    at: usize,
    sink: &'a mut S,
    /// What closes each collection that is open.
    closes: [u8; MAX_DEPTH],
    depth: usize,
    halved: bool,
}

impl<S: EdnSink> Straight<'_, S> {
    #[inline(always)]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The first byte behind white space, comments and what is discarded.
    #[inline(always)]
    fn ahead(&mut self) -> Option<u8> {
        loop {
            match self.peek()? {
                b' ' | b',' | b'\n' | b'\t' | b'\r' => self.at += 1,
                b';' | b'#' => return self.behind(),
                byte => return Some(byte),
            }
        }
    }

    #[cold]
    fn behind(&mut self) -> Option<u8> {
        let mut parser = Parser::new(self.text, self.at);
        parser.gap(self.depth).ok()?;
        self.at = parser.at;
        self.halved |= parser.halved;
        self.peek()
    }

    /// One value, or the beginning of one; whether another value may follow inside of it.
    #[inline(always)]
    fn value(&mut self) -> Option<bool> {
        #[cfg(test)]
        super::super::work::step();
        let byte = self.ahead()?;
        let start = self.at;
        let leaf = match byte {
            b'"' => self.string()?,
            b':' => self.keyword()?,
            b'{' => return self.enter(Inside::Map, b'}'),
            b'[' => return self.enter(Inside::Vector, b']'),
            b'(' => return self.enter(Inside::Vector, b')'),
            b'#' | b'\\' => return self.long().map(|()| false),
            b'0'..=b'9' => match self.number(start)? {
                Some(leaf) => leaf,
                None => return self.long().map(|()| false),
            },
            b'-' | b'+' if self.is_signed() => match self.number(start + 1)? {
                Some(leaf) if byte == b'-' => leaf,
                _ => {
                    self.at = start;
                    return self.long().map(|()| false);
                }
            },
            _ => self.symbol()?,
        };
        self.sink.leaf(leaf, (start, self.at))?;
        Some(false)
    }

    /// One value by way of the parser.
    #[cold]
    fn long(&mut self) -> Option<()> {
        let mut parser = Parser::new(self.text, self.at);
        if S::WRITES {
            self.sink.value(&parser.value::<Keep>(self.depth).ok()?)?;
        } else {
            parser.value::<Check>(self.depth).ok()?;
        }
        self.at = parser.at;
        self.halved |= parser.halved;
        Some(())
    }

    #[inline(always)]
    fn enter(&mut self, inside: Inside, close: u8) -> Option<bool> {
        *self.closes.get_mut(self.depth)? = close;
        self.depth += 1;
        self.at += 1;
        self.sink.open(inside);
        self.inner(close, true)
    }

    /// From the end of a value to the beginning of the next one, out of all collections that end; whether there is one.
    #[inline(always)]
    fn next(&mut self) -> Option<bool> {
        while self.depth > 0 {
            let close = *self.closes.get(self.depth - 1)?;
            if self.inner(close, false)? {
                return Some(true);
            }
        }
        Some(false)
    }

    /// Whether a value has to follow in the innermost collection; if not, it is left.
    #[inline(always)]
    fn inner(&mut self, close: u8, first: bool) -> Option<bool> {
        let byte = self.ahead()?;
        if byte == close {
            self.at += 1;
            self.depth -= 1;
            self.sink.close(if close == b'}' { Inside::Map } else { Inside::Vector })?;
            return Some(false);
        }
        if !first {
            self.sink.part();
        }
        if close == b'}' {
            self.key(byte)?;
        }
        Some(true)
    }

    /// A key that can be written in one way only.
    #[inline(always)]
    fn key(&mut self, first: u8) -> Option<()> {
        let start = self.at;
        let key = match first {
            b':' => self.keyword()?,
            b'"' => self.string()?,
            b'0'..=b'9' => self.number(start)??,
            b'-' if self.is_signed() => self.number(start + 1)??,
            b'+' | b'#' | b'\\' | b'[' | b'(' | b'{' => return None,
            _ => self.symbol()?,
        };
        let plain = match key {
            Leaf::String { escaped } => !escaped,
            Leaf::Integer => self.text.as_bytes().get(start..self.at)? != b"-0",
            Leaf::Decimal => false,
            _ => true,
        };
        if !plain {
            return None;
        }
        self.sink.key(key, (start, self.at))
    }

    #[inline(always)]
    fn string(&mut self) -> Option<Leaf> {
        let bytes = self.text.as_bytes();
        let Passed { end, escaped, halved } = match S::WRITES {
            true => strings::pass::<Edn, Escaped>(bytes, self.at + 1)?,
            false => strings::pass::<Edn, Edn>(bytes, self.at + 1)?,
        };
        self.at = end + 1;
        self.halved |= halved;
        Some(Leaf::String { escaped })
    }

    #[inline(always)]
    fn keyword(&mut self) -> Option<Leaf> {
        self.at += 1;
        self.name()?;
        Some(Leaf::Keyword)
    }

    #[inline(always)]
    fn symbol(&mut self) -> Option<Leaf> {
        let start = self.at;
        self.name()?;
        Some(match self.text.as_bytes().get(start..self.at)? {
            b"nil" => Leaf::Nil,
            b"true" => Leaf::Bool(true),
            b"false" => Leaf::Bool(false),
            // A number without the digit before its point.
            [b'.', b'0'..=b'9', ..] | [b'.', b'+' | b'-', b'0'..=b'9', ..] => return None,
            _ => Leaf::Symbol,
        })
    }

    /// Passes over a name that is well formed.
    #[inline(always)]
    fn name(&mut self) -> Option<()> {
        let start = self.at;
        self.at = scan::named(self.text.as_bytes(), start);
        if self.at > start && self.is_end() { Some(()) } else { self.name_from(start) }
    }

    #[inline(always)]
    fn is_end(&self) -> bool {
        self.peek().map_or(0, class_of) == 0
    }

    /// A name with a namespace, with signs, or with letters that are not ASCII.
    fn name_from(&mut self, start: usize) -> Option<()> {
        if self.at > start && self.peek() == Some(b'/') {
            let part = self.at + 1;
            self.at = scan::named(self.text.as_bytes(), part);
            if self.at > part && self.is_end() {
                return Some(());
            }
        }
        let mut seen = 0;
        self.at = start;
        while let Some(class @ 1..) = self.peek().map(class_of) {
            seen |= class;
            self.at += 1;
        }
        if seen & OTHER != 0 {
            self.at = start + name::token_length(self.text.get(start..)?);
        }
        if seen == PLAIN {
            return Some(());
        }
        name::check_name(self.text.get(start..self.at)?).ok()
    }

    /// Whether the sign that is here is a number's.
    #[inline(always)]
    fn is_signed(&self) -> bool {
        self.text.as_bytes().get(self.at + 1).is_some_and(u8::is_ascii_digit)
    }

    /// A number by its digits; nothing, and nowhere else, if it is one that has to be read to be written.
    #[inline(always)]
    fn number(&mut self, digits: usize) -> Option<Option<Leaf>> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let (whole, end) = scan::decimal(bytes, digits);
        if whole > digits + 1 && bytes.get(digits) == Some(&b'0') {
            return None;
        }
        if whole > digits
            && end != whole + 1
            && bytes.get(end).map_or(0, |byte| class_of(*byte)) == 0
        {
            self.at = end;
            return Some(Some(if end == whole { Leaf::Integer } else { Leaf::Decimal }));
        }
        // Exponents, ratios, what ends in `N` or `M`, and what is no number at all.
        self.at = start + name::token_length(self.text.get(start..)?);
        number::parse(self.text.get(start..self.at)?).ok()?;
        self.at = start;
        Some(None)
    }
}

#[inline(always)]
fn class_of(byte: u8) -> u8 {
    CLASSES.get(usize::from(byte)).copied().unwrap_or(OTHER)
}
