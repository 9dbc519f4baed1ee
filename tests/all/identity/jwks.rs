//! Tokens of keys that a server publishes.

use super::behind;
use crate::fetch::{backend::Backend, hosts};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use support::{client::Client, gateway, guests};

const SET: &str = include_str!("../../../plugins/token-auth/src/tests/jwks.json");
const RSA: &str = include_str!("../../../plugins/token-auth/src/tests/r1.jwt");
const P256: &str = include_str!("../../../plugins/token-auth/src/tests/e1.jwt");
const ED25519: &str = include_str!("../../../plugins/token-auth/src/tests/o1.jwt");

async fn start(backend: &Backend) -> Result<gateway::Running> {
    let host = format!("http://127.0.0.1:{}", backend.port());
    let mut auth = guests::plugin("token-auth")?;
    auth.grant.http = hosts(&[&format!("{host}!")])?;
    auth.config.insert("jwks".into(), format!("{host}/keys"));
    gateway::start(behind(auth)).await
}

/// Who comes in by a token, or the status of the refusal.
async fn meet(gateway: &gateway::Running, token: &str) -> Result<Result<Value, u16>> {
    let subprotocols = format!("tengen.v1.json, tengen.token.{token}");
    let offered = [("sec-websocket-protocol", subprotocols.as_str())];
    Ok(match Client::try_open(gateway.address(), "/ws", &offered).await? {
        Ok(mut client) => Ok(client.next_json().await?[0][1][0].clone()),
        Err(refused) => Err(refused.status),
    })
}

#[tokio::test]
async fn tokens_of_published_keys_come_in_and_a_dead_server_costs_only_who_has_another_key()
-> Result<()> {
    let backend = Backend::start().await?;
    let gateway = start(&backend).await?;
    // Without the key of the second: it is asked for, but not so soon again.
    let set = SET.replace("\"e1\"", "\"e0\"");
    let (asked, came) = tokio::join!(backend.answer("200 OK", &set), meet(&gateway, RSA));
    ensure!(asked?.starts_with("GET /keys HTTP/1.1\r\n"));
    ensure!(came? == Ok("ann".into()));
    ensure!(meet(&gateway, ED25519).await? == Ok("ann".into()));
    ensure!(meet(&gateway, P256).await? == Err(401));
    ensure!(backend.is_untouched().await, "the set is kept");
    let (head, rest) = RSA.split_once('.').context("a token")?;
    let (claims, _) = rest.split_once('.').context("a token")?;
    ensure!(meet(&gateway, &format!("{head}.{claims}.AAAA")).await? == Err(401));
    drop(backend);
    ensure!(meet(&gateway, RSA).await? == Ok("ann".into()), "whose key is known");
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn without_a_server_of_keys_newcomers_may_try_again() -> Result<()> {
    let backend = Backend::start().await?;
    let gateway = start(&backend).await?;
    drop(backend);
    for token in [RSA, P256] {
        ensure!(meet(&gateway, token).await? == Err(503));
    }
    let outgoing = gateway.gateway.stats()["outgoing"]["ended"].clone();
    ensure!(outgoing["unreachable"] == 1, "it was asked once: {outgoing}");
    gateway.drain().await;
    Ok(())
}
