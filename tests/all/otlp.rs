//! The gateway's telemetry against a real OTLP receiver, over both protocols.

// Says to the lints that all of this is a test: what goes wrong here may panic.
#![cfg(test)]

mod logs;
mod metrics;
mod spill;

use std::time::{Duration, Instant};
use support::otlp::{Collector, Kind, Span, Value};
use tengen_core::trace::{self, Start, TraceContext, Tracer};
use tengen_settings::{self as settings, Otlp, Protocol};
use tengen_telemetry::{self as telemetry, Telemetry, stats::SpanStats};

const SECOND: Duration = Duration::from_secs(1);
const THREE_SPANS: &str = "otlp::three_spans_as_the_environment_wants_it";

fn telemetry(collector: &Collector, protocol: Protocol) -> Telemetry {
    let certificate = collector.authority();
    sending(Otlp { protocol: Some(protocol), certificate, ..Otlp::new(collector.endpoint()) })
}

fn sending(otlp: Otlp) -> Telemetry {
    let settings = settings::Telemetry {
        service_name: Some("gateway-under-test".into()),
        otlp: Some(otlp),
        ..settings::Telemetry::default()
    };
    telemetry::start(&settings, "node-1")
}

fn start(operation: &'static str, target: &'static str, kind: trace::Kind) -> Start<'static> {
    Start { operation, target, kind, parent: None, link: None, at: None }
}

fn spans_of(telemetry: &Telemetry) -> SpanStats {
    telemetry.stats().spans.unwrap()
}

fn make(tracer: &dyn Tracer, count: usize) {
    for _ in 0..count {
        drop(tracer.start(start("process", "chat/send", trace::Kind::Consumer)));
    }
}

#[track_caller]
fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    spans
        .iter()
        .find(|span| span.name == name)
        .unwrap_or_else(|| panic!("no `{name}` in {spans:?}"))
}

/// An upgrade with a parent from a peer, an event linked to it, and a call below the event that fails.
fn tell_a_story(tracer: &dyn Tracer) {
    let peer = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let peer = tracer.extract(peer, Some("vendor=x")).unwrap();
    let upgrade = Start { parent: Some(&peer), ..start("GET", "/ws", trace::Kind::Server) };
    let mut upgrade = tracer.start(upgrade);
    upgrade.set("http.response.status_code", 101_i64);
    let place = upgrade.context().cloned();
    drop(upgrade);

    let event =
        Start { link: place.as_ref(), ..start("process", "chat/send", trace::Kind::Consumer) };
    let mut event = tracer.start(event);
    event.set("messaging.system", "tengen");
    event.set("reply", true);
    event.set("authorization", "Bearer abc".to_owned());
    let call =
        Start { parent: event.context(), ..start("call", "chat.on-events", trace::Kind::Internal) };
    tracer.start(call).fail("trap");
}

async fn check_story(collector: Collector, protocol: Protocol) {
    let telemetry = telemetry(&collector, protocol);
    tell_a_story(&*telemetry.tracer());
    let spans = collector.wait_for(|spans| spans.len() == 3).await.unwrap();

    let upgrade = named(&spans, "GET /ws");
    assert_eq!(upgrade.kind, Kind::Server);
    assert_eq!(upgrade.trace_id, "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(upgrade.parent.as_deref(), Some("b7ad6b7169203331"));
    assert_eq!(upgrade.trace_state, "vendor=x");
    assert_eq!(upgrade.attributes["http.response.status_code"], Value::Integer(101));

    let event = named(&spans, "process chat/send");
    assert_eq!((event.kind, &event.parent), (Kind::Consumer, &None));
    assert_ne!(event.trace_id, upgrade.trace_id, "each event has a trace of its own");
    assert!(event.links_to(upgrade), "{:?}", event.links);
    assert_eq!(event.text("messaging.system"), Some("tengen"));
    assert_eq!(event.text("authorization"), Some("***"));
    assert_eq!(event.attributes["reply"], Value::Boolean(true));
    assert!(!event.failed);

    let call = named(&spans, "call chat.on-events");
    assert!(call.is_child_of(event));
    assert_eq!(
        (call.kind, call.failed, call.text("error.type")),
        (Kind::Internal, true, Some("trap"))
    );
    assert!(event.start <= call.start && call.start <= call.end && call.end <= event.end);

    let text = |text: &str| Some(Value::Text(text.into()));
    assert_eq!(call.resource.get("service.name").cloned(), text("gateway-under-test"));
    assert_eq!(call.resource.get("service.instance.id").cloned(), text("node-1"));
    assert_eq!(call.resource.get("telemetry.sdk.name").cloned(), text("opentelemetry"));

    let report = telemetry.shutdown(10 * SECOND).await;
    assert!(report.is_complete(), "{report}");
    let stats = spans_of(&telemetry);
    assert_eq!((stats.ended, stats.exported, stats.queued), (3, 3, 0), "{stats:?}");
}

#[tokio::test]
async fn spans_arrive_whole_over_grpc() {
    check_story(Collector::grpc().await.unwrap(), Protocol::Grpc).await;
}

#[tokio::test]
async fn spans_arrive_whole_over_http() {
    check_story(Collector::http().await.unwrap(), Protocol::HttpProtobuf).await;
}

#[tokio::test]
async fn spans_arrive_whole_over_http_as_json() {
    check_story(Collector::http().await.unwrap(), Protocol::HttpJson).await;
}

// An address with `https` ended the gateway.
#[tokio::test]
async fn spans_arrive_whole_over_tls() {
    check_story(Collector::grpc_tls().await.unwrap(), Protocol::Grpc).await;
    check_story(Collector::http_tls().await.unwrap(), Protocol::HttpProtobuf).await;
}

#[tokio::test]
async fn a_collector_for_whom_nobody_vouches_gets_nothing_and_it_is_told() {
    for (collector, protocol) in [
        (Collector::grpc_tls().await.unwrap(), Protocol::Grpc),
        (Collector::http_tls().await.unwrap(), Protocol::HttpProtobuf),
    ] {
        let otlp = Otlp { protocol: Some(protocol), ..Otlp::new(collector.endpoint()) };
        let telemetry = sending(otlp);
        make(&*telemetry.tracer(), 3);
        let report = telemetry.shutdown(10 * SECOND).await;
        // On a system that trusts nobody at all, the exporter does not even start.
        let untold = report.stats.no_spans.is_none() && report.last_error.is_none();
        assert!(!untold, "{report:?}");
        assert_eq!(report.spans_lost, if report.stats.spans.is_some() { 3 } else { 0 });
        assert!(collector.spans().is_empty());
    }
}

#[tokio::test]
async fn a_collector_that_refuses_twice_gets_everything_once() {
    for (collector, protocol) in [
        (Collector::grpc().await.unwrap(), Protocol::Grpc),
        (Collector::http().await.unwrap(), Protocol::HttpProtobuf),
    ] {
        collector.refuse(2);
        let telemetry = telemetry(&collector, protocol);
        make(&*telemetry.tracer(), 40);
        let report = telemetry.shutdown(10 * SECOND).await;
        assert!(report.is_complete(), "{report}");
        assert_eq!((collector.spans().len(), collector.requests()), (40, 3), "{protocol:?}");
    }
}

#[tokio::test]
async fn what_a_refusing_collector_costs_is_counted() {
    for (collector, protocol) in [
        (Collector::grpc().await.unwrap(), Protocol::Grpc),
        (Collector::http().await.unwrap(), Protocol::HttpProtobuf),
    ] {
        collector.refuse(u32::MAX);
        let telemetry = telemetry(&collector, protocol);
        make(&*telemetry.tracer(), 10);
        let report = telemetry.shutdown(10 * SECOND).await;
        assert_eq!(report.spans_lost, 10, "{report:?}");
        assert!(report.last_error.is_some(), "{report:?}");
        let stats = spans_of(&telemetry);
        assert_eq!(
            (stats.ended, stats.exported, stats.dropped.export_failed),
            (10, 0, 10),
            "{stats:?}"
        );
        assert!(collector.spans().is_empty());
    }
}

// All of them counted as exported.
#[tokio::test]
async fn spans_that_a_collector_refuses_are_counted_and_told() {
    for (collector, protocol) in [
        (Collector::grpc().await.unwrap(), Protocol::Grpc),
        (Collector::http().await.unwrap(), Protocol::HttpJson),
    ] {
        collector.reject_spans(3);
        let telemetry = telemetry(&collector, protocol);
        make(&*telemetry.tracer(), 10);
        telemetry.shutdown(10 * SECOND).await;
        let stats = spans_of(&telemetry);
        assert_eq!((stats.ended, stats.exported, stats.dropped.refused), (10, 7, 3), "{stats:?}");
        assert_eq!(stats.last_error.as_deref(), Some("too old"));
        assert_eq!(collector.spans().len(), 7);
    }
}

#[tokio::test]
async fn a_collector_that_takes_small_requests_gets_all_spans() {
    for (collector, protocol) in [
        (Collector::grpc().await.unwrap(), Protocol::Grpc),
        (Collector::http().await.unwrap(), Protocol::HttpProtobuf),
    ] {
        collector.limit(2 << 10);
        let telemetry = telemetry(&collector, protocol);
        make(&*telemetry.tracer(), 300);
        let report = telemetry.shutdown(10 * SECOND).await;
        assert!(report.is_complete(), "{report}");
        assert_eq!((collector.spans().len(), spans_of(&telemetry).exported), (300, 300));
    }
}

#[tokio::test]
async fn a_collector_that_is_not_there_costs_only_its_spans() {
    let collector = Collector::grpc().await.unwrap();
    let telemetry = telemetry(&collector, Protocol::Grpc);
    drop(collector);
    make(&*telemetry.tracer(), 10);
    let report = telemetry.shutdown(10 * SECOND).await;
    assert_eq!(
        (report.spans_lost, spans_of(&telemetry).dropped.export_failed),
        (10, 10),
        "{report:?}"
    );
}

async fn check_deadline(collector: Collector, protocol: Protocol) {
    collector.hang(true);
    let telemetry = telemetry(&collector, protocol);
    let tracer = telemetry.tracer();
    make(&*tracer, 10);
    collector.wait_for_requests(1).await.unwrap();
    make(&*tracer, 5);

    let begun = Instant::now();
    let report = telemetry.shutdown(SECOND / 2).await;
    let took = begun.elapsed();
    assert!(took >= SECOND / 2 && took < 2 * SECOND, "{took:?}");
    assert_eq!(report.spans_lost, 15, "{report:?}");
    let stats = spans_of(&telemetry);
    assert_eq!(
        (stats.ended, stats.dropped.shutdown, stats.in_flight, stats.queued),
        (15, 15, 0, 0)
    );

    make(&*tracer, 1);
    assert_eq!(spans_of(&telemetry).dropped.shutdown, 16, "what comes too late is counted, too");
}

#[tokio::test]
async fn the_deadline_holds_against_a_grpc_collector_that_hangs() {
    check_deadline(Collector::grpc().await.unwrap(), Protocol::Grpc).await;
}

#[tokio::test]
async fn the_deadline_holds_against_an_http_collector_that_hangs() {
    check_deadline(Collector::http().await.unwrap(), Protocol::HttpProtobuf).await;
}

#[tokio::test]
async fn a_slow_collector_never_slows_the_gateway_and_every_span_is_accounted_for() {
    const COUNT: usize = 100_000;
    let collector = Collector::grpc().await.unwrap();
    collector.hang(true);
    let telemetry = telemetry(&collector, Protocol::Grpc);
    let tracer = telemetry.tracer();
    make(&*tracer, 1);
    collector.wait_for_requests(1).await.unwrap();
    make(&*tracer, COUNT - 1);
    let stats = spans_of(&telemetry);
    assert_eq!(stats.ended, COUNT as u64);
    assert!(stats.dropped.queue_full > 0, "the queue is shorter than this: {stats:?}");

    collector.hang(false);
    let report = telemetry.shutdown(30 * SECOND).await;
    assert!(
        report.is_complete(),
        "what was dropped before the end is not lost by the end: {report}"
    );
    let stats = spans_of(&telemetry);
    assert_eq!(stats.exported + stats.dropped.queue_full, COUNT as u64, "{stats:?}");
    assert_eq!(collector.spans().len() as u64, stats.exported);
}

#[tokio::test]
async fn two_gateways_in_one_process_keep_their_spans_apart() {
    let (left, right) = (Collector::grpc().await.unwrap(), Collector::http().await.unwrap());
    let (ours, theirs) =
        (telemetry(&left, Protocol::Grpc), telemetry(&right, Protocol::HttpProtobuf));
    make(&*ours.tracer(), 2);
    make(&*theirs.tracer(), 3);
    ours.shutdown(10 * SECOND).await;
    theirs.shutdown(10 * SECOND).await;
    assert_eq!((left.spans().len(), right.spans().len()), (2, 3));
}

#[tokio::test]
async fn a_trace_that_its_sender_left_out_stays_left_out() {
    let collector = Collector::grpc().await.unwrap();
    let telemetry = telemetry(&collector, Protocol::Grpc);
    let tracer = telemetry.tracer();
    let peer = TraceContext { trace_id: 1, span_id: 2, sampled: false, state: None };
    let span =
        tracer.start(Start { parent: Some(&peer), ..start("GET", "/ws", trace::Kind::Server) });
    let ours = span.context().unwrap();
    assert_eq!((ours.trace_id, ours.sampled), (1, false));
    drop(span);
    make(&*tracer, 1);
    telemetry.shutdown(10 * SECOND).await;
    assert_eq!(collector.spans().len(), 1);
}

/// Three spans by a process whose settings say nothing of tracing; started by `check_environment`.
#[tokio::test]
#[ignore = "needs the environment that other tests give it"]
async fn three_spans_as_the_environment_wants_it() {
    let off = settings::Telemetry { level: "off".into(), ..settings::Telemetry::default() };
    assert!(telemetry::log::install(&off, telemetry::log::Format::Json).unwrap());
    assert!(
        !telemetry::log::install(&off, telemetry::log::Format::Json).unwrap(),
        "the first stays"
    );
    let telemetry = telemetry::init(&settings::Telemetry::default(), "node-1").unwrap();
    make(&*telemetry.tracer(), 3);
    let report = telemetry.shutdown(10 * SECOND).await;
    assert!(report.is_complete(), "{report}");
}

/// Runs a test that is ignored otherwise in a process of its own.
async fn run_in(test: &str, environment: &[(&str, &str)]) {
    let run = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored"])
        .envs(environment.iter().copied())
        .output();
    let output = tokio::time::timeout(60 * SECOND, run).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// A collector of each kind, and what the variables call its protocol.
async fn collectors() -> [(Collector, &'static str); 2] {
    [
        (Collector::grpc().await.unwrap(), "grpc"),
        (Collector::http().await.unwrap(), "http/protobuf"),
    ]
}

#[tokio::test]
async fn the_environment_alone_turns_tracing_on() {
    for (collector, protocol) in collectors().await {
        run_in(
            THREE_SPANS,
            &[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint()),
                ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
                ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=go,x-other=1"),
                ("OTEL_RESOURCE_ATTRIBUTES", "service.name=loses,deployment.environment.name=test"),
                ("OTEL_SERVICE_NAME", "wins"),
            ],
        )
        .await;
        let spans = collector.spans();
        assert_eq!(spans.len(), 3, "{protocol}");
        assert_eq!(collector.header("x-tenant").as_deref(), Some("go"));
        let resource = &spans[0].resource;
        assert_eq!(resource["service.name"], Value::Text("wins".into()));
        assert_eq!(resource["deployment.environment.name"], Value::Text("test".into()));
        assert_eq!(resource["service.instance.id"], Value::Text("node-1".into()));
    }
}

// Each of these lost the traces, or the gateway.
#[tokio::test]
async fn the_environment_is_read_as_its_specification_says() {
    for (collector, protocol) in [
        (Collector::grpc_tls().await.unwrap(), "grpc"),
        (Collector::http_tls().await.unwrap(), "http/json"),
    ] {
        let authority = collector.authority().unwrap();
        run_in(
            THREE_SPANS,
            &[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint()),
                ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
                ("OTEL_EXPORTER_OTLP_CERTIFICATE", authority.to_str().unwrap()),
                ("OTEL_EXPORTER_OTLP_TIMEOUT", "0"),
                ("OTEL_BSP_EXPORT_TIMEOUT", "0"),
                ("OTEL_BSP_SCHEDULE_DELAY", "0"),
                ("OTEL_RESOURCE_ATTRIBUTES", "team=north%20side"),
            ],
        )
        .await;
        let spans = collector.spans();
        assert_eq!(spans.len(), 3, "{protocol}");
        assert_eq!(spans[0].resource["team"], Value::Text("north side".into()));
    }
    let plain = Collector::grpc().await.unwrap();
    let address = plain.endpoint().strip_prefix("http://").unwrap();
    run_in(
        THREE_SPANS,
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", address),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_INSECURE", "true"),
        ],
    )
    .await;
    assert_eq!(plain.spans().len(), 3, "an address without a scheme");
}

// The exporter, which reads the variables itself, took an empty one for all there is.
#[tokio::test]
async fn an_empty_variable_of_the_signal_leaves_the_headers_of_all_signals() {
    for (collector, protocol) in collectors().await {
        run_in(
            THREE_SPANS,
            &[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint()),
                ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
                ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", ""),
                ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=go%20on,x-share=50%2541"),
            ],
        )
        .await;
        assert_eq!(collector.header("x-tenant").as_deref(), Some("go on"), "{protocol}");
        assert_eq!(collector.header("x-share").as_deref(), Some("50%41"), "{protocol}");
    }
}

#[tokio::test]
async fn the_environment_can_ask_for_compression_and_for_nothing() {
    let collector = Collector::grpc().await.unwrap();
    let endpoint = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", collector.endpoint());
    let protocol = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc");
    run_in(THREE_SPANS, &[endpoint, protocol, ("OTEL_SDK_DISABLED", "true")]).await;
    run_in(THREE_SPANS, &[endpoint, protocol, ("OTEL_TRACES_SAMPLER", "always_off")]).await;
    assert_eq!(collector.requests(), 0);
    run_in(THREE_SPANS, &[endpoint, protocol, ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")]).await;
    assert_eq!(collector.spans().len(), 3);
    assert_eq!(collector.header("grpc-encoding").as_deref(), Some("gzip"));
}

#[tokio::test]
async fn the_share_of_traces_that_are_recorded_changes_while_everything_runs() {
    let collector = Collector::grpc().await.unwrap();
    let telemetry = sending(Otlp { sample: Some(0.0), ..Otlp::new(collector.endpoint()) });
    let tracer = telemetry.tracer();
    make(&*tracer, 10);
    let wish = |share: &str| [("sample".to_owned(), share.to_owned())];
    let done = telemetry.order("traces", &wish("1")).await.unwrap();
    assert_eq!(done["sample"], 1.0);
    assert_eq!(telemetry.sinks()["traces"]["sample"], 1.0);
    make(&*tracer, 3);
    for wrong in ["2", "half", ""] {
        telemetry.order("traces", &wish(wrong)).await.unwrap_err();
    }
    telemetry.order("traces", &[]).await.unwrap_err();
    telemetry.resample(Some(0.0)).unwrap();
    make(&*tracer, 10);
    let report = telemetry.shutdown(10 * SECOND).await;
    assert!(report.is_complete(), "{report}");
    assert_eq!(collector.spans().len(), 3);
    let quiet = telemetry::start(&settings::Telemetry::default(), "node-1");
    assert_eq!(quiet.resample(Some(1.0)).unwrap_err(), "no traces are sent");
}
