//! What somebody has to be told of channels that get their first subscriber and lose their last.
//!
//! Told in order. What is taken back before it was told is not told at all: so there is one thing to say of a channel at most,
//! however often it changes while somebody does not listen.

use std::collections::{BTreeMap, HashMap};
use tengen_wire::id::Channel;

/// A channel that has become occupied, or vacant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub channel: Channel,
    pub is_occupied: bool,
}

/// Changes that wait to be told.
#[derive(Debug, Default)]
pub struct Changes {
    order: BTreeMap<u64, Change>,
    /// Which of them is a channel's.
    places: HashMap<Channel, u64>,
    last: u64,
}

impl Changes {
    /// A channel has changed: behind what waits, unless it takes back what waits of the channel.
    pub fn note(&mut self, change: Change) {
        self.last += 1;
        self.put(self.last, change);
    }

    /// The first one, and where it was.
    pub fn take(&mut self) -> Option<(u64, Change)> {
        let (place, change) = self.order.pop_first()?;
        self.places.remove(&change.channel);
        Some((place, change))
    }

    /// One that was taken and could not be told: where it was, unless it was taken back meanwhile.
    pub fn put_back(&mut self, place: u64, change: Change) {
        self.put(place, change);
    }

    fn put(&mut self, place: u64, change: Change) {
        let waiting = self.places.get(&change.channel).copied();
        let known = waiting.and_then(|place| self.order.get(&place));
        match (waiting, known) {
            (Some(_), Some(known)) if known.is_occupied == change.is_occupied => {}
            (Some(waiting), Some(_)) => {
                self.order.remove(&waiting);
                self.places.remove(&change.channel);
            }
            _ => {
                self.places.insert(change.channel.clone(), place);
                self.order.insert(place, change);
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn change(number: u8, is_occupied: bool) -> Change {
        Change { channel: number.to_string().into(), is_occupied }
    }

    fn told(changes: &mut Changes) -> Vec<Change> {
        std::iter::from_fn(|| changes.take()).map(|(_, change)| change).collect()
    }

    #[test]
    fn what_is_taken_back_is_not_told() {
        let mut changes = Changes::default();
        for (number, is_occupied) in [(1, true), (2, true), (1, false), (3, false), (3, true)] {
            changes.note(change(number, is_occupied));
        }
        assert_eq!(told(&mut changes), [change(2, true)]);
        assert!(changes.is_empty() && changes.places.is_empty());
    }

    #[test]
    fn what_could_not_be_told_stays_first_unless_it_was_taken_back() {
        let mut changes = Changes::default();
        changes.note(change(1, true));
        changes.note(change(2, true));
        let (place, first) = changes.take().unwrap();
        changes.put_back(place, first);
        let (place, first) = changes.take().unwrap();
        assert_eq!(first, change(1, true));
        changes.note(change(1, false));
        changes.put_back(place, first);
        assert_eq!(told(&mut changes), [change(2, true)]);
    }

    proptest! {
        /// Whoever listens now and then hears of each channel in turn, and in the end what is so.
        #[test]
        fn what_is_told_is_in_turn_and_ends_with_the_truth(
            steps in proptest::collection::vec((0_u8..5, 0_u8..4), 0..200),
        ) {
            let mut changes = Changes::default();
            let (mut now, mut heard) = ([false; 4], [false; 4]);
            let hear = |changes: &mut Changes, heard: &mut [bool; 4]| {
                if let Some((_, Change { channel, is_occupied })) = changes.take() {
                    let heard = &mut heard[channel.parse::<usize>().unwrap()];
                    assert_ne!(std::mem::replace(heard, is_occupied), is_occupied, "twice the same");
                }
            };
            for (step, number) in steps {
                match step {
                    0..3 => {
                        let now = &mut now[usize::from(number)];
                        *now = !*now;
                        changes.note(change(number, *now));
                    }
                    3 => hear(&mut changes, &mut heard),
                    _ => if let Some((place, change)) = changes.take() {
                        changes.put_back(place, change);
                    }
                }
                prop_assert!(changes.order.len() <= 4 && changes.order.len() == changes.places.len());
            }
            while !changes.is_empty() {
                hear(&mut changes, &mut heard);
            }
            prop_assert_eq!(heard, now);
        }
    }
}
