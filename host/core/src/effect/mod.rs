//! What a handler wants done. Effects are carried out only when the call that returned them has succeeded.

mod refused;

pub use refused::{Kind, Refusals, Refused, Tally};

use std::time::Duration;
use tengen_wire::{
    fault::Fault,
    id::{Channel, EventId, Handle, UserId},
    payload::Payload,
};

/// Outgoing bytes: the handler's own, or those of the event at this place in the batch, which nobody copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    Payload(Payload),
    OfEvent(u32),
}

/// Who gets a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Connection(Handle),
    Connections(Vec<Handle>),
    User(UserId),
    Users(Vec<UserId>),
    Channel(Channel),
    /// All connections of the endpoint that the causing event came from.
    Endpoint,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    Reply {
        reply_to: u32,
        value: Result<Content, Fault>,
    },
    Push {
        to: Target,
        except: Option<Handle>,
        id: EventId,
        content: Content,
        key: Option<String>,
    },
    Publish {
        channel: Channel,
        id: EventId,
        content: Content,
        except: Option<Handle>,
        keep: bool,
        key: Option<String>,
    },
    Subscribe {
        connection: Handle,
        channel: Channel,
    },
    Unsubscribe {
        connection: Handle,
        channel: Channel,
    },
    Close {
        connection: Handle,
        code: u16,
        reason: String,
    },
    SetTimer {
        connection: Option<Handle>,
        key: String,
        after: Duration,
    },
    CancelTimer {
        connection: Option<Handle>,
        key: String,
    },
    /// A kind this gateway does not carry out: refused, counted, and told to the plugin when it has a key.
    Unsupported {
        kind: Kind,
        name: String,
        key: Option<String>,
    },
}

impl Effect {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Reply { .. } => Kind::Reply,
            Self::Push { .. } => Kind::Push,
            Self::Publish { .. } => Kind::Publish,
            Self::Subscribe { .. } => Kind::Subscribe,
            Self::Unsubscribe { .. } => Kind::Unsubscribe,
            Self::Close { .. } => Kind::Close,
            Self::SetTimer { .. } => Kind::SetTimer,
            Self::CancelTimer { .. } => Kind::CancelTimer,
            Self::Unsupported { kind, .. } => *kind,
        }
    }
}

/// An effect and the event that caused it, by its place in the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caused {
    pub by: u32,
    pub what: Effect,
}

/// What went wrong with one event. Its effects are discarded, the others' stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub by: u32,
    pub why: Fault,
    /// Close the event's connection with this code.
    pub close: Option<u16>,
}

/// What a handler decided about a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub effects: Vec<Caused>,
    pub failures: Vec<Failure>,
}
