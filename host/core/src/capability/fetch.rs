//! Requests to other people's servers, and what comes back.

use super::Wanted;
use bytes::Bytes;
use std::{any::Any, fmt, sync::Arc, time::Duration};
use tengen_wire::fault::{Fault, FaultId};

/// Sends a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fetch {
    /// The plugin's own, for [`Fetched`].
    pub name: String,
    pub request: Request,
}

impl Wanted for Fetch {
    const REMEDIES: &'static [(FaultId, &'static str)] = &[
        (
            FaultId::NotAllowed,
            "Name the server in the plugin's grant `http`, with its scheme and its port, or correct the plugin",
        ),
        (
            FaultId::LimitReached,
            "Wait for what is under way, or raise `limits.requests` of the plugin",
        ),
    ];
}

/// How a request ended.
#[derive(Debug, Clone)]
pub struct Fetched {
    pub name: String,
    pub value: Result<Arc<Response>, Fault>,
    /// The request's place: given back when nobody has this any more.
    pub place: Arc<Place>,
}

/// A request, as a plugin says it. Nothing of it is checked yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Request {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Bytes,
    /// None: as long as most may take. More than any may take counts as that.
    pub timeout: Option<Duration>,
}

/// What a server answered, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Response {
    pub status: u16,
    /// In the order in which they came, names in lower case. None tells of the connection.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Unpacked, where it came packed with gzip.
    pub body: Bytes,
}

/// A place that a request has taken, until this is dropped.
#[expect(dead_code, reason = "kept to be dropped")]
pub struct Place(Box<dyn Any + Send + Sync>);

impl Place {
    pub fn new(place: impl Any + Send + Sync) -> Self {
        Self(Box::new(place))
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").finish_non_exhaustive()
    }
}
