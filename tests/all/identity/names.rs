//! Names and origins are what they seem to be, and what goes wrong inside is nobody's to read.

use super::{behind, says};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::net::{Ipv6Addr, SocketAddr};
use support::{
    client::Client,
    gateway::{self, route_everything},
    guests,
};
use tengen_server::gateway::{Gateway, Options};
use tengen_settings::{Settings, config};
use tokio::net::TcpListener;

/// A gateway whose `/ws` lets these pages in.
async fn open_to(origins: &str) -> Result<gateway::Running> {
    let text =
        format!("[[endpoint]]\npath = '/ws'\norigins = {origins}\n[admin]\nlisten = 'off'\n");
    let parsed = config::parse(&text, &|_| None, std::path::Path::new(""))?;
    gateway::start(parsed.settings).await
}

async fn comes_in(gateway: &gateway::Running, origin: &str) -> Result<bool> {
    let headers = [("origin", origin), ("sec-websocket-protocol", "tengen.v1.json")];
    let opened = Client::try_open(gateway.address(), "/ws", &headers).await?;
    if let Err(refused) = &opened {
        ensure!(refused.status == 403, "{origin}: {refused:?}");
    }
    Ok(opened.is_ok())
}

#[tokio::test]
async fn pages_come_in_by_the_origins_that_people_write() -> Result<()> {
    let gateway = open_to("['null', 'file://', 'https://*.app.example']").await?;
    for origin in ["null", "file://", "https://a.app.example", "https://a.b.app.example:443"] {
        ensure!(comes_in(&gateway, origin).await?, "{origin}");
    }
    for origin in ["https://app.example", "http://a.app.example", "https://evil.example"] {
        ensure!(!comes_in(&gateway, origin).await?, "{origin}");
    }
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_page_of_the_same_host_comes_in_by_http_and_no_other_way() -> Result<()> {
    let gateway = gateway::start(Settings::default()).await?;
    let host = gateway.address();
    ensure!(comes_in(&gateway, &format!("http://{host}")).await?);
    for scheme in ["file", "chrome-extension", "ftp"] {
        ensure!(!comes_in(&gateway, &format!("{scheme}://{host}")).await?, "{scheme}");
    }
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_peer_of_ipv4_is_one_on_a_port_of_both_families_too() -> Result<()> {
    let everywhere = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    if let Err(error) = TcpListener::bind(everywhere).await {
        return support::skip::skip("both families", &error.to_string(), "switch IPv6 on");
    }
    let mut settings = behind(says()?);
    settings.server.listen = everywhere;
    settings.admin = None;
    let gateway = Gateway::start(settings, Options::default()).await?;
    let address = SocketAddr::from(([127, 0, 0, 1], gateway.address().port()));
    let mut client = Client::open(address, "/ws?user-peer=1", &[]).await?;
    let handshake = client.next_json().await?;
    let user = handshake.pointer("/0/1/0").and_then(Value::as_str).context("a user")?;
    ensure!(user.starts_with("127.0.0.1:"), "{user}");
    gateway.drain().await;
    Ok(())
}

/// A peer learns the fault and its own event, and nothing of what happened inside.
fn check(worst: &str, told: &Value) -> Result<()> {
    let mut told = told.clone();
    let keys = told.as_object_mut().context("a map")?;
    ensure!(keys.remove("event") == Some(format!("hostile/{worst}").into()), "{keys:?}");
    keys.retain(|key, value| key != "callback" && !value.is_null());
    ensure!(told == json!({ "id": "plugin-failed", "message": "the plugin failed" }), "{told}");
    Ok(())
}

#[tokio::test]
async fn what_a_guest_broke_at_reaches_no_peer() -> Result<()> {
    let mut settings = Settings::default();
    route_everything(&mut settings, "innermost", guests::plugin("handler_hostile")?);
    let gateway = gateway::start(settings).await?;
    let mut client = Client::json(gateway.address(), "/ws").await?;
    for worst in ["trap", "spin", "eat"] {
        let answer = client.ask(&format!("hostile/{worst}"), Value::Null).await?;
        check(worst, answer.get("tengen/error").with_context(|| format!("an error: {answer}"))?)?;
        client.send(&format!("hostile/{worst}"), Value::Null).await?;
        let pushed = client.next_event("tengen/error").await?;
        check(worst, &pushed)?;
        // The operator is told what the peer is not.
        let plugins = gateway.gateway.plugins();
        let why = plugins.pointer("/0/last_error/message").and_then(Value::as_str);
        ensure!(why.is_some_and(|why| why.contains("`handle` failed")), "{plugins}");
    }
    gateway.drain().await;
    Ok(())
}
