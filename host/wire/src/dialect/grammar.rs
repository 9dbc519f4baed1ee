//! What makes a dialect.

use super::{
    Arrived, Callback, Handshake, Inbound, Malformed, Publication, Question,
    request::{self, Asked, Request},
};
use crate::{
    fault::Fault, format::Encoding, frame::Frame, id::EventId, payload::Payload,
    trace::TraceContext,
};
use std::time::Duration;

/// A dialect: its frames in each of its formats, and what there is to know of it beside them.
///
/// A member has a file of its own, and its line in the list ([`super::Dialect`]). Each function gets the format of the
/// wire; one that the dialect is not spoken in has no frames, or `unsupported`.
pub(crate) trait Grammar {
    const PROFILE: Profile;

    /// Reads one frame. The whole of it is checked, so that its payload may stand in other frames of the same format as it is.
    fn decode(format: Encoding, frame: &Frame) -> Result<Inbound, Box<Malformed>>;
    /// What an event asks of the gateway itself, if it does.
    fn asked(id: &str) -> Option<Asked> {
        Asked::of(id)
    }
    /// Reads what it asks.
    fn request(format: Encoding, asked: Asked, arrived: &Arrived) -> Result<Request, Fault> {
        request::read(format, asked, arrived)
    }
    /// The first frame, if there is one.
    fn handshake(format: Encoding, handshake: &Handshake<'_>) -> Option<Frame>;
    fn push(
        format: Encoding,
        id: &EventId,
        content: &Payload,
        context: Option<&TraceContext>,
    ) -> Result<Frame, Fault>;
    fn publication(
        format: Encoding,
        what: &Publication<'_>,
        context: Option<&TraceContext>,
    ) -> Result<Frame, Fault>;
    /// A question, which an event of the client's answers.
    fn ask(
        format: Encoding,
        what: &Question<'_>,
        context: Option<&TraceContext>,
    ) -> Result<Frame, Fault>;
    /// The answer to the callback of this event.
    fn reply(
        format: Encoding,
        to: (&str, &Callback),
        content: &Payload,
        context: Option<&TraceContext>,
    ) -> Result<Frame, Fault>;
    /// The answer to an event that failed, to its callback if there is one.
    fn error(
        format: Encoding,
        why: &Fault,
        event: Option<&str>,
        callback: Option<&Callback>,
    ) -> Vec<Frame>;
    /// None: WebSocket's own is used.
    fn ping(format: Encoding) -> Option<Frame>;
    /// None: there is no answer to such a ping.
    fn pong(format: Encoding, callback: Option<&Callback>) -> Option<Frame>;
}

/// What the rest of the gateway has to know of a dialect.
#[derive(Debug, Clone, Copy)]
pub struct Profile {
    /// The word used in configuration, metrics and for plugins.
    pub word: &'static str,
    /// The formats that its frames can be written in.
    pub formats: &'static [Encoding],
    /// Those of them that an endpoint may name, the default first. Where it names none, all are offered if
    /// clients choose (`subprotocol`), and else the default. Empty: its frames are
    /// carried and not read, so that a payload leaves as what it is.
    pub offered: &'static [Encoding],
    pub subprotocol: Subprotocol,
    /// Whether a first frame tells the client who it is. What an authenticator wants to say has no place elsewhere.
    pub greets: bool,
    /// Whether a peer can be told that something of its was refused or lost. Who cannot is sent away instead.
    pub tells: bool,
    /// Whether it has pings of its own; else WebSocket's are used.
    pub pings: bool,
    /// Whether its clients fall back to long polls, whose answers are frames of the dialect.
    pub polls: bool,
    /// When its clients expect pings; none: when the configuration says so.
    pub pulse: Option<Pulse>,
    /// Clients have to name themselves by `client-id` in the query: what one is told that does not.
    pub client_id: Option<&'static str>,
    /// What to tell the operator when clients end without having said anything: they may not have understood. None: clients
    /// are free to be silent.
    pub silence: Option<&'static str>,
}

impl Profile {
    /// Whether frames are read, and their data is in one of several formats.
    pub const fn is_read(&self) -> bool {
        !self.offered.is_empty()
    }

    /// The formats of an endpoint that names none.
    pub fn formats_by_default(&self) -> &'static [Encoding] {
        match self.subprotocol {
            Subprotocol::Format(_) => self.offered,
            Subprotocol::Named | Subprotocol::Any => self.offered.get(..1).unwrap_or_default(),
        }
    }
}

/// What the subprotocol of an upgrade request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subprotocol {
    /// It names the format, behind this prefix.
    Format(&'static str),
    /// The endpoint may name those that are spoken. The first that is offered comes back.
    Named,
    /// It says nothing. The first that is offered comes back.
    Any,
}

/// The heartbeat that the clients of a dialect rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pulse {
    /// A ping follows on so long a silence.
    pub idle: Duration,
    /// Nobody is given up before so long a silence, whatever was asked.
    pub silence: Duration,
    /// What goes to the client is no silence either.
    pub both_ways: bool,
}
