//! What happens to connections, as handlers are told of it. No wire format in here.

use crate::{
    close::Reason,
    fault::Fault,
    id::{Channel, ConnectionId, EndpointIndex, EventId, Handle, UserId},
    payload::Payload,
    trace::{Span, TraceContext},
};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    time::SystemTime,
};

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
    /// Further attributes: what the authenticator added, and the dialect's own (`client-id`).
    pub more: Vec<(String, String)>,
    /// The upgrade's span: every event of the connection links to it.
    pub upgrade: Option<TraceContext>,
    /// What of this connection waits for a decision.
    pub waiting: Waiting,
}

/// Counts what of one connection waits for a decision (requirement T5b).
#[derive(Debug, Default)]
pub struct Waiting {
    events: AtomicU32,
    bytes: AtomicUsize,
}

impl Waiting {
    pub fn events(&self) -> u32 {
        self.events.load(Ordering::Relaxed)
    }

    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// The right of one event to wait: taken from its connection, given back when the event is done with.
#[derive(Debug)]
pub struct Permit {
    connection: Arc<Connection>,
    bytes: usize,
}

impl Permit {
    /// Takes a place for an event of `bytes`, unless the connection already has `max_events` or `max_bytes` waiting.
    ///
    /// A first event is always let in, whatever its size: `limits.message` bounds that.
    pub fn take(
        connection: &Arc<Connection>,
        bytes: usize,
        max_events: u32,
        max_bytes: usize,
    ) -> Option<Self> {
        let waiting = &connection.waiting;
        // Only the connection's own task takes, so reading before adding lets nobody past the limit.
        let events = waiting.events.load(Ordering::Relaxed);
        let held = waiting.bytes.load(Ordering::Relaxed);
        if events >= max_events || (events > 0 && held.saturating_add(bytes) > max_bytes) {
            return None;
        }
        Some(Self::held(connection, bytes))
    }

    /// One more for the same event, which goes to another handler too: an event that was let in goes to all of them.
    pub fn another(&self) -> Self {
        Self::held(&self.connection, self.bytes)
    }

    fn held(connection: &Arc<Connection>, bytes: usize) -> Self {
        connection.waiting.events.fetch_add(1, Ordering::Relaxed);
        connection.waiting.bytes.fetch_add(bytes, Ordering::Relaxed);
        Self { connection: Arc::clone(connection), bytes }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.connection.waiting.events.fetch_sub(1, Ordering::Relaxed);
        self.connection.waiting.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// One thing that happened, on its way to a handler.
#[derive(Debug)]
pub struct Event {
    /// None for what happens to no single connection (a plugin's own timer, `user-online`).
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
    /// The reply the event's sender waits for.
    pub fn reply_to(&self) -> Option<u32> {
        match &self.what {
            Occurrence::Message(message) => message.reply_to,
            _ => None,
        }
    }
}

/// What happened.
#[derive(Debug)]
pub enum Occurrence {
    Opened,
    /// It was open before this instance began: plugin added later, trap, reload without a snapshot.
    Adopted,
    Message(Message),
    Closed(Closing),
    Subscribed(Channel),
    Unsubscribed(Channel),
    UserOnline(UserId),
    UserOffline(UserId),
    Timer(String),
    /// An effect that carried a key was not carried out.
    Refused {
        key: String,
        why: Fault,
    },
    /// So many of the connection's messages never reached the plugin.
    Lost(u32),
}

/// `[event-id data]` from a peer.
#[derive(Debug)]
pub struct Message {
    pub id: EventId,
    pub payload: Payload,
    /// The number by which a handler answers; minted by the hub, unique among replies that are waited for.
    pub reply_to: Option<u32>,
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    pub code: u16,
    pub reason: String,
    pub clean: bool,
}

impl From<&Reason> for Closing {
    fn from(reason: &Reason) -> Self {
        Self { code: reason.code(), reason: reason.word().to_owned(), clean: reason.is_clean() }
    }
}

#[cfg(any(test, fuzzing))]
impl Connection {
    /// Somebody whom nobody knows anything about, for tests: on `/ws`, in our dialect.
    pub(crate) fn anybody(handle: u32) -> Self {
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
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_wait_have_a_bound_and_a_first_event_is_always_let_in() {
        let connection = Arc::new(Connection::anybody(1));
        let take = |bytes| Permit::take(&connection, bytes, 10, 100);
        let first = take(1000).expect("a first event, however large");
        assert!(take(0).is_none(), "over the limit already");
        drop(first);
        let (_one, _two) = (take(60).expect("room"), take(40).expect("room to the byte"));
        assert!(take(1).is_none());
        assert_eq!((connection.waiting.events(), connection.waiting.bytes()), (2, 100));
    }
}
