//! Frames that arrive.

use super::{super::decode, *};
use crate::{
    dialect::{Arrived, Inbound, Malformed},
    fault::FaultId,
    payload::{self, Payload},
};

#[track_caller]
fn arrives(wire: Wire, text: &str) -> Arrived {
    match decode(wire, &frame(text)) {
        Ok(Inbound::Event(arrived)) => arrived,
        other => panic!("{text}: {other:?}"),
    }
}

/// The event's id, its payload as text, and its callback as written.
#[track_caller]
fn event(wire: Wire, text: &str, id: &str, payload: &str, expected: Option<&str>) {
    let arrived = arrives(wire, text);
    assert_eq!(&*arrived.id, id, "{text}");
    assert_eq!(arrived.payload.encoding, wire.format, "{text}");
    assert_eq!(arrived.payload.body, payload.as_bytes(), "{text}");
    assert_eq!(arrived.callback, expected.map(callback), "{text}");
    // It goes into other frames unread, so it has to be what a reader would have let through.
    if wire.dialect != Dialect::Raw {
        assert!(arrived.payload.is_checked(), "{text}");
        let unread = Payload::new(wire.format, arrived.payload.body.clone());
        assert_eq!(payload::embeddable(&unread, wire.format), Ok(unread.body), "{text}");
    }
}

#[track_caller]
fn refused(
    wire: Wire,
    text: &str,
    message: &str,
    id: Option<&str>,
    expected: Option<&str>,
) -> FaultId {
    let Malformed { why, event, callback: found } = *decode(wire, &frame(text)).unwrap_err();
    assert_eq!(why.message, message, "{text}");
    assert_eq!(event.as_deref(), id, "{text}");
    assert_eq!(found, expected.map(callback), "{text}");
    why.id
}

#[test]
fn what_surrounds_a_value_is_not_part_of_it() {
    event(EDN, "[[:a/b #_left {:x 1} ; said\n] nil]", "a/b", "{:x 1}", None);
    event(
        EDN,
        "[[:a/b ,,#inst \"2026-01-01T00:00:00Z\", #_ [out] ] nil]",
        "a/b",
        "#inst \"2026-01-01T00:00:00Z\"",
        None,
    );
    event(JSON, "[[\"a/b\" , \t[1, 2] \n] , null]", "a/b", "[1, 2]", None);
}

#[test]
fn frames_of_sente_clients_of_every_generation() {
    // 1.17
    event(
        SENTE,
        "+[[:my/noreply {:x 1, :s \"é\\\"q\\\"\"}]]",
        "my/noreply",
        "{:x 1, :s \"é\\\"q\\\"\"}",
        None,
    );
    event(SENTE, "+[[:my/bare]]", "my/bare", "nil", None);
    event(SENTE, "+[[:my/ask {:a 1}] \"5063ce\"]", "my/ask", "{:a 1}", Some("\"5063ce\""));
    event(SENTE, "-[:my/unwrapped 1]", "my/unwrapped", "1", None);
    // 1.18 to 1.20
    event(SENTE, "[[:my/noreply {:x 1}]]", "my/noreply", "{:x 1}", None);
    event(SENTE, "[[:my/bare]]", "my/bare", "nil", None);
    event(SENTE, "[[:my/ask {:a 1}] \"39fabd\"]", "my/ask", "{:a 1}", Some("\"39fabd\""));
    event(SENTE, "[[:my/ask 1] 0]", "my/ask", "1", Some("0"));
    // 1.21 and 1.22
    event(SENTE, "[[:my/noreply {:x 1}] nil]", "my/noreply", "{:x 1}", None);
    event(SENTE, "[[:my/bare] nil]", "my/bare", "nil", None);
    let ask = "[[:my/ask {:q [1 2.5 :k nil true]}] \"615287\"]";
    event(SENTE, ask, "my/ask", "{:q [1 2.5 :k nil true]}", Some("\"615287\""));
    event(SENTE, "[[:my/ask 1] :ajax]", "my/ask", "1", Some(":ajax"));
}

#[test]
fn pings_and_pongs_of_every_generation() {
    for (wire, text, expected) in [
        (SENTE, "+[[:chsk/ws-ping]]", Inbound::Ping(None)),
        (SENTE, "[[:chsk/ws-ping] \"a1b2c3\"]", Inbound::Ping(Some(callback("\"a1b2c3\"")))),
        (SENTE, "[[:chsk/ws-ping] \"07abf7\"]", Inbound::Ping(Some(callback("\"07abf7\"")))),
        (SENTE, "[[:chsk/ws-ping] nil]", Inbound::Ping(None)),
        (SENTE, "[[:chsk/ws-pong]]", Inbound::Pong),
        (SENTE, "[[:chsk/ws-pong] nil]", Inbound::Pong),
        (SENTE, "-[:chsk/ws-ping]", Inbound::Ping(None)),
        (SENTE_JSON, "[[\"chsk/ws-ping\"],\"x\"]", Inbound::Ping(Some(callback("\"x\"")))),
        (JSON, "[[\"chsk/ws-ping\"],\"x\"]", Inbound::Ping(Some(callback("\"x\"")))),
        (JSON, "[[\"chsk/ws-ping\"]]", Inbound::Ping(None)),
        (JSON, "[\"chsk/ws-ping\",null]", Inbound::Ping(None)),
        (JSON, "[[\"chsk/ws-pong\"],null]", Inbound::Pong),
        (EDN, "[:chsk/ws-ping nil]", Inbound::Ping(None)),
        (EDN, "[[:chsk/ws-pong nil] nil]", Inbound::Pong),
    ] {
        assert_eq!(decode(wire, &frame(text)), Ok(expected), "{text}");
    }
}

#[test]
fn frames_of_our_own_clients() {
    event(
        JSON,
        "[[\"chat/say\",{\"text\":\"hi\"}],\"7\"]",
        "chat/say",
        "{\"text\":\"hi\"}",
        Some("\"7\""),
    );
    event(JSON, " [ [ \"chat\\/say\" , [1, 2] ] , null ] ", "chat/say", "[1, 2]", None);
    event(JSON, "[[\"chat/say\"]]", "chat/say", "null", None);
    event(JSON, "[[\"chat/say\",null],\"\\u0061\"]", "chat/say", "null", Some("\"\\u0061\""));
    event(
        JSON,
        "[[\"tengen/subscribe\",{\"channel\":\"a\"}],\"1\"]",
        "tengen/subscribe",
        "{\"channel\":\"a\"}",
        Some("\"1\""),
    );
    event(EDN, "[[:chat/say {:text \"hi\"}] \"7\"]", "chat/say", "{:text \"hi\"}", Some("\"7\""));
    event(EDN, "[#_x [:chat/say ; what\n 1 #_ 2], nil]", "chat/say", "1", None);
    event(SENTE_JSON, "+[[\"my/x\",1],0]", "my/x", "1", Some("0"));
    let longest = format!("\"{}\"", "x".repeat(64));
    event(JSON, &format!("[[\"a/b\"],{longest}]"), "a/b", "null", Some(&longest));
}

#[test]
fn the_payload_is_a_slice_of_the_frame() {
    let frame = frame("[[\"a/b\",{\"x\":1}],null]");
    let Ok(Inbound::Event(arrived)) = decode(JSON, &frame) else { panic!("no event") };
    assert_eq!(arrived.payload.body.as_ptr(), frame.body.slice(8..).as_ptr());
}

#[test]
fn meta_is_read_in_our_dialect_only() {
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    for (wire, text) in [
        (
            JSON,
            format!(
                "[[\"a/b\",1],null,{{\"x\":[{{}}],\"traceparent\":\"{parent}\",\"tracestate\":\"k=\\u0076\"}}]"
            ),
        ),
        (
            EDN,
            format!(
                "[[:a/b 1] nil {{:x [{{}}] 5 6 :tracestate \"k=\\u0076\" :traceparent \"{parent}\"}}]"
            ),
        ),
    ] {
        let arrived = arrives(wire, &text);
        assert_eq!(arrived.traceparent.as_deref(), Some(parent));
        assert_eq!(arrived.tracestate.as_deref(), Some("k=v"));
    }
    for text in [
        "[[\"a/b\",1],\"c\",null]",
        "[[\"a/b\",1],\"c\",{}]",
        "[[\"a/b\",1],\"c\",{\"traceparent\":5}]",
    ] {
        assert_eq!(arrives(JSON, text).traceparent, None);
    }
    let long = format!("[[\"a/b\",1],\"c\",{{\"tracestate\":\"{}\"}}]", "x".repeat(513));
    assert_eq!(arrives(JSON, &long).tracestate, None);
    refused(
        JSON,
        "[[\"a/b\",1],\"c\",7]",
        "byte 15: not a meta map: write an object such as `{\"traceparent\": \"…\"}`, or leave it out",
        Some("a/b"),
        Some("\"c\""),
    );
    refused(
        SENTE,
        "[[:a/b 1] \"c\" {}]",
        "byte 14: the frame has too many elements: an event, a callback and, in `tengen.v1`, a meta map",
        Some("a/b"),
        Some("\"c\""),
    );
}

#[test]
fn a_frame_whose_grammar_is_broken_is_refused_with_the_place() {
    for (wire, text, message, id) in [
        (
            JSON,
            "",
            "byte 0: the text ends where a frame such as `[[\"ns/name\", data], callback]` is expected",
            None,
        ),
        (JSON, "{}", "byte 0: expected a frame such as `[[\"ns/name\", data], callback]`", None),
        (EDN, "hello", "byte 0: expected a frame such as `[[:ns/name data] callback]`", None),
        (EDN, "+[[:a/b]]", "byte 0: expected a frame such as `[[:ns/name data] callback]`", None),
        (JSON, "[[\"a/b\"]] x", "byte 10: a second value; only one is expected", Some("a/b")),
        (EDN, "[[:a/b {:x] \"c\"]", "byte 10: expected a value or `}`", Some("a/b")),
        (
            SENTE,
            "[[:a/b \"x] \"c\"]",
            "byte 13: the string that begins here has no closing quote",
            Some("a/b"),
        ),
    ] {
        assert_eq!(refused(wire, text, message, id, None), FaultId::Malformed);
    }
    let late = "byte 14: the text ends where `,` or `]` is expected";
    refused(JSON, "[[\"a/b\",1],\"c\"", late, Some("a/b"), Some("\"c\""));
}

#[test]
fn a_frame_that_says_something_else_is_refused_to_its_callback() {
    let wrap = "an event stands in brackets of its own: `[[\"ns/name\", data], callback]`";
    let id =
        "not an event id: write a string `\"ns/name\"` of at most 128 bytes, without white space";
    let keyword = "not an event id: write a keyword `:ns/name` of at most 128 bytes";
    let callback = "not a callback: write a string of at most 64 bytes, or null";
    for (wire, text, at, message, event, callback) in [
        (JSON, "[]", 0, "the frame is empty: its first element is the event", None, None),
        (
            JSON,
            "[[],\"c\"]",
            1,
            "the event is empty: its first element is its id",
            None,
            Some("\"c\""),
        ),
        (JSON, "[\"chat/say\",\"hi\"]", 1, wrap, Some("chat/say"), Some("\"hi\"")),
        (JSON, "[{\"a\":1},\"c\"]", 1, wrap, None, Some("\"c\"")),
        (JSON, "[[\"say\",1],\"c\"]", 2, id, Some("say"), Some("\"c\"")),
        (JSON, "[[\"a b/c\",1],\"c\"]", 2, id, Some("a b/c"), Some("\"c\"")),
        (JSON, "[[5,1],\"c\"]", 2, id, None, Some("\"c\"")),
        (SENTE, "[[\"my/x\" 1] \"c\"]", 2, keyword, None, Some("\"c\"")),
        (SENTE, "[[:x 1] \"c\"]", 2, keyword, Some("x"), Some("\"c\"")),
        (
            JSON,
            "[[\"a/b\",1,2],\"c\"]",
            10,
            "an event has one id and one value: put several values into a map or vector",
            Some("a/b"),
            Some("\"c\""),
        ),
        (JSON, "[[\"a/b\",1],5]", 11, callback, Some("a/b"), None),
        (JSON, "[[\"a/b\",1],0]", 11, callback, Some("a/b"), None),
        (JSON, "[[\"chsk/ws-ping\"],[]]", 18, callback, Some("chsk/ws-ping"), None),
        (
            JSON,
            "[[\"a/b\"],\"c\",null,1]",
            18,
            "the frame has too many elements: an event, a callback and, in `tengen.v1`, a meta map",
            Some("a/b"),
            Some("\"c\""),
        ),
    ] {
        let message = format!("byte {at}: {message}");
        assert_eq!(refused(wire, text, &message, event, callback), FaultId::Malformed);
    }
    let long = format!("[[\"a/b\",1],\"{}\"]", "x".repeat(65));
    refused(JSON, &long, &format!("byte 11: {callback}"), Some("a/b"), None);
    let long = format!("[[\"a/{}\",1],\"c\"]", "é".repeat(100));
    refused(
        JSON,
        &long,
        &format!("byte 2: {id}"),
        Some(&format!("a/{}", "é".repeat(63))),
        Some("\"c\""),
    );
}

#[test]
fn the_gateways_own_events_are_not_the_clients() {
    for (wire, text, id) in [
        (JSON, "[[\"chsk/handshake\",1],\"c\"]", "chsk/handshake"),
        (SENTE, "[[:chsk/close] \"c\"]", "chsk/close"),
    ] {
        let message =
            format!("`{id}` is the gateway's own: name the event in a namespace of yours");
        assert_eq!(refused(wire, text, &message, Some(id), Some("\"c\"")), FaultId::NotAllowed);
    }
}

#[test]
fn frames_of_the_wrong_kind_are_refused() {
    let binary = Frame { text: false, body: Bytes::from_static(b"[[\"a/b\"]]") };
    let why = decode(JSON, &binary).unwrap_err().why;
    assert_eq!(
        (why.id, &*why.message),
        (FaultId::Unsupported, "a binary frame where `json` is spoken: send text frames")
    );
    let broken = Frame { text: true, body: Bytes::from_static(b"[[\"a/\xff\"]]") };
    let why = decode(JSON, &broken).unwrap_err().why;
    assert_eq!((why.id, &*why.message), (FaultId::Malformed, "byte 5: not UTF-8"));
    let none = Wire { dialect: Dialect::Tengen, format: Encoding::Binary };
    assert_eq!(decode(none, &binary).unwrap_err().why.id, FaultId::Unsupported);
}

#[test]
fn raw_frames_are_events_as_they_are() {
    for (text, id, encoding) in
        [(true, "raw/text", Encoding::Text), (false, "raw/binary", Encoding::Binary)]
    {
        let frame = Frame { text, body: Bytes::from_static(b"{ not json") };
        let Ok(Inbound::Event(arrived)) = decode(RAW, &frame) else { panic!("no event") };
        assert_eq!(
            (&*arrived.id, arrived.payload.encoding, arrived.payload.body),
            (id, encoding, frame.body)
        );
        assert_eq!(arrived.callback, None);
    }
}

#[test]
fn a_million_brackets_are_refused() {
    for (wire, start, bracket) in [
        (JSON, "[[\"a/b\",", "["),
        (EDN, "[[:a/b ", "["),
        (EDN, "", "#_"),
        (SENTE, "-[:a/b ", "{:a "),
    ] {
        let text = start.to_owned() + &bracket.repeat(1_000_000);
        let why = decode(wire, &frame(&text)).unwrap_err().why;
        assert!(why.message.contains("nested deeper than 64 levels"), "{}", why.message);
    }
}

#[test]
fn data_of_the_gateways_own_is_written_once() {
    let payload = Payload::json(&serde_json::json!({"after-ms": 500, "reason": "drain"}));
    let edn = payload::transcode(&payload, Encoding::Edn).unwrap();
    assert_eq!(edn.body, "{:after-ms 500 :reason \"drain\"}");
}
