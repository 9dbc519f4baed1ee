//! Timers of plugins: the gateway keeps them, whatever becomes of the instance that set them.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use support::{client::Client, gateway, guests};
use tengen_server::admin;
use tengen_settings::{Admin, Grants, Pattern, Secret, Settings};

const KEY: &str = "a-key-of-sixteen-signs";

async fn start(file: Option<&std::path::Path>) -> Result<gateway::Running> {
    let mut settings = Settings { echo: false, ..Settings::default() };
    let mut timers = guests::plugin("handler_timers")?;
    if let Some(file) = file {
        timers.file = file.to_owned();
    }
    timers.grant = Grants { publish: vec![Pattern("timers/*".into())], ..Grants::default() };
    gateway::route_everything(&mut settings, "timers", timers);
    if let Some(admin) = &mut settings.admin {
        *admin = Admin { keys: vec![Secret(KEY.into())], ..admin.clone() };
    }
    gateway::start(settings).await
}

async fn set(client: &mut Client, key: &str, ms: u64) -> Result<()> {
    client.ask("timers/set", json!({ "key": key, "ms": ms })).await?;
    Ok(())
}

/// The keys of the next timers that fire, so many.
async fn fired(client: &mut Client, count: usize) -> Result<Vec<String>> {
    let mut keys = Vec::new();
    while keys.len() < count {
        let key = client.next_event("timers/fired").await?;
        keys.push(key.as_str().context("a key")?.to_owned());
    }
    Ok(keys)
}

fn waiting(gateway: &gateway::Running) -> Value {
    gateway.gateway.stats()["timers"]["waiting"].clone()
}

#[tokio::test]
async fn a_timer_fires_once_unless_it_is_replaced_or_cancelled() -> Result<()> {
    let gateway = start(None).await?;
    let mut client = Client::json(gateway.address(), "/ws").await?;
    for key in ["replaced", "cancelled"] {
        set(&mut client, key, 60_000).await?;
    }
    client.ask("timers/cancel", json!({ "key": "cancelled" })).await?;
    client.ask("timers/cancel", json!({ "key": "was never there" })).await?;
    // All at once, and nothing is asked behind them: whoever waits for an answer passes over what fires meanwhile.
    for (key, ms) in [("last", 900), ("replaced", 500), ("short", 0)] {
        client
            .send_text(&json!([["timers/set", { "key": key, "ms": ms }], key]).to_string())
            .await?;
    }
    assert_eq!(fired(&mut client, 3).await?, ["short", "replaced", "last"]);
    assert_eq!(waiting(&gateway), 0);
    assert_eq!(client.ask("timers/refused", Value::Null).await?, json!([]));
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_timer_survives_a_trap_and_a_reload_of_who_set_it() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("timers.wasm");
    guests::install("handler_timers", &file)?;
    let gateway = start(Some(&file)).await?;
    let mut client = Client::json(gateway.address(), "/ws").await?;
    set(&mut client, "kept", 5000).await?;
    let failed = client.ask("timers/trap", Value::Null).await?;
    ensure!(failed.get("tengen/error").is_some(), "{failed}");
    // Another version: the same, with a section that nobody reads.
    let another = [std::fs::read(&file)?, vec![0, 2, 1, b'x']].concat();
    let beside = file.with_extension("part");
    std::fs::write(&beside, another)?;
    std::fs::rename(&beside, &file)?;
    let admin = gateway.gateway.admin_address().context("it has an admin listener")?;
    let reloaded = admin::client::Client::new(admin).reload("timers", Some(KEY)).await?;
    assert_eq!(reloaded["generation"], 2, "{reloaded}");
    assert_eq!(waiting(&gateway), 1);
    assert_eq!(fired(&mut client, 1).await?, ["kept"]);
    set(&mut client, "next", 10).await?;
    assert_eq!(fired(&mut client, 1).await?, ["next"], "the first one fired once");
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_connections_timers_end_with_it_and_the_plugins_own_do_not() -> Result<()> {
    let gateway = start(None).await?;
    let mut goes = Client::json(gateway.address(), "/ws").await?;
    let mut stays = Client::json(gateway.address(), "/ws").await?;
    stays.ask("timers/listen", Value::Null).await?;
    set(&mut goes, "its", 2000).await?;
    goes.ask("timers/set", json!({ "key": "own", "ms": 2500, "own": true })).await?;
    set(&mut stays, "its", 2000).await?;
    assert_eq!(waiting(&gateway), 3);
    goes.close().await?;
    assert_eq!(fired(&mut stays, 1).await?, ["its"], "of the same name, and another connection's");
    let published = stays.next_event("tengen/publication").await?;
    assert_eq!(published["data"], "own");
    assert_eq!(gateway.gateway.stats()["timers"]["fired"], 2);
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_timer_too_many_is_refused_and_the_plugin_hears_of_it() -> Result<()> {
    let gateway = start(None).await?;
    let mut client = Client::json(gateway.address(), "/ws").await?;
    for number in 0..17 {
        set(&mut client, &format!("t{number}"), 60_000).await?;
    }
    assert_eq!(waiting(&gateway), 16);
    let told = client.ask("timers/refused", Value::Null).await?;
    assert_eq!(told, json!([["t16", "limit-reached"]]));
    client.close().await?;
    gateway.drain().await;
    Ok(())
}
