//! What of an instance outlives it: its state as it was saved last, and what it has been told since.
//!
//! A `checkpoint` is taken between two calls, when the `schedule` says so. After it the `journal` keeps the events and what
//! the guest was answered, so that a fresh instance can go through the same again. `known` are the connections that the
//! instance has heard of. After a trap the runner builds a new instance from these (`runner/revival`).

pub(super) mod checkpoint;
pub(super) mod journal;
pub(super) mod known;
pub(super) mod schedule;

use crate::{call::generation::Generation, guest::bindings::plugin::StartReason};
use checkpoint::{Checkpoint, Trial};
use journal::Journal;
use known::{Known, Since};
use schedule::Schedule;
use tengen_core::event::Event;
use tengen_settings as settings;
use tengen_wire::id::{ConnectionId, Handle};
use tokio::time::Instant;

/// Events that are tried on a state.
const SAMPLES: usize = 3;

/// Where the journal's events stand among samples.
#[derive(Debug, Clone, Copy)]
pub(super) enum Newer {
    First,
    /// What came last may be what has spoiled the state.
    Last,
}

/// What is kept for one instance after another. Nothing for plugins without `snapshot`: they have no state.
#[derive(Debug)]
pub(super) struct Keeping {
    /// What to load; none: an instance that begins.
    pub(super) current: Option<Checkpoint>,
    /// The one before, with what happened between the two.
    pub(super) previous: Option<(Checkpoint, Since)>,
    /// None: it has got too long, or holds too little.
    pub(super) journal: Option<Journal>,
    /// Why the instance began that it all goes back to.
    pub(super) began: StartReason,
    pub(super) known: Known,
    pub(super) schedule: Schedule,
    pub(super) trial: Trial,
    /// No instance ran for a while.
    pub(super) rested: bool,
    /// Why the last instance could not be brought where the one before it was.
    pub(super) unrepeated: Option<String>,
    /// What was loaded last may be what breaks the plugin.
    pub(super) suspected: bool,
    /// Events that went well, each of another connection: what is tried on a state of which nobody knows whether it is good.
    pub(super) samples: Vec<Event>,
    /// How often in a row a call that was to save the state broke.
    unsaved: u32,
    /// When the clock of the first instance began that only goes forward; none: not known yet.
    pub(super) clock: Option<std::time::Instant>,
    /// Whether the plugin can be told again what it was told.
    repeats: bool,
    /// Bytes that the journal may take.
    pub(super) bound: usize,
}

impl Keeping {
    /// For an instance that begins with nothing; none if its version has no state.
    pub(super) fn new(generation: &Generation, began: StartReason, now: Instant) -> Option<Self> {
        generation.saves()?;
        let keeping = &generation.settings.state;
        let mut new = Self {
            current: None,
            previous: None,
            journal: None,
            repeats: repeats(&generation.settings),
            began,
            known: Known::default(),
            schedule: Schedule::new(keeping.every, now),
            trial: Trial::default(),
            rested: false,
            unrepeated: None,
            suspected: false,
            samples: Vec::new(),
            unsaved: 0,
            clock: None,
            bound: keeping.log,
        };
        new.begin_journal();
        Some(new)
    }

    /// For an instance that has taken over what another version saved.
    pub(super) fn handed_over(
        generation: &Generation,
        state: Checkpoint,
        before: Option<Self>,
        now: Instant,
    ) -> Option<Self> {
        let (mut known, mut samples) = (Known::default(), Vec::new());
        if let Some(mut before) = before {
            before.take_samples(Newer::First);
            (known, samples) = (before.known, before.samples);
        }
        known.settle();
        let new = Self::new(generation, StartReason::Reload, now)?;
        Some(Self { current: Some(state), known, samples, ..new })
    }

    /// For an instance that has taken over what several had, and knows of these connections: its state is to be saved before
    /// anything else.
    pub(super) fn unsaved(
        generation: &Generation,
        known: Vec<(Handle, ConnectionId)>,
        now: Instant,
    ) -> Option<Self> {
        let mut keeping = Self::new(generation, StartReason::Reload, now)?;
        keeping.known = Known::of(known);
        keeping.journal = None;
        keeping.schedule.decided();
        keeping.schedule.want();
        Some(keeping)
    }

    /// From here on, what is told is kept, if that is of any use.
    pub(super) fn begin_journal(&mut self) {
        let before = self.journal.take();
        let anew = || before.map_or_else(|| Journal::new(self.bound), Journal::anew);
        self.journal = self.repeats.then(anew);
    }

    /// Why an instance could not be brought where the one before it was, if there is more to say than that there is no journal.
    pub(super) fn why_unrepeated(&mut self) -> Option<String> {
        if !self.repeats {
            return Some("it may write to a folder, and would write everything twice".to_owned());
        }
        self.unrepeated.take()
    }

    /// A checkpoint was taken: what led to it is needed no more.
    pub(super) fn saved(&mut self, checkpoint: Checkpoint, now: Instant) {
        self.schedule.saved(now, checkpoint.took);
        let since = self.known.settle();
        let before = self.current.replace(checkpoint);
        // What was saved on top of a state that nothing speaks for is no better than that.
        self.previous = match (self.trial.is_open(), before, self.previous.take()) {
            (false, Some(before), _) => Some((before, since)),
            (true, _, Some((before, first))) => Some((before, first.then(&since))),
            _ => None,
        };
        self.take_samples(Newer::First);
        self.unsaved = 0;
        self.begin_journal();
        if !self.trial.is_open() {
            self.trial = Trial::default();
            self.suspected = false;
        }
    }

    /// Events that went well, each of another connection: those of the journal before or behind those that are there.
    pub(super) fn take_samples(&mut self, newer: Newer) {
        let of = |event: &Event| event.connection.as_ref().map(|connection| connection.handle);
        let Some(journal) = &self.journal else { return };
        let older = std::mem::take(&mut self.samples);
        let is_new = |handle, samples: &[Event]| samples.iter().all(|other| of(other) != handle);
        self.samples = match newer {
            Newer::First => {
                let mut samples = journal.of_each(SAMPLES, |_| true);
                let older = older.into_iter().filter(|event| is_new(of(event), &samples));
                let older: Vec<_> = older.take(SAMPLES - samples.len()).collect();
                samples.extend(older);
                samples
            }
            Newer::Last => {
                let room = SAMPLES - older.len().min(SAMPLES);
                let newer = journal.of_each(room, |handle| is_new(handle, &older));
                older.into_iter().chain(newer).collect()
            }
        };
    }

    /// A call that was to save the state has broken. A state that cannot be saved again and again is one that no other version
    /// could ever take over: it is let go, what came last first.
    pub(super) fn save_broke(&mut self) -> Option<Checkpoint> {
        self.unsaved += 1;
        if self.unsaved < 2 {
            return None;
        }
        self.unrepeated = Some("its state could not be saved again and again".to_owned());
        match self.journal.take() {
            Some(_) if self.unsaved == 2 => None,
            _ => self.put_aside(),
        }
    }

    /// What was saved last is not loaded any more, but what was saved before it.
    pub(super) fn put_aside(&mut self) -> Option<Checkpoint> {
        let bad = self.current.take()?;
        let (before, since) = self.previous.take().unzip();
        self.known.before(since);
        (self.current, self.journal) = (before, None);
        Some(bad)
    }

    /// Events were told, and the call returned.
    pub(super) fn told(&mut self, events: &[Event]) {
        events.iter().for_each(|event| self.known.told(event));
    }
}

/// Whether what a plugin was told can be told again: not where it writes files, which would be written again.
fn repeats(settings: &settings::Plugin) -> bool {
    !settings.grant.dirs.iter().any(|dir| dir.writable)
}
