//! What happens to connections, whatever else plugins can have done; and events that fail.

use super::close::CODES;
use tengen_wire::fault::FaultId;

/// Of events that failed.
pub(super) const REMEDIES: &[(FaultId, &str)] = CODES;
