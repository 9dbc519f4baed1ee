//! What the admin listener shows of a gateway, and what it may have done.

use super::Shared;
use crate::{admin, metrics};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
};
use tengen_core::meter::{Metric, Samples, Value as Counted};
use tengen_telemetry as telemetry;

impl admin::Source for Shared {
    fn ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    fn health(&self) -> BTreeMap<String, &'static str> {
        self.plugins.health()
    }

    fn samples(&self) -> Samples {
        let mut samples = Samples::default();
        self.hub.collect(&mut samples);
        self.upgrades.collect(&mut samples);
        self.outgoing.collect(&mut samples);
        for plugin in self.plugins.running().values() {
            plugin.collect(&mut samples);
        }
        self.keeper.collect(&mut samples);
        self.telemetry.stats().collect(&mut samples);
        samples.add(Metric::Build, &[env!("CARGO_PKG_VERSION")], Counted::Fact);
        samples.add(Metric::Uptime, &[], self.since.elapsed().as_secs());
        samples.add(Metric::LostLines, &[], telemetry::log::lost_lines());
        samples
    }

    /// What is counted, and beside it what is no count.
    fn stats(&self) -> Value {
        let mut stats = metrics::stats(self.samples());
        if let Some(events) = stats.get_mut("events").and_then(Value::as_object_mut) {
            // Of all reasons the one that says that something is too slow.
            let overloaded = events.get("declined").and_then(|by| by.get("overloaded")?.as_u64());
            events.insert("overloaded".to_owned(), overloaded.unwrap_or_default().into());
        }
        let settings = self.settings.load();
        stats.insert("version".to_owned(), env!("CARGO_PKG_VERSION").into());
        let listen = json!({
            "requested": settings.server.listen.to_string(),
            "actual": self.address.to_string(),
            "ephemeral": self.ephemeral,
        });
        stats.insert("listen".to_owned(), listen);
        let telemetry = serde_json::to_value(self.telemetry.stats()).unwrap_or(Value::Null);
        stats.insert("telemetry".to_owned(), telemetry);
        stats.into()
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

    fn sinks(&self) -> Value {
        self.telemetry.sinks()
    }

    fn order<'a>(
        &'a self,
        order: &'a str,
        wishes: Vec<(String, String)>,
    ) -> BoxFuture<'a, Result<Value, String>> {
        Box::pin(async move {
            if order == "add" {
                return self.add_sink(&wishes);
            }
            self.telemetry.order(order, &wishes).await
        })
    }
}
