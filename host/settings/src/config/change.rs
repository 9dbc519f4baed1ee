//! What differs between two configurations, and whether it can be applied while everything runs.

use crate::Settings;
use tengen_wire::id::PluginName;

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The plugin's settings: applied by reloading the plugin.
    Plugin(PluginName),
    /// Everything else: this key needs a restart.
    Restart(String),
}

/// What changed from `old` to `new`, in the order of the file. Empty: nothing.
pub fn diff(old: &Settings, new: &Settings) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut restart = |key: &str, same: bool| {
        if !same {
            changes.push(Change::Restart(key.to_owned()));
        }
    };
    restart("server.listen", old.server.listen == new.server.listen);
    restart("server.port_file", old.server.port_file == new.server.port_file);
    restart("server.keep_alive", old.server.keep_alive == new.server.keep_alive);
    restart("server.cache", old.server.cache == new.server.cache);
    restart("server.drain", old.server.drain == new.server.drain);
    restart("admin", old.admin == new.admin);
    restart("heartbeat", old.heartbeat == new.heartbeat);
    restart("outbox", old.outbox == new.outbox);
    restart("limits", old.limits == new.limits);
    restart("endpoint", old.endpoints == new.endpoints);
    restart("route", old.routes == new.routes);
    restart(
        "telemetry",
        old.telemetry.level == new.telemetry.level
            && old.telemetry.service_name == new.telemetry.service_name
            && old.telemetry.otlp == new.telemetry.otlp,
    );
    restart("sink", old.telemetry.sinks == new.telemetry.sinks);
    restart("static", old.statics == new.statics);
    restart("--plugins", old.plugin_folder == new.plugin_folder);
    for name in
        old.plugins.keys().chain(new.plugins.keys().filter(|name| !old.plugins.contains_key(*name)))
    {
        match (old.plugins.get(name), new.plugins.get(name)) {
            (Some(before), Some(after)) if before == after => {}
            (Some(_), Some(_)) => changes.push(Change::Plugin(name.clone())),
            _ => changes.push(Change::Restart(format!("plugin.{name}"))),
        }
    }
    changes
}
