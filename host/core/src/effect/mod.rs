//! What a handler wants done. Effects are carried out only when the call that returned them has succeeded. What there is of
//! them says [`crate::capability`].

mod refused;

pub use crate::capability::{Content, Effect, Kind};
pub use refused::{Refusals, Refused, Tally};

use tengen_wire::fault::Fault;

/// An effect and the event that caused it, by its place in the batch.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Caused {
    pub by: u32,
    pub what: Effect,
    /// By which the plugin hears that it was refused; none: it is only counted.
    pub key: Option<String>,
}

impl Caused {
    /// An effect that nobody asks about.
    pub fn new(by: u32, what: Effect) -> Self {
        Self { by, what, key: None }
    }
}

/// What went wrong with one event. Its effects are discarded, the others' stand.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Failure {
    pub by: u32,
    pub why: Fault,
    /// Close the event's connection with this code.
    pub close: Option<u16>,
}

/// What a handler decided about a batch.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub struct Outcome {
    pub effects: Vec<Caused>,
    pub failures: Vec<Failure>,
    /// Events, by their places in order, whose senders get their reply later. Whoever else gets none here is told so.
    pub later: Vec<u32>,
}

impl Outcome {
    /// Nothing but failures.
    pub fn failed(failures: Vec<Failure>) -> Self {
        Self { failures, ..Self::default() }
    }

    /// Nothing but effects.
    pub fn of(effects: Vec<Caused>) -> Self {
        Self { effects, ..Self::default() }
    }
}
