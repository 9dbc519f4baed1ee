//! What differs between two configurations, and whether it can be applied while everything runs.

use crate::{
    Plugin, Settings, Sink, SinkKind,
    schema::{
        Part,
        section::{Applied, Changed, Path},
    },
};
use tengen_wire::id::PluginName;

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The plugin's settings: applied by reloading the plugin.
    Plugin(PluginName),
    /// This key of a plugin: applied as it is.
    AtOnce(PluginName, String),
    /// This key of telemetry: applied as it is.
    Telemetry(String),
    /// The sink of this name is new, gone or another: applied as it is.
    Sink(String),
    /// Everything else: this key needs a restart.
    Restart(String),
}

/// What changed from `old` to `new`, in the order of the file. Empty: nothing.
pub fn diff(old: &Settings, new: &Settings) -> Vec<Change> {
    let mut changed = Vec::new();
    one("server", &old.server, &new.server, &mut changed);
    match (&old.admin, &new.admin) {
        (Some(old), Some(new)) => one("admin", old, new, &mut changed),
        (None, None) => {}
        _ => changed.push(whole("admin.listen")),
    }
    one("heartbeat", &old.heartbeat, &new.heartbeat, &mut changed);
    one("outbox", &old.outbox, &new.outbox, &mut changed);
    one("limits", &old.limits, &new.limits, &mut changed);
    one("store", &old.store, &new.store, &mut changed);
    several("endpoint", (&old.endpoints, &new.endpoints), |it| &**it, &mut changed);
    several("route", (&old.routes, &new.routes), |it| it, &mut changed);
    several("channel", (&old.channels, &new.channels), |it| it, &mut changed);
    one("telemetry", &old.telemetry, &new.telemetry, &mut changed);
    several("static", (&old.statics, &new.statics), |it| it, &mut changed);
    if old.plugin_folder != new.plugin_folder {
        changed.push(whole("--plugins"));
    }
    let mut changes: Vec<_> = changed.into_iter().map(of_all).collect();
    sinks(&old.telemetry.sinks, &new.telemetry.sinks, &mut changes);
    plugins(old, new, &mut changes);
    changes
}

/// Of keys that belong to no plugin, only telemetry's are applied at once.
fn of_all(changed: Changed) -> Change {
    match changed.applied {
        Applied::AtOnce => Change::Telemetry(changed.key),
        Applied::Reload | Applied::Restart => Change::Restart(changed.key),
    }
}

/// Sinks go by their names.
fn sinks(old: &[Sink], new: &[Sink], changes: &mut Vec<Change>) {
    let find = |all: &'_ [Sink], name: &str| all.iter().position(|sink| sink.label() == name);
    let added = new.iter().filter(|sink| find(old, sink.label()).is_none());
    for sink in old.iter().chain(added) {
        let name = sink.label();
        let of = |all: &[Sink]| find(all, name).and_then(|place| all.get(place).cloned());
        match (of(old), of(new)) {
            (Some(before), Some(after)) => changes.extend(sink_changed(name, &before, &after)),
            // Where the log goes is decided when the process starts.
            _ if is_of_process(sink) => changes.push(Change::Restart(format!("sink.{name}"))),
            _ => changes.push(Change::Sink(name.to_owned())),
        }
    }
}

fn is_of_process(sink: &Sink) -> bool {
    matches!(sink.kind, SinkKind::Stderr | SinkKind::Stdout)
}

fn sink_changed(name: &str, before: &Sink, after: &Sink) -> Vec<Change> {
    if before == after {
        return Vec::new();
    }
    let becomes = before.kind != after.kind && (is_of_process(before) || is_of_process(after));
    if !becomes && before.kind != SinkKind::Stderr {
        return vec![Change::Sink(name.to_owned())];
    }
    let mut changed = Vec::new();
    before.compare(after, &Path::of(format!("sink.{name}"), Applied::Restart), &mut changed);
    let at_once = changed.iter().any(|it| it.applied == Applied::AtOnce);
    let filter = (at_once && !becomes).then(|| Change::Sink(name.to_owned()));
    let rest = changed.into_iter().filter(|it| becomes || it.applied != Applied::AtOnce);
    filter.into_iter().chain(rest.map(|it| Change::Restart(it.key))).collect()
}

fn whole(key: &str) -> Changed {
    Changed { key: key.to_owned(), applied: Applied::Restart }
}

/// A table that stands once.
fn one<P: Part>(name: &str, old: &P, new: &P, changes: &mut Vec<Changed>) {
    old.compare(new, &Path::of(name, Applied::Restart), changes);
}

/// Tables that stand several times: each by its keys, as long as there are as many.
fn several<T, P: Part>(
    name: &str,
    (old, new): (&[T], &[T]),
    part: impl Fn(&T) -> &P,
    changes: &mut Vec<Changed>,
) {
    if old.len() != new.len() {
        changes.push(whole(name));
        return;
    }
    for (place, (old, new)) in old.iter().zip(new).enumerate() {
        let path = Path::of(format!("{name}[{place}]"), Applied::Restart);
        part(old).compare(part(new), &path, changes);
    }
}

fn plugins(old: &Settings, new: &Settings, changes: &mut Vec<Change>) {
    let added = new.plugins.keys().filter(|name| !old.plugins.contains_key(*name));
    for name in old.plugins.keys().chain(added) {
        match (old.plugins.get(name), new.plugins.get(name)) {
            (Some(before), Some(after)) => changes.extend(plugin(name, before, after)),
            _ => changes.push(Change::Restart(format!("plugin.{name}"))),
        }
    }
}

/// What a reload of the plugin brings in is one change, and what is applied at once comes along with it.
fn plugin(name: &PluginName, before: &Plugin, after: &Plugin) -> Vec<Change> {
    let mut changed = Vec::new();
    before.compare(after, &Path::of(format!("plugin.{name}"), Applied::Reload), &mut changed);
    let is_reloaded = changed.iter().any(|it| it.applied == Applied::Reload);
    let reload = is_reloaded.then(|| Change::Plugin(name.clone()));
    let rest = changed.into_iter().filter_map(|Changed { key, applied }| match applied {
        Applied::Restart => Some(Change::Restart(key)),
        Applied::AtOnce if !is_reloaded => Some(Change::AtOnce(name.clone(), key)),
        Applied::Reload | Applied::AtOnce => None,
    });
    reload.into_iter().chain(rest).collect()
}
