//! Where routes stand in the order, and lists of that read as one.

use std::collections::BTreeMap;
use tengen_wire::id::EndpointIndex;

/// Where a route stands: the lower, the earlier.
pub(crate) type Place = u32;

/// The places of some routes, each list in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    /// Those of all endpoints,
    of_all: Vec<Place>,
    /// and those of one. Apart, so that no event looks at the routes of other endpoints.
    of_one: BTreeMap<EndpointIndex, Vec<Place>>,
}

impl Places {
    /// A place behind all that are there.
    pub(super) fn add(&mut self, endpoint: Option<EndpointIndex>, place: Place) {
        match endpoint {
            None => self.of_all.push(place),
            Some(endpoint) => self.of_one.entry(endpoint).or_default().push(place),
        }
    }
}

/// Lists in one [`Merged`] that need no memory of their own: an id that is routed as it is, by its namespace and by `*`,
/// some of it for its endpoint alone.
const FEW: usize = 4;

/// Several lists of places, read as one in order. Reads no further than it is asked to.
#[derive(Debug, Default)]
pub(super) struct Merged<'a> {
    few: [&'a [Place]; FEW],
    /// How many of them there are.
    used: usize,
    more: Vec<&'a [Place]>,
}

impl<'a> Merged<'a> {
    /// These as well, those of other endpoints aside.
    pub(super) fn add(&mut self, places: &'a Places, endpoint: EndpointIndex) {
        self.add_list(&places.of_all);
        if let Some(own) = places.of_one.get(&endpoint) {
            self.add_list(own);
        }
    }

    fn add_list(&mut self, list: &'a [Place]) {
        if list.is_empty() {
            return;
        }
        match self.few.get_mut(self.used) {
            Some(free) => {
                *free = list;
                self.used += 1;
            }
            None => self.more.push(list),
        }
    }
}

impl Iterator for Merged<'_> {
    type Item = Place;

    fn next(&mut self) -> Option<Place> {
        let list = match self {
            Self { few: [only, ..], used: ..=1, .. } => only,
            Self { few, used, more } => {
                let lists = few.iter_mut().take(*used).chain(more);
                let lists = lists.inspect(|_| super::step()).filter(|list| !list.is_empty());
                // No place is in two lists: a route has one pattern.
                lists.min_by_key(|list| list.first().copied())?
            }
        };
        super::step();
        let (next, rest) = list.split_first()?;
        *list = rest;
        Some(*next)
    }
}

/// Numbers that came by already. The first 128 need no memory of their own.
#[derive(Debug, Default)]
pub(super) struct Seen {
    few: u128,
    more: Vec<u64>,
}

impl Seen {
    /// Whether this one came by before. From now on it did.
    pub(super) fn again(&mut self, number: u32) -> bool {
        if let Some(bit) = 1_u128.checked_shl(number) {
            let before = self.few & bit != 0;
            self.few |= bit;
            return before;
        }
        let number = number - u128::BITS;
        let (word, bit) = ((number / u64::BITS) as usize, 1_u64 << (number % u64::BITS));
        if self.more.len() <= word {
            self.more.resize(word + 1, 0);
        }
        let Some(word) = self.more.get_mut(word) else { return false };
        let before = *word & bit != 0;
        *word |= bit;
        before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_in_order_however_many_there_are() {
        let mut all = Vec::new();
        for number in 0..10 {
            let mut places = Places::default();
            places.add(None, number);
            places.add(Some(EndpointIndex(1)), 20 + number);
            places.add(Some(EndpointIndex(2)), 40 + number);
            places.add(None, 60 + number);
            all.push(places);
        }
        let mut merged = Merged::default();
        all.iter().rev().for_each(|places| merged.add(places, EndpointIndex(1)));
        let expected: Vec<_> = (0..10).chain(20..30).chain(60..70).collect();
        assert_eq!(merged.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn one_list_is_read_as_it_is_and_none_is_empty() {
        let (mut places, mut merged) = (Places::default(), Merged::default());
        places.add(Some(EndpointIndex(0)), 3);
        places.add(Some(EndpointIndex(0)), 7);
        merged.add(&places, EndpointIndex(1));
        assert_eq!(merged.next(), None);
        merged.add(&places, EndpointIndex(0));
        assert_eq!(merged.collect::<Vec<_>>(), [3, 7]);
    }

    #[test]
    fn a_number_is_new_once() {
        let mut seen = Seen::default();
        let numbers = [0, 127, 128, 129, 191, 192, 1000, 300];
        assert!(numbers.iter().all(|number| !seen.again(*number)));
        assert!(numbers.iter().all(|number| seen.again(*number)));
        assert!(!seen.again(1) && !seen.again(193) && !seen.again(1001));
    }
}
