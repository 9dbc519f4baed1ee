//! A connection's place in the hub, from before it opens until its socket is gone.

use super::checks::Refusal;
use crate::hub::{Hub, Unwelcome};
use http::StatusCode;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tengen_wire::id::Handle;

/// The place of a connection, until its socket is gone. Its handle goes back unless the connection opens.
pub(super) struct Place {
    hub: Arc<Hub>,
    pub(super) handle: Handle,
    taken: AtomicBool,
}

impl Place {
    pub(super) fn reserve(hub: &Arc<Hub>) -> Result<Self, Refusal> {
        match hub.reserve() {
            Ok(handle) => Ok(Self { hub: Arc::clone(hub), handle, taken: AtomicBool::new(false) }),
            Err(Unwelcome::Full) => {
                Err(refusal("connections", "too many connections; try again later"))
            }
            Err(Unwelcome::Memory) => {
                Err(refusal("memory", "too much waits to be read or decided; try again later"))
            }
            Err(Unwelcome::Draining) => Err(refusal("draining", "going away; connect again")),
        }
    }

    /// The connection is about to open: the handle is its own now.
    pub(super) fn keep(&self) {
        self.taken.store(true, Ordering::Relaxed);
    }
}

fn refusal(label: &'static str, reason: &'static str) -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, label, reason)
}

impl Drop for Place {
    fn drop(&mut self) {
        if !*self.taken.get_mut() {
            self.hub.release(self.handle);
        }
        self.hub.gone();
    }
}
