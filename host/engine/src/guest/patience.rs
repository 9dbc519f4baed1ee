//! How long a call may wait for servers.

use std::time::Duration;
use tokio::time::Instant;

/// How long all requests of one call may take together.
pub(crate) const WAIT: Duration = Duration::from_secs(5);

/// Until when the call in hand may wait for servers; none: it may not.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Patience(pub(super) Option<Instant>);

impl Patience {
    /// Of a call that may.
    pub(crate) fn begin() -> Self {
        Self(Some(Instant::now() + WAIT))
    }

    /// Of every other.
    pub(crate) fn none() -> Self {
        Self(None)
    }
}
