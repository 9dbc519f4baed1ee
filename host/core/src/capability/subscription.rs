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

/// Channels that a connection has left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    pub channels: Vec<Channel>,
    /// The connection has ended: these are all that there were.
    pub at_end: bool,
}

impl Wanted for Subscribe {}

impl Wanted for Unsubscribe {}
