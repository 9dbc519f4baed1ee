//! Timers: a connection's, or where there is none the plugin's own.

use super::Wanted;
use std::time::Duration;
use tengen_wire::id::Handle;

/// Sets a timer, in place of the one that has this key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SetTimer {
    pub connection: Option<Handle>,
    pub key: String,
    pub after: Duration,
}

/// Takes a timer back.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CancelTimer {
    pub connection: Option<Handle>,
    pub key: String,
}

impl Wanted for SetTimer {}

impl Wanted for CancelTimer {}
