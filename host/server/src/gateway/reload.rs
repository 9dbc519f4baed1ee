//! What changes while the gateway runs: components, and the configuration file.

use super::{Shared, order::Order, plugins, retries::Retries, sinks::SHARE};
use futures_util::{StreamExt, stream::FuturesUnordered};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tengen_engine::{self as plugin, PluginError, Reloaded, Watch};
use tengen_settings::{
    Settings,
    config::{self, Change},
};
use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long one reading of the configuration waits for the one before.
const TURN: Duration = Duration::from_secs(60);

/// Watches the plugins' files, the plugin folder and the configuration file from now on. Called before they are read
/// for the first time, so that no change falls in between.
pub(super) fn watch(settings: &Settings, config_file: Option<&Path>) -> Result<Watch, PluginError> {
    Watch::new(files(settings, config_file), settings.plugin_folder.clone())
}

fn files(settings: &Settings, config_file: Option<&Path>) -> Vec<PathBuf> {
    let plugins = settings.plugins.values().map(|plugin| plugin.file.clone());
    plugins.chain(config_file.map(Path::to_owned)).collect()
}

/// Applies changes of watched files until `stop`. Each file has a reload of its own, so that one that takes long holds up
/// no other; what changes again meanwhile is reloaded once more after it. What failed for a reason that passes (`failed`:
/// when the gateway started) is tried again with growing pauses.
pub(super) fn start(
    shared: &Arc<Shared>,
    mut watch: Watch,
    failed: Vec<PathBuf>,
    (tasks, stop): (&TaskTracker, &CancellationToken),
) {
    let (shared, stop) = (Arc::clone(shared), stop.clone());
    tasks.spawn(async move {
        let mut reloads = FuturesUnordered::new();
        let (mut busy, mut again) = (BTreeSet::new(), BTreeSet::new());
        let mut retries = Retries::default();
        failed.into_iter().for_each(|file| retries.failed(file));
        loop {
            let written = tokio::select! {
                () = stop.cancelled() => return,
                Some((file, done)) = reloads.next() => {
                    let settings = shared.settings.load_full();
                    watch.set_files(files(&settings, shared.options.config_file.as_deref()));
                    busy.remove(&file);
                    let again = again.take(&file);
                    match done {
                        Done::Try if again.is_none() => retries.failed(file),
                        _ => retries.done(&file),
                    }
                    again
                }
                file = retries.due() => Some(file),
                change = watch.next() => match change {
                    plugin::FileChange::Written(file) => {
                        retries.done(&file);
                        Some(file)
                    }
                    plugin::FileChange::Removed(file) => {
                        shared.forget(&file);
                        tracing::warn!(file = %file.display(), "a watched file is gone, or can no longer be read; what was read from it stays in use");
                        None
                    }
                },
            };
            let Some(file) = written else { continue };
            if busy.insert(file.clone()) {
                reloads.push(reload(&shared, file));
            } else {
                again.insert(file);
            }
        }
    });
}

/// What came of a file.
enum Done {
    /// It is in use, or it is no good.
    For,
    /// It failed for a reason that passes.
    Try,
}

impl Done {
    fn after(error: &PluginError) -> Self {
        if error.is_passing() { Self::Try } else { Self::For }
    }
}

/// Gives back the file when it is done with it.
async fn reload(shared: &Shared, file: PathBuf) -> (PathBuf, Done) {
    let done = shared.written(&file).await;
    (file, done)
}

/// The changes, those of plugins last, and a plugin's after those of what it depends on.
fn in_order(changes: Vec<Change>, new: &Settings) -> Vec<Change> {
    let of = |change: &Change| match change {
        Change::Plugin(name) => Some(name.clone()),
        _ => None,
    };
    let mut order = Order::starting(new, changes.iter().filter_map(of));
    let mut sorted: Vec<_> =
        changes.into_iter().filter(|change| !matches!(change, Change::Plugin(_))).collect();
    // Settings that can be used have no circles: everybody gets a turn.
    while let Some(name) = order.next() {
        order.done(&name);
        sorted.push(Change::Plugin(name));
    }
    sorted
}

impl Shared {
    async fn written(&self, file: &Path) -> Done {
        if self.options.config_file.as_deref() == Some(file) {
            match self.reload_config().await {
                Ok(changes) if changes.is_empty() => {}
                Ok(changes) => {
                    tracing::info!(changes = changes.join("; "), "configuration read again")
                }
                Err(why) => tracing::error!(%why, "the changed configuration is not used"),
            }
            return Done::For;
        }
        let running = self.plugins.running();
        let (mut known, mut done) = (false, Done::For);
        for plugin in running.values().filter(|plugin| plugin.settings().file == file) {
            known = true;
            // A failure is logged and shown where the plugin is listed.
            if let Err(error) = plugin.reload(None).await
                && error.is_passing()
            {
                done = Done::Try;
            }
        }
        if known { done } else { self.add_from_folder(file).await }
    }

    /// A file is gone. A plugin of the folder that did not start from it is none any more.
    fn forget(&self, file: &Path) {
        let in_folder = file.parent() == self.settings.load().plugin_folder.as_deref();
        if let Some(name) = plugins::name_of(file).filter(|_| in_folder) {
            self.plugins.forget_failed(&name);
        }
    }

    /// A component that is new in the plugin folder.
    async fn add_from_folder(&self, file: &Path) -> Done {
        let settings = self.settings.load_full();
        let in_folder = file.parent() == settings.plugin_folder.as_deref();
        let Some(name) = plugins::name_of(file).filter(|_| in_folder) else { return Done::For };
        if let Some(why) = plugins::named_twice(&settings, &name, file) {
            tracing::error!(plugin = %name, %why, "plugin not loaded");
            return Done::For;
        }
        match self.plugins.load(&name, tengen_settings::Plugin::new(file)).await {
            Ok(()) => {
                self.wire(&settings);
                tracing::info!(plugin = %name, "plugin added");
                Done::For
            }
            Err(error) => {
                tracing::error!(plugin = %name, why = %error.explain(), "plugin not loaded");
                Done::after(&error)
            }
        }
    }

    /// More instances may be needed now than places were reserved for.
    fn lacks_places(&self, old: &Settings, new: &Settings) -> Option<String> {
        let (before, now) = (plugins::instances(old).most, plugins::instances(new).most);
        let places = self.plugins.places() as usize;
        (now > before.max(places)).then(|| {
            format!("the plugins may now have {now} instances at one time, and there are places for {places}: restart the gateway to reserve more")
        })
    }

    /// Reads the configuration file again. Plugins whose settings changed are reloaded, filters and sinks replaced; the rest
    /// of what changed is listed as needing a restart. A file with mistakes changes nothing.
    pub(super) async fn reload_config(&self) -> Result<Vec<String>, String> {
        let busy = |_| "the configuration is being read already; try again later".to_owned();
        let _only = timeout(TURN, self.reloading.lock()).await.map_err(busy)?;
        let Some(file) = &self.options.config_file else {
            return Err("the gateway runs without a configuration file".into());
        };
        let parsed = config::load(file, &|name| std::env::var(name).ok())
            .map_err(|error| error.to_string())?;
        let (mut new, variables) = (parsed.settings, parsed.variables);
        self.options.overrides.apply(&mut new);
        let old = self.settings.load_full();
        let mut current = Settings::clone(&old);
        let mut done = Vec::new();
        for change in in_order(config::diff(&old, &new), &new) {
            done.push(match change {
                Change::Restart(key) => format!("`{key}` changed: restart the gateway to use it"),
                Change::Telemetry(key) if key == SHARE => self.resample(&mut current, &new, &key),
                Change::Telemetry(key) => self.refilter(&mut current, &new, &key),
                Change::Sink(name) => self.change_sink(&mut current, &new, &name).await,
                Change::AtOnce(name, key) => {
                    let (running, new) = (current.plugins.get_mut(&name), new.plugins.get(&name));
                    if let (Some(running), Some(new)) = (running, new) {
                        *running = new.clone();
                    }
                    format!("`{key}` changed, and is used from now on")
                }
                Change::Plugin(name) => {
                    let (Some(plugin), Some(settings)) = (self.plugins.get(&name), new.plugins.get(&name)) else {
                        continue;
                    };
                    match plugin.reload(Some(settings.clone())).await {
                        Ok(Reloaded::Unchanged) => format!("`plugin.{name}` is unchanged"),
                        Ok(Reloaded::Replaced { generation, .. }) => {
                            current.plugins.insert(name.clone(), settings.clone());
                            format!("`plugin.{name}` runs with its new settings, generation {generation}")
                        }
                        Err(error) => {
                            let why = variables.hide(&error.explain());
                            format!("`plugin.{name}` keeps its old settings: {why}")
                        }
                    }
                }
            });
        }
        done.extend(self.lacks_places(&old, &current));
        // Grants are read from the settings: they change together with the plugin that has them.
        self.keep_secrets(&current);
        self.wire(&current);
        self.settings.store(Arc::new(current));
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tengen_settings::Plugin;

    #[test]
    fn a_plugin_is_reloaded_after_what_it_depends_on() {
        let mut new = Settings::default();
        for (name, depends_on) in [("a", vec!["b"]), ("b", vec!["c"]), ("c", vec![])] {
            let mut plugin = Plugin::new("p.wasm");
            plugin.depends_on = depends_on.into_iter().map(Into::into).collect();
            new.plugins.insert(name.into(), plugin);
        }
        let changed = |name: &str| Change::Plugin(name.into());
        let restart = Change::Restart("limits.message".into());
        let changes = vec![changed("a"), changed("c"), restart.clone(), changed("b")];
        assert_eq!(
            in_order(changes, &new),
            [restart, changed("c"), changed("b"), changed("a")],
            "what needs a restart is told first"
        );
    }
}
