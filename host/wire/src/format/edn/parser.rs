//! The grammar of EDN, walked once from left to right.

use super::{
    super::{
        MAX_DEPTH,
        build::{Build, Keep},
        check::Check,
        error::{Problem, ReadError},
        inst::Inst,
        text::{
            strings::{self, Escapes, Raw},
            surrogate,
        },
        value::Value,
    },
    Edn, name, number,
};
use base64::prelude::{BASE64_STANDARD as BASE64, Engine as _};
use uuid::Uuid;

/// The longest namespace of a `#:ns{…}`, in bytes: as long as a whole event id may be. Each key of the map is compared
/// and kept with it, so that without a limit one frame of 1 MiB would take gigabytes.
const NAMESPACE_MAX: usize = 128;

pub(crate) struct Parser<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    pub(super) halved: bool,
    /// Digests of keys that are maps, vectors and the like, and where they begin: of all maps that are open.
    pub(super) digests: Vec<(u64, usize)>,
}

impl<'a> Parser<'a> {
    /// Begins at this byte of the text.
    pub(super) fn new(text: &'a str, at: usize) -> Self {
        Self { text, at, halved: false, digests: Vec::new() }
    }

    /// The value that is here, built. It has been checked before.
    pub(super) fn read(&mut self) -> Result<Value<'a>, ReadError> {
        self.value::<Keep>(0)
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.byte(0)
    }

    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(super) fn fail<T>(&self, problem: Problem) -> Result<T, ReadError> {
        match problem {
            Problem::Expected(what) if self.at >= self.text.len() => {
                Err(Problem::Ends(what).at(self.at))
            }
            _ => Err(problem.at(self.at)),
        }
    }

    /// Passes over white space, comments and discarded forms.
    pub(super) fn gap(&mut self, depth: usize) -> Result<(), ReadError> {
        loop {
            match self.peek() {
                Some(b' ' | b',' | b'\n' | b'\t' | b'\r') => self.at += 1,
                Some(b';') => {
                    self.at += self.rest().find(['\n', '\r']).unwrap_or(self.rest().len())
                }
                Some(b'#') if self.byte(1) == Some(b'_') => {
                    let depth = self.deeper(depth)?;
                    self.at += 2;
                    self.value::<Check>(depth)?;
                }
                _ => return Ok(()),
            }
        }
    }

    pub(super) fn deeper(&self, depth: usize) -> Result<usize, ReadError> {
        if depth < MAX_DEPTH { Ok(depth + 1) } else { self.fail(Problem::TooDeep) }
    }

    pub(super) fn value<B: Build<'a>>(&mut self, depth: usize) -> Result<B::Value, ReadError> {
        #[cfg(test)]
        super::super::work::step();
        self.gap(depth)?;
        match self.peek() {
            Some(b'"') => {
                let raw = self.quoted()?;
                Ok(B::leaf(|| Value::String(raw.unescaped())))
            }
            Some(b':') => {
                let name = self.keyword()?;
                Ok(B::leaf(|| Value::Keyword(name.into())))
            }
            Some(b'[') => self.sequence::<B>(b']', depth, Value::Vector),
            Some(b'(') => self.sequence::<B>(b')', depth, Value::List),
            Some(b'{') => self.map::<B>(None, depth),
            Some(b'#') => self.dispatch::<B>(depth),
            Some(b'\\') => self.character::<B>(),
            Some(b')' | b']' | b'}') => {
                self.fail(Problem::Expected("a value before the closing bracket"))
            }
            _ => self.token::<B>(),
        }
    }

    pub(super) fn quoted(&mut self) -> Result<Raw<'a, Edn>, ReadError> {
        let (raw, end) = strings::scan(self.text, self.at)?;
        self.at = end;
        self.halved |= raw.halved;
        Ok(raw)
    }

    pub(super) fn keyword(&mut self) -> Result<&'a str, ReadError> {
        let start = self.at;
        self.at += 1;
        let token = self.take_token();
        name::check_name(token).map_err(|problem| problem.at(start))?;
        Ok(token)
    }

    pub(super) fn take_token(&mut self) -> &'a str {
        let (token, _) =
            self.rest().split_at_checked(name::token_length(self.rest())).unwrap_or_default();
        self.at += token.len();
        token
    }

    /// A number, a symbol, `nil`, `true` or `false`.
    fn token<B: Build<'a>>(&mut self) -> Result<B::Value, ReadError> {
        let start = self.at;
        let token = self.take_token();
        if token.is_empty() {
            return match self.rest().chars().next() {
                Some(c @ ('@' | '^' | '`' | '~')) => self.fail(Problem::NotData(c)),
                Some(_) => self.fail(Problem::Separator),
                None => self.fail(Problem::Expected("a value")),
            };
        }
        if number::is_number(token) {
            let number = number::parse(token).map_err(|problem| problem.at(start))?;
            return Ok(B::leaf(|| number.value()));
        }
        if token.starts_with('\'') {
            return Err(Problem::NotData('\'').at(start));
        }
        if token.strip_prefix('.').is_some_and(number::is_number) {
            return Err(Problem::Number("a digit must stand before the point").at(start));
        }
        name::check_name(token).map_err(|problem| problem.at(start))?;
        Ok(B::leaf(|| match token {
            "nil" => Value::Nil,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            symbol => Value::Symbol(symbol.into()),
        }))
    }

    fn character<B: Build<'a>>(&mut self) -> Result<B::Value, ReadError> {
        let start = self.at;
        self.at += 1;
        let Some(first) =
            self.rest().chars().next().filter(|c| !matches!(c, ' ' | '\n' | '\t' | '\r'))
        else {
            return Err(Problem::Char.at(start));
        };
        self.at += first.len_utf8();
        let more = self.take_token();
        let character = if more.is_empty() { Some(first) } else { named_character(first, more) };
        let character = character.ok_or(Problem::Char.at(start))?;
        Ok(B::leaf(|| Value::Char(character)))
    }

    fn sequence<B: Build<'a>>(
        &mut self,
        close: u8,
        depth: usize,
        make: fn(Vec<Value<'a>>) -> Value<'a>,
    ) -> Result<B::Value, ReadError> {
        let depth = self.deeper(depth)?;
        let mut items = B::Items::default();
        self.at += 1;
        while self.inside(close, depth)? {
            B::push(&mut items, self.value::<B>(depth)?);
        }
        Ok(B::sequence(items, make))
    }

    /// Whether another element follows; if not, the closing bracket has been passed.
    pub(super) fn inside(&mut self, close: u8, depth: usize) -> Result<bool, ReadError> {
        self.gap(depth)?;
        let wanted = match close {
            b']' => "a value or `]`",
            b')' => "a value or `)`",
            _ => "a value or `}`",
        };
        match self.peek() {
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(false)
            }
            None | Some(b')' | b']' | b'}') => self.fail(Problem::Expected(wanted)),
            Some(_) => Ok(true),
        }
    }

    /// What begins with `#`.
    fn dispatch<B: Build<'a>>(&mut self, depth: usize) -> Result<B::Value, ReadError> {
        match self.byte(1) {
            Some(b'{') => self.set::<B>(depth),
            Some(b'#') => self.symbolic::<B>(),
            Some(b':') => self.namespaced_map::<B>(depth),
            Some(c @ (b'"' | b'\'' | b'(' | b'?' | b'=' | b'^' | b'<' | b'!')) => {
                self.fail(Problem::NotData(char::from(c)))
            }
            _ => self.tagged::<B>(depth),
        }
    }

    fn symbolic<B: Build<'a>>(&mut self) -> Result<B::Value, ReadError> {
        let start = self.at;
        self.at += 2;
        let float = match self.take_token() {
            "NaN" => f64::NAN,
            "Inf" => f64::INFINITY,
            "-Inf" => f64::NEG_INFINITY,
            _ => return Err(Problem::Symbolic.at(start)),
        };
        Ok(B::leaf(|| Value::Float(float)))
    }

    /// `#:ns{…}`: keys without a namespace get this one.
    fn namespaced_map<B: Build<'a>>(&mut self, depth: usize) -> Result<B::Value, ReadError> {
        let start = self.at;
        self.at += 2;
        let namespace = self.take_token();
        if namespace.contains('/') || !is_symbol(namespace) {
            return Err(Problem::Name("after `#:` stands a namespace").at(start));
        }
        if namespace.len() > NAMESPACE_MAX {
            let problem = Problem::Name("a namespace after `#:` has at most 128 bytes");
            return Err(problem.at(start));
        }
        self.gap(depth)?;
        if self.peek() != Some(b'{') {
            return self.fail(Problem::Expected("the map of the namespace"));
        }
        self.map::<B>(Some(namespace), depth)
    }

    fn tagged<B: Build<'a>>(&mut self, depth: usize) -> Result<B::Value, ReadError> {
        let start = self.at;
        self.at += 1;
        let tag = self.take_token();
        if !tag.starts_with(char::is_alphabetic) {
            return Err(Problem::Name("a tag begins with a letter, right after its `#`").at(start));
        }
        name::check_name(tag).map_err(|problem| problem.at(start))?;
        let depth = self.deeper(depth)?;
        match tag {
            "inst" => self.literal::<B, _>(depth, Problem::Inst, Inst::parse, Value::Inst),
            "uuid" => self.literal::<B, _>(depth, Problem::Uuid, parse_uuid, Value::Uuid),
            "base64" => self.literal::<B, _>(depth, Problem::Base64, parse_base64, Value::Bytes),
            _ => {
                let value = self.value::<B>(depth)?;
                Ok(B::tagged(tag.into(), value))
            }
        }
    }

    /// A tag that takes a string of its own form.
    fn literal<B: Build<'a>, T>(
        &mut self,
        depth: usize,
        problem: Problem,
        parse: fn(&str) -> Option<T>,
        make: fn(T) -> Value<'a>,
    ) -> Result<B::Value, ReadError> {
        self.gap(depth)?;
        let start = self.at;
        if self.peek() != Some(b'"') {
            return self.fail(problem);
        }
        let value = parse(&self.quoted()?.unescaped()).ok_or(problem.at(start))?;
        Ok(B::leaf(|| make(value)))
    }
}

/// Whether a token reads as a symbol, and not as a number or a word of its own.
pub(super) fn is_symbol(token: &str) -> bool {
    let number = |text: &str| {
        number::is_number(text) || text.strip_prefix('.').is_some_and(number::is_number)
    };
    let word = matches!(token, "nil" | "true" | "false");
    !word && !number(token) && name::check_name(token).is_ok()
}

fn named_character(first: char, more: &str) -> Option<char> {
    let digits = |radix| u32::from_str_radix(more, radix).ok().filter(|_| !more.starts_with('+'));
    match (first, more) {
        ('n', "ewline") => Some('\n'),
        ('r', "eturn") => Some('\r'),
        ('t', "ab") => Some('\t'),
        ('s', "pace") => Some(' '),
        ('f', "ormfeed") => Some('\u{c}'),
        ('b', "ackspace") => Some('\u{8}'),
        ('u', _) if more.len() == 4 => char::from_u32(digits(16)?),
        ('o', _) if more.len() <= 3 => char::from_u32(digits(8).filter(|&code| code <= 0o377)?),
        _ => None,
    }
}

/// With padding, and only as an encoder writes it: two texts never mean the same bytes.
pub(in super::super) fn parse_base64(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text).ok()
}

pub(in super::super) fn parse_uuid(text: &str) -> Option<Uuid> {
    // 36 bytes: the form with hyphens and nothing around it.
    Uuid::try_parse(text).ok().filter(|_| text.len() == 36)
}

/// Between quotes: what Clojure's reader takes.
impl Escapes for Edn {
    const RAW_CONTROLS: bool = true;
    const ESCAPES: Problem = Problem::Escape(
        "`\\\"`, `\\\\`, `\\b`, `\\f`, `\\n`, `\\r`, `\\t`, `\\u` with four hex digits and octal `\\0` to `\\377`",
    );

    fn escape(after_backslash: &[u8]) -> Option<(Option<char>, usize)> {
        let character = match after_backslash.first() {
            Some(&byte @ (b'"' | b'\\')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return surrogate::unicode_escape(after_backslash),
            Some(b'0'..=b'7') => return octal(after_backslash),
            _ => return None,
        };
        Some((Some(character), 2))
    }
}

/// One to three octal digits, up to 377.
fn octal(digits: &[u8]) -> Option<(Option<char>, usize)> {
    let digits = digits.iter().take(3).take_while(|digit| matches!(digit, b'0'..=b'7'));
    let (code, count) =
        digits.fold((0, 0), |(code, count), digit| (code * 8 + u32::from(digit - b'0'), count + 1));
    u8::try_from(code).ok().map(|code| (Some(char::from(code)), count + 1))
}
