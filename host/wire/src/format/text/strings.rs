//! Strings in double quotes: checked where they stand, unescaped only when somebody wants them.

use super::{
    super::error::{Problem, ReadError},
    scan::{self, Escaped, Look},
    surrogate,
};
use std::{borrow::Cow, fmt, marker::PhantomData};

/// What a format allows between the quotes.
pub(crate) trait Escapes {
    /// Whether control characters may stand there as they are.
    const RAW_CONTROLS: bool;
    /// Names the escapes there are.
    const ESCAPES: Problem;

    /// The character that the escape here stands for, and the escape's length with its backslash. None: no such escape. No
    /// character: half of a surrogate pair.
    fn escape(after_backslash: &[u8]) -> Option<(Option<char>, usize)>;
}

/// What a reader stops at.
impl<E: Escapes> Look for E {
    const CONTROLS: bool = !E::RAW_CONTROLS;
    const DELETE: bool = false;
}

/// What stands between the quotes, checked.
#[derive(Debug)]
pub(crate) struct Raw<'a, E> {
    pub(crate) text: &'a str,
    escaped: bool,
    /// Half of a surrogate pair stands in it.
    pub(crate) halved: bool,
    escapes: PhantomData<E>,
}

/// Checks the string whose opening quote is at this byte; also says where it ends.
pub(crate) fn scan<E: Escapes>(
    text: &str,
    opening: usize,
) -> Result<(Raw<'_, E>, usize), ReadError> {
    let bytes = text.as_bytes();
    let start = opening + 1;
    let (mut at, mut escaped, mut halved) = (start, false, false);
    loop {
        at = scan::plain::<E>(bytes, at);
        match bytes.get(at) {
            Some(b'"') => {
                let text = text.get(start..at).unwrap_or_default();
                return Ok((Raw { text, escaped, halved, escapes: PhantomData }, at + 1));
            }
            Some(b'\\') => {
                escaped = true;
                let rest = bytes.get(at + 1..).unwrap_or_default();
                let (character, length) = E::escape(rest).ok_or(E::ESCAPES.at(at))?;
                halved |= character.is_none();
                at += length;
            }
            Some(_) => return Err(Problem::Control.at(at)),
            None => return Err(Problem::OpenString.at(opening)),
        }
    }
}

/// What a string is that was walked over and is well formed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Passed {
    /// Where its closing quote stands.
    pub(crate) end: usize,
    /// It may not be written as it stands here.
    pub(crate) escaped: bool,
    pub(crate) halved: bool,
}

/// Passes over the string whose first byte behind the quote is here, and says nothing of what is wrong with it: [`scan`] does.
#[inline(always)]
pub(crate) fn pass<E: Escapes, L: Look>(bytes: &[u8], start: usize) -> Option<Passed> {
    let end = scan::plain::<L>(bytes, start);
    match bytes.get(end)? {
        b'"' => Some(Passed { end, escaped: false, halved: false }),
        _ => pass_escaped::<E, L>(bytes, end),
    }
}

#[cold]
fn pass_escaped<E: Escapes, L: Look>(bytes: &[u8], mut at: usize) -> Option<Passed> {
    let (mut escaped, mut halved) = (false, false);
    loop {
        at = scan::plain::<L>(bytes, at);
        match bytes.get(at)? {
            b'"' => return Some(Passed { end: at, escaped, halved }),
            b'\\' => {
                let (character, length) = E::escape(bytes.get(at + 1..)?)?;
                halved |= character.is_none();
                at += length;
            }
            ..0x20 if !E::RAW_CONTROLS => return None,
            _ => at += 1,
        }
        escaped = true;
    }
}

impl<'a, E: Escapes> Raw<'a, E> {
    /// The text that was meant; U+FFFD stands for half a character.
    pub(crate) fn unescaped(self) -> Cow<'a, str> {
        if !self.escaped {
            return Cow::Borrowed(self.text);
        }
        let mut out = String::with_capacity(self.text.len());
        let mut rest = self.text;
        while let Some((plain, after)) = rest.split_once('\\') {
            out.push_str(plain);
            // `scan` has seen that every escape is good.
            let Some((character, length)) = E::escape(after.as_bytes()) else { break };
            out.push(character.unwrap_or(char::REPLACEMENT_CHARACTER));
            rest = after.get(length - 1..).unwrap_or_default();
        }
        out.push_str(rest);
        Cow::Owned(out)
    }
}

/// Writes text as a string with its quotes, in a way that both JSON and EDN read.
pub(crate) fn quote(out: &mut impl fmt::Write, text: &str) {
    // Neither a `String` nor a frame that is being written ever fails.
    let _ok = try_quote(out, "", text);
}

/// As [`quote`], with something plain in front of the text, between the quotes.
pub(crate) fn quote_behind(out: &mut impl fmt::Write, plain: &str, text: &str) {
    let _ok = try_quote(out, plain, text);
}

fn try_quote(out: &mut impl fmt::Write, plain: &str, text: &str) -> fmt::Result {
    out.write_char('"')?;
    out.write_str(plain)?;
    write_escaped(out, text)?;
    out.write_char('"')
}

fn write_escaped(out: &mut impl fmt::Write, mut rest: &str) -> fmt::Result {
    loop {
        let place = scan::plain::<Escaped>(rest.as_bytes(), 0);
        let (plain, special) = rest.split_at_checked(place).unwrap_or((rest, ""));
        out.write_str(plain)?;
        let mut characters = special.chars();
        let Some(first) = characters.next() else { return Ok(()) };
        match first {
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            '"' => out.write_str("\\\"")?,
            '\\' => out.write_str("\\\\")?,
            control => surrogate::write_escape(out, control)?,
        }
        rest = characters.as_str();
    }
}

/// Writes what stands between the quotes of a string that was walked over, as [`quote`] writes what it means.
pub(crate) fn requote<E: Escapes>(out: &mut String, mut rest: &str) {
    out.push('"');
    while let Some((plain, after)) = rest.split_once('\\') {
        let Some((character, length)) = E::escape(after.as_bytes()) else { break };
        let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
        // A `String` never fails.
        let _ok = write_escaped(out, plain)
            .and_then(|()| write_escaped(out, character.encode_utf8(&mut [0; 4])));
        rest = after.get(length - 1..).unwrap_or_default();
    }
    let _ok = write_escaped(out, rest);
    out.push('"');
}

/// Text as a string of JSON or EDN, with its quotes.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    quote(&mut out, text);
    out
}
