//! Messages, and answers to them.

use super::{Content, Wanted};
use tengen_wire::{
    fault::{Fault, FaultId},
    id::EventId,
    payload::Payload,
};

/// `[event-id data]` from a peer.
#[derive(Debug, Clone)]
pub struct Message {
    pub id: EventId,
    pub payload: Payload,
    /// The number by which a handler answers; minted by the hub, unique among replies that are waited for.
    pub reply_to: Option<u32>,
}

/// Answers a message, or says why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reply {
    pub reply_to: u32,
    pub value: Result<Content, Fault>,
}

impl Wanted for Reply {
    const REMEDIES: &'static [(FaultId, &'static str)] = &[
        (
            FaultId::NotFound,
            "The plugin answers once, before `limits.reply` is over, by the `reply-to` that it was given",
        ),
        (FaultId::Unsupported, "Send what the formats of all receivers can hold"),
    ];

    fn content(&self) -> Option<&Content> {
        self.value.as_ref().ok()
    }

    fn content_mut(&mut self) -> Option<&mut Content> {
        self.value.as_mut().ok()
    }
}
