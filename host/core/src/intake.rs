//! The contract of who takes in signals that clients send.

use crate::{event::Connection, trace::TraceContext};
use std::time::SystemTime;
use tengen_wire::fault::Fault;

/// Signals as a client sent them, in one event.
#[derive(Debug)]
pub struct Batch<'a> {
    /// Who sent them: what is said of that in them counts for nothing.
    pub from: &'a Connection,
    /// What was sent, as JSON: a list of signals, or a map with `signals` and, by the client's clock, `sent`.
    pub json: &'a [u8],
    /// When it came in, by our clock.
    pub arrived: SystemTime,
    /// The span of the event; none where nothing is traced.
    pub context: Option<&'a TraceContext>,
}

/// What became of a batch's signals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Taken {
    /// They are signals now, and count as such: what filters leave out only of those that are made, is among them.
    pub accepted: usize,
    /// They are none that anybody wants.
    pub filtered: usize,
    /// They could not be read.
    pub malformed: usize,
}

/// Makes signals of what clients send.
pub trait Intake: std::fmt::Debug + Send + Sync {
    /// Takes in a batch. `admit` is asked once, with the number of its signals, before any of them is looked at.
    ///
    /// Err: `malformed`, or what `admit` said; then nothing of it was taken.
    fn take(
        &self,
        batch: &Batch<'_>,
        admit: &mut dyn FnMut(usize) -> Result<(), Fault>,
    ) -> Result<Taken, Fault>;
}
