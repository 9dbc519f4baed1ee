//! Signals on their way to a collector as log records, whatever that does.
//!
//! All telemetry of this process has the same signals, so each test says things under a name of its own.

use super::{SECOND, named, run_in, sending, telemetry};
use crate::sinks::listen;
use serde_json::json;
use std::{num::NonZeroUsize, time::Instant};
use support::{
    client::Client,
    gateway, guests,
    otlp::{Collector, Record, Value},
};
use tengen_settings::{self as settings, Otlp, Protocol, Settings, Sink, SinkKind, Spill};
use tengen_telemetry::{Telemetry, stats::SinkStats};
use tokio::time::{interval, timeout};

/// Numbers, said under the name of a test.
macro_rules! say {
    ($target:literal, $numbers:expr) => {
        for number in $numbers {
            tracing::info!(target: concat!("otlp_test::", $target), number, "{number}");
        }
    };
}

/// A sink for what this namespace says.
fn sink(name: &str, namespace: String) -> Sink {
    listen();
    let mut sink = Sink { name: Some(name.to_owned()), ..Sink::new(SinkKind::Otlp) };
    sink.filter.namespaces.allow = vec![namespace];
    sink
}

/// Telemetry that sends what a test says to this collector.
fn listening(collector: &Collector, protocol: Protocol, name: &str) -> Telemetry {
    let telemetry = telemetry(collector, protocol);
    telemetry.open_sink(&sink(name, format!("otlp_test::{name}"))).unwrap();
    telemetry
}

/// The sink's account, which adds up.
fn account(telemetry: &Telemetry, name: &str) -> SinkStats {
    let stats = telemetry.stats().sinks.remove(name).unwrap();
    let rest = stats.processed + stats.queued + stats.in_flight + stats.spilled;
    assert_eq!(stats.accepted, rest + stats.dropped.total(), "{stats:#?}");
    stats
}

async fn until(telemetry: &Telemetry, name: &str, what: impl Fn(&SinkStats) -> bool) -> SinkStats {
    let mut look = interval(SECOND / 500);
    let waiting = async {
        loop {
            look.tick().await;
            let stats = account(telemetry, name);
            if what(&stats) {
                return stats;
            }
        }
    };
    let waited = timeout(60 * SECOND, waiting).await;
    waited.unwrap_or_else(|_| panic!("{:#?}", account(telemetry, name)))
}

fn bodies(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| record.body.clone()).collect()
}

fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

/// What a plugin says of an event, beside the spans of that event.
async fn check_event(collector: Collector, protocol: Protocol, name: &str) {
    let mut settings = Settings::default();
    settings.telemetry.otlp = Some(Otlp {
        protocol: Some(protocol),
        sample: Some(1.0),
        certificate: collector.authority(),
        ..Otlp::new(collector.endpoint())
    });
    settings.telemetry.service_name = Some("gateway-under-test".into());
    settings.telemetry.sinks.push(sink(name, format!("plugin.{name}")));
    gateway::route_everything(&mut settings, name, guests::plugin("handler_says").unwrap());
    let gateway = gateway::start(settings).await.unwrap();
    let mut client = Client::json(gateway.address(), "/ws").await.unwrap();
    client.ask("says/wrong", json!(1)).await.unwrap();
    client.ask("says/timed", json!(1)).await.unwrap();
    drop(client);
    gateway.drain().await;

    let (records, spans) = (collector.records(), collector.spans());
    let of = |id: &str| {
        let found = records.iter().find(|record| record.event_name == id);
        found.unwrap_or_else(|| panic!("no `{id}` in {records:#?}"))
    };
    assert_eq!(records.len(), 3, "{records:#?}");
    let (wrong, event) = (of("says/refused"), named(&spans, "process says/wrong"));
    assert_eq!((wrong.severity, &*wrong.severity_text), (17, "ERROR"));
    assert_eq!(wrong.body, "nobody comes in");
    assert_eq!((&wrong.trace_id, wrong.flags), (&event.trace_id, 1), "it was recorded");
    let is_of_trace = |span_id: &str| {
        spans.iter().any(|span| span.span_id == span_id && span.trace_id == event.trace_id)
    };
    assert!(is_of_trace(&wrong.span_id), "{wrong:?}");
    assert!(wrong.time >= event.start && wrong.observed == wrong.time, "{wrong:?} {event:?}");
    for (key, value) in [
        ("tengen.signal.namespace", format!("plugin.{name}")),
        ("tengen.signal.kind", "error".into()),
        ("tengen.plugin.name", name.into()),
        ("exception.message", "no seat".into()),
        ("data.room", "tea".into()),
    ] {
        assert_eq!(wrong.text(key), Some(&*value), "{key}");
    }
    assert_eq!(wrong.lists["tengen.error.causes"], ["the room is full"]);
    assert!(wrong.text("code.file.path").is_some_and(|file| file.contains("lib.rs")), "{wrong:?}");
    assert_eq!(wrong.text("tengen.connection.id"), event.text("tengen.connection.id"));

    let (step, work) = (of("says/step"), of("says/work"));
    assert_eq!((step.severity, step.text("tengen.signal.parent")), (9, Some("says/work")));
    assert_eq!(work.attributes["data.steps"], Value::Integer(1));
    assert!(matches!(work.attributes["tengen.signal.duration"], Value::Float(took) if took >= 0.0));
    assert_eq!(work.trace_id, named(&spans, "process says/timed").trace_id);
    for key in ["service.name", "service.instance.id", "service.version"] {
        assert_eq!(wrong.resource.get(key), event.resource.get(key), "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_plugin_says_of_an_event_arrives_with_its_trace_over_grpc() {
    check_event(Collector::grpc().await.unwrap(), Protocol::Grpc, "otlp-test-grpc").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_plugin_says_of_an_event_arrives_with_its_trace_over_http() {
    let protobuf = Collector::http().await.unwrap();
    check_event(protobuf, Protocol::HttpProtobuf, "otlp-test-http").await;
    check_event(Collector::http().await.unwrap(), Protocol::HttpJson, "otlp-test-json").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_plugin_says_of_an_event_arrives_over_tls() {
    let (grpc, http) = (Collector::grpc_tls().await.unwrap(), Collector::http_tls().await.unwrap());
    check_event(grpc, Protocol::Grpc, "otlp-test-tls").await;
    check_event(http, Protocol::HttpProtobuf, "otlp-test-https").await;
}

#[tokio::test]
async fn records_that_a_collector_refuses_are_counted_and_told() {
    let (grpc, http) = (Collector::grpc().await.unwrap(), Collector::http().await.unwrap());
    for (collector, protocol) in [(grpc, Protocol::Grpc), (http, Protocol::HttpJson)] {
        collector.reject_records(3);
        let telemetry = listening(&collector, protocol, "refused");
        say!("refused", 0..10);
        telemetry.shutdown(10 * SECOND).await;
        let stats = account(&telemetry, "refused");
        assert_eq!((stats.accepted, stats.processed, stats.dropped.refused), (10, 7, 3));
        assert!(stats.last_error.unwrap().ends_with("records were refused: too old"));
        // Beside them, a record may say what was lost before it.
        let mut numbered = collector.records();
        numbered.retain(|record| record.attributes.contains_key("data.number"));
        assert!(bodies(&numbered).ends_with(&numbers(3..10)), "{protocol:?}: {numbered:?}");
    }
}

// What was too large was lost as a whole.
#[tokio::test]
async fn a_collector_that_takes_small_requests_gets_all_and_what_is_too_large_alone_is_counted() {
    let (grpc, http) = (Collector::grpc().await.unwrap(), Collector::http().await.unwrap());
    for (collector, protocol) in [(grpc, Protocol::Grpc), (http, Protocol::HttpProtobuf)] {
        collector.limit(4 << 10);
        let telemetry = listening(&collector, protocol, "small");
        say!("small", 0..100);
        let large = "x".repeat(5 << 10);
        tracing::info!(target: "otlp_test::small", large, "large");
        say!("small", 100..200);
        telemetry.shutdown(10 * SECOND).await;
        let stats = account(&telemetry, "small");
        assert_eq!((stats.processed, stats.dropped.too_large), (200, 1), "{stats:#?}");
        // Beside them a record may say what was lost before it.
        let mut records = collector.records();
        records.retain(|record| record.attributes.contains_key("data.number"));
        assert_eq!(bodies(&records), numbers(0..200), "{protocol:?}");
    }
}

#[tokio::test]
async fn a_collector_that_takes_nothing_for_a_while_gets_all_of_it_in_order() {
    let (grpc, http) = (Collector::grpc().await.unwrap(), Collector::http().await.unwrap());
    for (collector, protocol) in [(grpc, Protocol::Grpc), (http, Protocol::HttpProtobuf)] {
        // As often as a batch of a plugin's sink is tried before it is given up.
        collector.refuse(5);
        let telemetry = listening(&collector, protocol, "later");
        say!("later", 0..50);
        let stats = until(&telemetry, "later", |stats| stats.breaker == "open").await;
        assert_eq!((stats.processed, stats.dropped.total()), (0, 0));
        assert!(stats.advice.is_some_and(|advice| advice.contains("mend it")));
        say!("later", 50..60);
        let stats = until(&telemetry, "later", |stats| stats.processed == 60).await;
        assert_eq!((stats.breaker, stats.dropped.total(), stats.retries), ("closed", 0, 5));
        assert_eq!(bodies(&collector.records()), numbers(0..60), "{protocol:?}");
        let report = telemetry.shutdown(10 * SECOND).await;
        assert!(report.is_complete(), "{report}");
    }
}

#[tokio::test]
async fn a_collector_that_comes_back_gets_what_waited_on_the_disk_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::grpc().await.unwrap();
    let address = collector.endpoint().strip_prefix("http://").unwrap().parse().unwrap();
    let telemetry = telemetry(&collector, Protocol::Grpc);
    // Nobody has been asked yet, so nothing of it stays.
    drop(collector);
    let small = Sink {
        buffer: NonZeroUsize::new(200).unwrap(),
        spill: Some(Spill::new(folder.path().join("spill"))),
        ..sink("away", "otlp_test::away".into())
    };
    telemetry.open_sink(&small).unwrap();
    say!("away", 0..1);
    until(&telemetry, "away", |stats| stats.errors > 0).await;
    say!("away", 1..300);
    let stats = until(&telemetry, "away", |stats| stats.spilled > 0).await;
    assert_eq!((stats.processed, stats.dropped.total()), (0, 0), "{stats:#?}");
    let collector = Collector::grpc_at(address).await.unwrap();
    let stats = until(&telemetry, "away", |stats| stats.processed == 300).await;
    assert_eq!((stats.spilled, stats.dropped.total()), (0, 0));
    assert_eq!(bodies(&collector.records()), numbers(0..300));
    let report = telemetry.shutdown(10 * SECOND).await;
    assert!(report.is_complete(), "{report}");
}

#[tokio::test]
async fn the_deadline_holds_for_logs_and_what_is_lost_is_told() {
    let (grpc, http) = (Collector::grpc().await.unwrap(), Collector::http().await.unwrap());
    for (collector, protocol) in [(grpc, Protocol::Grpc), (http, Protocol::HttpProtobuf)] {
        collector.hang(true);
        let telemetry = listening(&collector, protocol, "hangs");
        say!("hangs", 0..5);
        until(&telemetry, "hangs", |stats| stats.in_flight > 0).await;
        let begun = Instant::now();
        let report = telemetry.shutdown(SECOND / 2).await;
        assert!(begun.elapsed() < 2 * SECOND, "{:?}", begun.elapsed());
        assert_eq!(report.signals_lost["hangs"], 5, "{report}");
        assert_eq!(account(&telemetry, "hangs").dropped.shutdown, 5);
    }
}

#[tokio::test]
async fn what_waits_at_the_end_is_sent_within_the_deadline() {
    let collector = Collector::grpc().await.unwrap();
    let telemetry = listening(&collector, Protocol::Grpc, "end");
    say!("end", 0..1000);
    let report = telemetry.shutdown(10 * SECOND).await;
    assert!(report.is_complete(), "{report}");
    assert_eq!(bodies(&collector.records()), numbers(0..1000));
}

#[tokio::test]
async fn an_authority_that_is_not_there_ends_the_sink_with_the_reason() {
    let collector = Collector::grpc_tls().await.unwrap();
    let certificate = Some("/nowhere/ca.pem".into());
    let telemetry = sending(Otlp { certificate, ..Otlp::new(collector.endpoint()) });
    telemetry.open_sink(&sink("no-authority", "otlp_test::no_authority".into())).unwrap();
    say!("no_authority", 0..2);
    let stats = until(&telemetry, "no-authority", |stats| stats.gone).await;
    let advice = stats.advice.unwrap();
    assert!(advice.contains("/nowhere/ca.pem") && advice.contains("gave itself up"), "{advice}");
    telemetry.shutdown(10 * SECOND).await;
    assert_eq!(account(&telemetry, "no-authority").dropped.total(), 2, "nothing of it is silent");
}

/// By a process whose settings say nothing of a collector; started by the test below.
#[tokio::test]
#[ignore = "needs the environment that another test gives it"]
async fn logs_once_as_the_environment_wants_it() {
    let telemetry = telemetry::start(&settings::Telemetry::default(), "node-1");
    telemetry.open_sink(&sink("once", "otlp_test::once".into())).unwrap();
    say!("once", 0..3);
    let report = telemetry.shutdown(10 * SECOND).await;
    assert!(report.is_complete(), "{report}");
}

#[tokio::test]
async fn the_environment_says_where_logs_go_packed_and_with_headers() {
    for (collector, protocol, path, packed) in [
        (Collector::grpc().await.unwrap(), "grpc", "", "grpc-encoding"),
        (Collector::http().await.unwrap(), "http/protobuf", "/v1/logs", "content-encoding"),
        (Collector::http().await.unwrap(), "http/json", "/v1/logs", "content-encoding"),
    ] {
        let endpoint = format!("{}{path}", collector.endpoint());
        run_in(
            "otlp::logs::logs_once_as_the_environment_wants_it",
            &[
                ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", endpoint.as_str()),
                ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", protocol),
                ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "x-tenant=go%20on"),
                ("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "gzip"),
                ("OTEL_RESOURCE_ATTRIBUTES", "team=north"),
            ],
        )
        .await;
        let records = collector.records();
        assert_eq!(bodies(&records), numbers(0..3), "{protocol}");
        assert_eq!(records[0].attributes["data.number"], Value::Integer(0));
        assert_eq!(records[0].resource["team"], Value::Text("north".into()));
        assert_eq!(collector.header("x-tenant").as_deref(), Some("go on"), "{protocol}");
        assert_eq!(collector.header(packed).as_deref(), Some("gzip"), "{protocol}");
    }
}
