//! Frames of `tengen.v1.msgpack`, as the `msgpack` package for Python (1.2.4) writes them.

use super::{
    super::{
        Arrived, Handshake, Inbound, Malformed, Publication, decode, error, handshake, ping, pong,
        publication, push, reply,
    },
    *,
};
use crate::{
    fault::{Fault, FaultId},
    format::msgpack::tests::{bytes, hex},
    id::{Channel, ConnectionId, EventId, UserId},
    payload::Payload,
    trace::TraceContext,
};
use std::time::Duration;

fn binary(written: &str) -> Frame {
    Frame { text: false, body: bytes(written).into() }
}

fn written(callback: &str) -> Callback {
    Callback(bytes(callback).into())
}

#[track_caller]
fn arrives(frame: &str) -> Arrived {
    match decode(MSGPACK, &binary(frame)) {
        Ok(Inbound::Event(arrived)) => arrived,
        other => panic!("{frame}: {other:?}"),
    }
}

/// The event's id, its payload and its callback as written.
#[track_caller]
fn event(frame: &str, id: &str, payload: &str, callback: Option<&str>) {
    let arrived = arrives(frame);
    assert_eq!(&*arrived.id, id, "{frame}");
    assert_eq!(arrived.payload.encoding, Encoding::Msgpack);
    assert!(arrived.payload.is_checked());
    assert_eq!(hex(&arrived.payload.body), payload, "{frame}");
    assert_eq!(arrived.callback, callback.map(written), "{frame}");
}

#[track_caller]
fn refused(frame: &str, message: &str, id: Option<&str>, callback: Option<&str>) {
    let Malformed { why, event, callback: found } = *decode(MSGPACK, &binary(frame)).unwrap_err();
    assert_eq!(why.message, message, "{frame}");
    assert_eq!(event.as_deref(), id, "{frame}");
    assert_eq!(found, callback.map(written), "{frame}");
}

#[track_caller]
fn is(frame: Option<Frame>, expected: &str) {
    let frame = frame.unwrap();
    assert_eq!(hex(&frame.body), expected);
    assert!(!frame.text);
}

fn json(body: &str) -> Payload {
    Payload::new(Encoding::Json, body.to_owned())
}

#[test]
fn events_arrive() {
    // [["chat/say", {"text": "hi"}], "7"]
    event(
        "9292a8636861742f73617981a474657874a26869a137",
        "chat/say",
        "81a474657874a26869",
        Some("a137"),
    );
    // [["chat/say"]]
    event("9191a8636861742f736179", "chat/say", "c0", None);
    // [["chat/say", [1, 2]], None]
    event("9292a8636861742f736179920102c0", "chat/say", "920102", None);
    // In other forms than the shortest; the callback is echoed as it came.
    event("dc0002dd00000002d903612f62cd0001d90137", "a/b", "cd0001", Some("d90137"));
    let longest = format!("d940{}", "78".repeat(64));
    event(&format!("9291a3612f62{longest}"), "a/b", "c0", Some(&longest));
    // What no other format can hold.
    event("9292a3612f62d5050102c0", "a/b", "d5050102", None);
}

#[test]
fn the_payload_is_a_slice_of_the_frame() {
    let frame = binary("9292a3612f6281a17801c0");
    let Ok(Inbound::Event(arrived)) = decode(MSGPACK, &frame) else { panic!("no event") };
    assert_eq!(arrived.payload.body.as_ptr(), frame.body.slice(6..).as_ptr());
}

#[test]
fn meta_is_a_map() {
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    // [["a/b", 1], "c", {"x": [{}], "traceparent": parent, "tracestate": "k=v", 5: 6}]
    let frame = "9392a3612f6201a16384a1789180ab7472616365706172656e74d93730302d30616637363531393136636434336464383434386562323131633830333139632d623761643662373136393230333333312d3031aa74726163657374617465a36b3d760506";
    let arrived = arrives(frame);
    assert_eq!(arrived.traceparent.as_deref(), Some(parent));
    assert_eq!(arrived.tracestate.as_deref(), Some("k=v"));
    for meta in ["c0", "80", "81ab7472616365706172656e7405"] {
        assert_eq!(arrives(&format!("9392a3612f6201a163{meta}")).traceparent, None);
    }
    let meta = "not a meta map: write a map such as `{\"traceparent\": \"…\"}`, or leave it out";
    refused("9392a3612f6201a16307", &format!("byte 9: {meta}"), Some("a/b"), Some("a163"));
}

#[test]
fn pings_and_pongs() {
    let arrives = |frame: &str| decode(MSGPACK, &binary(frame)).unwrap();
    assert_eq!(arrives("9291ac6368736b2f77732d70696e67a178"), Inbound::Ping(Some(written("a178"))));
    assert_eq!(arrives("92ac6368736b2f77732d70696e67c0"), Inbound::Ping(None));
    assert_eq!(arrives("9291ac6368736b2f77732d706f6e67c0"), Inbound::Pong);
    is(ping(MSGPACK), "92ac6368736b2f77732d70696e67c0");
    is(ping(MSGPACK), "92ac6368736b2f77732d70696e67c0");
    is(pong(MSGPACK, None), "9291ac6368736b2f77732d706f6e67c0");
    is(pong(MSGPACK, Some(&written("a6303761626637"))), "92a4706f6e67a6303761626637");
}

#[test]
fn a_frame_that_says_something_else_is_refused_to_its_callback() {
    let frame = "a frame: an array such as `[[\"ns/name\", data], callback]`";
    let event = "an event is an array of its own: `[[\"ns/name\", data], callback]`";
    let id = "not an event id: write a string `ns/name` of at most 128 bytes, without white space";
    let callback = "not a callback: write a string of at most 64 bytes, or nil";
    let call = Some("a163");
    for (sent, at, message, event, callback) in [
        ("", 0, format!("the bytes end where {frame} is expected"), None, None),
        ("80", 0, format!("expected {frame}"), None, None),
        ("a3612f62", 0, format!("expected {frame}"), None, None),
        ("90", 0, "the frame is empty: its first element is the event".into(), None, None),
        ("9290a163", 1, "the event is empty: its first element is its id".into(), None, call),
        ("92a3612f62a163", 1, event.into(), Some("a/b"), call),
        ("9281a16101a163", 1, event.into(), None, call),
        ("9291a3736179a163", 2, id.into(), Some("say"), call),
        ("9291c403612f62a163", 2, id.into(), None, call),
        ("92920501a163", 2, id.into(), None, call),
        ("9292a3612f620105", 7, callback.into(), Some("a/b"), None),
        ("9292a3612f6201c40163", 7, callback.into(), Some("a/b"), None),
        (
            "9293a3612f620102a163",
            7,
            "an event has one id and one value: put several values into a map or vector".into(),
            Some("a/b"),
            call,
        ),
        (
            "9491a3612f62a163c001",
            9,
            "the frame has too many elements: an event, a callback and, in `tengen.v1`, a meta map"
                .into(),
            Some("a/b"),
            call,
        ),
        ("9191a3612f62c0", 6, "a second value; only one is expected".into(), Some("a/b"), None),
    ] {
        refused(sent, &format!("byte {at}: {message}"), event, callback);
    }
    let long = format!("9292a3612f6201d941{}", "78".repeat(65));
    refused(&long, &format!("byte 7: {callback}"), Some("a/b"), None);
    let why = decode(MSGPACK, &binary("9291aa6368736b2f636c6f7365a163")).unwrap_err().why;
    assert_eq!(why.id, FaultId::NotAllowed, "{}", why.message);
}

#[test]
fn a_mistake_inside_the_event_is_answered_to_its_callback() {
    let deep = format!("9292a3612f62{}c0a137", "91".repeat(65));
    for (sent, message) in [
        ("9292a3612f62a2c328a137", "byte 7: not UTF-8"),
        ("9291a3ff2f62a137", "byte 3: not UTF-8"),
        ("9292a3612f62c703ff616263a137", "byte 6: not a timestamp"),
        ("9292a3612f6281a1ff81a1fe01a137", "byte 8: not UTF-8"),
        (&deep, "byte 70: nested deeper than 64 levels"),
    ] {
        let Malformed { why, callback, .. } = *decode(MSGPACK, &binary(sent)).unwrap_err();
        assert!(why.message.starts_with(message), "{sent}: {}", why.message);
        assert_eq!((why.id, callback), (FaultId::Malformed, Some(written("a137"))), "{sent}");
    }
    // Where lengths do not say where it ends, no callback is guessed.
    for sent in [
        "9292a3612f62c1a137",
        "9292a3612f62dbffffffffa137",
        "9292a3612f6293a2c328a137",
        "9292a3612f62",
    ] {
        assert_eq!(decode(MSGPACK, &binary(sent)).unwrap_err().callback, None, "{sent}");
    }
}

#[test]
fn text_frames_are_refused() {
    let text = Frame { text: true, body: Bytes::from_static(b"[[\"a/b\",1],\"7\"]") };
    let Malformed { why, callback, .. } = *decode(MSGPACK, &text).unwrap_err();
    let message = "a text frame where `msgpack` is spoken: send binary frames";
    assert_eq!((why.id, &*why.message, callback), (FaultId::Unsupported, message, None));
    let text = Frame { text: true, ..binary("9292a3612f6201a137") };
    assert_eq!(decode(MSGPACK, &text).unwrap_err().callback, Some(written("a137")));
}

#[test]
fn the_handshake_says_who_and_how() {
    let (user, welcome) = (UserId::from("al\"ice"), json("{\"room\": \"lobby\"}"));
    let mut first = Handshake {
        csrf: None,
        user: Some(&user),
        connection: ConnectionId::from_bytes([0; 16]),
        node: "n1",
        ping: Duration::from_secs(25),
        max_bytes: 1024,
        version: "0.1.0",
        welcome: Some(&welcome),
        session: None,
    };
    is(
        handshake(MSGPACK, &first),
        "9292ae6368736b2f68616e647368616b6593a6616c22696365c086aa636f6e6e656374696f6ed92430303030303030302d303030302d303030302d303030302d303030303030303030303030a46e6f6465a26e31a770696e672d6d73cd61a8a96d61782d6279746573cd0400a776657273696f6ea5302e312e30a777656c636f6d6581a4726f6f6da56c6f626279c0",
    );
    (first.user, first.welcome) = (None, None);
    is(
        handshake(MSGPACK, &first),
        "9292ae6368736b2f68616e647368616b6593c0c085aa636f6e6e656374696f6ed92430303030303030302d303030302d303030302d303030302d303030303030303030303030a46e6f6465a26e31a770696e672d6d73cd61a8a96d61782d6279746573cd0400a776657273696f6ea5302e312e30c0",
    );
}

#[test]
fn pushes_replies_and_publications_leave() {
    let context = |state: Option<&str>| TraceContext {
        trace_id: 0xabc,
        span_id: 0xdef,
        sampled: true,
        state: state.map(Into::into),
    };
    let id = EventId::from("srv/push1");
    is(push(MSGPACK, &id, &json("{\"a\":1}"), None).ok(), "929192a97372762f707573683181a16101c0");
    is(
        push(MSGPACK, &id, &Payload::new(Encoding::Msgpack, bytes("81a16101")), None).ok(),
        "929192a97372762f707573683181a16101c0",
    );
    is(
        push(MSGPACK, &EventId::from("a/b"), &json("1"), Some(&context(None))).ok(),
        "939192a3612f6201c081ab7472616365706172656e74d93730302d30303030303030303030303030303030303030303030303030303030306162632d303030303030303030303030306465662d3031",
    );
    is(
        reply(
            MSGPACK,
            "a/b",
            &written("a6363135323837"),
            &Payload::new(Encoding::Edn, "{:echo {:x 1}}"),
            None,
        )
        .ok(),
        "9281a46563686f81a17801a6363135323837",
    );
    is(
        reply(MSGPACK, "a/b", &written("a163"), &json("1"), Some(&context(Some("k=\"v\"")))).ok(),
        "9301a16382ab7472616365706172656e74d93730302d30303030303030303030303030303030303030303030303030303030306162632d303030303030303030303030306465662d3031aa74726163657374617465a56b3d227622",
    );
    let (channel, content) = (Channel::from("room \"1\""), json("{\"text\":\"hi\"}"));
    let said = EventId::from("chat/said");
    let what = Publication {
        channel: &channel,
        id: &said,
        content: &content,
        offset: 7,
        prev: 6,
        from: None,
    };
    is(
        publication(MSGPACK, &what, None).ok(),
        "929192b274656e67656e2f7075626c69636174696f6e84a76368616e6e656ca8726f6f6d20223122a26964a9636861742f73616964a46461746181a474657874a26869a66f666673657407c0",
    );
    let (channel, content) = (Channel::from("c"), Payload::new(Encoding::Binary, vec![0, 255]));
    let odd = EventId::from("room/a/b");
    let what = Publication {
        channel: &channel,
        id: &odd,
        content: &content,
        offset: 300,
        prev: 299,
        from: None,
    };
    is(
        publication(MSGPACK, &what, None).ok(),
        "929192b274656e67656e2f7075626c69636174696f6e84a76368616e6e656ca163a26964a8726f6f6d2f612f62a464617461c40200ffa66f6666736574cd012cc0",
    );
}

#[test]
fn a_failure_is_answered_or_pushed() {
    let why = Fault::application("no-such-\"room\"", "ask for another")
        .retry_after(Duration::from_millis(1500));
    let [answer] =
        <[Frame; 1]>::try_from(error(MSGPACK, &why, Some("a/b"), Some(&written("a163")))).unwrap();
    is(
        Some(answer),
        "9281ac74656e67656e2f6572726f7285a26964ab6170706c69636174696f6ea76d657373616765af61736b20666f7220616e6f74686572ae72657472792d61667465722d6d73cd05dca56576656e74a3612f62a4636f6465ae6e6f2d737563682d22726f6f6d22a163",
    );
    let bare = Fault::new(FaultId::Malformed, "byte 0: no");
    let [pushed] = <[Frame; 1]>::try_from(error(MSGPACK, &bare, None, None)).unwrap();
    is(
        Some(pushed),
        "929192ac74656e67656e2f6572726f7282a26964a96d616c666f726d6564a76d657373616765aa6279746520303a206e6fc0",
    );
}

#[test]
fn a_plugin_cannot_break_a_frame() {
    let id = EventId::from("a/b");
    for body in ["", "92", "9201", "c1", "c0c0", "a2c328", "ddffffffff", "81a161"] {
        let content = Payload::new(Encoding::Msgpack, bytes(body));
        for wire in [MSGPACK, JSON, EDN] {
            let why = push(wire, &id, &content, None).unwrap_err();
            assert_eq!(why.id, FaultId::Malformed, "{body}");
            assert!(
                why.message.starts_with("the payload is not `msgpack`: byte "),
                "{}",
                why.message
            );
        }
    }
}
