//! A dialect in one of its formats.

use super::Dialect;
use crate::format::Encoding;

/// A dialect in one of its formats: everything that decides how a frame looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Wire {
    pub dialect: Dialect,
    /// Not looked at in a dialect whose frames are not read; it is [`Encoding::Text`] there.
    pub format: Encoding,
}

impl Wire {
    /// Every wire that a peer can have: each dialect in each of its formats.
    pub const ALL: [Self; COUNT] = all();

    /// The wire's place in [`Wire::ALL`]: for keeping one frame per wire in an array.
    ///
    /// For a wire that no peer can have it is `ALL.len()`, where [`slice::get`] finds nothing.
    pub fn index(self) -> usize {
        static PLACES: [[usize; Encoding::ALL.len()]; Dialect::ALL.len()] = places();
        let places = PLACES.get(self.dialect as usize);
        places.and_then(|places| places.get(self.format as usize)).copied().unwrap_or(COUNT)
    }

    /// Whether a payload in this encoding stands in frames of this wire as it is.
    pub fn takes(self, encoding: Encoding) -> bool {
        encoding == self.format || !self.dialect.profile().is_read()
    }
}

const COUNT: usize = {
    let mut count = 0;
    let mut dialects: &[Dialect] = &Dialect::ALL;
    while let [dialect, others @ ..] = dialects {
        count += dialect.profile().formats.len();
        dialects = others;
    }
    count
};

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which would say so")]
const fn all() -> [Wire; COUNT] {
    let mut all = [Wire { dialect: Dialect::Raw, format: Encoding::Text }; COUNT];
    let mut place = 0;
    let mut dialects: &[Dialect] = &Dialect::ALL;
    while let [dialect, others @ ..] = dialects {
        let mut formats = dialect.profile().formats;
        while let [format, more @ ..] = formats {
            all[place] = Wire { dialect: *dialect, format: *format };
            place += 1;
            formats = more;
        }
        dialects = others;
    }
    all
}

/// Where each dialect stands in [`Wire::ALL`] in each encoding.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which would say so")]
const fn places() -> [[usize; Encoding::ALL.len()]; Dialect::ALL.len()] {
    let mut places = [[COUNT; Encoding::ALL.len()]; Dialect::ALL.len()];
    let mut place = 0;
    while place < COUNT {
        let Wire { dialect, format } = Wire::ALL[place];
        if dialect.profile().is_read() {
            places[dialect as usize][format as usize] = place;
        } else {
            places[dialect as usize] = [place; Encoding::ALL.len()];
        }
        place += 1;
    }
    places
}
