//! What single peers make happen again and again: the log has one of a kind in a minute, with how many it does not have.
//! Each of them is there at level `debug`.

use super::{Hub, Link};
use std::time::Instant;
use tengen_core::often::Times;
use tengen_wire::{
    fault::Fault,
    id::{EventId, PluginName},
};

impl Hub {
    /// A message came that is larger than half of what one may have.
    pub(crate) fn note_large_message(&self, link: &Link, bytes: usize) {
        let (connection, peer, limit) = (link.facts.id, link.facts.peer, self.limits.message.get());
        match self.notable.count("large-message", Instant::now()) {
            Some(Times { untold, .. }) => {
                tracing::warn!(%connection, %peer, bytes, limit, untold, "a message is larger than half of `limits.message`: raise that before messages are refused, or have clients send less at once");
            }
            None => tracing::debug!(%connection, %peer, bytes, limit, "large message"),
        }
    }

    /// A connection has not read what was written to it, and its outbox is full.
    pub(super) fn note_slow_consumer(&self, link: &Link) {
        let (connection, peer, depth) = (link.facts.id, link.facts.peer, link.depth());
        match self.notable.count("slow-consumer", Instant::now()) {
            Some(Times { untold, .. }) => {
                tracing::warn!(%connection, %peer, depth, untold, "an outbox is full, and its connection is closed: send it less, raise `outbox.events` and `outbox.bytes`, or let `outbox.when_full` drop");
            }
            None => tracing::debug!(%connection, %peer, depth, "outbox is full"),
        }
    }

    /// A plugin was not told that a connection opened or closed.
    pub(crate) fn note_unheard(&self, plugin: &PluginName, link: &Link, why: &Fault) {
        let (connection, why) = (link.facts.id, &why.message);
        match self.notable.count("unheard", Instant::now()) {
            Some(Times { untold, .. }) => {
                tracing::warn!(%plugin, %connection, why, untold, "a plugin did not hear of a connection: it is behind or down, see `tengen plugin list`");
            }
            None => {
                tracing::debug!(%plugin, %connection, why, "plugin did not hear of a connection")
            }
        }
    }

    /// What the gateway itself had to say does not fit a connection's format, which is a fault of the gateway.
    pub(super) fn note_unencoded(&self, id: &EventId, why: &Fault) {
        if let Some(Times { untold, .. }) = self.notable.count("unencoded", Instant::now()) {
            tracing::error!(event = %id, why = %why.message, untold, "an event of the gateway's own could not be encoded: please report it");
        }
    }
}
