//! The way of signals: each is made once, asked for by the filter of all, and offered to every sink.
//!
//! Whoever says something does no more than that: it encodes nothing, and waits for no sink.

mod change;
mod clients;
mod layer;
mod state;

pub(crate) use change::Raise;
pub(crate) use clients::Fits;
pub(crate) use layer::Layer;

use crate::{
    filter::{Filter, Verdict},
    record,
    recorder::Recorder,
    station::Station,
    stats::SignalStats,
};
use arc_swap::ArcSwap;
use state::State;
use std::{
    num::NonZeroUsize,
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::Instant,
};
use tengen_core::{
    count::Count,
    sink::{Level, Signal, Value},
};

/// What marks signals that the recorder had kept.
const RECORDED: &str = "recorded";

/// Sinks of one pipe at most: that of a call site's verdict is a number of so many bits.
pub(crate) const SINKS: usize = 64;

static PROCESS: LazyLock<Arc<Pipe>> = LazyLock::new(Arc::default);

tokio::task_local! {
    /// Set while a sink is being served: what is said meanwhile goes to no sink that is guarded.
    pub(crate) static SERVING: ();
}

/// A way for signals, with its filter and its sinks.
#[derive(Debug, Default)]
pub(crate) struct Pipe {
    state: ArcSwap<State>,
    /// Changes come one after the other.
    changing: Mutex<()>,
    filtered: Count,
    sampled_out: Count,
    limited: Count,
    accepted: Count,
}

/// What a call site knows of its signals, asked once for each change of filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Site {
    /// By the filter of all.
    passes: bool,
    /// By that of each sink, by its place.
    sinks: u64,
    /// One of its fields is never shown.
    has_secrets: bool,
}

/// Why a sink is not attached.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum Unattached {
    #[error("there is a sink of this name already")]
    Taken,
    #[error("there are {SINKS} sinks already")]
    TooMany,
}

impl Pipe {
    /// That of the process, to which the installed log belongs.
    pub(crate) fn of_process() -> Arc<Self> {
        Arc::clone(&PROCESS)
    }

    /// Takes in a signal that is there. `site`: what its call site knows; without it, the signal itself is asked.
    #[cfg(test)]
    pub(crate) fn put(&self, signal: Signal, site: Option<Site>) {
        self.put_into(&self.state.load(), Arc::new(signal), site);
    }

    /// What becomes of it is counted once; how many there were is the sum.
    fn put_into(&self, state: &State, signal: Arc<Signal>, site: Option<Site>) {
        let site = site.unwrap_or_else(|| state.site(signal.level, &signal.namespace, &signal.id));
        let raised = !site.passes && state.is_raised(&signal);
        if !site.passes && !raised {
            if let Some(recorder) = &state.recorder {
                recorder.record(signal);
            }
            return self.filtered.add(1);
        }
        let filter = state.filter_of(&signal.namespace, &signal.id);
        if !raised && filter.is_asked_each_time() {
            match filter.admits(&signal) {
                Verdict::Passes => {}
                Verdict::SampledOut => return self.sampled_out.add(1),
                Verdict::Limited => return self.limited.add(1),
            }
        }
        if signal.level >= Level::Error {
            self.tell_recorded(state, &signal.connection);
        }
        self.offer(state, signal, site, raised);
    }

    /// What was kept of a connection goes before its error, as if somebody had asked for it.
    fn tell_recorded(&self, state: &State, connection: &str) {
        let Some(recorder) = state.recorder.as_ref().filter(|_| !connection.is_empty()) else {
            return;
        };
        for mut signal in recorder.take(connection) {
            Arc::make_mut(&mut signal).data.push((RECORDED.into(), Value::Boolean(true)));
            let site = state.site(signal.level, &signal.namespace, &signal.id);
            self.offer(state, signal, site, true);
        }
    }

    /// To every sink, by its own filter. `raised`: somebody asked for it.
    fn offer(&self, state: &State, signal: Arc<Signal>, site: Site, raised: bool) {
        self.accepted.add(1);
        // A sink's own level is no reason to keep from it what somebody asked for.
        let asked = raised || (!state.raised.is_empty() && state.is_raised(&signal));
        let own = state.is_guarded && state.is_of_a_sink(&signal);
        let carried = state.is_carried && carries(&signal.namespace);
        let weight = signal.weight();
        for (place, station) in state.stations.iter().enumerate() {
            if (own && station.traits.is_guarded) || (carried && station.traits.is_carried) {
                station.withhold();
                continue;
            }
            let lets = site.sinks & (1 << place) != 0
                || (asked && station.filter().names(&signal.namespace, &signal.id));
            station.take_in(&signal, weight, lets);
        }
    }

    pub(crate) fn attach(&self, station: Arc<Station>) -> Result<(), Unattached> {
        self.change(|state| {
            if state.stations.iter().any(|other| other.name() == station.name()) {
                return Err(Unattached::Taken);
            }
            if state.stations.len() >= SINKS {
                return Err(Unattached::TooMany);
            }
            state.stations.push(station);
            Ok(())
        })
    }

    /// Takes it off; a second time does nothing.
    pub(crate) fn detach(&self, station: &Arc<Station>) {
        if self.state.load().stations.iter().any(|other| Arc::ptr_eq(other, station)) {
            self.change(|state| state.stations.retain(|other| !Arc::ptr_eq(other, station)));
        }
    }

    pub(crate) fn set_filter(&self, filter: Filter) {
        self.change(|state| state.filter = Arc::new(filter));
    }

    /// The filter of what concerns security; none: that of all.
    pub(crate) fn set_security(&self, filter: Option<Filter>) {
        self.change(|state| state.security = filter.map(Arc::new));
    }

    /// Keeps what does not pass, in so many bytes for each thread; none: not at all.
    pub(crate) fn set_recorder(&self, bytes: Option<NonZeroUsize>) {
        let recorder = bytes.map(|bytes| Arc::new(Recorder::new(bytes)));
        self.change(|state| state.recorder = recorder);
    }

    /// Another filter for a sink of this pipe.
    pub(crate) fn set_filter_of(&self, station: &Station, filter: Filter) {
        self.change(|_| station.set_filter(filter));
    }

    /// Lets more pass for a while.
    pub(crate) fn raise(&self, raise: Raise) {
        self.change(|state| state.raised.push(raise));
    }

    /// Ends what was raised for a while that is over.
    pub(crate) fn expire(&self) {
        let now = Instant::now();
        if self.state.load().raised.iter().any(|raise| raise.until <= now) {
            self.change(|state| state.raised.retain(|raise| raise.until > now));
        }
    }

    /// Everything off, or on again.
    pub(crate) fn turn(&self, on: bool) {
        self.change(|state| state.is_off = !on);
    }

    pub(crate) fn is_off(&self) -> bool {
        self.state.load().is_off
    }

    pub(crate) fn filter(&self) -> Arc<Filter> {
        Arc::clone(&self.state.load().filter)
    }

    pub(crate) fn raised(&self) -> Vec<Raise> {
        self.state.load().raised.clone()
    }

    /// A change that call sites hear of: each asks once more.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let only = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = State::clone(&self.state.load());
        let changed = change(&mut state);
        state.renew();
        self.state.store(Arc::new(state));
        // Before the next change, or its answer could come first.
        tracing::callsite::rebuild_interest_cache();
        drop(only);
        changed
    }

    pub(crate) fn stats(&self) -> SignalStats {
        let state = self.state.load();
        let (recorded, recorded_told) =
            state.recorder.as_ref().map_or((0, 0), |recorder| recorder.counts());
        let [filtered, sampled_out, limited, accepted] =
            [&self.filtered, &self.sampled_out, &self.limited, &self.accepted].map(Count::get);
        let created = filtered + sampled_out + limited + accepted;
        SignalStats { recorded, recorded_told, created, filtered, sampled_out, limited, accepted }
    }
}

/// Whether records of this target come from the sending of records: from us, or from what a client is made of.
fn feeds_back(target: &str) -> bool {
    const SOURCES: [&str; 6] =
        ["tengen::telemetry", "hyper", "h2", "tonic", "reqwest", "opentelemetry"];
    is_one_of(target, &SOURCES)
}

/// Whether records of this target come from the libraries that carry records to a collector: each would make more of them.
fn carries(target: &str) -> bool {
    const LIBRARIES: [&str; 8] =
        ["hyper", "h2", "tonic", "reqwest", "tower", "want", "rustls", "mio"];
    is_one_of(target, &LIBRARIES)
}

/// Whether a target is one of these, or below one.
fn is_one_of(target: &str, sources: &[&str]) -> bool {
    sources.iter().any(|source| {
        target
            .strip_prefix(source)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '_']))
    })
}

/// Whether a target's signals say only themselves who they are from.
fn is_of_a_plugin(target: &str) -> bool {
    target == record::PLUGIN
}

#[cfg(test)]
mod tests;
