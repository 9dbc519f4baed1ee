//! What a pipe goes by: its filter, what is raised for a while, and its sinks; replaced as a whole.

use super::{Raise, SERVING, Site, feeds_back, is_of_a_plugin};
use crate::{filter::Filter, record, recorder::Recorder, station::Station};
use std::{
    cell::RefCell,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};
use tengen_core::{
    security,
    sink::{Level, Signal},
};
use tracing::Metadata;

/// Call sites whose verdict a thread remembers.
const REMEMBERED: usize = 256;

#[derive(Debug, Clone, Default)]
pub(super) struct State {
    /// Another with each change, in the whole process.
    generation: u64,
    pub(super) is_off: bool,
    pub(super) filter: Arc<Filter>,
    /// Of what concerns security, if it has a filter of its own.
    pub(super) security: Option<Arc<Filter>>,
    pub(super) raised: Vec<Raise>,
    /// Keeps what does not pass, if anything does.
    pub(super) recorder: Option<Arc<Recorder>>,
    pub(super) stations: Vec<Arc<Station>>,
    /// One of them is guarded.
    pub(super) is_guarded: bool,
    /// One of them is carried over the network.
    pub(super) is_carried: bool,
}

#[derive(Debug, Clone, Copy)]
struct Memory {
    /// The address of what a call site says of itself, which is there as long as the process.
    of: usize,
    generation: u64,
    site: Site,
}

const NOTHING: Memory =
    Memory { of: 0, generation: 0, site: Site { passes: false, sinks: 0, has_secrets: true } };

thread_local! {
    static MEMORY: RefCell<[Memory; REMEMBERED]> = const { RefCell::new([NOTHING; REMEMBERED]) };
}

impl State {
    /// It has changed.
    pub(super) fn renew(&mut self) {
        static LAST: AtomicU64 = AtomicU64::new(0);
        self.generation = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        self.is_guarded = self.stations.iter().any(|station| station.traits.is_guarded);
        self.is_carried = self.stations.iter().any(|station| station.traits.is_carried);
    }

    /// What is said there goes where.
    pub(super) fn site(&self, level: Level, namespace: &str, id: &str) -> Site {
        let lets = |station: &Arc<Station>| station.filter().lets(level, namespace, id);
        let place = |(place, station)| u64::from(lets(station)) << place;
        let sinks = self.stations.iter().enumerate().map(place).fold(0, |all, one| all | one);
        let filter = self.filter_of(namespace, id);
        let passes = !self.is_off && filter.lets(level, namespace, id);
        Site { passes, sinks, has_secrets: true }
    }

    /// The filter of all, for what has no other.
    pub(super) fn filter_of(&self, namespace: &str, id: &str) -> &Filter {
        let other = self.security.as_ref();
        let is_of_security = |_: &&Arc<Filter>| {
            id.starts_with(security::PREFIX) && !namespace.starts_with("plugin.")
        };
        other.filter(is_of_security).unwrap_or(&self.filter)
    }

    /// The same for a call site, which is asked once in a generation; none: only the signal itself knows.
    pub(super) fn of_call_site(&self, metadata: &'static Metadata<'static>) -> Option<Site> {
        if is_of_a_plugin(metadata.target()) {
            return None;
        }
        let of = std::ptr::from_ref(metadata).addr();
        MEMORY.with(|memory| {
            let Ok(mut memory) = memory.try_borrow_mut() else {
                return Some(self.asked(metadata));
            };
            // Statics are apart by some dozens of bytes.
            let place = (of >> 4) % REMEMBERED;
            let slot = memory.get_mut(place)?;
            if slot.of != of || slot.generation != self.generation {
                *slot = Memory { of, generation: self.generation, site: self.asked(metadata) };
            }
            Some(slot.site)
        })
    }

    fn asked(&self, metadata: &Metadata<'_>) -> Site {
        let level = record::level(*metadata.level());
        let site = self.site(level, metadata.target(), record::named(metadata));
        Site { has_secrets: record::has_secrets(metadata), ..site }
    }

    /// Whether anything that is said there may go anywhere: if not, nothing is made at all.
    pub(super) fn may_pass(&self, metadata: &Metadata<'_>) -> bool {
        let level = record::level(*metadata.level());
        if self.is_off || self.stations.is_empty() {
            return false;
        }
        if self.records(metadata) || self.raised.iter().any(|raise| level >= raise.level) {
            return true;
        }
        match is_of_a_plugin(metadata.target()) {
            true => {
                // An error may be said to be fatal.
                let level = if level == Level::Error { Level::Fatal } else { level };
                let beginning = "plugin.";
                let any = |station: &Arc<Station>| station.filter().may_let(level, beginning);
                self.filter.may_let(level, beginning) && self.stations.iter().any(any)
            }
            false => {
                let Site { passes, sinks, .. } = self.asked(metadata);
                passes && sinks != 0
            }
        }
    }

    /// Whether what is said there is kept if it does not pass: what the gateway says, and what plugins do.
    pub(super) fn records(&self, metadata: &Metadata<'_>) -> bool {
        let target = metadata.target();
        self.recorder.is_some() && (target.starts_with("tengen") || is_of_a_plugin(target))
    }

    /// Whether somebody asked for it, whatever the filter of all says.
    pub(super) fn is_raised(&self, signal: &Signal) -> bool {
        if self.is_off || self.raised.is_empty() {
            return false;
        }
        let now = Instant::now();
        self.raised.iter().any(|raise| raise.until > now && raise.is_for(signal))
    }

    /// Whether it comes from the work of a guarded sink: what serving it says, and what its plugin says or is said of.
    pub(super) fn is_of_a_sink(&self, signal: &Signal) -> bool {
        if SERVING.try_with(|()| ()).is_ok() || feeds_back(&signal.namespace) {
            return true;
        }
        let plugin = record::plugin(signal);
        let mut guarded = self.stations.iter().filter(|station| station.traits.is_guarded);
        plugin.is_some_and(|plugin| guarded.any(|station| *station.traits.plugin == *plugin))
    }
}
