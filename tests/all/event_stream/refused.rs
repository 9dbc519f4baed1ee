//! What is refused, and what it is told.

use super::open;
use anyhow::Result;
use http::Method;
use support::{
    events::{Answer, ask, post},
    gateway,
    peer::Peer,
};
use tengen_settings::{Endpoint, Settings};
use tengen_wire::dialect::Dialect;

async fn start() -> Result<gateway::Running> {
    let endpoints = [("/ws", Dialect::Tengen), ("/chsk", Dialect::Sente), ("/raw", Dialect::Raw)]
        .map(|(path, dialect)| Endpoint::new(path, dialect).into());
    gateway::start(Settings { endpoints: endpoints.to_vec(), ..Settings::default() }).await
}

#[track_caller]
fn is(answer: &Answer, status: u16, says: &str) {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert!(answer.body.contains(says), "{}", answer.body);
}

#[tokio::test]
async fn a_stream_that_cannot_be_is_refused_with_what_to_do() -> Result<()> {
    let gateway = start().await?;
    let get = async |path: &str| {
        ask(gateway.address(), Method::GET, path, &[("accept", "text/event-stream")], "").await
    };
    is(&get("/ws?format=msgpack").await?, 406, "`?format=json` or `?format=edn`");
    is(&get("/raw").await?, 406, "open a WebSocket");
    is(&get("/chsk").await?, 400, "client-id");
    is(&get("/elsewhere").await?, 404, "nothing is served");
    let plain = ask(gateway.address(), Method::GET, "/ws", &[("accept", "*/*")], "").await?;
    is(&plain, 426, "WebSocket");
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_post_that_is_not_taken_is_told_why_and_counted() -> Result<()> {
    let gateway = start().await?;
    let stream = open(&gateway).await?;
    let address = gateway.address();
    let frame = r#"[["a/b",1],"7"]"#;
    is(&post(address, "/ws", "unknown", frame).await?, 404, "open a stream");
    is(&post(address, "/chsk", stream.session(), frame).await?, 404, "open a stream");
    let limit = Settings::default().limits.message.get();
    is(&post(address, "/ws", stream.session(), &"x".repeat(limit + 1)).await?, 413, "bytes");
    let own = [("tengen-session", stream.session())];
    let mut peer = Peer::connect(address).await?;
    let session = stream.session();
    let chunked = format!(
        "POST /ws HTTP/1.1\r\nHost: a\r\ntengen-session: {session}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    );
    peer.send(chunked.as_bytes()).await?;
    assert_eq!(peer.answer().await?.status, 411);
    let binary = ask(address, Method::POST, "/ws", &own, vec![0xFF]).await?;
    is(&binary, 400, "UTF-8");
    let elsewhere = [own[0], ("origin", "https://other.example")];
    is(&ask(address, Method::POST, "/ws", &elsewhere, frame).await?, 403, "origin");
    is(&ask(address, Method::POST, "/ws", &[], frame).await?, 400, "header `tengen-session`");
    let stats = gateway.gateway.stats();
    for (why, times) in [("session", 2), ("too-large", 1), ("not-utf8", 1), ("origin", 1)] {
        let counted = stats.pointer(&format!("/connections/refused-posts-by/{why}"));
        assert_eq!(counted.and_then(serde_json::Value::as_u64), Some(times), "{why}: {stats}");
    }
    gateway.drain().await;
    Ok(())
}
