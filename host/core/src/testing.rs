//! For the tests of who depends on this crate.

use std::sync::OnceLock;
use tracing::{Dispatch, subscriber::NoSubscriber};

/// Sees to it that no log line of a test is lost to another.
///
/// Where a log line is written from is asked once whether anybody wants it, and while there is one subscriber only, the
/// thread that comes by is asked and nobody else: where that thread has none, nobody gets the line from then on. With a second
/// one that stays, all are asked.
pub fn somebody_listens() {
    static LISTENER: OnceLock<Dispatch> = OnceLock::new();
    LISTENER.get_or_init(|| Dispatch::new(NoSubscriber::default()));
}
