//! The role that takes telemetry records.

use crate::{Plugin, Refusal, Signal};

/// Takes signals: what the gateway, its plugins and its clients have to say about themselves.
pub trait Sink: Plugin {
    /// Takes a batch and says how many signals were taken, from its start; the gateway offers the rest again.
    ///
    /// `dropped_before` says how many were lost since the last call because this sink was too slow.
    fn deliver(&mut self, signals: Vec<Signal>, dropped_before: u32) -> Result<u32, Refusal>;

    /// Writes out what is held back. Called before the instance ends.
    fn flush(&mut self) -> Result<(), String> {
        Ok(())
    }
}
