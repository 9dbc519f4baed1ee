//! The sinks of a gateway: those of the configuration, attached when it starts, and removed and attached again by calls.

use super::{Shared, plugins::LoadError};
use serde_json::{Value, json};
use tengen_settings::{Settings, Sink, SinkKind};
use tengen_telemetry as telemetry;
use tokio_util::task::TaskTracker;

impl Shared {
    pub(super) fn attach_sinks(
        &self,
        settings: &Settings,
        tasks: &TaskTracker,
    ) -> Result<(), LoadError> {
        let sinks = settings.telemetry.sinks.iter();
        // The log was there before the gateway.
        for sink in sinks.filter(|sink| sink.kind != SinkKind::Stderr) {
            self.attach_sink(sink, tasks).map_err(|why| LoadError(vec![why]))?;
        }
        Ok(())
    }

    /// Err: why there is no such sink.
    fn attach_sink(&self, sink: &Sink, tasks: &TaskTracker) -> Result<(), String> {
        let attached = match (sink.kind, &sink.plugin) {
            (SinkKind::Plugin, Some(name)) => {
                let plugin = self.plugins.get(name);
                let role = plugin.and_then(|plugin| plugin.sink()).ok_or_else(|| {
                    format!(
                        "plugin.{name}: a `[[sink]]` names it, but it exports no `telemetry-sink`"
                    )
                })?;
                self.telemetry.attach_sink(sink, role, tasks)
            }
            _ => self.telemetry.open_sink(sink),
        };
        attached.map_err(|error| error.to_string())
    }

    /// Attaches a sink of the configuration that was removed.
    pub(super) fn add_sink(&self, wishes: &telemetry::Wishes) -> Result<Value, String> {
        let [(key, name)] = wishes else { return Err("say which sink, as in sink=file".into()) };
        let settings = self.settings.load();
        let mut sinks = settings.telemetry.sinks.iter();
        let sink = sinks.find(|sink| key == "sink" && sink.label() == name).ok_or_else(|| {
            format!("the configuration has no sink `{name}`: add it there, and restart the gateway")
        })?;
        self.attach_sink(sink, &self.tasks)?;
        Ok(json!({ "added": name }))
    }
}
