//! The contract for requests that plugins send to other people's servers.
//!
//! One gate carries them out (`tengen-fetch`), whoever asks: what a handler wants done later, and what an authenticator waits for.

pub use crate::capability::fetch::{Place, Request, Response};

use crate::meter::Samples;
use futures_util::future::BoxFuture;
use std::{fmt, time::Duration};
use tengen_settings::{Host, RequestLimits};
use tengen_wire::{fault::Fault, id::PluginName, trace::TraceContext};

/// How long a request may take if it does not say it: from its beginning to the last byte of what comes back.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// How long a request may take at most.
pub const LONGEST: Duration = Duration::from_secs(60);

/// The most requests at once, of all plugins together.
pub const AT_ONCE: usize = 1024;

/// How a request ended.
#[derive(Debug)]
pub struct Ended {
    pub value: Result<Response, Fault>,
    /// Its place among the requests: given back when it is dropped.
    pub place: Place,
}

/// Who asks, and what its operator lets it do.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    pub plugin: &'a PluginName,
    /// The grant `http`.
    pub hosts: &'a [Host],
    pub limits: RequestLimits,
}

/// A request that was taken on.
pub struct Begun {
    /// Which server it is for, with its port if that is no usual one.
    pub server: String,
    pub exchange: Exchange,
}

impl fmt::Debug for Begun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Begun").field("server", &self.server).finish_non_exhaustive()
    }
}

/// A request under way: it waits at most as long as it may take, and needs no runtime's task of its own.
pub type Exchange = BoxFuture<'static, Ended>;

/// Carries out requests.
pub trait Outgoing: fmt::Debug + Send + Sync {
    /// Takes a request on, with its place: what can be seen without the network is checked here, and what fails is said
    /// at once. The rest is the exchange's, which has done nothing before it is polled.
    ///
    /// `trace` is where it belongs; the server is told.
    fn begin(
        &self,
        asker: Asker<'_>,
        request: Request,
        trace: Option<&TraceContext>,
    ) -> Result<Begun, Fault>;

    /// What has been counted of requests.
    fn collect(&self, into: &mut Samples);
}
