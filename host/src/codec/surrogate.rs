//! The `\uXXXX` escapes that JSON and EDN share: UTF-16 code units, so that some characters take two.

use super::error::Problem;

/// Reads `uXXXX`, or `uXXXX\uXXXX` for a surrogate pair; the bytes begin after the backslash.
///
/// The length includes that backslash. Err: none when the hex digits are missing.
pub(super) fn unicode_escape(bytes: &[u8]) -> Result<(char, usize), Option<Problem>> {
    let high = unit(bytes).ok_or(None)?;
    if let Some(character) = char::from_u32(high) {
        return Ok((character, 6));
    }
    let low = match bytes.get(5..) {
        Some([b'\\', rest @ ..]) => unit(rest).filter(|low| (0xdc00..0xe000).contains(low)),
        _ => None,
    };
    let pair =
        low.filter(|_| high < 0xdc00).map(|low| 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
    pair.and_then(char::from_u32).map(|character| (character, 12)).ok_or(Some(Problem::Surrogate))
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
pub(super) fn push_escape(out: &mut String, character: char) {
    out.push_str("\\u");
    for shift in [12, 8, 4, 0] {
        out.extend(char::from_digit(u32::from(character) >> shift & 15, 16));
    }
}
