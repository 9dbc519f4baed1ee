//! The contract that says who a new connection belongs to.

use crate::{event::User, fault::Fault, id::Channel, payload::Payload};
use futures_util::future::BoxFuture;
use std::{fmt, net::SocketAddr};

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

/// Says who a new connection belongs to, before the upgrade is answered.
pub trait Authenticator: fmt::Debug + Send + Sync {
    /// Err: there is no verdict (the plugin failed, is missing, or took too long); the upgrade is refused with 503.
    fn authenticate(&self, upgrade: Upgrade) -> BoxFuture<'_, Result<Verdict, Fault>>;
}
