//! A value of Transit in another place: its codes count from there.
//!
//! A payload stands alone, so the codes of a value that comes out of a frame have to count from its own beginning, and those
//! of a value that goes into one from the frame's. Nothing else changes. What is no longer in the cache where a code stood is
//! said again: that happens where the cache is emptied, which is now at another place, and at most twice for each string that
//! was said since it was emptied before. So nothing becomes more than three times as long.

use super::{
    super::{
        json::Json,
        text::{
            scan::{self, Escaped},
            strings,
        },
    },
    cache::{self, Cache, Entry, Kind, ROOM},
};
use std::{borrow::Cow, ops::Range};

/// Where a string's code can be said on the other side: a place, and how often the cache had been emptied.
type Place = (usize, usize);

/// An array or object that is open.
#[derive(Debug, Clone, Copy)]
enum Open {
    /// So many elements are behind; a map, if the first of them said so.
    Array { place: usize, is_map: bool },
    /// A key is next, or a value.
    Object { at_key: bool },
}

struct Recoding<'a, 'o> {
    text: &'a str,
    out: &'o mut Vec<u8>,
    /// The cache of the side that it comes from, and where its entries are on the other side.
    from: Cache,
    places: Vec<Option<Place>>,
    /// The next place on the other side.
    next: Place,
    open: Vec<Open>,
    /// So far everything is written.
    written: usize,
}

/// Whether there may be a code in a value.
pub(super) fn may_have_codes(value: &[u8]) -> bool {
    let is_code = |three: &[u8]| match three {
        [b'"', b'^', third] => *third != b' ',
        [b'"', b'\\', _] => true,
        _ => false,
    };
    value.windows(3).any(is_code)
}

/// Writes the value that stands here, which is well formed, for a place before which so many places of the cache are taken.
/// `from`: the cache before it.
pub(super) fn recode(
    text: &str,
    value: Range<usize>,
    from: Cache,
    taken: usize,
    out: &mut Vec<u8>,
) -> Option<()> {
    let places = vec![None; from.len()];
    let next = (taken, 0);
    let mut recoding =
        Recoding { text, out, from, places, next, open: Vec::new(), written: value.start };
    let mut at = value.start;
    while at < value.end {
        at = recoding.step(at)?;
    }
    recoding.pass(value.end);
    Some(())
}

impl<'a> Recoding<'a, '_> {
    /// Takes what is here as it is, up to this byte.
    fn pass(&mut self, end: usize) {
        let passed = self.text.as_bytes().get(self.written..end).unwrap_or_default();
        self.out.extend_from_slice(passed);
        self.written = end;
    }

    /// Looks at one byte, or one string, and says where the next begins.
    fn step(&mut self, at: usize) -> Option<usize> {
        match self.text.as_bytes().get(at)? {
            b'"' => return self.string(at),
            b'[' => self.open.push(Open::Array { place: 0, is_map: false }),
            b'{' => self.open.push(Open::Object { at_key: true }),
            b']' | b'}' => drop(self.open.pop()),
            b',' => match self.open.last_mut() {
                Some(Open::Array { place, .. }) => *place += 1,
                Some(Open::Object { at_key }) => *at_key = true,
                None => {}
            },
            b':' => {
                if let Some(Open::Object { at_key }) = self.open.last_mut() {
                    *at_key = false;
                }
            }
            _ => {}
        }
        Some(at + 1)
    }

    fn string(&mut self, at: usize) -> Option<usize> {
        let end = end_of_string(self.text.as_bytes(), at + 1)?;
        let said = self.text.get(at + 1..end)?;
        let escaped = said.contains('\\');
        let said = match escaped {
            true => strings::scan::<Json>(self.text, at).ok()?.0.unescaped(),
            false => Cow::Borrowed(said),
        };
        let as_key = match self.open.last_mut() {
            Some(Open::Array { place: 0, is_map }) if said == "^ " => {
                *is_map = true;
                return Some(end + 1);
            }
            Some(Open::Array { place, is_map }) => *is_map && *place % 2 == 1,
            Some(Open::Object { at_key }) => *at_key,
            None => false,
        };
        if said.starts_with('^') {
            self.code(at, end, cache::place(&said)?)?;
        } else if cache::is_cached(&said, as_key) {
            let entry = Entry { start: at + 1, end, escaped, kind: Kind::of(&said), digest: None };
            let place = self.take();
            if self.from.add(entry) {
                self.places.clear();
            }
            self.places.push(Some(place));
        }
        Some(end + 1)
    }

    /// A code that stands from one quote to the other.
    fn code(&mut self, at: usize, end: usize, place: usize) -> Option<()> {
        self.pass(at);
        self.written = end + 1;
        let known = self.places.get(place).copied().flatten();
        if let Some((place, _)) = known.filter(|(_, emptied)| *emptied == self.next.1) {
            let (code, length) = cache::code(place);
            self.out.extend_from_slice(code.get(..length)?);
            return Some(());
        }
        // It is said for the first time on this side, or the cache was emptied since.
        let Entry { start, end, .. } = self.from.get(place)?;
        let said = self.text.as_bytes().get(start.checked_sub(1)?..end + 1)?;
        self.out.extend_from_slice(said);
        *self.places.get_mut(place)? = Some(self.take());
        Some(())
    }

    /// The place that the next string takes on the other side.
    fn take(&mut self) -> Place {
        if self.next.0 >= ROOM {
            self.next = (0, self.next.1 + 1);
        }
        let taken = self.next;
        self.next.0 += 1;
        taken
    }
}

/// Where the closing quote stands of the string whose first byte is here.
fn end_of_string(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at = scan::plain::<Escaped>(bytes, at);
        match bytes.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}
