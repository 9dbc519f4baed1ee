//! The contract between events and those who decide about them.

use crate::{
    effect::Outcome,
    event::{Connection, Event},
    fault::Fault,
    id::PluginName,
};
use std::{fmt, sync::Arc, task::Waker};

/// Decides about events: a plugin, or a built-in like [`crate::router`]'s echo.
///
/// What it decides goes to an [`Actor`], in the order of the events of each connection.
pub trait Handler: fmt::Debug + Send + Sync {
    /// Whether it wants events of this id; those that it does not go to the next route.
    fn wants(&self, _event: &str) -> Wants {
        Wants::Yes
    }

    /// Takes an event over. Never blocks. An event that cannot be taken comes back with the reason.
    ///
    /// What was taken is decided after the next [`Handler::settle`].
    fn offer(&self, event: Event) -> Result<(), Box<Declined>>;

    /// Has all decided that was offered, by several at once where they gathered: before this returns, or soon after
    /// where that would take long or somebody else is at it. Never blocks. To be called after offers, always.
    fn settle(&self) {}

    /// Whether less than half of what may wait for it does. If not, `task` is woken once, as soon as it is so.
    fn has_room(&self, _seen: &mut Seen, _task: &Waker) -> bool {
        true
    }

    /// An event for which there was no room is not offered again: to be counted.
    fn lost(&self) {}
}

/// Whether a handler wants an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wants {
    No,
    Yes,
    /// It does, and if it fails at the event, the next one is to have it.
    OrElse,
}

/// What a task has seen of a handler's backlog: by it, one that asks again is still called once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen(pub u64);

/// An event that a handler did not take.
#[derive(Debug)]
pub struct Declined {
    pub event: Event,
    pub why: Fault,
}

/// Carries out what handlers decide: the hub.
pub trait Actor: fmt::Debug + Send + Sync {
    /// Carries out one call's outcome: effects of events that failed are discarded, the others are done in order.
    ///
    /// `events` is the batch that `outcome` speaks of. What could not be done and carried a key comes back as
    /// occurrences for the plugin ([`crate::event::Occurrence::Refused`]).
    fn act(&self, plugin: &PluginName, events: &[Event], outcome: Outcome) -> Vec<Event>;

    /// The open connections of the endpoints whose events are routed to this plugin: what a new instance adopts.
    fn connections_of(&self, plugin: &PluginName) -> Vec<Arc<Connection>>;
}
