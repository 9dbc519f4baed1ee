//! docs/protocol.md and docs/sente.md: what they show is what a gateway hears and says.

use anyhow::{Context, Result, bail, ensure};
use data_encoding::HEXLOWER;
use std::time::Duration;
use support::{
    client::Client,
    gateway, guests,
    pages::{blocks, quoted, rows, section},
    repository::read,
};
use tengen_settings::{ChannelName, ChannelRule, Mode, Pattern, Rate, Route, Settings, Who};
use tengen_wire::{
    close::Reason,
    dialect::{self, Callback, Dialect, Handshake, Publication, Question, Wire},
    fault::{Fault, FaultId},
    id::{Channel, ConnectionId, EventId, UserId},
    payload::{self, Encoding, Frame, Payload},
    trace::TraceContext,
};
use tokio_tungstenite::tungstenite::Message;

const PAGES: [&str; 2] = ["docs/protocol.md", "docs/sente.md"];

/// A wire as the pages' blocks name it.
struct Spoken {
    word: &'static str,
    wire: Wire,
    path: &'static str,
    /// A question and its answer: whatever is said before comes before the answer.
    last: [&'static str; 2],
}

const fn ours(
    word: &'static str,
    format: Encoding,
    path: &'static str,
    last: [&'static str; 2],
) -> Spoken {
    Spoken { word, wire: Wire { dialect: Dialect::Tengen, format }, path, last }
}

const EDN_LAST: [&str; 2] = ["[[:app/ask 0] \"last\"]", "[0 \"last\"]"];

const SPOKEN: [Spoken; 5] = [
    ours("json", Encoding::Json, "/ws?format=json", ["[[\"app/ask\",0],\"last\"]", "[0,\"last\"]"]),
    ours("edn", Encoding::Edn, "/ws?format=edn", EDN_LAST),
    ours(
        "transit",
        Encoding::Transit,
        "/ws?format=transit",
        ["[[\"~:app/ask\",0],\"last\"]", "[0,\"last\"]"],
    ),
    ours(
        "msgpack",
        Encoding::Msgpack,
        "/ws?format=msgpack",
        ["9292a76170702f61736b00a46c617374", "9200a46c617374"],
    ),
    Spoken {
        word: "sente",
        wire: Wire { dialect: Dialect::Sente, format: Encoding::Edn },
        path: "/chsk?client-id=page",
        last: EDN_LAST,
    },
];

/// A line of a block: what the client or the gateway says, without what is said about it.
enum Line<'a> {
    Sent(&'a str),
    Heard(&'a str),
}

fn line(text: &str) -> Result<Line<'_>> {
    match text.split_once(' ') {
        Some(("→", frame)) => Ok(Line::Sent(frame)),
        Some(("←", frame)) => Ok(Line::Heard(frame)),
        _ => bail!("neither `→` nor `←`: {text}"),
    }
}

/// A frame as the page shows it: text, or bytes in hexadecimal, with the same in JSON behind `#`.
fn shown(frame: &str, wire: Wire) -> Result<&str> {
    let (bytes, meaning) = match frame.split_once(" # ") {
        Some((bytes, meaning)) if !wire.format.is_text() => (bytes, meaning),
        _ => return Ok(frame),
    };
    let meant = payload::transcode(&Payload::new(Encoding::Json, meaning.to_owned()), wire.format);
    let meant = meant.ok().context(meaning.to_owned())?;
    ensure!(HEXLOWER.encode(&meant.body) == bytes, "`{bytes}` is not {meaning}");
    Ok(bytes)
}

/// Whether a frame is what the page shows, where `…` stands for anything.
fn is_shown(frame: &str, shown: &str) -> bool {
    let mut rest = frame;
    let mut parts = shown.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(behind) = rest.strip_prefix(first) else { return false };
    rest = behind;
    let parts: Vec<_> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some((_, behind)) = rest.split_once(part) else { return false };
        rest = behind;
    }
    rest.ends_with(last)
}

#[test]
fn what_is_left_out_of_a_frame_may_be_anything_and_nothing_else_may() {
    for (shown, is) in [
        ("[1,2,3]", true),
        ("[…]", true),
        ("[1,…,3]", true),
        ("…1…3…", true),
        ("[1,2]", false),
        ("[1,2,3]…4", false),
        ("[1…4…]", false),
        ("2,3]", false),
        ("[1,2", false),
    ] {
        assert_eq!(is_shown("[1,2,3]", shown), is, "{shown}");
    }
}

async fn say(client: &mut Client, frame: &str, wire: Wire) -> Result<()> {
    match wire.format.is_text() {
        true => client.send_text(frame).await,
        false => client.send_binary(&HEXLOWER.decode(frame.as_bytes())?).await,
    }
}

async fn hear(client: &mut Client, wire: Wire) -> Result<String> {
    match (client.next().await?, wire.format.is_text()) {
        (Message::Text(text), true) => Ok(text.to_string()),
        (Message::Binary(bytes), false) => Ok(HEXLOWER.encode(&bytes)),
        (other, _) => bail!("the wrong kind of frame: {other:?}"),
    }
}

/// Says what the client says, and hears what the gateway says, line by line; and nothing more.
async fn play(gateway: &gateway::Running, spoken: &Spoken, lines: &[&str]) -> Result<()> {
    let wire = spoken.wire;
    let mut client = Client::open(gateway.address(), spoken.path, &[]).await?;
    if !lines.first().is_some_and(|line| line.starts_with('←')) {
        hear(&mut client, wire).await?;
    }
    let [ask, answer] = spoken.last;
    let last = [Line::Sent(ask), Line::Heard(answer)];
    let lines = lines.iter().map(|text| line(text)).collect::<Result<Vec<_>>>()?;
    for line in lines.into_iter().chain(last) {
        match line {
            Line::Sent(frame) => say(&mut client, shown(frame, wire)?, wire).await?,
            Line::Heard(frame) => {
                let expected = shown(frame, wire)?;
                let heard = hear(&mut client, wire).await.with_context(|| expected.to_owned())?;
                ensure!(
                    is_shown(&heard, expected),
                    "on the page: {expected}\nheard:       {heard}"
                );
            }
        }
    }
    client.close().await
}

#[tokio::test]
async fn the_conversations_of_the_pages_are_had_with_a_gateway() -> Result<()> {
    let room = ChannelRule {
        name: ChannelName::parse("room/*").unwrap(),
        subscribe: Who::Any,
        publish: Who::Any,
        personal: false,
    };
    let mut settings = Settings { echo: false, channels: vec![room], ..Settings::default() };
    settings.plugins.insert("echo".into(), guests::plugin("handler_echo")?);
    settings.routes.push(Route {
        event: Pattern("app/*".into()),
        plugin: "echo".into(),
        endpoint: None,
        mode: Mode::First,
    });
    let gateway = gateway::start(settings).await?;
    let pages = PAGES.map(|page| read(page).unwrap());
    for spoken in &SPOKEN {
        let mut played = 0;
        for page in &pages {
            for (_, lines) in blocks(page).filter(|(words, _)| *words == spoken.word) {
                play(&gateway, spoken, &lines).await.with_context(|| spoken.word)?;
                played += 1;
            }
        }
        ensure!(played > 0, "no page has a conversation in {}", spoken.word);
    }
    gateway.drain().await;
    Ok(())
}

/// What a gateway says that nobody asked for, or that takes too much to bring about: made as it makes it.
fn said(wire: Wire) -> Vec<Frame> {
    let (user, room) = (UserId::from("ann"), Payload::new(Encoding::Json, "{\"room\":\"lobby\"}"));
    let connection = *b"\x01\xa2\x1a\x08\x86\x6b\x74\x5a\xbb\x42\x7b\xd0\x19\x3c\x28\x1e";
    let handshake = Handshake {
        csrf: None,
        user: Some(&user),
        connection: ConnectionId::from_bytes(connection),
        node: "n1",
        ping: Duration::from_secs(25),
        max_bytes: 1 << 20,
        version: "0.1.0",
        welcome: Some(&room),
        session: None,
    };
    let callback = payload::transcode(&Payload::new(Encoding::Json, "\"7\""), wire.format).unwrap();
    let callback = Callback(callback.body.as_ref().into());
    let refused = Fault::application("room-full", "ask for another room")
        .retry_after(Duration::from_millis(1500));
    let full = Fault::new(FaultId::Overloaded, "too many events wait for a decision; try again")
        .retry_after(Duration::from_secs(1));
    let (channel, id) = (Channel::from("room/lobby"), EventId::from("chat/said"));
    let content = Payload::new(Encoding::Json, "{\"text\":\"hi\"}");
    let publication = Publication {
        channel: &channel,
        id: &id,
        content: &content,
        offset: 7,
        prev: 6,
        from: None,
    };
    let context = TraceContext {
        trace_id: 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c,
        span_id: 0xb7ad_6b71_6920_3331,
        sampled: true,
        state: None,
    };
    let away =
        Payload::json(&serde_json::json!({ "after-ms": 1200, "reason": Reason::Drained.word() }));
    let mut said = vec![dialect::handshake(wire, &handshake).unwrap()];
    said.extend(dialect::error(wire, &refused, Some("app/ask"), Some(&callback)));
    said.extend(dialect::error(wire, &full, Some("app/tell"), None));
    said.push(dialect::publication(wire, &publication, Some(&context)).unwrap());
    said.push(dialect::push(wire, &EventId::from("tengen/reconnect"), &away, None).unwrap());
    let id = EventId::from("shop/sure");
    let question =
        Question { key: 12, id: &id, content: &content, timeout: Duration::from_secs(30) };
    said.push(dialect::ask(wire, &question, None).unwrap());
    said.push(dialect::ping(wire).unwrap());
    said
}

#[test]
fn what_the_page_says_is_heard_is_what_the_gateway_makes() {
    let page = read("docs/protocol.md").unwrap();
    for Spoken { word, wire, .. } in
        SPOKEN.iter().filter(|spoken| spoken.wire.dialect == Dialect::Tengen)
    {
        let heard = format!("{word} heard");
        let lines = blocks(&page).filter(|(words, _)| *words == heard);
        let told: Vec<_> = lines
            .flat_map(|(_, lines)| lines)
            .map(|text| match line(text).unwrap() {
                Line::Heard(frame) => shown(frame, *wire).unwrap(),
                Line::Sent(frame) => panic!("not heard: {frame}"),
            })
            .collect();
        let made = said(*wire).into_iter().map(|frame| match wire.format.is_text() {
            true => String::from_utf8(frame.body.to_vec()).unwrap(),
            false => HEXLOWER.encode(&frame.body),
        });
        assert_eq!(told, made.collect::<Vec<_>>());
    }
}

#[test]
fn every_format_of_our_dialect_is_told() {
    let page = read("docs/protocol.md").unwrap();
    for format in Dialect::Tengen.profile().offered {
        let word = format.word();
        assert!(page.contains(&format!("`tengen.v1.{word}`")), "{word}");
        assert!(SPOKEN.iter().any(|spoken| spoken.word == word), "no frames in {word}");
    }
}

#[track_caller]
fn becomes(from: (Encoding, &str), to: Encoding, expected: &str) {
    let converted = payload::transcode(&Payload::new(from.0, from.1.to_owned()), to).unwrap();
    let converted = match to.is_text() {
        true => String::from_utf8(converted.body.to_vec()).unwrap(),
        false => HEXLOWER.encode(&converted.body),
    };
    assert_eq!(converted, expected, "{}", from.1);
}

#[test]
fn values_become_in_other_formats_what_the_page_says() {
    let page = read("docs/protocol.md").unwrap();
    let part = section(&page, "## Values from one format to another");
    let (mut wide, mut narrow) = (0, 0);
    for row in rows(&part) {
        let cells: Vec<_> = row.iter().map(|cell| quoted(cell).unwrap()).collect();
        match cells.as_slice() {
            [edn, json, msgpack] => {
                becomes((Encoding::Edn, edn), Encoding::Json, json);
                becomes((Encoding::Edn, edn), Encoding::Msgpack, msgpack);
                wide += 1;
            }
            [json, edn] => {
                becomes((Encoding::Json, json), Encoding::Edn, edn);
                narrow += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(wide >= 20 && narrow >= 2, "{wide} and {narrow} rows");
}

// A default that changes is told here, too.
#[test]
fn the_numbers_of_the_page_are_the_defaults() {
    let Settings { limits, outbox, heartbeat, .. } = Settings::default();
    let part = section(&read("docs/protocol.md").unwrap(), "## Limits");
    for (what, number) in [
        ("`limits.message`, 1 MiB", limits.message.get() == 1 << 20),
        ("`limits.malformed`, 16 a minute", limits.malformed == Rate::per_minute(16)),
        ("`limits.reply`, 30 s", limits.reply.as_secs() == 30),
        ("64 or 1 MiB of a connection", limits.waiting_events == 64),
        ("64 or 1 MiB of a connection", limits.waiting_bytes == 1 << 20),
        ("8192 of a plugin", limits.plugin_waiting_events.get() == 8192),
        ("not read for a second", limits.wait.as_secs() == 1),
        ("| subscriptions | 128 |", limits.subscriptions == 128),
        ("1000 events or 1 MiB", outbox.events.get() == 1000),
        ("1000 events or 1 MiB", outbox.bytes.get() == 1 << 20),
        ("`outbox.write_deadline`, 10 s", outbox.write_deadline.as_secs() == 10),
    ] {
        assert!(part.contains(what), "the page does not say: {what}");
        assert!(number, "not the default any more: {what}");
    }
    let part = section(&read("docs/protocol.md").unwrap(), "## Heartbeat");
    assert!(part.contains("`heartbeat.give_up_after` (60 s)"));
    let times = [heartbeat.ping_every, heartbeat.give_up_after].map(|time| time.as_secs());
    assert_eq!(times, [25, 60]);
}
