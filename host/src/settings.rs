//! Checked settings: what the gateway runs on. `config` reads them from a file; nothing past it checks them again.

use crate::{
    envelope::Dialect,
    id::{Channel, PluginName},
    payload::Encoding,
};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

pub use crate::origin::{Origin, Origins};

#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub server: Server,
    pub admin: Option<Admin>,
    pub heartbeat: Heartbeat,
    pub outbox: Outbox,
    pub limits: Limits,
    pub endpoints: Vec<Arc<Endpoint>>,
    pub plugins: BTreeMap<PluginName, Plugin>,
    pub routes: Vec<Route>,
    pub telemetry: Telemetry,
    pub statics: Vec<Static>,
    /// A folder whose components are all plugins (`serve --plugins DIR`); everything is routed to what is in it.
    pub plugin_folder: Option<PathBuf>,
    /// Answer every event ourselves: what a gateway without plugins does.
    pub echo: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Port 0: the system chooses.
    pub listen: SocketAddr,
    /// Where the real port is written when ready.
    pub port_file: Option<PathBuf>,
    /// Where compiled components are kept.
    pub cache: Cache,
    /// How long an HTTP connection stays open between two requests.
    pub keep_alive: Duration,
    pub drain: Drain,
}

/// Where compiled components are kept, so that they are compiled once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Cache {
    /// In the user's cache folder, if there is one.
    #[default]
    OfUser,
    Folder(PathBuf),
    Off,
}

impl Cache {
    /// The folder; none: nothing is kept.
    pub fn folder(&self, of_user: Option<PathBuf>) -> Option<PathBuf> {
        match self {
            Self::OfUser => of_user,
            Self::Folder(folder) => Some(folder.clone()),
            Self::Off => None,
        }
    }
}

/// How connections are sent away when the gateway ends: for `grace` it only says that it is not ready any more, then `batch`
/// of them go `every` so often, all within `deadline`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    pub grace: Duration,
    pub deadline: Duration,
    pub batch: NonZeroUsize,
    pub every: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    pub listen: SocketAddr,
    /// Without a key, calls that change something are refused.
    pub keys: Vec<Secret>,
    /// Names under which it may be called, besides its address: `host`, or `host:port`.
    pub hosts: Vec<String>,
}

/// Text that never shows in a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat {
    /// Ping a peer that was silent for so long.
    pub ping_every: Duration,
    /// Close a peer that was silent for so long; always longer than `ping_every`.
    pub give_up_after: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outbox {
    pub events: NonZeroUsize,
    pub bytes: NonZeroUsize,
    /// How long the peer may take nothing, or less than 1 KiB a second, before the connection counts as stuck.
    pub write_deadline: Duration,
    pub when_full: WhenFull,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// Close the slow connection (4000).
    Close,
    DropNewest,
    DropOldest,
    /// Keep the newest value per channel; without an older value of the same channel, like `DropNewest`.
    Latest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest message, in bytes; a warning from half of it.
    pub message: NonZeroUsize,
    /// What all connections may hold together.
    pub memory: Memory,
    pub connections: NonZeroUsize,
    /// The largest head of a request, in bytes.
    pub request_head: NonZeroUsize,
    /// Most header lines of a request.
    pub request_lines: NonZeroUsize,
    /// Most HTTP connections of one address, or of one /64 in IPv6; none: as many as there are places.
    pub per_address: Option<NonZeroUsize>,
    pub waiting_events: u32,
    pub waiting_bytes: usize,
    /// How long a connection is not read, because what came in finds no place, before such events are refused.
    pub wait: Duration,
    /// Events that wait for one plugin.
    pub plugin_waiting_events: NonZeroUsize,
    pub subscriptions: usize,
    /// How long a handshake may take.
    pub unauthenticated: Duration,
    /// A connection is closed (4503) whose messages are malformed so often.
    pub malformed: Rate,
    /// How long a client's request waits for the plugin's reply.
    pub reply: Duration,
}

/// What outboxes, unfinished messages and waiting events may take up together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// Half of what the machine has, or of what its control group gives this process.
    Half,
    Bytes(NonZeroUsize),
}

impl Memory {
    /// In bytes; without a number, as many as can be counted.
    pub fn bytes(self) -> usize {
        match self {
            Self::Half => usize::MAX / 8,
            Self::Bytes(bytes) => bytes.get(),
        }
    }
}

/// How often something may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub count: NonZeroU32,
    /// Within so long.
    pub per: Duration,
}

impl Rate {
    /// So many within a minute; one at least.
    pub fn per_minute(count: u32) -> Self {
        let count = NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
        Self { count, per: Duration::from_secs(60) }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub path: String,
    pub dialect: Dialect,
    /// Offered formats, the default first. Never empty. For `raw`, ignored.
    pub formats: Vec<Encoding>,
    /// For `raw`: the subprotocols that are spoken. Empty: whatever is offered.
    pub subprotocols: Vec<String>,
    pub origins: Origins,
    pub authenticator: Option<PluginName>,
    /// Whether a connection without a user may come in.
    pub anonymous: bool,
    pub traceparent: Traceparent,
}

/// What the trace context that a client sends is for our spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Traceparent {
    /// They are linked to it. Whether they are recorded is for us to say.
    #[default]
    Link,
    /// They belong to the client's trace, and are recorded where it says so.
    Parent,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Plugin {
    pub file: PathBuf,
    /// Linear memory per instance, in bytes.
    pub memory: usize,
    /// CPU time for one event; a batch has it times its length.
    pub deadline: Duration,
    pub config: BTreeMap<String, String>,
    pub grant: Grants,
    pub effects_per_event: usize,
    pub effect_bytes: usize,
    /// Instances of the stateless roles (authenticator, sink); a handler has one.
    pub instances: NonZeroUsize,
    pub on_failure: OnFailure,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// The event gets an error.
    Closed,
    /// The event goes on to the next match.
    Open,
}

/// What a plugin may do beyond answering its own connections. Nothing by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// Channel patterns it may publish to and subscribe its connections to.
    pub publish: Vec<Pattern>,
    /// User patterns it may push to.
    pub push: Vec<Pattern>,
    /// Whether it may push to a whole endpoint.
    pub endpoint: bool,
    pub env: Vec<String>,
    pub dirs: Vec<Directory>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    pub host: PathBuf,
    pub guest: String,
    pub writable: bool,
}

/// Exact text, or a prefix followed by `*`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pattern(pub String);

impl Pattern {
    pub fn matches(&self, text: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(prefix) => text.starts_with(prefix),
            None => self.0 == text,
        }
    }
}

/// Which events go to which plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub event: Pattern,
    pub plugin: PluginName,
    /// Only events of this endpoint; none: of all.
    pub endpoint: Option<String>,
    pub mode: Mode,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The first matching route gets the event, unless an earlier one was `All`.
    First,
    /// This route sees the event and the search goes on.
    All,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Telemetry {
    /// A `tracing` filter: a level, or `target=level` pairs.
    pub level: String,
    /// None: as the environment says, or `tengen`.
    pub service_name: Option<String>,
    pub otlp: Option<Otlp>,
    pub sinks: Vec<SinkPlugin>,
}

/// A plugin that gets the gateway's log records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkPlugin {
    pub plugin: PluginName,
    pub buffer: NonZeroUsize,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Otlp {
    /// With `http://` or `https://`.
    pub endpoint: String,
    /// None: as the environment says, or gRPC.
    pub protocol: Option<Protocol>,
    /// The share of traces that are recorded, 0 to 1; none: as the environment says, or all.
    pub sample: Option<f64>,
    /// A file with whom to trust (PEM); none: as the environment says, or whom the system trusts.
    pub certificate: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Grpc,
    HttpProtobuf,
    HttpJson,
}

impl Protocol {
    pub const ALL: [Self; 3] = [Self::Grpc, Self::HttpProtobuf, Self::HttpJson];

    /// As OpenTelemetry's specification names it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::HttpProtobuf => "http/protobuf",
            Self::HttpJson => "http/json",
        }
    }
}

impl Otlp {
    /// The defaults for a collector at this address.
    pub fn new(endpoint: impl Into<String>) -> Self {
        Self { endpoint: endpoint.into(), protocol: None, sample: None, certificate: None }
    }
}

/// Serves the files of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Static {
    pub path: String,
    pub dir: PathBuf,
}

impl Grants {
    pub fn may_publish(&self, channel: &Channel) -> bool {
        self.publish.iter().any(|pattern| pattern.matches(channel))
    }

    pub fn may_push_to(&self, user: &str) -> bool {
        self.push.iter().any(|pattern| pattern.matches(user))
    }
}

impl Default for Settings {
    /// A gateway with nothing configured: ours on `/ws`, Sente in EDN on `/chsk`, raw frames on `/raw`, and the echo.
    fn default() -> Self {
        Self {
            server: Server::default(),
            admin: Some(Admin::default()),
            heartbeat: Heartbeat::default(),
            outbox: Outbox::default(),
            limits: Limits::default(),
            endpoints: [
                ("/ws", Dialect::Tengen),
                ("/chsk", Dialect::Sente),
                ("/raw", Dialect::Raw),
            ]
            .map(|(path, dialect)| Arc::new(Endpoint::new(path, dialect)))
            .to_vec(),
            plugins: BTreeMap::new(),
            routes: Vec::new(),
            telemetry: Telemetry::default(),
            statics: Vec::new(),
            plugin_folder: None,
            echo: true,
        }
    }
}

impl Endpoint {
    /// An endpoint with the dialect's default formats: same origin only, everyone anonymous.
    pub fn new(path: impl Into<String>, dialect: Dialect) -> Self {
        let formats = match dialect {
            Dialect::Tengen => vec![Encoding::Json, Encoding::Edn],
            Dialect::Sente => vec![Encoding::Edn],
            Dialect::Raw => vec![Encoding::Text],
        };
        Self {
            path: path.into(),
            dialect,
            formats,
            subprotocols: Vec::new(),
            origins: Origins::Same,
            authenticator: None,
            anonymous: true,
            traceparent: Traceparent::default(),
        }
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            port_file: None,
            cache: Cache::default(),
            // Longer than balancers keep one: it is theirs to end it, or a request may meet the end.
            keep_alive: Duration::from_secs(75),
            drain: Drain::default(),
        }
    }
}

impl Default for Drain {
    fn default() -> Self {
        Self {
            grace: Duration::ZERO,
            deadline: Duration::from_secs(30),
            batch: at_least_one(1000),
            every: Duration::from_secs(2),
        }
    }
}

impl Default for Admin {
    fn default() -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 8081));
        Self { listen, keys: Vec::new(), hosts: Vec::new() }
    }
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self { ping_every: Duration::from_secs(25), give_up_after: Duration::from_secs(60) }
    }
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            events: at_least_one(1000),
            bytes: at_least_one(1 << 20),
            write_deadline: Duration::from_secs(10),
            when_full: WhenFull::Close,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message: at_least_one(1 << 20),
            memory: Memory::Half,
            connections: at_least_one(100_000),
            request_head: at_least_one(32 << 10),
            request_lines: at_least_one(100),
            per_address: None,
            waiting_events: 64,
            waiting_bytes: 1 << 20,
            wait: Duration::from_secs(1),
            plugin_waiting_events: at_least_one(8192),
            subscriptions: 128,
            unauthenticated: Duration::from_secs(10),
            malformed: Rate::per_minute(16),
            reply: Duration::from_secs(30),
        }
    }
}

impl Plugin {
    /// How much the events of one call may weigh together: a part of its memory. What is copied into it is copied once
    /// more when it is read, and what the plugin makes of it has to fit in as well.
    pub fn batch_bytes(&self) -> usize {
        self.memory / 8
    }

    /// The defaults for a component in this file.
    pub fn new(file: impl Into<PathBuf>) -> Self {
        Self {
            file: file.into(),
            memory: 16 << 20,
            deadline: Duration::from_millis(50),
            config: BTreeMap::new(),
            grant: Grants::default(),
            effects_per_event: 4096,
            effect_bytes: 4 << 20,
            instances: at_least_one(1),
            on_failure: OnFailure::Closed,
        }
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { level: "info".into(), service_name: None, otlp: None, sinks: Vec::new() }
    }
}

/// Defaults are written as numbers; zero is not one of them.
fn at_least_one(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap_or(NonZeroUsize::MIN)
}
