//! What happens to connections, whatever else plugins can have done; and events that fail.

use super::{close::CODES, fetch::Place};
use std::sync::Arc;
use tengen_wire::fault::FaultId;

/// Messages that a connection's outbox has left out.
#[derive(Debug, Clone)]
pub struct Missed {
    pub count: u32,
    /// The next one waits until nobody has this any more.
    pub place: Arc<Place>,
}

/// Of events that failed.
pub(super) const REMEDIES: &[(FaultId, &str)] = CODES;
