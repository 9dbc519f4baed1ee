//! Values by numbers that are counted up.
//!
//! Most are taken out soon, in the order in which they came: these are found by a subtraction. Few stay long; so that they
//! do not keep the places of all that came after them, they move to where only what is there takes a place.

use std::collections::VecDeque;

/// How many places more than values there may be before old values move.
const SLACK: usize = 1024;

/// A queue whose values can be taken out by number. The numbers that others know have so many bits, and are told apart as long
/// as the oldest is no further back than these can count, see [`Numbered::is_full`].
#[derive(Debug)]
pub(super) struct Numbered<T> {
    next: u64,
    /// The bits of a number that others know.
    mask: u32,
    len: usize,
    /// The newest, without gaps in their numbers.
    young: VecDeque<Option<T>>,
    /// All before them, with their numbers, in order.
    old: VecDeque<(u64, Option<T>)>,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Young(usize),
    Old(usize),
}

impl<T> Numbered<T> {
    /// `bits`: of a number, 32 at most.
    pub(super) fn new(bits: u32) -> Self {
        let mask = u32::MAX.checked_shr(u32::BITS - bits).unwrap_or(0);
        Self { next: 1, mask, len: 0, young: VecDeque::new(), old: VecDeque::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether the next number would be one that is in use.
    pub(super) fn is_full(&self) -> bool {
        let oldest = match self.old.front() {
            Some((number, _)) => *number,
            None => self.next - self.young.len() as u64,
        };
        self.next - oldest >= u64::from(self.mask)
    }

    /// The number that the next value gets.
    pub(super) fn next(&self) -> u32 {
        self.known(self.next)
    }

    fn known(&self, number: u64) -> u32 {
        number as u32 & self.mask
    }

    pub(super) fn push(&mut self, value: T) {
        self.young.push_back(Some(value));
        self.next += 1;
        self.len += 1;
        if self.young.len() > 4 * self.len + SLACK {
            self.age();
        }
    }

    pub(super) fn get(&self, number: u32) -> Option<&T> {
        match self.place(number)? {
            Place::Young(place) => self.young.get(place)?.as_ref(),
            Place::Old(place) => self.old.get(place)?.1.as_ref(),
        }
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        match self.place(number)? {
            Place::Young(place) => self.young.get_mut(place)?.as_mut(),
            Place::Old(place) => self.old.get_mut(place)?.1.as_mut(),
        }
    }

    pub(super) fn remove(&mut self, number: u32) -> Option<T> {
        let value = match self.place(number)? {
            Place::Young(place) => self.young.get_mut(place)?.take()?,
            Place::Old(place) => self.old.get_mut(place)?.1.take()?,
        };
        self.len -= 1;
        self.close_gaps();
        Some(value)
    }

    /// The oldest, if it is to go.
    pub(super) fn pop_if(&mut self, is_to_go: impl FnOnce(&T) -> bool) -> Option<(u32, T)> {
        let (number, oldest) = match self.old.front() {
            Some((number, value)) => (*number, value.as_ref()?),
            None => (self.next - self.young.len() as u64, self.young.front()?.as_ref()?),
        };
        if !is_to_go(oldest) {
            return None;
        }
        let number = self.known(number);
        Some((number, self.remove(number)?))
    }

    fn place(&self, number: u32) -> Option<Place> {
        let back = (self.next as u32).wrapping_sub(number) & self.mask;
        if let Some(place) = self.young.len().checked_sub(back as usize) {
            return (back > 0).then_some(Place::Young(place));
        }
        let number = self.next.checked_sub(back.into())?;
        self.old.binary_search_by_key(&number, |(number, _)| *number).ok().map(Place::Old)
    }

    /// What is first is there: a queue that begins with a gap has none.
    fn close_gaps(&mut self) {
        while let Some((_, None)) = self.old.front() {
            self.old.pop_front();
        }
        if self.old.is_empty() {
            while let Some(None) = self.young.front() {
                self.young.pop_front();
            }
        }
        if self.old.len() > 2 * self.len + SLACK {
            self.old.retain(|(_, value)| value.is_some());
        }
    }

    /// The older half of the young moves: each value once, whatever comes.
    fn age(&mut self) {
        let (first, half) = (self.next - self.young.len() as u64, self.young.len() / 2);
        let numbered = (first..).zip(self.young.drain(..half));
        self.old.extend(numbered.filter(|(_, value)| value.is_some()));
        self.close_gaps();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    impl<T> Numbered<T> {
        fn places(&self) -> usize {
            self.young.len() + self.old.len()
        }
    }

    #[test]
    fn who_stays_long_does_not_keep_the_places_of_those_who_came_later() {
        let mut numbered = Numbered::new(26);
        let first = numbered.next();
        numbered.push(0);
        for value in 1..1_000_000 {
            let number = numbered.next();
            numbered.push(value);
            assert_eq!(numbered.remove(number), Some(value));
            assert!(numbered.places() <= 2 * SLACK);
        }
        assert_eq!(numbered.get(first), Some(&0));
        assert_eq!(numbered.pop_if(|_| true), Some((first, 0)));
        assert_eq!((numbered.len(), numbered.places()), (0, 0));
    }

    #[test]
    fn numbers_go_on_where_their_bits_end_and_none_is_given_twice() {
        for bits in [26, 32] {
            check_the_end_of(u32::MAX >> (32 - bits), Numbered::new(bits));
        }
    }

    fn check_the_end_of(last: u32, numbered: Numbered<usize>) {
        let mut numbered = Numbered { next: u64::from(last) - 1, ..numbered };
        for (value, number) in [last - 1, last, 0, 1].into_iter().enumerate() {
            assert_eq!(numbered.next(), number);
            numbered.push(value);
        }
        assert_eq!(
            [last - 1, last, 0, 1, 2].map(|number| numbered.get(number).copied()),
            [Some(0), Some(1), Some(2), Some(3), None]
        );
        numbered.age();
        assert_eq!([last, 1].map(|number| numbered.get(number).copied()), [Some(1), Some(3)]);
        numbered.remove(0);
        numbered.remove(1);
        numbered.close_gaps();
        numbered.age();
        numbered.next += u64::from(last) - 5;
        assert!(!numbered.is_full());
        numbered.next += 1;
        assert!(numbered.is_full(), "the next one would be the first one's");
    }

    proptest! {
        #[test]
        fn it_is_a_map_whose_keys_count_up(steps in proptest::collection::vec(0_u32..4000, 0..3000)) {
            let (mut numbered, mut model) = (Numbered::new(26), BTreeMap::new());
            for step in steps {
                match step {
                    0..2500 => {
                        let number = numbered.next();
                        prop_assert!(model.insert(number, step).is_none());
                        numbered.push(step);
                        prop_assert!(numbered.places() <= 6 * model.len() + 2 * SLACK);
                    }
                    2500..2600 => {
                        let oldest = model.pop_first();
                        prop_assert_eq!(numbered.pop_if(|_| true), oldest);
                    }
                    number => {
                        let number = number - 2500;
                        prop_assert_eq!(numbered.get(number), model.get(&number));
                        prop_assert_eq!(numbered.get_mut(number), model.get_mut(&number));
                        prop_assert_eq!(numbered.remove(number), model.remove(&number));
                    }
                }
                prop_assert_eq!(numbered.len(), model.len());
            }
        }
    }
}
