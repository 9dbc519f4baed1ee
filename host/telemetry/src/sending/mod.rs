//! One try to hand a request to the collector, over gRPC or over HTTP, and what its answer means.

mod floats;
mod grpc;
mod http;
mod line;
mod pause;
mod request;
mod retry_info;
mod room;
mod secrets;
mod sender;

pub(crate) use pause::pause;
pub(crate) use request::Request;
#[cfg(test)]
pub(crate) use room::LARGEST;
pub(crate) use room::{GROWTH, Room, weight};
pub(crate) use sender::{resource, scope};

use self::{grpc::Grpc, http::Http, secrets::Secrets};
use crate::{TelemetryError, exporter::Pem, plan::Collector};
use std::time::Duration;
use tengen_settings::Protocol;

/// What we call ourselves, unless the headers say otherwise.
const AGENT: &str = concat!("tengen/", env!("CARGO_PKG_VERSION"));
/// No pause before the next try is longer, whatever the collector asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// What became of a request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    /// The collector has it, but for so many of what it holds. What it says of that may be empty.
    Taken { rejected: u64, said: String },
    /// Not now; the collector may say when.
    Later { after: Option<Duration>, trouble: Trouble },
    /// More than it takes at one time.
    TooLarge(Trouble),
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
pub(crate) const ASK_IT: &str = "the collector's own log says more";
const LESS: &str = "let the collector take larger requests (`max_recv_msg_size_mib`, `max_request_body_size`), or say less";

/// A way to a collector, which several may use at one time.
pub(crate) struct Client {
    way: Way,
    secrets: Secrets,
}

enum Way {
    Grpc(Box<Grpc>),
    Http(Http),
}

impl Client {
    /// Connects to nobody yet. To be called inside of the runtime that will drive it.
    pub(crate) fn open(collector: &Collector) -> Result<Self, TelemetryError> {
        // The first in the process stays; there is no other in this program.
        rustls::crypto::ring::default_provider().install_default().ok();
        let pem = Pem::read(&collector.trust)?;
        let way = match collector.protocol {
            Protocol::Grpc => Grpc::open(collector, &pem).map(Box::new).map(Way::Grpc),
            Protocol::HttpProtobuf => Http::open(collector, &pem, false).map(Way::Http),
            Protocol::HttpJson => Http::open(collector, &pem, true).map(Way::Http),
        };
        Ok(Self { way: way?, secrets: Secrets::of(&collector.headers) })
    }

    /// Waits for the answer as long as it takes: whoever sends gives up in time. What is said in it has an end, and no secrets.
    pub(crate) async fn send<R: Request>(&self, request: R) -> Answer {
        let answer = match &self.way {
            Way::Grpc(grpc) => grpc.send(request).await,
            Way::Http(http) => http.send(request).await,
        };
        answer.kept(&self.secrets)
    }
}

impl Answer {
    /// Whoever answers chooses what it says, and how much.
    fn kept(self, secrets: &Secrets) -> Self {
        let of = |Trouble { why, remedy }| Trouble { why: secrets.kept(&why), remedy };
        match self {
            Self::Taken { rejected, said } => Self::Taken { rejected, said: secrets.kept(&said) },
            Self::Later { after, trouble } => Self::Later { after, trouble: of(trouble) },
            Self::TooLarge(trouble) => Self::TooLarge(of(trouble)),
            Self::Refused(trouble) => Self::Refused(of(trouble)),
        }
    }
}

/// What the collector says of a request that it took: how much of it it did not, and why.
fn taken(partial: Option<(i64, String)>) -> Answer {
    let (rejected, said) = partial.unwrap_or_default();
    Answer::Taken { rejected: u64::try_from(rejected).unwrap_or_default(), said }
}

#[cfg(test)]
mod tests;
