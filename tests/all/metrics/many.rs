//! Many plugins and many connections: the text grows with the former alone.

use super::{json, scrape};
use anyhow::{Result, ensure};
use serde_json::json;
use std::time::{Duration, Instant};
use support::{client::Client, gateway, guests, openmetrics::Exposition, peer::Peer};
use tengen_settings::{Mode, Pattern, Route, Settings};

const PLUGINS: usize = 50;
const CONNECTIONS: usize = 400;
/// Without optimisation, on a busy machine. BENCHMARKS.md has what it takes with it.
const BOUND: Duration = Duration::from_secs(2);

async fn start() -> Result<gateway::Running> {
    let mut settings = Settings { echo: false, ..Settings::default() };
    for number in 0..PLUGINS {
        let name = format!("plugin-{number}");
        settings.plugins.insert(name.as_str().into(), guests::plugin("handler_echo")?);
        settings.routes.push(Route {
            event: Pattern(format!("{number}/*")),
            plugin: name.as_str().into(),
            endpoint: None,
            mode: Mode::First,
        });
    }
    gateway::start(settings).await
}

fn samples(exposition: &Exposition) -> usize {
    exposition.0.iter().map(|family| family.samples.len()).sum()
}

#[tokio::test]
async fn a_scrape_of_fifty_plugins_is_as_long_with_hundreds_of_connections_as_without() -> Result<()>
{
    let gateway = start().await?;
    let mut client = Client::json(gateway.address(), "/ws").await?;
    for number in 0..PLUGINS {
        client.ask(&format!("{number}/a"), json!(1)).await?;
    }
    let before = samples(&scrape(&gateway).await?);
    let mut peers = Vec::new();
    for _ in 0..CONNECTIONS {
        peers.push(Peer::open(gateway.address(), "/ws").await?);
    }
    let began = Instant::now();
    let exposition = scrape(&gateway).await?;
    let took = began.elapsed();
    ensure!(samples(&exposition) == before, "{before} samples became {}", samples(&exposition));
    ensure!(exposition.sum("tengen_open_connections", &[]) == CONNECTIONS as f64 + 1.0);
    ensure!(exposition.sum("tengen_plugin_state", &[("state", "running")]) == PLUGINS as f64);
    ensure!(took < BOUND, "a scrape took {took:?}");
    println!("{before} samples of {PLUGINS} plugins: {took:?}");
    let stats = json(&gateway, "/stats").await?;
    ensure!(stats["plugins"]["plugin-7"]["calls"].as_u64() > Some(0), "{stats}");
    drop(peers);
    gateway.drain().await;
    Ok(())
}
