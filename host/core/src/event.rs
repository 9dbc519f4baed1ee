//! What happens to connections, as handlers are told of it. No wire format in here. What can happen says
//! [`crate::capability`].

mod data;
mod waiting;

pub use crate::capability::{Occurrence, close::Closing, reply::Message};
use crate::trace::{Kind, Span, Start, TraceContext, Tracer};
pub use data::{Data, OwnData};
use std::{net::SocketAddr, sync::Arc, time::SystemTime};
use tengen_wire::{
    fault::Fault,
    id::{ConnectionId, EndpointIndex, Handle, UserId},
    payload::Payload,
};
pub use waiting::{Below, Permit, Waiting};

/// Who is at the other end, as the authenticator said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    pub claims: Vec<(String, String)>,
    /// When the authentication ends, and the connection with it.
    pub expires_at: Option<SystemTime>,
}

/// The facts of one connection. They do not change while it is open.
#[derive(Debug)]
pub struct Connection {
    pub handle: Handle,
    pub id: ConnectionId,
    pub user: Option<User>,
    /// The endpoint's path, such as `/ws`.
    pub endpoint: Arc<str>,
    pub endpoint_index: EndpointIndex,
    pub peer: SocketAddr,
    /// `tengen`, `sente` or `raw`.
    pub dialect: &'static str,
    /// Further attributes: what the authenticator added, the dialect's own (`client-id`), and the transport where it is no
    /// WebSocket.
    pub more: Vec<(String, String)>,
    /// The upgrade's span: every event of the connection links to it.
    pub upgrade: Option<TraceContext>,
    /// What of this connection waits for a decision.
    pub waiting: Waiting,
    /// What plugins keep with it: the one thing here that changes.
    pub data: Data,
}

/// One thing that happened, on its way to a handler.
#[derive(Debug)]
pub struct Event {
    /// None for what happens to no single connection (a plugin's own timer, channels).
    pub connection: Option<Arc<Connection>>,
    /// Counts the connection's events from 1.
    pub seq: u32,
    pub at: SystemTime,
    pub what: Occurrence,
    /// The event's own span; ends when the event has been decided.
    pub span: Span,
    /// Held while the event waits; absent for what the gateway itself says.
    pub permit: Option<Permit>,
}

impl Event {
    /// The event as it goes on to somebody else, with its span and its place; what is left is only to be looked at.
    #[must_use]
    pub fn take_on(&mut self) -> Self {
        let permit = self.permit.take();
        let span = std::mem::replace(&mut self.span, Span::none());
        let whole = Self { permit, span, ..self.another() };
        // Whoever it goes to answers it.
        if let Occurrence::Message(message) = &mut self.what {
            message.reply_to = None;
        }
        whole
    }

    /// The same for somebody else as well.
    #[must_use]
    pub fn another(&self) -> Self {
        Self {
            connection: self.connection.clone(),
            seq: self.seq,
            at: self.at,
            what: self.what.clone(),
            span: Span::none(),
            permit: self.permit.as_ref().map(Permit::another),
        }
    }

    /// Whether somebody else has it if its handler fails at it.
    pub fn goes_on(&self) -> bool {
        self.permit.as_ref().is_some_and(|permit| permit.onward.is_some())
    }

    pub fn message(&self) -> Option<&Message> {
        match &self.what {
            Occurrence::Message(message) => Some(message),
            _ => None,
        }
    }

    /// What a client said in it: a message's data, or an answer.
    pub fn payload(&self) -> Option<&Payload> {
        match &self.what {
            Occurrence::Message(message) => Some(&message.payload),
            Occurrence::Answered(answered) => answered.value.as_ref().ok(),
            _ => None,
        }
    }

    /// What it is: a message's id, or the word for what else happened.
    pub fn word(&self) -> &str {
        match &self.what {
            Occurrence::Message(message) => &message.id,
            what => what.word(),
        }
    }

    /// Has its trace told although it was not chosen: for what failed, was refused, or took long. Whether it is recorded
    /// now, says the span. `at`: when it arrived.
    pub fn recall(&mut self, tracer: &dyn Tracer, at: SystemTime) {
        if !self.span.is_left_out() || tracer.slow().is_none() {
            return;
        }
        let Self { span, what, connection, .. } = self;
        let what = &*what;
        let target = match what {
            Occurrence::Message(message) => &*message.id,
            other => other.word(),
        };
        let link = connection.as_ref().and_then(|connection| connection.upgrade.as_ref());
        let (operation, kind) = (PROCESS, Kind::Consumer);
        tracer.recall(span, Start { operation, target, kind, parent: None, link, at: Some(at) });
        if let (Occurrence::Message(message), Some(connection)) = (what, connection) {
            describe(span, connection, &message.id, message.payload.body.len());
        }
    }

    /// The reply the event's sender waits for.
    pub fn reply_to(&self) -> Option<u32> {
        self.message()?.reply_to
    }
}

/// The span of an event, from its reading to what was decided about it.
pub const PROCESS: &str = "process";

/// What the span of a message says of it, if it is recorded. `size`: bytes of its payload.
pub fn describe(span: &mut Span, connection: &Connection, id: &str, size: usize) {
    if !span.is_recording() {
        return;
    }
    span.set("messaging.system", "tengen");
    span.set("messaging.operation.name", PROCESS);
    span.set("messaging.operation.type", PROCESS);
    span.set("messaging.destination.name", id.to_owned());
    span.set("messaging.message.body.size", i64::try_from(size).unwrap_or(i64::MAX));
    span.set("tengen.connection.id", connection.id.to_string());
    span.set("tengen.endpoint", Arc::clone(&connection.endpoint));
}

/// Where an event goes that its handler failed at.
pub trait Onward: std::fmt::Debug + Send + Sync {
    /// Takes the event to whoever is next, or says why nobody is.
    fn go_on(&self, event: Event, why: Fault);
}

impl Connection {
    /// One that has ended, of which no more is known.
    pub fn gone(handle: Handle, id: ConnectionId) -> Self {
        Self {
            handle,
            id,
            user: None,
            endpoint: "".into(),
            endpoint_index: EndpointIndex(u16::MAX),
            peer: ([0, 0, 0, 0], 0).into(),
            dialect: "",
            more: Vec::new(),
            upgrade: None,
            data: Data::default(),
            waiting: Waiting::default(),
        }
    }
}

#[cfg(any(test, fuzzing, feature = "testing"))]
impl Connection {
    /// Somebody whom nobody knows anything about, for tests: on `/ws`, in our dialect.
    pub fn anybody(handle: u32) -> Self {
        Self {
            handle: Handle(handle),
            id: ConnectionId::from_bytes([7; 16]),
            user: None,
            endpoint: "/ws".into(),
            endpoint_index: EndpointIndex(0),
            peer: ([127, 0, 0, 1], 1).into(),
            dialect: "tengen",
            more: Vec::new(),
            upgrade: None,
            waiting: Waiting::default(),
            data: Data::default(),
        }
    }
}
