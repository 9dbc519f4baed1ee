//! What happens to one plugin, over all its versions and instances.

use super::{ByLabel, Exemplar, Gathered, Histogram, Metric, Samples};
use crate::effect::{Refusals, Tally};
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use tengen_wire::fault::{self, FaultId};

/// What went wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    Trapped,
    OutOfMemory,
    /// There were too few addresses for its memory.
    OutOfAddresses,
    /// What it returned cannot be read.
    Unreadable,
    /// It computed for too long,
    Overran,
    /// or waited for too long.
    TimedOut,
    /// It handed over more than it may.
    TooMuch,
    /// It said itself that it failed; its instance lives.
    Returned,
}

impl Broken {
    pub const ALL: [Self; 8] = [
        Self::Trapped,
        Self::OutOfMemory,
        Self::OutOfAddresses,
        Self::Unreadable,
        Self::Overran,
        Self::TimedOut,
        Self::TooMuch,
        Self::Returned,
    ];

    /// The label in metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Trapped => "trap",
            Self::OutOfMemory => "out-of-memory",
            Self::OutOfAddresses => "out-of-addresses",
            Self::Unreadable => "unreadable",
            Self::Overran => "overrun",
            Self::TimedOut => "timeout",
            Self::TooMuch => "too-much",
            Self::Returned => "returned-error",
        }
    }

    /// Whether it is the plugin's time that was up.
    pub fn is_overrun(self) -> bool {
        matches!(self, Self::Overran | Self::TimedOut)
    }
}

/// One thing that happened to a plugin, or so many of it at once.
#[derive(Debug, Clone, Copy)]
pub enum PluginHappened {
    /// A function of its roles was called,
    Called,
    /// for so many events.
    Told(u64),
    /// A call of any function gave nothing.
    Broke(Broken),
    /// Events or requests failed: so many, and what their senders are told.
    Failed(FaultId, u64),
    /// Events were not taken.
    Declined(FaultId, u64),
    /// An answer of its authenticator could not be used.
    Unusable(&'static str),
    SignalsDropped(u64),
    /// An instance was lost that had a state to hand over.
    StateLost,
    /// Its state was saved for after a trap,
    Checkpointed,
    /// or could not be.
    CheckpointFailed,
    /// A new instance had all of the state of one that broke,
    StateRecovered,
    /// or what was saved last of it.
    StateRestored,
    /// A saved state was put aside, because nothing went well on it.
    StatePutAside,
    /// An instance that had grown was replaced by one with its state.
    Recycled,
    Reloaded,
    ReloadFailed,
    /// Its handler was started again.
    Restarted,
    /// The gateway itself failed at its events.
    Panicked,
    /// It was left out of the path because it kept failing.
    LeftOut,
    /// A connection was left alone because its events kept breaking it.
    Shunned,
}

/// How often each thing has happened. Written by who drives an instance of it: whoever has an event for the plugin writes to
/// its queue beside this.
#[derive(Debug, Default)]
pub struct PluginTotals {
    calls: AtomicU64,
    events: AtomicU64,
    broken: [AtomicU64; Broken::ALL.len()],
    failed: fault::Counts,
    declined: fault::Counts,
    unusable: ByLabel<&'static str>,
    refused: Refusals,
    dropped_signals: AtomicU64,
    lost_states: AtomicU64,
    checkpoints: AtomicU64,
    failed_checkpoints: AtomicU64,
    recovered_states: AtomicU64,
    restored_states: AtomicU64,
    states_put_aside: AtomicU64,
    recycled: AtomicU64,
    reloads: AtomicU64,
    failed_reloads: AtomicU64,
    restarts: AtomicU64,
    panics: AtomicU64,
    left_out: AtomicU64,
    shunned: AtomicU64,
    call_times: Histogram,
    waits: Histogram,
    event_times: Histogram,
}

impl PluginTotals {
    pub fn note(&self, what: PluginHappened) {
        let (counter, by) = match what {
            PluginHappened::Called => (&self.calls, 1),
            PluginHappened::Told(events) => (&self.events, events),
            PluginHappened::Broke(how) => match self.broken.get(how as usize) {
                Some(counter) => (counter, 1),
                None => return,
            },
            PluginHappened::Failed(why, count) => {
                self.failed.add(why, count);
                return;
            }
            PluginHappened::Declined(why, count) => {
                self.declined.add(why, count);
                return;
            }
            PluginHappened::Unusable(mistake) => return self.unusable.add(mistake, 1),
            PluginHappened::SignalsDropped(count) => (&self.dropped_signals, count),
            PluginHappened::StateLost => (&self.lost_states, 1),
            PluginHappened::Checkpointed => (&self.checkpoints, 1),
            PluginHappened::CheckpointFailed => (&self.failed_checkpoints, 1),
            PluginHappened::StateRecovered => (&self.recovered_states, 1),
            PluginHappened::StateRestored => (&self.restored_states, 1),
            PluginHappened::StatePutAside => (&self.states_put_aside, 1),
            PluginHappened::Recycled => (&self.recycled, 1),
            PluginHappened::Reloaded => (&self.reloads, 1),
            PluginHappened::ReloadFailed => (&self.failed_reloads, 1),
            PluginHappened::Restarted => (&self.restarts, 1),
            PluginHappened::Panicked => (&self.panics, 1),
            PluginHappened::LeftOut => (&self.left_out, 1),
            PluginHappened::Shunned => (&self.shunned, 1),
        };
        if by > 0 {
            counter.fetch_add(by, Ordering::Relaxed);
        }
    }

    /// Effects were not carried out. True when these are the first of their kind and reason.
    pub fn refused(&self, tally: &Tally) -> bool {
        self.refused.add(tally)
    }

    /// A call of a function of its roles has ended.
    pub fn call_took(&self, time: Duration) {
        self.call_times.record(time);
    }

    /// How long the events of a call had waited for it.
    pub fn waited(&self, times: &Gathered) {
        self.waits.add(times);
    }

    /// How old events were when they were decided.
    pub fn decided(&self, times: &Gathered) {
        self.event_times.add(times);
    }

    /// A trace that shows how long a call took,
    pub fn show_call(&self, exemplar: Exemplar) {
        self.call_times.show(exemplar);
    }

    /// and one that shows how long an event had waited for it, and how old it was then.
    pub fn show_event(&self, waited: Exemplar, decided: Exemplar) {
        self.waits.show(waited);
        self.event_times.show(decided);
    }

    /// What has happened until now.
    pub fn counts(&self) -> PluginCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let broken = Broken::ALL.into_iter().zip(&self.broken);
        PluginCounts {
            calls: read(&self.calls),
            events: read(&self.events),
            broken: broken.map(|(how, counter)| (how, read(counter))).collect(),
            failed: self.failed.all().collect(),
            declined: self.declined.all().collect(),
            unusable: self.unusable.all(),
            refused: self.refused.all(),
            dropped_signals: read(&self.dropped_signals),
            lost_states: read(&self.lost_states),
            checkpoints: read(&self.checkpoints),
            failed_checkpoints: read(&self.failed_checkpoints),
            recovered_states: read(&self.recovered_states),
            restored_states: read(&self.restored_states),
            states_put_aside: read(&self.states_put_aside),
            recycled: read(&self.recycled),
            reloads: read(&self.reloads),
            failed_reloads: read(&self.failed_reloads),
            restarts: read(&self.restarts),
            panics: read(&self.panics),
            left_out: read(&self.left_out),
            shunned: read(&self.shunned),
        }
    }

    /// How long things took.
    pub fn collect_times(&self, plugin: &str, into: &mut Samples) {
        into.add(Metric::PluginCallTime, &[plugin], self.call_times.read());
        into.add(Metric::PluginWaitTime, &[plugin], self.waits.read());
        into.add(Metric::PluginEventTime, &[plugin], self.event_times.read());
    }
}

/// What [`PluginTotals`] held when they were read. By reason: what never happened is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PluginCounts {
    pub calls: u64,
    pub events: u64,
    /// All kinds, in their order.
    pub broken: Vec<(Broken, u64)>,
    pub failed: BTreeMap<&'static str, u64>,
    pub declined: BTreeMap<&'static str, u64>,
    pub unusable: BTreeMap<&'static str, u64>,
    /// By reason, and in that by the kind of effect.
    pub refused: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
    pub dropped_signals: u64,
    pub lost_states: u64,
    pub checkpoints: u64,
    pub failed_checkpoints: u64,
    pub recovered_states: u64,
    pub restored_states: u64,
    pub states_put_aside: u64,
    pub recycled: u64,
    pub reloads: u64,
    pub failed_reloads: u64,
    pub restarts: u64,
    pub panics: u64,
    pub left_out: u64,
    pub shunned: u64,
}

impl PluginCounts {
    /// Calls that broke an instance: because its time was up (`overran`), or in another way.
    pub fn broke(&self, overran: bool) -> u64 {
        let its = self
            .broken
            .iter()
            .filter(|(how, _)| *how != Broken::Returned && how.is_overrun() == overran);
        its.map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_give_nothing_are_counted_by_what_was_wrong() {
        let totals = PluginTotals::default();
        for (times, how) in (1..).zip(Broken::ALL) {
            (0..times).for_each(|_| totals.note(PluginHappened::Broke(how)));
        }
        let counts = totals.counts();
        let expected: Vec<_> = Broken::ALL.into_iter().zip(1..).collect();
        assert_eq!(counts.broken, expected);
        assert_eq!((counts.broke(true), counts.broke(false)), (5 + 6, 1 + 2 + 3 + 4 + 7));
    }

    #[test]
    fn every_kind_has_a_word_of_its_own() {
        let words: std::collections::HashSet<_> = Broken::ALL.map(Broken::word).into();
        assert_eq!(words.len(), Broken::ALL.len());
    }
}
