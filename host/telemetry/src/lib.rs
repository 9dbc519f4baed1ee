//! Logs, traces and metrics of the gateway itself; OpenTelemetry lives here and nowhere else.
//!
//! **Signals** are what the gateway, its libraries and its plugins say. Each is made once, as a
//! [`Signal`](tengen_core::sink::Signal), and goes to every sink whose filter lets it pass: the log, which is the standard
//! error stream (see [`log`]), files, and plugins. `docs/signals.md` says what is promised of them.
//!
//! **Traces** are sent by OTLP, over gRPC or over HTTP with protobuf or JSON, if an endpoint is named in the settings or
//! in the environment. Without one, tracing is off and costs nothing.
//!
//! **Metrics** are sent the same way, all that `/metrics` has, every minute.
//!
//! **Logs** are sent the same way, where the configuration has a sink of kind `otlp`: signals as any other sink gets them.
//!
//! No producer ever waits for any of them: queues are bounded, the newest is dropped when one is full, and every loss is
//! counted with its reason.
//!
//! # Environment
//!
//! The settings win over the environment, key by key. An empty variable counts as unset; one that cannot be read is told
//! in the log and counts as unset, too. What makes traces impossible is told there as an error: nothing here keeps the
//! gateway from starting.
//!
//! | variable | meaning |
//! |---|---|
//! | `TENGEN_LOG` | the log filter, as `telemetry.level`, over which it wins |
//! | `OTEL_SDK_DISABLED` | `true`: no traces, no metrics and no logs, whatever the settings say |
//! | `OTEL_TRACES_EXPORTER` | `otlp`, or `none` |
//! | `OTEL_METRICS_EXPORTER` | `otlp`, or `none`, or `prometheus`, which is `/metrics` and there in any case |
//! | `OTEL_EXPORTER_OTLP_[TRACES_]ENDPOINT` | where to; for HTTP, `/v1/traces` is added to the one without `TRACES_` |
//! | `OTEL_EXPORTER_OTLP_[TRACES_]PROTOCOL` | `grpc`, `http/protobuf` or `http/json`; by default what the port says |
//! | `OTEL_EXPORTER_OTLP_[TRACES_]INSECURE` | `true`: no TLS where a gRPC endpoint has no scheme |
//! | `OTEL_EXPORTER_OTLP_[TRACES_]CERTIFICATE` | a file with whom to trust (PEM); by default whom the system trusts |
//! | `OTEL_EXPORTER_OTLP_[TRACES_]CLIENT_CERTIFICATE`, `…_CLIENT_KEY` | files with our own certificate and key (PEM) |
//! | `OTEL_EXPORTER_OTLP_[TRACES_]HEADERS` | headers for every export, `key=value` with commas between |
//! | `OTEL_EXPORTER_OTLP_[TRACES_]TIMEOUT` | milliseconds for one export with its retries (10,000); 0: no limit |
//! | `OTEL_EXPORTER_OTLP_[TRACES_]COMPRESSION` | `gzip` or `none` (default) |
//! | `OTEL_EXPORTER_OTLP_METRICS_…` | each of these, for metrics |
//! | `OTEL_EXPORTER_OTLP_LOGS_…` | each of these, for logs, where there is a sink of kind `otlp` |
//! | `OTEL_LOGS_EXPORTER`, `OTEL_BLRP_…` | warned about where they ask for what the configuration does not: which sinks there are, and their queues, it says alone |
//! | `OTEL_METRIC_EXPORT_INTERVAL` | milliseconds from one export of metrics to the next (60,000) |
//! | `OTEL_METRIC_EXPORT_TIMEOUT` | milliseconds after which one is given up (30,000), if the exporter's own did not end it; 0: no limit |
//! | `OTEL_METRICS_EXEMPLAR_FILTER` | `trace_based` (default) or `always_off` |
//! | `OTEL_TRACES_SAMPLER`, `…_ARG` | `[parentbased_]always_on`, `…always_off`, `…traceidratio` |
//! | `OTEL_BSP_MAX_QUEUE_SIZE` | spans that may wait (65,536), within 32 MiB |
//! | `OTEL_BSP_MAX_EXPORT_BATCH_SIZE` | spans in one export (2,048), within 3 MiB |
//! | `OTEL_BSP_SCHEDULE_DELAY` | milliseconds between exports (1,000) |
//! | `OTEL_BSP_EXPORT_TIMEOUT` | milliseconds after which an export is given up (30,000); 0: no limit |
//! | `OTEL_PROPAGATORS` | `tracecontext` (default) or `none` |
//! | `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES` | who we are; `%20` stands for a space |
//! | `OTEL_[SPAN_]ATTRIBUTE_VALUE_LENGTH_LIMIT` | bytes of a span's text (256) |
//! | `OTEL_[SPAN_]ATTRIBUTE_COUNT_LIMIT`, `OTEL_SPAN_LINK_COUNT_LIMIT` | limits of one span (128) |
//! | `OTEL_[LOGRECORD_]ATTRIBUTE_COUNT_LIMIT`, `…_VALUE_LENGTH_LIMIT` | limits of one log record (128; none beside those of signals) |

pub mod log;
pub mod secrets;
pub mod stats;

mod accounts;
mod attached;
mod clients;
mod control;
mod delivery;
mod encode;
mod environment;
mod exporter;
mod filter;
mod gauges;
mod late;
mod logs;
mod metrics;
mod otlp;
mod pipe;
mod plan;
mod processor;
mod queue;
mod record;
mod recorder;
mod redact;
mod sending;
mod spill;
mod station;
mod tracer;
mod traces;
mod writer;

pub use control::Wishes;
pub use stats::{Report, Stats};

use attached::Attached;
use environment::Environment;
use metrics::Metrics;
use otlp::Tracing;
use pipe::Pipe;
use plan::Plan;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant, SystemTime},
};
use tengen_core::{intake::Intake, meter::Samples, sink::Sink, trace};
use tengen_settings as settings;
use tokio_util::task::TaskTracker;

/// Why telemetry cannot start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error(
        "{origin} `{level}` is no log filter; write a level such as `info`, or `target=level` with commas between"
    )]
    Level {
        /// The key or the variable.
        origin: &'static str,
        level: String,
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    #[error("`{by}`: the address `{endpoint}` {reason}")]
    Endpoint {
        /// The key or the variable.
        by: &'static str,
        /// As it may be shown: without its query, and nothing of it where there may be credentials.
        endpoint: String,
        reason: &'static str,
    },
    #[error(
        "`{0}` is not Unicode; write a level such as `info`, or `target=level` with commas between"
    )]
    NotUnicode(&'static str),
    #[error("cannot read the certificate or key `{}`", file.display())]
    Certificate {
        file: std::path::PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("`{0}` is no id with its level; write pairs as in `chat/*=debug`")]
    IdLevel(String),
    #[error("the sink `{name}` is not attached: {why}")]
    Sink { name: String, why: String },
    #[error("`OTEL_SDK_DISABLED` is `true`")]
    Disabled,
    #[error("the OTLP exporter does not start")]
    Exporter(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the log's thread does not start")]
    Log(#[source] std::io::Error),
    #[error("the exporter thread does not start")]
    Thread(#[source] std::io::Error),
    #[error(
        "the exporter is not ready after {0:?}; is the disk there that its certificates are on?"
    )]
    NotReady(Duration),
    #[error("the exporter thread ended before it began")]
    Gone,
}

/// The telemetry of one gateway: its tracer and its sinks.
///
/// Several may live in one process. Each has its own tracer; log records are the process's and go to the sinks of all.
#[derive(Debug)]
pub struct Telemetry {
    tracing: Option<Tracing>,
    /// Why there is no tracing although it was asked for.
    failure: Option<String>,
    /// How metrics are to be sent, if they are; none: why not, although it was asked for.
    metrics_plan: Result<Option<metrics::Plan>, String>,
    metrics: OnceLock<Metrics>,
    /// How a sink of kind `otlp` sends; or why it cannot.
    logs_plan: Result<logs::Plan, String>,
    /// Who we are to collectors.
    node: String,
    /// Since when is counted.
    since: SystemTime,
    pipe: Arc<Pipe>,
    sinks: Mutex<BTreeMap<String, Attached>>,
    before_the_end: OnceLock<Stats>,
}

/// Installs the log and starts telemetry, as a process does once.
///
/// A log that is installed already stays, with its own filter.
pub fn init(settings: &settings::Telemetry, node: &str) -> Result<Telemetry, TelemetryError> {
    log::install(settings, log::Format::detect())?;
    Ok(start(settings, node))
}

/// Starts telemetry and leaves the log alone. Without fail: where traces go, and whether, is nothing that connections
/// depend on. What is wrong is in the log, and in [`Stats`].
pub fn start(settings: &settings::Telemetry, node: &str) -> Telemetry {
    let environment = Environment::new(&|name| std::env::var(name));
    start_with(settings, node, environment, Pipe::of_process())
}

fn start_with(
    settings: &settings::Telemetry,
    node: &str,
    environment: Environment<'_>,
    pipe: Arc<Pipe>,
) -> Telemetry {
    let plan = Plan::new(settings, &environment);
    let metrics_plan = metrics::Plan::new(settings, &environment);
    let logs_plan = logs::Plan::new(settings, &environment);
    for note in environment.into_notes() {
        tracing::warn!("{note}");
    }
    let started = match plan {
        Ok(plan) => plan.map(|plan| Tracing::start(plan, node)).transpose(),
        Err(error) => Err(error),
    };
    let (tracing, failure) = match started {
        Ok(tracing) => (tracing, None),
        Err(error) => {
            let why = with_causes(&error);
            tracing::error!(%why, "no traces are sent");
            (None, Some(why))
        }
    };
    let metrics_plan = metrics_plan.map_err(|error| {
        let why = with_causes(&error);
        tracing::error!(%why, "no metrics are sent");
        why
    });
    Telemetry {
        tracing,
        failure,
        metrics_plan,
        metrics: OnceLock::new(),
        // Told when there is a sink that it matters to.
        logs_plan: logs_plan.map_err(|error| with_causes(&error)),
        node: node.to_owned(),
        since: SystemTime::now(),
        pipe,
        sinks: Mutex::default(),
        before_the_end: OnceLock::new(),
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        told.push_str(": ");
        told.push_str(&error.to_string());
        cause = error.source();
    }
    told
}

impl Telemetry {
    /// The tracer; one that does nothing where tracing is off.
    pub fn tracer(&self) -> Arc<dyn trace::Tracer> {
        self.tracing.as_ref().map_or_else(|| Arc::new(trace::NoTracer) as _, Tracing::tracer)
    }

    /// Who takes in the signals that clients send: they go the way of all others.
    pub fn intake(&self) -> Arc<dyn Intake> {
        Arc::clone(&self.pipe) as _
    }

    /// Sends metrics to a collector from now on, if there is one that is to get them. `read` reads all that is counted, on a
    /// thread of its own; once it returns nothing, nothing is sent any more. Only the first call counts.
    pub fn export_metrics(&self, read: impl Fn() -> Option<Samples> + Send + 'static) {
        if let Ok(Some(plan)) = &self.metrics_plan {
            let start = || Metrics::start(plan.clone(), &self.node, self.since, Box::new(read));
            self.metrics.get_or_init(start);
        }
    }

    /// Gives a sink the signals from now on: over a queue of its own, in batches, on tasks of its own.
    ///
    /// A sink that is slow loses the newest signals, or the oldest, as its settings say; one that fails is asked again,
    /// later and later. Neither is felt by who says something, nor by other sinks. Where it is a plugin's, what that plugin
    /// itself says, and what is said about it, goes to no sink of a plugin, or the sinks would keep each other busy for
    /// ever. A second sink of the same name is refused.
    pub fn attach_sink(
        &self,
        settings: &settings::Sink,
        sink: Arc<dyn Sink>,
        tasks: &TaskTracker,
    ) -> Result<(), TelemetryError> {
        let attached = Attached::tasks(&self.pipe, sink, settings, tasks)?;
        self.sinks_of().insert(settings.label().to_owned(), attached);
        Ok(())
    }

    /// The same for a stream, a file or a collector, which is opened when there is something to write. The one of the standard
    /// error stream is the log's, and not of this.
    pub fn open_sink(&self, settings: &settings::Sink) -> Result<(), TelemetryError> {
        let attached = match settings.kind {
            settings::SinkKind::Otlp => {
                let plan = self.logs_plan.clone();
                Attached::collector(&self.pipe, settings, plan, &self.node)?
            }
            _ => Attached::open(&self.pipe, settings)?,
        };
        self.sinks_of().insert(settings.label().to_owned(), attached);
        Ok(())
    }

    pub fn stats(&self) -> Stats {
        let sinks = self
            .sinks_of()
            .iter()
            .map(|(name, attached)| (name.clone(), attached.station().stats()))
            .chain(log::stats())
            .collect();
        let spans = self.tracing.as_ref().map(Tracing::stats);
        let metrics = self.metrics.get().map(Metrics::stats);
        let no_metrics = match &self.metrics_plan {
            Err(why) => Some(why.clone()),
            Ok(_) => self.metrics.get().and_then(Metrics::failure),
        };
        let signals = self.pipe.stats();
        Stats { spans, no_spans: self.failure.clone(), metrics, no_metrics, signals, sinks }
    }

    /// Ends the sinks: delivers what is queued for them, for `deadline` at most, and ends their tasks.
    ///
    /// To be called while the plugins behind them still run; [`Telemetry::shutdown`] tells what was lost.
    pub async fn stop_sinks(&self, deadline: Duration) {
        self.before_the_end();
        let deadline = Instant::now() + deadline;
        let endings: Vec<_> =
            self.sinks_of().values().map(|attached| attached.stop(deadline)).collect();
        futures_util::future::join_all(endings).await;
    }

    /// Sends what is queued and a last time what is counted, for `deadline` at most, and says what was lost since the end began. Ends the sinks, too,
    /// if that was not done before. What comes later is lost, and counted.
    pub async fn shutdown(&self, deadline: Duration) -> Report {
        let before = self.before_the_end();
        let until = Instant::now() + deadline;
        let spans = async {
            if let Some(tracing) = &self.tracing {
                tracing.shutdown(until).await;
            }
        };
        let metrics = async {
            if let Some(metrics) = self.metrics.get() {
                metrics.shutdown(until).await;
            }
        };
        tokio::join!(spans, metrics, self.stop_sinks(deadline));
        Report::between(before, self.stats())
    }

    /// What was the case when the end began.
    fn before_the_end(&self) -> &Stats {
        self.before_the_end.get_or_init(|| self.stats())
    }

    fn sinks_of(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Attached>> {
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod scenes;
#[cfg(test)]
mod tests;
