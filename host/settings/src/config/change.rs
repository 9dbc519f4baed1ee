//! What differs between two configurations, and whether it can be applied while everything runs.

use crate::{
    Plugin, Settings,
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
    several("endpoint", (&old.endpoints, &new.endpoints), |it| &**it, &mut changed);
    several("route", (&old.routes, &new.routes), |it| it, &mut changed);
    several("channel", (&old.channels, &new.channels), |it| it, &mut changed);
    one("telemetry", &old.telemetry, &new.telemetry, &mut changed);
    several("sink", (&old.telemetry.sinks, &new.telemetry.sinks), |it| it, &mut changed);
    several("static", (&old.statics, &new.statics), |it| it, &mut changed);
    if old.plugin_folder != new.plugin_folder {
        changed.push(whole("--plugins"));
    }
    let mut changes: Vec<_> = changed.into_iter().map(|it| Change::Restart(it.key)).collect();
    plugins(old, new, &mut changes);
    changes
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
