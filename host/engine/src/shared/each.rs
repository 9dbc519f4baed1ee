//! What is one instance's of a handler, beside what all of them share.

use super::{At, Deal, LastError, Said, Shared, State, said};
use crate::{breaker::Phase, error::PluginError};
use serde::Serialize;
use std::{
    ops::Deref,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tengen_core::{
    event::Connection,
    handler::{Deciding, Hears, Knows, Newcomer},
};
use tengen_wire::id::{Channel, UserId};

/// The place of one instance: whoever runs in it, one after the other.
#[derive(Debug)]
pub(crate) struct Each {
    shared: Arc<Shared>,
    /// Counts from 0.
    pub(crate) number: u16,
    state: AtomicU8,
    /// The phase of its breaker.
    breaker: AtomicU8,
    /// Linear memory of the one that runs, in bytes, as it was after its last call.
    memory: AtomicUsize,
    last_error: Mutex<Option<LastError>>,
}

/// What is one instance's.
#[derive(Debug)]
struct Own {
    deal: Deal,
    number: u16,
}

impl Hears for Own {
    fn of_channel(&self, channel: &Channel) -> bool {
        self.deal.of_channel(channel) == self.number
    }

    fn of_user(&self, user: &UserId) -> bool {
        self.deal.of_user(user) == self.number
    }

    fn of_connection(&self, connection: &Connection) -> bool {
        self.deal.of_connection(connection) == self.number
    }
}

/// One instance of a handler.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EachStatus {
    /// Counts from 0.
    pub instance: u16,
    pub state: State,
    pub breaker: Phase,
    /// Events that wait for its decision.
    pub waiting: usize,
    /// Connections that it has been told of.
    pub connections: usize,
    /// Linear memory, in bytes, as it was after its last call.
    pub memory_bytes: usize,
    pub last_error: Option<LastError>,
}

impl Deref for Each {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

impl Each {
    pub(crate) fn new(shared: Arc<Shared>, number: u16) -> Self {
        Self {
            shared,
            number,
            state: AtomicU8::new(State::Running as u8),
            breaker: AtomicU8::new(Phase::Closed as u8),
            memory: AtomicUsize::new(0),
            last_error: Mutex::default(),
        }
    }

    fn deal(&self) -> Deal {
        self.shared.dealt.get()
    }

    /// Its number among how many there are.
    pub(crate) fn deciding(&self) -> Deciding {
        Deciding { instance: self.number, of: self.deal().of }
    }

    /// Its number, where there are others.
    fn among(&self) -> Option<u16> {
        (!self.deal().is_to_one()).then_some(self.number)
    }

    /// The open connections that are its own.
    pub(crate) fn connections(&self) -> Vec<Arc<Connection>> {
        let mut open = self.actor.connections_of(&self.name);
        let deal = self.deal();
        if !deal.is_to_one() {
            open.retain(|connection| deal.of_connection(connection) == self.number);
        }
        open
    }

    /// A new instance begins in its place.
    pub(crate) fn begins_anew(&self, knows: Knows) {
        let own = Own { deal: self.deal(), number: self.number };
        self.actor.begins_anew(&self.name, Newcomer { hears: &own, knows });
    }

    pub(crate) fn set_state(&self, state: State) {
        self.state.store(state as u8, Ordering::Relaxed);
    }

    pub(crate) fn state(&self) -> State {
        match self.state.load(Ordering::Relaxed) {
            0 => State::Running,
            1 => State::Unavailable,
            _ => State::Stopped,
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.state() == State::Running
    }

    /// Its breaker has changed.
    pub(crate) fn changed(&self, phase: Phase, pause: Option<Duration>) {
        let before = self.breaker.swap(phase as u8, Ordering::Relaxed);
        if before != phase as u8 {
            self.shared.tell_of(phase, pause, self.among());
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.breaker.load(Ordering::Relaxed) {
            0 => Phase::Closed,
            1 => Phase::HalfOpen,
            _ => Phase::Open,
        }
    }

    /// As [`Shared::failed`]; and it is known whose failure it is.
    pub(crate) fn failed(&self, what: &str, error: &PluginError) {
        self.failed_at(what, error, None);
    }

    /// As [`Shared::failed_at`].
    pub(crate) fn failed_at(&self, what: &str, error: &PluginError, at: Option<At>) {
        let (gist, message) = said(what, error);
        self.note_as(Said { gist: &gist, message: &message }, at);
    }

    /// Keeps for people to see what went wrong, and says it in the log.
    pub(crate) fn note(&self, message: &str) {
        self.note_at(message, None);
    }

    /// The same of what went wrong at one event. The same at another one is no news.
    pub(crate) fn note_at(&self, message: &str, at: Option<At>) {
        self.note_as(Said::all(message), at);
    }

    fn note_as(&self, said: Said<'_>, at: Option<At>) {
        let mut last = self.last_error.lock().unwrap_or_else(PoisonError::into_inner);
        LastError::remember(&mut last, said, at.clone());
        drop(last);
        self.shared.note_as(said, at, self.among());
    }

    /// How much memory the one that runs has now.
    pub(crate) fn holds(&self, bytes: usize) {
        // It is looked at after each call, and changes rarely.
        if self.memory.load(Ordering::Relaxed) != bytes {
            self.memory.store(bytes, Ordering::Relaxed);
        }
    }

    pub(crate) fn status(&self, waiting: usize, connections: usize) -> EachStatus {
        EachStatus {
            instance: self.number,
            state: self.state(),
            breaker: self.phase(),
            waiting,
            connections,
            memory_bytes: self.memory.load(Ordering::Relaxed),
            last_error: self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}
