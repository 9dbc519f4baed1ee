//! The end of a gateway: nobody new, everybody sent away gently, and nothing that is queued lost before the deadline.

use crate::hub::{Hub, Link};
use serde_json::json;
use std::{pin::pin, sync::Arc, time::Duration};
use tengen_settings::Drain;
use tengen_telemetry::Report;
use tengen_wire::{close::Reason, id::EventId, payload::Payload};
use tokio::time::{self, Instant};

/// Clients are told to come back within this time, so that they do not all come at once.
const SPREAD_MIN: Duration = Duration::from_secs(1);
const SPREAD_MAX: Duration = Duration::from_secs(30);
/// What each connection adds to the spread: a node can take a few hundred handshakes a second beside its work.
const SPREAD_EACH: Duration = Duration::from_millis(2);

/// What a drain came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Drained {
    /// Connections that were open when it began.
    pub connections: usize,
    /// Connections that were cut off at the deadline.
    pub cut_off: usize,
}

/// Says what the drain came to; what it cost is a warning.
pub(super) fn tell(drained: &Drained, report: &Report) {
    let Drained { connections, cut_off } = *drained;
    tracing::info!(connections, cut_off, "drained");
    if !report.is_complete() {
        let Report { spans_lost, signals_lost, last_error, .. } = report;
        let signals_lost: u64 = signals_lost.values().sum();
        let why = last_error.as_deref();
        tracing::warn!(spans_lost, signals_lost, why, "{report}");
    }
}

/// When connections have to be gone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// Who is there then is cut off.
    pub(super) end: Instant,
    /// How long after that the close frames may take.
    pub(super) closes: Duration,
}

/// Tells all connections to come back elsewhere and closes them, `batch` of them `every` so often, until the end.
pub(super) async fn connections(
    hub: &Hub,
    rules: &Drain,
    times: Times,
    gone: impl Future<Output = ()>,
) -> Drained {
    let links = hub.begin_drain();
    let connections = links.len();
    let mut gone = pin!(gone);
    let leaving = async {
        send_away(hub, &links, rules).await;
        gone.as_mut().await;
    };
    if time::timeout_at(times.end, leaving).await.is_ok() {
        return Drained { connections, cut_off: 0 };
    }
    let cut_off = hub.close_all(&Reason::Drained);
    // What ends now would take their close frames along: a client that hears none does not know that it may come back.
    time::timeout(times.closes, gone).await.unwrap_or_default();
    Drained { connections, cut_off }
}

async fn send_away(hub: &Hub, links: &[Arc<Link>], rules: &Drain) {
    let reconnect = EventId::new("tengen/reconnect");
    let spread = (SPREAD_EACH * u32::try_from(links.len()).unwrap_or(u32::MAX))
        .clamp(SPREAD_MIN, SPREAD_MAX);
    let mut told = 0_u32;
    for (place, batch) in links.chunks(rules.batch.get()).enumerate() {
        if place > 0 {
            time::sleep(rules.every).await;
        }
        for link in batch {
            // Hints are dealt out evenly over the spread; the order of the table is no order of the clients.
            let after = spread * told / u32::try_from(links.len().max(1)).unwrap_or(u32::MAX);
            told += 1;
            let data = json!({ "after-ms": after.as_millis() as u64, "reason": "drain" });
            hub.push_to(link, &reconnect, &Payload::json(&data));
            link.send_away();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tengen_core::trace::NoTracer;
    use tengen_settings::Limits;

    const SECOND: Duration = Duration::from_secs(1);

    /// How long the connections' part of a drain takes whose connections are gone so long after its beginning.
    async fn lasts(gone: Duration) -> Duration {
        let hub = Box::new(Hub::new(Limits::default(), Arc::new(NoTracer)));
        let began = Instant::now();
        let times = Times { end: began + 10 * SECOND, closes: SECOND };
        connections(&hub, &Drain::default(), times, time::sleep(gone)).await;
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_cut_off_close_frames_are_awaited_and_not_for_ever() {
        assert_eq!(lasts(3 * SECOND).await, 3 * SECOND, "all are gone before");
        assert_eq!(lasts(10 * SECOND + SECOND / 2).await, 10 * SECOND + SECOND / 2);
        assert_eq!(lasts(1000 * SECOND).await, 11 * SECOND);
    }
}
