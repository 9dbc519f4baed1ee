//! The whole gateway: builds everything, owns every task, ends them in order.

mod drain;
mod files;
mod memory;
mod plugins;
mod reload;
mod retries;
mod source;

pub use drain::Drained;
pub use plugins::LoadError;
pub(crate) use plugins::{name_of, named_twice};

use crate::{
    admin,
    connection::Surroundings,
    hub::Hub,
    listener::{self, BindError, Rules},
    plugin::{Compiler, Engine, EngineLimits, EngineParts, PluginError, Watch},
    router::Router,
    settings::{Limits, Settings},
    telemetry::{self, Telemetry, TelemetryError},
    upgrade::{Often, Upgrades},
};
use arc_swap::ArcSwap;
use files::Room;
use plugins::Plugins;
use std::{
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{net::TcpListener, runtime::Handle, time};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How often replies that nobody gave are looked for.
const EXPIRY_LOOK: Duration = Duration::from_millis(500);
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
            let keys = settings.admin.take().map(|admin| admin.keys).unwrap_or_default();
            settings.admin = admin.map(|listen| crate::settings::Admin { listen, keys });
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
    #[error("telemetry cannot start")]
    Telemetry(#[from] TelemetryError),
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
    /// The configuration file is read by one at a time.
    pub(crate) reloading: tokio::sync::Mutex<()>,
    pub(crate) ready: AtomicBool,
    pub(crate) address: SocketAddr,
    pub(crate) ephemeral: bool,
    /// Most HTTP requests that are under way at one time.
    requests: usize,
    pub(crate) since: Instant,
    pub(crate) telemetry: Telemetry,
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
        let engine =
            Engine::new(engine_parts(&settings, &options)).map_err(GatewayError::Engine)?;
        let node = uuid::Uuid::now_v7().to_string();
        let telemetry = telemetry::start(&settings.telemetry, &node)?;
        let tracer = telemetry.tracer();
        let room = Room::here(settings.limits.connections);
        // What fits goes to the hub alone: the settings stay what the file says, to be compared with it.
        let memory = memory::resolve(settings.limits.memory);
        let limits = Limits { connections: room.connections, memory, ..settings.limits };
        let hub = Arc::new(Hub::new(limits, Arc::clone(&tracer)));
        let router = Arc::new(Router::new(Arc::clone(&hub), Arc::clone(&tracer), settings.limits));
        let around = Arc::new(Surroundings {
            hub: Arc::clone(&hub),
            router: Arc::clone(&router),
            limits: settings.limits,
            outbox: settings.outbox,
        });
        let upgrades = Arc::new(Upgrades {
            endpoints: settings.endpoints.clone(),
            statics: settings.statics.clone(),
            heartbeat: settings.heartbeat,
            around,
            tracer: Arc::clone(&tracer),
            authenticators: ArcSwap::default(),
            node,
            refusals: Often::default(),
            ends: Arc::default(),
            tasks: work.connections.clone(),
            patience: settings.limits.unauthenticated,
        });
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
            reloading: tokio::sync::Mutex::default(),
            ready: AtomicBool::new(false),
            address,
            since: Instant::now(),
            telemetry,
        })
    }
}

impl Shared {
    /// Starts every task. Whatever fails is before anybody is let in.
    async fn begin(
        self: &Arc<Self>,
        listener: TcpListener,
        admin: Option<TcpListener>,
        watch: Watch,
        work: &Work,
    ) -> Result<(), GatewayError> {
        let failed = self.load_plugins(&work.tasks).await?;
        // The port is open already: who reads it there and comes at once waits until it is served.
        write_port_file(self)?;
        reload::start(self, watch, failed, (&work.tasks, &work.stop));
        work.tasks.spawn(expire_replies(Arc::clone(&self.hub), work.stop.clone()));
        work.tasks.spawn(keep_memory(Arc::clone(&self.hub), work.stop.clone()));
        for _ in 0..Handle::current().metrics().num_workers() {
            work.tasks.spawn(write_for_others(Arc::clone(&self.hub), work.stop.clone()));
        }
        let settings = self.settings.load_full();
        work.tasks.spawn(listener::serve(
            listener,
            Arc::clone(&self.upgrades),
            Rules { requests: self.requests, head_within: settings.limits.unauthenticated },
            work.connections.clone(),
            work.accepting.clone(),
        ));
        self.ready.store(true, Ordering::Release);
        if let Some(listener) = admin {
            let keys = settings.admin.as_ref().map(|admin| admin.keys.clone()).unwrap_or_default();
            let source = Arc::clone(self) as Arc<dyn admin::Source>;
            let serve = admin::serve(listener, source, keys, work.tasks.clone(), work.stop.clone());
            work.tasks.spawn(serve);
        }
        Ok(())
    }

    /// Ends what had begun before the start failed, and waits for it: plugins are told, sinks get what is queued.
    async fn give_up(&self, work: &Work) {
        self.telemetry.stop_sinks(LAST_WORDS / 5).await;
        self.plugins.stop(LAST_WORDS / 5).await;
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
        // Bound first, so that a port in use is told before anything is built; served last.
        let (listener, address) = open(settings.server.listen)?;
        let admin = settings.admin.as_ref().map(|admin| open(admin.listen));
        let (admin, admin_address) = admin.transpose().map_err(GatewayError::Admin)?.unzip();
        let watch = reload::watch(&settings, options.config_file.as_deref())
            .map_err(GatewayError::Watch)?;
        let shared = Arc::new(Shared::build(settings, options, address, &work)?);
        if let Err(error) = shared.begin(listener, admin, watch, &work).await {
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

    /// Ends in order: accept nobody new, send connections away, let handlers finish, flush, flush telemetry.
    pub async fn drain(self) -> Drained {
        let rules = self.shared.settings.load().server.drain;
        let deadline = time::Instant::now() + rules.deadline;
        self.shared.ready.store(false, Ordering::Release);
        self.work.accepting.cancel();
        self.work.connections.close();
        let for_connections = deadline - LAST_WORDS.min(rules.deadline / 4);
        let drained = drain::connections(
            &self.shared.hub,
            &rules,
            for_connections,
            self.work.connections.wait(),
        )
        .await;
        if drained.cut_off > 0 {
            tracing::warn!(
                cut_off = drained.cut_off,
                "connections were cut off at the drain's deadline"
            );
        }
        let left = |until: time::Instant| until.saturating_duration_since(time::Instant::now());
        // Sinks may be plugins: they are given what is queued while those still run.
        self.shared.telemetry.stop_sinks(left(deadline) / 3).await;
        self.shared.plugins.stop(left(deadline) / 2).await;
        self.work.stop.cancel();
        self.work.tasks.close();
        if time::timeout_at(deadline, self.work.tasks.wait()).await.is_err() {
            tracing::warn!("tasks were still running at the drain's deadline");
        }
        let report =
            self.shared.telemetry.shutdown(left(deadline).max(Duration::from_millis(100))).await;
        tracing::info!(
            connections = drained.connections,
            cut_off = drained.cut_off,
            ?report,
            "drained"
        );
        drained
    }
}

fn engine_parts(settings: &Settings, options: &Options) -> EngineParts {
    let cache = settings.server.cache.folder(options.user_cache.clone());
    EngineParts { limits: EngineLimits::default(), compiler: options.compiler.clone(), cache }
}

/// Opens a port; its real address, when the system chose it.
fn open(address: SocketAddr) -> Result<(TcpListener, SocketAddr), BindError> {
    let listener = listener::bind(address)?;
    let real = listener.local_addr().map_err(|source| BindError { address, source })?;
    Ok((listener, real))
}

async fn write_for_others(hub: Arc<Hub>, stop: CancellationToken) {
    // Ended early or not: what it leaves, connections write themselves.
    stop.run_until_cancelled(hub.write_for_others()).await;
}

async fn keep_memory(hub: Arc<Hub>, stop: CancellationToken) {
    stop.run_until_cancelled(hub.keep_memory()).await;
}

async fn expire_replies(hub: Arc<Hub>, stop: CancellationToken) {
    let mut look = time::interval(EXPIRY_LOOK);
    look.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = look.tick() => {}
        }
        while hub.expire_replies(time::Instant::now().into_std()) {
            tokio::task::yield_now().await;
        }
    }
}

/// Written to a temporary name and renamed, so that who waits for the file never reads half of it.
fn write_port_file(shared: &Shared) -> Result<(), GatewayError> {
    let settings = shared.settings.load();
    let Some(path) = &settings.server.port_file else { return Ok(()) };
    let failed = |source| GatewayError::PortFile { path: path.clone(), source };
    let mut temporary = path.clone().into_os_string();
    temporary.push(".part");
    let written = std::fs::write(&temporary, format!("{}\n", shared.address.port()))
        .and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        // There may be none; what there is would be left behind.
        std::fs::remove_file(&temporary).ok();
    }
    written.map_err(failed)
}
