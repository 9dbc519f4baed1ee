//! What plugins keep with connections: over traps and reloads, each for itself, and whom tags reach.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::{fs, path::Path};
use support::{
    client::{Client, PATIENCE},
    gateway, guests,
};
use tengen_settings::{Mode, Pattern, Plugin, Route, Settings};
use tokio::time::{Duration, Instant, interval};

/// Plugins of these names, each with its own events; what is opened and closed comes to all of them.
fn settings(names: &[&str], file: &Path) -> Settings {
    let mut settings = Settings { echo: false, ..Settings::default() };
    for name in names {
        settings.plugins.insert((*name).into(), Plugin::new(file));
        settings.routes.push(Route {
            event: Pattern(format!("{name}/*")),
            plugin: (*name).into(),
            endpoint: None,
            mode: Mode::First,
        });
    }
    settings
}

async fn start(names: &[&str]) -> Result<gateway::Running> {
    gateway::start(settings(names, &guests::path("handler_here")?)).await
}

async fn client(gateway: &gateway::Running) -> Result<Client> {
    Client::json(gateway.address(), "/ws").await
}

async fn change(client: &mut Client, plugin: &str, change: Value) -> Result<()> {
    client.ask(&format!("{plugin}/change"), change).await.map(drop)
}

/// How the plugin was told of the connection, and with what.
async fn told(client: &mut Client, plugin: &str) -> Result<Value> {
    client.ask(&format!("{plugin}/told"), Value::Null).await
}

/// The same component, with another hash.
fn install_again(at: &Path, how_often: u8) -> Result<()> {
    let mut component = fs::read(guests::path("handler_here")?)?;
    // A section for people: its number, its length, and a name of one letter.
    component.extend([0, 2, 1, b'a' + how_often]);
    let temporary = at.with_extension("part");
    fs::write(&temporary, component)?;
    fs::rename(&temporary, at)?;
    Ok(())
}

#[tokio::test]
async fn what_a_plugin_keeps_with_a_connection_survives_a_trap_and_a_reload() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("here.wasm");
    guests::install("handler_here", &file)?;
    let gateway = gateway::start(settings(&["here"], &file)).await?;
    let (mut ann, mut bob) = (client(&gateway).await?, client(&gateway).await?);
    assert_eq!(told(&mut ann, "here").await?, json!(["opened", [], []]));
    let first = json!({ "set": { "room": "7", "name": "Ann" }, "tag": ["red", "all"] });
    change(&mut ann, "here", first).await?;
    change(&mut bob, "here", json!({ "tag": ["all"] })).await?;
    assert_eq!(told(&mut ann, "here").await?, json!(["opened", [], []]), "told once");

    ann.ask("here/trap", Value::Null).await?;
    let kept = json!(["adopted", [["name", "Ann"], ["room", "7"]], ["all", "red"]]);
    assert_eq!(told(&mut ann, "here").await?, kept);
    assert_eq!(told(&mut bob, "here").await?, json!(["adopted", [], ["all"]]));
    let next = json!({ "set": { "room": "8" }, "unset": ["name"], "untag": ["all"] });
    change(&mut ann, "here", next).await?;

    install_again(&file, 0)?;
    let kept = json!(["adopted", [["room", "8"]], ["red"]]);
    let (deadline, mut look) = (Instant::now() + PATIENCE, interval(Duration::from_millis(2)));
    while told(&mut ann, "here").await? != kept {
        ensure!(Instant::now() < deadline, "not reloaded: {:?}", told(&mut ann, "here").await?);
        look.tick().await;
    }
    let reached = push(&mut bob, "red", &mut [&mut ann]).await?;
    assert_eq!(reached, [true], "what was found by the tag before is found by it after");
    gateway.drain().await;
    Ok(())
}

/// Pushes to a tag by the plugin `here`; who of these got it.
async fn push(by: &mut Client, tag: &str, to: &mut [&mut Client]) -> Result<Vec<bool>> {
    by.ask("here/push", json!({ "name": tag })).await?;
    let mut reached = Vec::new();
    for client in to {
        // What was pushed is before the answer to what is asked after it.
        client.send("here/push", json!({ "name": "nobody" })).await?;
        client.send("here/change", json!({ "tag": ["asked"] })).await?;
        client.send("here/push", json!({ "name": "asked" })).await?;
        client.send("here/change", json!({ "untag": ["asked"] })).await?;
        let first = client.next_event("here/pushed").await?;
        if first == "asked" {
            reached.push(false);
            continue;
        }
        ensure!(first == tag, "{first}");
        ensure!(client.next_event("here/pushed").await? == "asked");
        reached.push(true);
    }
    Ok(reached)
}

#[tokio::test]
async fn a_push_by_a_tag_reaches_exactly_those_that_have_it() -> Result<()> {
    let gateway = start(&["here"]).await?;
    let (mut ann, mut bob) = (client(&gateway).await?, client(&gateway).await?);
    let (mut eve, mut by) = (client(&gateway).await?, client(&gateway).await?);
    change(&mut ann, "here", json!({ "tag": ["red", "all"] })).await?;
    change(&mut bob, "here", json!({ "tag": ["all"] })).await?;
    let mut all = [&mut ann, &mut bob, &mut eve];
    assert_eq!(push(&mut by, "red", &mut all).await?, [true, false, false]);
    assert_eq!(push(&mut by, "all", &mut all).await?, [true, true, false]);
    change(&mut ann, "here", json!({ "untag": ["all"] })).await?;
    let mut all = [&mut ann, &mut bob, &mut eve];
    assert_eq!(push(&mut by, "all", &mut all).await?, [false, true, false]);
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn plugins_that_share_a_connection_keep_their_own_with_it() -> Result<()> {
    let gateway = start(&["here", "there"]).await?;
    let mut ann = client(&gateway).await?;
    change(&mut ann, "here", json!({ "set": { "a": "here" }, "tag": ["x"] })).await?;
    change(&mut ann, "there", json!({ "set": { "a": "there" } })).await?;
    for plugin in ["here", "there"] {
        ann.ask(&format!("{plugin}/trap"), Value::Null).await?;
    }
    assert_eq!(told(&mut ann, "here").await?, json!(["adopted", [["a", "here"]], ["x"]]));
    assert_eq!(told(&mut ann, "there").await?, json!(["adopted", [["a", "there"]], []]));
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn what_is_over_a_bound_is_refused_by_its_key_and_nothing_of_it_is_done() -> Result<()> {
    let gateway = start(&["here"]).await?;
    let mut ann = client(&gateway).await?;
    let full = "x".repeat(4095);
    change(&mut ann, "here", json!({ "set": { "a": full }, "fate": "full" })).await?;
    let over = json!({ "set": { "b": "" }, "tag": ["t"], "fate": "over" });
    change(&mut ann, "here", over).await?;
    let tags: Vec<_> = (0..17).map(|n| format!("t{n:02}")).collect();
    change(&mut ann, "here", json!({ "tag": tags, "fate": "tags" })).await?;
    change(&mut ann, "here", json!({ "tag": tags[1..], "fate": "all" })).await?;
    change(&mut ann, "here", json!({ "tag": [" "], "fate": "name" })).await?;
    let gone = json!({ "of": 4711, "tag": ["t"], "fate": "gone" });
    change(&mut ann, "here", gone).await?;
    let refused = ann.ask("here/refused", Value::Null).await?;
    let expected = json!([
        ["over", "limit-reached"],
        ["tags", "limit-reached"],
        ["name", "malformed"],
        ["gone", "closed"],
    ]);
    assert_eq!(refused, expected);
    ann.ask("here/trap", Value::Null).await?;
    assert_eq!(told(&mut ann, "here").await?, json!(["adopted", [["a", full]], tags[1..]]));
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_plugin_keeps_nothing_with_a_connection_of_another_plugins_endpoint() -> Result<()> {
    let mut settings = settings(&["here", "there"], &guests::path("handler_here")?);
    let usual = settings.endpoints.first().context("an endpoint")?;
    let other = tengen_settings::Endpoint { path: "/there".into(), ..(**usual).clone() };
    settings.endpoints.push(other.into());
    for (route, endpoint) in settings.routes.iter_mut().zip(["/ws", "/there"]) {
        route.endpoint = Some(endpoint.into());
    }
    let gateway = gateway::start(settings).await?;
    let mut ann = client(&gateway).await?;
    let mut bob = Client::json(gateway.address(), "/there").await?;
    let foreign = bob.ask("there/me", Value::Null).await?;
    let mine = json!({ "of": foreign, "set": { "a": "1" }, "tag": ["mine"], "fate": "foreign" });
    change(&mut ann, "here", mine).await?;
    let refused = ann.ask("here/refused", Value::Null).await?;
    assert_eq!(refused, json!([["foreign", "not-allowed"]]));
    bob.ask("there/trap", Value::Null).await?;
    assert_eq!(told(&mut bob, "there").await?, json!(["adopted", [], []]));
    gateway.drain().await;
    Ok(())
}
