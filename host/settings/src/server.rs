//! The ports, how they open and end, and what keeps connections alive.

use crate::limits::at_least_one;
use std::{net::SocketAddr, num::NonZeroUsize, path::PathBuf, time::Duration};

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

/// Serves the files of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Static {
    pub path: String,
    pub dir: PathBuf,
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
