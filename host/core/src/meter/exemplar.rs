//! Which trace shows what a histogram counts: of each range the last that was recorded, and no more.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};
use tengen_wire::trace::TraceContext;

/// A time that was counted, and the trace in which it was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exemplar {
    pub trace_id: u128,
    pub span_id: u64,
    pub time: Duration,
    /// When that was.
    pub at: SystemTime,
}

impl Exemplar {
    /// None where the trace is not recorded: it would lead to nothing.
    pub fn of(trace: &TraceContext, time: Duration, at: SystemTime) -> Option<Self> {
        let TraceContext { trace_id, span_id, sampled, .. } = *trace;
        sampled.then_some(Self { trace_id, span_id, time, at })
    }
}

/// By range.
pub(super) type ByRange = BTreeMap<usize, Exemplar>;

/// What a histogram keeps of them. Empty, it takes up no memory of its own.
#[derive(Debug, Default)]
pub(super) struct Exemplars(Mutex<ByRange>);

impl Exemplars {
    /// In place of the one before. Nobody waits: where somebody else is at it, theirs is as good.
    pub(super) fn put(&self, range: usize, exemplar: Exemplar) {
        if let Ok(mut all) = self.0.try_lock() {
            all.insert(range, exemplar);
        }
    }

    /// Adds them to those of other parts: the newest of each range stays.
    pub(super) fn read_into(&self, into: &mut ByRange) {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (range, exemplar) in &*all {
            if into.get(range).is_none_or(|other| other.at <= exemplar.at) {
                into.insert(*range, exemplar.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exemplar(seconds: u64) -> Exemplar {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        Exemplar { trace_id: 1, span_id: seconds, time: Duration::ZERO, at }
    }

    #[test]
    fn of_all_parts_the_newest_is_shown() {
        let [older, newer] = [5, 9].map(|seconds| {
            let part = Exemplars::default();
            part.put(3, exemplar(seconds));
            part
        });
        for parts in [[&older, &newer], [&newer, &older]] {
            let mut all = ByRange::new();
            parts.into_iter().for_each(|part| part.read_into(&mut all));
            assert_eq!(all, ByRange::from([(3, exemplar(9))]));
        }
    }

    #[test]
    fn who_finds_somebody_else_at_it_goes_on_without_a_word() {
        let exemplars = Exemplars::default();
        let held = exemplars.0.lock().unwrap();
        exemplars.put(3, exemplar(1));
        drop(held);
        let mut all = ByRange::new();
        exemplars.read_into(&mut all);
        assert!(all.is_empty());
    }

    #[test]
    fn a_trace_that_is_not_recorded_shows_nothing() {
        let trace = TraceContext { trace_id: 1, span_id: 2, sampled: false, state: None };
        let of = |trace: &TraceContext| Exemplar::of(trace, Duration::ZERO, SystemTime::UNIX_EPOCH);
        assert_eq!(of(&trace), None);
        let recorded = of(&TraceContext { sampled: true, ..trace }).unwrap();
        assert_eq!((recorded.trace_id, recorded.span_id), (1, 2));
    }
}
