//! The contract between events and those who decide about them.

use crate::{
    effect::Outcome,
    event::{Connection, Event},
    fault::Fault,
    id::PluginName,
};
use std::{fmt, sync::Arc};

/// Decides about events: a plugin, or a built-in like [`crate::router`]'s echo.
///
/// What it decides goes to an [`Actor`], in the order of the events of each connection.
pub trait Handler: fmt::Debug + Send + Sync {
    /// Takes an event over. Never blocks. An event that cannot be taken comes back with the reason.
    ///
    /// What was taken is decided after the next [`Handler::settle`].
    fn offer(&self, event: Event) -> Result<(), Box<Declined>>;

    /// Has all decided that was offered, by several at once where they gathered: before this returns, or soon after
    /// where that would take long or somebody else is at it. Never blocks. To be called after offers, always.
    fn settle(&self) {}
}

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
