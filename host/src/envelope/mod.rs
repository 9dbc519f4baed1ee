//! Frames of the three dialects: ours, Sente's, and raw.
//!
//! An envelope is decoded as far as routing needs it; the payload stays the bytes that came in. Grammar: Sente's from
//! 1.21 on, `[[event-id data] callback meta]`.

use crate::{
    codec,
    fault::Fault,
    id::{Channel, ConnectionId, EventId, UserId},
    payload::{Encoding, Frame, Payload},
    trace::TraceContext,
};
use bytes::Bytes;
use std::time::Duration;

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

/// A dialect in one of its formats: everything that decides how a frame looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Wire {
    pub dialect: Dialect,
    /// For [`Dialect::Raw`] it is [`Encoding::Text`] and not looked at.
    pub format: Encoding,
}

/// The sender's name for the reply it waits for: the encoded bytes, echoed untouched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback(pub Bytes);

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

/// Reads one frame. Text must be UTF-8 already.
pub fn decode(wire: Wire, frame: &Frame) -> Result<Inbound, Box<Malformed>> {
    todo!("{wire:?} {frame:?}")
}

/// The first frame; raw endpoints have none.
pub fn handshake(wire: Wire, handshake: &Handshake<'_>) -> Option<Frame> {
    todo!("{wire:?} {handshake:?}")
}

/// A batch of one event. `context` travels as `meta.traceparent` in our dialect.
pub fn push(
    wire: Wire,
    id: &EventId,
    content: &Payload,
    context: Option<&TraceContext>,
) -> Result<Frame, Fault> {
    todo!("{wire:?} {id:?} {content:?} {context:?}")
}

/// `tengen/publication` with its data.
pub fn publication(
    wire: Wire,
    what: &Publication<'_>,
    context: Option<&TraceContext>,
) -> Result<Frame, Fault> {
    todo!("{wire:?} {what:?} {context:?}")
}

/// `[value callback meta]`.
pub fn reply(
    wire: Wire,
    callback: &Callback,
    content: &Payload,
    context: Option<&TraceContext>,
) -> Result<Frame, Fault> {
    todo!("{wire:?} {callback:?} {content:?} {context:?}")
}

/// The answer to an event that failed: to its callback, or pushed as `tengen/error`. Raw endpoints have none.
pub fn error(
    wire: Wire,
    why: &Fault,
    event: Option<&str>,
    callback: Option<&Callback>,
) -> Option<Frame> {
    todo!("{wire:?} {why:?} {event:?} {callback:?}")
}

/// The gateway's ping; raw endpoints use WebSocket's own.
pub fn ping(wire: Wire) -> Option<Frame> {
    todo!("{wire:?}")
}

/// The answer to a ping.
pub fn pong(wire: Wire, callback: Option<&Callback>) -> Option<Frame> {
    todo!("{wire:?} {callback:?}")
}
