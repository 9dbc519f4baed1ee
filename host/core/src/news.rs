//! What somebody is to hear of things that may be so or not: of each in turn, and in the end what is so.
//!
//! What changes is only marked, and looked at when there is room to tell of it. So it does not matter in which order several say that
//! something has changed, and what is taken back before it was told is not told at all.

use crate::handler::Knows;
use std::{
    collections::{HashSet, VecDeque},
    hash::Hash,
};

/// What was told to be so, and what has to be looked at.
#[derive(Debug)]
pub struct News<K> {
    told: HashSet<K>,
    marked: VecDeque<K>,
    among: HashSet<K>,
}

impl<K> Default for News<K> {
    fn default() -> Self {
        Self { told: HashSet::new(), marked: VecDeque::new(), among: HashSet::new() }
    }
}

impl<K: Clone + Eq + Hash> News<K> {
    /// It may have changed.
    pub fn mark(&mut self, key: &K) {
        if self.among.insert(key.clone()) {
            self.marked.push_back(key.clone());
        }
    }

    /// The first of what was marked that is not as it was told, and whether it is so. It is marked no more: it has been told
    /// ([`News::tell`]), or not ([`News::put_back`]).
    pub fn take(&mut self, is_so: impl Fn(&K) -> bool) -> Option<(K, bool)> {
        while let Some(key) = self.marked.pop_front() {
            self.among.remove(&key);
            let now = is_so(&key);
            if now != self.told.contains(&key) {
                return Some((key, now));
            }
        }
        None
    }

    pub fn tell(&mut self, key: K, is_so: bool) {
        match is_so {
            true => drop(self.told.insert(key)),
            false => drop(self.told.remove(&key)),
        }
    }

    /// There was no room: it is the first again.
    pub fn put_back(&mut self, key: K) {
        if self.among.insert(key.clone()) {
            self.marked.push_front(key);
        }
    }

    /// Whoever hears of these begins, and knows so much of what was told. What was told to be so and is so is for
    /// [`News::is_so`].
    pub fn begin_anew(&mut self, knows: Knows, is_its: impl Fn(&K) -> bool) {
        match knows {
            Knows::Nothing => self.told.retain(|key| !is_its(key)),
            Knows::Older | Knows::All => {
                let told: Vec<_> = self.told.iter().filter(|key| is_its(key)).cloned().collect();
                told.iter().for_each(|key| self.mark(key));
            }
        }
    }

    /// This is so: it is told to whoever begins and does not know it for certain.
    pub fn is_so(&mut self, key: &K, knows: Knows) {
        if knows != Knows::All {
            self.told.remove(key);
        }
        self.mark(key);
    }

    /// What was told to be so.
    pub fn told(&self) -> impl Iterator<Item = &K> {
        self.told.iter()
    }

    /// Whether nothing is marked.
    pub fn is_empty(&self) -> bool {
        self.marked.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_taken_back_is_not_told_and_what_could_not_be_told_stays_first() {
        let mut news = News::default();
        for key in [1, 2, 1, 3] {
            news.mark(&key);
        }
        assert_eq!(news.take(|key| *key != 1), Some((2, true)));
        news.put_back(2);
        assert_eq!(news.take(|_| true), Some((2, true)));
        news.tell(2, true);
        news.mark(&2);
        assert_eq!(news.take(|key| *key == 3), Some((3, true)));
        assert_eq!(news.take(|_| false), Some((2, false)));
        assert!(news.is_empty() && news.take(|_| true).is_none());
    }

    #[test]
    fn who_begins_hears_of_what_it_does_not_know_and_of_what_is_no_more() {
        for (knows, expected) in [
            // Of `gone` nobody has told an instance that knows nothing.
            (Knows::Nothing, vec![("here", true), ("new", true)]),
            (Knows::Older, vec![("gone", false), ("here", true), ("new", true)]),
            (Knows::All, vec![("gone", false), ("new", true)]),
        ] {
            let mut news = News::default();
            for key in ["gone", "here", "another's"] {
                news.tell(key, true);
            }
            news.begin_anew(knows, |key| *key != "another's");
            let is_so = |key: &&str| ["here", "new", "another's"].contains(key);
            ["here", "new"].iter().for_each(|key| news.is_so(key, knows));
            let mut told = Vec::new();
            while let Some((key, is)) = news.take(is_so) {
                news.tell(key, is);
                told.push((key, is));
            }
            told.sort_unstable();
            assert_eq!(told, expected, "{knows:?}");
            // Else its end would be no news.
            assert!(news.told().any(|key| *key == "another's"), "{knows:?}");
        }
    }

    proptest! {
        /// Whoever listens now and then hears of each in turn, and in the end what is so.
        #[test]
        fn what_is_told_is_in_turn_and_ends_with_the_truth(
            steps in proptest::collection::vec((0_u8..6, 0_usize..4), 0..200),
        ) {
            let mut news = News::default();
            let (mut now, mut heard) = ([false; 4], [false; 4]);
            for (step, key) in steps {
                match step {
                    0..3 => {
                        now[key] = !now[key];
                        news.mark(&key);
                    }
                    3 => {
                        news.begin_anew(Knows::Nothing, |_| true);
                        heard = [false; 4];
                        (0..4).for_each(|key| news.mark(&key));
                    }
                    4 => if let Some((key, _)) = news.take(|key| now[*key]) {
                        news.put_back(key);
                    },
                    _ => if let Some((key, is_so)) = news.take(|key| now[*key]) {
                        prop_assert_ne!(std::mem::replace(&mut heard[key], is_so), is_so);
                        news.tell(key, is_so);
                    }
                }
                prop_assert!(news.marked.len() <= 4 && news.marked.len() == news.among.len());
            }
            while let Some((key, is_so)) = news.take(|key| now[*key]) {
                prop_assert_ne!(std::mem::replace(&mut heard[key], is_so), is_so);
                news.tell(key, is_so);
            }
            prop_assert_eq!(heard, now);
        }
    }
}
