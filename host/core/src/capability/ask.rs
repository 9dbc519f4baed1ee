//! Questions to clients, and what they say to them.

use super::{Content, Wanted, fetch::Place};
use std::{sync::Arc, time::Duration};
use tengen_wire::{
    fault::{Fault, FaultId},
    id::{EventId, Handle},
    payload::Payload,
};

/// Asks the client of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ask {
    pub connection: Handle,
    /// The plugin's own, for [`Answered`].
    pub name: String,
    pub id: EventId,
    pub content: Content,
    /// How long an answer is waited for. None: as long as is usual. More than any question has counts as that.
    pub timeout: Option<Duration>,
}

impl Wanted for Ask {
    const REMEDIES: &'static [(FaultId, &'static str)] = &[
        (
            FaultId::Unsupported,
            "Ask no clients of raw endpoints, and send what the format of the client can hold",
        ),
        (
            FaultId::Conflict,
            "The plugin gives each open question of a connection a name of its own",
        ),
        (FaultId::LimitReached, "Have the plugin wait for answers before it asks on"),
        (FaultId::Overloaded, "The client reads too slowly: the plugin asks again later"),
    ];

    fn content(&self) -> Option<&Content> {
        Some(&self.content)
    }

    fn content_mut(&mut self) -> Option<&mut Content> {
        Some(&mut self.content)
    }
}

/// What came of a question: the client's answer or its own fault, or why there is none.
#[derive(Debug, Clone)]
pub struct Answered {
    pub name: String,
    pub value: Result<Payload, Fault>,
    /// The question's place: given back when nobody has this any more.
    pub place: Arc<Place>,
}
