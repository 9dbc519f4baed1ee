//! Plugins, their grants, routes and sinks, read into settings.

use super::{document::Place, table::Table, value::Value};
use crate::{Directory, Grants, Mode, OnFailure, Pattern, Plugin, Route};
use std::{num::NonZeroUsize, path::PathBuf};
use tengen_wire::id::{PluginName, is_event_id, is_reserved};

pub(super) fn plugin(name: &str, table: &Table<'_>) -> Plugin {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
        table.document.mistake(
            &table.place,
            "is not a plugin's name; write at most 64 letters, digits, `-` and `_`",
        );
    }
    let remedy = "say which component it is, as in file = \"plugins/chat.wasm\"";
    let mut plugin = Plugin::new(table.require("file", remedy, component).unwrap_or_default());
    table.set("memory", &mut plugin.memory, memory);
    table.set("deadline", &mut plugin.deadline, Value::duration);
    table.set("instances", &mut plugin.instances, Value::count);
    let words = [("closed", OnFailure::Closed), ("open", OnFailure::Open)];
    table.set("on_failure", &mut plugin.on_failure, |value| value.word(&words, &[]));
    table.set("config", &mut plugin.config, |value| {
        let entries = value.entries()?;
        Some(entries.into_iter().filter_map(|(name, value)| Some((name, value.plain()?))).collect())
    });
    if let Some(table) = table.table("grant", "plugin.grant") {
        plugin.grant = grants(&table);
    }
    if let Some(table) = table.table("limits", "plugin.limits") {
        table.set("effects_per_event", &mut plugin.effects_per_event, |value| {
            value.count().map(Into::into)
        });
        table.set("effect_bytes", &mut plugin.effect_bytes, |value| {
            value.some_size().map(Into::into)
        });
    }
    plugin
}

fn component(value: &Value<'_>) -> Option<PathBuf> {
    let path = value.path()?;
    if path.extension().is_none_or(|extension| extension != "wasm") {
        value.mistake("must be a component in a `.wasm` file; `cargo xtask guests` builds those of this repository");
        return None;
    }
    Some(path)
}

/// A page of WebAssembly memory is 64 KiB, and 32-bit memory ends at 4 GiB.
fn memory(value: &Value<'_>) -> Option<usize> {
    let size = value.size()?;
    if !(64 << 10..=4usize << 30).contains(&size) {
        value.mistake("must be from 64KiB to 4GiB");
        return None;
    }
    Some(size)
}

fn grants(table: &Table<'_>) -> Grants {
    let mut grants = Grants::default();
    table.set("publish", &mut grants.publish, |value| value.list(pattern));
    table.set("push", &mut grants.push, |value| value.list(pattern));
    table.set("endpoint", &mut grants.endpoint, Value::truth);
    table.set("env", &mut grants.env, |value| value.list(variable));
    table.set("dirs", &mut grants.dirs, |value| value.list(directory));
    grants
}

fn variable(value: &Value<'_>) -> Option<String> {
    value.filled()?;
    value.read(|name| match name.contains('=') || name.contains(char::is_whitespace) {
        true => Err(format!(
            "`{name}` is not the name of an environment variable; write the name alone"
        )),
        false => Ok(name.to_owned()),
    })
}

fn directory(value: &Value<'_>) -> Option<Directory> {
    let table = Table::of(value, "plugin.grant.dirs")?;
    let host = table.require("host", "say which folder, as in host = \"logs\"", Value::path);
    let remedy = "say what the plugin calls it, as in guest = \"/logs\"";
    let guest = table.require("guest", remedy, |value| {
        value.filled()?;
        value.read(|guest| match guest.starts_with('/') {
            true => Ok(guest.to_owned()),
            false => Err(format!("`{guest}` must begin with `/`; write `/{guest}`")),
        })
    });
    let mut writable = false;
    table.set("writable", &mut writable, Value::truth);
    Some(Directory { host: host?, guest: guest?, writable })
}

/// Exact text, or a prefix and `*`.
fn pattern(value: &Value<'_>) -> Option<Pattern> {
    value.filled()?;
    value.read(a_pattern)
}

fn a_pattern(text: &str) -> Result<Pattern, String> {
    match text.trim_end_matches('*').contains('*') || text.ends_with("**") {
        true => Err(format!(
            "`{text}` has a `*` in a place where it has no meaning; write it once, at the end"
        )),
        false => Ok(Pattern(text.to_owned())),
    }
}

/// A plugin or an endpoint as something names it, and where.
pub(super) type Named<T> = Option<(T, Place)>;

/// What can be read of a route: its names are checked even if the rest of it is wrong.
pub(super) struct Routed {
    pub(super) event: Option<Pattern>,
    pub(super) plugin: Named<PluginName>,
    pub(super) endpoint: Named<String>,
    pub(super) mode: Mode,
}

pub(super) fn route(table: &Table<'_>) -> Routed {
    let event = table.require("event", "say which events, as in event = \"chat/*\"", event_pattern);
    let plugin = plugin_name(table, "say which plugin, as in plugin = \"chat\"");
    let endpoint = table.get("endpoint").and_then(|value| Some((value.filled()?, value.place)));
    let mut mode = Mode::First;
    let words = [("first", Mode::First), ("all", Mode::All)];
    table.set("mode", &mut mode, |value| value.word(&words, &[]));
    Routed { event, plugin, endpoint, mode }
}

impl Routed {
    /// The route, if nothing of it is wrong.
    pub(super) fn whole(self) -> Option<Route> {
        let endpoint = self.endpoint.map(|(path, _)| path);
        Some(Route { event: self.event?, plugin: self.plugin?.0, endpoint, mode: self.mode })
    }
}

fn plugin_name(table: &Table<'_>, remedy: &str) -> Named<PluginName> {
    table.require("plugin", remedy, |value| Some((value.filled()?.into(), value.place.clone())))
}

fn event_pattern(value: &Value<'_>) -> Option<Pattern> {
    value.filled()?;
    value.read(|text| {
        let pattern = a_pattern(text)?;
        if !text.ends_with('*') && !is_event_id(text) {
            return Err(format!("`{text}` matches no event: ids are `namespace/name`; write `{text}/*` for all of a namespace"));
        }
        if is_reserved(text) {
            return Err(format!("`{text}` lies in a namespace that the gateway keeps to itself and plugins never get events of; remove the route"));
        }
        Ok(pattern)
    })
}

/// A sink's plugin and its buffer.
pub(super) fn sink(table: &Table<'_>) -> (Named<PluginName>, NonZeroUsize) {
    let later = ["stdout", "stderr", "file", "otlp"];
    table.require("kind", "write kind = \"plugin\"", |value| value.word(&[("plugin", ())], &later));
    let plugin = plugin_name(table, "say which plugin, as in plugin = \"log-sink\"");
    let mut buffer = NonZeroUsize::MIN.saturating_add(1023);
    table.set("buffer", &mut buffer, Value::count);
    (plugin, buffer)
}
