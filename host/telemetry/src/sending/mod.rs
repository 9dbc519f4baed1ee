//! One try to hand a request to the collector, over gRPC or over HTTP, and what its answer means.

mod grpc;
mod http;
mod request;
mod retry_info;
mod sender;

pub(crate) use request::Request;
pub(crate) use sender::{resource, scope};

use self::{grpc::Grpc, http::Http};
use crate::{TelemetryError, exporter::Pem, plan::Collector, redact};
use std::time::Duration;
use tengen_settings::Protocol;

/// What we call ourselves, unless the headers say otherwise.
const AGENT: &str = concat!("tengen/", env!("CARGO_PKG_VERSION"));
/// Bytes of what a collector says that are kept.
const SAID_LIMIT: usize = 256;
/// No pause before the next try is longer, whatever the collector asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// What became of a request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    /// The collector has it, but for so many of what it holds. What it says of that may be empty.
    Taken { rejected: u64, said: String },
    /// Not now; the collector may say when.
    Later { after: Option<Duration>, trouble: Trouble },
    /// Never, as it is.
    Refused(Trouble),
}

/// What is wrong, and what may be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) why: String,
    pub(crate) remedy: &'static str,
}

const NOT_THERE: &str = "is the collector running, and is `telemetry.otlp.endpoint` its address?";
const NOT_LET_IN: &str = "look at what `OTEL_EXPORTER_OTLP_HEADERS` says";
const ASK_IT: &str = "the collector's own log says more";

/// A way to a collector, which several may use at one time.
pub(crate) enum Client {
    Grpc(Grpc),
    Http(Http),
}

impl Client {
    /// Connects to nobody yet. To be called inside of the runtime that will drive it.
    pub(crate) fn open(collector: &Collector) -> Result<Self, TelemetryError> {
        // The first in the process stays; there is no other in this program.
        rustls::crypto::ring::default_provider().install_default().ok();
        let pem = Pem::read(&collector.trust)?;
        match collector.protocol {
            Protocol::Grpc => Grpc::open(collector, &pem).map(Self::Grpc),
            Protocol::HttpProtobuf => Http::open(collector, &pem, false).map(Self::Http),
            Protocol::HttpJson => Http::open(collector, &pem, true).map(Self::Http),
        }
    }

    /// Waits for the answer as long as it takes: whoever sends gives up in time.
    pub(crate) async fn send<R: Request>(&self, request: R) -> Answer {
        match self {
            Self::Grpc(grpc) => grpc.send(request).await,
            Self::Http(http) => http.send(request).await,
        }
    }
}

/// What the collector says of a request that it took: how much of it it did not, and why.
fn taken(partial: Option<(i64, String)>) -> Answer {
    let (rejected, said) = partial.unwrap_or_default();
    Answer::Taken { rejected: u64::try_from(rejected).unwrap_or_default(), said: kept(&said) }
}

/// Whoever answers chooses how much it says.
fn kept(said: &str) -> String {
    redact::cut(said, SAID_LIMIT).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_collector_says_of_what_it_took_is_kept_within_bounds() {
        let Answer::Taken { rejected: 1, said } = taken(Some((1, "x".repeat(100_000)))) else {
            panic!("taken");
        };
        assert!((SAID_LIMIT / 2..2 * SAID_LIMIT).contains(&said.len()), "{}", said.len());
        let nothing = Answer::Taken { rejected: 0, said: String::new() };
        assert_eq!((taken(None), taken(Some((-1, String::new())))), (nothing.clone(), nothing));
    }
}
