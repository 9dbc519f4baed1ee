//! Counts by labels, for what is rare.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

/// Counts by a label that is made of a few values of ours: never of what a peer or a guest says.
#[derive(Debug)]
pub struct ByLabel<L>(Mutex<BTreeMap<L, u64>>);

impl<L> Default for ByLabel<L> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<L: Ord + Clone> ByLabel<L> {
    pub fn add(&self, label: L, count: u64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(label).or_default() += count;
    }

    /// What never happened is not in it.
    pub fn all(&self) -> BTreeMap<L, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_label_has_a_count_of_its_own() {
        let counts = ByLabel::default();
        counts.add(("origin", 403), 1);
        counts.add(("full", 503), 2);
        counts.add(("origin", 403), 3);
        assert_eq!(counts.all(), BTreeMap::from([(("full", 503), 2), (("origin", 403), 4)]));
    }
}
