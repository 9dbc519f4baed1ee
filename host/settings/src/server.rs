//! The ports, how they open and end, and what keeps connections alive.

use crate::{
    limits::at_least_one,
    schema::{
        Kind,
        key::table,
        kind::{address, count, duration, path, pause, quoted, url_path},
        settings,
        table::Table,
        value::Value,
        with_defaults,
    },
};
use std::{net::SocketAddr, num::NonZeroUsize, path::PathBuf, time::Duration};

settings! {
    /// Where clients come in.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Server {
        /// address and port for clients; port 0: the system chooses one and it is printed
        listen: SocketAddr = address().or(SocketAddr::from(([127, 0, 0, 1], 8080)));
        /// file that gets the real port once the gateway accepts
        port_file: Option<PathBuf> = path().absent("\"tengen.port\"");
        /// how long an HTTP connection stays open between two requests; longer than a balancer in front keeps it
        ///
        /// It is theirs to end it, or a request may meet the end.
        keep_alive: Duration = duration().or(Duration::from_secs(75));
        /// folder that keeps compiled plugins, for this user alone, or "off"; absent: `tengen` in the user's cache folder
        cache: Cache = cache().or_unwritten(Cache::OfUser, "\"cache\"");
        /// How connections are sent away.
        drain: Drain = table();
    }
    later ["tls", "proxy_protocol", "trusted_proxies"]
}

settings! {
    /// How connections are sent away when the gateway ends.
    ///
    /// For `grace` it only says that it is not ready any more, then `batch` of them go `every` so often, all within `deadline`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Drain {
        /// so long `/readyz` says no and the port is open, for balancers that look now and then; only then it begins
        grace: Duration = pause().or(Duration::ZERO);
        /// all of it ends by then, from the end of `grace` on
        deadline: Duration = duration().or(Duration::from_secs(30));
        /// connections sent away at a time
        batch: NonZeroUsize = count().or(at_least_one(1000));
        /// time between two batches
        every: Duration = duration().or(Duration::from_secs(2));
    }
}

settings! {
    /// Health, statistics and reloads, on a listener of their own.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Admin {
        /// address and port, or "off"
        listen: SocketAddr = address_or_off().or(SocketAddr::from(([127, 0, 0, 1], 8081)));
        /// keys for calls that change something (`Authorization: Bearer KEY`), better 16 characters or more; without a key they are refused
        keys: Vec<Secret> = secret_key().list().or(Vec::new());
        /// names under which it may be called, as in `["tengen.prod.svc"]`, besides its address; `/healthz` and `/readyz` are answered under every name
        ///
        /// Each is a `host`, or `host:port`.
        hosts: Vec<String> = Kind::new(host, |it| quoted(it)).list().or(Vec::new());
    }
    then Admin::warn_of_readers;
}

settings! {
    /// For the tengen and raw dialects; Sente has its own.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Heartbeat {
        /// ping a peer from which no byte came for so long; a WebSocket ping follows if it does not answer
        ping_every: Duration = duration().or(Duration::from_secs(25));
        /// close a peer from which no byte came for so long, answers to pings among them; longer than `ping_every`
        give_up_after: Duration = duration().or(Duration::from_secs(60));
    }
    then Heartbeat::leave_time;
}

settings! {
    /// Serves the files of a folder.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Static {
        /// path in front of the files
        path: String = url_path().required(String::new(), "\"/\"", "say where the files are seen, as in path = \"/\"");
        /// the folder
        dir: PathBuf = path().required(PathBuf::new(), "\"page\"", "say which folder, as in dir = \"page\"");
    }
}

with_defaults!(Server, Drain, Admin, Heartbeat);

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

/// A folder, or none at all.
fn cache() -> Kind<Cache> {
    let read = |value: &Value<'_>| match value.says(OFF) {
        true => Some(Cache::Off),
        false => value.path().map(Cache::Folder),
    };
    Kind::new(read, |_| quoted(OFF))
}

/// Text that never shows in a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// What stands for a listener or a folder that is not wanted.
const OFF: &str = "off";

/// Shorter keys are a slip of the fingers,
const KEY_MIN: usize = 4;
/// and shorter ones than these can be guessed.
const KEY_GOOD: usize = 16;

/// A key by which something is signed.
pub(crate) fn secret_key() -> Kind<Secret> {
    Kind::new(secret, |_| String::new())
}

/// A key that callers send in a header. What it is does not show in the mistake.
fn secret(value: &Value<'_>) -> Option<Secret> {
    let text = value.filled()?;
    if text.trim() != text {
        value.mistake(
            "begins or ends with white space, perhaps a file's line end, which no caller can send; remove it",
        );
        return None;
    }
    if !text.chars().all(|c| matches!(c, ' '..='~')) {
        value.mistake(
            "has characters that a header does not carry; write letters, digits and signs of ASCII",
        );
        return None;
    }
    let remedy = "take a random one, as `openssl rand -hex 16` prints";
    if text.len() < KEY_MIN {
        let count = text.len();
        value.mistake(format!("has {count} of at least {KEY_MIN} characters; {remedy}"));
        return None;
    }
    if text.len() < KEY_GOOD {
        let what = format!("has fewer than {KEY_GOOD} characters and may be guessed; {remedy}");
        value.document.warning(&value.place, what);
    }
    Some(Secret(text))
}

/// A host as it stands in a request, with or without a port.
fn host(value: &Value<'_>) -> Option<String> {
    let text = value.filled()?;
    let authority = text.parse::<http::uri::Authority>().ok();
    if authority.is_none() || text.contains(['@', '*']) {
        value.mistake(format!("`{text}` is not a host; write a name, as in \"tengen.prod.svc\""));
        return None;
    }
    Some(text)
}

/// The address of a listener that may be off; then it is as it would be without the key.
fn address_or_off() -> Kind<SocketAddr> {
    let read = |value: &Value<'_>| (!value.says(OFF)).then(|| value.address()).flatten();
    Kind::new(read, |it| quoted(it))
}

impl Admin {
    /// Whether the table says that there is to be no such listener.
    pub(crate) fn is_off(table: &Table<'_>) -> bool {
        table.get("listen").is_some_and(|value| value.says(OFF))
    }

    fn warn_of_readers(&mut self, table: &Table<'_>) {
        if !self.listen.ip().is_loopback() {
            let what = format!(
                "health and statistics are readable by everyone who can reach `{}`",
                self.listen
            );
            table.document.warning(&table.place, what);
        }
    }
}

impl Heartbeat {
    /// `give_up_after` is always longer than `ping_every`.
    fn leave_time(&mut self, table: &Table<'_>) {
        let Self { ping_every, give_up_after } = self;
        if give_up_after > ping_every {
            return;
        }
        let name =
            if table.get("give_up_after").is_some() { "give_up_after" } else { "ping_every" };
        table.document.mistake(
            &table.place_of(name),
            format!(
                "`give_up_after` ({give_up_after:?}) must be longer than `ping_every` ({ping_every:?}), or every silent peer is closed before its answer can come"
            ),
        );
    }
}
