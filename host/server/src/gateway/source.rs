//! What the admin listener shows of a gateway, and what it may have done.

use super::Shared;
use crate::admin;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tengen_telemetry as telemetry;
use tengen_wire::{close::Reason, fault::FaultId};

impl admin::Source for Shared {
    fn ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    fn stats(&self) -> Value {
        let settings = self.settings.load();
        let counters = &self.hub.counters;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut failed_by = self.upgrades.failures.counts();
        let unserved = failed_by.remove("file").unwrap_or_default();
        let timers = self.hub.timers();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "uptime-s": self.since.elapsed().as_secs(),
            "listen": {
                "requested": settings.server.listen.to_string(),
                "actual": self.address.to_string(),
                "ephemeral": self.ephemeral,
            },
            "connections": self.connections(&failed_by),
            "files": { "unserved": unserved },
            "memory": {
                "held": self.hub.budget().held(),
                "limit": self.hub.budget().limit(),
                "closed": count(&counters.shed),
                "refused": count(&counters.refused_for_memory),
                "lost-events": count(&counters.shed_events),
            },
            "channels": self.hub.channels(),
            "events": {
                "received": counters.events.get(),
                "malformed": count(&counters.malformed),
                "overloaded": counters.declined.of(FaultId::Overloaded),
                "declined": counters.declined.all().collect::<BTreeMap<_, _>>(),
                "unrouted": count(&counters.unrouted),
            },
            "replies": {
                "sent": counters.replies.get(),
                "waiting": self.hub.open_replies(),
                "timed-out": count(&counters.reply_timeouts),
                "unanswered": count(&counters.unanswered),
                "stray": count(&counters.stray_replies),
            },
            "timers": {
                "waiting": timers.waiting,
                "fired": timers.fired,
                "put-off": timers.put_off,
                "forgotten": timers.forgotten,
            },
            "outbox": {
                "enqueued": counters.delivered.get(),
                "dropped": count(&counters.outbox_dropped),
                "unsupported": count(&counters.unsupported),
            },
            "effects": {
                "refused": counters.refused.total(),
                "refused-by-reason": counters.refused.all(),
            },
            "notable": self.hub.notable.counts(),
            "plugins": self.plugin_losses(),
            "log": { "lost-lines": telemetry::log::lost_lines() },
            "telemetry": serde_json::to_value(self.telemetry.stats()).unwrap_or(Value::Null),
        })
    }

    fn plugins(&self) -> Value {
        let running = self.plugins.running();
        running
            .values()
            .map(|plugin| serde_json::to_value(plugin.status()).unwrap_or(Value::Null))
            .collect()
    }

    fn reload<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Value, String>> {
        Box::pin(async move {
            let Some(plugin) = self.plugins.get(name) else {
                return Err(format!("no plugin `{name}` runs here"));
            };
            self.plugins.reload(Arc::clone(&plugin)).await?;
            Ok(serde_json::to_value(plugin.status()).unwrap_or(Value::Null))
        })
    }
}

impl Shared {
    fn connections(&self, failed_by: &BTreeMap<&'static str, u64>) -> Value {
        let counters = &self.hub.counters;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let ended = Reason::KINDS.iter().zip(&counters.ended);
        let ended: serde_json::Map<_, _> =
            ended.map(|(kind, counter)| ((*kind).to_owned(), count(counter).into())).collect();
        json!({
            "open": self.hub.len(),
            "limit": self.hub.limits().connections.get(),
            "opened": count(&counters.opened),
            "rejected": count(&counters.rejected),
            "rejected-by": self.upgrades.refusals.counts(),
            "refused-posts-by": self.upgrades.posts.counts(),
            "closing": self.hub.closing(),
            "failed-requests": count(&counters.failed_requests),
            "failed-by": failed_by,
            "ended": ended,
            "slow-consumers": count(&counters.slow_consumers),
        })
    }

    /// What each plugin wanted and did not get, and what it did not take; by reason.
    fn plugin_losses(&self) -> BTreeMap<String, Value> {
        let running = self.plugins.running();
        let losses = running.iter().map(|(name, plugin)| {
            let status = plugin.status();
            let losses = json!({
                "refused-effects": status.refused_by_reason,
                "declined-events": status.declined_by_reason,
            });
            (name.to_string(), losses)
        });
        losses.collect()
    }
}
