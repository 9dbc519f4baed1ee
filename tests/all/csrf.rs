//! Endpoints whose pages have to show that they are the application's own.

use anyhow::{Context, Result};
use http::Method;
use serde_json::Value;
use std::sync::Arc;
use support::{
    client::Client,
    events::{Answer, ask},
    gateway,
};
use tengen_settings::{Csrf, CsrfToken, Endpoint, Secret, Settings};
use tengen_wire::dialect::Dialect;

const COOKIE: (&str, &str) = ("cookie", "session=ann");
const SCRIPT: (&str, &str) = ("x-requested-with", "XMLHttpRequest");

async fn start() -> Result<gateway::Running> {
    let token = CsrfToken {
        cookie: "session".to_owned(),
        key: Secret("a key that is long enough".to_owned()),
        lasts: std::time::Duration::from_secs(60),
    };
    let signed =
        [("/ws", Dialect::Tengen), ("/chsk", Dialect::Sente), ("/lite", Dialect::SenteLite)];
    let signed = signed.map(|(path, dialect)| Endpoint {
        csrf: Csrf::Signed,
        csrf_token: Some(token.clone()),
        ..Endpoint::new(path, dialect)
    });
    let open = Endpoint::new("/open", Dialect::Tengen);
    let endpoints = signed.into_iter().chain([open]).map(Arc::new).collect();
    gateway::start(Settings { endpoints, ..Settings::default() }).await
}

async fn get(gateway: &gateway::Running, path: &str, headers: &[(&str, &str)]) -> Result<Answer> {
    ask(gateway.address(), Method::GET, path, headers, "").await
}

async fn token(gateway: &gateway::Running, path: &str) -> Result<String> {
    let answer = get(gateway, &format!("{path}/csrf"), &[COOKIE]).await?;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let said: Value = serde_json::from_str(&answer.body)?;
    Ok(said["csrf-token"].as_str().context("a token")?.to_owned())
}

async fn status(
    gateway: &gateway::Running,
    path: &str,
    headers: &[(&'static str, &str)],
) -> Result<u16> {
    let opened = Client::try_open(gateway.address(), path, headers).await?;
    Ok(opened.err().map_or(101, |refused| refused.status))
}

#[tokio::test]
async fn a_page_gets_a_token_with_its_session_and_comes_in_with_it() -> Result<()> {
    let gateway = start().await?;
    let token = token(&gateway, "/ws").await?;
    let with = format!("/ws?csrf-token={token}");
    assert_eq!(status(&gateway, &with, &[COOKIE]).await?, 101);
    assert_eq!(status(&gateway, "/ws", &[COOKIE, ("x-csrf-token", &token)]).await?, 101);
    assert_eq!(status(&gateway, "/ws", &[COOKIE]).await?, 403);
    assert_eq!(status(&gateway, &with, &[("cookie", "session=bob")]).await?, 403);
    assert_eq!(status(&gateway, &with, &[]).await?, 403);
    // What has no token is as it was.
    assert_eq!(status(&gateway, "/open", &[]).await?, 101);
    assert_eq!(get(&gateway, "/open/csrf", &[COOKIE]).await?.status, 404);
    // Nor is one given to who has no session, or to a page of another site.
    assert_eq!(get(&gateway, "/ws/csrf", &[]).await?.status, 403);
    let elsewhere = [COOKIE, ("origin", "https://evil.example")];
    assert_eq!(get(&gateway, "/ws/csrf", &elsewhere).await?.status, 403);
    assert_eq!(ask(gateway.address(), Method::POST, "/ws/csrf", &[COOKIE], "").await?.status, 405);
    assert_eq!(gateway.gateway.stats()["connections"]["rejected-by"]["csrf"], 3);
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn each_poll_and_each_post_bears_the_token() -> Result<()> {
    let gateway = start().await?;
    let token = token(&gateway, "/chsk").await?;
    let own = [COOKIE, SCRIPT, ("x-csrf-token", &token)];
    let form = ("content-type", "application/x-www-form-urlencoded");
    let greeted = get(&gateway, "/chsk?client-id=c1&handshake%3F=1", &own).await?;
    assert_eq!(greeted.status, 200, "{}", greeted.body);
    let body = "client-id=c1&ppstr=%5B%5B%3Amy%2Fask%201%5D%20%3Aajax%5D";
    let post = |headers: Vec<(&'static str, String)>| {
        let address = gateway.address();
        async move {
            let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, &**value)).collect();
            ask(address, Method::POST, "/chsk", &headers, body).await
        }
    };
    let lines = |token: Option<&str>| {
        let mut lines = vec![COOKIE, SCRIPT, form];
        lines.extend(token.map(|token| ("x-csrf-token", token)));
        lines.into_iter().map(|(name, value)| (name, value.to_owned())).collect::<Vec<_>>()
    };
    let answered = post(lines(Some(&token))).await?;
    assert_eq!((answered.status, &*answered.body), (200, "[1 nil]"));
    assert_eq!(post(lines(None)).await?.status, 403);
    assert_eq!(get(&gateway, "/chsk?client-id=c1", &own[..2]).await?.status, 403);
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_sente_lite_client_gets_the_next_token_in_its_handshake() -> Result<()> {
    let gateway = start().await?;
    let token = token(&gateway, "/lite").await?;
    let path = format!("/lite?csrf-token={token}");
    let mut client = Client::open(gateway.address(), &path, &[COOKIE]).await?;
    let first = client.next_text().await?;
    let next = first.split('"').nth(3).context("a second text")?;
    assert!(first.starts_with("[:chsk/handshake [\""), "{first}");
    assert_eq!(status(&gateway, &format!("/lite?csrf-token={next}"), &[COOKIE]).await?, 101);
    drop(client);
    gateway.drain().await;
    Ok(())
}
