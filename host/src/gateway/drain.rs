//! The end of a gateway: nobody new, everybody sent away gently, and nothing that is queued lost before the deadline.

use crate::{
    codec::json,
    hub::{Hub, Link},
    id::EventId,
    settings::Drain,
};
use serde_json::json;
use std::{sync::Arc, time::Duration};
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

/// Tells all connections to come back elsewhere and closes them, `batch` of them `every` so often, until `deadline`.
pub(super) async fn connections(
    hub: &Hub,
    rules: &Drain,
    deadline: Instant,
    gone: impl Future<Output = ()>,
) -> Drained {
    let links = hub.begin_drain();
    let connections = links.len();
    let leaving = async {
        send_away(hub, &links, rules).await;
        gone.await;
    };
    let in_time = time::timeout_at(deadline, leaving).await.is_ok();
    let cut_off = if in_time { 0 } else { hub.close_all(&crate::close::Reason::Drained) };
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
            hub.push_to(link, &reconnect, &json::to_payload(&data));
            link.send_away();
        }
    }
}
