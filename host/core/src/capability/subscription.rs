//! Connections that come into channels, and go.

use super::Wanted;
use tengen_wire::id::{Channel, Handle};

/// Brings a connection into a channel.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subscribe {
    pub connection: Handle,
    pub channel: Channel,
}

/// Takes a connection out of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Unsubscribe {
    pub connection: Handle,
    pub channel: Channel,
}

impl Wanted for Subscribe {}

impl Wanted for Unsubscribe {}
