//! The plugins of a gateway: loaded, wired to routes and rights, watched.

use super::{Shared, Work, order::Order};
use crate::{
    hub::{Hub, Rights},
    router::{Destination, Echo},
};
use arc_swap::ArcSwap;
use futures_util::{
    StreamExt as _,
    future::{join, join_all},
    stream::FuturesUnordered,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tengen_core::{
    authenticator::Authenticator,
    handler::{Actor, Handler},
    routes,
    trace::Tracer,
};
use tengen_engine::{Engine, Plugin, PluginError, PluginParts};
use tengen_settings::{self as settings, Instances, Limits, Mode, Pattern, Route, Settings};
use tengen_wire::id::{EndpointIndex, PluginName};
use tokio::time::{Instant, timeout_at};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Plugins that could not be loaded when the gateway started.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct LoadError(pub Vec<String>);

/// The plugins that run, and what is needed to run another.
#[derive(Debug)]
pub(crate) struct Plugins {
    engine: Engine,
    running: ArcSwap<BTreeMap<PluginName, Arc<Plugin>>>,
    /// Those of the plugin folder that do not run, because they could not be started.
    failed: ArcSwap<BTreeSet<PluginName>>,
    actor: Arc<dyn Actor>,
    tracer: Arc<dyn Tracer>,
    limits: Limits,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Plugins {
    pub(super) fn new(
        engine: Engine,
        hub: &Arc<Hub>,
        tracer: Arc<dyn Tracer>,
        limits: Limits,
        work: &Work,
    ) -> Self {
        Self {
            engine,
            running: ArcSwap::default(),
            failed: ArcSwap::default(),
            actor: Arc::clone(hub) as Arc<dyn Actor>,
            tracer,
            limits,
            tasks: work.tasks.clone(),
            stop: work.stop.clone(),
        }
    }

    /// How many instances there may be at one time.
    pub(super) fn places(&self) -> u32 {
        self.engine.instances()
    }

    pub(super) fn running(&self) -> Arc<BTreeMap<PluginName, Arc<Plugin>>> {
        self.running.load_full()
    }

    pub(super) fn get(&self, name: &str) -> Option<Arc<Plugin>> {
        self.running.load().get(name).cloned()
    }

    /// Loads one plugin and lets it run; it gets events once the routes lead to it.
    pub(super) async fn load(
        &self,
        name: &PluginName,
        settings: settings::Plugin,
    ) -> Result<(), PluginError> {
        let parts = PluginParts {
            engine: self.engine.clone(),
            name: name.clone(),
            settings,
            actor: Arc::clone(&self.actor),
            tracer: Arc::clone(&self.tracer),
            tasks: self.tasks.clone(),
            stop: self.stop.clone(),
            waiting_events: self.limits.plugin_waiting_events,
        };
        let plugin = match Plugin::load(parts).await {
            Ok(plugin) => plugin,
            Err(error) => {
                self.note_failed(name, true);
                return Err(error);
            }
        };
        self.note_failed(name, false);
        tracing::debug!(plugin = %name, "plugin started");
        self.running.rcu(|running| {
            let mut running = BTreeMap::clone(running);
            running.insert(name.clone(), Arc::clone(&plugin));
            running
        });
        Ok(())
    }

    fn note_failed(&self, name: &PluginName, failed: bool) {
        self.failed.rcu(|all| {
            let mut all = BTreeSet::clone(all);
            match failed {
                true => all.insert(name.clone()),
                false => all.remove(name),
            };
            all
        });
    }

    /// One that did not start is not tried any more.
    pub(super) fn forget_failed(&self, name: &PluginName) {
        self.note_failed(name, false);
    }

    /// How each plugin is, in a word.
    pub(super) fn health(&self) -> BTreeMap<String, &'static str> {
        let failed = self.failed.load();
        let failed = failed.iter().map(|name| (name.to_string(), "start-failed"));
        let running = self.running.load();
        let running = running
            .iter()
            .map(|(name, plugin)| (name.to_string(), plugin.status().health().word()));
        failed.chain(running).collect()
    }

    /// Brings in what a plugin's file holds now. It goes on when its caller no longer waits: half a reload would be none.
    pub(super) async fn reload(&self, plugin: Arc<Plugin>) -> Result<(), String> {
        const ENDED: &str = "the gateway stops";
        let stop = self.stop.clone();
        let reload = self.tasks.spawn(async move {
            let reloaded = stop.run_until_cancelled(plugin.reload(None)).await;
            let why = |error: PluginError| format!("{}: {}", error.aftermath(), error.explain());
            reloaded.map(|reloaded| reloaded.map_err(why))
        });
        reload.await.ok().flatten().ok_or(ENDED)?.map(drop)
    }

    /// Tells all plugins to stop, each after those that depend on it, all within the deadline. Who is still to come then
    /// stops at once, with the others; and so do those that wait for each other, as they may where a part of the
    /// configuration was changed and the other could not be.
    pub(super) async fn stop(&self, settings: &Settings, within: Duration) {
        let running = self.running();
        let end = Instant::now() + within;
        let mut order = Order::stopping(settings, running.keys().cloned());
        let stop = async |name: PluginName, left: Duration| {
            if let Some(plugin) = running.get(&name) {
                plugin.stop(left).await;
                tracing::debug!(plugin = %name, "plugin stopped");
            }
            name
        };
        let mut stopping = FuturesUnordered::new();
        loop {
            while let Some(name) = order.next() {
                stopping.push(stop(name, end.saturating_duration_since(Instant::now())));
            }
            match timeout_at(end, stopping.next()).await {
                Ok(Some(name)) => order.done(&name),
                Ok(None) | Err(_) => break,
            }
        }
        let late = order.left().into_keys().map(|name| stop(name, Duration::ZERO));
        join(join_all(late), stopping.collect::<Vec<_>>()).await;
    }
}

impl Shared {
    /// Loads every plugin of the settings; one that fails keeps the gateway from starting, all failures told at once.
    /// Returns the files of the plugin folder that may be loaded later.
    pub(super) async fn load_plugins(
        &self,
        tasks: &TaskTracker,
    ) -> Result<Vec<PathBuf>, LoadError> {
        let settings = self.settings.load_full();
        // Before any plugin runs: what it does in its first call is checked against its rights.
        self.wire(&settings);
        let loaded = self.load_all(&settings, settings.plugins.clone()).await;
        let mut failed = loaded.told();
        let mut in_folder = settings.plugin_folder.as_deref().map(in_folder).unwrap_or_default();
        in_folder.retain(|(name, plugin)| match named_twice(&settings, name, &plugin.file) {
            None => true,
            Some(why) => {
                failed.push(format!("plugin.{name}: {why}"));
                false
            }
        });
        // A folder is worked in: what is broken in it now may be whole in a moment.
        let mut later = Vec::new();
        for (name, (file, error)) in
            self.load_all(&settings, in_folder.into_iter().collect()).await.failed
        {
            tracing::error!(plugin = %name, why = %error.explain(), "plugin not loaded");
            later.extend(error.is_passing().then_some(file));
        }
        if !failed.is_empty() {
            return Err(LoadError(failed));
        }
        self.wire(&settings);
        self.attach_sinks(&settings, tasks)?;
        Ok(later)
    }

    /// Loads these, some at a time, each when those that it depends on run.
    async fn load_all(
        &self,
        settings: &Settings,
        mut plugins: BTreeMap<PluginName, settings::Plugin>,
    ) -> Loaded {
        let mut order = Order::starting(settings, plugins.keys().cloned());
        let (mut loading, mut failed) = (FuturesUnordered::new(), BTreeMap::new());
        loop {
            while loading.len() < AT_ONCE
                && let Some(name) = order.next()
            {
                let Some(plugin) = plugins.remove(&name) else { continue };
                loading.push(async move {
                    let file = plugin.file.clone();
                    (self.plugins.load(&name, plugin).await.map_err(|error| (file, error)), name)
                });
            }
            match loading.next().await {
                Some((Ok(()), name)) => order.done(&name),
                Some((Err(why), name)) => drop(failed.insert(name, why)),
                None => return Loaded { failed, left: order.left() },
            }
        }
    }

    /// Leads routes, rights and authenticators to the plugins that run.
    pub(super) fn wire(&self, settings: &Settings) {
        let running = self.plugins.running();
        let mut routes = routes::Builder::default();
        for route in self.routes(settings) {
            let endpoint = route.endpoint.as_ref().and_then(|path| self.index_of(path));
            if let Some(handler) = self.handler(&route.plugin, &running) {
                let destination = Destination { plugin: route.plugin.clone(), handler };
                routes.push(&route, endpoint, destination);
            }
        }
        let authenticators: HashMap<PluginName, Arc<dyn Authenticator>> = running
            .iter()
            .filter_map(|(name, plugin)| Some((name.clone(), plugin.authenticator()?)))
            .collect();
        let handlers = running
            .iter()
            .filter_map(|(name, plugin)| Some((name.clone(), plugin.handler()?)))
            .collect();
        // First what they may do: a handler that is new is told at once of what is its own.
        self.hub.set_rights(self.rights(settings));
        self.hub.set_handlers(handlers);
        self.upgrades.authenticators.store(Arc::new(authenticators));
        self.router.set_routes(routes.build());
    }

    fn handler(
        &self,
        name: &PluginName,
        running: &BTreeMap<PluginName, Arc<Plugin>>,
    ) -> Option<Arc<dyn Handler>> {
        if let Some(plugin) = running.get(name) {
            return plugin.handler();
        }
        let echo = || Echo { name: name.clone(), actor: Arc::clone(&self.hub) as Arc<dyn Actor> };
        (**name == *ECHO).then(|| Arc::new(echo()) as Arc<dyn Handler>)
    }

    /// The settings' routes, and those that a plugin folder or the built-in echo stand for.
    fn routes(&self, settings: &Settings) -> Vec<Route> {
        let mut routes = settings.routes.clone();
        let everything = |plugin: PluginName, mode| Route {
            event: Pattern("*".into()),
            plugin,
            endpoint: None,
            mode,
        };
        if settings.plugin_folder.is_some() {
            let running = self.plugins.running();
            let of_folder = running.keys().filter(|name| !settings.plugins.contains_key(*name));
            routes.extend(of_folder.map(|name| everything(name.clone(), Mode::All)));
        }
        if settings.echo {
            routes.push(everything(ECHO.into(), Mode::First));
        }
        routes
    }

    fn rights(&self, settings: &Settings) -> HashMap<PluginName, Rights> {
        let mut rights: HashMap<PluginName, Rights> = HashMap::new();
        for route in self.routes(settings) {
            let plugin = settings.plugins.get(&route.plugin);
            let grants = plugin.map(|plugin| plugin.grant.clone()).unwrap_or_default();
            let requests = plugin.map(settings::Plugin::request_limits).unwrap_or_default();
            let own = rights.entry(route.plugin.clone()).or_insert_with(|| Rights {
                grants,
                endpoints: vec![None; settings.endpoints.len()],
                requests,
            });
            let only = route.endpoint.as_ref().and_then(|path| self.index_of(path));
            let only = only.map(|only| usize::from(only.0));
            let of_route = own.endpoints.iter_mut().zip(&settings.endpoints).enumerate();
            for (_, (own, endpoint)) in
                of_route.filter(|(index, _)| only.is_none_or(|only| only == *index))
            {
                own.get_or_insert_with(|| endpoint.path.as_str().into());
            }
        }
        rights
    }

    fn index_of(&self, path: &str) -> Option<EndpointIndex> {
        self.upgrades.endpoints.index_of(path)
    }
}

/// What came of loading plugins: those that could not be, and those that would have come after them.
struct Loaded {
    failed: BTreeMap<PluginName, (PathBuf, PluginError)>,
    left: BTreeMap<PluginName, BTreeSet<PluginName>>,
}

impl Loaded {
    /// What went wrong, for a person.
    fn told(&self) -> Vec<String> {
        let failed = self.failed.iter().map(|(name, (_, error))| (name, error.explain()));
        let left = self.left.iter().map(|(name, before)| {
            let before: Vec<_> = before.iter().map(|name| format!("`{name}`")).collect();
            let why =
                format!("not started: it depends on {}, which did not start", before.join(", "));
            (name, why)
        });
        let all: BTreeMap<_, _> = failed.chain(left).collect();
        all.into_iter().map(|(name, why)| format!("plugin.{name}: {why}")).collect()
    }
}

/// Plugins that are loaded at one time: what one waits for, another computes in.
const AT_ONCE: usize = 4;

/// The name of the built-in handler, as routes, logs and metrics have it.
const ECHO: &str = "echo";

/// Why a component of the plugin folder cannot have its name: the configuration gave it to another.
pub fn named_twice(settings: &Settings, name: &PluginName, file: &Path) -> Option<String> {
    let configured = settings.plugins.get(name)?;
    Some(format!(
        "the name is given twice: to `{}` by the configuration, and to `{}` by the plugin folder; rename one of them",
        configured.file.display(),
        file.display()
    ))
}

/// The components of a folder, each a plugin under its file's name.
pub(super) fn in_folder(folder: &Path) -> Vec<(PluginName, settings::Plugin)> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            tracing::error!(folder = %folder.display(), %error, "the plugin folder cannot be read");
            return Vec::new();
        }
    };
    let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut found: Vec<_> =
        files.filter_map(|file| Some((name_of(&file)?, settings::Plugin::new(file)))).collect();
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    found
}

/// Instances that places are reserved for: those that the configuration may need, and a plugin folder's.
pub(super) fn instances(settings: &Settings) -> Instances {
    let of_folder = components(settings).map(Instances::of_folder);
    settings.instances() + of_folder.unwrap_or_default()
}

/// What to do when the plugins that there are now may have more instances than the limit.
pub(super) fn excess(settings: &Settings) -> Option<String> {
    let in_folder = components(settings).map(Instances::of_components);
    let all = settings.instances() + in_folder.unwrap_or_default();
    all.excess(settings.limits.plugin_instances)
}

/// How many components the plugin folder has, if there is one.
fn components(settings: &Settings) -> Option<usize> {
    let files = std::fs::read_dir(settings.plugin_folder.as_ref()?).into_iter().flatten().flatten();
    Some(files.filter(|file| name_of(&file.path()).is_some()).count())
}

/// The plugin a file of the folder stands for; none when it is no component.
pub fn name_of(file: &Path) -> Option<PluginName> {
    let component = file.extension().is_some_and(|extension| extension == "wasm");
    let stem = file.file_stem()?.to_str()?;
    (component && !stem.starts_with('.')).then(|| stem.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_is_asked_for_places_for_what_is_configured_within_its_limit() {
        let mut settings = Settings::default();
        for number in 0..300 {
            let plugin = settings::Plugin::new("p.wasm");
            settings.plugins.insert(format!("p{number}").into(), plugin);
        }
        settings.limits.plugin_instances = std::num::NonZeroUsize::new(1000).expect("not zero");
        let parts = crate::gateway::engine_parts(&settings, &crate::gateway::Options::default());
        assert_eq!(parts.wanted, Some(Instances::of_components(300)));
        assert_eq!(parts.limits.instances, 1000);
    }

    #[test]
    fn a_plugin_folder_asks_for_places_for_what_it_holds_and_for_what_may_come() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut settings = Settings::default();
        let serving = |settings: &Settings| instances(settings).serving;
        assert_eq!(instances(&settings), Instances::default());
        settings.plugin_folder = Some(folder.path().to_owned());
        assert_eq!(serving(&settings), 8);
        for name in ["note.txt", ".hidden.wasm"] {
            std::fs::write(folder.path().join(name), "").expect("written");
        }
        for number in 0..20 {
            std::fs::write(folder.path().join(format!("{number}.wasm")), "").expect("written");
        }
        assert_eq!(serving(&settings), 48);
        settings.plugins.insert("other".into(), settings::Plugin::new("other.wasm"));
        assert_eq!(instances(&settings), Instances { serving: 49, most: 147 });
        assert_eq!(excess(&settings), None);
        settings.limits.plugin_instances = std::num::NonZeroUsize::new(62).expect("not zero");
        assert!(excess(&settings).is_some_and(|why| why.contains("63 instances")), "21 now");
        settings.plugin_folder = Some(folder.path().join("not-there"));
        assert_eq!(serving(&settings), 9);
    }
}
