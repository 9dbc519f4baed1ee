//! Bursts, plugins that are behind, and events that go on to the next plugin: through real sockets and components.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::{
    num::NonZeroUsize,
    time::{Duration, Instant},
};
use support::{client::Client, frames::Frame, gateway, guests, peer::Peer};
use tengen_settings::{Mode, OnFailure, Pattern, Plugin, Route, Settings};

fn route(settings: &mut Settings, name: &str, plugin: Plugin) {
    gateway::route_everything(settings, name, plugin);
}

fn counter(running: &gateway::Running, path: &str) -> u64 {
    running.gateway.stats().pointer(path).and_then(Value::as_u64).unwrap_or(0)
}

#[tokio::test]
async fn a_thousand_asks_in_one_write_are_all_answered_in_order_in_every_dialect() -> Result<()> {
    let mut settings = Settings::default();
    route(&mut settings, "echo", guests::plugin("handler_echo")?);
    let running = gateway::start(settings).await?;
    let dialects = [
        ("/ws?format=json", r##"[["a/b",#],"cb#"]"##, r##"[#,"cb#"]"##),
        ("/ws?format=edn", r##"[[:a/b #] "cb#"]"##, r##"[# "cb#"]"##),
        ("/chsk?client-id=c", r##"[[:a/b #] "cb#"]"##, r##"[# "cb#"]"##),
        ("/raw", "#", "#"),
    ];
    for (path, ask, answer) in dialects {
        let mut peer = Peer::open(running.address(), path).await?;
        if path != "/raw" {
            peer.text().await?;
        }
        let frame = |number: u32| Frame::text(ask.replace('#', &number.to_string())).encode();
        peer.send(&(0..1000).flat_map(frame).collect::<Vec<_>>()).await?;
        for number in 0..1000 {
            let said = peer.text().await?;
            ensure!(said == answer.replace('#', &number.to_string()), "{path} {number}: {said}");
        }
    }
    ensure!(counter(&running, "/events/overloaded") == 0, "nothing was refused");
    running.drain().await;
    Ok(())
}

#[tokio::test]
async fn behind_a_slow_plugin_every_ping_is_answered_and_every_event_has_its_word() -> Result<()> {
    const EVENTS: usize = 2000;
    let mut slow = guests::plugin("handler_hostile")?;
    slow.deadline = Duration::from_secs(2);
    let mut settings = Settings::default();
    settings.outbox.events = NonZeroUsize::new(10 * EVENTS).context("not zero")?;
    route(&mut settings, "slow", slow);
    let running = gateway::start(settings).await?;
    let mut peer = Peer::open(running.address(), "/chsk?client-id=c").await?;
    peer.text().await?;
    let event = Frame::text(r#"[[:hostile/slow nil] "cb"]"#).encode();
    peer.send(&event.repeat(EVENTS)).await?;
    let (mut words, mut refused, mut why) = (0, 0, String::new());
    for number in 0..5 {
        let asked = Instant::now();
        peer.send(&Frame::text(format!(r#"[[:chsk/ws-ping] "ping{number}"]"#)).encode()).await?;
        loop {
            let said = peer.text().await?;
            if said == format!(r#"["pong" "ping{number}"]"#) {
                break;
            }
            words += usize::from(said.ends_with(r#" "cb"]"#));
            refused += usize::from(said.contains("chsk/error"));
            if said.contains("tengen/error") {
                why = said;
            }
        }
        // Without a pause that is bounded it would take more than a minute; a busy machine has some of this.
        ensure!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    }
    while words < EVENTS {
        let said = peer.text().await?;
        words += usize::from(said.ends_with(r#" "cb"]"#));
        refused += usize::from(said.contains("chsk/error"));
    }
    ensure!(refused > 0 && refused < EVENTS, "{refused} were refused: {why}");
    ensure!(counter(&running, "/events/overloaded") == refused as u64, "each is counted");
    running.drain().await;
    Ok(())
}

#[tokio::test]
async fn in_a_folder_of_two_plugins_each_gets_the_events_that_it_wants() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for name in ["chat", "handler_echo"] {
        guests::install(name, &folder.path().join(format!("{name}.wasm")))?;
    }
    let settings = Settings {
        plugin_folder: Some(folder.path().to_owned()),
        echo: false,
        ..Settings::default()
    };
    let running = gateway::start(settings).await?;
    let mut client = Client::json(running.address(), "/ws").await?;
    // The chat does not want it, and that takes nobody's reply.
    for number in 0..20 {
        ensure!(client.ask("game/move", json!(number)).await? == number);
    }
    ensure!(counter(&running, "/events/unrouted") == 0);
    running.drain().await;
    Ok(())
}

#[tokio::test]
async fn an_event_that_an_open_plugin_fails_at_is_answered_by_the_next() -> Result<()> {
    for on_failure in [OnFailure::Open, OnFailure::Closed] {
        let mut settings = Settings::default();
        let first = Plugin { on_failure, ..guests::plugin("handler_hostile")? };
        route(&mut settings, "first", first);
        route(&mut settings, "second", guests::plugin("handler_echo")?);
        let running = gateway::start(settings).await?;
        let mut client = Client::json(running.address(), "/ws").await?;
        ensure!(client.ask("a/b", json!(1)).await? == "well", "the first decides");
        let answer = client.ask("hostile/trap", json!({ "x": 1 })).await?;
        match on_failure {
            OnFailure::Open => ensure!(answer == json!({ "x": 1 }), "{answer}"),
            OnFailure::Closed => {
                let id = answer.pointer("/tengen~1error/id");
                ensure!(id == Some(&json!("plugin-failed")), "{answer}");
            }
        }
        running.drain().await;
    }
    Ok(())
}

#[tokio::test]
async fn large_messages_of_many_at_once_do_not_break_the_shipped_chat() -> Result<()> {
    const CLIENTS: usize = 24;
    let mut settings = Settings { echo: false, ..Settings::default() };
    let chat = guests::plugin("chat")?;
    settings.plugins.insert("chat".into(), chat);
    settings.routes.push(Route {
        event: Pattern("chat/*".into()),
        plugin: "chat".into(),
        endpoint: None,
        mode: Mode::First,
    });
    let running = gateway::start(settings).await?;
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let mut client = Client::json(running.address(), "/ws").await?;
        client.ask("chat/join", json!({ "room": "r", "name": format!("n{number}") })).await?;
        clients.push(client);
    }
    // A good message, though not one that the chat would carry: what it is answered, says that it was read.
    let text = "x".repeat(1_000_000);
    for client in &mut clients {
        client.send("chat/say", json!({ "text": &text })).await?;
    }
    for client in &mut clients {
        let here = client.ask("chat/who", json!(null)).await?;
        let members = here.pointer("/members").and_then(Value::as_array).map(Vec::len);
        ensure!(members == Some(CLIENTS), "the rooms are still there: {here}");
    }
    let plugins = running.gateway.plugins();
    ensure!(
        plugins.pointer("/0/traps").or(plugins.pointer("/plugins/0/traps")) == Some(&json!(0)),
        "{plugins}"
    );
    running.drain().await;
    Ok(())
}
