//! `/metrics` of a whole gateway, read by a parser that is not ours to bend.

mod agree;
mod document;
mod exemplars;
pub(crate) mod exported;
mod many;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};
use support::{
    client::{Client, PATIENCE},
    gateway, guests,
    openmetrics::{Exposition, parse},
    peer::{Answer, Peer},
};
use tengen_settings::{Grants, Mode, Pattern, Route, Settings};

const OPEN: &str = "application/openmetrics-text;version=1.0.0";

async fn ask(admin: SocketAddr, path: &str, more: &str) -> Result<Answer> {
    let mut peer = Peer::connect(admin).await?;
    peer.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n").as_bytes()).await?;
    peer.answer().await
}

/// What a scraper gets that asks for OpenMetrics.
pub(crate) async fn scrape(gateway: &gateway::Running) -> Result<Exposition> {
    let admin = gateway.gateway.admin_address().context("it has an admin listener")?;
    let answer = ask(admin, "/metrics", &format!("Accept: {OPEN}\r\n")).await?;
    ensure!(answer.status == 200, "{answer:?}");
    parse(&answer.body)
}

async fn json(gateway: &gateway::Running, path: &str) -> Result<Value> {
    let admin = gateway.gateway.admin_address().context("it has an admin listener")?;
    Ok(serde_json::from_str(&ask(admin, path, "").await?.body)?)
}

/// Three plugins: one that does its worst, one that wants what it may not, one that answers.
fn plugins() -> Result<Settings> {
    let mut settings = Settings { echo: false, ..Settings::default() };
    for (name, fixture) in
        [("hostile", "handler_hostile"), ("wants", "handler_wants"), ("beside", "handler_echo")]
    {
        let mut plugin = guests::plugin(fixture)?;
        plugin.grant = Grants { publish: vec![Pattern("wants/*".into())], ..Grants::default() };
        settings.plugins.insert(name.into(), plugin);
        settings.routes.push(Route {
            event: Pattern(format!("{name}/*")),
            plugin: name.into(),
            endpoint: None,
            mode: Mode::First,
        });
    }
    Ok(settings)
}

pub(crate) async fn start() -> Result<gateway::Running> {
    gateway::start(plugins()?).await
}

/// Until nobody is there any more.
pub(crate) async fn quiet(gateway: &gateway::Running) -> Result<()> {
    let began = Instant::now();
    loop {
        let stats = json(gateway, "/stats").await?;
        if stats["connections"]["open"] == 0 && stats["connections"]["closing"] == 0 {
            return Ok(());
        }
        ensure!(began.elapsed() < PATIENCE, "they stay: {stats}");
    }
}

#[tokio::test]
async fn a_scrape_waits_for_no_guest() -> Result<()> {
    let mut settings = Settings { echo: false, ..Settings::default() };
    let mut hostile = guests::plugin("handler_hostile")?;
    hostile.deadline = Duration::from_secs(5);
    gateway::route_everything(&mut settings, "hostile", hostile);
    let gateway = gateway::start(settings).await?;
    let mut client = Client::json(gateway.address(), "/ws").await?;
    client.send("hostile/spin", Value::Null).await?;
    let told = [("plugin", "hostile")];
    let mut exposition = scrape(&gateway).await?;
    // `opened`, and the event that computes until its deadline.
    while exposition.sum("tengen_plugin_events_total", &told) < 2.0 {
        exposition = scrape(&gateway).await?;
    }
    let ended = exposition.sum("tengen_plugin_failed_calls_total", &told);
    ensure!(ended == 0.0, "it was scraped while the guest computed");
    drop(client);
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn metrics_come_in_the_format_that_the_scraper_asks_for_and_to_nobody_elses_page()
-> Result<()> {
    let gateway = gateway::start(Settings::default()).await?;
    let admin = gateway.gateway.admin_address().context("it has an admin listener")?;
    let open = ask(admin, "/metrics", &format!("Accept: {OPEN}\r\n")).await?;
    let kind = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n";
    ensure!(open.status == 200 && open.head.contains(kind), "{}", open.head);
    ensure!(open.head.contains("cache-control: no-store"), "{}", open.head);
    parse(&open.body)?;
    let plain = ask(admin, "/metrics", "").await?;
    ensure!(plain.head.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    ensure!(plain.body.contains("\n# TYPE tengen_received_events_total counter\n"));
    let foreign = ask(admin, "/metrics", "Origin: https://evil.example\r\n").await?;
    ensure!(foreign.status == 403 && !foreign.body.contains("tengen_"), "{foreign:?}");
    gateway.drain().await;
    Ok(())
}
