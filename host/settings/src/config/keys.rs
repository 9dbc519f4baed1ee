//! Every key of the configuration file: the one table behind the reader, the README's table and `config default`.

/// A table of the file and its keys.
#[derive(Debug)]
pub(super) struct Section {
    /// As the reader names it: `server.drain`, `endpoint`, `plugin.grant`; the top of the file is the empty name.
    pub(super) name: &'static str,
    /// The header in `config default`.
    pub(super) header: &'static str,
    /// The key's path in documentation, up to the last dot.
    pub(super) path: &'static str,
    pub(super) about: &'static str,
    /// Whether `config default` writes it out, or as an example behind `#`.
    pub(super) active: bool,
    pub(super) keys: &'static [Key],
}

#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) value: Sample,
    /// Ends without a dot.
    pub(super) about: &'static str,
}

/// What stands for a key in a file, in TOML.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sample {
    Default(&'static str),
    /// No default; this is an example.
    None(&'static str),
    /// Must be given; this is an example.
    Required(&'static str),
}

impl Sample {
    pub(super) fn toml(self) -> &'static str {
        match self {
            Self::Default(text) | Self::None(text) | Self::Required(text) => text,
        }
    }
}

const fn key(name: &'static str, value: Sample, about: &'static str) -> Key {
    Key { name, value, about }
}

const fn on(
    name: &'static str,
    path: &'static str,
    header: &'static str,
    about: &'static str,
    keys: &'static [Key],
) -> Section {
    Section { name, header, path, about, active: true, keys }
}

const fn example(
    name: &'static str,
    path: &'static str,
    header: &'static str,
    about: &'static str,
    keys: &'static [Key],
) -> Section {
    Section { name, header, path, about, active: false, keys }
}

use Sample::{Default, None, Required};

/// In the order in which they are documented.
pub(super) const SECTIONS: &[Section] = &[
    on(
        "server",
        "server",
        "[server]",
        "Where clients come in.",
        &[
            key(
                "listen",
                Default("\"127.0.0.1:8080\""),
                "address and port for clients; port 0: the system chooses one and it is printed",
            ),
            key(
                "port_file",
                None("\"tengen.port\""),
                "file that gets the real port once the gateway accepts",
            ),
            key(
                "keep_alive",
                Default("\"75s\""),
                "how long an HTTP connection stays open between two requests; longer than a balancer in front keeps it",
            ),
            key(
                "cache",
                None("\"cache\""),
                "folder that keeps compiled plugins, for this user alone, or \"off\"; absent: `tengen` in the user's cache folder",
            ),
        ],
    ),
    on(
        "server.drain",
        "server.drain",
        "[server.drain]",
        "How connections are sent away when the gateway ends.",
        &[
            key(
                "grace",
                Default("\"0s\""),
                "so long `/readyz` says no and the port is open, for balancers that look now and then; only then it begins",
            ),
            key(
                "deadline",
                Default("\"30s\""),
                "all of it ends by then, from the end of `grace` on",
            ),
            key("batch", Default("1000"), "connections sent away at a time"),
            key("every", Default("\"2s\""), "time between two batches"),
        ],
    ),
    on(
        "admin",
        "admin",
        "[admin]",
        "Health, statistics and reloads, on a listener of their own.",
        &[
            key("listen", Default("\"127.0.0.1:8081\""), "address and port, or \"off\""),
            key(
                "keys",
                Default("[]"),
                "keys for calls that change something (`Authorization: Bearer KEY`), better 16 characters or more; without a key they are refused",
            ),
            key(
                "hosts",
                Default("[]"),
                "names under which it may be called, as in `[\"tengen.prod.svc\"]`, besides its address; `/healthz` and `/readyz` are answered under every name",
            ),
        ],
    ),
    on(
        "heartbeat",
        "heartbeat",
        "[heartbeat]",
        "For the tengen and raw dialects; Sente has its own.",
        &[
            key(
                "ping_every",
                Default("\"25s\""),
                "ping a peer from which no byte came for so long; a WebSocket ping follows if it does not answer",
            ),
            key(
                "give_up_after",
                Default("\"60s\""),
                "close a peer from which no byte came for so long, answers to pings among them; longer than `ping_every`",
            ),
        ],
    ),
    on(
        "outbox",
        "outbox",
        "[outbox]",
        "What waits to be written to one connection.",
        &[
            key("events", Default("1000"), "most events that wait"),
            key("bytes", Default("\"1MiB\""), "most bytes that wait"),
            key(
                "write_deadline",
                Default("\"10s\""),
                "who does not take what waits for so long is closed, unless it took 1 KiB a second over the last minute",
            ),
            key(
                "when_full",
                Default("\"close\""),
                "`close`, `drop-newest`, `drop-oldest` or `latest` (the newest value per channel)",
            ),
        ],
    ),
    on(
        "limits",
        "limits",
        "[limits]",
        "What peers may cost.",
        &[
            key("message", Default("\"1MiB\""), "largest message; a warning from half of it"),
            key(
                "memory",
                Default("\"half\""),
                "memory for all that peers send and do not read: outboxes, unfinished messages, waiting events; `half` of the machine or its control group, or a size. At 80 % those who hold most are closed (4000) and newcomers get 503; at 90 % who holds something is not read until there is room",
            ),
            key(
                "connections",
                Default("100_000"),
                "most open connections; fewer where the system's limit of open files asks for it",
            ),
            key(
                "request_head",
                Default("\"32KiB\""),
                "largest head of an HTTP request, its first line, headers and cookies; over it: 431",
            ),
            key(
                "request_lines",
                Default("100"),
                "most header lines of an HTTP request; over it: 431",
            ),
            key(
                "per_address",
                None("50"),
                "most HTTP connections of one address (IPv6: one /64) that are no WebSocket yet, never of the loopback; absent: no limit, as behind a proxy, where all come from one address",
            ),
            key(
                "unauthenticated",
                Default("\"10s\""),
                "longest handshake; a request's head may take as long, and the making of its answer six times as long",
            ),
            key(
                "malformed",
                Default("\"16/min\""),
                "a connection is closed whose messages are malformed so often",
            ),
            key(
                "reply",
                Default("\"30s\""),
                "how long a client's request waits for the plugin's reply",
            ),
            key("plugin_waiting_events", Default("8192"), "most events that wait for one plugin"),
            key(
                "plugin_instances",
                Default("4096"),
                "most instances of all plugins at one time: those that serve, as many again while they are reloaded, and one more for each plugin. A place for one takes 8 GiB of addresses and no memory; so many are reserved as the configuration may need",
            ),
        ],
    ),
    on(
        "limits.per_connection",
        "limits.per_connection",
        "[limits.per_connection]",
        "The same for each connection.",
        &[
            key("subscriptions", Default("128"), "most channels"),
            key(
                "waiting_events",
                Default("64"),
                "most events that wait for a decision; over it the connection is not read",
            ),
            key("waiting_bytes", Default("\"1MiB\""), "most bytes of such events"),
            key(
                "wait",
                Default("\"1s\""),
                "how long it is not read before what finds no place is answered `overloaded`",
            ),
        ],
    ),
    on(
        "endpoint",
        "endpoint[]",
        "[[endpoint]]",
        "A path that takes connections. Without any: `/ws` (tengen), `/chsk` (sente) and `/raw` (raw).",
        &[
            key("path", Required("\"/ws\""), "path of the upgrade request"),
            key("dialect", Default("\"tengen\""), "`tengen`, `sente` or `raw`"),
            key(
                "formats",
                Default("[\"json\", \"edn\", \"msgpack\"]"),
                "formats offered, the default first; sente: `edn`; raw: none",
            ),
            key("format", None("\"json\""), "short for `formats` with one"),
            key(
                "subprotocols",
                Default("[]"),
                "raw: subprotocols that are spoken, as in `[\"mqtt\"]`; the first that is offered comes back, and without any the upgrade is refused. Empty: the first that is offered",
            ),
            key(
                "origins",
                None("[\"https://app.example\"]"),
                "pages that may connect, `https://*.app.example` for all names below a domain; absent: the same origin; `[\"*\"]`: any",
            ),
            key(
                "authenticator",
                None("\"token-auth\""),
                "plugin that says who a connection belongs to; absent: everyone is anonymous",
            ),
            key("anonymous", Default("true"), "whether a connection without a user may come in"),
            key(
                "traceparent",
                Default("\"link\""),
                "what a client's trace context is for our spans: `link`, or `parent`: they belong to its trace and are recorded where it says so",
            ),
            key("csrf", Default("\"off\""), "`off`: the origin decides"),
        ],
    ),
    example(
        "plugin",
        "plugin.NAME",
        "[plugin.chat]",
        "A WebAssembly component. With a plugin or a route, the built-in echo is off.",
        &[
            key("file", Required("\"plugins/chat.wasm\""), "the component"),
            key(
                "memory",
                Default("\"16MiB\""),
                "memory of an instance; twice that while it saves its state or takes one over",
            ),
            key("deadline", Default("\"50ms\""), "time for one event"),
            key(
                "config",
                Default("{}"),
                "what the plugin's `config` import reads; lists and tables arrive as JSON text",
            ),
            key(
                "instances",
                Default("1"),
                "instances of the authenticator and sink roles; a handler has one",
            ),
            key(
                "on_failure",
                Default("\"closed\""),
                "`closed`: a failed event gets an error; `open`: it goes on to the next match",
            ),
        ],
    ),
    example(
        "plugin.grant",
        "plugin.NAME.grant",
        "[plugin.chat.grant]",
        "What the plugin may do beyond answering its own connections: nothing, unless it is said here.",
        &[
            key(
                "publish",
                Default("[]"),
                "channels it may publish to and subscribe its connections to, as in `[\"room/*\"]`",
            ),
            key("push", Default("[]"), "users it may push to, as in `[\"*\"]`"),
            key("endpoint", Default("false"), "whether it may push to a whole endpoint"),
            key("env", Default("[]"), "environment variables it may read"),
            key(
                "dirs",
                Default("[]"),
                "folders, as in `[{ host = \"logs\", guest = \"/logs\", writable = true }]`",
            ),
        ],
    ),
    example(
        "plugin.limits",
        "plugin.NAME.limits",
        "[plugin.chat.limits]",
        "What one event may make the gateway do.",
        &[
            key("effects_per_event", Default("4096"), "most effects"),
            key("effect_bytes", Default("\"4MiB\""), "most bytes of an event's effects"),
        ],
    ),
    example(
        "route",
        "route[]",
        "[[route]]",
        "Which events go to which plugin; the first match wins.",
        &[
            key("event", Required("\"chat/*\""), "event id, or a prefix and `*`"),
            key("plugin", Required("\"chat\""), "the plugin's name"),
            key("endpoint", None("\"/ws\""), "only events of this endpoint"),
            key(
                "mode",
                Default("\"first\""),
                "`first`, or `all`: this plugin sees the event and the search goes on",
            ),
        ],
    ),
    on(
        "telemetry",
        "telemetry",
        "[telemetry]",
        "Logs and traces.",
        &[
            key(
                "level",
                Default("\"info\""),
                "`off`, `error`, `warn`, `info`, `debug` or `trace`, or `target=level` pairs with commas",
            ),
            key(
                "service_name",
                None("\"tengen\""),
                "the service's name in traces; absent: `OTEL_SERVICE_NAME`, or `tengen`",
            ),
        ],
    ),
    example(
        "telemetry.otlp",
        "telemetry.otlp",
        "[telemetry.otlp]",
        "Where traces go; what is not said here, the OTEL_* environment variables may say.",
        &[
            key(
                "endpoint",
                Required("\"http://127.0.0.1:4317\""),
                "the collector, at `http://` or `https://`",
            ),
            key("protocol", Default("\"grpc\""), "`grpc`, `http/protobuf` or `http/json`"),
            key("sample", Default("1.0"), "share of traces that are recorded, 0 to 1"),
            key(
                "certificate",
                None("\"ca.pem\""),
                "whom to trust (PEM); absent: whom the system trusts",
            ),
        ],
    ),
    example(
        "sink",
        "sink[]",
        "[[sink]]",
        "A plugin that gets the gateway's log records.",
        &[
            key("kind", Required("\"plugin\""), "`plugin`"),
            key("plugin", Required("\"log-sink\""), "the plugin's name"),
            key("buffer", Default("1024"), "most records that wait; more are dropped and counted"),
        ],
    ),
    example(
        "static",
        "static[]",
        "[[static]]",
        "Serves the files of a folder.",
        &[
            key("path", Required("\"/\""), "path in front of the files"),
            key("dir", Required("\"page\""), "the folder"),
        ],
    ),
];

/// Keys of inline tables that have no header of their own.
pub(super) const INLINE: &[(&str, &[&str])] =
    &[("plugin.grant.dirs", &["host", "guest", "writable"])];

/// Keys of the file format that this version does not carry out. They are refused: a setting that is silently ignored
/// is a lie.
pub(super) const UNAVAILABLE: &[(&str, &str)] = &[
    ("", "channel"),
    ("server", "tls"),
    ("server", "proxy_protocol"),
    ("server", "trusted_proxies"),
    ("limits", "handshakes_per_second"),
    ("limits", "trusted_proxies"),
    ("limits", "proxy_protocol"),
    ("limits.per_connection", "events_per_second"),
    ("limits.per_connection", "bytes_per_second"),
    ("plugin", "affinity"),
    ("plugin", "depends_on"),
    ("plugin.grant", "http"),
    ("plugin.grant", "kv"),
    ("plugin.grant", "directory"),
    ("plugin.grant", "claims"),
    ("sink", "name"),
    ("sink", "path"),
    ("sink", "when_full"),
    ("sink", "synchronous"),
    ("sink", "workers"),
    ("sink", "filter"),
];

/// The names that may stand in a section: its keys and the sections right below it.
pub(super) fn known(section: &str) -> Vec<&'static str> {
    let inline = INLINE
        .iter()
        .filter(|(name, _)| *name == section)
        .flat_map(|(_, keys)| keys.iter().copied());
    let keys = SECTIONS
        .iter()
        .filter(|s| s.name == section)
        .flat_map(|s| s.keys.iter().map(|key| key.name));
    let below = SECTIONS.iter().filter_map(|s| match s.name.rsplit_once('.') {
        Some((above, last)) => (above == section).then_some(last),
        Option::None => section.is_empty().then_some(s.name),
    });
    keys.chain(inline).chain(below).collect()
}

pub(super) fn is_unavailable(section: &str, name: &str) -> bool {
    UNAVAILABLE.contains(&(section, name))
}

/// Where else a key of this name belongs, in documentation's words.
pub(super) fn elsewhere(name: &str) -> Option<String> {
    let home = SECTIONS.iter().find(|section| section.keys.iter().any(|key| key.name == name))?;
    Some(format!("{}.{name}", home.path))
}
