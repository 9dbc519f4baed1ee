//! One version of a plugin: its component, the settings it runs under, and what it said of itself.

use super::{
    bindings::{handling, plugin::Description, types},
    compiled::Compiled,
    counters::Counters,
    text::plain,
};
use crate::{
    id::PluginName,
    payload::Encoding,
    routes::Wanted,
    settings::{self, Pattern},
};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

/// The most events of one call.
const BATCH_MAX: u32 = 1024;
/// How long a guest may compute in a call that handles no event: `describe`, `start`, `stop`, `save`, `load`.
const LIFECYCLE: Duration = Duration::from_secs(2);
/// How much longer than it computes a call may take.
const SPARE: Duration = Duration::from_secs(5);
/// What a guest may hand over in such a call beside its memory.
const LIFECYCLE_BYTES: usize = 1 << 20;
/// What one call's results may take in the gateway, however long the batch.
const RESULT_MAX: usize = 64 << 20;

/// What one call may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    /// Time of computing.
    pub(super) cpu: Duration,
    /// Time that passes, waiting for imports and for other guests included.
    pub(super) wall: Duration,
    /// Bytes that the guest may hand over in one call.
    pub(super) bytes: usize,
}

impl Budget {
    /// The wall is generous, since others compute as well, but no more so for a long batch than for one event.
    fn of(cpu: Duration, bytes: usize) -> Self {
        let spare = cpu.saturating_mul(9).min(SPARE).saturating_add(Duration::from_secs(1));
        Self { cpu, wall: cpu.saturating_add(spare), bytes }
    }
}

/// What does not change while a version runs.
#[derive(Debug)]
pub(super) struct Generation {
    /// Counts a plugin's versions from 1; never goes back.
    pub(super) number: u64,
    pub(super) plugin: PluginName,
    pub(super) compiled: Arc<Compiled>,
    pub(super) settings: Arc<settings::Plugin>,
    pub(super) about: About,
    pub(super) counters: Arc<Counters>,
    pub(super) since: SystemTime,
}

/// What a plugin says of itself, checked.
#[derive(Debug, Clone)]
pub(super) struct About {
    pub(super) name: String,
    pub(super) version: Arc<str>,
    pub(super) encoding: Encoding,
    /// From 1 to [`BATCH_MAX`]; a plugin that says 0 gets 1.
    pub(super) max_batch: usize,
    /// Empty: all that routes send.
    pub(super) events: Vec<Pattern>,
    wanted: Wanted,
    pub(super) snapshot_writes: Option<String>,
    pub(super) snapshot_reads: Vec<String>,
}

impl From<Description> for About {
    fn from(said: Description) -> Self {
        let events = said.events.into_iter().map(Pattern).collect::<Vec<_>>();
        Self {
            name: plain(&said.name, 128),
            version: plain(&said.version, 128).into(),
            encoding: said.encoding.into(),
            max_batch: said.max_batch.clamp(1, BATCH_MAX) as usize,
            wanted: Wanted::new(&events),
            events,
            snapshot_writes: said.snapshot_writes,
            snapshot_reads: said.snapshot_reads,
        }
    }
}

impl About {
    /// Whether the plugin wants events of this id.
    pub(super) fn wants(&self, id: &str) -> bool {
        self.wanted.has(id)
    }
}

impl Generation {
    /// What a call with so many events may take.
    pub(super) fn budget(&self, events: usize) -> Budget {
        // An effect takes some room beside its bytes.
        let per_event = self
            .settings
            .effect_bytes
            .saturating_add(self.settings.effects_per_event.saturating_mul(512));
        let bytes = per_event
            .saturating_mul(events)
            .min(RESULT_MAX.max(per_event))
            .saturating_add(64 << 10);
        let count = u32::try_from(events).unwrap_or(u32::MAX);
        Budget::of(self.settings.deadline.saturating_mul(count), bytes)
    }

    /// What a call outside the path of events may take.
    pub(super) fn lifecycle(&self) -> Budget {
        lifecycle(&self.settings)
    }
}

/// What a call outside the path of events may take: a snapshot may be as large as the guest's memory.
pub(super) fn lifecycle(settings: &settings::Plugin) -> Budget {
    Budget::of(LIFECYCLE.max(settings.deadline), settings.memory.saturating_add(LIFECYCLE_BYTES))
}

/// The gateway's word for an encoding of the interface, which each of its worlds has a type for.
macro_rules! encodings {
    ($($said:ty),+) => {
        $(impl From<$said> for Encoding {
            fn from(said: $said) -> Self {
                match said {
                    <$said>::Json => Self::Json,
                    <$said>::Edn => Self::Edn,
                    <$said>::Transit => Self::Transit,
                    <$said>::Msgpack => Self::Msgpack,
                    <$said>::Text => Self::Text,
                    <$said>::Binary => Self::Binary,
                }
            }
        })+
    };
}

encodings!(types::Encoding, handling::types::Encoding);
