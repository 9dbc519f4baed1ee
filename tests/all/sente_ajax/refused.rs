//! What is refused, what it is told, and that it is counted.

use super::{Ajax, FORM, HEADERS, form, stat};
use anyhow::Result;
use http::Method;
use std::sync::Arc;
use support::{
    client::Client,
    events::{Answer, ask},
    gateway,
    peer::Peer,
};
use tengen_settings::{Origin, Origins, Settings};

#[track_caller]
fn is(answer: &Answer, status: u16, says: &str) {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert!(answer.body.contains(says), "{}", answer.body);
}

#[tokio::test]
async fn a_message_that_is_not_taken_is_told_why_and_counted() -> Result<()> {
    let gateway = gateway::start(Settings::default()).await?;
    let client = Ajax::open(&gateway, "client-id=c1").await?;
    let address = gateway.address();
    let post = async |headers: &[(&str, &str)], body: &str| {
        let headers = [&[HEADERS[1]], headers].concat();
        ask(address, Method::POST, "/chsk", &headers, body.to_owned()).await
    };
    let good = "client-id=c1&ppstr=1";
    is(&Ajax::new(&gateway, "client-id=c2").post("[[:a/b] nil]").await?, 404, "greeted");
    is(&post(&[FORM], "ppstr=1").await?, 400, "client-id");
    is(&post(&[FORM], "client-id=c1").await?, 400, "`ppstr`");
    is(&post(&[FORM], "client-id=c1&ppstr=%ff").await?, 400, "UTF-8");
    let bytes = [("content-type", "application/octet-stream")];
    is(&post(&bytes, good).await?, 415, "packers");
    is(&post(&[FORM, ("origin", "https://other.example")], good).await?, 403, "origin");
    // As a form of a page would, with its visitor's cookies.
    let form_of_a_page =
        ask(address, Method::POST, "/chsk", &[FORM, ("cookie", "a=b")], good).await?;
    is(&form_of_a_page, 403, "X-Requested-With");
    let limit = Settings::default().limits.message.get();
    let large = format!("client-id=c1&ppstr={}", "x".repeat(limit + 1));
    is(&post(&[FORM], &large).await?, 413, &limit.to_string());
    let mut peer = Peer::connect(address).await?;
    let chunked = format!(
        "POST /chsk HTTP/1.1\r\nHost: a\r\nX-Requested-With: XMLHTTPRequest\r\nContent-Type: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        FORM.1
    );
    peer.send(chunked.as_bytes()).await?;
    assert_eq!(peer.answer().await?.status, 411);
    for (why, times) in [
        ("session", 1),
        ("client-id", 1),
        ("form", 1),
        ("not-utf8", 1),
        ("media-type", 1),
        ("origin", 2),
        ("too-large", 1),
        ("length", 1),
    ] {
        let counted = stat(&gateway, &format!("/connections/refused-posts-by/{why}"));
        assert_eq!(counted, times, "{why}: {}", gateway.gateway.stats());
    }
    assert_eq!(client.send("[[:my/ask 1] :ajax]").await?, "[1 nil]", "nothing has changed");
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_poll_that_cannot_be_is_told_why_and_counted() -> Result<()> {
    let gateway = gateway::start(Settings::default()).await?;
    let address = gateway.address();
    let path = "/chsk?client-id=c1&handshake%3F=1";
    let put = ask(address, Method::PUT, path, &[], "").await?;
    is(&put, 405, "`GET`");
    assert_eq!(put.header("allow"), Some("GET, POST"));
    let get = async |headers: &[(&str, &str)]| {
        let headers = [&[HEADERS[1]], headers].concat();
        ask(address, Method::GET, path, &headers, "").await
    };
    is(&get(&[("origin", "https://other.example")]).await?, 403, "origin");
    // A page's `<script>` with its visitor's cookies.
    is(&get(&[("sec-fetch-mode", "no-cors"), ("cookie", "a=b")]).await?, 403, "fetch");
    is(&ask(address, Method::GET, path, &[("cookie", "a=b")], "").await?, 403, "X-Requested-With");
    is(&get(&[("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")]).await?, 426, "upgrade request");
    is(&ask(address, Method::GET, "/chsk?udt=1", &[], "").await?, 426, "upgrade request");
    for (why, times) in [("method", 1), ("origin", 3), ("no-upgrade", 2)] {
        let counted = stat(&gateway, &format!("/connections/rejected-by/{why}"));
        assert_eq!(counted, times, "{why}: {}", gateway.gateway.stats());
    }
    assert_eq!(stat(&gateway, "/connections/open"), 0);
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn nobody_polls_where_it_is_off() -> Result<()> {
    let mut settings = Settings::default();
    for endpoint in &mut settings.endpoints {
        Arc::make_mut(endpoint).ajax = Some(false);
    }
    let gateway = gateway::start(settings).await?;
    let client = Ajax::new(&gateway, "client-id=c1");
    is(&client.get("&handshake%3F=1").await?, 426, "upgrade request");
    is(&client.post("[[:a/b] nil]").await?, 400, "tengen-session");
    Client::open(gateway.address(), "/chsk?client-id=c1", &[]).await?;
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn no_more_clients_poll_than_there_are_places_for_connections() -> Result<()> {
    let mut settings = Settings::default();
    settings.limits.connections = 2_usize.try_into()?;
    let gateway = gateway::start(settings).await?;
    // Who was greeted and never polls gives its place to others.
    let first = Ajax::open(&gateway, "client-id=c1").await?;
    let _first = first.waiting().await?;
    let _second = Ajax::open(&gateway, "client-id=c2").await?.waiting().await?;
    let third = Ajax::new(&gateway, "client-id=c3").get("").await?;
    is(&third, 503, "too many connections");
    assert_eq!(third.header("retry-after"), Some("1"));
    assert_eq!(first.send("[[:my/ask 1] :ajax]").await?, "[1 nil]");
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn pages_of_the_endpoints_origins_poll_and_send_and_read_what_they_are_answered() -> Result<()>
{
    let mut settings = Settings::default();
    let page = "https://app.example";
    for endpoint in &mut settings.endpoints {
        Arc::make_mut(endpoint).origins = Origins::These(vec![Origin(page.to_owned())]);
    }
    let gateway = gateway::start(settings).await?;
    let address = gateway.address();
    let asks = [("origin", page), ("access-control-request-method", "POST")];
    let allowed = ask(address, Method::OPTIONS, "/chsk", &asks, "").await?;
    assert_eq!(allowed.status, 204);
    let headers = allowed.header("access-control-allow-headers").unwrap_or_default();
    for (name, _) in HEADERS {
        assert!(headers.contains(name), "{name}: {headers}");
    }
    let own = [("origin", page), ("sec-fetch-mode", "cors"), HEADERS[1]];
    let path = "/chsk?client-id=c1&handshake%3F=1";
    let greeting = ask(address, Method::GET, path, &own, "").await?;
    is(&greeting, 200, ":chsk/handshake");
    let sent = [own[0], HEADERS[1], FORM];
    let message = format!("client-id=c1&ppstr={}", form("[[:my/tell 1] nil]"));
    let taken = ask(address, Method::POST, "/chsk", &sent, message).await?;
    is(&taken, 200, ":chsk/dummy-cb-200");
    let heard = ask(address, Method::GET, "/chsk?client-id=c1", &own, "").await?;
    is(&heard, 200, "[[[:my/tell 1]] nil]");
    for answer in [greeting, taken, heard] {
        assert_eq!(answer.header("access-control-allow-origin"), Some(page));
        assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
        assert_eq!(answer.header("vary"), Some("origin"));
    }
    gateway.drain().await;
    Ok(())
}
