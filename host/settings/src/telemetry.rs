//! The log and the collector.

use crate::{
    filter::{Filter, level},
    schema::{
        Kind, Part,
        key::{elsewhere, table, table_if_there},
        kind::{duration, number, path, quoted, share, text, truth, words},
        settings, with_defaults,
    },
    sink::Sink,
};
use std::{path::PathBuf, time::Duration};

settings! {
    /// Logs, traces and metrics.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Telemetry {
        /// `off`, `error`, `warn`, `info`, `debug` or `trace`, or `target=level` pairs with commas
        ///
        /// A `tracing` filter.
        level: String = Kind::new(level, |it| quoted(it)).or("info".into());
        /// the service's name at the collector; absent: `OTEL_SERVICE_NAME`, or `tengen`
        service_name: Option<String> = text().absent("\"tengen\"");
        /// an event that is decided later than this after its arrival has its trace sent although it was not among the sample
        ///
        /// As what failed or was refused; within `telemetry.otlp.failures_per_second`.
        slow: Duration = duration().within(Duration::from_millis(1)..=Duration::from_secs(3600)).or(Duration::from_secs(1));
        /// Where traces and metrics go.
        otlp: Option<Otlp> = table_if_there();
        /// Which signals there are at all.
        filter: Filter = table();
        /// The `[[sink]]`s of the file.
        sinks: Vec<Sink> = elsewhere();
    }
}

settings! {
    /// Where traces and metrics go; what is not said here, the OTEL_* environment variables may say.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Otlp {
        /// the collector, at `http://` or `https://`
        endpoint: String = Kind::new(|value| value.read(collector), |it| quoted(it))
            .required(String::new(), "\"http://127.0.0.1:4317\"", "say where the collector is, as in endpoint = \"http://127.0.0.1:4317\"");
        /// `grpc`, `http/protobuf` or `http/json`
        ///
        /// None: as the environment says.
        protocol: Option<Protocol> = words(Protocol::ALL.map(|protocol| (protocol.word(), protocol)), &[]).unsaid(Protocol::Grpc);
        /// share of traces that are recorded, 0 to 1
        ///
        /// None: as the environment says.
        sample: Option<f64> = share().unsaid(1.0);
        /// traces a second, at most, that are sent of what was not among the sample and failed, was refused or slow; 0: none
        failures_per_second: usize = number().or(100);
        /// whether metrics go there as well
        ///
        /// None: as the environment says.
        metrics: Option<bool> = truth().unsaid(true);
        /// from one export of the metrics to the next
        ///
        /// None: as the environment says.
        metrics_every: Option<Duration> = duration().within(Duration::from_secs(1)..=Duration::from_secs(86_400)).unsaid(Duration::from_secs(60));
        /// whom to trust (PEM); absent: whom the system trusts
        certificate: Option<PathBuf> = path().absent("\"ca.pem\"");
    }
}

with_defaults!(Telemetry);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Grpc,
    HttpProtobuf,
    HttpJson,
}

impl Protocol {
    pub const ALL: [Self; 3] = [Self::Grpc, Self::HttpProtobuf, Self::HttpJson];

    /// As OpenTelemetry's specification names it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::HttpProtobuf => "http/protobuf",
            Self::HttpJson => "http/json",
        }
    }
}

impl Otlp {
    /// The defaults for a collector at this address.
    pub fn new(endpoint: impl Into<String>) -> Self {
        Self { endpoint: endpoint.into(), ..Self::usual() }
    }
}

/// The address of a collector.
fn collector(text: &str) -> Result<String, String> {
    let uri = text.parse::<http::Uri>().ok();
    let (_, authority) = text.split_once("://").unwrap_or_default();
    match (uri.as_ref().and_then(http::Uri::scheme_str), uri.as_ref().and_then(http::Uri::host)) {
        // Not shown, as it has a password in it.
        _ if authority.contains('@') => {
            Err("has credentials in it; send them with `OTEL_EXPORTER_OTLP_HEADERS`".into())
        }
        (Some("http" | "https"), Some(host)) if !host.is_empty() => Ok(text.to_owned()),
        _ => Err(format!("`{text}` is not an address; write it as in `http://127.0.0.1:4317`")),
    }
}
