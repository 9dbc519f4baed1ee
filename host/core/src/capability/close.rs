//! Ends of connections, by whomever.

use super::Wanted;
use tengen_wire::{close::Reason, fault::FaultId, id::Handle};

/// Closes a connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Close {
    pub connection: Handle,
    pub code: u16,
    pub reason: String,
}

pub(super) const CODES: &[(FaultId, &str)] = &[(
    FaultId::NotAllowed,
    "The plugin closes connections of its own routes, with 1000 or 3000 to 4999",
)];

impl Wanted for Close {
    const REMEDIES: &'static [(FaultId, &'static str)] = CODES;
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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
