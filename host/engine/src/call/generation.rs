//! One version of a plugin: its component, the settings it runs under, and what it said of itself.

use super::patterns::Patterns;
use crate::{
    compile::compiled::Compiled,
    counters::Counters,
    error::{Excess, PluginError},
    guest::{
        bindings::{handling, plugin::Description, types},
        patience::WAIT,
    },
    text::plain,
};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};
use tengen_settings::{self as settings, Pattern};
use tengen_wire::{id::PluginName, payload::Encoding};

/// The most events of one call.
const BATCH_MAX: u32 = 1024;
/// How long a guest may compute in a call that handles no event: `describe`, `start`, `stop`.
const LIFECYCLE: Duration = Duration::from_secs(2);
/// The same for `save` and `load`: a state is as large as it is, and what is given up half way is lost.
const HAND_OVER: Duration = Duration::from_secs(5);
/// In these two there are two copies of the state, so a guest may have so many times its memory.
pub(super) const COPIES: usize = 2;
/// How much longer than it computes a call may take.
const SPARE: Duration = Duration::from_secs(5);
/// What a guest may hand over in such a call beside its memory.
const LIFECYCLE_BYTES: usize = 1 << 20;
/// What a description may take in the gateway, before it is looked at.
const DESCRIPTION_BYTES: usize = 256 << 10;
/// What one call's results may take in the gateway, however long the batch.
const RESULT_MAX: usize = 64 << 20;

/// What one call may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowance {
    /// Time of computing.
    pub(super) cpu: Duration,
    /// Time that passes, waiting for imports and for other guests included.
    pub(crate) wall: Duration,
    /// Bytes that the guest may hand over in one call.
    pub(super) bytes: usize,
}

impl Allowance {
    /// The wall is generous, since others compute as well, but no more so for a long batch than for one event.
    fn of(cpu: Duration, bytes: usize) -> Self {
        let spare = cpu.saturating_mul(9).min(SPARE).saturating_add(Duration::from_secs(1));
        Self { cpu, wall: cpu.saturating_add(spare), bytes }
    }

    /// So much of its time is over: for what is done in several calls.
    pub(super) fn spend(&mut self, time: Duration) {
        self.cpu = self.cpu.saturating_sub(time);
        self.wall = self.wall.saturating_sub(time);
    }
}

/// What does not change while a version runs.
#[derive(Debug)]
pub(crate) struct Generation {
    /// Counts a plugin's versions from 1; never goes back.
    pub(crate) number: u64,
    pub(crate) plugin: PluginName,
    pub(crate) compiled: Arc<Compiled>,
    /// As configured, with the memory that it was seen to need where nothing is said of that.
    pub(crate) settings: Arc<settings::Plugin>,
    /// As configured.
    pub(crate) said: Arc<settings::Plugin>,
    pub(crate) about: About,
    pub(crate) counters: Arc<Counters>,
    pub(crate) since: SystemTime,
}

/// What a plugin says of itself, checked.
#[derive(Debug, Clone)]
pub(crate) struct About {
    pub(crate) name: String,
    pub(crate) version: Arc<str>,
    pub(crate) encoding: Encoding,
    /// From 1 to [`BATCH_MAX`]; a plugin that says 0 gets 1.
    pub(crate) max_batch: usize,
    pub(crate) events: Patterns,
    /// Of which channels it wants to hear that they are occupied or vacant.
    pub(crate) channels: Patterns,
    /// Of which channels it wants to hear who is subscribed to them.
    pub(crate) subscriptions: Patterns,
    /// Whether it wants to hear who has a connection.
    pub(crate) users: bool,
    /// Whether it wants to hear what outboxes leave out.
    pub(crate) missed: bool,
    pub(super) snapshot_writes: Option<String>,
    pub(crate) snapshot_reads: Vec<String>,
}

/// What a description may hold: it is looked at for every event, and shown to people.
const PATTERNS: usize = 256;
const FORMATS: usize = 64;
const NAME_BYTES: usize = 128;
const PATTERN_BYTES: usize = 256;

impl TryFrom<Description> for About {
    type Error = PluginError;

    fn try_from(said: Description) -> Result<Self, PluginError> {
        bounded("name", [&said.name], 1, NAME_BYTES)?;
        bounded("version", [&said.version], 1, NAME_BYTES)?;
        bounded("events", &said.events, PATTERNS, PATTERN_BYTES)?;
        bounded("channels", &said.channels, PATTERNS, PATTERN_BYTES)?;
        bounded("subscriptions", &said.subscriptions, PATTERNS, PATTERN_BYTES)?;
        bounded("others", &said.others, FORMATS, NAME_BYTES)?;
        bounded("snapshot-writes", &said.snapshot_writes, 1, NAME_BYTES)?;
        bounded("snapshot-reads", &said.snapshot_reads, FORMATS, NAME_BYTES)?;
        bounded("more", said.more.iter().map(|more| &more.key), 0, NAME_BYTES)?;
        Ok(Self {
            // Written out, the characters that a terminal obeys take more room.
            name: plain(&said.name, NAME_BYTES),
            version: plain(&said.version, NAME_BYTES).into(),
            encoding: said.encoding.into(),
            max_batch: said.max_batch.clamp(1, BATCH_MAX) as usize,
            events: Patterns::new(said.events.into_iter().map(Pattern).collect()),
            channels: Patterns::new(said.channels.into_iter().map(Pattern).collect()),
            subscriptions: Patterns::new(said.subscriptions.into_iter().map(Pattern).collect()),
            users: said.users,
            missed: said.missed,
            snapshot_writes: said.snapshot_writes,
            snapshot_reads: said.snapshot_reads,
        })
    }
}

/// Whether a description has no more of these than it may, none of them too long.
fn bounded<'a>(
    what: &'static str,
    texts: impl IntoIterator<Item = &'a String>,
    count: usize,
    bytes: usize,
) -> Result<(), PluginError> {
    let (mut number, mut longest) = (0, 0);
    for text in texts {
        number += 1;
        longest = longest.max(text.len());
    }
    let found = match (number > count, longest > bytes) {
        (true, _) => Excess { found: number, limit: count, of: "entries" },
        (_, true) => Excess { found: longest, limit: bytes, of: "bytes in one entry" },
        _ => return Ok(()),
    };
    Err(PluginError::Described { what, found })
}

impl About {
    /// Whether the plugin wants events of this id.
    pub(crate) fn wants(&self, id: &str) -> bool {
        self.events.has(id)
    }

    /// Whether it wants to hear when this channel is occupied or vacant: not without a pattern.
    pub(crate) fn wants_channel(&self, channel: &str) -> bool {
        !self.channels.patterns().is_empty() && self.channels.has(channel)
    }

    /// Whether it wants to hear who is subscribed to this channel: not without a pattern.
    pub(crate) fn wants_subscriptions(&self, channel: &str) -> bool {
        !self.subscriptions.patterns().is_empty() && self.subscriptions.has(channel)
    }
}

impl Generation {
    /// What a call with so many events may take.
    pub(crate) fn allowance(&self, events: usize) -> Allowance {
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
        Allowance::of(self.settings.deadline.saturating_mul(count), bytes)
    }

    /// What a call may take that says who somebody is: one that asks servers waits for them beside what it computes.
    pub(crate) fn asking(&self) -> Allowance {
        let mut allowance = self.allowance(1);
        if !self.settings.grant.http.is_empty() {
            allowance.wall = allowance.wall.saturating_add(WAIT);
        }
        allowance
    }

    /// What a call outside the path of events may take.
    pub(crate) fn lifecycle(&self) -> Allowance {
        lifecycle(&self.settings)
    }

    /// What `save` and `load` may take. What is handed over is looked at after the call, which is then none that failed.
    pub(super) fn hand_over(&self) -> Allowance {
        let bytes = self.settings.memory().saturating_mul(COPIES).saturating_add(LIFECYCLE_BYTES);
        Allowance::of(HAND_OVER.max(self.settings.deadline), bytes)
    }

    /// The format in which an instance writes its state down, if it has one.
    pub(crate) fn saves(&self) -> Option<&str> {
        self.compiled.snapshot.as_ref().and(self.about.snapshot_writes.as_deref())
    }
}

/// What a call outside the path of events may take.
pub(crate) fn lifecycle(settings: &settings::Plugin) -> Allowance {
    Allowance::of(
        LIFECYCLE.max(settings.deadline),
        settings.memory().saturating_add(LIFECYCLE_BYTES),
    )
}

/// What `describe` may take: no more than a description may hold.
pub(super) fn describing(settings: &settings::Plugin) -> Allowance {
    Allowance { bytes: DESCRIPTION_BYTES, ..lifecycle(settings) }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn description() -> Description {
        Description {
            name: "n".repeat(NAME_BYTES),
            version: "1".into(),
            encoding: types::Encoding::Json,
            max_batch: 0,
            events: vec!["e".repeat(PATTERN_BYTES); PATTERNS],
            others: vec!["o".into(); FORMATS],
            snapshot_writes: Some("w".into()),
            snapshot_reads: vec!["r".into(); FORMATS],
            channels: vec!["c".repeat(PATTERN_BYTES); PATTERNS],
            subscriptions: vec!["s".repeat(PATTERN_BYTES); PATTERNS],
            users: true,
            missed: true,
            more: Vec::new(),
        }
    }

    #[test]
    fn a_plugin_hears_of_the_channels_that_it_names_and_without_a_name_of_none() {
        let wants = |channels: &[&str], channel| {
            let channels = channels.iter().map(|&pattern| pattern.to_owned()).collect();
            let said = Description { channels, ..description() };
            About::try_from(said).expect("it is well").wants_channel(channel)
        };
        assert!(!wants(&[], "room/1"));
        assert!(wants(&["room/*"], "room/1") && wants(&["*"], "room/1"));
        assert!(!wants(&["room/*", "hall"], "halls") && wants(&["room/*", "hall"], "hall"));
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut Description), expected: &str) {
        let mut said = description();
        change(&mut said);
        let why = About::try_from(said).expect_err("it is too much").to_string();
        assert!(why.contains(expected), "{why}");
    }

    #[test]
    fn a_description_is_bounded_and_who_gives_more_hears_the_bound() {
        let about = About::try_from(description()).expect("as much as there may be");
        assert!(!about.wants("e/x"));
        let long = || "x".repeat(1000);
        check(|said| said.name = long(), "`name`: 1000 bytes in one entry, where 128 are allowed");
        check(|said| said.version = long(), "`version`");
        check(
            |said| said.events.push("a/*".into()),
            "`events`: 257 entries, where 256 are allowed",
        );
        check(|said| said.events = vec![long()], "1000 bytes in one entry, where 256 are allowed");
        check(|said| said.channels.push("a/*".into()), "`channels`: 257 entries");
        check(|said| said.subscriptions.push("a/*".into()), "`subscriptions`: 257 entries");
        check(|said| said.others.push("a".into()), "`others`: 65 entries, where 64 are allowed");
        check(|said| said.snapshot_writes = Some(long()), "`snapshot-writes`");
        check(|said| said.snapshot_reads.push("a".into()), "`snapshot-reads`: 65 entries");
    }
}
