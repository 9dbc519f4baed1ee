//! Looking at sixteen bytes at a time: where text begins to mean something, and how far digits and names go.
//!
//! What is found in a block is marked in one number, so that the lowest mark is the first in the text. How often a loop runs
//! then hardly depends on what a text says, and processors guess right what comes next.

#[cfg(test)]
mod tests;

use wide::u8x16;

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

/// Bytes that are looked at at a time.
#[derive(Clone, Copy)]
struct Block(u8x16);

/// A bit for each byte of a block.
type Marks = u32;

const ALL: Marks = 0xffff;

impl Block {
    const WIDTH: usize = 16;

    #[inline(always)]
    fn read(bytes: &[u8], at: usize) -> Option<Self> {
        let block = bytes.get(at..at.wrapping_add(Self::WIDTH))?;
        block.as_array().map(|block| Self(u8x16::new(*block)))
    }

    #[inline(always)]
    fn is(self, byte: u8) -> u8x16 {
        self.0.simd_eq(u8x16::splat(byte))
    }

    #[inline(always)]
    fn is_in(self, first: u8, last: u8) -> u8x16 {
        let from = self.0 - u8x16::splat(first);
        from.min(u8x16::splat(last - first)).simd_eq(from)
    }

    /// Marks what is looked for in strings.
    #[inline(always)]
    fn special<L: Look>(self) -> Marks {
        let mut found = self.is(b'"') | self.is(b'\\');
        if L::CONTROLS {
            found |= self.is_in(0, 0x1f);
        }
        if L::DELETE {
            found |= self.is(0x7f);
        }
        found.to_bitmask()
    }

    /// Marks what are no digits.
    #[inline(always)]
    fn others(self) -> Marks {
        self.is_in(b'0', b'9').to_bitmask() ^ ALL
    }

    /// Marks what are no ASCII letters, digits, `-`, `.` and `_`.
    #[inline(always)]
    fn unnamed(self) -> Marks {
        let small = Self(self.0 | u8x16::splat(0x20));
        let signs = self.is(b'-') | self.is(b'.') | self.is(b'_');
        (small.is_in(b'a', b'z') | self.is_in(b'0', b'9') | signs).to_bitmask() ^ ALL
    }
}

/// How many bytes stand before the first mark; none where there is no mark.
#[inline(always)]
fn place(marks: Marks) -> Option<usize> {
    (marks != 0).then(|| marks.trailing_zeros() as usize)
}

/// The first byte from here on that is marked, or the end.
#[inline(always)]
fn first(
    bytes: &[u8],
    mut at: usize,
    mark: impl Fn(Block) -> Marks,
    is: impl Fn(u8) -> bool,
) -> usize {
    while let Some(block) = Block::read(bytes, at) {
        if let Some(place) = place(mark(block)) {
            return at + place;
        }
        at += Block::WIDTH;
    }
    // The last block of the text, without what stands before.
    if let Some(start) = bytes.len().checked_sub(Block::WIDTH)
        && let Some(block) = Block::read(bytes, start)
    {
        let marks = u64::from(mark(block)) >> at.saturating_sub(start).min(Block::WIDTH);
        return if marks == 0 { bytes.len().max(at) } else { at + marks.trailing_zeros() as usize };
    }
    while bytes.get(at).is_some_and(|byte| !is(*byte)) {
        at += 1;
    }
    at
}

/// The first byte from here on that is looked for, or the end.
#[inline(always)]
pub(crate) fn plain<L: Look>(bytes: &[u8], at: usize) -> usize {
    first(bytes, at, Block::special::<L>, is_special::<L>)
}

/// The end of the digits that begin here.
#[inline(always)]
pub(crate) fn digits(bytes: &[u8], at: usize) -> usize {
    first(bytes, at, Block::others, |byte| !byte.is_ascii_digit())
}

/// The end of the ASCII letters, digits, `-`, `.` and `_` that begin here.
#[inline(always)]
pub(crate) fn named(bytes: &[u8], at: usize) -> usize {
    first(bytes, at, Block::unnamed, |byte| !is_named(byte))
}

/// The end of the digits that begin here; and behind a point that follows, the end of the digits that follow it.
#[inline(always)]
pub(crate) fn decimal(bytes: &[u8], at: usize) -> (usize, usize) {
    let marks = Block::read(bytes, at).map_or(0, Block::others);
    let whole = place(marks).map_or_else(|| digits(bytes, at), |place| at + place);
    if bytes.get(whole) != Some(&b'.') {
        return (whole, whole);
    }
    // Both ends are in the same block most often, and need not wait for each other.
    let behind = place(marks & marks.wrapping_sub(1));
    (whole, behind.map_or_else(|| digits(bytes, whole + 1), |place| at + place))
}

fn is_special<L: Look>(byte: u8) -> bool {
    let delete = L::DELETE && byte == 0x7f;
    byte == b'"' || byte == b'\\' || delete || (L::CONTROLS && byte < 0x20)
}

fn is_named(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')
}
