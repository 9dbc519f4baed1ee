//! Times in `/metrics` lead to traces that a collector has, and to no others.

use super::{ask, scrape};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::SystemTime};
use support::{
    client::Client,
    gateway, guests,
    openmetrics::{Exemplar, Exposition},
    otlp::Collector,
};
use tengen_settings::{Otlp, Settings};

/// What counts events, by the names of their families.
const OF_EVENTS: [&str; 3] = [
    "tengen_plugin_call_seconds",
    "tengen_plugin_queue_wait_seconds",
    "tengen_plugin_event_seconds",
];

async fn start(collector: &Collector, share: f64) -> Result<gateway::Running> {
    let mut settings = Settings::default();
    settings.telemetry.otlp = Some(Otlp { sample: Some(share), ..Otlp::new(collector.endpoint()) });
    gateway::route_everything(&mut settings, "hostile", guests::plugin("handler_hostile")?);
    gateway::start(settings).await
}

fn exemplars(exposition: &Exposition, family: &str) -> Result<Vec<Exemplar>> {
    let family = exposition.family(family).with_context(|| family.to_owned())?;
    Ok(family.samples.iter().filter_map(|sample| sample.exemplar.clone()).collect())
}

#[tokio::test]
async fn times_lead_to_the_traces_that_the_collector_has() -> Result<()> {
    let before = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs_f64();
    let collector = Collector::grpc().await?;
    let gateway = start(&collector, 1.0).await?;
    let mut client = Client::json(gateway.address(), "/ws").await?;
    for number in 0..20 {
        client.ask("hostile/well", json!(number)).await?;
    }
    let exposition = scrape(&gateway).await?;
    let admin = gateway.gateway.admin_address().context("it has an admin listener")?;
    let plain = ask(admin, "/metrics", "").await?.body;
    drop(client);
    gateway.drain().await;
    let spans = collector.spans();
    for family in OF_EVENTS {
        let shown = exemplars(&exposition, family)?;
        ensure!(!shown.is_empty(), "none of {family}");
        for Exemplar { labels, at, .. } in shown {
            let leads_to = spans.iter().find(|span| {
                span.trace_id == labels["trace_id"] && span.span_id == labels["span_id"]
            });
            let span = leads_to.with_context(|| format!("{family}: {labels:?} leads nowhere"))?;
            ensure!(span.name.starts_with("process "), "{}", span.name);
            ensure!(at.is_some_and(|at| at >= before), "{at:?}");
        }
    }
    ensure!(!plain.contains("trace_id"), "that is not for the older format");
    Ok(())
}

#[tokio::test]
async fn what_is_not_recorded_is_shown_nowhere_and_what_is_told_late_is() -> Result<()> {
    let collector = Collector::grpc().await?;
    let gateway = start(&collector, 0.0).await?;
    let mut client = Client::json(gateway.address(), "/ws").await?;
    for number in 0..20 {
        client.ask("hostile/well", json!(number)).await?;
    }
    let quiet = scrape(&gateway).await?;
    client.ask("hostile/trap", Value::Null).await?;
    let told = scrape(&gateway).await?;
    drop(client);
    gateway.drain().await;
    let spans = collector.spans();
    let traces: BTreeSet<_> = spans.iter().map(|span| span.trace_id.as_str()).collect();
    for family in OF_EVENTS {
        // On a machine that is busy, one of the first may have been slow.
        for shown in exemplars(&quiet, family)?.into_iter().chain(exemplars(&told, family)?) {
            ensure!(traces.contains(&*shown.labels["trace_id"]), "{shown:?} leads nowhere");
        }
        ensure!(!exemplars(&told, family)?.is_empty(), "the trap is shown in {family}");
    }
    let all = exemplars(&quiet, "tengen_plugin_event_seconds")?;
    ensure!(all.len() < 20 && spans.len() < 20, "most of them are shown nowhere: {all:?}");
    Ok(())
}
