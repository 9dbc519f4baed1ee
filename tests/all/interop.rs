//! A real OpenTelemetry Collector has what the gateway says it has sent. `cargo xtask interop otelcol` builds one and runs this.

use crate::metrics::{
    exported::{compare, values},
    quiet, scrape,
};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant, SystemTime},
};
use support::{
    client::Client,
    gateway, guests,
    openmetrics::Exposition,
    otlp::{Point, Span, points_of_json, spans_of_json},
};
use tengen_settings::{Grants, Otlp, Pattern, Protocol, Settings};
use tokio::time;

/// The program, where `cargo xtask interop otelcol` put it.
const PROGRAM: &str = "TENGEN_OTELCOL";
const CLIENTS: u64 = 5;
const EVENTS_EACH: u64 = 200;
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
             exporters: {{ file/traces: {{ path: \"{}\" }}, file/metrics: {{ path: \"{}\" }} }}\n\
             service:\n  telemetry: {{ metrics: {{ level: none }} }}\n  pipelines:\n    \
             traces: {{ receivers: [otlp], exporters: [file/traces] }}\n    \
             metrics: {{ receivers: [otlp], exporters: [file/metrics] }}\n",
            at("traces.json"),
            at("metrics.json"),
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
        let (traces, metrics) = (read("traces.json")?, read("metrics.json")?);
        let mut spans = Vec::new();
        for line in traces.lines() {
            spans.extend(spans_of_json(line)?);
        }
        let exports = metrics.lines().map(points_of_json).collect::<Result<Vec<_>>>()?;
        Ok(Written { spans, exports })
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

async fn check(program: &Path, protocol: Protocol) -> Result<()> {
    let collector = Collector::start(program).await?;
    let gateway = gateway::start(settings(collector.endpoint(protocol), protocol)?).await?;
    for _ in 0..CLIENTS {
        talk(gateway.address()).await?;
    }
    let (exposition, scraped) = settled(&gateway).await?;
    gateway.drain().await;
    let Written { spans, exports } = collector.stop().await?;

    let events = CLIENTS * EVENTS_EACH;
    let expected = [
        ("GET /ws", CLIENTS),
        ("call relay.handle", events),
        ("process relay/join", events),
        ("send relay/join", events),
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
