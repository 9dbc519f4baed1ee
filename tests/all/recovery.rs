//! What outlives a trap: the state of a plugin that has `snapshot`, whatever its instance was doing.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::time::Duration;
use support::{
    client::Client,
    gateway::{self, Running},
    guests,
};
use tengen_settings::{Directory, Grants, Pattern, Plugin, Settings};
use tokio::time::{interval, timeout};

mod model;

const PATIENCE: Duration = Duration::from_secs(60);

fn remembers(change: impl FnOnce(&mut Plugin)) -> Result<Plugin> {
    let mut plugin = guests::plugin("handler_remembers")?;
    plugin.grant = Grants { kv: vec![Pattern("*".into())], ..Grants::default() };
    // A deadline that a busy machine does not run over by itself.
    plugin.deadline = Duration::from_secs(2);
    change(&mut plugin);
    Ok(plugin)
}

async fn start(change: impl FnOnce(&mut Plugin)) -> Result<(Running, Client)> {
    let mut settings = Settings { echo: false, ..Settings::default() };
    gateway::route_everything(&mut settings, "memory", remembers(change)?);
    let gateway = gateway::start(settings).await?;
    let client = Client::json(gateway.address(), "/ws").await?;
    Ok((gateway, client))
}

/// A number of the plugin's status.
fn count(gateway: &Running, key: &str) -> u64 {
    status(gateway)[key].as_u64().unwrap_or_default()
}

fn status(gateway: &Running) -> Value {
    gateway.gateway.plugins()[0].clone()
}

/// Waits until the state has been saved with all that was answered until now.
async fn saved(gateway: &Running, client: &mut Client) -> Result<()> {
    let before = count(gateway, "checkpoints");
    // Where nothing was decided since, nothing is saved.
    dump(client).await?;
    until(gateway, |gateway| count(gateway, "checkpoints") > before).await
}

async fn until(gateway: &Running, is_so: impl Fn(&Running) -> bool) -> Result<()> {
    let mut tick = interval(Duration::from_millis(2));
    let seen = async {
        while !is_so(gateway) {
            tick.tick().await;
        }
    };
    timeout(PATIENCE, seen).await.with_context(|| format!("it stays so: {}", status(gateway)))
}

async fn note(client: &mut Client, what: &str) -> Result<()> {
    let reply = client.ask("mem/note", json!(what)).await?;
    ensure!(reply == what, "{reply}");
    Ok(())
}

/// What the plugin knows of this connection, of none, and of how many; and why its instance began.
async fn dump(client: &mut Client) -> Result<Value> {
    client.ask("mem/dump", Value::Null).await
}

/// Somebody else breaks the plugin, and is told so.
async fn trap(gateway: &Running) -> Result<()> {
    let mut other = Client::json(gateway.address(), "/ws").await?;
    let reply = other.ask("mem/trap", Value::Null).await?;
    ensure!(reply["tengen/error"]["id"] == "plugin-failed", "{reply}");
    other.close().await
}

#[tokio::test]
async fn a_trap_costs_one_event_and_not_the_state() -> Result<()> {
    let (gateway, mut client) = start(|_| {}).await?;
    let asked = [("mem/now", Value::Null), ("mem/chance", Value::Null), ("mem/put", json!("one"))];
    let mut said = vec!["opened".to_owned(), "first".to_owned()];
    note(&mut client, "first").await?;
    for (id, data) in asked {
        said.push(client.ask(id, data).await?.as_str().context("a text")?.to_owned());
    }
    trap(&gateway).await?;
    assert_eq!(dump(&mut client).await?[0][0], json!(said), "and all that it was answered");
    // What had been put was put once, and is what is read from now on.
    assert_eq!(client.ask("mem/put", json!("two")).await?, "one");
    said.push("one".to_owned());
    trap(&gateway).await?;
    let known = dump(&mut client).await?;
    assert_eq!(known[0][0], json!(said));
    let counts = ["recovered_states", "restored_states", "lost_states", "traps"];
    assert_eq!(counts.map(|key| count(&gateway, key)), [2, 0, 0, 2], "{}", status(&gateway));
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn after_a_checkpoint_only_what_came_since_is_told_again() -> Result<()> {
    let (gateway, mut client) =
        start(|plugin| plugin.state.every = Duration::from_millis(1)).await?;
    note(&mut client, "before").await?;
    saved(&gateway, &mut client).await?;
    note(&mut client, "after").await?;
    trap(&gateway).await?;
    assert_eq!(dump(&mut client).await?[0][0], json!(["opened", "before", "after"]));
    let kept = status(&gateway)["kept_state"].clone();
    assert!(kept["bytes"].as_u64() > Some(10) && kept["took_us"].is_u64(), "{kept}");
    assert_eq!(status(&gateway)["revived"], json!({ "state": "recovered" }));
    gateway.drain().await;
    Ok(())
}

/// The plugin saves its state once, when it has been told of `client` and of another one: then never again.
async fn saved_once(also: impl FnOnce(&mut Plugin)) -> Result<(Running, Client, Client)> {
    let (gateway, mut client) = start(|plugin| {
        plugin.state.every = Duration::from_secs(2);
        plugin.config.insert("saves".into(), "1".into());
        also(plugin);
    })
    .await?;
    let mut other = Client::json(gateway.address(), "/ws").await?;
    note(&mut other, "is here").await?;
    note(&mut client, "before").await?;
    ensure!(count(&gateway, "checkpoints") == 0, "this machine is too slow for the test");
    saved(&gateway, &mut client).await?;
    Ok((gateway, client, other))
}

#[tokio::test]
async fn where_it_goes_otherwise_the_second_time_what_was_saved_last_stands_and_changes_are_told()
-> Result<()> {
    let (gateway, mut client, leaves) = saved_once(|_| {}).await?;
    leaves.close().await?;
    until(&gateway, |gateway| gateway.gateway.stats()["connections"]["open"] == 1).await?;
    let mut comes = Client::json(gateway.address(), "/ws").await?;
    note(&mut comes, "came since").await?;
    assert_eq!(comes.ask("mem/differs", Value::Null).await?, "first");
    trap(&gateway).await?;
    let known = dump(&mut comes).await?;
    assert_eq!(known, json!([[["adopted"], [], 2], "restored"]), "who left is known to have left");
    assert_eq!(dump(&mut client).await?[0][0], json!(["opened", "before"]));
    let counts = ["recovered_states", "restored_states", "lost_states"];
    assert_eq!(counts.map(|key| count(&gateway, key)), [0, 1, 0]);
    assert_eq!(status(&gateway)["revived"]["state"], "restored");
    let told = status(&gateway)["last_error"]["message"].to_string();
    assert!(told.contains("what it decided since has been done, and is not known to it"), "{told}");
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_timer_that_was_due_since_is_told_again_where_only_what_was_saved_stands() -> Result<()> {
    let (gateway, mut client, mut other) = saved_once(|_| {}).await?;
    client.ask("mem/timer", json!({ "key": "k", "ms": 10 })).await?;
    assert_eq!(client.next_event("mem/fired").await?, "k");
    other.ask("mem/differs", Value::Null).await?;
    trap(&gateway).await?;
    assert_eq!(client.next_event("mem/fired").await?, "k", "its state waits for it");
    assert_eq!(dump(&mut client).await?[0][0], json!(["opened", "before", "timer k"]));
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_state_on_which_nothing_goes_well_is_put_aside_and_the_plugin_works_again() -> Result<()>
{
    let (gateway, mut client) =
        start(|plugin| plugin.state.every = Duration::from_millis(1)).await?;
    note(&mut client, "poison").await?;
    saved(&gateway, &mut client).await?;
    // Whatever instance loads this state fails at everything.
    trap(&gateway).await?;
    let mut answered = Value::Null;
    for _ in 0..8 {
        let mut client = Client::json(gateway.address(), "/ws").await?;
        answered = client.ask("mem/note", json!("x")).await?;
        if answered == "x" {
            break;
        }
    }
    assert_eq!(answered, "x", "{}", status(&gateway));
    assert!(count(&gateway, "states_put_aside") >= 1, "{}", status(&gateway));
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn who_sends_what_traps_again_and_again_takes_no_state() -> Result<()> {
    let (gateway, mut client) =
        start(|plugin| plugin.state.every = Duration::from_millis(1)).await?;
    note(&mut client, "first").await?;
    saved(&gateway, &mut client).await?;
    // Nobody else says anything meanwhile.
    for _ in 0..6 {
        trap(&gateway).await?;
    }
    assert_eq!(dump(&mut client).await?[0][0], json!(["opened", "first"]));
    let counts = ["states_put_aside", "restored_states", "lost_states"];
    assert_eq!(counts.map(|key| count(&gateway, key)), [0, 0, 0], "{}", status(&gateway));
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_state_at_which_everything_traps_is_not_brought_back_for_ever() -> Result<()> {
    let (gateway, mut client, mut other) = saved_once(|_| {}).await?;
    assert_eq!(other.ask("mem/spoil", Value::Null).await?, "spoiled");
    // What was saved before is good: the events since are let go.
    let mut known = Value::Null;
    for _ in 0..8 {
        let mut asks = Client::json(gateway.address(), "/ws").await?;
        if asks.ask("mem/note", json!("x")).await? == "x" {
            known = dump(&mut client).await?;
            break;
        }
    }
    assert_eq!(known[0][0], json!(["opened", "before"]), "{}", status(&gateway));
    assert_eq!(known[1], "restored");
    let told = status(&gateway)["last_error"]["message"].to_string();
    assert!(told.contains("it failed at everything that went well before"), "{told}");
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn what_broke_the_plugin_is_in_quarantine_with_the_state_that_it_broke_on() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let at = folder.path().join("quarantine");
    let (gateway, mut client) = start(|plugin| {
        plugin.quarantine = Some(at.clone());
        plugin.state.every = Duration::from_millis(1);
    })
    .await?;
    note(&mut client, "before").await?;
    saved(&gateway, &mut client).await?;
    client.ask("mem/trap", json!({ "why": "it is asked to" })).await?;
    let files = || std::fs::read_dir(&at).into_iter().flatten().flatten().collect::<Vec<_>>();
    until(&gateway, |_| files().len() == 1).await?;
    let said = until_whole(&files()[0].path()).await?;
    assert_eq!(said["event"], "mem/trap");
    assert_eq!(said["text"], r#"{"why":"it is asked to"}"#);
    assert_eq!(said["revision"], status(&gateway)["revision"]);
    assert_eq!(said["checkpoint"]["format"], "remembers/1");
    gateway.drain().await;
    Ok(())
}

/// What a file holds, once it has been written.
async fn until_whole(file: &std::path::Path) -> Result<Value> {
    let mut tick = interval(Duration::from_millis(2));
    let read = async {
        loop {
            tick.tick().await;
            if let Ok(said) = serde_json::from_str(&std::fs::read_to_string(file)?) {
                return anyhow::Ok(said);
            }
        }
    };
    timeout(PATIENCE, read).await?
}

#[tokio::test]
async fn who_may_write_to_a_folder_is_not_told_again_what_it_would_write_twice() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let host = folder.path().to_owned();
    let (gateway, mut client) = start(|plugin| {
        plugin.grant.dirs = vec![Directory { host, guest: "/notes".into(), writable: true }];
    })
    .await?;
    note(&mut client, "first").await?;
    trap(&gateway).await?;
    assert_eq!(dump(&mut client).await?, json!([[["adopted"], [], 1], "after a trap"]));
    let counts = ["recovered_states", "restored_states", "lost_states"];
    assert_eq!(counts.map(|key| count(&gateway, key)), [0, 0, 1]);
    let told = status(&gateway)["last_error"]["message"].to_string();
    assert!(told.contains("its state is gone (it may write to a folder"), "{told}");
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn an_instance_that_has_grown_is_replaced_by_one_that_has_its_state() -> Result<()> {
    let (gateway, mut client) = start(|plugin| plugin.memory = Some(8 << 20)).await?;
    note(&mut client, "kept").await?;
    let mut grown = 0;
    while count(&gateway, "recycled") == 0 {
        grown += 1;
        let said = client.ask("mem/grow", json!(256 << 10)).await?;
        ensure!(said == "grown", "{said} {}", status(&gateway));
    }
    let known = dump(&mut client).await?;
    assert_eq!(known[1], "restored", "{known}");
    assert_eq!(known[0][0].as_array().map(Vec::len), Some(grown + 2), "{known}");
    assert_eq!(count(&gateway, "traps"), 0);
    gateway.drain().await;
    Ok(())
}
