//! A real OpenTelemetry Collector has what the gateway says it has sent. `cargo xtask interop otelcol` builds one and runs this.

use crate::{
    metrics::{
        exported::{compare, values},
        quiet, scrape,
    },
    sinks::listen,
};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpListener, TcpStream},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant, SystemTime},
};
use support::{
    client::Client,
    gateway, guests,
    openmetrics::Exposition,
    otlp::{Point, Record, Span, points_of_json, records_of_json, spans_of_json},
};
use tengen_settings::{Grants, Otlp, Pattern, Protocol, Settings, Sink, SinkKind};
use tokio::time;

/// The program, where `cargo xtask interop otelcol` put it.
const PROGRAM: &str = "TENGEN_OTELCOL";
const CLIENTS: u64 = 5;
const EVENTS_EACH: u64 = 200;
const SIGNALS: u64 = 1000;
/// Where these are said.
const NAMESPACE: &str = "otlp_test::interop";
/// Numbers that JSON cannot write, as its mapping of protobuf has them, from the first signals on.
const ODD: [(f64, &str); 3] =
    [(f64::NAN, "NaN"), (f64::INFINITY, "Infinity"), (f64::NEG_INFINITY, "-Infinity")];
const READY_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A collector that writes what it takes as lines of JSON.
struct Collector {
    process: Child,
    folder: tempfile::TempDir,
    grpc: SocketAddr,
    http: SocketAddr,
}

impl Collector {
    async fn start(program: &Path) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (grpc, http) = (free()?, free()?);
        let at = |name: &str| folder.path().join(name).display().to_string();
        let config = format!(
            "receivers: {{ otlp: {{ protocols: {{ grpc: {{ endpoint: \"{grpc}\" }}, http: {{ endpoint: \"{http}\" }} }} }} }}\n\
             exporters: {{ file/traces: {{ path: \"{}\" }}, file/metrics: {{ path: \"{}\" }}, file/logs: {{ path: \"{}\" }} }}\n\
             service:\n  telemetry: {{ metrics: {{ level: none }} }}\n  pipelines:\n    \
             traces: {{ receivers: [otlp], exporters: [file/traces] }}\n    \
             metrics: {{ receivers: [otlp], exporters: [file/metrics] }}\n    \
             logs: {{ receivers: [otlp], exporters: [file/logs] }}\n",
            at("traces.json"),
            at("metrics.json"),
            at("logs.json"),
        );
        let file = folder.path().join("collector.yaml");
        std::fs::write(&file, config)?;
        let mut command = Command::new(program);
        command.arg("--config").arg(&file).stdin(Stdio::null()).stdout(Stdio::null());
        let process = command.spawn().with_context(|| format!("cannot start {program:?}"))?;
        let mut collector = Self { process, folder, grpc, http };
        collector.until_it_listens().await?;
        Ok(collector)
    }

    async fn until_it_listens(&mut self) -> Result<()> {
        let began = Instant::now();
        while TcpStream::connect(self.grpc).and(TcpStream::connect(self.http)).is_err() {
            if let Some(status) = self.process.try_wait()? {
                bail!("the collector ended: {status}");
            }
            ensure!(began.elapsed() < READY_WITHIN, "the collector does not listen");
            time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    fn endpoint(&self, protocol: Protocol) -> String {
        let address = if protocol == Protocol::Grpc { self.grpc } else { self.http };
        format!("http://{address}")
    }

    /// Ends it gently, so that it writes all it has.
    async fn stop(mut self) -> Result<Written> {
        let kill = Command::new("kill").arg(self.process.id().to_string()).status()?;
        ensure!(kill.success(), "it cannot be told to end");
        let began = Instant::now();
        while self.process.try_wait()?.is_none() {
            ensure!(began.elapsed() < READY_WITHIN, "the collector does not end");
            time::sleep(LOOK_EVERY).await;
        }
        let read = |name: &str| std::fs::read_to_string(self.folder.path().join(name));
        let (traces, metrics, logs) =
            (read("traces.json")?, read("metrics.json")?, read("logs.json")?);
        let mut spans = Vec::new();
        for line in traces.lines() {
            spans.extend(spans_of_json(line)?);
        }
        let exports = metrics.lines().map(points_of_json).collect::<Result<Vec<_>>>()?;
        let (mut records, mut odd) = (Vec::new(), Vec::new());
        for line in logs.lines() {
            let mut line: Value = serde_json::from_str(line)?;
            take_odd(&mut line, &mut odd);
            records.extend(records_of_json(&line.to_string())?);
        }
        Ok(Written { spans, exports, records, odd })
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// What a collector wrote; metrics by export.
struct Written {
    spans: Vec<Span>,
    exports: Vec<Vec<Point>>,
    records: Vec<Record>,
    /// Numbers in the records that are written as texts.
    odd: Vec<String>,
}

/// Takes numbers that are written as texts out of it; what reads the rest knows none such.
fn take_odd(json: &mut Value, odd: &mut Vec<String>) {
    match json {
        Value::Object(members) => {
            if let Some(text) = members.get("doubleValue").and_then(Value::as_str) {
                odd.push(text.to_owned());
                members.insert("doubleValue".into(), 0.0.into());
            }
            members.values_mut().for_each(|member| take_odd(member, odd));
        }
        Value::Array(members) => members.iter_mut().for_each(|member| take_odd(member, odd)),
        _ => {}
    }
}

/// So many, of which the first have numbers that are none or without end.
fn say_signals() {
    for number in 0..SIGNALS {
        let odd = usize::try_from(number).ok().and_then(|place| ODD.get(place));
        let share = odd.map_or(0.5, |(odd, _)| *odd);
        tracing::info!(target: NAMESPACE, number, share, "{number}");
    }
}

fn check_records(written: &Written, sink: &Value) -> Result<()> {
    let count = |key: &str| sink[key].as_u64().with_context(|| format!("no `{key}` in {sink}"));
    assert_eq!((count("accepted")?, count("processed")?), (SIGNALS, SIGNALS), "{sink}");
    let bodies: Vec<_> = written.records.iter().map(|record| record.body.clone()).collect();
    assert_eq!(bodies, (0..SIGNALS).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!(written.odd, ODD.map(|(_, text)| text));
    Ok(())
}

fn free() -> Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}

fn by_name(spans: &[Span]) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for span in spans {
        *counts.entry(span.name.clone()).or_default() += 1;
    }
    counts
}

fn settings(endpoint: String, protocol: Protocol) -> Result<Settings> {
    let mut settings = Settings::default();
    settings.telemetry.otlp = Some(Otlp {
        protocol: Some(protocol),
        metrics_every: Some(Duration::from_secs(1)),
        ..Otlp::new(endpoint)
    });
    let buffer = NonZeroUsize::new(4096).context("it is not zero")?;
    let mut logs = Sink { name: Some("interop".into()), buffer, ..Sink::new(SinkKind::Otlp) };
    logs.filter.namespaces.allow = vec![NAMESPACE.into()];
    settings.telemetry.sinks.push(logs);
    let mut relay = guests::plugin("handler_relay")?;
    relay.grant = Grants { publish: vec![Pattern("relay/*".into())], ..Grants::default() };
    gateway::route_everything(&mut settings, "relay", relay);
    Ok(settings)
}

async fn talk(gateway: SocketAddr) -> Result<()> {
    let mut client = Client::json(gateway, "/ws").await?;
    for _ in 0..EVENTS_EACH {
        client.ask("relay/join", Value::Null).await?;
    }
    client.close().await
}

/// Until two exports have been made after now; what `/metrics` says, and when it was asked.
async fn settled(gateway: &gateway::Running) -> Result<(Exposition, u64)> {
    quiet(gateway).await?;
    let exposition = scrape(gateway).await?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_nanos();
    let exports = || gateway.gateway.stats()["telemetry"]["metrics"]["exports"].as_u64();
    let enough = exports().context("metrics are sent")? + 2;
    let began = Instant::now();
    while exports() < Some(enough) {
        ensure!(began.elapsed() < READY_WITHIN, "no more exports: {}", gateway.gateway.stats());
        time::sleep(LOOK_EVERY).await;
    }
    Ok((exposition, u64::try_from(now)?))
}

/// Until all signals were delivered; the sink's account.
async fn delivered(gateway: &gateway::Running) -> Result<Value> {
    let began = Instant::now();
    loop {
        let sink = gateway.gateway.stats()["telemetry"]["sinks"]["interop"].clone();
        if sink["processed"] == SIGNALS {
            return Ok(sink);
        }
        ensure!(began.elapsed() < READY_WITHIN, "not all are delivered: {sink}");
        time::sleep(LOOK_EVERY).await;
    }
}

async fn check(program: &Path, protocol: Protocol) -> Result<()> {
    let collector = Collector::start(program).await?;
    listen();
    let gateway = gateway::start(settings(collector.endpoint(protocol), protocol)?).await?;
    for _ in 0..CLIENTS {
        talk(gateway.address()).await?;
    }
    say_signals();
    let sink = delivered(&gateway).await?;
    let (exposition, scraped) = settled(&gateway).await?;
    gateway.drain().await;
    let written = collector.stop().await?;
    check_records(&written, &sink)?;
    let Written { spans, exports, records, .. } = written;

    let events = CLIENTS * EVENTS_EACH;
    let expected = [
        ("GET /ws", CLIENTS),
        ("call relay.handle", events),
        ("process relay/join", events),
        ("send relay/join", events),
        ("wait relay", events),
    ];
    let expected = expected.map(|(name, count)| (name.to_owned(), count));
    assert_eq!(by_name(&spans), BTreeMap::from(expected), "spans by {protocol:?}");

    let after = exports.iter().find(|points| points.iter().any(|point| point.time > scraped));
    let points = after.context("an export after the scrape")?;
    for point in points {
        compare(point, &exposition)?;
    }
    assert_eq!(points.len(), values(&exposition), "values by {protocol:?}");
    let word = protocol.word();
    println!("{word}: {} spans as sent: {:?}", spans.len(), by_name(&spans));
    println!(
        "{word}: {} log records as sent, in order, {} numbers among them that JSON cannot write",
        records.len(),
        ODD.len()
    );
    println!("{word}: {} exports of metrics, {} values as scraped", exports.len(), points.len());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a collector: cargo xtask interop otelcol"]
async fn otelcol_has_what_was_sent() -> Result<()> {
    let program = std::env::var_os(PROGRAM).map(PathBuf::from);
    let program = program.with_context(|| format!("{PROGRAM} names no collector"))?;
    for protocol in Protocol::ALL {
        check(&program, protocol).await?;
    }
    Ok(())
}
