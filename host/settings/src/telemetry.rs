//! The log, its sinks and the collector.

use std::{num::NonZeroUsize, path::PathBuf};
use tengen_wire::id::PluginName;

#[derive(Debug, Clone, PartialEq)]
pub struct Telemetry {
    /// A `tracing` filter: a level, or `target=level` pairs.
    pub level: String,
    /// None: as the environment says, or `tengen`.
    pub service_name: Option<String>,
    pub otlp: Option<Otlp>,
    pub sinks: Vec<SinkPlugin>,
}

/// A plugin that gets the gateway's log records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkPlugin {
    pub plugin: PluginName,
    pub buffer: NonZeroUsize,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Otlp {
    /// With `http://` or `https://`.
    pub endpoint: String,
    /// None: as the environment says, or gRPC.
    pub protocol: Option<Protocol>,
    /// The share of traces that are recorded, 0 to 1; none: as the environment says, or all.
    pub sample: Option<f64>,
    /// A file with whom to trust (PEM); none: as the environment says, or whom the system trusts.
    pub certificate: Option<PathBuf>,
}

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
        Self { endpoint: endpoint.into(), protocol: None, sample: None, certificate: None }
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { level: "info".into(), service_name: None, otlp: None, sinks: Vec::new() }
    }
}
