//! An authenticator that asks an operator's own backend.

use super::{Backend, hosts, stat};
use anyhow::Result;
use serde_json::json;
use std::sync::Arc;
use support::{client::Client, gateway, guests};
use tengen_settings::{Endpoint, Settings};

/// `/ws` is behind the authenticator, `/open` is not; a backend at this address is asked.
fn behind(port: u16) -> Result<Settings> {
    let mut auth = guests::plugin("authenticator_asks")?;
    auth.grant.http = hosts(&[&format!("http://127.0.0.1:{port}!")])?;
    auth.config.insert("backend".into(), format!("http://127.0.0.1:{port}/who"));
    let mut settings = Settings::default();
    settings.plugins.insert("auth".into(), auth);
    let usual = Endpoint::clone(&settings.endpoints[0]);
    let open = Endpoint { path: "/open".into(), ..usual.clone() };
    let guarded = Endpoint { authenticator: Some("auth".into()), ..usual };
    settings.endpoints = vec![Arc::new(guarded), Arc::new(open)];
    Ok(settings)
}

async fn status(gateway: &gateway::Running, path: &str) -> Result<u16> {
    let opened = Client::try_open(gateway.address(), path, &[]).await?;
    Ok(opened.err().map_or(101, |refused| refused.status))
}

#[tokio::test]
async fn an_authenticator_lets_in_whom_a_backend_knows() -> Result<()> {
    let backend = Backend::start().await?;
    let gateway = gateway::start(behind(backend.port())?).await?;
    let protocol = [("sec-websocket-protocol", "tengen.v1.json")];
    let (asked, client) = tokio::join!(
        backend.answer("200 OK", "ann"),
        Client::open(gateway.address(), "/ws?key=1", &protocol)
    );
    assert!(asked?.starts_with("GET /who?key=1 HTTP/1.1\r\n"));
    assert_eq!(client?.next_json().await?[0][1][0], "ann");
    let (_, refused) = tokio::join!(backend.answer("404 Not Found", ""), status(&gateway, "/ws"));
    assert_eq!(refused?, 401);
    assert_eq!(stat(&gateway, "/outgoing/ended/answered"), 2);
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_dead_backend_costs_newcomers_a_503_and_nobody_else_anything() -> Result<()> {
    let port = Backend::start().await?.port();
    let gateway = gateway::start(behind(port)?).await?;
    let mut client = Client::json(gateway.address(), "/open").await?;
    assert_eq!(status(&gateway, "/ws").await?, 503);
    assert_eq!(client.ask("a/b", json!(1)).await?, 1);
    assert_eq!(stat(&gateway, "/outgoing/ended/unreachable"), 1);
    gateway.drain().await;
    Ok(())
}

/// One worker: were it to wait with the guest, nobody would be served.
#[tokio::test]
async fn a_backend_that_does_not_answer_blocks_no_worker_and_is_given_up() -> Result<()> {
    let backend = Backend::start().await?;
    let gateway = gateway::start(behind(backend.port())?).await?;
    let mut client = Client::json(gateway.address(), "/open").await?;
    let began = std::time::Instant::now();
    let others = async {
        let (_, socket) = backend.asked().await?;
        for number in 0..100 {
            assert_eq!(client.ask("a/b", json!(number)).await?, number);
        }
        assert_eq!(status(&gateway, "/open").await?, 101);
        assert!(began.elapsed().as_secs() < 5, "served while the authenticator waits");
        anyhow::Ok(socket)
    };
    let (held, refused) = tokio::join!(others, status(&gateway, "/ws"));
    let _held = held?;
    assert_eq!(refused?, 503);
    assert!(began.elapsed().as_secs() < 8, "{:?}", began.elapsed());
    let plugin = &gateway.gateway.plugins()[0];
    for kind in ["overrun", "timeout"] {
        assert_eq!(plugin["failed_calls"][kind], 0, "waiting is no overrun: {plugin}");
    }
    assert_eq!(stat(&gateway, "/outgoing/ended/timeout"), 1);
    gateway.drain().await;
    Ok(())
}
