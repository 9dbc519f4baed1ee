//! What the settings and the environment ask of tracing, checked, before anything is opened.
//!
//! The environment wins over the file, key by key: one file serves many nodes, and the environment of a process says
//! what is different about this one. An empty variable counts as unset.
//!
//! A value that would lose every trace (an endpoint, a protocol) is an error. A number that cannot be read is noted
//! in the log and its default stands, as OpenTelemetry's specification asks.

use super::TelemetryError;
use crate::settings::{self, Protocol};
use http::Uri;
use opentelemetry::trace::{SpanKind, TraceId};
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, ShouldSample};
use std::{num::NonZeroUsize, str::FromStr, time::Duration};

/// Reads environment variables: [`std::env::var`], or a table in tests.
pub(super) struct Environment<'a>(pub(super) &'a dyn Fn(&str) -> Option<String>);

impl Environment<'_> {
    /// The first of these variables that is set, with its name.
    fn first<'n>(&self, names: &[&'n str]) -> Option<(&'n str, String)> {
        names.iter().find_map(|&name| Some((name, self.get(name)?)))
    }

    pub(super) fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// A number from the first of these variables; notes one that is none, and falls back.
    fn number<N: FromStr>(&self, names: &[&str], default: N, notes: &mut Vec<String>) -> N {
        let Some((name, value)) = self.first(names) else { return default };
        value.parse().unwrap_or_else(|_| {
            notes.push(format!("`{name}` is ignored: `{value}` is not a number it can take"));
            default
        })
    }

    fn millis(&self, names: &[&str], default: Duration, notes: &mut Vec<String>) -> Duration {
        let default = u64::try_from(default.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.number(names, default, notes))
    }
}

/// How spans are sampled and sent.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    /// The full address, for HTTP with its path.
    pub(super) endpoint: String,
    pub(super) protocol: Protocol,
    /// For one batch, with its retries.
    pub(super) timeout: Duration,
    pub(super) sampling: Sampling,
    pub(super) batching: Batching,
    /// Whether `traceparent` from peers is read.
    pub(super) propagate: bool,
    /// What was ignored, for the log.
    pub(super) notes: Vec<String>,
}

/// Which new traces are recorded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sampling {
    /// Whether a span with a parent does as its parent.
    pub(super) follow_parent: bool,
    /// The share of the others, 0 to 1.
    pub(super) share: f64,
}

/// How spans are queued and put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Batching {
    pub(super) queue: NonZeroUsize,
    /// Never more than `queue`.
    pub(super) most: NonZeroUsize,
    pub(super) every: Duration,
    /// For one export, over all.
    pub(super) export_timeout: Duration,
}

impl Plan {
    /// None: no tracing.
    pub(super) fn new(
        settings: &settings::Telemetry,
        environment: &Environment<'_>,
    ) -> Result<Option<Self>, TelemetryError> {
        let mut notes = Vec::new();
        if !is_wanted(settings, environment, &mut notes) {
            return Ok(None);
        }
        let file = settings.otlp.as_ref();
        let protocol = protocol(file, environment)?;
        let endpoint = endpoint(file, protocol, environment)?;
        let timeout = environment.millis(
            &["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"],
            Duration::from_secs(10),
            &mut notes,
        );
        let sampling = Sampling::new(file.map_or(1.0, |otlp| otlp.sample), environment, &mut notes);
        let batching = Batching::new(environment, &mut notes);
        let propagate = propagates(environment, &mut notes);
        Ok(Some(Self { endpoint, protocol, timeout, sampling, batching, propagate, notes }))
    }
}

fn is_wanted(
    settings: &settings::Telemetry,
    environment: &Environment<'_>,
    notes: &mut Vec<String>,
) -> bool {
    if environment.get("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
    {
        return false;
    }
    let addressed = settings.otlp.is_some() || environment.first(&ENDPOINTS).is_some();
    match environment.get("OTEL_TRACES_EXPORTER").as_deref() {
        Some("none") => false,
        Some("otlp") => true,
        Some(other) => {
            notes.push(format!(
                "`OTEL_TRACES_EXPORTER` is ignored: `{other}` is neither `otlp` nor `none`"
            ));
            addressed
        }
        None => addressed,
    }
}

const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

/// The variables, then the file, then what the port of the endpoint usually means, then the specification's default.
fn protocol(
    file: Option<&settings::Otlp>,
    environment: &Environment<'_>,
) -> Result<Protocol, TelemetryError> {
    match environment.first(&["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"])
    {
        Some((_, value)) if value.eq_ignore_ascii_case("grpc") => Ok(Protocol::Grpc),
        Some((_, value)) if value.eq_ignore_ascii_case("http/protobuf") => {
            Ok(Protocol::HttpProtobuf)
        }
        Some((variable, value)) => {
            Err(TelemetryError::Protocol { variable: variable.to_owned(), value })
        }
        None => Ok(file.map_or_else(|| usual_protocol(environment), |otlp| otlp.protocol)),
    }
}

fn usual_protocol(environment: &Environment<'_>) -> Protocol {
    let port = environment
        .first(&ENDPOINTS)
        .and_then(|(_, endpoint)| endpoint.parse::<Uri>().ok())
        .and_then(|endpoint| endpoint.port_u16());
    if port == Some(4317) { Protocol::Grpc } else { Protocol::HttpProtobuf }
}

fn endpoint(
    file: Option<&settings::Otlp>,
    protocol: Protocol,
    environment: &Environment<'_>,
) -> Result<String, TelemetryError> {
    let own = environment.get(ENDPOINTS[0]);
    let is_base = own.is_none();
    let endpoint = own
        .or_else(|| environment.get(ENDPOINTS[1]))
        .or_else(|| file.map(|otlp| otlp.endpoint.clone()))
        .unwrap_or_else(|| default_endpoint(protocol).to_owned());
    check_endpoint(&endpoint)?;
    Ok(match protocol {
        Protocol::HttpProtobuf if is_base => with_traces_path(&endpoint),
        _ => endpoint,
    })
}

fn default_endpoint(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Grpc => "http://127.0.0.1:4317",
        Protocol::HttpProtobuf => "http://127.0.0.1:4318",
    }
}

/// OTLP over HTTP has one path per signal below the base address.
fn with_traces_path(base: &str) -> String {
    let base = base.trim_end_matches('/');
    if base.ends_with("/v1/traces") { base.to_owned() } else { format!("{base}/v1/traces") }
}

/// What is wrong with an endpoint is found here, because an exporter would only fail later, batch after batch.
fn check_endpoint(endpoint: &str) -> Result<(), TelemetryError> {
    let wrong = |endpoint: &str, reason| {
        Err(TelemetryError::Endpoint { endpoint: endpoint.to_owned(), reason })
    };
    let Ok(uri) = endpoint.parse::<Uri>() else {
        return wrong(endpoint, "is not a URL; write one such as `http://127.0.0.1:4317`");
    };
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        // The text of the endpoint is left out: it has a password in it.
        return wrong("***", "has credentials in it; send them with `OTEL_EXPORTER_OTLP_HEADERS`");
    }
    match uri.scheme_str() {
        Some("http") => Ok(()),
        Some("https") => Err(TelemetryError::Tls { endpoint: endpoint.to_owned() }),
        _ => wrong(endpoint, "has no scheme; write `http://` before it"),
    }
}

impl Sampling {
    /// Whether a trace of this id is among the share; the same for all who ask with the same share.
    pub(super) fn chooses(self, trace_id: TraceId) -> bool {
        let sampler = match self.share {
            share if share >= 1.0 => return true,
            share if share <= 0.0 => return false,
            share => Sampler::TraceIdRatioBased(share),
        };
        let answer = sampler.should_sample(None, trace_id, "", &SpanKind::Internal, &[], &[]);
        answer.decision == SamplingDecision::RecordAndSample
    }

    fn new(share: f64, environment: &Environment<'_>, notes: &mut Vec<String>) -> Self {
        let file = Self { follow_parent: true, share };
        let Some(name) = environment.get("OTEL_TRACES_SAMPLER") else { return file };
        let name = name.to_ascii_lowercase();
        let (follow_parent, root) = match name.strip_prefix("parentbased_") {
            Some(root) => (true, root),
            None => (false, name.as_str()),
        };
        let share = match root {
            "always_on" => 1.0,
            "always_off" => 0.0,
            "traceidratio" => Self::argument(environment, notes),
            _ => {
                notes.push(format!(
                    "`OTEL_TRACES_SAMPLER` is ignored: `{name}` is not a sampler we know"
                ));
                return file;
            }
        };
        Self { follow_parent, share }
    }

    fn argument(environment: &Environment<'_>, notes: &mut Vec<String>) -> f64 {
        let share = environment.number(&["OTEL_TRACES_SAMPLER_ARG"], 1.0, notes);
        if (0.0..=1.0).contains(&share) {
            return share;
        }
        notes.push(format!("`OTEL_TRACES_SAMPLER_ARG` is ignored: {share} is not between 0 and 1"));
        1.0
    }
}

impl Batching {
    /// Longer queues and larger batches than OpenTelemetry's defaults (2048 and 512), because exports run one after
    /// the other: at 50 ms each, 512 spans a batch would be a ceiling of 10,000 spans a second. Sooner, too (1 s, not
    /// 5 s), so that someone who looks for the trace of what just happened finds it.
    fn new(environment: &Environment<'_>, notes: &mut Vec<String>) -> Self {
        let queue = environment.number(&["OTEL_BSP_MAX_QUEUE_SIZE"], count(65_536), notes);
        let most = environment.number(&["OTEL_BSP_MAX_EXPORT_BATCH_SIZE"], count(2048), notes);
        Self {
            queue,
            most: most.min(queue),
            every: environment.millis(&["OTEL_BSP_SCHEDULE_DELAY"], Duration::from_secs(1), notes),
            export_timeout: environment.millis(
                &["OTEL_BSP_EXPORT_TIMEOUT"],
                Duration::from_secs(30),
                notes,
            ),
        }
    }
}

/// Defaults are written as numbers; zero is not one of them.
fn count(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap_or(NonZeroUsize::MIN)
}

fn propagates(environment: &Environment<'_>, notes: &mut Vec<String>) -> bool {
    let Some(list) = environment.get("OTEL_PROPAGATORS") else { return true };
    let mut found = false;
    for name in list.split(',').map(str::trim) {
        match name {
            "tracecontext" => found = true,
            // The gateway carries no baggage: a peer could fill it with anything.
            "none" | "baggage" | "" => {}
            other => {
                notes.push(format!(
                    "`OTEL_PROPAGATORS`: `{other}` is left out; `tracecontext` is the one we speak"
                ));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests;
