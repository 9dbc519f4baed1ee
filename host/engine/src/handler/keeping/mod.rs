//! What of an instance outlives it: its state as it was saved last, and what it has been told since.
//!
//! A `checkpoint` is taken between two calls, when the `schedule` says so. After it the `journal` keeps the events and what
//! the guest was answered, so that a fresh instance can go through the same again. `known` are the connections that the
//! instance has heard of. After a trap the runner builds a new instance from these (`runner/revival`).

pub(super) mod checkpoint;
pub(super) mod journal;
pub(super) mod known;
pub(super) mod schedule;

use checkpoint::{Checkpoint, Trial};
use journal::Journal;
use known::{Known, Since};
use schedule::Schedule;
use tengen_core::event::Event;
use tengen_wire::id::{ConnectionId, Handle};
use tokio::time::Instant;

use crate::{call::generation::Generation, guest::bindings::plugin::StartReason};

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
    /// A message that went well before the state was saved.
    pub(super) sample: Option<Event>,
    /// Bytes that the journal may take.
    pub(super) bound: usize,
}

impl Keeping {
    /// For an instance that begins with nothing; none if its version has no state.
    pub(super) fn new(generation: &Generation, began: StartReason, now: Instant) -> Option<Self> {
        generation.saves()?;
        let keeping = &generation.settings.state;
        Some(Self {
            current: None,
            previous: None,
            journal: Some(Journal::new(keeping.log)),
            began,
            known: Known::default(),
            schedule: Schedule::new(keeping.every, now),
            trial: Trial::default(),
            rested: false,
            unrepeated: None,
            suspected: false,
            sample: None,
            bound: keeping.log,
        })
    }

    /// For an instance that has taken over what another version saved.
    pub(super) fn handed_over(
        generation: &Generation,
        state: Checkpoint,
        before: Option<Self>,
        now: Instant,
    ) -> Option<Self> {
        let (mut known, mut sample) = (Known::default(), None);
        if let Some(before) = before {
            sample = before.last_message().or(before.sample);
            known = before.known;
        }
        known.settle();
        let new = Self::new(generation, StartReason::Reload, now)?;
        Some(Self { current: Some(state), known, sample, ..new })
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
        if let Some(message) = self.last_message() {
            self.sample = Some(message);
        }
        self.journal = Some(Journal::new(self.bound));
        if !self.trial.is_open() {
            self.trial = Trial::default();
            self.suspected = false;
        }
    }

    fn last_message(&self) -> Option<Event> {
        self.journal.as_ref().and_then(Journal::last_message)
    }

    /// What was saved last is not loaded any more, but what was saved before it.
    pub(super) fn put_aside(&mut self) -> Option<Checkpoint> {
        let bad = self.current.take()?;
        let (before, since) = self.previous.take().unzip();
        self.known.before(since);
        (self.current, self.journal) = (before, None);
        (self.trial, self.sample) = (Trial::default(), None);
        Some(bad)
    }

    /// Events were told, and the call returned.
    pub(super) fn told(&mut self, events: &[Event]) {
        events.iter().for_each(|event| self.known.told(event));
    }
}
