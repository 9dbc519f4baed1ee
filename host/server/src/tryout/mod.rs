//! A plugin among pretended connections, for who tries it out: the engine, the router and the hub are those of a gateway, with
//! the same limits, grants and checks; there is no socket, the time is told, and servers say what they are told to.
//!
//! One thing happens at a time. It is over when the plugin has decided about it and about all that followed from it: so what is
//! seen after each step does not depend on how fast the machine is. What still passes by itself is what a guest computes, the
//! clocks that a guest reads, and how long a plugin is left alone that keeps failing.

mod doors;
mod people;
mod record;
mod said;
mod servers;

pub use doors::Knock;
pub use people::{Said, Visitor};
pub use record::Seen;

use crate::{
    hub::{Hub, Reception, Requesting, Rights, ToldTime},
    router::{Destination, Router, Source},
};
use record::{Ear, Record};
use servers::Servers;
use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};
use tengen_core::{
    capability::{fetch::Response, key_value::Put},
    directory::Directory,
    handler::{Actor, Handler},
    outgoing::Outgoing,
    routes,
    rules::Rules,
    store::{Bounds, Refusal, Store},
    trace::NoTracer,
};
use tengen_engine::{
    Compiler, Engine, EngineLimits, EngineParts, Plugin, PluginError, PluginParts, Reloaded,
};
use tengen_settings::{self as settings, Mode, Pattern, Route, Settings};
use tengen_store::Keeper;
use tengen_wire::{
    fault::Fault,
    id::{EndpointIndex, PluginName},
};
use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long a step may take by the machine's clock.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the plugin has to end.
const ENDS_WITHIN: Duration = Duration::from_secs(2);

/// What a plugin is tried out with.
#[derive(Debug)]
pub struct Parts {
    /// What a gateway would run on. Of its plugins only the one is loaded.
    pub settings: Settings,
    /// Which of its plugins. Where no route leads to it, all events do.
    pub plugin: PluginName,
    /// How it is compiled.
    pub compiler: Compiler,
    /// The folder that keeps compiled components; none: it is compiled each time.
    pub cache: Option<PathBuf>,
}

/// Why a plugin cannot be tried out, or a step not be taken.
#[derive(Debug, thiserror::Error)]
pub enum TryoutError {
    #[error("there is no plugin `{0}` in the configuration")]
    Unknown(PluginName),
    #[error(
        "the plugin `{0}` is neither a handler nor an authenticator: nothing else can be tried out"
    )]
    NoRole(PluginName),
    #[error("{}", .0.explain())]
    Plugin(PluginError),
    #[error("the plugin did not come to rest within {PATIENCE:?}")]
    Restless,
    /// It cannot be done.
    #[error("{0}")]
    Step(String),
}

impl From<PluginError> for TryoutError {
    fn from(error: PluginError) -> Self {
        Self::Plugin(error)
    }
}

fn cannot(why: impl Into<String>) -> TryoutError {
    TryoutError::Step(why.into())
}

/// A plugin that is tried out.
#[derive(Debug)]
pub struct Tryout {
    around: Around,
    router: Router,
    plugin: Arc<Plugin>,
    settings: Settings,
    began: Instant,
    /// Open connections by their names.
    here: BTreeMap<String, Source>,
    /// How many there have been.
    people: u32,
    /// Calls that gave nothing, as far as they have been told.
    broken: u64,
}

/// What a plugin is among.
#[derive(Debug)]
struct Around {
    hub: Arc<Hub>,
    record: Arc<Record>,
    reception: Arc<Reception>,
    servers: Arc<Servers>,
    store: Arc<dyn Store>,
    time: ToldTime,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Around {
    fn new(settings: &Settings) -> Self {
        let store = Keeper::in_memory(bounds(&settings.store)).store();
        let (servers, reception) = (Arc::<Servers>::default(), Arc::<Reception>::default());
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let client = Arc::clone(&servers) as Arc<dyn Outgoing>;
        let requesting = Requesting { client, tasks: tasks.clone(), stop: stop.clone() };
        let time = ToldTime::default();
        let hub = Hub::new(settings.limits, Arc::new(NoTracer))
            .with_rules(Rules::new(&settings.channels))
            .with_store(Arc::clone(&store))
            .with_requesting(requesting)
            .with_told_time(&time);
        let hub = Arc::new(hub);
        reception.open(&hub);
        let record = Record::new(Arc::clone(&hub), Arc::clone(&servers), SystemTime::now());
        Self { hub, record: Arc::new(record), reception, servers, store, time, tasks, stop }
    }

    fn engine(
        &self,
        settings: &Settings,
        compiler: Compiler,
        cache: Option<PathBuf>,
    ) -> Result<Engine, PluginError> {
        Engine::new(EngineParts {
            limits: EngineLimits::default(),
            wanted: Some(settings.instances()),
            compiler,
            cache,
            kept: Some(Arc::clone(&self.store)),
            outgoing: Some(Arc::clone(&self.servers) as Arc<dyn Outgoing>),
            directory: Some(Arc::clone(&self.reception) as Arc<dyn Directory>),
        })
    }
}

impl Tryout {
    /// Loads and starts the plugin. Nobody is there yet.
    pub async fn begin(parts: Parts) -> Result<Self, TryoutError> {
        let Parts { mut settings, plugin: name, compiler, cache } = parts;
        let own = settings.plugins.get(&name).cloned();
        let mut own = own.ok_or_else(|| TryoutError::Unknown(name.clone()))?;
        // What breaks it here is no find: whoever tries it out has the event.
        own.quarantine = None;
        leads_to(&mut settings, &name);
        let around = Around::new(&settings);
        let engine = around.engine(&settings, compiler, cache)?;
        // Before the plugin runs: what it does in its first call is checked against its rights.
        let rights = rights(&settings, &name, &own);
        around.hub.set_rights(HashMap::from([(name.clone(), rights)]));
        let plugin = Plugin::load(PluginParts {
            engine,
            name: name.clone(),
            settings: own,
            actor: Arc::clone(&around.record) as Arc<dyn Actor>,
            tracer: Arc::new(NoTracer),
            tasks: around.tasks.clone(),
            stop: around.stop.clone(),
            waiting_events: settings.limits.plugin_waiting_events,
        })
        .await?;
        let router = Router::new(Arc::clone(&around.hub), Arc::new(NoTracer), settings.limits);
        let (began, here) = (Instant::now(), BTreeMap::new());
        let tryout = Self { around, router, plugin, settings, began, here, people: 0, broken: 0 };
        match tryout.wire(&name) {
            Ok(()) => Ok(tryout),
            Err(error) => {
                tryout.end().await;
                Err(error)
            }
        }
    }

    /// Leads events to the plugin, each by way of the ear.
    fn wire(&self, name: &PluginName) -> Result<(), TryoutError> {
        let Some(handler) = self.plugin.handler() else {
            let is_authenticator = self.plugin.authenticator().is_some();
            return is_authenticator.then_some(()).ok_or_else(|| TryoutError::NoRole(name.clone()));
        };
        let ear = Ear::new(handler, Arc::clone(&self.around.record), self.around.time.clone());
        let handler = Arc::new(ear) as Arc<dyn Handler>;
        let mut routes = routes::Builder::default();
        for route in self.settings.routes.iter().filter(|route| route.plugin == *name) {
            let to = Destination { plugin: name.clone(), handler: Arc::clone(&handler) };
            routes.push(route, endpoint_of(&self.settings, route), to);
        }
        self.around.hub.set_handlers(HashMap::from([(name.clone(), handler)]));
        self.router.set_routes(routes.build());
        let (hub, stop) = (Arc::clone(&self.around.hub), self.around.stop.clone());
        self.around.tasks.spawn(async move {
            stop.run_until_cancelled(hub.run_fetched()).await;
        });
        Ok(())
    }

    /// What has been seen since this was asked last: what the plugin decided, and what each connection was sent.
    pub async fn seen(&mut self) -> Result<Seen, TryoutError> {
        self.rest().await?;
        self.forget_questions();
        let status = self.plugin.status();
        let broken: u64 = status.failed_calls.values().sum();
        if broken > std::mem::replace(&mut self.broken, broken) {
            let why = status.last_error.map_or_else(String::new, |last| last.message);
            self.around.record.broke(&why);
        }
        Ok(self.around.record.take())
    }

    /// Lets the time pass. What is due meanwhile is due in its turn, each at its time.
    pub async fn pass(&mut self, by: Duration) -> Result<(), TryoutError> {
        let end = self.around.time.now() + by;
        while let Some(next) = self.rest().await?.filter(|next| *next <= end) {
            self.around.time.pass_to(next);
            while self.around.hub.expire_replies(self.instant()) {}
        }
        self.around.time.pass_to(end);
        while self.around.hub.expire_replies(self.instant()) {}
        self.rest().await.map(drop)
    }

    /// Puts a value at a key of a bucket, whatever the plugin may do there; none: takes it away.
    pub fn put(&self, bucket: &str, key: &str, value: Option<Vec<u8>>) -> Result<(), TryoutError> {
        let value = value.map(Into::into);
        let put = Put { bucket: bucket.to_owned(), key: key.to_owned(), value, expected: None };
        let written = self.around.store.write(put).map_err(Refusal::fault);
        written.map(drop).map_err(|why| cannot(why.message))
    }

    /// A server answers the oldest request of this name that is under way.
    pub async fn fetched(
        &mut self,
        name: &str,
        value: Result<Response, Fault>,
    ) -> Result<(), TryoutError> {
        let heard = self.around.record.heard();
        if !self.around.servers.answer(name, value) {
            return Err(cannot(format!("no request `{name}` is under way")));
        }
        let told = timeout(PATIENCE, self.around.record.hears_more_than(heard)).await;
        told.map_err(|_| TryoutError::Restless)
    }

    /// Loads the plugin again, from another file if one is given, as if what it holds had changed. Its state goes along where
    /// it has a snapshot.
    pub async fn reload(&mut self, file: Option<PathBuf>) -> Result<Reloaded, TryoutError> {
        self.rest().await?;
        let mut own = settings::Plugin::clone(&self.plugin.settings());
        // The same bytes under the same settings would be no reload.
        own.deadline += Duration::from_nanos(1);
        own.file = file.unwrap_or(own.file);
        Ok(self.plugin.reload(Some(own)).await?)
    }

    /// Ends the plugin, and all that was begun for it.
    pub async fn end(self) {
        self.plugin.stop(ENDS_WITHIN).await;
        self.around.hub.set_handlers(HashMap::new());
        self.around.stop.cancel();
        self.around.tasks.close();
        if timeout(ENDS_WITHIN, self.around.tasks.wait()).await.is_err() {
            tracing::warn!("tasks were still running when the plugin had been tried out");
        }
    }

    /// The told time by the machine's clock.
    fn instant(&self) -> Instant {
        self.began + self.around.time.now()
    }

    /// Waits until nothing follows from what has happened. Returns when the next timer or question is due.
    async fn rest(&mut self) -> Result<Option<Duration>, TryoutError> {
        let rests = async {
            loop {
                let heard = self.around.record.heard();
                self.plugin.settled().await?;
                let next = self.around.hub.tell_now();
                let ended = self.end_closed();
                if !ended && self.around.record.heard() == heard {
                    return Ok(next);
                }
            }
        };
        timeout(PATIENCE, rests).await.unwrap_or(Err(TryoutError::Restless))
    }
}

/// Has all events lead to the plugin where none does.
fn leads_to(settings: &mut Settings, name: &PluginName) {
    if settings.routes.iter().all(|route| route.plugin != *name) {
        let event = Pattern("*".into());
        let (plugin, endpoint, mode) = (name.clone(), None, Mode::First);
        settings.routes.push(Route { event, plugin, endpoint, mode });
    }
}

fn bounds(store: &settings::Store) -> Bounds {
    Bounds {
        value: store.value.get(),
        bucket_bytes: store.bytes.get(),
        bucket_entries: store.entries.get(),
        bytes: store.memory.get(),
    }
}

fn endpoint_of(settings: &Settings, route: &Route) -> Option<EndpointIndex> {
    let path = route.endpoint.as_ref()?;
    let place = settings.endpoints.iter().position(|endpoint| endpoint.path == *path)?;
    u16::try_from(place).ok().map(EndpointIndex)
}

/// What the plugin may touch: what it was granted, and the connections of the endpoints that lead to it.
fn rights(settings: &Settings, name: &PluginName, own: &settings::Plugin) -> Rights {
    let mut endpoints = vec![None; settings.endpoints.len()];
    for route in settings.routes.iter().filter(|route| route.plugin == *name) {
        for (own, endpoint) in endpoints.iter_mut().zip(&settings.endpoints) {
            if route.endpoint.as_ref().is_none_or(|only| *only == endpoint.path) {
                *own = Some(Arc::from(endpoint.path.as_str()));
            }
        }
    }
    Rights { grants: own.grant.clone(), endpoints, requests: own.request_limits() }
}
