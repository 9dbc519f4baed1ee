//! Connections that come into channels, and go. A channel's name is the key of its subscriptions.

use super::Wanted;
use tengen_wire::id::{Channel, Handle};

/// Brings a connection into a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscribe {
    pub connection: Handle,
    pub channel: Channel,
}

/// Takes a connection out of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsubscribe {
    pub connection: Handle,
    pub channel: Channel,
}

impl Wanted for Subscribe {
    fn key(&self) -> Option<&str> {
        Some(&self.channel)
    }
}

impl Wanted for Unsubscribe {
    fn key(&self) -> Option<&str> {
        Some(&self.channel)
    }
}
