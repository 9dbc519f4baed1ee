//! Effects that were not carried out: counted by kind and reason, and told where somebody can do something about it.

use super::Kind;
use crate::security;
use std::collections::BTreeMap;
use tengen_wire::{
    fault::{self, Fault, FaultId},
    id::PluginName,
};

/// An effect that was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Refused {
    /// The causing event's place in the batch, if there is one.
    pub by: Option<u32>,
    pub kind: Kind,
    /// By which the plugin hears of it.
    pub key: Option<String>,
    pub why: Fault,
}

/// So many of one kind, refused for one reason, and what the first of them was told.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tally {
    pub kind: Kind,
    pub why: Fault,
    pub count: u64,
}

impl Tally {
    /// Tells the operator, once for each kind and reason: what it was, and what can be done about it.
    pub fn tell(&self, plugin: &PluginName) {
        let (effect, reason) = (self.kind.word(), self.why.id.word());
        let (message, remedy) = (&self.why.message, self.kind.remedy(self.why.id));
        if self.why.id == FaultId::Closed {
            // Nothing is wrong: connections end while somebody still has something for them.
            tracing::info!(%plugin, effect, reason, "an effect was refused: {message}; further ones are only counted");
            return;
        }
        if self.why.id == FaultId::Conflict {
            // Somebody else was first, which is what comparing is for.
            tracing::info!(%plugin, effect, reason, "an effect was refused: {message}; further ones are only counted");
            return;
        }
        if self.why.id == FaultId::NotAllowed {
            tracing::warn!(name: security::GRANT, %plugin, effect, reason, "an effect was refused: {message}. {remedy}. Further ones of this kind are only counted: see `tengen plugin list`");
            return;
        }
        tracing::warn!(%plugin, effect, reason, "an effect was refused: {message}. {remedy}. Further ones of this kind are only counted: see `tengen plugin list`");
    }
}

/// Counts of what was refused.
#[derive(Debug, Default)]
pub struct Refusals([fault::Counts; Kind::ALL.len()]);

impl Refusals {
    /// True when these are the first of their kind and reason.
    pub fn add(&self, tally: &Tally) -> bool {
        self.0.get(tally.kind as usize).is_some_and(|of| of.add(tally.why.id, tally.count) == 0)
    }

    pub fn total(&self) -> u64 {
        self.0.iter().map(fault::Counts::total).sum()
    }

    /// By reason, and in that by kind; what never happened is left out.
    pub fn all(&self) -> BTreeMap<&'static str, BTreeMap<&'static str, u64>> {
        let mut all = BTreeMap::<_, BTreeMap<_, _>>::new();
        for (kind, of) in Kind::ALL.iter().zip(&self.0) {
            for (reason, count) in of.all() {
                all.entry(reason).or_default().insert(kind.word(), count);
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_counted_by_reason_and_kind_and_the_first_is_known() {
        let refusals = Refusals::default();
        let tally = |kind, id, count| Tally { kind, why: Fault::new(id, "because"), count };
        assert!(refusals.add(&tally(Kind::Push, FaultId::NotAllowed, 1)));
        assert!(!refusals.add(&tally(Kind::Push, FaultId::NotAllowed, 2)));
        assert!(refusals.add(&tally(Kind::Push, FaultId::Closed, 1)), "another reason");
        assert!(refusals.add(&tally(Kind::Subscribe, FaultId::NotAllowed, 4)), "another kind");
        let expected = BTreeMap::from([
            ("closed", BTreeMap::from([("push", 1)])),
            ("not-allowed", BTreeMap::from([("push", 3), ("subscribe", 4)])),
        ]);
        assert_eq!((refusals.all(), refusals.total()), (expected, 8));
    }
}
