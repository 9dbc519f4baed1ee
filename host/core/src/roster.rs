//! Who is subscribed to a channel: a list that somebody may walk through while it changes.

use foldhash::fast::RandomState;
use std::{collections::HashMap, sync::Arc};
use tengen_wire::id::Handle;

/// Members of a page, which are copied where one of them comes or goes while somebody walks.
pub const PAGE: usize = 256;

/// One of a channel's members, as the roster finds it.
pub trait Member: Clone {
    fn handle(&self) -> Handle;
}

/// Members in pages. All pages but the last one are full.
///
/// Whoever walks has a [`Snapshot`], which shares the pages. A change copies what it touches and is shared: the list of
/// pages and two of them at most, and each of these once for each snapshot. So nobody who comes or goes waits for a walk.
#[derive(Debug)]
pub struct Roster<M> {
    pages: Arc<Vec<Arc<Vec<M>>>>,
    places: HashMap<Handle, usize, RandomState>,
}

/// The members at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot<M> {
    pages: Arc<Vec<Arc<Vec<M>>>>,
    count: usize,
}

impl<M> Default for Roster<M> {
    fn default() -> Self {
        Self { pages: Arc::default(), places: HashMap::default() }
    }
}

impl<M: Member> Roster<M> {
    /// One that has the handle already is replaced.
    pub fn insert(&mut self, member: M) {
        let (handle, end) = (member.handle(), self.places.len());
        if let Some(place) = self.places.get(&handle).copied() {
            self.put(place, member);
            return;
        }
        self.places.insert(handle, end);
        let pages = Arc::make_mut(&mut self.pages);
        match pages.last_mut() {
            Some(last) if last.len() < PAGE => Arc::make_mut(last).push(member),
            _ => pages.push(Arc::new(vec![member])),
        }
    }

    /// Takes out the member with this handle, if it is this one. The last one gets its place.
    pub fn remove(&mut self, handle: Handle, is: impl FnOnce(&M) -> bool) -> bool {
        let Some(place) = self.places.get(&handle).copied() else { return false };
        if !self.get(place).is_some_and(is) {
            return false;
        }
        self.places.remove(&handle);
        if let Some(last) = self.pop()
            && last.handle() != handle
        {
            self.places.insert(last.handle(), place);
            self.put(place, last);
        }
        true
    }

    fn get(&self, place: usize) -> Option<&M> {
        self.pages.get(place / PAGE)?.get(place % PAGE)
    }

    fn put(&mut self, place: usize, member: M) {
        let page = Arc::make_mut(&mut self.pages).get_mut(place / PAGE);
        if let Some(old) = page.and_then(|page| Arc::make_mut(page).get_mut(place % PAGE)) {
            *old = member;
        }
    }

    fn pop(&mut self) -> Option<M> {
        let pages = Arc::make_mut(&mut self.pages);
        let page = Arc::make_mut(pages.last_mut()?);
        let last = page.pop();
        if page.is_empty() {
            pages.pop();
        } else if page.capacity() > 4 * page.len() + 16 {
            page.shrink_to(2 * page.len());
        }
        last
    }

    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub fn snapshot(&self) -> Snapshot<M> {
        Snapshot { pages: Arc::clone(&self.pages), count: self.len() }
    }
}

impl<M> Snapshot<M> {
    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The members of a page, by its number from 0; none behind the last.
    pub fn page(&self, number: usize) -> Option<&[M]> {
        self.pages.get(number).map(|page| page.as_slice())
    }

    pub fn iter(&self) -> impl Iterator<Item = &M> {
        self.pages.iter().flat_map(|page| page.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// A handle, and which of those that had it.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    struct Someone(u32, u32);

    impl Member for Someone {
        fn handle(&self) -> Handle {
            Handle(self.0)
        }
    }

    fn all(snapshot: &Snapshot<Someone>) -> Vec<Someone> {
        let mut all: Vec<_> = snapshot.iter().copied().collect();
        all.sort_unstable();
        all
    }

    #[test]
    fn a_walk_meets_those_who_were_in_when_it_began() {
        let mut roster = Roster::default();
        let count = 2 * PAGE as u32 + 10;
        (0..count).for_each(|number| roster.insert(Someone(number, 0)));
        let walk = roster.snapshot();
        let before = all(&walk);
        assert!(roster.remove(Handle(1), |_| true) && !roster.remove(Handle(600), |_| true));
        roster.insert(Someone(9_000, 0));
        (300..500).for_each(|number| assert!(roster.remove(Handle(number), |_| true)));
        assert_eq!((all(&walk), walk.len()), (before, count as usize));
        assert_eq!(roster.snapshot().len(), count as usize - 200);
    }

    #[test]
    fn a_change_copies_what_it_touches_and_that_once() {
        let mut roster = Roster::default();
        (0..10 * PAGE as u32).for_each(|number| roster.insert(Someone(number, 0)));
        let walk = roster.snapshot();
        for number in 0..PAGE as u32 {
            roster.insert(Someone(number, 1));
        }
        let shared = |(ours, theirs): (&Arc<Vec<_>>, &Arc<Vec<_>>)| Arc::ptr_eq(ours, theirs);
        let same = roster.pages.iter().zip(walk.pages.iter()).map(shared);
        assert_eq!(same.filter(|same| *same).count(), 9, "all but the page that changed");
        drop(walk);
        let before = Arc::as_ptr(&roster.pages);
        roster.insert(Someone(7, 2));
        assert_eq!(before, Arc::as_ptr(&roster.pages), "nobody walks: nothing is copied");
    }

    #[test]
    fn only_the_one_that_is_meant_is_taken_out() {
        let mut roster = Roster::default();
        roster.insert(Someone(1, 0));
        roster.insert(Someone(1, 1));
        assert!(!roster.remove(Handle(1), |someone| someone.1 == 0), "that one was replaced");
        assert!(roster.remove(Handle(1), |someone| someone.1 == 1));
        assert!(roster.is_empty() && roster.pages.is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_roster_is_a_map_by_handle(
            steps in proptest::collection::vec((0..5, 0_u32..600, 0_u32..3), 0..900),
        ) {
            let (mut roster, mut model) = (Roster::default(), BTreeMap::new());
            let mut walks: Vec<(Snapshot<Someone>, Vec<Someone>)> = Vec::new();
            for (place, (step, number, which)) in steps.into_iter().enumerate() {
                match step {
                    0..3 => {
                        roster.insert(Someone(number, which));
                        model.insert(number, which);
                    }
                    3 => {
                        let is_it = model.get(&number) == Some(&which);
                        let removed = roster.remove(Handle(number), |member| member.1 == which);
                        prop_assert_eq!(removed, is_it);
                        if is_it {
                            model.remove(&number);
                        }
                    }
                    _ => {
                        let walk = roster.snapshot();
                        let met = all(&walk);
                        walks.push((walk, met));
                        walks.truncate(4);
                    }
                }
                prop_assert_eq!(roster.len(), model.len());
                if place % 50 != 0 {
                    continue;
                }
                let expected: Vec<_> =
                    model.iter().map(|(number, which)| Someone(*number, *which)).collect();
                prop_assert_eq!(all(&roster.snapshot()), expected);
                let full = roster.pages.iter().rev().skip(1).all(|page| page.len() == PAGE);
                prop_assert!(full, "only the last page may have room");
            }
            for (walk, met) in walks {
                prop_assert_eq!(all(&walk), met);
            }
        }
    }
}
