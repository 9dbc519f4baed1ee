//! Frames of the three dialects: ours, Sente's, and raw.
//!
//! An envelope is decoded as far as routing needs it; the payload stays the bytes that came in. Grammar: Sente's from
//! 1.21 on, `[[event-id data] callback meta]`.

mod decode;
mod encode;

#[cfg(test)]
mod tests;

pub use decode::decode;
pub use encode::{error, handshake, ping, pong, publication, push, reply};

use crate::{
    fault::Fault,
    id::{Channel, ConnectionId, EventId, UserId},
    payload::{Encoding, Payload},
};
use std::{sync::Arc, time::Duration};

/// What the peers of an endpoint speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// `tengen.v1`, chosen by subprotocol.
    Tengen,
    /// Sente 1.17 to 1.22.
    Sente,
    /// Each frame is an event `raw/text` or `raw/binary`; pushes leave as they are.
    Raw,
}

impl Dialect {
    /// The word used in configuration, metrics and for plugins.
    pub fn word(self) -> &'static str {
        match self {
            Self::Tengen => "tengen",
            Self::Sente => "sente",
            Self::Raw => "raw",
        }
    }
}

/// A dialect in one of its formats: everything that decides how a frame looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Wire {
    pub dialect: Dialect,
    /// For [`Dialect::Raw`] it is [`Encoding::Text`] and not looked at.
    pub format: Encoding,
}

impl Wire {
    /// Every wire that a peer can have.
    pub const ALL: [Self; 5] = [
        Self { dialect: Dialect::Tengen, format: Encoding::Json },
        Self { dialect: Dialect::Tengen, format: Encoding::Edn },
        Self { dialect: Dialect::Sente, format: Encoding::Edn },
        Self { dialect: Dialect::Sente, format: Encoding::Json },
        Self { dialect: Dialect::Raw, format: Encoding::Text },
    ];

    /// The wire's place in [`Wire::ALL`]: for keeping one frame per wire in an array.
    ///
    /// For a wire that no peer can have it is `ALL.len()`, where [`slice::get`] finds nothing.
    pub const fn index(self) -> usize {
        match (self.dialect, self.format) {
            (Dialect::Tengen, Encoding::Json) => 0,
            (Dialect::Tengen, Encoding::Edn) => 1,
            (Dialect::Sente, Encoding::Edn) => 2,
            (Dialect::Sente, Encoding::Json) => 3,
            (Dialect::Raw, _) => 4,
            _ => Self::ALL.len(),
        }
    }
}

/// The sender's name for the reply it waits for: the encoded bytes, echoed untouched.
///
/// A copy, so that a reply that is waited for long does not hold the whole frame; cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback(pub Arc<[u8]>);

/// A frame from a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inbound {
    Event(Arrived),
    /// Answered at once by [`pong`], ahead of all data.
    Ping(Option<Callback>),
    Pong,
}

/// `[event-id data]`, its callback and its meta.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived {
    pub id: EventId,
    /// In the wire's own format; a slice of the frame.
    pub payload: Payload,
    pub callback: Option<Callback>,
    /// From `meta`; only in our dialect.
    pub traceparent: Option<String>,
    pub tracestate: Option<String>,
}

/// A frame that cannot be taken: what to answer, and to which callback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    pub why: Fault,
    /// The event's id, as far as it could be read.
    pub event: Option<String>,
    pub callback: Option<Callback>,
}

/// What the first frame tells a client.
#[derive(Debug, Clone)]
pub struct Handshake<'a> {
    pub user: Option<&'a UserId>,
    pub connection: ConnectionId,
    pub node: &'a str,
    pub ping: Duration,
    pub max_bytes: usize,
    pub version: &'a str,
    /// What the authenticator wants the client to know; `info.welcome`.
    pub welcome: Option<&'a Payload>,
}

/// What subscribers of a channel get.
#[derive(Debug, Clone)]
pub struct Publication<'a> {
    pub channel: &'a Channel,
    pub id: &'a EventId,
    pub content: &'a Payload,
    pub offset: u64,
}
