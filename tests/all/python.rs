//! examples/python: against a gateway, and against a server that does what a gateway does seldom.

use anyhow::{Context, Result, ensure};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::time::Duration;
use support::{
    client::PATIENCE,
    gateway, guests,
    python::{Speaks, Talker},
    repository::read,
};
use tengen_settings::{Grants, Mode, Pattern, Route, Settings};
use tengen_wire::close::Reason;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async,
    tungstenite::{
        Message,
        handshake::server::{Request, Response},
        protocol::{
            CloseFrame,
            frame::{
                Frame,
                coding::{Data, OpCode},
            },
        },
    },
};

#[test]
fn the_client_is_short() {
    let lines = read("examples/python/client.py").unwrap().lines().count();
    assert!(lines < 150, "{lines} lines");
}

/// A gateway with an echo behind `app/*`, and a channel behind `relay/*`.
async fn start() -> Result<gateway::Running> {
    let mut settings = Settings { echo: false, ..Settings::default() };
    for (name, event) in [("handler_echo", "app/*"), ("handler_relay", "relay/*")] {
        let mut plugin = guests::plugin(name)?;
        plugin.grant = Grants { publish: vec![Pattern("relay/*".into())], ..Grants::default() };
        settings.plugins.insert(name.into(), plugin);
        let event = Pattern(event.into());
        settings.routes.push(Route {
            event,
            plugin: name.into(),
            endpoint: None,
            mode: Mode::First,
        });
    }
    gateway::start(settings).await
}

async fn talks(speaks: Speaks) -> Result<()> {
    let gateway = start().await?;
    let url = format!("ws://{}/ws", gateway.address());
    let Some(mut talker) = Talker::start(speaks, &url).await? else { return Ok(()) };
    // Lengths in one byte, in two and in eight.
    let long = |length| json!({ "text": "é".repeat(length) }).to_string();
    for value in [r#"{"text": "hi"}"#, "null", "[1, -2.5, true]", &long(100), &long(40_000)] {
        talker.say(&format!("ask app/ask {value}")).await?;
        if value == r#"{"text": "hi"}"# {
            talker.hears("* open").await?;
        }
        let heard = talker.hears("= ").await?;
        let heard: Value = serde_json::from_str(heard.trim_start_matches("= "))?;
        ensure!(heard == serde_json::from_str::<Value>(value)?, "{heard}");
    }
    talker.say("send app/tell [1, 2]").await?;
    talker.hears("< app/tell [1, 2]").await?;
    talker.say("ask relay/join").await?;
    talker.hears("= null").await?;
    talker.say("send relay/say \"hello\"").await?;
    let published = r#"< tengen/publication {"channel": "relay/all", "id": "relay/said", "data": "hello", "offset": 1}"#;
    talker.hears(published).await?;
    for (line, error) in [
        ("ask nobody/handles", r#"! {"id": "unknown-event", "message": "nothing handles"#),
        ("ask app 1", r#"! {"id": "malformed""#),
        ("ask tengen/subscribe {\"channel\": \"a\"}", r#"! {"id": "not-allowed""#),
        ("send nobody/handles", r#"< tengen/error {"id": "unknown-event""#),
        (&format!("send app/tell {:?}", "x".repeat(1 << 20)), "! ValueError: "),
    ] {
        talker.say(line).await?;
        talker.hears(error).await?;
    }
    ensure!(talker.end().await?.code() == Some(0));
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_client_of_pythons_library_alone_asks_tells_and_hears() -> Result<()> {
    talks(Speaks::Json).await
}

#[tokio::test]
async fn a_client_in_messagepack_asks_tells_and_hears() -> Result<()> {
    talks(Speaks::Msgpack).await
}

#[tokio::test]
async fn a_client_that_is_refused_or_errs_too_often_stays_away() -> Result<()> {
    let gateway = start().await?;
    let nowhere = format!("ws://{}/nowhere", gateway.address());
    let Some(mut talker) = Talker::start(Speaks::Json, &nowhere).await? else { return Ok(()) };
    talker.hears("* 404 nothing is served at this path for good").await?;
    ensure!(talker.end().await?.code() == Some(1));

    let url = format!("ws://{}/ws", gateway.address());
    let Some(mut talker) = Talker::start(Speaks::Json, &url).await? else { return Ok(()) };
    talker.hears("* open").await?;
    for _ in 0..15 {
        talker.say("ask app 1").await?;
        talker.hears(r#"! {"id": "malformed""#).await?;
    }
    talker.say("send app 1").await?;
    for why in ["byte 2: not an event id", "too many malformed messages"] {
        talker.hears(&format!(r#"< tengen/error {{"id": "malformed", "message": "{why}"#)).await?;
    }
    talker.hears(&format!("* 4503 {} for good", Reason::Violation.word())).await?;
    ensure!(talker.end().await?.code() == Some(1));
    gateway.drain().await;
    Ok(())
}

type Socket = WebSocketStream<TcpStream>;

/// Lets the client in, as a gateway does that pings after so long.
async fn accept(listener: &TcpListener, ping_ms: u64) -> Result<Socket> {
    let (stream, _) = timeout(PATIENCE, listener.accept()).await.context("nobody comes")??;
    #[expect(clippy::result_large_err, reason = "the library's own type")]
    let choose = |request: &Request, mut response: Response| {
        let offered = request.headers().get("sec-websocket-protocol").unwrap().clone();
        assert_eq!(offered, "tengen.v1.json");
        response.headers_mut().insert("sec-websocket-protocol", offered);
        Ok(response)
    };
    let mut socket = accept_hdr_async(stream, choose).await?;
    let info = json!({ "ping-ms": ping_ms, "max-bytes": 1000 });
    say(&mut socket, &json!([["chsk/handshake", ["ann", null, info]], null]).to_string()).await?;
    Ok(socket)
}

async fn say(socket: &mut Socket, text: &str) -> Result<()> {
    Ok(socket.send(Message::text(text)).await?)
}

async fn hears(socket: &mut Socket, expected: &Message) -> Result<()> {
    let next = timeout(PATIENCE, socket.next()).await.with_context(|| format!("{expected:?}"))?;
    let heard = next.context("it has gone")??;
    ensure!(heard == *expected, "expected {expected:?}, heard {heard:?}");
    Ok(())
}

async fn close(mut socket: Socket, reason: &Reason) -> Result<()> {
    let goodbye = CloseFrame { code: reason.code().into(), reason: reason.word().into() };
    socket.close(Some(goodbye)).await?;
    let gone = async { while let Some(Ok(_)) = socket.next().await {} };
    timeout(PATIENCE, gone).await.context("it does not close")
}

/// Refuses the next request, with how long to stay away.
async fn refuse(listener: &TcpListener) -> Result<()> {
    let (mut stream, _) = timeout(PATIENCE, listener.accept()).await.context("nobody comes")??;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let answer =
        "HTTP/1.1 503 Service Unavailable\r\nretry-after: 2\r\ncontent-length: 3\r\n\r\nno\n";
    Ok(stream.write_all(answer.as_bytes()).await?)
}

#[tokio::test]
async fn a_client_lives_asks_for_life_and_comes_back() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("ws://{}/ws", listener.local_addr()?);
    let Some(mut talker) = Talker::start(Speaks::Json, &url).await? else { return Ok(()) };

    // Pings of both kinds are answered, be it between the pieces of a message.
    let mut socket = accept(&listener, 60_000).await?;
    talker.hears("* open as ann").await?;
    let piece = |text: &'static str, data, last| {
        Message::Frame(Frame::message(text, OpCode::Data(data), last))
    };
    socket.send(piece("[\"chsk/ws-", Data::Text, false)).await?;
    socket.send(Message::Ping("between".into())).await?;
    hears(&mut socket, &Message::Pong("between".into())).await?;
    socket.send(piece("ping\",null]", Data::Continue, true)).await?;
    hears(&mut socket, &Message::text("[[\"chsk/ws-pong\"]]")).await?;
    // What has no answer yet when the connection ends gets none.
    talker.say("ask app/slow 1").await?;
    hears(&mut socket, &Message::text("[[\"app/slow\",1],\"1\"]")).await?;
    close(socket, &Reason::SlowConsumer).await?;
    let mut lines = [talker.hear().await?, talker.hear().await?];
    lines.sort();
    ensure!(lines[0] == "! ConnectionError: the connection ended before the reply", "{lines:?}");
    ensure!(lines[1].starts_with("* 4000 slow-consumer; back in 0."), "{lines:?}");

    // In a silence it pings; where nothing comes back, it gives the connection up.
    let mut socket = accept(&listener, 100).await?;
    talker.hears("* open as ann").await?;
    let ping = Message::text("[\"chsk/ws-ping\",null]");
    hears(&mut socket, &ping).await?;
    say(&mut socket, "[[\"chsk/ws-pong\"],null]").await?;
    hears(&mut socket, &ping).await?;
    talker.hears("* 1006 ").await?;
    drop(socket);

    // It stays away as long as it is asked to, by an event or by a refusal.
    let mut socket = accept(&listener, 60_000).await?;
    talker.hears("* open as ann").await?;
    let away = json!([[["tengen/reconnect", { "after-ms": 1500, "reason": "drain" }]], null]);
    say(&mut socket, &away.to_string()).await?;
    talker.hears("< tengen/reconnect ").await?;
    close(socket, &Reason::Drained).await?;
    stays_away(&talker.hears("* 1012 drain; back in ").await?, 1.5)?;
    refuse(&listener).await?;
    stays_away(&talker.hears("* 503 no; back in ").await?, 2.0)?;

    let socket = accept(&listener, 60_000).await?;
    talker.hears("* open as ann").await?;
    close(socket, &Reason::Violation).await?;
    talker.hears("* 4503 malformed for good").await?;
    ensure!(talker.end().await?.code() == Some(1));
    let nobody = timeout(Duration::ZERO, listener.accept()).await;
    ensure!(nobody.is_err(), "it came back");
    Ok(())
}

/// Whether the client says that it comes back after at least so many seconds.
fn stays_away(line: &str, least: f64) -> Result<()> {
    let seconds = line.split("back in ").nth(1).and_then(|rest| rest.split(' ').next());
    let seconds: f64 = seconds.context("no time")?.parse()?;
    ensure!(seconds >= least, "{line}");
    Ok(())
}
