//! What frames say, in whatever dialect.

use crate::{
    fault::Fault,
    id::{Channel, ConnectionId, EventId, UserId},
    payload::Payload,
};
use std::{sync::Arc, time::Duration};

/// The sender's name for the reply it waits for: the encoded bytes, echoed untouched.
///
/// A copy, so that a reply that is waited for long does not hold the whole frame; cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback(pub Arc<[u8]>);

/// A frame from a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inbound {
    Event(Arrived),
    /// Answered at once by [`super::pong`], ahead of all data.
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
    /// What a client needs that sends by requests of their own; none: it sends where it reads.
    pub session: Option<Session<'a>>,
    /// What requests of the client's page have to bear, for dialects whose handshake has a slot for it.
    pub csrf: Option<&'a str>,
}

/// How a client names its session where each request stands for itself.
#[derive(Debug, Clone, Copy)]
pub struct Session<'a> {
    /// `info.session`: whoever knows it is the client.
    pub secret: &'a str,
    /// `info.recovered`, for a client that has come back: whether nothing was lost meanwhile.
    pub recovered: Option<bool>,
}

/// What subscribers of a channel get.
#[derive(Debug, Clone)]
pub struct Publication<'a> {
    pub channel: &'a Channel,
    pub id: &'a EventId,
    pub content: &'a Payload,
    /// Where it stands in the channel.
    pub offset: u64,
    /// The offset of the one before it there. It is written only where a client would take it for another one: where it is not
    /// one less.
    pub prev: u64,
    /// The client that published it; none: a plugin did.
    pub from: Option<Publisher<'a>>,
}

/// What a client is asked.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    /// What its answer names it by.
    pub key: u64,
    pub id: &'a EventId,
    pub content: &'a Payload,
    /// How long an answer is waited for.
    pub timeout: Duration,
}

/// A client that publishes.
#[derive(Debug, Clone, Copy)]
pub struct Publisher<'a> {
    pub user: Option<&'a UserId>,
    pub connection: ConnectionId,
}
