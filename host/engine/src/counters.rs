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
use tengen_core::{
    meter::{PluginHappened, PluginTotals},
    often::Often,
};

/// Names of a plugin's own counters and histograms that are kept.
const NAMES: usize = 64;

/// Shared by everything that runs a plugin.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) meter: PluginTotals,
    /// Instances that there are.
    pub(super) instances: AtomicUsize,
    /// Linear memory of all its instances, in bytes.
    pub(super) memory: AtomicUsize,
    /// What it counts itself.
    pub(super) own: Own,
    /// What its guests and its peers make happen again and again, and somebody should look at.
    pub(super) notable: Often,
}

impl Counters {
    pub(super) fn note(&self, what: PluginHappened) {
        self.meter.note(what);
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
    /// How often it was added to, observed or set.
    pub count: u64,
    pub sum: f64,
    /// The value that a gauge was set to last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<f64>,
}

impl Own {
    pub(super) fn add(&self, name: &str, by: u64) {
        // Exact up to 2^53, which no plugin counts to.
        self.observe(name, by as f64);
    }

    pub(super) fn observe(&self, name: &str, value: f64) {
        self.note(name, value, |measure| measure.sum += value);
    }

    /// A gauge has no sum.
    pub(super) fn set(&self, name: &str, value: f64) {
        self.note(name, value, |measure| measure.last = Some(value));
    }

    fn note(&self, name: &str, value: f64, change: impl FnOnce(&mut Measure)) {
        if !value.is_finite() || !self.takes(name, change) {
            let before = self.dropped.fetch_add(1, Ordering::Relaxed);
            if before == 0 {
                let name = plain(name, 64);
                tracing::warn!(%name, value, "a plugin's own measure is not kept: it has {NAMES} names already, or this is no number. Further ones are only counted");
            }
        }
    }

    fn takes(&self, name: &str, change: impl FnOnce(&mut Measure)) -> bool {
        let mut own = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        let name = plain(name, 64);
        if own.len() >= NAMES && !own.contains_key(&name) {
            return false;
        }
        let measure = own.entry(name).or_default();
        measure.count += 1;
        change(measure);
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
        assert_eq!(all.get("n0"), Some(&Measure { count: 2, sum: 5.0, last: None }));
        own.set("n1", 7.0);
        own.set("n1", 3.0);
        let expected = Measure { count: 3, sum: 2.0, last: Some(3.0) };
        assert_eq!(own.all().get("n1"), Some(&expected), "a gauge is not summed up");
    }
}
