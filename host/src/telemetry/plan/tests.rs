//! Settings and environment, and what is made of them.

use super::*;
use proptest::prelude::*;
use settings::Otlp;

fn with(file: Option<Otlp>, variables: &[(&str, &str)]) -> Result<Option<Plan>, TelemetryError> {
    let settings = settings::Telemetry { otlp: file, ..settings::Telemetry::default() };
    let lookup = |name: &str| {
        variables
            .iter()
            .find(|(variable, _)| *variable == name)
            .map(|(_, value)| (*value).to_owned())
    };
    Plan::new(&settings, &Environment(&lookup))
}

fn plan(variables: &[(&str, &str)]) -> Plan {
    with(Some(file("http://127.0.0.1:4317", Protocol::Grpc)), variables).unwrap().unwrap()
}

fn file(endpoint: &str, protocol: Protocol) -> Otlp {
    Otlp { endpoint: endpoint.to_owned(), protocol, sample: 0.25 }
}

#[test]
fn without_an_endpoint_there_is_no_tracing() {
    assert_eq!(with(None, &[]).unwrap(), None);
    assert_eq!(with(None, &[("OTEL_EXPORTER_OTLP_ENDPOINT", "")]).unwrap(), None, "empty is unset");
}

#[track_caller]
fn check_off(variable: (&str, &str)) {
    assert_eq!(
        with(Some(file("http://127.0.0.1:4317", Protocol::Grpc)), &[variable]).unwrap(),
        None
    );
}

#[test]
fn tracing_can_be_turned_off_in_the_environment() {
    check_off(("OTEL_SDK_DISABLED", "true"));
    check_off(("OTEL_SDK_DISABLED", "TRUE"));
    check_off(("OTEL_TRACES_EXPORTER", "none"));
    assert!(plan(&[("OTEL_SDK_DISABLED", "false")]).notes.is_empty());
}

#[track_caller]
fn check_endpoint_of(
    otlp: Option<Otlp>,
    variables: &[(&str, &str)],
    endpoint: &str,
    protocol: Protocol,
) {
    let plan = with(otlp, variables).unwrap().unwrap();
    assert_eq!((plan.endpoint.as_str(), plan.protocol), (endpoint, protocol));
}

#[test]
fn endpoint_and_protocol_come_from_the_environment_then_the_file() {
    use Protocol::{Grpc, HttpProtobuf};
    const ALL: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
    const OWN: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
    const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
    let check = check_endpoint_of;

    check(Some(file("http://a:1", Grpc)), &[], "http://a:1", Grpc);
    check(Some(file("http://a:1/", HttpProtobuf)), &[], "http://a:1/v1/traces", HttpProtobuf);
    check(
        Some(file("http://a:1/x/v1/traces", HttpProtobuf)),
        &[],
        "http://a:1/x/v1/traces",
        HttpProtobuf,
    );

    check(Some(file("http://a:1", Grpc)), &[(ALL, "http://b:2")], "http://b:2", Grpc);
    check(
        Some(file("http://a:1", Grpc)),
        &[(PROTOCOL, "http/protobuf")],
        "http://a:1/v1/traces",
        HttpProtobuf,
    );
    check(None, &[(ALL, "http://b:2/base")], "http://b:2/base/v1/traces", HttpProtobuf);
    check(None, &[(ALL, "http://b:2"), (OWN, "http://c:3/here")], "http://c:3/here", HttpProtobuf);
    check(None, &[(ALL, "http://b:4317")], "http://b:4317", Grpc);
    check(
        None,
        &[("OTEL_TRACES_EXPORTER", "otlp")],
        "http://127.0.0.1:4318/v1/traces",
        HttpProtobuf,
    );
    check(
        None,
        &[
            (PROTOCOL, "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "GRPC"),
            (ALL, "http://b:2"),
        ],
        "http://b:2",
        Grpc,
    );
}

#[track_caller]
fn check_refused(variables: &[(&str, &str)], message: &str) {
    assert_eq!(with(None, variables).unwrap_err().to_string(), message);
}

#[test]
fn what_would_lose_every_trace_is_an_error_with_a_remedy() {
    const ALL: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
    check_refused(
        &[(ALL, "https://collector:4317")],
        "OTLP endpoint `https://collector:4317` asks for TLS, which this build does not have; use `http://` and a \
         collector on the same machine or network",
    );
    check_refused(
        &[(ALL, "collector:4317")],
        "OTLP endpoint `collector:4317` has no scheme; write `http://` before it",
    );
    check_refused(
        &[(ALL, "not a url")],
        "OTLP endpoint `not a url` is not a URL; write one such as `http://127.0.0.1:4317`",
    );
    check_refused(
        &[(ALL, "http://me:secret@collector")],
        "OTLP endpoint `***` has credentials in it; send them with `OTEL_EXPORTER_OTLP_HEADERS`",
    );
    check_refused(
        &[(ALL, "http://b:2"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")],
        "`OTEL_EXPORTER_OTLP_PROTOCOL` is `http/json`; use `grpc` or `http/protobuf`",
    );
}

#[track_caller]
fn check_sampling(variables: &[(&str, &str)], follow_parent: bool, share: f64, notes: usize) {
    let plan = plan(variables);
    assert_eq!(plan.sampling, Sampling { follow_parent, share });
    assert_eq!(plan.notes.len(), notes, "{:?}", plan.notes);
}

#[test]
fn the_sampler_comes_from_the_environment_then_the_file() {
    const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
    const SHARE: &str = "OTEL_TRACES_SAMPLER_ARG";
    check_sampling(&[], true, 0.25, 0);
    check_sampling(&[(SAMPLER, "always_on")], false, 1.0, 0);
    check_sampling(&[(SAMPLER, "always_off")], false, 0.0, 0);
    check_sampling(&[(SAMPLER, "traceidratio"), (SHARE, "0.5")], false, 0.5, 0);
    check_sampling(&[(SAMPLER, "parentbased_always_on")], true, 1.0, 0);
    check_sampling(&[(SAMPLER, "parentbased_always_off")], true, 0.0, 0);
    check_sampling(&[(SAMPLER, "parentbased_traceidratio"), (SHARE, "0.5")], true, 0.5, 0);
    check_sampling(&[(SAMPLER, "parentbased_traceidratio")], true, 1.0, 0);
    check_sampling(&[(SAMPLER, "parentbased_traceidratio"), (SHARE, "2")], true, 1.0, 1);
    check_sampling(&[(SAMPLER, "traceidratio"), (SHARE, "half")], false, 1.0, 1);
    check_sampling(&[(SAMPLER, "jaeger_remote")], true, 0.25, 1);
}

#[test]
fn batching_is_tuned_in_the_environment() {
    let plan = plan(&[
        ("OTEL_BSP_MAX_QUEUE_SIZE", "100"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "200"),
        ("OTEL_BSP_SCHEDULE_DELAY", "20"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "0.5s"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "1500"),
    ]);
    let batching = plan.batching;
    assert_eq!(
        (batching.queue.get(), batching.most.get()),
        (100, 100),
        "a batch is never larger than the queue"
    );
    assert_eq!(batching.every, Duration::from_millis(20));
    assert_eq!(batching.export_timeout, Duration::from_secs(30));
    assert_eq!(plan.timeout, Duration::from_millis(1500));
    assert_eq!(
        plan.notes,
        ["`OTEL_BSP_EXPORT_TIMEOUT` is ignored: `0.5s` is not a number it can take"]
    );
}

#[test]
fn only_trace_context_is_propagated() {
    assert!(plan(&[]).propagate);
    assert!(plan(&[("OTEL_PROPAGATORS", "baggage, tracecontext")]).propagate);
    assert!(!plan(&[("OTEL_PROPAGATORS", "none")]).propagate);
    let b3 = plan(&[("OTEL_PROPAGATORS", "b3")]);
    assert!(!b3.propagate && b3.notes.len() == 1);
}

proptest! {
    #[test]
    fn no_environment_breaks_the_plan(value in ".{0,40}") {
        for name in ["OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG", "OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_PROPAGATORS",
            "OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_TRACES_EXPORTER", "OTEL_SDK_DISABLED"]
        {
            let lookup = |asked: &str| (asked == name).then(|| value.clone());
            let otlp = Some(file("http://127.0.0.1:4317", Protocol::Grpc));
            let settings = settings::Telemetry { otlp, ..settings::Telemetry::default() };
            if let Some(plan) = Plan::new(&settings, &Environment(&lookup)).unwrap() {
                prop_assert!((0.0..=1.0).contains(&plan.sampling.share));
                prop_assert!(plan.batching.most <= plan.batching.queue);
            }
        }
    }
}
