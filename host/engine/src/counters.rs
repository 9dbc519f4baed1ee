//! What is counted of one plugin over all its versions and instances.

use crate::text::plain;
use serde::Serialize;
use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};
use tengen_core::{effect::Refusals, often::Often};
use tengen_wire::fault;

/// Names of a plugin's own counters and histograms that are kept.
const NAMES: usize = 64;

/// Shared by everything that runs a plugin.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// Calls of the exported functions of its roles.
    pub(super) calls: AtomicU64,
    /// Events handed to it.
    pub(super) events: AtomicU64,
    /// Events and requests that it failed, for whatever reason.
    pub(super) errors: AtomicU64,
    pub(super) traps: AtomicU64,
    pub(super) overruns: AtomicU64,
    pub(super) refused: Refusals,
    /// Events that were not taken.
    pub(super) declined: fault::Counts,
    pub(super) dropped_signals: AtomicU64,
    /// How often an instance was lost that had a state to hand over.
    pub(super) lost_states: AtomicU64,
    pub(super) reloads: AtomicU64,
    pub(super) failed_reloads: AtomicU64,
    pub(super) restarts: AtomicU64,
    /// How often the gateway itself failed at its events.
    pub(super) panics: AtomicU64,
    /// How often it was left out of the path because it kept failing.
    pub(super) breaker_opened: AtomicU64,
    /// Connections that were left alone because their events kept breaking it.
    pub(super) shunned: AtomicU64,
    /// Answers of its authenticator that could not be used, by what was wrong with them.
    pub(super) mistakes: ByReason,
    /// Instances that there are.
    pub(super) instances: AtomicUsize,
    /// Linear memory of all its instances, in bytes.
    pub(super) memory: AtomicUsize,
    /// What it counts itself.
    pub(super) own: Own,
    /// What its guests and its peers make happen again and again, and somebody should look at.
    pub(super) notable: Often,
}

/// Adds one.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Counts by reason. The reasons are ours, so they are few.
#[derive(Debug, Default)]
pub(super) struct ByReason(Mutex<BTreeMap<&'static str, u64>>);

impl ByReason {
    pub(super) fn count(&self, reason: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(reason).or_default() += 1;
    }

    pub(super) fn all(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A plugin's own counters and histograms, by name; bounded, since names come from the guest.
#[derive(Debug, Default)]
pub(super) struct Own {
    by_name: Mutex<BTreeMap<String, Measure>>,
    /// Values that were not counted: under one name too many, or no numbers.
    dropped: AtomicU64,
}

/// One of a plugin's own measures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Measure {
    /// How often it was added to or observed.
    pub count: u64,
    pub sum: f64,
}

impl Own {
    pub(super) fn add(&self, name: &str, by: u64) {
        // Exact up to 2^53, which no plugin counts to.
        self.observe(name, by as f64);
    }

    pub(super) fn observe(&self, name: &str, value: f64) {
        if !value.is_finite() || !self.takes(name, value) {
            let before = self.dropped.fetch_add(1, Ordering::Relaxed);
            if before == 0 {
                let name = plain(name, 64);
                tracing::warn!(%name, value, "a plugin's own measure is not kept: it has {NAMES} names already, or this is no number. Further ones are only counted");
            }
        }
    }

    fn takes(&self, name: &str, value: f64) -> bool {
        let mut own = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        let name = plain(name, 64);
        if own.len() >= NAMES && !own.contains_key(&name) {
            return false;
        }
        let measure = own.entry(name).or_default();
        measure.count += 1;
        measure.sum += value;
        true
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    pub(super) fn all(&self) -> BTreeMap<String, Measure> {
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_cannot_have_more_names_than_the_bound() {
        let own = Own::default();
        for number in 0..NAMES + 10 {
            own.add(&format!("n{number}"), 2);
        }
        own.observe("n0", f64::NAN);
        own.add("n0", 3);
        let all = own.all();
        assert_eq!((all.len(), own.dropped()), (NAMES, 11), "what is not kept is counted");
        assert_eq!(all.get("n0"), Some(&Measure { count: 2, sum: 5.0 }));
    }
}
