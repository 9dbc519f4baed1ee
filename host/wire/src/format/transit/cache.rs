//! Transit's cache: a name or key that was said in a text may stand there again as a short code.
//!
//! Who reads and who writes count alike: each string that is long enough takes the next place, whether or not it was there
//! before, and when all places are taken the cache is emptied.

/// How many places there are.
pub(super) const ROOM: usize = DIGITS * DIGITS;
const DIGITS: usize = 44;
/// The first digit of a code.
const ZERO: u8 = b'0';

/// Whether a string, as it is written, takes a place.
pub(super) fn is_cached(said: &str, as_key: bool) -> bool {
    let is_name = || matches!(said.as_bytes(), [b'~', b':' | b'$' | b'#', ..]);
    is_long(0, said) && (as_key || is_name())
}

/// More than three of UTF-16's units, which is how JavaScript and Java count, with so many before the text.
pub(super) fn is_long(before: usize, text: &str) -> bool {
    let bytes = before + text.len();
    bytes > 3 && (bytes > 9 || before + text.encode_utf16().count() > 3)
}

/// The place that a code stands for; none when it is no code.
pub(super) fn place(code: &str) -> Option<usize> {
    let digit = |byte: u8| {
        let digit = usize::from(byte.checked_sub(ZERO)?);
        (digit < DIGITS).then_some(digit)
    };
    match code.as_bytes() {
        [b'^', low] => digit(*low),
        [b'^', high, low] => Some(digit(*high)? * DIGITS + digit(*low)?),
        _ => None,
    }
}

/// The code of a place, in quotes.
pub(super) fn code(place: usize) -> ([u8; 5], usize) {
    let digit = |digit: usize| ZERO + u8::try_from(digit % DIGITS).unwrap_or_default();
    match place {
        ..DIGITS => ([b'"', b'^', digit(place), b'"', 0], 4),
        _ => ([b'"', b'^', digit(place / DIGITS), digit(place), b'"'], 5),
    }
}

/// What a string is by its first characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Tag,
    /// What is tagged in EDN: a level of its own.
    Level,
    Leaf,
}

impl Kind {
    pub(super) fn of(said: &str) -> Self {
        match said.as_bytes() {
            [b'~', b'#', ..] => Self::Tag,
            [b'~', b':' | b'$' | b'~' | b'^' | b'`' | b'_' | b'?' | b'\'', ..]
            | [b'~', b'i' | b'n' | b'd' | b'f' | b'z' | b'c', ..] => Self::Leaf,
            [b'~', _, ..] => Self::Level,
            _ => Self::Leaf,
        }
    }
}

/// What stands in a place: where it was said.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// Between its quotes.
    pub(super) start: usize,
    pub(super) end: usize,
    /// It has JSON's escapes in it.
    pub(super) escaped: bool,
    pub(super) kind: Kind,
    /// What it is compared by as a key, once somebody wanted to know.
    pub(super) digest: Option<u64>,
}

/// The places that are taken, and how they were when a value began that is looked at.
#[derive(Debug, Clone, Default)]
pub(super) struct Cache {
    entries: Vec<Entry>,
    /// How many were taken at the mark.
    marked: usize,
    /// Those of the mark, if the cache was emptied since.
    left: Option<Vec<Entry>>,
}

impl Cache {
    /// Takes the next place; true when the cache had to be emptied for it.
    pub(super) fn add(&mut self, entry: Entry) -> bool {
        let is_full = self.entries.len() >= ROOM;
        if is_full {
            match self.left {
                Some(_) => self.entries.clear(),
                None => self.left = Some(std::mem::take(&mut self.entries)),
            }
        }
        self.entries.push(entry);
        is_full
    }

    pub(super) fn get(&self, place: usize) -> Option<Entry> {
        self.entries.get(place).copied()
    }

    pub(super) fn get_mut(&mut self, place: usize) -> Option<&mut Entry> {
        self.entries.get_mut(place)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// A value begins here.
    pub(super) fn mark(&mut self) {
        (self.marked, self.left) = (self.entries.len(), None);
    }

    /// The cache as it was at the mark.
    pub(super) fn at_mark(&self) -> Self {
        let entries = self.left.as_ref().unwrap_or(&self.entries);
        let entries = entries.get(..self.marked).unwrap_or_default().to_vec();
        Self { entries, ..Self::default() }
    }
}
