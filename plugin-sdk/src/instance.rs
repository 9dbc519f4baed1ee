//! The one instance of a plugin that lives in a component's memory.

use crate::{Plugin, StartReason, signals};
use std::{cell::RefCell, fmt};

/// Holds the plugin between calls. Calls into a component never overlap.
pub struct Instance<P>(RefCell<Option<P>>);

impl<P: Plugin> Instance<P> {
    /// Nothing yet: the gateway calls `start` before anything else.
    pub const fn new() -> Self {
        Self(RefCell::new(None))
    }

    /// Starts the plugin; what was there before is dropped.
    pub fn start(&self, reason: StartReason) -> Result<(), String> {
        signals::report_panics();
        let plugin = P::start(reason)?;
        *self.0.borrow_mut() = Some(plugin);
        Ok(())
    }

    /// Stops the plugin and drops it.
    pub fn stop(&self) {
        if let Some(mut plugin) = self.0.borrow_mut().take() {
            plugin.stop();
        }
    }

    /// Calls the plugin; `Err` when it has not been started.
    pub fn with<R>(&self, call: impl FnOnce(&mut P) -> R) -> Result<R, String> {
        match self.0.borrow_mut().as_mut() {
            Some(plugin) => Ok(call(plugin)),
            None => Err("the plugin has not been started".to_owned()),
        }
    }
}

impl<P: Plugin> Default for Instance<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P> fmt::Debug for Instance<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance").finish_non_exhaustive()
    }
}
