//! Settings and environment, and what is made of them.

use super::*;
use proptest::prelude::*;
use settings::{Otlp, Protocol};
use std::env::VarError;

fn with(
    file: Option<Otlp>,
    variables: &[(&str, &str)],
) -> (Result<Option<Plan>, TelemetryError>, Vec<String>) {
    let settings = settings::Telemetry { otlp: file, ..settings::Telemetry::default() };
    let lookup = |name: &str| {
        let found = variables.iter().find(|(variable, _)| *variable == name);
        found.map(|(_, value)| (*value).to_owned()).ok_or(VarError::NotPresent)
    };
    let environment = Environment::new(&lookup);
    let plan = Plan::new(&settings, &environment);
    (plan, environment.into_notes())
}

/// A plan that the environment alone asks for, and what there is to say of it.
fn plan(variables: &[(&str, &str)]) -> (Plan, Vec<String>) {
    let all = [&[(ALL, "http://127.0.0.1:4317")], variables].concat();
    let (plan, notes) = with(None, &all);
    (plan.unwrap().unwrap(), notes)
}

fn file(endpoint: &str, protocol: Protocol) -> Otlp {
    Otlp { protocol: Some(protocol), ..Otlp::new(endpoint) }
}

const ALL: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const OWN: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
const INSECURE: &str = "OTEL_EXPORTER_OTLP_INSECURE";

#[track_caller]
fn check_off(file: Option<Otlp>, variables: &[(&str, &str)], notes: usize) {
    let (plan, noted) = with(file, variables);
    assert_eq!(plan.unwrap(), None);
    assert_eq!(noted.len(), notes, "{noted:?}");
}

#[test]
fn tracing_is_on_where_it_is_asked_for() {
    let in_file = || Some(Otlp::new("http://127.0.0.1:4317"));
    check_off(None, &[], 0);
    check_off(None, &[(ALL, "")], 0);
    check_off(None, &[(ALL, "http://b:2"), ("OTEL_SDK_DISABLED", "true")], 0);
    check_off(None, &[(ALL, "http://b:2"), ("OTEL_TRACES_EXPORTER", "None")], 0);
    check_off(in_file(), &[("OTEL_SDK_DISABLED", "TRUE")], 1);
    assert_eq!(plan(&[("OTEL_SDK_DISABLED", "false")]).1.len(), 0);
    assert_eq!(plan(&[("OTEL_SDK_DISABLED", "yes")]).1.len(), 1);
    assert_eq!(plan(&[("OTEL_TRACES_EXPORTER", "console, otlp")]).1.len(), 1);
    let (plan, notes) = with(in_file(), &[("OTEL_TRACES_EXPORTER", "none")]);
    assert!(plan.unwrap().is_some(), "the file names a collector");
    assert_eq!(notes.len(), 1, "{notes:?}");
}

#[track_caller]
fn check_endpoint(
    otlp: Option<Otlp>,
    variables: &[(&str, &str)],
    endpoint: &str,
    protocol: Protocol,
) {
    let (plan, notes) = with(otlp, variables);
    let collector = plan.unwrap().unwrap().collector;
    assert_eq!((&*collector.endpoint.full(), collector.protocol), (endpoint, protocol));
    assert_eq!(notes, Vec::<String>::new());
}

// A file that was written for this gateway wins over a variable that is there for all.
#[test]
fn endpoint_and_protocol_come_from_the_file_then_the_environment() {
    use Protocol::{Grpc, HttpJson, HttpProtobuf};
    let check = check_endpoint;
    let only = || Some(Otlp::new("http://a:1"));

    check(only(), &[], "http://a:1", Grpc);
    check(Some(file("http://a:1/", HttpProtobuf)), &[], "http://a:1/v1/traces", HttpProtobuf);
    let whole = "http://a:1/x/v1/traces";
    check(Some(file(whole, HttpProtobuf)), &[], whole, HttpProtobuf);
    check(only(), &[(ALL, "http://b:2"), (OWN, "http://c:3")], "http://a:1", Grpc);
    check(only(), &[(PROTOCOL, "http/protobuf")], "http://a:1/v1/traces", HttpProtobuf);
    check(Some(file("http://a:1", Grpc)), &[(PROTOCOL, "http/protobuf")], "http://a:1", Grpc);

    check(None, &[(ALL, "http://b:2/base")], "http://b:2/base/v1/traces", HttpProtobuf);
    check(None, &[(ALL, "http://b:2"), (OWN, "http://c:3/here")], "http://c:3/here", HttpProtobuf);
    check(None, &[(ALL, "http://b:4317")], "http://b:4317", Grpc);
    check(None, &[(ALL, "https://b:4317")], "https://b:4317", Grpc);
    check(None, &[(ALL, "https://b")], "https://b/v1/traces", HttpProtobuf);
    let json = [(ALL, "http://b:2"), (PROTOCOL, "HTTP/JSON")];
    check(None, &json, "http://b:2/v1/traces", HttpJson);
    let asked = [("OTEL_TRACES_EXPORTER", "otlp")];
    check(None, &asked, "http://127.0.0.1:4318/v1/traces", HttpProtobuf);
    let signal = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "GRPC");
    check(None, &[(PROTOCOL, "http/protobuf"), signal, (ALL, "http://b:2")], "http://b:2", Grpc);
    check(None, &[(ALL, "HTTPS://b:4317")], "https://b:4317", Grpc);
    check(None, &[(ALL, "http://b:2/x?key=k")], "http://b:2/x/v1/traces?key=k", HttpProtobuf);
}

#[test]
fn over_grpc_an_address_without_a_scheme_means_tls_unless_said_otherwise() {
    let of = |variables| {
        let (plan, notes) = with(None, variables);
        (plan.unwrap().unwrap().collector.endpoint.full(), notes.len())
    };
    assert_eq!(of(&[(ALL, "b:4317")]), ("https://b:4317".to_owned(), 1), "and it is told");
    assert_eq!(of(&[(ALL, "b:4317"), (INSECURE, "true")]), ("http://b:4317".to_owned(), 0));
    assert_eq!(of(&[(ALL, "https://b:4317"), (INSECURE, "true")]).0, "https://b:4317");
    assert_eq!(of(&[(ALL, "b:1"), (PROTOCOL, "grpc")]), ("https://b:1".to_owned(), 1));
}

#[track_caller]
fn check_refused(variables: &[(&str, &str)], message: &str) {
    assert_eq!(with(None, variables).0.unwrap_err().to_string(), message);
}

#[test]
fn what_would_lose_every_trace_is_an_error_with_a_remedy() {
    check_refused(
        &[(ALL, "collector:4318")],
        "`OTEL_EXPORTER_OTLP_ENDPOINT`: the address `collector:4318` has no scheme; write `http://` or `https://` before it",
    );
    check_refused(
        &[(OWN, "ftp://collector")],
        "`OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`: the address `ftp://collector` begins with neither `http://` nor `https://`",
    );
    check_refused(
        &[(ALL, "http://not a url")],
        "`OTEL_EXPORTER_OTLP_ENDPOINT`: the address `http://not a url` is not a URL; write one such as `http://127.0.0.1:4317`",
    );
    check_refused(
        &[(ALL, "collector:4318/otlp?api-key=secret")],
        "`OTEL_EXPORTER_OTLP_ENDPOINT`: the address `collector:4318/otlp` has no scheme; write `http://` or `https://` before it",
    );
    for address in ["http://me:secret@collector", "me:secret@collector:4317"] {
        check_refused(
            &[(ALL, address), (PROTOCOL, "grpc")],
            "`OTEL_EXPORTER_OTLP_ENDPOINT`: the address `***` has credentials in it; send them with `OTEL_EXPORTER_OTLP_HEADERS`",
        );
    }
}

#[track_caller]
fn check_note(variable: (&str, &str), note: &str) {
    assert_eq!(plan(&[variable]).1, [note]);
}

#[test]
fn what_cannot_be_taken_is_told_and_its_default_stands() {
    check_note(
        (PROTOCOL, "carrier-pigeon"),
        "`OTEL_EXPORTER_OTLP_PROTOCOL` is ignored: `carrier-pigeon` is neither `grpc`, `http/protobuf` nor `http/json`",
    );
    check_note(
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"),
        "`OTEL_EXPORTER_OTLP_COMPRESSION` is ignored: `zstd` is neither `gzip` nor `none`",
    );
    check_note(
        ("OTEL_RESOURCE_ATTRIBUTES", "team"),
        "`OTEL_RESOURCE_ATTRIBUTES` is ignored: it is no list of `key=value` with commas between, and `%2C` for a comma in a value",
    );
    check_note(
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/key.pem"),
        "`OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE` and `OTEL_EXPORTER_OTLP_CLIENT_KEY` mean something together only: the one that is set is ignored",
    );
}

// A mistake in the variable of the signal hid the one of all signals.
#[test]
fn what_cannot_be_read_hides_nothing_that_can() {
    let (plan, notes) = plan(&[
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "pigeon"),
        (PROTOCOL, "http/json"),
        ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "zstd"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "5s"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "1500"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "-1"),
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "8"),
    ]);
    assert_eq!((plan.collector.protocol, plan.collector.gzip), (Protocol::HttpJson, true));
    assert_eq!((plan.timeout, plan.limits.attributes), (Some(Duration::from_millis(1500)), 8));
    assert_eq!(notes.len(), 4, "{notes:?}");
}

// An empty variable of the signal, or one without a header in it, left out all headers in silence.
#[test]
fn headers_come_from_the_first_variable_that_has_any() {
    const OWN: &str = "OTEL_EXPORTER_OTLP_TRACES_HEADERS";
    const ALL: &str = "OTEL_EXPORTER_OTLP_HEADERS";
    let check = |own: &str, expected: &[(&str, &str)]| {
        let (plan, _) = plan(&[(OWN, own), (ALL, "authorization=Bearer%20x,a=100%,b=")]);
        let headers = plan.collector.headers;
        let sent: Vec<_> =
            headers.iter().map(|(key, it)| (key.as_str(), it.to_str().unwrap())).collect();
        assert_eq!(sent, expected, "{own}");
        assert!(!format!("{headers:?}").contains("Bearer"), "{headers:?}");
    };
    for own in ["", " ", ",", "x"] {
        check(own, &[("authorization", "Bearer x"), ("a", "100%")]);
    }
    check("X-Tenant = go , y = 1", &[("x-tenant", "go"), ("y", "1")]);
}

// The collector answered 401, and nobody knew why.
#[test]
fn headers_that_cannot_be_read_are_told_without_what_may_be_secret_in_them() {
    const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
    let check = |value: &str, place: &str, why: &str| {
        let (_, notes) = plan(&[(HEADERS, value)]);
        let [note] = &notes[..] else { panic!("{notes:?}") };
        assert!(note.contains(place) && note.contains(why), "{note}");
        assert!(!note.contains("s3cret"), "{note}");
    };
    check("a=1,s3cret", "part 2", "no `key=value`");
    check("s3cret s3cret=1", "part 1", "not the name of a header");
    check("authorization=s3cret%0A", "`authorization`", "no header can have it");
    check("authorization=", "`authorization`", "is empty");
    assert_eq!(plan(&[(HEADERS, " a = Basic%20x , b=y,")]).1, Vec::<String>::new());
}

#[track_caller]
fn check_sampling(variables: &[(&str, &str)], follow_parent: bool, share: f64, notes: usize) {
    let (plan, noted) = plan(variables);
    assert_eq!(plan.sampling, Sampling { follow_parent, share });
    assert_eq!(noted.len(), notes, "{noted:?}");
}

#[test]
fn the_sampler_comes_from_the_file_then_the_environment() {
    const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
    const SHARE: &str = "OTEL_TRACES_SAMPLER_ARG";
    check_sampling(&[], true, 1.0, 0);
    check_sampling(&[(SAMPLER, "always_on")], false, 1.0, 0);
    check_sampling(&[(SAMPLER, "always_off")], false, 0.0, 0);
    check_sampling(&[(SAMPLER, "traceidratio"), (SHARE, "0.5")], false, 0.5, 0);
    check_sampling(&[(SAMPLER, "parentbased_always_on")], true, 1.0, 0);
    check_sampling(&[(SAMPLER, "parentbased_always_off")], true, 0.0, 0);
    check_sampling(&[(SAMPLER, "parentbased_traceidratio"), (SHARE, "0.5")], true, 0.5, 0);
    check_sampling(&[(SAMPLER, "parentbased_traceidratio")], true, 1.0, 0);
    check_sampling(&[(SAMPLER, "parentbased_traceidratio"), (SHARE, "2")], true, 1.0, 1);
    check_sampling(&[(SAMPLER, "traceidratio"), (SHARE, "half")], false, 1.0, 1);
    check_sampling(&[(SAMPLER, "jaeger_remote")], true, 1.0, 1);
    let quarter = Otlp { sample: Some(0.25), ..Otlp::new("http://a:1") };
    let (plan, _) = with(Some(quarter), &[(SAMPLER, "always_off")]);
    let expected = Sampling { follow_parent: true, share: 0.25 };
    assert_eq!(plan.unwrap().unwrap().sampling, expected, "the file wins");
}

#[test]
fn batching_is_tuned_in_the_environment() {
    let (plan, notes) = plan(&[
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
    assert_eq!(batching.export_timeout, Some(Duration::from_secs(30)));
    assert_eq!(plan.timeout, Some(Duration::from_millis(1500)));
    let ignored = "`OTEL_BSP_EXPORT_TIMEOUT` is ignored: `0.5s` is not a number it can take";
    assert!(notes.len() == 2 && notes[1] == ignored, "{notes:?}");
}

// As the specification has it.
#[test]
fn a_timeout_of_zero_is_none_and_a_pause_of_zero_is_short() {
    let (plan, notes) = plan(&[
        ("OTEL_BSP_EXPORT_TIMEOUT", "0"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "0"),
        ("OTEL_BSP_SCHEDULE_DELAY", "0"),
    ]);
    assert_eq!((plan.batching.export_timeout, plan.timeout), (None, None));
    assert_eq!(plan.batching.every, Duration::from_millis(1), "not a loop without end");
    assert_eq!(notes, Vec::<String>::new());
}

#[test]
fn a_spans_texts_are_short_unless_said_otherwise() {
    let limits = |variables| plan(variables).0.limits;
    assert_eq!(limits(&[]), Limits { text: 256, attributes: 128, links: 128 });
    let all = [
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "9"),
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "8"),
        ("OTEL_SPAN_LINK_COUNT_LIMIT", "7"),
    ];
    assert_eq!(limits(&all), Limits { text: 9, attributes: 8, links: 7 });
    let of_spans = ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "6");
    assert_eq!(limits(&[all[0], of_spans]).text, 6);
}

#[test]
fn only_trace_context_is_propagated() {
    assert!(plan(&[]).0.propagate);
    assert!(plan(&[("OTEL_PROPAGATORS", "baggage, tracecontext")]).0.propagate);
    assert!(!plan(&[("OTEL_PROPAGATORS", "none")]).0.propagate);
    let (b3, notes) = plan(&[("OTEL_PROPAGATORS", "b3")]);
    assert!(!b3.propagate && notes.len() == 1);
}

proptest! {
    #[test]
    fn no_environment_breaks_the_plan(value in ".{0,40}") {
        for name in ["OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG", "OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_PROPAGATORS",
            "OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_TRACES_EXPORTER", "OTEL_SDK_DISABLED", "OTEL_RESOURCE_ATTRIBUTES",
            "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_PROTOCOL"]
        {
            let (plan, _) = with(Some(Otlp::new("http://127.0.0.1:4317")), &[(name, &value)]);
            if let Some(plan) = plan.unwrap() {
                prop_assert!((0.0..=1.0).contains(&plan.sampling.share));
                prop_assert!(plan.batching.most <= plan.batching.queue);
            }
        }
    }

    #[test]
    fn no_address_breaks_the_plan(value in ".{0,40}") {
        for protocol in ["grpc", "http/json"] {
            if let (Ok(Some(plan)), _) = with(None, &[(ALL, &value), (PROTOCOL, protocol)]) {
                let endpoint = plan.collector.endpoint.full();
                prop_assert!(endpoint.starts_with("http://") || endpoint.starts_with("https://"));
            }
        }
    }
}
