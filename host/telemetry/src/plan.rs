//! What the settings and the environment ask of tracing, checked, before anything is opened.
//!
//! The file wins over the environment, key by key: it was written for this gateway, and platforms put the same variables
//! into every process. An empty variable counts as unset.
//!
//! What would lose every trace (an address that is none) is an error: there is no tracing then. Everything else that
//! cannot be read is noted in the log and its default stands, as OpenTelemetry's specification asks.

mod address;
mod collector;
mod headers;
mod sampling;
mod signal;

pub(super) use collector::{Collector, Trust, endpoints};
pub(super) use sampling::{Current, Sampling};
pub(super) use signal::{Signal, variables};

use super::{TelemetryError, environment::Environment};
use opentelemetry::KeyValue;
use opentelemetry_sdk::{
    Resource,
    resource::{ResourceDetector, TelemetryResourceDetector},
};
use std::{num::NonZeroUsize, time::Duration};
use tengen_settings as settings;

/// How spans are sampled and sent.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    pub(super) collector: Collector,
    /// For one batch, with its retries; none: for ever.
    pub(super) timeout: Option<Duration>,
    pub(super) sampling: Sampling,
    /// How old an event is when it is decided that counts as slow.
    pub(super) slow: Duration,
    /// Traces a second that are told of what was not chosen, and failed or was slow.
    pub(super) failures_per_second: usize,
    pub(super) batching: Batching,
    pub(super) limits: Limits,
    /// Where spans wait that nobody takes; none: they are lost.
    pub(super) spill: Option<settings::SpanSpill>,
    /// Whether `traceparent` from peers is read.
    pub(super) propagate: bool,
    /// Who we are, beside what the settings say.
    pub(super) attributes: Vec<(String, String)>,
    pub(super) service_name: String,
}

/// How spans are queued and put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Batching {
    pub(super) queue: NonZeroUsize,
    /// Never more than `queue`.
    pub(super) most: NonZeroUsize,
    pub(super) every: Duration,
    /// For one export, over all; none: for ever.
    pub(super) export_timeout: Option<Duration>,
}

/// What one span may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// Bytes of a text; the rest is cut off.
    pub(super) text: usize,
    pub(super) attributes: u32,
    pub(super) links: u32,
}

impl Plan {
    /// None: no tracing.
    pub(super) fn new(
        settings: &settings::Telemetry,
        environment: &Environment<'_>,
    ) -> Result<Option<Self>, TelemetryError> {
        if !is_wanted(settings, environment) {
            return Ok(None);
        }
        let file = settings.otlp.as_ref();
        Ok(Some(
            Self {
                collector: Collector::new(Signal::Traces, file, environment)?,
                timeout: environment
                    .timeout(&variables!(Signal::Traces, "TIMEOUT"), Duration::from_secs(10)),
                sampling: Sampling::new(file.and_then(|otlp| otlp.sample), environment),
                slow: settings.slow,
                failures_per_second: file.map_or_else(
                    || settings::Otlp::new("").failures_per_second,
                    |otlp| otlp.failures_per_second,
                ),
                batching: Batching::new(environment),
                limits: Limits::new(environment),
                spill: file.and_then(|otlp| otlp.spill.clone()),
                propagate: propagates(environment),
                attributes: environment.pairs("OTEL_RESOURCE_ATTRIBUTES"),
                service_name: String::new(),
            }
            .named(settings, environment),
        ))
    }

    fn named(mut self, settings: &settings::Telemetry, environment: &Environment<'_>) -> Self {
        self.service_name = service_name(settings, &self.attributes, environment);
        self
    }
}

/// The file, then `OTEL_SERVICE_NAME`, then `service.name` among the resource's attributes, then our own name.
pub(super) fn service_name(
    settings: &settings::Telemetry,
    attributes: &[(String, String)],
    environment: &Environment<'_>,
) -> String {
    let among = attributes.iter().find(|(key, _)| key == "service.name");
    let name = settings.service_name.clone().or_else(|| environment.get("OTEL_SERVICE_NAME"));
    name.or_else(|| among.map(|(_, name)| name.clone())).unwrap_or_else(|| "tengen".to_owned())
}

fn is_wanted(settings: &settings::Telemetry, environment: &Environment<'_>) -> bool {
    let in_file = settings.otlp.is_some();
    if environment.flag(&["OTEL_SDK_DISABLED"]) {
        if in_file {
            environment.note("no traces are sent: `OTEL_SDK_DISABLED` is `true`");
        }
        return false;
    }
    let addressed = in_file || environment.first(&endpoints(Signal::Traces)).is_some();
    let wanted = chosen("OTEL_TRACES_EXPORTER", &[], environment);
    if wanted == Some(false) && in_file {
        environment.note(
            "`OTEL_TRACES_EXPORTER` is ignored: the configuration names a collector, and wins",
        );
    }
    in_file || wanted.unwrap_or(addressed)
}

/// What a variable says that lists exporters; none: it is not set, or says nothing that can be read. `others` is what it may
/// name that asks for nothing of ours.
pub(super) fn chosen(
    variable: &str,
    others: &[&str],
    environment: &Environment<'_>,
) -> Option<bool> {
    let list = environment.get(variable)?;
    let mut wanted = None;
    for name in list.split(',').map(str::trim) {
        match name.to_ascii_lowercase().as_str() {
            "otlp" => wanted = Some(true),
            "none" => wanted = wanted.or(Some(false)),
            other if others.contains(&other) => wanted = wanted.or(Some(false)),
            _ => environment.note(format_args!(
                "`{variable}`: `{name}` is ignored: it is neither `otlp` nor `none`"
            )),
        }
    }
    wanted
}

/// Who sends: what the environment says of it may go beyond the name, and against what is ours.
pub(super) fn resource(told: &[(String, String)], service_name: &str, node: &str) -> Resource {
    let detectors: [Box<dyn ResourceDetector>; 1] = [Box::new(TelemetryResourceDetector)];
    let ours = [
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", node.to_owned()),
    ];
    let told = told.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    Resource::builder_empty()
        .with_attributes(ours)
        .with_detectors(&detectors)
        .with_attributes(told)
        .with_attribute(KeyValue::new("service.name", service_name.to_owned()))
        .build()
}

impl Batching {
    /// Longer queues and larger batches than OpenTelemetry's defaults (2048 and 512), because exports run one after
    /// the other: at 50 ms each, 512 spans a batch would be a ceiling of 10,000 spans a second. Sooner, too (1 s, not
    /// 5 s), so that someone who looks for the trace of what just happened finds it.
    fn new(environment: &Environment<'_>) -> Self {
        let number = |name, default| environment.number(&[name]).unwrap_or(count(default));
        let queue = number("OTEL_BSP_MAX_QUEUE_SIZE", 65_536);
        let most = number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 2048);
        if most > queue && environment.get("OTEL_BSP_MAX_EXPORT_BATCH_SIZE").is_some() {
            environment.note(format_args!(
                "`OTEL_BSP_MAX_EXPORT_BATCH_SIZE` is {queue}, as no more spans can wait: {most} is more than `OTEL_BSP_MAX_QUEUE_SIZE`"
            ));
        }
        let every = environment.number(&["OTEL_BSP_SCHEDULE_DELAY"]).map(Duration::from_millis);
        Self {
            queue,
            most: most.min(queue),
            // Never without a pause: an exporter that finds nothing would look again at once, for ever.
            every: every.unwrap_or(Duration::from_secs(1)).max(Duration::from_millis(1)),
            export_timeout: environment
                .timeout(&["OTEL_BSP_EXPORT_TIMEOUT"], Duration::from_secs(30)),
        }
    }
}

impl Limits {
    /// Texts are shorter than the specification has them, without a limit: who sends an event chooses some of them.
    fn new(environment: &Environment<'_>) -> Self {
        let text = ["OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"];
        let attributes = ["OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT"];
        Self {
            text: environment.number(&text).unwrap_or(256),
            attributes: environment.number(&attributes).unwrap_or(128),
            links: environment.number(&["OTEL_SPAN_LINK_COUNT_LIMIT"]).unwrap_or(128),
        }
    }
}

/// Defaults are written as numbers; zero is not one of them.
fn count(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap_or(NonZeroUsize::MIN)
}

fn propagates(environment: &Environment<'_>) -> bool {
    let Some(list) = environment.get("OTEL_PROPAGATORS") else { return true };
    let mut found = false;
    for name in list.split(',').map(str::trim) {
        match name {
            "tracecontext" => found = true,
            // The gateway carries no baggage: a peer could fill it with anything.
            "none" | "baggage" | "" => {}
            other => environment.note(format_args!(
                "`OTEL_PROPAGATORS`: `{other}` is left out; `tracecontext` is the one we speak"
            )),
        }
    }
    found
}

#[cfg(test)]
mod tests;
