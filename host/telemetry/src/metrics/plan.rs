//! What the settings and the environment ask of the metrics' export.

use crate::{
    TelemetryError,
    environment::Environment,
    plan::{Collector, Signal, chosen, endpoints, resource, service_name, variables},
};
use opentelemetry_sdk::Resource;
use std::time::Duration;
use tengen_settings as settings;

/// No export follows another sooner.
const LEAST: Duration = Duration::from_millis(100);

/// How metrics are sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    pub(crate) collector: Collector,
    /// From one export to the next.
    pub(crate) every: Duration,
    /// For one export with all its tries; none: for ever.
    pub(crate) timeout: Option<Duration>,
    /// Whether histograms have traces that show what they count.
    pub(crate) exemplars: bool,
    attributes: Vec<(String, String)>,
    service_name: String,
}

impl Plan {
    /// None: no metrics are sent.
    pub(crate) fn new(
        settings: &settings::Telemetry,
        environment: &Environment<'_>,
    ) -> Result<Option<Self>, TelemetryError> {
        let file = settings.otlp.as_ref();
        if !is_wanted(file, environment) {
            return Ok(None);
        }
        note_what_is_not_done(environment);
        let attributes = environment.pairs("OTEL_RESOURCE_ATTRIBUTES");
        Ok(Some(Self {
            collector: Collector::new(Signal::Metrics, file, environment)?,
            every: every(file, environment),
            timeout: timeout(environment),
            exemplars: exemplars(environment),
            service_name: service_name(settings, &attributes, environment),
            attributes,
        }))
    }

    /// Who sends them: the same as sends the spans.
    pub(super) fn resource(&self, node: &str) -> Resource {
        resource(&self.attributes, &self.service_name, node)
    }
}

/// The file, if it says so or names a collector; then the environment.
fn is_wanted(file: Option<&settings::Otlp>, environment: &Environment<'_>) -> bool {
    let said = file.and_then(|otlp| otlp.metrics);
    if environment.flag(&["OTEL_SDK_DISABLED"]) {
        if said == Some(true) {
            environment.note("no metrics are sent: `OTEL_SDK_DISABLED` is `true`");
        }
        return false;
    }
    let addressed = || file.is_some() || environment.first(&endpoints(Signal::Metrics)).is_some();
    said.unwrap_or_else(|| {
        // Who asks for Prometheus' way finds it at `/metrics`, always.
        let chosen = chosen("OTEL_METRICS_EXPORTER", &["prometheus"], environment);
        chosen.unwrap_or_else(addressed)
    })
}

fn every(file: Option<&settings::Otlp>, environment: &Environment<'_>) -> Duration {
    let by_variable =
        || environment.number(&["OTEL_METRIC_EXPORT_INTERVAL"]).map(Duration::from_millis);
    let every = file.and_then(|otlp| otlp.metrics_every).or_else(by_variable);
    every.unwrap_or(Duration::from_secs(60)).max(LEAST)
}

/// There are two variables: how long an export may take in the specification of the reader, and in that of the exporter. The
/// shorter one ends it.
fn timeout(environment: &Environment<'_>) -> Option<Duration> {
    let of_reader = environment.timeout(&["OTEL_METRIC_EXPORT_TIMEOUT"], Duration::from_secs(30));
    let of_exporter =
        environment.timeout(&variables!(Signal::Metrics, "TIMEOUT"), Duration::from_secs(10));
    match (of_reader, of_exporter) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// Those of recorded traces, unless nobody wants them.
fn exemplars(environment: &Environment<'_>) -> bool {
    let names = ["OTEL_METRICS_EXEMPLAR_FILTER"];
    let unfit = "is neither `trace_based` nor `always_off`";
    let wanted =
        environment.read(&names, unfit, |value| match value.to_ascii_lowercase().as_str() {
            "trace_based" => Some(true),
            "always_off" => Some(false),
            _ => None,
        });
    wanted.unwrap_or(true)
}

/// Variables of the specification that ask for something else than what is done.
fn note_what_is_not_done(environment: &Environment<'_>) {
    for (name, done, instead) in [
        (
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
            "cumulative",
            "each export says how much there has been from the beginning",
        ),
        (
            "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
            "explicit_bucket_histogram",
            "histograms have the ranges that `/metrics` has",
        ),
    ] {
        if let Some(value) = environment.get(name).filter(|it| !it.eq_ignore_ascii_case(done)) {
            environment.note(format_args!("`{name}` is ignored: `{value}` is not done, {instead}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use settings::Otlp;
    use std::env::VarError;

    const ALL: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
    const EXPORTER: &str = "OTEL_METRICS_EXPORTER";

    fn with(file: Option<Otlp>, variables: &[(&str, &str)]) -> (Option<Plan>, Vec<String>) {
        let settings = settings::Telemetry { otlp: file, ..settings::Telemetry::default() };
        let lookup = |name: &str| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned()).ok_or(VarError::NotPresent)
        };
        let environment = Environment::new(&lookup);
        let plan = Plan::new(&settings, &environment).unwrap();
        (plan, environment.into_notes())
    }

    fn file(metrics: Option<bool>) -> Option<Otlp> {
        Some(Otlp { metrics, ..Otlp::new("http://a:1") })
    }

    #[track_caller]
    fn check(file: Option<Otlp>, variables: &[(&str, &str)], wanted: bool, notes: usize) {
        let (plan, noted) = with(file, variables);
        assert_eq!(plan.is_some(), wanted, "{variables:?}");
        assert_eq!(noted.len(), notes, "{noted:?}");
    }

    #[test]
    fn metrics_are_sent_where_a_collector_is_named_unless_somebody_says_no() {
        check(None, &[], false, 0);
        check(None, &[(ALL, "http://b:2")], true, 0);
        check(None, &[("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://b:2")], true, 0);
        check(None, &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://b:2")], false, 0);
        check(None, &[(ALL, "http://b:2"), (EXPORTER, "none")], false, 0);
        check(None, &[(EXPORTER, "otlp")], true, 0);
        check(None, &[(ALL, "http://b:2"), (EXPORTER, "prometheus")], false, 0);
        check(None, &[(ALL, "http://b:2"), (EXPORTER, "console,otlp")], true, 1);
        check(file(None), &[], true, 0);
        check(file(None), &[(EXPORTER, "none")], false, 0);
        check(file(Some(false)), &[(EXPORTER, "otlp")], false, 0);
        check(file(Some(true)), &[(EXPORTER, "none")], true, 0);
        check(file(Some(true)), &[("OTEL_SDK_DISABLED", "true")], false, 1);
        check(file(None), &[("OTEL_SDK_DISABLED", "true")], false, 0);
    }

    #[test]
    fn the_metrics_own_variables_win_over_those_of_all_signals() {
        let (plan, notes) = with(
            None,
            &[
                (ALL, "http://b:2"),
                ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://c:3/here"),
                ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://d:4"),
                ("OTEL_EXPORTER_OTLP_HEADERS", "a=1"),
                ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "b=2"),
                ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "gzip"),
                ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "1500"),
            ],
        );
        let plan = plan.unwrap();
        assert_eq!(plan.collector.endpoint.full(), "http://c:3/here");
        assert_eq!(plan.collector.headers.keys().map(|it| it.as_str()).collect::<Vec<_>>(), ["b"]);
        assert!(plan.collector.gzip && notes.is_empty(), "{notes:?}");
        assert_eq!(plan.timeout, Some(Duration::from_millis(1500)));
    }

    #[test]
    fn over_http_metrics_have_a_path_of_their_own() {
        let (plan, _) = with(None, &[(ALL, "http://b:2/base")]);
        assert_eq!(plan.unwrap().collector.endpoint.full(), "http://b:2/base/v1/metrics");
    }

    #[test]
    fn how_often_and_how_long_come_from_the_file_then_the_environment() {
        const EVERY: &str = "OTEL_METRIC_EXPORT_INTERVAL";
        let times = |otlp, variables: &[(&str, &str)]| {
            let plan = with(otlp, variables).0.unwrap();
            (plan.every, plan.timeout)
        };
        let ten = Some(Duration::from_secs(10));
        assert_eq!(times(file(None), &[]), (Duration::from_secs(60), ten));
        assert_eq!(times(file(None), &[(EVERY, "5000")]).0, Duration::from_secs(5));
        assert_eq!(times(file(None), &[(EVERY, "0")]).0, LEAST, "not a loop without end");
        let own = Otlp { metrics_every: Some(Duration::from_secs(7)), ..Otlp::new("http://a:1") };
        assert_eq!(times(Some(own), &[(EVERY, "5000")]).0, Duration::from_secs(7));
        let short = ("OTEL_METRIC_EXPORT_TIMEOUT", "2000");
        assert_eq!(times(file(None), &[short]).1, Some(Duration::from_secs(2)));
        let none = ("OTEL_METRIC_EXPORT_TIMEOUT", "0");
        assert_eq!(times(file(None), &[none]).1, ten);
        assert_eq!(times(file(None), &[none, ("OTEL_EXPORTER_OTLP_TIMEOUT", "0")]).1, None);
    }

    #[test]
    fn what_the_specification_has_and_is_not_done_is_told() {
        let preference = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
        check(file(None), &[(preference, "Cumulative")], true, 0);
        let (_, notes) = with(file(None), &[(preference, "delta")]);
        let told = "`OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE` is ignored: `delta` is not done, each export says how much there has been from the beginning";
        assert_eq!(notes, [told]);
    }

    #[test]
    fn exemplars_are_those_of_recorded_traces_or_none() {
        let of = |value| {
            let (plan, notes) = with(file(None), &[("OTEL_METRICS_EXEMPLAR_FILTER", value)]);
            (plan.unwrap().exemplars, notes.len())
        };
        assert_eq!(
            [of(""), of("trace_based"), of("Always_Off")],
            [(true, 0), (true, 0), (false, 0)]
        );
        assert_eq!(of("always_on"), (true, 1), "what is not recorded leads nowhere");
    }
}
