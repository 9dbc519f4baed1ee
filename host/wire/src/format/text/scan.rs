//! Looking at eight bytes at a time: where text begins to mean something, and how far digits go.
//!
//! A word is read with its first byte lowest, so that the lowest mark of what was found is the first one in the text. How
//! often a loop runs then hardly depends on what a text says, and processors guess right what comes next.

const EACH: u64 = 0x0101_0101_0101_0101;
const HIGHEST: u64 = EACH << 7;

/// What a string is looked through for, beside quotes and backslashes.
pub(crate) trait Look {
    /// Stops at control characters below 0x20.
    const CONTROLS: bool;
    /// Stops at the control character 0x7f, which is written as an escape.
    const DELETE: bool;
}

/// What has to be written as an escape.
pub(crate) struct Escaped;

impl Look for Escaped {
    const CONTROLS: bool = true;
    const DELETE: bool = true;
}

#[inline(always)]
fn word(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|word| u64::from_le_bytes(*word))
}

fn place(marks: u64) -> usize {
    marks.trailing_zeros() as usize / 8
}

/// The first byte from here on that is looked for, or the end.
#[inline(always)]
pub(crate) fn plain<L: Look>(bytes: &[u8], mut at: usize) -> usize {
    while let Some(word) = word(bytes, at) {
        let found = special::<L>(word);
        if found != 0 {
            return at + place(found);
        }
        at += 8;
    }
    while let Some(byte) = bytes.get(at) {
        if is_special::<L>(*byte) {
            break;
        }
        at += 1;
    }
    at
}

pub(crate) fn is_special<L: Look>(byte: u8) -> bool {
    byte == b'"' || byte == b'\\' || (L::CONTROLS && byte < 0x20) || (L::DELETE && byte == 0x7f)
}

/// Marks the bytes of a word that are looked for in their highest bits; what stands above the lowest mark may be wrong.
///
/// To take a limit from each byte sets the highest bit of what is below it, and of what is no ASCII, which is left out.
#[inline(always)]
fn special<L: Look>(word: u64) -> u64 {
    let is = |byte: u8| (word ^ (EACH * u64::from(byte))).wrapping_sub(EACH);
    let control = if L::CONTROLS { word.wrapping_sub(EACH * 0x20) } else { 0 };
    let delete = if L::DELETE { is(0x7f) } else { 0 };
    (is(b'"') | is(b'\\') | control | delete) & !word & HIGHEST
}

/// Marks what are no digits in their highest bits.
#[inline(always)]
fn others(word: u64) -> u64 {
    // A digit is 0 to 9 after this, and nothing else is: adding to it reaches the highest bit only from 10 on.
    let word = word ^ (EACH * u64::from(b'0'));
    (((word & !HIGHEST) + EACH * (0x80 - 10)) | word) & HIGHEST
}

/// The end of the digits that begin here; and behind a point that follows, the end of the digits that follow it.
#[inline(always)]
pub(crate) fn decimal(bytes: &[u8], at: usize) -> (usize, usize) {
    let others = word(bytes, at).map_or(0, others);
    // Both ends are in the same word most often, and need not wait for each other.
    let behind = others & others.wrapping_sub(1);
    let whole = if others != 0 { at + place(others) } else { digits(bytes, at) };
    if bytes.get(whole) != Some(&b'.') {
        return (whole, whole);
    }
    (whole, if behind != 0 { at + place(behind) } else { digits(bytes, whole + 1) })
}

/// The end of the digits that begin here.
#[inline(always)]
pub(crate) fn digits(bytes: &[u8], mut at: usize) -> usize {
    while let Some(word) = word(bytes, at) {
        let others = others(word);
        if others != 0 {
            return at + place(others);
        }
        at += 8;
    }
    while let Some(b'0'..=b'9') = bytes.get(at) {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Json;

    impl Look for Json {
        const CONTROLS: bool = true;
        const DELETE: bool = false;
    }

    struct Edn;

    impl Look for Edn {
        const CONTROLS: bool = false;
        const DELETE: bool = false;
    }

    /// The plain answer, byte by byte.
    fn first(bytes: &[u8], at: usize, is: impl Fn(u8) -> bool) -> usize {
        bytes.iter().skip(at).position(|&byte| is(byte)).map_or(bytes.len().max(at), |n| at + n)
    }

    #[test]
    fn every_byte_is_found_at_every_place_of_a_word() {
        for byte in 0..=u8::MAX {
            for around in [b'a', 0x80, b'7', b'.'] {
                for place in 0..24 {
                    let mut bytes = [around; 24];
                    bytes[place] = byte;
                    // What follows must not be taken for what comes first.
                    for behind in [around, b'"', 0, 0x7f, b'.', b'1'] {
                        bytes[place + 1..].fill(behind);
                        for at in [0, 1, 9] {
                            agree(&bytes, at);
                        }
                    }
                }
            }
        }
    }

    fn agree(bytes: &[u8], at: usize) {
        let json = first(bytes, at, |byte| byte < 0x20 || byte == b'"' || byte == b'\\');
        assert_eq!(plain::<Json>(bytes, at), json, "{bytes:?} from {at}");
        let edn = first(bytes, at, |byte| byte == b'"' || byte == b'\\');
        assert_eq!(plain::<Edn>(bytes, at), edn, "{bytes:?} from {at}");
        let escaped = first(bytes, at, is_special::<Escaped>);
        assert_eq!(plain::<Escaped>(bytes, at), escaped, "{bytes:?} from {at}");
        let number = first(bytes, at, |byte| !byte.is_ascii_digit());
        assert_eq!(digits(bytes, at), number, "{bytes:?} from {at}");
        let fraction = match bytes.get(number) {
            Some(b'.') => first(bytes, number + 1, |byte| !byte.is_ascii_digit()),
            _ => number,
        };
        assert_eq!(decimal(bytes, at), (number, fraction), "{bytes:?} from {at}");
    }
}
