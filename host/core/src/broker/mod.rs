//! The contract between channels and who numbers what is published on them.
//!
//! A node has subscribers of its own and brings them what is published, in one order for all of them; a broker says where
//! in its channel each publication stands. [`memory`] is the first engine: one node, no history. What an engine that reaches
//! other nodes needs beside this (to hand in what was published there), and what a history and presence need, comes with the
//! first one that has it.

pub mod memory;

use std::{fmt, sync::Arc};
use tengen_wire::id::Channel;

/// Numbers what is published.
///
/// The first two are called under a lock of the channel's, in turn: so an engine sees the subscribers of a channel come and
/// go in order. It waits for nobody in any of these.
pub trait Broker: fmt::Debug + Send + Sync {
    /// The channel has subscribers on this node from now on: by the log that is returned, they are published to.
    fn subscribe(&self, channel: &Channel) -> Arc<dyn Log>;

    /// The last of them has gone. The log is not used any more.
    fn unsubscribe(&self, channel: &Channel);

    /// Something is published on a channel that has no subscribers on this node: it has its number all the same, so that
    /// whoever comes back sees that something was missed. Under the same lock. What is returned is its place in the channel.
    fn publish(&self, channel: &Channel) -> Position;
}

/// One channel's publications.
pub trait Log: fmt::Debug + Send + Sync {
    /// The next publication's number. They only grow, in the order in which this is called.
    fn publish(&self) -> Published;

    /// Where the channel is.
    fn position(&self) -> Position;
}

/// Where a publication stands in its channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    pub offset: u64,
    /// The offset of the one before it: by it, whoever got that one knows that nothing is missing between them. Not always
    /// one less: an engine may count several channels together.
    pub prev: u64,
}

/// How far a channel has got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// Offsets of another epoch mean nothing in this one.
    pub epoch: Arc<str>,
    /// Of the last publication; 0 before the first.
    pub offset: u64,
}
