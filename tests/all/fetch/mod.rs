//! Plugins that ask other people's servers: by an effect, and an authenticator that waits.

mod asks;
pub(crate) mod backend;
mod example;
mod where_to;

use anyhow::{Context as _, Result, ensure};
use backend::{Backend, header};
use serde_json::{Value, json};
use support::{
    client::Client,
    gateway::{self, Running},
    guests,
};
use tengen_server::{admin, gateway::Options};
use tengen_settings::{Admin, Host, Plugin, Secret, Settings};

const KEY: &str = "a-key-of-sixteen-signs";

/// The plugin, with a grant: those that end with `!` may be private.
fn fetches(grant: &[&str]) -> Result<Plugin> {
    let mut plugin = guests::plugin("handler_fetches")?;
    plugin.grant.http = hosts(grant)?;
    Ok(plugin)
}

pub(crate) fn hosts(grant: &[&str]) -> Result<Vec<Host>> {
    let host = |text: &&str| match text.strip_suffix('!') {
        Some(text) => Host::read(text, true),
        None => Host::read(text, false),
    };
    grant.iter().map(host).collect::<Result<_, _>>().map_err(anyhow::Error::msg)
}

async fn start(plugin: Plugin) -> Result<Running> {
    start_with(plugin, Options::default()).await
}

async fn start_with(plugin: Plugin, options: Options) -> Result<Running> {
    let mut settings = Settings { echo: false, ..Settings::default() };
    gateway::route_everything(&mut settings, "fetches", plugin);
    if let Some(admin) = &mut settings.admin {
        *admin = Admin { keys: vec![Secret(KEY.into())], ..admin.clone() };
    }
    gateway::start_with(settings, options).await
}

async fn here() -> Result<(Backend, Running, Client)> {
    let backend = Backend::start().await?;
    let granted = format!("http://127.0.0.1:{}!", backend.port());
    let gateway = start(fetches(&[&granted])?).await?;
    let client = Client::json(gateway.address(), "/ws").await?;
    Ok((backend, gateway, client))
}

async fn send(client: &mut Client, name: &str, url: &str) -> Result<()> {
    client.ask("fetch/send", json!({ "name": name, "url": url })).await.map(drop)
}

fn stat(gateway: &Running, place: &str) -> Value {
    gateway.gateway.stats().pointer(place).cloned().unwrap_or_default()
}

#[tokio::test]
async fn a_request_is_sent_and_its_answer_comes_as_an_event_of_the_connection() -> Result<()> {
    let (backend, gateway, mut client) = here().await?;
    let request = json!({
        "name": "one", "method": "POST", "url": format!("{}a?b", backend.url("127.0.0.1")),
        "headers": { "x-a": "1" }, "body": "hello",
    });
    client.ask("fetch/send", request).await?;
    let asked = backend.answer("201 Created", "it is done").await?;
    ensure!(
        asked.starts_with("POST /a?b HTTP/1.1\r\n") && asked.ends_with("\r\n\r\nhello"),
        "{asked}"
    );
    assert_eq!((header(&asked, "x-a")?, header(&asked, "connection")?), ("1", "close"));
    let done = client.next_event("fetch/done").await?;
    assert_eq!(
        done,
        json!({ "name": "one", "status": 201, "headers": ["content-length", "x-own"], "body": "it is done" })
    );
    assert_eq!(stat(&gateway, "/outgoing/ended/answered"), 1);
    assert_eq!(stat(&gateway, "/outgoing/received-bytes"), 10);
    assert_eq!(stat(&gateway, "/outgoing/sent-bytes"), 5);
    // Its end was told, and nobody has it any more.
    client.ask("fetch/orphans", Value::Null).await?;
    assert_eq!(stat(&gateway, "/outgoing/under-way"), 0);
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_and_the_plugin_hears_of_it() -> Result<()> {
    let backend = Backend::start().await?;
    let mut plugin = fetches(&[&format!("http://127.0.0.1:{}!", backend.port())])?;
    plugin.request_body = 1000;
    let gateway = start(plugin).await?;
    let mut client = Client::json(gateway.address(), "/ws").await?;
    let url = backend.url("127.0.0.1");
    let odd = [
        ("grant", json!({ "url": "https://other.example/" })),
        ("method", json!({ "url": url, "method": "CONNECT" })),
        ("host", json!({ "url": url, "headers": { "Host": "other.example" } })),
        ("length", json!({ "url": url, "headers": { "content-length": "9" } })),
        ("connection", json!({ "url": url, "headers": { "connection": "keep-alive" } })),
        ("trace", json!({ "url": url, "headers": { "traceparent": "00-1-2-01" } })),
        ("line", json!({ "url": url, "headers": { "x-a": "1\r\nhost: b" } })),
        ("scheme", json!({ "url": "file:///etc/passwd" })),
        ("user", json!({ "url": format!("http://a@127.0.0.1:{}/", backend.port()) })),
        ("body", json!({ "url": url, "method": "POST", "body": "x".repeat(1001) })),
    ];
    for (name, mut request) in odd {
        request["name"] = name.into();
        client.ask("fetch/send", request).await?;
    }
    let (not_allowed, malformed) = ("not-allowed", "malformed");
    let expected = json!([
        ["grant", not_allowed],
        ["method", not_allowed],
        ["host", not_allowed],
        ["length", not_allowed],
        ["connection", not_allowed],
        ["trace", not_allowed],
        ["line", malformed],
        ["scheme", malformed],
        ["user", malformed],
        ["body", "too-large"],
    ]);
    assert_eq!(client.ask("fetch/refused", Value::Null).await?, expected);
    ensure!(backend.is_untouched().await, "nobody was asked");
    assert_eq!(stat(&gateway, "/effects/refused-by-reason/not-allowed/fetch"), 6);
    let waited = client.ask("fetch/wait", json!({ "name": "", "url": url })).await?;
    assert_eq!(waited, "not-allowed", "a handler never waits");
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn requests_at_once_are_bounded_and_each_has_its_place_until_its_end_is_told() -> Result<()> {
    let backend = Backend::start().await?;
    let mut plugin = fetches(&[&format!("http://127.0.0.1:{}!", backend.port())])?;
    plugin.requests = 2;
    let gateway = start(plugin).await?;
    let mut client = Client::json(gateway.address(), "/ws").await?;
    for name in ["first", "second", "third"] {
        send(&mut client, name, &backend.url("127.0.0.1")).await?;
    }
    let refused = client.ask("fetch/refused", Value::Null).await?;
    assert_eq!(refused, json!([["third", "limit-reached"]]));
    assert_eq!(stat(&gateway, "/outgoing/under-way"), 2);
    for _ in 0..2 {
        backend.answer("200 OK", "").await?;
        client.next_event("fetch/done").await?;
    }
    send(&mut client, "fourth", &backend.url("127.0.0.1")).await?;
    backend.answer("200 OK", "").await?;
    assert_eq!(client.next_event("fetch/done").await?["name"], "fourth");
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn an_answer_survives_a_trap_and_a_reload_of_who_asked() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("fetches.wasm");
    guests::install("handler_fetches", &file)?;
    let backend = Backend::start().await?;
    let plugin = fetches(&[&format!("http://127.0.0.1:{}!", backend.port())])?;
    let gateway = start(Plugin { file: file.clone(), ..plugin }).await?;
    let mut client = Client::json(gateway.address(), "/ws").await?;
    send(&mut client, "kept", &backend.url("127.0.0.1")).await?;
    let failed = client.ask("fetch/trap", Value::Null).await?;
    ensure!(failed.get("tengen/error").is_some(), "{failed}");
    // Another version: the same, with a section that nobody reads.
    let another = [std::fs::read(&file)?, vec![0, 2, 1, b'x']].concat();
    let beside = file.with_extension("part");
    std::fs::write(&beside, another)?;
    std::fs::rename(&beside, &file)?;
    let admin = gateway.gateway.admin_address().context("it has an admin listener")?;
    admin::client::Client::new(admin).reload("fetches", Some(KEY)).await?;
    backend.answer("200 OK", "late").await?;
    assert_eq!(client.next_event("fetch/done").await?["body"], "late");
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn an_answer_whose_connection_is_gone_comes_without_one() -> Result<()> {
    let (backend, gateway, mut goes) = here().await?;
    let mut stays = Client::json(gateway.address(), "/ws").await?;
    send(&mut goes, "orphan", &backend.url("127.0.0.1")).await?;
    goes.close().await?;
    while stat(&gateway, "/connections/open") != 1 {
        tokio::task::yield_now().await;
    }
    // Comes in between, and may have the handle of the one that has gone.
    let mut next = Client::json(gateway.address(), "/ws").await?;
    next.ask("a/b", Value::Null).await?;
    backend.answer("200 OK", "").await?;
    while stays.ask("fetch/orphans", Value::Null).await? != json!(["orphan"]) {}
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_drain_does_not_wait_for_servers() -> Result<()> {
    let (backend, gateway, mut client) = here().await?;
    send(&mut client, "never", &backend.url("127.0.0.1")).await?;
    let (_, _socket) = backend.asked().await?;
    let began = std::time::Instant::now();
    gateway.drain().await;
    ensure!(began.elapsed().as_secs() < 8, "{:?}", began.elapsed());
    Ok(())
}
