//! The `\uXXXX` escapes that JSON and EDN share: UTF-16 code units, so that some characters take two.
//!
//! A text that was cut in the middle of such a pair is JSON by the grammar of RFC 8259, and what every browser makes of half
//! a character. It is taken with U+FFFD in place of the half, as browsers do when they write such a text as UTF-8.

use std::fmt;

/// What an escape of the digits `fffd` says, and what is put where half of a pair stands: no text can hold the half.
const REPLACEMENT: &str = "fffd";

/// Reads `uXXXX`, or `uXXXX\uXXXX` for a surrogate pair; the bytes begin after the backslash.
///
/// The character is missing where only half of a pair stands. The length includes that backslash. Err: the hex digits are
/// missing.
pub(crate) fn unicode_escape(bytes: &[u8]) -> Option<(Option<char>, usize)> {
    let high = unit(bytes)?;
    if let Some(character) = char::from_u32(high) {
        return Some((Some(character), 6));
    }
    let low = match bytes.get(5..) {
        Some([b'\\', rest @ ..]) => unit(rest).filter(|low| (0xdc00..0xe000).contains(low)),
        _ => None,
    };
    let pair =
        low.filter(|_| high < 0xdc00).map(|low| 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
    match pair.and_then(char::from_u32) {
        Some(character) => Some((Some(character), 12)),
        None => Some((None, 6)),
    }
}

/// Text of JSON or EDN that was found to be well formed, with the escape of U+FFFD for each half of a pair.
pub(crate) fn without_halves(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, after)) = rest.split_once('\\') {
        out.push_str(plain);
        let (half, length) = match unicode_escape(after.as_bytes()) {
            Some((character, length)) => (character.is_none(), length - 1),
            None => (false, after.chars().next().map_or(0, char::len_utf8)),
        };
        let (escape, after) = after.split_at_checked(length).unwrap_or_default();
        out.push('\\');
        if half {
            out.push('u');
            out.push_str(REPLACEMENT);
        } else {
            out.push_str(escape);
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Reads `uXXXX`.
fn unit(bytes: &[u8]) -> Option<u32> {
    let [b'u', digits @ ..] = bytes else { return None };
    digits
        .get(..4)?
        .iter()
        .try_fold(0, |unit, &digit| Some(unit << 4 | char::from(digit).to_digit(16)?))
}

/// Writes a character below `U+10000` as `\uXXXX`.
pub(crate) fn write_escape(out: &mut impl fmt::Write, character: char) -> fmt::Result {
    out.write_str("\\u")?;
    let digits =
        [12, 8, 4, 0].map(|shift| char::from_digit(u32::from(character) >> shift & 15, 16));
    digits.into_iter().flatten().try_for_each(|digit| out.write_char(digit))
}
