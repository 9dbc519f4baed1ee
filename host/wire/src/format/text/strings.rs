//! Strings in double quotes: checked where they stand, unescaped only when somebody wants them.

use super::{
    super::error::{Problem, ReadError},
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
        at += plain::<E>(bytes.get(at..).unwrap_or_default());
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

/// How many bytes stand before the next one that means something; eight are looked at at a time.
fn plain<E: Escapes>(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks();
    for (place, &word) in words.iter().enumerate() {
        let found = special::<E>(u64::from_le_bytes(word));
        if found != 0 {
            return place * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let special = |&byte: &u8| byte == b'"' || byte == b'\\' || (!E::RAW_CONTROLS && byte < 0x20);
    bytes.len() - rest.len() + rest.iter().position(special).unwrap_or(rest.len())
}

/// Marks the bytes of a word that mean something in their highest bits; what stands above the lowest mark may be wrong.
fn special<E: Escapes>(word: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let below =
        |word: u64, limit: u8| word.wrapping_sub(EACH * u64::from(limit)) & !word & (EACH << 7);
    let is = |byte: u8| below(word ^ (EACH * u64::from(byte)), 1);
    let control = if E::RAW_CONTROLS { 0 } else { below(word, 0x20) };
    is(b'"') | is(b'\\') | control
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
    let _ok = try_quote(out, text);
}

fn try_quote(out: &mut impl fmt::Write, text: &str) -> fmt::Result {
    out.write_char('"')?;
    let mut rest = text;
    while let Some(place) =
        rest.bytes().position(|byte| byte == b'"' || byte == b'\\' || byte < 0x20 || byte == 0x7f)
    {
        out.write_str(rest.get(..place).unwrap_or_default())?;
        let mut characters = rest.get(place..).unwrap_or_default().chars();
        match characters.next() {
            Some('\n') => out.write_str("\\n")?,
            Some('\r') => out.write_str("\\r")?,
            Some('\t') => out.write_str("\\t")?,
            Some('"') => out.write_str("\\\"")?,
            Some('\\') => out.write_str("\\\\")?,
            Some(control) => surrogate::write_escape(out, control)?,
            None => {}
        }
        rest = characters.as_str();
    }
    out.write_str(rest)?;
    out.write_char('"')
}

/// Text as a string of JSON or EDN, with its quotes.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    quote(&mut out, text);
    out
}
