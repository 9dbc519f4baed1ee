//! What a collector gets is what a scraper gets: the same values under OpenTelemetry's names.

use super::{plugins, quiet, scrape};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::time::Duration;
use support::{
    client::Client,
    gateway,
    openmetrics::Exposition,
    otlp::{Collector, Point, Shape},
};
use tengen_core::meter::{Instrument, Metric};
use tengen_settings::{Otlp, Protocol};

/// What goes on while nothing happens: the time, and what telemetry itself does.
const MOVING: [Metric; 9] = [
    Metric::Uptime,
    Metric::EndedSpans,
    Metric::ExportedSpans,
    Metric::QueuedSpans,
    Metric::InFlightSpans,
    Metric::SpanMemory,
    Metric::MetricExports,
    Metric::ExportedPoints,
    Metric::LostLines,
];

fn metric(point: &Point) -> Result<Metric> {
    let its = |metric: &&Metric| metric.dotted() == point.name;
    let metric = Metric::ALL.iter().find(its);
    Ok(*metric.with_context(|| format!("`{}` is in no table", point.name))?)
}

/// The point's attributes as the labels of its metric; every attribute is one, or always there.
fn labels(metric: Metric, point: &Point) -> Result<Vec<(&'static str, String)>> {
    let mut labels = Vec::new();
    for label in metric.labels() {
        let attribute = metric.attribute(label);
        let value = point.attributes.get(&*attribute);
        let value = match value.with_context(|| format!("no `{attribute}`: {point:?}"))? {
            support::otlp::Value::Text(text) => text.clone(),
            support::otlp::Value::Integer(number) => number.to_string(),
            other => anyhow::bail!("{other:?}"),
        };
        labels.push((*label, value));
    }
    for (name, value) in metric.fixed_attributes() {
        ensure!(point.has(name, value), "no {name} = {value}: {point:?}");
    }
    let known = labels.len() + metric.fixed_attributes().len();
    ensure!(point.attributes.len() == known, "more than the table has: {point:?}");
    Ok(labels)
}

fn shape(metric: Metric) -> Shape {
    match metric.instrument() {
        Instrument::Counter => Shape::Counter,
        Instrument::UpDownCounter => Shape::UpDownCounter,
        Instrument::Gauge => Shape::Gauge,
        Instrument::Histogram => Shape::Histogram,
    }
}

/// A point against the scrape: what it is, its unit, its value, and of a histogram its ranges.
pub(crate) fn compare(point: &Point, exposition: &Exposition) -> Result<()> {
    let metric = metric(point)?;
    ensure!(point.shape == shape(metric) && point.unit == metric.ucum(), "{point:?}");
    ensure!(point.description == metric.help(), "{point:?}");
    let labels = labels(metric, point)?;
    if MOVING.contains(&metric) {
        return Ok(());
    }
    let labels: Vec<_> = labels.iter().map(|(label, value)| (*label, value.as_str())).collect();
    let name = metric.full_name();
    let Some(ranges) = &point.ranges else {
        let scraped = exposition.sum(&name, &labels);
        ensure!(scraped == point.value, "{name} {labels:?}: {scraped}, exported {}", point.value);
        return Ok(());
    };
    let of = |end: &str| exposition.sum(&format!("{name}_{end}"), &labels);
    ensure!(of("count") == point.value && of("sum") == ranges.sum, "{name}: {point:?}");
    let mut below = 0;
    for (end, count) in ranges.bounds.iter().zip(&ranges.counts) {
        below += count;
        let end = end.to_string();
        let end = if end.contains('.') { end } else { format!("{end}.0") };
        let labels: Vec<_> = labels.iter().copied().chain([("le", end.as_str())]).collect();
        let scraped = exposition.sum(&format!("{name}_bucket"), &labels);
        ensure!(scraped == below as f64, "{name} {labels:?}: {scraped}, exported {below}");
    }
    Ok(())
}

/// How many values a scrape has; a histogram is one.
pub(crate) fn values(exposition: &Exposition) -> usize {
    let counts = |end: &str| !matches!(end, "_bucket" | "_sum");
    let samples = exposition.0.iter().flat_map(|family| &family.samples);
    samples.filter(|sample| counts(&sample.end)).count()
}

async fn check(collector: Collector, protocol: Protocol) -> Result<()> {
    let mut settings = plugins()?;
    settings.telemetry.otlp = Some(Otlp {
        protocol: Some(protocol),
        metrics_every: Some(Duration::from_secs(1)),
        ..Otlp::new(collector.endpoint())
    });
    let gateway = gateway::start(settings).await?;
    let mut client = Client::json(gateway.address(), "/ws").await?;
    for event in ["beside/it", "hostile/trap", "wants/to-know", "nobodys/own"] {
        client.ask(event, json!(1)).await?;
    }
    client.send("wants/a-subscription", Value::Null).await?;
    client.send_text("this is no frame").await?;
    client.ask("beside/last", json!(2)).await?;
    let refused = Client::try_open(gateway.address(), "/ws", &[("origin", "https://a.example")]);
    ensure!(refused.await?.is_err());
    client.close().await?;
    quiet(&gateway).await?;

    let exposition = scrape(&gateway).await?;
    let closed = exposition.sum("tengen_closed_connections_total", &[]);
    // An export that was made after the last thing that happened, and so has it.
    let later = collector.metric_requests() + 2;
    let points = collector
        .wait_for_points(|points| {
            let ends = points.iter().filter(|point| point.name == "tengen.connection.closed");
            ends.map(|point| point.value).sum::<f64>() == closed
                && collector.metric_requests() >= later
        })
        .await?;
    for point in &points {
        compare(point, &exposition)?;
    }
    ensure!(points.len() == values(&exposition), "{} points", points.len());
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_collector_gets_what_a_scraper_gets_over_grpc() -> Result<()> {
    check(Collector::grpc().await?, Protocol::Grpc).await
}

#[tokio::test]
async fn a_collector_gets_what_a_scraper_gets_over_http() -> Result<()> {
    check(Collector::http().await?, Protocol::HttpProtobuf).await
}

/// What was counted after the last export before the end, as clients that are sent away.
#[tokio::test]
async fn the_last_export_has_what_the_end_did() -> Result<()> {
    let collector = Collector::grpc().await?;
    let mut settings = plugins()?;
    settings.telemetry.otlp = Some(Otlp::new(collector.endpoint()));
    let gateway = gateway::start(settings).await?;
    let client = Client::json(gateway.address(), "/ws").await?;
    gateway.drain().await;
    drop(client);
    let points = collector.points();
    let ends = points.iter().find(|point| {
        point.name == "tengen.connection.closed" && point.has("tengen.close.reason", "drain")
    });
    ensure!(ends.context("an end")?.value == 1.0, "{ends:?}");
    ensure!(points.iter().any(|point| point.has("tengen.plugin.name", "beside")), "{points:?}");
    ensure!(collector.metric_requests() == 1, "every minute, and at the end");
    Ok(())
}
