//! The states that an instance is handed, in their pieces.

use super::saved::Saved;
use crate::guest::bindings::snapshot::{Piece, Place};

/// Who is handed states, and of whom.
#[derive(Debug)]
pub(crate) struct Parts<'a> {
    /// What instances have saved, each with its number; in the order of these.
    pub(crate) saved: Vec<(u16, &'a Saved)>,
    /// How many instances there were.
    pub(crate) sources: u16,
    /// Who is to load it: its number,
    pub(crate) target: u16,
    /// of how many.
    pub(crate) targets: u16,
}

impl<'a> Parts<'a> {
    /// One instance's state for the one that comes in its place, of so many.
    pub(crate) fn own(saved: &'a Saved, number: u16, of: u16) -> Self {
        Self { saved: vec![(number, saved)], sources: of, target: number, targets: of }
    }

    /// All pieces in order, each with its place. The last one is marked.
    pub(super) fn pieces(&self) -> impl Iterator<Item = (&'a Piece, Place)> {
        let mut left = self.saved.iter().map(|(_, saved)| saved.pieces.len()).sum::<usize>();
        let Self { sources, target, targets, .. } = *self;
        let all = self.saved.iter().flat_map(|&(source, saved)| {
            (0..).zip(&saved.pieces).map(move |(number, piece)| (source, number, piece))
        });
        all.map(move |(source, number, piece)| {
            left = left.saturating_sub(1);
            let [source, sources, target, targets] =
                [source, sources, target, targets].map(u32::from);
            let is_last = left == 0;
            (piece, Place { source, sources, number, target, targets, is_last })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved(pieces: usize) -> Saved {
        let mut saved = Saved::default();
        for number in 1..=pieces {
            let (format, is_last) = ("f/1".to_owned(), number == pieces);
            saved.add(Piece { format, bytes: Vec::new(), is_last }).expect("all have one format");
        }
        saved
    }

    #[test]
    fn the_pieces_of_all_come_in_order_and_the_last_of_all_is_the_last() {
        let (one, other) = (saved(2), saved(1));
        let parts =
            Parts { saved: vec![(0, &one), (2, &other)], sources: 3, target: 1, targets: 2 };
        let places: Vec<_> = parts
            .pieces()
            .map(|(_, it)| (it.source, it.sources, it.number, it.target, it.targets, it.is_last))
            .collect();
        let expected = [(0, 3, 0, 1, 2, false), (0, 3, 1, 1, 2, false), (2, 3, 0, 1, 2, true)];
        assert_eq!(places, expected);
    }

    #[test]
    fn who_takes_the_place_of_one_gets_what_is_its_alone() {
        let state = saved(1);
        let parts = Parts::own(&state, 3, 4);
        let places: Vec<_> = parts.pieces().map(|(_, place)| place).collect();
        let [Place { source: 3, sources: 4, number: 0, target: 3, targets: 4, is_last: true }] =
            places[..]
        else {
            panic!("{places:?}");
        };
    }
}
