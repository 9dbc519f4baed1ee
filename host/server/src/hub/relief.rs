//! What happens when memory is short: those who hold most of it have to go, and nobody new comes in.

use super::{Hub, Link};
use std::{
    cmp::Reverse,
    future::poll_fn,
    sync::Arc,
    time::{Duration, Instant},
};
use tengen_core::{
    budget::{Budget, STEP},
    event::Connection,
    meter::Happened,
    often::Times,
};
use tokio::time;

/// Those who were closed get so long to let go before others are looked for.
const AGAIN: Duration = Duration::from_millis(10);
/// Nobody holds anything that could be given up: the idle ones are too many.
const LATER: Duration = Duration::from_secs(1);

impl Hub {
    /// What all connections hold, and may hold.
    pub fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// Sees to it that the budget is kept, until it is dropped.
    pub async fn keep_memory(&self) {
        let mut going = Vec::new();
        loop {
            poll_fn(|cx| self.budget.poll_over_mark(cx)).await;
            let found = self.relieve(&mut going);
            time::sleep(if found { AGAIN } else { LATER }).await;
        }
    }

    /// Closes those who hold most, until what the others hold is below the mark. `going`: who was closed and still holds
    /// something. False: there is nobody to close.
    fn relieve(&self, going: &mut Vec<Arc<Connection>>) -> bool {
        going.retain(|connection| connection.waiting.holding.bytes() > 0);
        let soon: usize = going.iter().map(|connection| connection.waiting.holding.bytes()).sum();
        let staying = self.budget.held().saturating_sub(soon);
        let Some(mut excess) = (staying + 1).checked_sub(self.budget.mark()) else { return true };
        let mut closed = 0;
        for (bytes, link) in self.holders() {
            if excess == 0 {
                break;
            }
            excess = excess.saturating_sub(bytes);
            self.meter.note(Happened::Dropped(link.shed()));
            self.tell_of_shed(&link, bytes);
            going.push(Arc::clone(&link.facts));
            closed += 1;
        }
        closed > 0
    }

    /// Who holds more than an idle connection does, the largest first.
    fn holders(&self) -> Vec<(usize, Arc<Link>)> {
        let holds = |link: &Link| link.facts.waiting.holding.bytes();
        let links = self.links.all(|link| holds(link) > STEP && !link.is_shed()).into_iter();
        let mut holders: Vec<_> = links.map(|link| (holds(&link), link)).collect();
        holders.sort_unstable_by_key(|(bytes, _)| Reverse(*bytes));
        holders
    }

    fn tell_of_shed(&self, link: &Link, bytes: usize) {
        let (connection, peer) = (link.facts.id, link.facts.peer);
        let (held, limit) = (self.budget.held(), self.budget.limit());
        self.meter.note(Happened::Shed);
        if let Some(Times { untold, .. }) = self.notable.count("memory", Instant::now()) {
            tracing::warn!(%connection, %peer, bytes, held, limit, untold, "memory is short: what peers sent and did not read takes up four fifths of `limits.memory`; those who hold most are closed with 4000 and newcomers get 503; raise `limits.memory`, or lower `limits.message`, `outbox.bytes`, `limits.per_connection.waiting_bytes` or `limits.connections`");
        } else {
            tracing::debug!(%connection, %peer, bytes, held, limit, "closed because memory is short");
        }
    }
}
