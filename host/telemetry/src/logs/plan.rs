//! What the settings and the environment ask of a sink of kind `otlp`.
//!
//! That there is one, its queue, its batches and its disk are said by the configuration; where it sends to, how, and how long
//! it waits for an answer, as for traces and metrics.

use crate::{
    TelemetryError,
    environment::Environment,
    plan::{Collector, Signal, chosen, resource, service_name, variables},
};
use opentelemetry_sdk::Resource;
use std::time::Duration;
use tengen_settings::{self as settings, SinkKind};

/// How logs are sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    pub(crate) collector: Collector,
    /// For one request; none: for ever.
    pub(crate) timeout: Option<Duration>,
    pub(crate) limits: Limits,
    attributes: Vec<(String, String)>,
    service_name: String,
}

/// What one record may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Attributes; the rest is left out, and counted in the record.
    pub(crate) attributes: usize,
    /// Bytes of a text among them.
    pub(crate) text: usize,
}

impl Plan {
    /// Err: why no logs can be sent.
    pub(crate) fn new(
        settings: &settings::Telemetry,
        environment: &Environment<'_>,
    ) -> Result<Self, TelemetryError> {
        note_what_is_not_done(settings, environment);
        if environment.flag(&["OTEL_SDK_DISABLED"]) {
            return Err(TelemetryError::Disabled);
        }
        let attributes = environment.pairs("OTEL_RESOURCE_ATTRIBUTES");
        Ok(Self {
            collector: Collector::new(Signal::Logs, settings.otlp.as_ref(), environment)?,
            timeout: environment
                .timeout(&variables!(Signal::Logs, "TIMEOUT"), Duration::from_secs(10)),
            limits: Limits::new(environment),
            service_name: service_name(settings, &attributes, environment),
            attributes,
        })
    }

    /// Who sends them: the same as sends the spans.
    pub(super) fn resource(&self, node: &str) -> Resource {
        resource(&self.attributes, &self.service_name, node)
    }
}

impl Limits {
    /// Texts of signals have an end in any case.
    fn new(environment: &Environment<'_>) -> Self {
        let attributes = ["OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT"];
        let text =
            ["OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"];
        Self {
            attributes: environment.number(&attributes).unwrap_or(128),
            text: environment.number(&text).unwrap_or(usize::MAX),
        }
    }
}

/// Variables of the specification that ask for something else than what is done.
fn note_what_is_not_done(settings: &settings::Telemetry, environment: &Environment<'_>) {
    let has_sink = settings.sinks.iter().any(|sink| sink.kind == SinkKind::Otlp);
    match chosen("OTEL_LOGS_EXPORTER", &[], environment) {
        Some(true) if !has_sink => environment.note(
            "`OTEL_LOGS_EXPORTER` sends no logs by itself: give the configuration a `[[sink]]` of kind `otlp`",
        ),
        Some(false) if has_sink => environment.note(
            "`OTEL_LOGS_EXPORTER` is ignored: the configuration has a `[[sink]]` of kind `otlp`, and wins",
        ),
        _ => {}
    }
    for (name, key) in [
        ("OTEL_BLRP_SCHEDULE_DELAY", "delay"),
        ("OTEL_BLRP_MAX_QUEUE_SIZE", "buffer"),
        ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "batch"),
        ("OTEL_BLRP_EXPORT_TIMEOUT", "wait"),
    ] {
        if environment.get(name).is_none() {
            continue;
        }
        match key {
            "wait" => environment.note(format_args!(
                "`{name}` is ignored: `OTEL_EXPORTER_OTLP_LOGS_TIMEOUT` says how long a request may take"
            )),
            key => environment.note(format_args!(
                "`{name}` is ignored: `{key}` of the `[[sink]]` of kind `otlp` says it"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use settings::{Otlp, Protocol, Sink};
    use std::env::VarError;

    const ALL: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

    fn with(
        file: Option<Otlp>,
        sinks: Vec<Sink>,
        variables: &[(&str, &str)],
    ) -> (Result<Plan, TelemetryError>, Vec<String>) {
        let settings = settings::Telemetry { otlp: file, sinks, ..settings::Telemetry::default() };
        let lookup = |name: &str| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned()).ok_or(VarError::NotPresent)
        };
        let environment = Environment::new(&lookup);
        let plan = Plan::new(&settings, &environment);
        (plan, environment.into_notes())
    }

    fn sink() -> Vec<Sink> {
        vec![Sink::new(SinkKind::Otlp)]
    }

    #[test]
    fn logs_go_where_the_file_says_then_where_their_own_variables_do_then_those_of_all() {
        let to = |file: Option<Otlp>, variables: &[(&str, &str)]| {
            let (plan, notes) = with(file, sink(), variables);
            assert!(notes.is_empty(), "{notes:?}");
            let collector = plan.unwrap().collector;
            (collector.endpoint.full(), collector.protocol)
        };
        let own = ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://c:3/here");
        let traces = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://d:4");
        let all = (ALL, "http://b:2/base");
        let file = Some(Otlp::new("http://a:1"));
        assert_eq!(to(file, &[own, all]), ("http://a:1".into(), Protocol::Grpc));
        assert_eq!(to(None, &[own, all]), ("http://c:3/here".into(), Protocol::HttpProtobuf));
        let below = "http://b:2/base/v1/logs".to_owned();
        assert_eq!(to(None, &[all, traces]), (below, Protocol::HttpProtobuf));
        let usual = "http://127.0.0.1:4318/v1/logs".to_owned();
        assert_eq!(to(None, &[traces]), (usual, Protocol::HttpProtobuf));
    }

    #[test]
    fn their_own_variables_win_over_those_of_all_signals() {
        let (plan, notes) = with(
            None,
            sink(),
            &[
                (ALL, "http://b:2"),
                ("OTEL_EXPORTER_OTLP_HEADERS", "a=1"),
                ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "b=2"),
                ("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "gzip"),
                ("OTEL_EXPORTER_OTLP_TIMEOUT", "7000"),
                ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "1500"),
                ("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "5"),
                ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "20"),
            ],
        );
        let plan = plan.unwrap();
        assert_eq!(plan.collector.headers.keys().map(|it| it.as_str()).collect::<Vec<_>>(), ["b"]);
        assert!(plan.collector.gzip && notes.is_empty(), "{notes:?}");
        assert_eq!(plan.timeout, Some(Duration::from_millis(1500)));
        assert_eq!(plan.limits, Limits { attributes: 5, text: 20 });
    }

    #[test]
    fn what_keeps_logs_from_being_sent_is_an_error_and_starts_nothing() {
        let why = |variables: &[(&str, &str)]| {
            with(None, sink(), variables).0.map(drop).unwrap_err().to_string()
        };
        assert_eq!(why(&[("OTEL_SDK_DISABLED", "true")]), "`OTEL_SDK_DISABLED` is `true`");
        assert!(why(&[("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "ftp://x")]).contains("ftp://x"));
    }

    #[test]
    fn what_the_specification_has_and_the_configuration_says_is_told() {
        let notes = |sinks, name, value| with(None, sinks, &[(name, value)]).1.len();
        let exporter = "OTEL_LOGS_EXPORTER";
        assert_eq!(notes(Vec::new(), exporter, "otlp"), 1, "nothing is sent");
        assert_eq!(notes(sink(), exporter, "otlp"), 0);
        assert_eq!(notes(sink(), exporter, "none"), 1, "it is sent all the same");
        assert_eq!(notes(Vec::new(), exporter, "none"), 0);
        assert_eq!(notes(sink(), "OTEL_BLRP_MAX_QUEUE_SIZE", "5"), 1);
        let (_, notes) = with(None, sink(), &[("OTEL_BLRP_SCHEDULE_DELAY", "100")]);
        let told = "`OTEL_BLRP_SCHEDULE_DELAY` is ignored: `delay` of the `[[sink]]` of kind `otlp` says it";
        assert_eq!(notes, [told]);
    }
}
