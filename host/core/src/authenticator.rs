//! The contract that says who a new connection belongs to.

use crate::{event::User, trace::TraceContext};
use futures_util::future::BoxFuture;
use std::{fmt, net::SocketAddr};
use tengen_wire::{
    fault::{Fault, FaultId},
    id::Channel,
    payload::Payload,
};

/// What is known of a connection before it exists.
#[derive(Debug, Clone)]
pub struct Upgrade {
    pub endpoint: String,
    pub path: String,
    /// The query string without `?`, as sent.
    pub query: String,
    pub peer: SocketAddr,
    pub headers: Vec<(String, Vec<u8>)>,
    /// As offered, in order; a token offered as `tengen.token.…` is `token` instead and not in here.
    pub subprotocols: Vec<String>,
    pub more: Vec<(String, String)>,
    /// What asking is a part of: servers that are asked for it are told. The plugin does not see it.
    pub trace: Option<TraceContext>,
}

/// What a connection may come in with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Admission {
    /// None: an anonymous connection, if the endpoint allows them.
    pub user: Option<User>,
    /// Put into the handshake's last slot.
    pub welcome: Option<Payload>,
    /// Subscribed before the first event.
    pub channels: Vec<Channel>,
    pub more: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Allow(Admission),
    /// Refused with this HTTP status (400 to 599; anything else is sent as 403).
    Deny {
        status: u16,
        why: Fault,
    },
}

/// What is wrong with what an authenticator said. Whoever runs it reads this: it says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    pub mistake: Mistake,
    pub why: String,
}

/// The kinds of mistakes that an authenticator can make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mistake {
    /// A user without a usable name.
    UserId,
    /// Too many claims and further attributes, or too many bytes of them.
    Claims,
    /// An end of the authentication that is no time.
    End,
    /// A channel without a usable name.
    ChannelName,
    /// More channels than a connection may begin with.
    Channels,
    /// A channel that the plugin was not granted.
    Grant,
    /// A welcome that is too large, or that the client's format cannot hold.
    Welcome,
    /// It says something that this version of the gateway does not know.
    Unknown,
}

impl Mistake {
    /// The label in statistics.
    pub fn word(self) -> &'static str {
        match self {
            Self::UserId => "user-id",
            Self::Claims => "claims",
            Self::End => "end",
            Self::ChannelName => "channel-name",
            Self::Channels => "channels",
            Self::Grant => "grant",
            Self::Welcome => "welcome",
            Self::Unknown => "unknown",
        }
    }
}

impl Wrong {
    pub fn new(mistake: Mistake, why: impl Into<String>) -> Self {
        Self { mistake, why: why.into() }
    }

    /// What the mistake counts as: there is no verdict.
    pub fn fault(&self) -> Fault {
        let id = match self.mistake {
            Mistake::Unknown => FaultId::Unsupported,
            _ => FaultId::PluginFailed,
        };
        Fault::new(id, self.why.clone())
    }
}

/// Says who a new connection belongs to, before the upgrade is answered.
pub trait Authenticator: fmt::Debug + Send + Sync {
    /// Err: there is no verdict (the plugin failed, is missing, or took too long); the upgrade is refused with 503.
    fn authenticate(&self, upgrade: Upgrade) -> BoxFuture<'_, Result<Verdict, Fault>>;

    /// Hears that its admission cannot be used on this endpoint, to count it and to say it.
    fn blame(&self, wrong: &Wrong) {
        let _ = wrong;
    }
}
