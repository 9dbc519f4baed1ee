//! Plugins that hear who is subscribed to what, who has a connection, and what slow clients do not get.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use support::{
    client::Client,
    gateway::{self, Running},
    guests,
};
use tengen_settings::{
    ChannelName, ChannelRule, Endpoint, Grants, Mode, Outbox, Pattern, Route, Settings, WhenFull,
    Who,
};
use tengen_wire::dialect::Dialect;

/// `/ws` and `/other` are the watching plugin's, `/foreign` is not; who somebody is says the query.
fn settings() -> Result<Settings> {
    let behind = |path| {
        let authenticator = Some("auth".into());
        Endpoint { authenticator, ..Endpoint::new(path, Dialect::Tengen) }.into()
    };
    let (name, any) = (ChannelName::parse("watched/*").unwrap(), Who::Any);
    let rule = ChannelRule { name, subscribe: any, publish: any, personal: false };
    let mut settings = Settings { echo: false, channels: vec![rule], ..Settings::default() };
    settings.endpoints = ["/ws", "/other", "/foreign"].map(behind).to_vec();
    let mut auth = guests::plugin("authenticator_says")?;
    let publish: Vec<_> = ["watched/*", "hall"].map(|pattern| Pattern(pattern.into())).to_vec();
    auth.grant = Grants { publish: publish.clone(), ..Grants::default() };
    settings.plugins.insert("auth".into(), auth);
    let mut watches = guests::plugin("handler_watches")?;
    watches.grant = Grants { publish, ..Grants::default() };
    settings.plugins.insert("watches".into(), watches);
    settings.plugins.insert("echo".into(), guests::plugin("handler_echo")?);
    settings.routes = [("/ws", "watches"), ("/other", "watches"), ("/foreign", "echo")]
        .map(|(path, plugin)| Route {
            event: Pattern("*".into()),
            plugin: plugin.into(),
            endpoint: Some(path.into()),
            mode: Mode::First,
        })
        .to_vec();
    Ok(settings)
}

async fn open(gateway: &Running, path: &str) -> Result<Client> {
    Client::json(gateway.address(), path).await
}

async fn listener(gateway: &Running) -> Result<Client> {
    let mut listener = open(gateway, "/ws").await?;
    listener.ask("watches/listen", Value::Null).await?;
    Ok(listener)
}

async fn hears(listener: &mut Client, expected: &[&str]) -> Result<()> {
    for expected in expected {
        let what = listener.next_event("watches/heard").await?;
        let what = what.as_str().context("a text")?;
        ensure!(what == *expected, "{what} instead of {expected}");
    }
    Ok(())
}

fn channel(name: &str) -> Value {
    json!({ "channel": name })
}

#[tokio::test]
async fn a_plugin_hears_who_is_subscribed_by_whomever_and_in_order() -> Result<()> {
    let gateway = gateway::start(settings()?).await?;
    let mut listener = listener(&gateway).await?;
    let mut client = open(&gateway, "/ws?channel=watched/b&channel=hall&channel=watched/a").await?;
    hears(&mut listener, &["opened", "+watched/a watched/b"]).await?;
    client.ask("watches/join", channel("watched/own")).await?;
    client.ask("watches/join", channel("hall")).await?;
    client.ask("tengen/subscribe", channel("watched/asked")).await?;
    client.ask("tengen/subscribe", channel("watched/asked")).await?;
    client.ask("app/after", Value::Null).await?;
    hears(&mut listener, &["+watched/own", "+watched/asked", "message app/after"]).await?;
    client.ask("watches/leave", channel("watched/own")).await?;
    client.ask("tengen/unsubscribe", channel("watched/b")).await?;
    hears(&mut listener, &["-watched/own", "-watched/b"]).await?;
    // Another plugin's connections are its own business.
    let mut foreign = open(&gateway, "/foreign").await?;
    foreign.ask("tengen/subscribe", channel("watched/a")).await?;
    client.close().await?;
    hears(&mut listener, &["-watched/a watched/asked", "closed"]).await?;
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn after_a_trap_a_plugin_hears_of_all_subscriptions_and_users_anew() -> Result<()> {
    let gateway = gateway::start(settings()?).await?;
    // Who is adopted first listens.
    let mut listener = listener(&gateway).await?;
    let client = open(&gateway, "/ws?user=ann&channel=watched/a&channel=watched/b").await?;
    hears(&mut listener, &["opened", "+watched/a watched/b"]).await?;
    listener.next_event("watches/heard").await?;
    listener.ask("watches/trap", Value::Null).await?;
    let mut heard = Vec::new();
    while heard.len() < 2 {
        heard.push(listener.next_event("watches/heard").await?);
    }
    heard.retain(|what| what != "adopted");
    while heard.len() < 2 {
        heard.push(listener.next_event("watches/heard").await?);
    }
    heard.sort_by_key(Value::to_string);
    assert_eq!(heard, ["+watched/a watched/b", "online ann"]);
    client.close().await?;
    hears(&mut listener, &["-watched/a watched/b", "closed", "offline ann"]).await?;
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_plugin_hears_of_a_users_first_connection_and_of_the_last() -> Result<()> {
    let gateway = gateway::start(settings()?).await?;
    let mut listener = listener(&gateway).await?;
    let elsewhere = open(&gateway, "/foreign?user=ann").await?;
    let first = open(&gateway, "/ws?user=ann").await?;
    hears(&mut listener, &["opened", "online ann"]).await?;
    let second = open(&gateway, "/other?user=ann").await?;
    let bob = open(&gateway, "/other?user=bob").await?;
    hears(&mut listener, &["opened", "opened", "online bob"]).await?;
    first.close().await?;
    bob.close().await?;
    hears(&mut listener, &["closed", "closed", "offline bob"]).await?;
    second.close().await?;
    hears(&mut listener, &["closed", "offline ann"]).await?;
    elsewhere.close().await?;
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_plugin_hears_what_a_slow_client_does_not_get() -> Result<()> {
    let mut settings = settings()?;
    let outbox = Outbox {
        bytes: std::num::NonZeroUsize::new(50_000).context("not zero")?,
        when_full: WhenFull::DropNewest,
        ..settings.outbox
    };
    settings.outbox = outbox;
    let gateway = gateway::start(settings).await?;
    let mut listener = listener(&gateway).await?;
    let mut slow = open(&gateway, "/other").await?;
    hears(&mut listener, &["opened"]).await?;
    slow.send("watches/flood", Value::Null).await?;
    let mut missed = 0;
    // Of a hundred messages, five or so find room at once.
    while missed < 90 {
        let what = listener.next_event("watches/heard").await?;
        let count =
            what.as_str().and_then(|what| what.strip_prefix("missed ")).context("missed")?;
        missed += count.parse::<u32>()?;
    }
    let dropped = gateway.gateway.stats().pointer("/outbox/dropped").cloned();
    assert_eq!(dropped, Some(missed.into()));
    slow.close().await?;
    gateway.drain().await;
    Ok(())
}
