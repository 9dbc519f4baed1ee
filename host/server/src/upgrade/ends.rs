//! What the log says of connections that have ended.

use crate::hub::Link;
use std::time::Instant;
use tengen_core::{
    event::Connection,
    often::{Often, Times},
    security,
};
use tengen_wire::{close::Reason, dialect::Dialect};

pub(super) fn log_close(facts: &Connection, reason: &Reason, ends: &Often) {
    let by_us =
        !matches!(reason, Reason::Peer(_) | Reason::Lost | Reason::Drained | Reason::Plugin { .. });
    let label = Reason::KINDS.get(reason.kind()).copied().unwrap_or("other");
    // What a plugin says to its peer is between the two.
    let why = if matches!(reason, Reason::Plugin { .. }) { label } else { reason.word() };
    let code = reason.code();
    match by_us.then(|| ends.count(label, Instant::now())).flatten() {
        Some(Times { untold, .. }) if is_of_security(reason) => {
            tracing::info!(name: security::VIOLATION, connection = %facts.id, peer = %facts.peer, code, why, untold, "connection closed by the gateway");
        }
        Some(Times { untold, .. }) => {
            tracing::info!(connection = %facts.id, peer = %facts.peer, code, why, untold, "connection closed by the gateway");
        }
        None => {
            tracing::debug!(connection = %facts.id, peer = %facts.peer, code, why, "connection closed")
        }
    }
}

/// Whether the peer sent what no peer should.
fn is_of_security(reason: &Reason) -> bool {
    matches!(reason, Reason::Protocol | Reason::NotUtf8 | Reason::TooLarge | Reason::Violation)
}

/// A client that cannot read the first frame says nothing and goes: that looks like a network's fault, and is none.
pub(super) fn log_silence(link: &Link, reason: &Reason, ends: &Often) {
    let facts = &link.facts;
    let Some(silence) = baffled(link.wire.dialect, link.has_spoken(), reason) else { return };
    let times = ends.count(silence, Instant::now());
    // Now and then: others go before they have anything to say.
    if let Some(Times { count, .. }) = times.filter(|times| times.count.is_power_of_two()) {
        tracing::info!(connection = %facts.id, peer = %facts.peer, count, "{silence}");
    }
}

/// What to tell of a client that may not have understood anything.
fn baffled(dialect: Dialect, has_spoken: bool, reason: &Reason) -> Option<&'static str> {
    let by_the_peer = matches!(reason, Reason::Peer(_) | Reason::Lost | Reason::HeartbeatMissed);
    dialect.profile().silence.filter(|_| !has_spoken && by_the_peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sente_client_that_goes_without_a_word_may_not_have_understood() {
        let goes = Reason::Peer(1000);
        let told = baffled(Dialect::Sente, false, &goes);
        assert!(told.is_some_and(|told| told.contains("`:packer :edn`")));
        assert!(baffled(Dialect::Sente, false, &Reason::Lost).is_some());
        assert_eq!(baffled(Dialect::Sente, true, &goes), None);
        assert_eq!(baffled(Dialect::Tengen, false, &goes), None);
        assert_eq!(baffled(Dialect::Sente, false, &Reason::Drained), None);
    }
}
