//! What effects send.

use tengen_wire::{fault::FaultId, payload::Payload};

/// Outgoing bytes: the handler's own, or those of the event at this place in the batch, which nobody copies.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Content {
    Payload(Payload),
    OfEvent(u32),
}

/// What can be done where something cannot be sent to somebody.
pub(super) const UNFIT: &[(FaultId, &str)] =
    &[(FaultId::Unsupported, "Send what the formats of all receivers can hold")];
