//! Metrics on their way to a collector, whatever that does.

use super::{SECOND, make, run_in, sending, telemetry};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use support::otlp::{Collector, Point, Shape, Value};
use tengen_core::meter::{Histogram, Metric, Samples};
use tengen_settings::{self as settings, Otlp, Protocol};
use tengen_telemetry::{Telemetry, stats::MetricStats};

/// A count, a level, times, and what has labels; the count is how often it was read.
fn counted(reads: &AtomicU64) -> Samples {
    let mut samples = Samples::default();
    samples.add(Metric::ReceivedEvents, &[], reads.fetch_add(1, Ordering::SeqCst) + 1);
    samples.add(Metric::OpenConnections, &[], 3_u64);
    samples.add(Metric::RefusedUpgrades, &["origin", "403"], 7_u64);
    let times = Histogram::default();
    times.record(Duration::from_micros(30));
    samples.add(Metric::PluginCallTime, &["chat"], times.read());
    samples
}

fn export(telemetry: &Telemetry) {
    let reads = Arc::new(AtomicU64::new(0));
    telemetry.export_metrics(move || Some(counted(&reads)));
}

fn exporting(collector: &Collector, protocol: Protocol) -> Telemetry {
    let telemetry = telemetry(collector, protocol);
    export(&telemetry);
    telemetry
}

fn metrics_of(telemetry: &Telemetry) -> MetricStats {
    telemetry.stats().metrics.unwrap()
}

#[track_caller]
fn named<'a>(points: &'a [Point], name: &str) -> &'a Point {
    let found = points.iter().find(|point| point.name == name);
    found.unwrap_or_else(|| panic!("no `{name}` in {points:?}"))
}

async fn check_arrival(collector: Collector, protocol: Protocol) {
    let before = std::time::SystemTime::now();
    let telemetry = exporting(&collector, protocol);
    let report = telemetry.shutdown(10 * SECOND).await;
    assert!(report.is_complete(), "{report}");
    let points = collector.points();
    assert_eq!(points.len(), 4, "{protocol:?}: {points:?}");

    let events = named(&points, "messaging.client.consumed.messages");
    assert_eq!((events.shape, events.value, &*events.unit), (Shape::Counter, 1.0, "{message}"));
    assert!(events.has("messaging.system", "tengen"), "{events:?}");
    assert_eq!(events.description, Metric::ReceivedEvents.help());
    let before = before.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap().as_nanos();
    assert!(u128::from(events.start) >= before && events.time >= events.start, "{events:?}");

    let open = named(&points, "tengen.connection.active");
    assert_eq!((open.shape, open.value), (Shape::UpDownCounter, 3.0));
    let refused = named(&points, "tengen.connection.rejected");
    assert_eq!(refused.attributes["http.response.status_code"], Value::Integer(403));
    assert!(refused.has("error.type", "origin") && refused.value == 7.0, "{refused:?}");

    let calls = named(&points, "tengen.plugin.call.duration");
    assert_eq!((calls.shape, calls.value, &*calls.unit), (Shape::Histogram, 1.0, "s"));
    let ranges = calls.ranges.as_ref().unwrap();
    assert_eq!((ranges.bounds[1], ranges.bounds[2]), (0.000_025, 0.000_05));
    assert_eq!((ranges.counts[2], ranges.counts.len(), ranges.sum), (1, 20, 0.000_03));

    for (key, value) in [
        ("service.name", "gateway-under-test"),
        ("service.instance.id", "node-1"),
        ("telemetry.sdk.name", "opentelemetry"),
    ] {
        assert_eq!(calls.resource.get(key), Some(&Value::Text(value.into())), "{key}");
    }
    let stats = metrics_of(&telemetry);
    assert_eq!((stats.exports, stats.failed, stats.points, stats.rejected), (1, 0, 4, 0));
}

#[tokio::test]
async fn metrics_arrive_whole_over_each_protocol() {
    check_arrival(Collector::grpc().await.unwrap(), Protocol::Grpc).await;
    check_arrival(Collector::http().await.unwrap(), Protocol::HttpProtobuf).await;
    check_arrival(Collector::http().await.unwrap(), Protocol::HttpJson).await;
}

#[tokio::test]
async fn metrics_arrive_whole_over_tls() {
    check_arrival(Collector::grpc_tls().await.unwrap(), Protocol::Grpc).await;
    check_arrival(Collector::http_tls().await.unwrap(), Protocol::HttpProtobuf).await;
}

#[tokio::test]
async fn metrics_come_again_and_again_and_each_time_say_how_much_there_has_been() {
    let collector = Collector::grpc().await.unwrap();
    let telemetry =
        sending(Otlp { metrics_every: Some(SECOND), ..Otlp::new(collector.endpoint()) });
    export(&telemetry);
    let events = "messaging.client.consumed.messages";
    let twice = |points: &[Point]| !points.is_empty() && named(points, events).value >= 2.0;
    let points = collector.wait_for_points(twice).await.unwrap();
    let point = named(&points, events);
    assert!(point.time > point.start + 1_000_000_000, "{point:?}");
    telemetry.shutdown(10 * SECOND).await;
    let last = named(&collector.points(), events).value;
    assert_eq!(collector.metric_requests() as f64, last, "each was read once and sent once");
}

#[tokio::test]
async fn a_collector_that_refuses_twice_gets_the_metrics_all_the_same() {
    for (collector, protocol) in [
        (Collector::grpc().await.unwrap(), Protocol::Grpc),
        (Collector::http().await.unwrap(), Protocol::HttpProtobuf),
    ] {
        collector.refuse(2);
        let telemetry = exporting(&collector, protocol);
        let report = telemetry.shutdown(10 * SECOND).await;
        assert!(report.is_complete(), "{report}");
        assert_eq!((collector.points().len(), collector.metric_requests()), (4, 3), "{protocol:?}");
    }
}

#[tokio::test]
async fn a_collector_that_is_not_there_is_told_and_counted() {
    for protocol in [Protocol::Grpc, Protocol::HttpJson] {
        let collector = Collector::grpc().await.unwrap();
        let telemetry = exporting(&collector, protocol);
        drop(collector);
        let report = telemetry.shutdown(10 * SECOND).await;
        let why = report.metrics_lost.as_deref().unwrap_or_default();
        assert!(!why.is_empty() && !report.is_complete(), "{report:?}");
        let stats = metrics_of(&telemetry);
        assert_eq!((stats.exports, stats.failed, stats.points), (0, 1, 0), "{stats:?}");
    }
}

#[tokio::test]
async fn the_deadline_holds_for_spans_and_metrics_together() {
    for (collector, protocol) in [
        (Collector::grpc().await.unwrap(), Protocol::Grpc),
        (Collector::http().await.unwrap(), Protocol::HttpProtobuf),
    ] {
        collector.hang(true);
        let telemetry = exporting(&collector, protocol);
        make(&*telemetry.tracer(), 5);
        let begun = Instant::now();
        let report = telemetry.shutdown(SECOND / 2).await;
        let took = begun.elapsed();
        assert!(took >= SECOND / 2 && took < SECOND, "one after the other: {took:?}");
        assert_eq!(report.spans_lost, 5, "{report:?}");
        assert_eq!(report.metrics_lost.as_deref(), Some("the gateway ended first"));
        assert_eq!(metrics_of(&telemetry).failed, 1);
    }
}

#[tokio::test]
async fn values_that_a_collector_refuses_are_counted() {
    for (collector, protocol) in [
        (Collector::grpc().await.unwrap(), Protocol::Grpc),
        (Collector::http().await.unwrap(), Protocol::HttpJson),
    ] {
        collector.reject(3);
        let telemetry = exporting(&collector, protocol);
        telemetry.shutdown(10 * SECOND).await;
        let stats = metrics_of(&telemetry);
        assert_eq!((stats.exports, stats.points, stats.rejected), (1, 1, 3), "{stats:?}");
        assert_eq!(stats.last_error.as_deref(), Some("3 points were refused: too old"));
    }
}

#[tokio::test]
async fn whoever_wants_no_metrics_there_gets_none() {
    let collector = Collector::grpc().await.unwrap();
    let telemetry = sending(Otlp { metrics: Some(false), ..Otlp::new(collector.endpoint()) });
    export(&telemetry);
    make(&*telemetry.tracer(), 1);
    let report = telemetry.shutdown(10 * SECOND).await;
    assert!(report.is_complete(), "{report}");
    assert_eq!((collector.spans().len(), collector.metric_requests()), (1, 0));
    assert_eq!((report.stats.metrics, report.stats.no_metrics), (None, None));
}

#[tokio::test]
async fn an_authority_that_is_not_there_is_an_error_that_says_so() {
    let collector = Collector::grpc_tls().await.unwrap();
    let certificate = Some("/nowhere/ca.pem".into());
    let telemetry = sending(Otlp { certificate, ..Otlp::new(collector.endpoint()) });
    export(&telemetry);
    let report = telemetry.shutdown(10 * SECOND).await;
    let why = report.stats.no_metrics.unwrap_or_default();
    assert!(why.contains("/nowhere/ca.pem"), "{why}");
}

/// By a process whose settings say nothing of metrics; started by `as_the_environment_wants_it`.
#[tokio::test]
#[ignore = "needs the environment that other tests give it"]
async fn metrics_once_as_the_environment_wants_it() {
    let telemetry = telemetry::start(&settings::Telemetry::default(), "node-1");
    export(&telemetry);
    let report = telemetry.shutdown(10 * SECOND).await;
    assert!(report.is_complete(), "{report}");
}

#[tokio::test]
async fn the_environment_alone_turns_metrics_on_packed_and_with_headers() {
    for (collector, protocol, packed) in [
        (Collector::grpc().await.unwrap(), "grpc", "grpc-encoding"),
        (Collector::http().await.unwrap(), "http/protobuf", "content-encoding"),
        (Collector::http().await.unwrap(), "http/json", "content-encoding"),
    ] {
        let test = "otlp::metrics::metrics_once_as_the_environment_wants_it";
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint());
        run_in(
            test,
            &[
                endpoint,
                ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
                ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=go%20on"),
                ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "gzip"),
            ],
        )
        .await;
        assert_eq!(collector.points().len(), 4, "{protocol}");
        assert_eq!(collector.header("x-tenant").as_deref(), Some("go on"), "{protocol}");
        assert_eq!(collector.header(packed).as_deref(), Some("gzip"), "{protocol}");
        run_in(test, &[endpoint, ("OTEL_METRICS_EXPORTER", "none")]).await;
        assert_eq!(collector.metric_requests(), 1, "{protocol}");
    }
}
