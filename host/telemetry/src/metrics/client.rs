//! One try to hand a request to the collector, over gRPC or over HTTP, and what its answer means.

use crate::{TelemetryError, exporter::Pem, plan::Collector, redact, with_causes};
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
    metrics_service_client::MetricsServiceClient,
};
use prost::Message;
use std::{io::Write, time::Duration};
use tengen_settings::Protocol;
use tonic::{Code, Status, codec::CompressionEncoding, metadata::MetadataMap, transport::Channel};

/// What we call ourselves, unless the headers say otherwise.
const AGENT: &str = concat!("tengen/", env!("CARGO_PKG_VERSION"));
/// Bytes of an answer that are read: what is said in more is not worth knowing.
const ANSWER_LIMIT: usize = 64 << 10;
/// Bytes of what a collector says that are kept.
const SAID_LIMIT: usize = 256;
/// No pause before the next try is longer, whatever the collector asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// What became of a request.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Answer {
    /// The collector has it, but for so many points. What it says of that may be empty.
    Taken { rejected: u64, said: String },
    /// Not now; the collector may say when.
    Later { after: Option<Duration>, trouble: Trouble },
    /// Never, as it is.
    Refused(Trouble),
}

/// What is wrong, and what may be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) why: String,
    pub(super) remedy: &'static str,
}

const NOT_THERE: &str = "is the collector running, and is `telemetry.otlp.endpoint` its address?";
const NO_METRICS: &str = "the collector takes no metrics there: give its configuration a pipeline for them, or say `telemetry.otlp.metrics = false`";
const NOT_LET_IN: &str = "look at what `OTEL_EXPORTER_OTLP_HEADERS` says";
const ASK_IT: &str = "the collector's own log says more";

pub(super) enum Client {
    Grpc(Grpc),
    Http(Http),
}

pub(super) struct Grpc {
    service: MetricsServiceClient<Channel>,
    headers: MetadataMap,
}

pub(super) struct Http {
    client: reqwest::Client,
    url: String,
    headers: HeaderMap,
    is_json: bool,
    gzip: bool,
}

impl Client {
    /// Connects to nobody yet. To be called inside of the runtime that will drive it.
    pub(super) fn open(collector: &Collector) -> Result<Self, TelemetryError> {
        // The first in the process stays; there is no other in this program.
        rustls::crypto::ring::default_provider().install_default().ok();
        let pem = Pem::read(&collector.trust)?;
        let is_json = match collector.protocol {
            Protocol::Grpc => return Grpc::open(collector, &pem).map(Self::Grpc),
            Protocol::HttpProtobuf => false,
            Protocol::HttpJson => true,
        };
        let mut headers = collector.headers.clone();
        let kind = if is_json { "application/json" } else { "application/x-protobuf" };
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.entry(header::USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
        if collector.gzip {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        Ok(Self::Http(Http {
            // Whoever sends gives up in time.
            client: pem.http_client(collector.endpoint.is_secure(), crate::exporter::FOR_EVER)?,
            url: collector.endpoint.full(),
            headers,
            is_json,
            gzip: collector.gzip,
        }))
    }

    pub(super) async fn send(&mut self, request: &ExportMetricsServiceRequest) -> Answer {
        match self {
            Self::Grpc(grpc) => grpc.send(request).await,
            Self::Http(http) => http.send(request).await,
        }
    }
}

impl Grpc {
    fn open(collector: &Collector, pem: &Pem) -> Result<Self, TelemetryError> {
        let wrong = |error: tonic::transport::Error| TelemetryError::Exporter(Box::new(error));
        let mut endpoint = Channel::from_shared(collector.endpoint.full())
            .map_err(|error| TelemetryError::Exporter(Box::new(error)))?
            .user_agent(AGENT)
            .map_err(wrong)?;
        if collector.endpoint.is_secure() {
            endpoint = endpoint.tls_config(pem.for_grpc()).map_err(wrong)?;
        }
        let mut service = MetricsServiceClient::new(endpoint.connect_lazy());
        if collector.gzip {
            service = service
                .send_compressed(CompressionEncoding::Gzip)
                .accept_compressed(CompressionEncoding::Gzip);
        }
        Ok(Self { service, headers: MetadataMap::from_headers(collector.headers.clone()) })
    }

    async fn send(&mut self, request: &ExportMetricsServiceRequest) -> Answer {
        let mut request = tonic::Request::new(request.clone());
        *request.metadata_mut() = self.headers.clone();
        match self.service.export(request).await {
            Ok(response) => taken(response.into_inner().partial_success),
            Err(status) => of_status(&status),
        }
    }
}

fn taken(partial: Option<ExportMetricsPartialSuccess>) -> Answer {
    let ExportMetricsPartialSuccess { rejected_data_points, error_message } =
        partial.unwrap_or_default();
    let rejected = u64::try_from(rejected_data_points).unwrap_or_default();
    Answer::Taken { rejected, said: kept(&error_message) }
}

/// Whoever answers chooses how much it says.
fn kept(said: &str) -> String {
    redact::cut(said, SAID_LIMIT).into_owned()
}

/// As OTLP has it: which codes ask for another try.
fn of_status(status: &Status) -> Answer {
    let why = match status.message() {
        "" => format!("{:?}", status.code()),
        message => format!("{:?}: {}", status.code(), kept(message)),
    };
    let remedy = match status.code() {
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => NOT_THERE,
        Code::Unimplemented | Code::NotFound => NO_METRICS,
        Code::Unauthenticated | Code::PermissionDenied => NOT_LET_IN,
        _ => ASK_IT,
    };
    let trouble = Trouble { why, remedy };
    match status.code() {
        Code::Unavailable
        | Code::DeadlineExceeded
        | Code::Cancelled
        | Code::Aborted
        | Code::OutOfRange
        | Code::DataLoss => Answer::Later { after: None, trouble },
        _ => Answer::Refused(trouble),
    }
}

impl Http {
    async fn send(&self, request: &ExportMetricsServiceRequest) -> Answer {
        let body = match self.body(request) {
            Ok(body) => body,
            Err(why) => return Answer::Refused(Trouble { why, remedy: ASK_IT }),
        };
        let request = self.client.post(&self.url).headers(self.headers.clone()).body(body);
        match request.send().await {
            Ok(response) if response.status().is_success() => {
                let answer = read(response).await.unwrap_or_default();
                taken(self.partial(&answer))
            }
            Ok(response) => {
                let (status, after) = (response.status(), after(response.headers()));
                of_answer(status, after)
            }
            // Without its address, whose query may be a secret.
            Err(error) => {
                let why = with_causes(&error.without_url());
                Answer::Later { after: None, trouble: Trouble { why, remedy: NOT_THERE } }
            }
        }
    }

    fn body(&self, request: &ExportMetricsServiceRequest) -> Result<Vec<u8>, String> {
        let plain = match self.is_json {
            true => json(request).map_err(|error| error.to_string())?,
            false => request.encode_to_vec(),
        };
        if !self.gzip {
            return Ok(plain);
        }
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        let packed = packed.write_all(&plain).and_then(|()| packed.finish());
        packed.map_err(|error| error.to_string())
    }

    /// What the collector did not take. An answer that cannot be read says nothing of that: its status has said that it took
    /// the request.
    fn partial(&self, answer: &[u8]) -> Option<ExportMetricsPartialSuccess> {
        let response = match self.is_json {
            true => serde_json::from_slice(answer).ok(),
            false => ExportMetricsServiceResponse::decode(answer).ok(),
        };
        response?.partial_success
    }
}

/// Without what is not there: collectors refuse `null` where a number could be.
fn json(request: &ExportMetricsServiceRequest) -> serde_json::Result<Vec<u8>> {
    let mut value = serde_json::to_value(request)?;
    drop_nulls(&mut value);
    serde_json::to_vec(&value)
}

fn drop_nulls(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        serde_json::Value::Array(members) => members.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// The whole body; none where there is too much of it, or it ends too soon.
async fn read(mut response: reqwest::Response) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.ok()? {
        body.extend_from_slice(&part);
        if body.len() > ANSWER_LIMIT {
            return None;
        }
    }
    Some(body)
}

/// `Retry-After` in seconds. A date, which it may also be, counts as nothing said.
fn after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_PAUSE))
}

fn of_answer(status: StatusCode, after: Option<Duration>) -> Answer {
    let remedy = match status.as_u16() {
        401 | 403 => NOT_LET_IN,
        404 | 405 | 501 => NO_METRICS,
        _ => ASK_IT,
    };
    let trouble = Trouble { why: format!("the collector answered {status}"), remedy };
    match status.as_u16() {
        429 | 502 | 503 | 504 => Answer::Later { after, trouble },
        _ => Answer::Refused(trouble),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_later(answer: &Answer) -> bool {
        matches!(answer, Answer::Later { .. })
    }

    #[test]
    fn what_may_pass_is_tried_again_and_what_stays_is_not() {
        for (code, later) in [
            (Code::Unavailable, true),
            (Code::DeadlineExceeded, true),
            (Code::DataLoss, true),
            (Code::ResourceExhausted, false),
            (Code::Unimplemented, false),
            (Code::InvalidArgument, false),
            (Code::Unauthenticated, false),
        ] {
            assert_eq!(is_later(&of_status(&Status::new(code, "x"))), later, "{code:?}");
        }
        for (status, later) in
            [(429, true), (502, true), (503, true), (504, true), (500, false), (400, false)]
        {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(is_later(&of_answer(status, None)), later, "{status}");
        }
    }

    #[test]
    fn a_collector_without_metrics_is_told_from_one_that_lets_nobody_in() {
        let remedy = |answer| match answer {
            Answer::Refused(Trouble { remedy, .. }) => remedy,
            other => panic!("{other:?}"),
        };
        assert_eq!(remedy(of_status(&Status::unimplemented(""))), NO_METRICS);
        assert_eq!(remedy(of_answer(StatusCode::NOT_FOUND, None)), NO_METRICS);
        assert_eq!(remedy(of_status(&Status::unauthenticated("no"))), NOT_LET_IN);
        assert_eq!(remedy(of_answer(StatusCode::FORBIDDEN, None)), NOT_LET_IN);
    }

    #[test]
    fn json_has_no_null_in_it() {
        let mut value = serde_json::json!({ "a": null, "b": [{ "min": null, "sum": 1.5 }] });
        drop_nulls(&mut value);
        assert_eq!(value, serde_json::json!({ "b": [{ "sum": 1.5 }] }));
    }

    #[test]
    fn what_a_collector_says_is_kept_within_bounds() {
        let long = "x".repeat(100_000);
        let Answer::Refused(Trouble { why, .. }) = of_status(&Status::internal(&long)) else {
            panic!("an internal error is none that passes");
        };
        let partial = ExportMetricsPartialSuccess { rejected_data_points: 1, error_message: long };
        let Answer::Taken { rejected: 1, said } = taken(Some(partial)) else { panic!("taken") };
        for text in [why, said] {
            assert!((SAID_LIMIT / 2..2 * SAID_LIMIT).contains(&text.len()), "{}", text.len());
        }
    }

    #[test]
    fn a_collector_says_after_how_many_seconds_and_not_for_days() {
        let of = |value: &'static str| {
            after(&HeaderMap::from_iter([(header::RETRY_AFTER, HeaderValue::from_static(value))]))
        };
        assert_eq!(of("7"), Some(Duration::from_secs(7)));
        assert_eq!(of("999999999"), Some(LONGEST_PAUSE));
        assert_eq!(of("Wed, 21 Oct 2026 07:28:00 GMT"), None);
    }
}
