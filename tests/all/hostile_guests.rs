//! Guests that do their worst, over real sockets: the event gets its error, and nothing else is touched by it.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::time::Duration;
use support::{
    client::{Client, PATIENCE},
    gateway, guests,
};
use tengen_server::admin;
use tengen_settings::{Mode, Pattern, Route, Settings};
use tokio::time::timeout;

async fn start() -> Result<gateway::Running> {
    let mut settings = Settings { echo: false, ..Settings::default() };
    for (name, fixture, events) in
        [("hostile", "handler_hostile", "hostile/*"), ("beside", "handler_echo", "beside/*")]
    {
        let mut plugin = guests::plugin(fixture)?;
        plugin.deadline = Duration::from_millis(300);
        settings.plugins.insert(name.into(), plugin);
        settings.routes.push(Route {
            event: Pattern(events.into()),
            plugin: name.into(),
            endpoint: None,
            mode: Mode::First,
        });
    }
    gateway::start(settings).await
}

/// A plugin as the admin listener shows it.
async fn shown(gateway: &gateway::Running, name: &str) -> Result<Value> {
    let address = gateway.gateway.admin_address().context("it has an admin listener")?;
    let plugins = admin::client::Client::new(address).plugins().await?;
    let mut all = plugins.as_array().context("a list")?.iter();
    all.find(|plugin| plugin["name"] == name).cloned().context("it is shown")
}

#[tokio::test]
async fn a_guests_worst_costs_its_event_and_neither_the_connection_nor_the_plugin_beside_it()
-> Result<()> {
    let gateway = start().await?;
    let mut client = Client::json(gateway.address(), "/ws").await?;
    let mut other = Client::json(gateway.address(), "/ws").await?;
    let worst = [("trap", "traps"), ("spin", "deadline_overruns"), ("eat", "traps")];
    for (errors, (worst, counter)) in (1..).zip(worst) {
        let before = shown(&gateway, "hostile").await?;
        let id = format!("hostile/{worst}");
        let asked = client.ask(&id, Value::Null);
        let beside = async {
            for number in 0..20 {
                ensure!(other.ask("beside/it", json!(number)).await? == number);
            }
            Ok(())
        };
        let (answer, beside) = timeout(PATIENCE * 2, async { tokio::join!(asked, beside) }).await?;
        beside?;
        let answer = answer?;
        ensure!(answer.to_string().contains("plugin-failed"), "{worst}: {answer}");
        ensure!(client.ask("hostile/well", Value::Null).await? == "well", "{worst}");

        let after = shown(&gateway, "hostile").await?;
        let count = |plugin: &Value, key: &str| plugin[key].as_u64().unwrap_or_default();
        ensure!(count(&after, counter) > count(&before, counter), "{worst}: {after}");
        ensure!(count(&after, "errors") == errors, "{worst}: {after}");
        ensure!(after["state"] == "running" && after["breaker"] == "closed", "{worst}: {after}");
        ensure!(after.pointer("/last_error/message").is_some_and(Value::is_string), "{after}");
    }
    let beside = shown(&gateway, "beside").await?;
    ensure!(beside["errors"] == 0 && beside["restarts"] == 0, "{beside}");
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_plugin_that_fails_for_everybody_is_answered_for_until_it_is_tried_again() -> Result<()> {
    let gateway = start().await?;
    let mut clients = Vec::new();
    for _ in 0..8 {
        let mut client = Client::json(gateway.address(), "/ws").await?;
        let answer = client.ask("hostile/trap", Value::Null).await?.to_string();
        ensure!(answer.contains("plugin-failed"), "{answer}");
        clients.push(client);
    }
    let client = clients.first_mut().context("there are eight")?;
    let plugin = shown(&gateway, "hostile").await?;
    ensure!(plugin["breaker_opened"] == 1, "{plugin}");
    let comes_back = async {
        loop {
            let answer = client.ask("hostile/well", Value::Null).await?;
            if answer == "well" {
                return Ok::<_, anyhow::Error>(());
            }
            ensure!(answer.to_string().contains("plugin-unavailable"), "{answer}");
        }
    };
    timeout(PATIENCE, comes_back).await??;
    for _ in 0..3 {
        ensure!(client.ask("hostile/well", Value::Null).await? == "well");
    }
    let plugin = shown(&gateway, "hostile").await?;
    ensure!(plugin["breaker"] == "closed" && plugin["breaker_opened"] == 1, "{plugin}");
    gateway.drain().await;
    Ok(())
}
