//! Where a plugin's requests do not go, whatever it writes and whatever names mean.

use super::{Backend, fetches, here, send, start, start_with, stat};
use anyhow::{Result, ensure};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use std::{
    io,
    net::IpAddr,
    sync::{Arc, Mutex},
};
use support::client::Client;
use tengen_fetch::Resolve;
use tengen_server::gateway::Options;

/// Names that mean something else each time.
#[derive(Debug)]
struct Fickle(Mutex<Vec<IpAddr>>);

impl Resolve for Fickle {
    fn resolve(&self, _: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let next = self.0.lock().unwrap().pop().ok_or_else(|| io::ErrorKind::NotFound.into());
        Box::pin(async move { next.map(|address| vec![address]) })
    }
}

#[tokio::test]
async fn no_spelling_of_this_machine_is_asked_that_the_grant_does_not_name() -> Result<()> {
    let backend = Backend::start().await?;
    // Every name at this port: no address, and nothing private.
    let gateway = start(fetches(&[&format!("http://*:{}", backend.port())])?).await?;
    let mut client = Client::json(gateway.address(), "/ws").await?;
    let addresses = [
        "127.0.0.1",
        "2130706433",
        "0x7f000001",
        "017700000001",
        "0177.0.0.1",
        "127.1",
        "127.0.0.1.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "0.0.0.0",
        "[::]",
    ];
    for host in addresses {
        send(&mut client, host, &backend.url(host)).await?;
    }
    let expected: Vec<_> = addresses.iter().map(|host| json!([host, "not-allowed"])).collect();
    assert_eq!(client.ask("fetch/refused", Value::Null).await?, Value::from(expected));
    // Names are looked up, and what they mean is looked at.
    for host in ["localhost", "localhost.", "LOCALHOST."] {
        send(&mut client, host, &backend.url(host)).await?;
        let done = client.next_event("fetch/done").await?;
        assert_eq!(
            (&done["name"], &done["fault"]),
            (&host.into(), &"not-allowed".into()),
            "{done}"
        );
    }
    ensure!(backend.is_untouched().await, "nobody was asked");
    assert_eq!(stat(&gateway, "/outgoing/ended/not-allowed"), 3);
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_name_that_changes_its_mind_gains_nothing() -> Result<()> {
    let meant = Backend::start().await?;
    let other = Backend::at(&format!("127.0.0.2:{}", meant.port())).await?;
    let answers = ["169.254.169.254", "127.0.0.2", "127.0.0.1"].map(|it| it.parse().unwrap());
    let names: Arc<dyn Resolve> = Arc::new(Fickle(Mutex::new(answers.to_vec())));
    let options = Options { names: Some(names), ..Options::default() };
    let plugin = fetches(&[&format!("http://a.example:{}!", meant.port())])?;
    let gateway = start_with(plugin, options).await?;
    let mut client = Client::json(gateway.address(), "/ws").await?;
    send(&mut client, "first", &meant.url("a.example")).await?;
    meant.answer("200 OK", "meant").await?;
    assert_eq!(client.next_event("fetch/done").await?["body"], "meant");
    ensure!(other.is_untouched().await, "looked up once, and what was checked is what was asked");
    // Looked up anew for the next one: where it leads now is granted as well, and after that it is not.
    send(&mut client, "second", &meant.url("a.example")).await?;
    other.answer("200 OK", "other").await?;
    assert_eq!(client.next_event("fetch/done").await?["body"], "other");
    send(&mut client, "third", &meant.url("a.example")).await?;
    let done = client.next_event("fetch/done").await?;
    ensure!(
        done["fault"] == "not-allowed" && done["why"].to_string().contains("metadata"),
        "{done}"
    );
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() -> Result<()> {
    let (backend, gateway, mut client) = here().await?;
    send(&mut client, "moved", &backend.url("127.0.0.1")).await?;
    let elsewhere = format!("302 Found\r\nLocation: {}", backend.url("127.0.0.1"));
    backend.answer(&elsewhere, "").await?;
    let done = client.next_event("fetch/done").await?;
    assert_eq!((&done["status"], &done["headers"][0]), (&302.into(), &"location".into()));
    ensure!(backend.is_untouched().await, "it was asked once");
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_body_that_never_ends_is_given_up() -> Result<()> {
    let (backend, gateway, mut client) = here().await?;
    send(&mut client, "fast", &backend.url("127.0.0.1")).await?;
    backend.answer_without_end(&[b'x'; 16 << 10]).await?;
    assert_eq!(client.next_event("fetch/done").await?["fault"], "too-large");
    let slow = json!({ "name": "slow", "url": backend.url("127.0.0.1"), "ms": 200 });
    client.ask("fetch/send", slow).await?;
    let (_, _held) = backend.asked().await?;
    assert_eq!(client.next_event("fetch/done").await?["fault"], "timeout");
    client.ask("fetch/orphans", Value::Null).await?;
    assert_eq!(stat(&gateway, "/outgoing/under-way"), 0);
    gateway.drain().await;
    Ok(())
}
