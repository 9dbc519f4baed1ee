//! Server-sent events as a transport: the stream, the posts beside it, and both in a browser.

pub(crate) mod browser;
mod ending;
mod refused;

use anyhow::{Context, Result};
use http::Method;
use serde_json::{Value, json};
use support::{
    client::Client,
    events::{Events, ask, post},
    gateway, guests,
    peer::Peer,
};
use tengen_settings::{Grants, Pattern, Settings};

/// A gateway where everybody is in one channel who asks for it.
async fn relay(mut settings: Settings) -> Result<gateway::Running> {
    settings.echo = false;
    let mut relay = guests::plugin("handler_relay")?;
    relay.grant = Grants { publish: vec![Pattern("relay/*".into())], ..Grants::default() };
    gateway::route_everything(&mut settings, "relay", relay);
    gateway::start(settings).await
}

/// A stream that has been greeted.
async fn open(gateway: &gateway::Running) -> Result<Events> {
    let mut stream = Events::open(gateway.address(), "/ws", &[]).await?;
    stream.greeting().await?;
    Ok(stream)
}

/// Posts a frame, which has to be taken.
async fn say(gateway: &gateway::Running, stream: &Events, frame: &str) -> Result<()> {
    let answer = post(gateway.address(), "/ws", stream.session(), frame).await?;
    assert_eq!(answer.status, 202, "{}", answer.body);
    Ok(())
}

#[tokio::test]
async fn what_is_posted_is_answered_on_the_stream() -> Result<()> {
    let gateway = gateway::start(Settings::default()).await?;
    let mut stream = Events::open(gateway.address(), "/ws", &[]).await?;
    assert_eq!(stream.headers["content-type"], "text/event-stream");
    assert_eq!(stream.headers["cache-control"], "no-store");
    assert_eq!(stream.headers["x-accel-buffering"], "no");
    let info = stream.greeting().await?;
    assert_eq!(info.get("recovered"), None, "it has lost nothing: {info}");
    for (said, heard) in [
        (r#"[["chat/say",{"text":"hi"}],"7"]"#, r#"[{"text":"hi"},"7"]"#),
        (r#"[["chat/say",{"text":"hi"}]]"#, r#"[[["chat/say",{"text":"hi"}]],null]"#),
        (r#"[["chsk/ws-ping"],"x"]"#, r#"["pong","x"]"#),
        ("[[\"chat/say\",\n{\"text\":\r\n1}],\"8\"]", "[{\"text\":\n\n1},\"8\"]"),
    ] {
        say(&gateway, &stream, said).await?;
        assert_eq!(stream.next_text().await?, heard, "{said}");
    }
    say(&gateway, &stream, "[[").await?;
    let mistake = stream.next_text().await?;
    assert!(mistake.contains("tengen/error") && mistake.contains("malformed"), "{mistake}");
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn posts_follow_each_other_on_one_connection_and_nothing_in_them_is_a_request() -> Result<()>
{
    let gateway = gateway::start(Settings::default()).await?;
    let mut stream = open(&gateway).await?;
    let session = stream.session().to_owned();
    let posted = |frame: &str| {
        let length = frame.len();
        format!(
            "POST /ws HTTP/1.1\r\nHost: a\r\ntengen-session: {session}\r\nContent-Length: {length}\r\n\r\n{frame}"
        )
    };
    // What looks like a head is a part of the message.
    let sly = "[[\"a/b\",1],\"7\"]\r\n\r\nGET /elsewhere HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut peer = Peer::connect(gateway.address()).await?;
    let three = [posted(r#"[["a/b",1],"7"]"#), posted(sly), posted(r#"[["a/b",2],"8"]"#)];
    peer.send(three.concat().as_bytes()).await?;
    for _ in three {
        let answer = peer.answer().await?;
        assert_eq!(answer.status, 202, "{answer:?}");
    }
    assert_eq!(stream.next_text().await?, r#"[1,"7"]"#);
    assert!(stream.next_text().await?.contains("malformed"));
    assert_eq!(stream.next_text().await?, r#"[2,"8"]"#);
    // What is refused unread ends the connection.
    let unknown = posted(r#"[["a/b",1],"7"]"#).replace(&session, "unknown");
    peer.send(unknown.as_bytes()).await?;
    let answer = peer.answer().await?;
    assert_eq!(answer.status, 404, "{answer:?}");
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn edn_goes_both_ways_with_all_of_its_line_ends() -> Result<()> {
    let gateway = gateway::start(Settings::default()).await?;
    let mut stream = Events::open(gateway.address(), "/ws?format=edn", &[]).await?;
    let first = stream.next_text().await?;
    assert!(first.starts_with("[[:chsk/handshake [nil nil {"), "{first}");
    say(&gateway, &stream, "[[:a/b \"one\ntwo\rthree\"] \"7\"]").await?;
    assert_eq!(stream.next_text().await?, "[\"one\ntwo\\rthree\" \"7\"]");
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn streams_and_websockets_hear_the_same_publications() -> Result<()> {
    let gateway = relay(Settings::default()).await?;
    let mut websocket = Client::json(gateway.address(), "/ws").await?;
    websocket.ask("relay/join", Value::Null).await?;
    let mut streams = Vec::new();
    for _ in 0..3 {
        let mut stream = open(&gateway).await?;
        say(&gateway, &stream, r#"[["relay/join"],"j"]"#).await?;
        assert_eq!(stream.next_text().await?, r#"[null,"j"]"#);
        streams.push(stream);
    }
    websocket.send("relay/say", json!("from a socket")).await?;
    say(&gateway, streams.first().context("a stream")?, r#"[["relay/say","from a stream"]]"#)
        .await?;
    let own = [websocket.next_text().await?, websocket.next_text().await?];
    assert!(own[0].contains("from a s") && own[1].contains("from a s"), "{own:?}");
    for stream in &mut streams {
        assert_eq!([stream.next_text().await?, stream.next_text().await?], own);
    }
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_dropped_stream_is_resumed_with_what_was_sent_meanwhile() -> Result<()> {
    let gateway = relay(Settings::default()).await?;
    let mut stream = Events::open(gateway.address(), "/ws", &[]).await?;
    let connection = stream.greeting().await?["connection"].clone();
    say(&gateway, &stream, r#"[["relay/join"],"j"]"#).await?;
    assert_eq!(stream.next_text().await?, r#"[null,"j"]"#);
    let session = stream.session().to_owned();
    drop(stream);
    // Posts find the session without its stream.
    let answer = post(gateway.address(), "/ws", &session, r#"[["relay/say",1]]"#).await?;
    assert_eq!(answer.status, 202, "{}", answer.body);
    let back = [("last-event-id", session.as_str())];
    let mut stream = Events::open(gateway.address(), "/ws", &back).await?;
    let info = stream.greeting().await?;
    assert_eq!((&info["connection"], &info["recovered"]), (&connection, &json!(false)));
    // What the first socket was given before its end was known is lost, and `recovered` says so; what comes now is not.
    say(&gateway, &stream, r#"[["relay/say",2]]"#).await?;
    loop {
        let heard = stream.next_json().await?;
        match &heard[0][0][1]["data"] {
            Value::Number(one) if *one == 1.into() => {}
            data => break assert_eq!(data, 2, "{heard}"),
        }
    }
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn who_comes_back_to_no_session_gets_a_new_one_and_is_told() -> Result<()> {
    let gateway = gateway::start(Settings::default()).await?;
    let back = [("last-event-id", "long-gone")];
    let mut stream = Events::open(gateway.address(), "/ws", &back).await?;
    let info = stream.greeting().await?;
    assert_eq!(info["recovered"], false, "{info}");
    assert_ne!(stream.session(), "long-gone");
    say(&gateway, &stream, r#"[["a/b",1],"7"]"#).await?;
    assert_eq!(stream.next_text().await?, r#"[1,"7"]"#);
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn pages_of_the_endpoints_origins_are_let_in_and_no_others() -> Result<()> {
    let mut settings = Settings::default();
    for endpoint in &mut settings.endpoints {
        let listed = tengen_settings::Origin("https://app.example".to_owned());
        std::sync::Arc::make_mut(endpoint).origins = tengen_settings::Origins::These(vec![listed]);
    }
    let gateway = gateway::start(settings).await?;
    let (ours, others) = (("origin", "https://app.example"), ("origin", "https://other.example"));
    let stream = Events::open(gateway.address(), "/ws", &[ours]).await?;
    assert_eq!(stream.headers["access-control-allow-origin"], "https://app.example");
    assert_eq!(stream.headers["vary"], "origin");
    let refused = Events::open(gateway.address(), "/ws", &[others]).await.unwrap_err();
    assert!(refused.to_string().contains("403"), "{refused}");
    let asks = ("access-control-request-method", "POST");
    let options =
        async |origin| ask(gateway.address(), Method::OPTIONS, "/ws", &[origin, asks], "").await;
    let allowed = options(ours).await?;
    assert_eq!(allowed.status, 204);
    assert_eq!(allowed.header("access-control-allow-origin"), Some("https://app.example"));
    let headers = allowed.header("access-control-allow-headers").unwrap_or_default();
    assert!(headers.contains("tengen-session"), "{headers}");
    let refused = options(others).await?;
    assert_eq!((refused.status, refused.header("access-control-allow-origin")), (403, None));
    let stats = gateway.gateway.stats();
    assert_eq!(stats["connections"]["refused-posts-by"]["origin"], 1, "{stats}");
    gateway.drain().await;
    Ok(())
}
