//! The log and the collector.

use crate::{
    filter::{Filter, level},
    limits::at_least_one,
    preset::Preset,
    schema::{
        Kind, Part,
        key::{elsewhere, table, table_if_there},
        kind::{duration, number, path, quoted, share, size, text, truth, words},
        settings,
        table::Table,
        with_defaults,
    },
    sink::{Sink, SinkKind},
};
use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

settings! {
    /// Logs, traces and metrics.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Telemetry {
        /// `development` or `production`: what holds where other keys say nothing, see `docs/signals.md`
        preset: Option<Preset> = words(Preset::ALL.map(|preset| (preset.word(), preset)), &[]).absent("\"production\"");
        /// `off`, `error`, `warn`, `info`, `debug` or `trace`, or `target=level` pairs with commas
        ///
        /// A `tracing` filter.
        level: String = Kind::new(level, |it| quoted(it)).or("info".into()).at_once();
        /// names of further fields whose values are masked, such as `e-mail`; `*` stands for any text
        secrets: Vec<String> = text().list().or(Vec::new()).at_once();
        /// the service's name at the collector; absent: `OTEL_SERVICE_NAME`, or `tengen`
        service_name: Option<String> = text().absent("\"tengen\"");
        /// an event that is decided later than this after its arrival has its trace sent although it was not among the sample
        ///
        /// As what failed or was refused; within `telemetry.otlp.failures_per_second`.
        slow: Duration = duration().within(Duration::from_millis(1)..=Duration::from_secs(3600)).or(Duration::from_secs(1));
        /// bytes of what no filter lets pass that each thread keeps, to be told with an error of its connection; absent: nothing
        recorder: Option<NonZeroUsize> = size().absent("\"4MiB\"");
        /// says so often, as a signal, how each sink is doing; absent: never
        accounts: Option<Duration> = duration().within(Duration::from_secs(1)..=Duration::from_secs(86_400)).absent("\"60s\"");
        /// Where traces and metrics go.
        otlp: Option<Otlp> = table_if_there();
        /// Which signals there are at all.
        filter: Filter = table();
        /// Which signals about security there are, in place of `telemetry.filter`: where it has a `level`.
        security: Filter = table();
        /// The `[[sink]]`s of the file.
        sinks: Vec<Sink> = elsewhere();
    }
    then Telemetry::check;
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
        sample: Option<f64> = share().unsaid(1.0).at_once();
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
        /// Where spans wait that the collector does not take for now; without it, they are lost.
        spill: Option<SpanSpill> = table_if_there();
    }
}

settings! {
    /// Spans on the disk, until a collector takes them: what comes while it takes none, and what is left at the end, for the next
    /// start. Written, not synced.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct SpanSpill {
        /// a folder that nothing else uses; made if it is not there
        path: PathBuf = path().required(PathBuf::new(), "\"spill/spans\"", "say where, as in path = \"spill/spans\"");
        /// most bytes of its files; over it the newest spans are lost
        size: NonZeroUsize = size().within(at_least_one(64 << 10)..=at_least_one(1 << 40)).or(at_least_one(256 << 20));
    }
}

with_defaults!(Telemetry);

impl Telemetry {
    /// The name of the sink that the log is where the configuration names none.
    pub const LOG: &str = "log";

    /// What the preset says where the file says nothing.
    fn check(&mut self, table: &Table<'_>) {
        if let Some(preset) = self.preset.filter(|_| table.get("level").is_none()) {
            preset.level().clone_into(&mut self.level);
        }
    }

    /// What the log is as a sink: that of the standard error stream, or the usual one; none where it goes to standard output.
    pub fn log(&self) -> Option<Sink> {
        let of = |kind| self.sinks.iter().find(|sink| sink.kind == kind).cloned();
        let usual = || {
            let mut sink = Sink {
                name: Some(Self::LOG.to_owned()),
                buffer: at_least_one(8192),
                bytes: at_least_one(2 << 20),
                ..Sink::new(SinkKind::Stderr)
            };
            self.preset.into_iter().for_each(|preset| preset.complete(&mut sink, |_| false));
            sink
        };
        let elsewhere = of(SinkKind::Stdout).is_some();
        of(SinkKind::Stderr).or_else(|| (!elsewhere).then(usual))
    }
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
        Self { endpoint: endpoint.into(), ..Self::usual() }
    }
}

impl SpanSpill {
    /// The defaults for this folder.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), ..Self::usual() }
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
