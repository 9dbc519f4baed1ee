//! `tengen.v1.msgpack` over a real socket. What a client says here was written by the `msgpack` package for Python (1.2.4),
//! and what it hears reads there as the same.

use anyhow::{Result, bail};
use data_encoding::HEXLOWER;
use support::{client::Client, gateway, guests};
use tengen_settings::{Grants, Pattern, Settings};
use tokio_tungstenite::tungstenite::Message;

/// The beginning of the first frame, up to the user.
const HANDSHAKE: &str = "9292ae6368736b2f68616e647368616b6593c0c0";

async fn open(gateway: &gateway::Running) -> Result<Client> {
    let offered = [("sec-websocket-protocol", "tengen.v1.msgpack, tengen.v1.json")];
    let mut client = Client::open(gateway.address(), "/ws", &offered).await?;
    assert_eq!(client.subprotocol.as_deref(), Some("tengen.v1.msgpack"));
    let first = hear(&mut client).await?;
    assert!(first.starts_with(HANDSHAKE), "{first}");
    Ok(client)
}

async fn say(client: &mut Client, frame: &str) -> Result<()> {
    client.send_binary(&HEXLOWER.decode(frame.as_bytes())?).await
}

/// The next frame, which has to be binary.
async fn hear(client: &mut Client) -> Result<String> {
    match client.next().await? {
        Message::Binary(frame) => Ok(HEXLOWER.encode(&frame)),
        other => bail!("expected a binary frame, got {other:?}"),
    }
}

fn hex(text: &str) -> String {
    HEXLOWER.encode(text.as_bytes())
}

#[tokio::test]
async fn a_client_sends_asks_and_pings_in_binary_frames() -> Result<()> {
    let gateway = gateway::start(Settings::default()).await?;
    let mut client = open(&gateway).await?;
    for (said, heard) in [
        // [["chat/say", {"text": "hi"}], "7"]: the echo is the reply
        ("9292a8636861742f73617981a474657874a26869a137", "9281a474657874a26869a137"),
        // [["chat/say", {"text": "hi"}], None]: it is pushed
        (
            "9292a8636861742f73617981a474657874a26869c0",
            "929192a8636861742f73617981a474657874a26869c0",
        ),
        // What no other format can hold comes back as it was.
        ("9292a3612f62d5050102a137", "92d5050102a137"),
        // [["chsk/ws-ping"], "x"]
        ("9291ac6368736b2f77732d70696e67a178", "92a4706f6e67a178"),
        // ["chsk/ws-ping", None]
        ("92ac6368736b2f77732d70696e67c0", "9291ac6368736b2f77732d706f6e67c0"),
    ] {
        say(&mut client, said).await?;
        assert_eq!(hear(&mut client).await?, heard, "{said}");
    }
    client.close().await?;
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn mistakes_are_answered_and_the_connection_stays() -> Result<()> {
    let gateway = gateway::start(Settings::default()).await?;
    let path = "/ws?format=msgpack";
    let mut client = Client::open(gateway.address(), path, &[]).await?;
    assert!(hear(&mut client).await?.starts_with(HANDSHAKE));
    for (said, id, why) in [
        // [["a/b", b"\xc3\x28" as a string], "7"]
        ("9292a3612f62a2c328a137", "malformed", "byte 7: not UTF-8"),
        ("9292a3612f62dbffffffffa137", "malformed", "byte 6: the value that begins here is longer"),
        ("dfffffffff", "malformed", "byte 0: expected a frame"),
    ] {
        say(&mut client, said).await?;
        let answer = hear(&mut client).await?;
        assert!(answer.contains(&hex(id)) && answer.contains(&hex(why)), "{said}: {answer}");
        let is_reply = answer.starts_with("9281ac") && answer.ends_with("a137");
        assert_eq!(is_reply, said == "9292a3612f62a2c328a137", "{answer}");
    }
    client.send_text("[[\"a/b\",1],\"7\"]").await?;
    let answer = hear(&mut client).await?;
    assert!(answer.contains(&hex("send binary frames")), "{answer}");
    say(&mut client, "9292a3612f6201a137").await?;
    assert_eq!(hear(&mut client).await?, "9201a137");
    client.close().await?;
    gateway.drain().await;
    Ok(())
}

/// What a client says in MessagePack, and what the others hear of it in JSON and EDN.
const SAID: [(&str, &str, &str); 9] = [
    ("93c0c3c2", "[null,true,false]", "[nil true false]"),
    ("9205d0df", "[5,-33]", "[5 -33]"),
    ("cf0020000000000001", r#""9007199254740993""#, "9007199254740993"),
    ("cfffffffffffffffff", r#""18446744073709551615""#, "18446744073709551615N"),
    ("92cb3ff8000000000000cb7ff8000000000000", "[1.5,null]", "[1.5 ##NaN]"),
    ("c40300ff10", r#""AP8Q""#, r##"#base64 "AP8Q""##),
    (
        "d7ff7735940065e078d7",
        r#""2024-02-29T12:30:15.500Z""#,
        r##"#inst "2024-02-29T12:30:15.500-00:00""##,
    ),
    (
        "83a16101a3612f6202ad6e6f742061206b6579776f726403",
        r#"{"a":1,"a/b":2,"not a keyword":3}"#,
        r#"{:a 1 :a/b 2 "not a keyword" 3}"#,
    ),
    ("8201a161f9a162", r#"{"1":"a","-7":"b"}"#, r#"{1 "a" -7 "b"}"#),
];

/// What others say, and what a client hears of it in MessagePack.
const HEARD: [(&str, &str); 7] = [
    (":a/b", "a3612f62"),
    ("#{7}", "9107"),
    ("1/3", "a3312f33"),
    ("#my/tag {:x 1}", "81a7236d792f74616781a17801"),
    (r##"#inst "2024-02-29T12:30:15.000-00:00""##, "d6ff65e078d7"),
    (r##"#base64 "AP8Q""##, "c40300ff10"),
    ("9007199254740993", "cf0020000000000001"),
];

struct Members {
    gateway: gateway::Running,
    msgpack: Client,
    json: Client,
    sente: Client,
}

/// A client of each format, in one channel.
async fn join() -> Result<Members> {
    let mut settings = Settings { echo: false, ..Settings::default() };
    let mut relay = guests::plugin("handler_relay")?;
    relay.grant = Grants { publish: vec![Pattern("relay/*".into())], ..Grants::default() };
    gateway::route_everything(&mut settings, "relay", relay);
    let gateway = gateway::start(settings).await?;
    let mut msgpack = open(&gateway).await?;
    // [["relay/join"], "j"]
    say(&mut msgpack, "9291aa72656c61792f6a6f696ea16a").await?;
    assert_eq!(hear(&mut msgpack).await?, "92c0a16a");
    let mut json = Client::json(gateway.address(), "/ws").await?;
    json.ask("relay/join", serde_json::Value::Null).await?;
    let mut sente = Client::open(gateway.address(), "/chsk?client-id=c1", &[]).await?;
    sente.next_text().await?;
    sente.send_text(r#"[[:relay/join nil] "j"]"#).await?;
    assert_eq!(sente.next_text().await?, r#"[nil "j"]"#);
    Ok(Members { gateway, msgpack, json, sente })
}

#[tokio::test]
async fn what_is_said_in_messagepack_is_heard_in_every_format() -> Result<()> {
    let mut members = join().await?;
    for (said, in_json, in_edn) in SAID {
        // [["relay/say", said], None]
        say(&mut members.msgpack, &format!("9292a972656c61792f736179{said}c0")).await?;
        let own = hear(&mut members.msgpack).await?;
        assert!(own.contains(&format!("a464617461{said}a66f6666736574")), "{said}: {own}");
        let json = members.json.next_text().await?;
        assert!(json.contains(&format!(r#""data":{in_json},"#)), "{said}: {json}");
        let edn = members.sente.next_text().await?;
        assert!(edn.contains(&format!(":data {in_edn} :offset")), "{said}: {edn}");
    }
    members.gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn what_is_said_in_edn_is_heard_in_messagepack() -> Result<()> {
    let mut members = join().await?;
    for (said, heard) in HEARD {
        members.sente.send_text(&format!("[[:relay/say {said}] nil]")).await?;
        let frame = hear(&mut members.msgpack).await?;
        assert!(frame.contains(&format!("a464617461{heard}a66f6666736574")), "{said}: {frame}");
    }
    // A key that readers of MessagePack do not take: the frame is left out, as it is for JSON.
    members.sente.send_text("[[:relay/say {[1] 2}] nil]").await?;
    members.sente.send_text("[[:relay/say :next] nil]").await?;
    let frame = hear(&mut members.msgpack).await?;
    assert!(frame.contains("a464617461a46e657874"), "{frame}");
    members.gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn what_only_messagepack_can_say_reaches_those_who_speak_it() -> Result<()> {
    let mut members = join().await?;
    let mut other = open(&members.gateway).await?;
    say(&mut other, "9291aa72656c61792f6a6f696ea16a").await?;
    assert_eq!(hear(&mut other).await?, "92c0a16a");
    // An extension type: the plugin, which asks for EDN, gets it as it came.
    say(&mut members.msgpack, "9292a972656c61792f736179d5050102c0").await?;
    assert!(hear(&mut other).await?.contains("a464617461d5050102"));
    say(&mut members.msgpack, "9292a972656c61792f736179a46e657874c0").await?;
    let json = members.json.next_text().await?;
    assert!(json.contains(r#""data":"next""#), "the value before was left out: {json}");
    members.gateway.drain().await;
    Ok(())
}
