//! The whole gateway: builds everything, owns every task, ends them in order.

mod drain;
mod files;
mod memory;
mod order;
mod outgoing;
mod plugins;
mod reload;
mod retries;
mod sinks;
mod source;
mod store;
mod tasks;

pub use drain::Drained;
pub use plugins::LoadError;
pub use plugins::{name_of, named_twice};

use crate::{
    admin::{
        self,
        sign::{Readers, Sign},
        state::{State, beside},
    },
    connection::{Line, Surroundings},
    hub::{Hub, Reception},
    listener::{self, BindError, Reserved},
    requests::{self, Places, Rules, Times},
    router::Router,
    transport::event_stream::Sessions,
    upgrade::{Endpoints, Polling, Upgrades},
};
use arc_swap::ArcSwap;
use files::Room;
use plugins::Plugins;
use std::{
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tengen_core::{broker::memory::Memory, often::Often, outgoing::Outgoing, rules, trace::Tracer};
use tengen_engine::{Compiler, Engine, EngineLimits, EngineParts, PluginError, Watch};
use tengen_fetch::Resolve;
use tengen_settings::{Limits, Settings};
use tengen_telemetry::{self as telemetry, Telemetry};
use tokio::{runtime::Handle, time};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How many times as long as for a request's head its answer may take while nothing of it is written.
const ANSWER_PATIENCE: u32 = 6;
/// Kept back from the drain's deadline for plugins and telemetry.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What a gateway is started with besides its settings.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The file the settings came from: watched, and read again on SIGHUP.
    pub config_file: Option<PathBuf>,
    /// Settings given on the command line: they win over the file when it is read again.
    pub overrides: Overrides,
    /// How plugins are compiled; the default is in this process, and unlimited.
    pub compiler: Compiler,
    /// Where the user's compiled plugins are kept, unless the settings name a folder; none: nowhere.
    pub user_cache: Option<PathBuf>,
    /// Who looks up the names of servers that plugins ask; none: this machine.
    pub names: Option<Arc<dyn Resolve>>,
}

/// Settings that the command line may give.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    pub listen: Option<SocketAddr>,
    pub admin: Option<Option<SocketAddr>>,
    pub port_file: Option<PathBuf>,
    pub plugin_folder: Option<PathBuf>,
}

impl Overrides {
    /// Puts the command line's settings over those of the file.
    pub fn apply(&self, settings: &mut Settings) {
        if let Some(listen) = self.listen {
            settings.server.listen = listen;
        }
        if let Some(admin) = self.admin {
            let before = settings.admin.take().unwrap_or_default();
            settings.admin = admin.map(|listen| tengen_settings::Admin { listen, ..before });
        }
        if let Some(file) = &self.port_file {
            settings.server.port_file = Some(file.clone());
        }
        if let Some(folder) = &self.plugin_folder {
            settings.plugin_folder = Some(folder.clone());
            settings.echo = false;
        }
    }
}

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error("the admin listener cannot be opened; change `admin.listen`, or give `--admin off`")]
    Admin(#[source] BindError),
    #[error(transparent)]
    Store(#[from] tengen_store::OpenError),
    #[error("the plugin engine cannot start")]
    Engine(#[source] PluginError),
    #[error(transparent)]
    Plugins(#[from] LoadError),
    #[error("files cannot be watched for changes")]
    Watch(#[source] PluginError),
    #[error("cannot write the port file `{}`", path.display())]
    PortFile {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// A gateway that accepts connections.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    admin_address: Option<SocketAddr>,
    shared: Arc<Shared>,
    work: Work,
}

/// Every task of the gateway, in the order in which they end.
#[derive(Debug, Default)]
struct Work {
    /// Ends the listener.
    accepting: CancellationToken,
    /// Requests and connections.
    connections: TaskTracker,
    /// Ends everything else.
    stop: CancellationToken,
    tasks: TaskTracker,
    /// Goes when the gateway goes.
    port_file: OnceLock<Sign>,
}

/// What the gateway's tasks share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: ArcSwap<Settings>,
    pub(crate) options: Options,
    pub(crate) hub: Arc<Hub>,
    pub(crate) router: Arc<Router>,
    pub(crate) upgrades: Arc<Upgrades>,
    pub(crate) plugins: Plugins,
    /// Who carries out the plugins' requests to servers.
    pub(crate) outgoing: Arc<dyn Outgoing>,
    /// The configuration file is read by one at a time.
    pub(crate) reloading: tokio::sync::Mutex<()>,
    pub(crate) ready: AtomicBool,
    pub(crate) address: SocketAddr,
    pub(crate) ephemeral: bool,
    /// Most HTTP requests that are under way at one time.
    requests: usize,
    pub(crate) since: Instant,
    pub(crate) telemetry: Telemetry,
    keeper: store::Keeping,
    /// Of sinks that are added later.
    pub(crate) tasks: TaskTracker,
}

impl Shared {
    /// Puts the parts together. Nothing runs yet.
    fn build(
        settings: Settings,
        options: Options,
        address: SocketAddr,
        work: &Work,
    ) -> Result<Self, GatewayError> {
        // Telemetry has tasks of its own: what may fail comes before it.
        let keeper = store::open(&settings.store)?;
        let kept = keeper.store();
        let client = outgoing::client(&options);
        let reception = Arc::<Reception>::default();
        let parts = EngineParts {
            kept: Some(Arc::clone(&kept)),
            outgoing: Some(Arc::clone(&client)),
            directory: Some(Arc::clone(&reception) as Arc<_>),
            ..engine_parts(&settings, &options)
        };
        let engine = Engine::new(parts).map_err(GatewayError::Engine)?;
        let node = uuid::Uuid::now_v7().to_string();
        let telemetry = telemetry::start(&settings.telemetry, &node);
        let tracer = telemetry.tracer();
        let room = Room::here(settings.limits.connections, !settings.statics.is_empty());
        // What fits goes to the hub alone: the settings stay what the file says, to be compared with it.
        let memory = memory::resolve(settings.limits.memory);
        let limits = Limits { connections: room.connections, memory, ..settings.limits };
        let broker = Arc::new(Memory::new(&node));
        let hub = Arc::new(
            Hub::new(limits, Arc::clone(&tracer))
                .with_broker(broker)
                .with_rules(rules::Rules::new(&settings.channels))
                .with_intake(telemetry.intake())
                .with_store(kept)
                .with_requesting(outgoing::requesting(Arc::clone(&client), work)),
        );
        reception.open(&hub);
        let router = Arc::new(Router::new(Arc::clone(&hub), Arc::clone(&tracer), settings.limits));
        let around = surroundings(&settings, &hub, &router);
        let upgrades = upgrades(&settings, around, (&tracer, node), work);
        let plugins = Plugins::new(engine, &hub, tracer, settings.limits, work);
        Ok(Self {
            ephemeral: settings.server.listen.port() == 0,
            requests: room.requests,
            settings: ArcSwap::from_pointee(settings),
            options,
            hub,
            router,
            upgrades,
            plugins,
            outgoing: client,
            reloading: tokio::sync::Mutex::default(),
            ready: AtomicBool::new(false),
            address,
            since: Instant::now(),
            telemetry,
            keeper: store::Keeping::new(keeper),
            tasks: work.tasks.clone(),
        })
    }
}

/// What connections are among.
fn surroundings(settings: &Settings, hub: &Arc<Hub>, router: &Arc<Router>) -> Arc<Surroundings> {
    Arc::new(Surroundings {
        hub: Arc::clone(hub),
        router: Arc::clone(router),
        limits: settings.limits,
        outbox: settings.outbox,
        large: Line::for_workers(Handle::current().metrics().num_workers()),
    })
}

/// What answers the clients' requests; nobody asks yet.
fn upgrades(
    settings: &Settings,
    around: Arc<Surroundings>,
    (tracer, node): (&Arc<dyn Tracer>, String),
    work: &Work,
) -> Arc<Upgrades> {
    Arc::new(Upgrades {
        endpoints: Endpoints::new(&settings.endpoints),
        statics: settings.statics.clone(),
        heartbeat: settings.heartbeat,
        around,
        tracer: Arc::clone(tracer),
        authenticators: ArcSwap::default(),
        node,
        refusals: Often::each_second(),
        failures: Often::each_second(),
        ends: Arc::new(Often::each_second()),
        tasks: work.connections.clone(),
        sessions: Sessions::default(),
        polling: Polling::default(),
        posts: Often::each_second(),
        patience: settings.limits.unauthenticated,
    })
}

impl Shared {
    /// Starts every task. Whatever fails is before anybody is let in.
    async fn begin(
        self: &Arc<Self>,
        port: Reserved,
        admin: Option<Reserved>,
        watch: Watch,
        work: &Work,
    ) -> Result<(), GatewayError> {
        self.keep_secrets(&self.settings.load());
        let failed = self.load_plugins(&work.tasks).await?;
        // Not before: nobody waits at a port while plugins are compiled.
        let listener = port.open()?;
        let admin = admin.map(Reserved::open).transpose().map_err(GatewayError::Admin)?;
        // Who reads it there and comes at once waits until it is served, a moment from now.
        write_port_file(self, work)?;
        reload::start(self, watch, failed, (&work.tasks, &work.stop));
        work.tasks.spawn(tasks::expire_replies(Arc::clone(&self.hub), work.stop.clone()));
        work.tasks.spawn(tasks::expire_raised(Arc::clone(self), work.stop.clone()));
        work.tasks.spawn(sinks::say_accounts(Arc::clone(self), work.stop.clone()));
        work.tasks.spawn(tasks::run_timers(Arc::clone(&self.hub), work.stop.clone()));
        work.tasks.spawn(tasks::run_questions(Arc::clone(&self.hub), work.stop.clone()));
        work.tasks.spawn(outgoing::tell(Arc::clone(&self.hub), work.stop.clone()));
        work.tasks.spawn(tasks::run_occupancy(Arc::clone(&self.hub), work.stop.clone()));
        work.tasks.spawn(tasks::run_news(Arc::clone(&self.hub), work.stop.clone()));
        work.tasks.spawn(tasks::keep_memory(Arc::clone(&self.hub), work.stop.clone()));
        for _ in 0..Handle::current().metrics().num_workers() {
            work.tasks.spawn(tasks::write_for_others(Arc::clone(&self.hub), work.stop.clone()));
            work.tasks.spawn(tasks::publish_for_clients(Arc::clone(&self.hub), work.stop.clone()));
        }
        let settings = self.settings.load_full();
        work.tasks.spawn(listener::serve(
            listener,
            Arc::clone(&self.upgrades),
            Places::new(self.requests, settings.limits.per_address),
            rules(&settings),
            work.connections.clone(),
            work.accepting.clone(),
        ));
        let counted = Arc::downgrade(self);
        self.telemetry
            .export_metrics(move || counted.upgrade().map(|it| admin::Source::samples(&*it)));
        self.ready.store(true, Ordering::Release);
        if let Some(listener) = admin {
            let admin = settings.admin.clone().unwrap_or_default();
            let source = Arc::clone(self) as Arc<dyn admin::Source>;
            let (tasks, stop) = (work.tasks.clone(), work.stop.clone());
            work.tasks.spawn(admin::serve(listener, source, admin, tasks, stop));
        }
        Ok(())
    }

    /// Ends what had begun before the start failed, and waits for it: plugins are told, sinks get what is queued.
    async fn give_up(&self, work: &Work) {
        self.telemetry.stop_sinks(LAST_WORDS / 5).await;
        self.plugins.stop(&self.settings.load_full(), LAST_WORDS / 5).await;
        self.keeper.close(LAST_WORDS / 5).await;
        work.stop.cancel();
        work.tasks.close();
        if time::timeout(LAST_WORDS, work.tasks.wait()).await.is_err() {
            tracing::warn!("tasks were still running when the start had failed");
        }
        self.telemetry.shutdown(LAST_WORDS / 5).await;
    }
}

impl Gateway {
    /// Builds a gateway and starts it. When this returns, its port accepts; when it fails, nothing of it runs any more.
    pub async fn start(mut settings: Settings, options: Options) -> Result<Self, GatewayError> {
        options.overrides.apply(&mut settings);
        let work = Work::default();
        forget_port_file(&settings)?;
        // Taken first, so that a port in use is told before anything is built; opened last.
        let port = listener::reserve(settings.server.listen)?;
        let admin = settings.admin.as_ref().map(|admin| listener::reserve(admin.listen));
        let admin = admin.transpose().map_err(GatewayError::Admin)?;
        let (address, admin_address) = (port.address(), admin.as_ref().map(Reserved::address));
        let watch = reload::watch(&settings, options.config_file.as_deref())
            .map_err(GatewayError::Watch)?;
        let shared = Arc::new(Shared::build(settings, options, address, &work)?);
        if let Err(error) = shared.begin(port, admin, watch, &work).await {
            shared.give_up(&work).await;
            return Err(error);
        }
        let requested = shared.settings.load().server.listen;
        tracing::info!(%address, %requested, ephemeral = shared.ephemeral, "accepting connections");
        Ok(Self { address, admin_address, shared, work })
    }

    /// Where clients connect; the real port when the requested one was 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// What the admin listener would say under `/stats`.
    pub fn stats(&self) -> serde_json::Value {
        admin::Source::stats(&*self.shared)
    }

    /// What the admin listener would say under `/plugins`.
    pub fn plugins(&self) -> serde_json::Value {
        admin::Source::plugins(&*self.shared)
    }

    /// Reads the configuration file again and applies what can be applied; a list of what was done and what needs a
    /// restart.
    pub async fn reload(&self) -> Result<Vec<String>, String> {
        self.shared.reload_config().await
    }

    /// Ends in order: not ready any more, accept nobody new, send connections away, let handlers finish, flush, flush
    /// telemetry.
    pub async fn drain(self) -> Drained {
        let rules = self.shared.settings.load().server.drain;
        self.shared.ready.store(false, Ordering::Release);
        time::sleep(rules.grace).await;
        let deadline = time::Instant::now() + rules.deadline;
        self.work.accepting.cancel();
        self.work.connections.close();
        let kept = LAST_WORDS.min(rules.deadline / 4);
        let times = drain::Times { end: deadline - kept, closes: kept / 4 };
        let gone = self.work.connections.wait();
        let drained = drain::connections(&self.shared.hub, &rules, times, gone).await;
        if drained.cut_off > 0 {
            tracing::warn!(
                cut_off = drained.cut_off,
                "connections were cut off at the drain's deadline"
            );
        }
        let left = |until: time::Instant| until.saturating_duration_since(time::Instant::now());
        // Sinks may be plugins: they are given what is queued while those still run.
        self.shared.telemetry.stop_sinks(left(deadline) / 3).await;
        let settings = self.shared.settings.load_full();
        self.shared.plugins.stop(&settings, left(deadline) / 2).await;
        // Nobody writes any more.
        self.shared.keeper.close(left(deadline) / 2).await;
        self.work.stop.cancel();
        self.work.tasks.close();
        if time::timeout_at(deadline, self.work.tasks.wait()).await.is_err() {
            tracing::warn!("tasks were still running at the drain's deadline");
        }
        let report =
            self.shared.telemetry.shutdown(left(deadline).max(Duration::from_millis(100))).await;
        drain::tell(&drained, &report);
        drained
    }
}

fn engine_parts(settings: &Settings, options: &Options) -> EngineParts {
    let cache = settings.server.cache.folder(options.user_cache.clone());
    // What is configured was held to its limit where it was read; what is in a folder is not known before.
    if let Some(why) = plugins::excess(settings) {
        tracing::warn!("with what is in the plugin folder, {why}");
    }
    let instances = u32::try_from(settings.limits.plugin_instances.get()).unwrap_or(u32::MAX);
    let limits = EngineLimits { instances, ..EngineLimits::default() };
    let (wanted, compiler) = (Some(plugins::instances(settings)), options.compiler.clone());
    EngineParts { limits, wanted, compiler, cache, kept: None, outgoing: None, directory: None }
}

/// What HTTP connections of clients go by.
fn rules(settings: &Settings) -> Rules {
    let Limits { request_head, request_lines, unauthenticated, .. } = settings.limits;
    Rules {
        head: requests::Limits { bytes: request_head.get(), lines: request_lines.get() },
        times: Times {
            head: unauthenticated,
            answer: unauthenticated * ANSWER_PATIENCE,
            keep_alive: Some(settings.server.keep_alive),
        },
    }
}

/// Tells who waits for it where the gateway listens. It is there as long as the gateway is.
fn write_port_file(shared: &Shared, work: &Work) -> Result<(), GatewayError> {
    let settings = shared.settings.load();
    let Some(path) = &settings.server.port_file else { return Ok(()) };
    let text = format!("{}\n", shared.address.port());
    let put = Sign::put_at(path, text.as_bytes(), Readers::Usual);
    let sign = put.map_err(|source| GatewayError::PortFile { path: path.clone(), source })?;
    work.port_file.get_or_init(|| sign);
    Ok(())
}

/// Removes the port file of a gateway that was killed, before a port is opened: who waits for the file must not find the
/// old one. That of another gateway which runs is left alone, as the state file beside it tells.
fn forget_port_file(settings: &Settings) -> Result<(), GatewayError> {
    let Some(path) = &settings.server.port_file else { return Ok(()) };
    if State::read(&beside(path)).is_ok() {
        return Ok(());
    }
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(GatewayError::PortFile { path: path.clone(), source })
        }
        _ => Ok(()),
    }
}
