//! Where signals of clients come into a pipe: like all others, but asked for before they are made.

use super::Pipe;
use std::sync::Arc;
use tengen_core::sink::{Level, Signal};

/// Whether a signal that is not made yet may go anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fits {
    Yes,
    /// Nobody wants it: it is filtered, and counted so.
    Not,
}

impl Pipe {
    /// Whether a signal of this level and these names may go anywhere; where not, it counts as made and filtered.
    pub(crate) fn fits(&self, level: Level, namespace: &str, id: &str) -> Fits {
        let state = self.state.load();
        let site = state.site(level, namespace, id);
        let is_raised = !state.is_off && state.raised.iter().any(|raise| level >= raise.level);
        if (site.passes && site.sinks != 0) || is_raised {
            return Fits::Yes;
        }
        self.filtered.add(1);
        Fits::Not
    }

    /// Takes in a signal that fits; its share and how often it may pass are asked for now.
    pub(crate) fn put_of_client(&self, signal: Signal) {
        self.put_into(&self.state.load(), Arc::new(signal), None);
    }
}
