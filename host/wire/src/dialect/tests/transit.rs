//! Frames of Transit, as transit-js (0.8) writes and reads them.

use super::{
    super::{
        Arrived, Handshake, Inbound, Malformed, Publication, decode, error, handshake, ping, pong,
        publication, push, reply,
    },
    *,
};
use crate::{
    fault::{Fault, FaultId},
    format::transit,
    id::{Channel, ConnectionId, EventId},
    payload::{Payload, transcode},
    trace::TraceContext,
};
use std::time::Duration;

#[track_caller]
fn arrives(wire: Wire, text: &str) -> Arrived {
    match decode(wire, &frame(text)) {
        Ok(Inbound::Event(arrived)) => arrived,
        other => panic!("{text}: {other:?}"),
    }
}

/// The event's id, its payload and its callback as written.
#[track_caller]
fn event(text: &str, id: &str, payload: &str, called: Option<&str>) {
    for wire in [TRANSIT, SENTE_TRANSIT] {
        let arrived = arrives(wire, text);
        assert_eq!(&*arrived.id, id, "{text}");
        assert_eq!(std::str::from_utf8(&arrived.payload.body), Ok(payload), "{text}");
        assert!(arrived.payload.is_checked());
        assert_eq!(arrived.callback, called.map(callback), "{text}");
    }
}

#[track_caller]
fn is(frame: Option<Frame>, text: &str) {
    let frame = frame.unwrap();
    assert_eq!(std::str::from_utf8(&frame.body), Ok(text));
    assert!(frame.text);
    transit::check(text).unwrap();
}

fn payload(body: &str) -> Payload {
    Payload::new(Encoding::Transit, body.to_owned())
}

#[test]
fn events_arrive() {
    event(r#"[["~:my/noreply",["^ ","~:x",1]],null]"#, "my/noreply", r#"["^ ","~:x",1]"#, None);
    event(
        r#"[["~:my/ask",["^ ","~:q",[1,2.5,"~:k",null,true]]],"615287"]"#,
        "my/ask",
        r#"["^ ","~:q",[1,2.5,"~:k",null,true]]"#,
        Some("\"615287\""),
    );
    event(r#"[["~:my/ask",1],"~:ajax"]"#, "my/ask", "1", Some("\"~:ajax\""));
    event(r#"[["~:my/bare"]]"#, "my/bare", "null", None);
    event(r#"[["~:my/bare"],"~_"]"#, "my/bare", "null", None);
    // Verbose, and with white space.
    event(
        r#" [ [ "~:my/x" , {"~:x":{"~#set":[1]}} ] , null ] "#,
        "my/x",
        r#"{"~:x":{"~#set":[1]}}"#,
        None,
    );
    event(r#"[["\u007e:my\/x",1],null]"#, "my/x", "1", None);
    let signed = arrives(SENTE_TRANSIT, r#"+[["~:my/noreply",["~:name","^0","^1"]]]"#);
    assert_eq!(signed.payload.body, r#"["~:name","~:my/noreply","^0"]"#);
}

#[test]
fn a_payload_stands_alone() {
    // Its codes count from its own beginning, and what the frame said before is said in full.
    event(
        r#"[["~:my/event",[["^ ","~:name",1,"~:kind","^0"],["^ ","^1",2,"^2","^0"]]],"cb"]"#,
        "my/event",
        r#"[["^ ","~:name",1,"~:kind","~:my/event"],["^ ","^0",2,"^1","^2"]]"#,
        Some("\"cb\""),
    );
    event(r#"[["~:my/event","^0"],"cb"]"#, "my/event", r#""~:my/event""#, Some("\"cb\""));
    // A callback that is a code is echoed as what it stands for.
    event(r#"[["~:my/ask","~:ajax"],"^1"]"#, "my/ask", "\"~:ajax\"", Some("\"~:ajax\""));
    let text = frame(r#"[["~:a/b",["^ ","~:x",1]],null]"#);
    let Ok(Inbound::Event(arrived)) = decode(TRANSIT, &text) else { panic!("no event") };
    assert_eq!(arrived.payload.body.as_ptr(), text.body.slice(10..).as_ptr(), "it was not copied");
}

#[test]
fn meta_is_a_map() {
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    for text in [
        format!(
            r#"[["~:a/b",1],"c",["^ ","~:traceparent","{parent}","~:tracestate","k=v","~:x",[1]]]"#
        ),
        format!(
            r#"[["~:a/b",1],"c",{{"~:traceparent":"{parent}","other":{{}},"~:tracestate":"k=v"}}]"#
        ),
        // Its keys were said before.
        format!(
            r#"[["~:a/b",["~:tracestate","~:traceparent",{{"other":1}}]],"c",["^ ","^2","{parent}","^3",["^0"],"^1","k=v"]]"#
        ),
    ] {
        let arrived = arrives(TRANSIT, &text);
        assert_eq!(arrived.traceparent.as_deref(), Some(parent), "{text}");
        assert_eq!(arrived.tracestate.as_deref(), Some("k=v"), "{text}");
    }
    for meta in
        ["null", r#"["^ "]"#, "{}", r#"["^ ","~:traceparent",5]"#, r#"["^ ","traceparent","x"]"#]
    {
        let text = format!(r#"[["~:a/b",1],"c",{meta}]"#);
        assert_eq!(arrives(TRANSIT, &text).traceparent, None, "{text}");
    }
    for meta in ["7", "[]", r#"["~#set",[]]"#] {
        let text = format!(r#"[["~:a/b",1],"c",{meta}]"#);
        let why = decode(TRANSIT, &frame(&text)).unwrap_err().why;
        assert!(why.message.contains("not a meta map"), "{text}: {}", why.message);
    }
}

#[test]
fn pings_and_pongs() {
    let arrives = |text: &str| decode(TRANSIT, &frame(text)).unwrap();
    assert_eq!(
        arrives(r#"[["~:chsk/ws-ping"],"07abf7"]"#),
        Inbound::Ping(Some(callback("\"07abf7\"")))
    );
    assert_eq!(arrives(r#"["~:chsk/ws-ping",null]"#), Inbound::Ping(None));
    assert_eq!(arrives(r#"[["~:chsk/ws-pong"],null]"#), Inbound::Pong);
    is(ping(TRANSIT), r#"["~:chsk/ws-ping",null]"#);
    is(pong(TRANSIT, None), r#"[["~:chsk/ws-pong"],null]"#);
    is(pong(TRANSIT, Some(&callback("\"07abf7\""))), r#"["pong","07abf7"]"#);
    assert_eq!(pong(SENTE_TRANSIT, None), None);
}

#[test]
fn mistakes_are_answered_to_their_callback() {
    for (text, id, message, event, called) in [
        (
            r#"[["a/b",1],"c"]"#,
            FaultId::Malformed,
            "byte 2: not an event id: write a keyword `\"~:ns/name\"`",
            None,
            true,
        ),
        (r#"[["~:say",1],"c"]"#, FaultId::Malformed, "byte 2: not an event id", Some("say"), true),
        (
            r#"[["~#set",[1]],"c"]"#,
            FaultId::Malformed,
            "byte 1: an event stands in brackets",
            None,
            true,
        ),
        (
            r#"[["^ ","~:a",1],"c"]"#,
            FaultId::Malformed,
            "byte 1: an event stands in brackets",
            None,
            true,
        ),
        (
            r#"[["~:a/b","^7"],"c"]"#,
            FaultId::Malformed,
            "byte 10: a cache code that stands for nothing",
            Some("a/b"),
            true,
        ),
        (
            r#"[["~:a/b",["^ ","~:a"]],"c"]"#,
            FaultId::Malformed,
            "byte 21: the map has a key",
            Some("a/b"),
            true,
        ),
        // What codes behind a broken event stand for is not guessed.
        (
            r#"[["~:a/b",["~:name",["^ ","~:a"]]],"^1"]"#,
            FaultId::Malformed,
            "byte 31: the map has a key",
            Some("a/b"),
            false,
        ),
        (r#"[["~:a/b",1],5]"#, FaultId::Malformed, "byte 13: not a callback", Some("a/b"), false),
        (
            r#"[["~:chsk/close"],"c"]"#,
            FaultId::NotAllowed,
            "`chsk/close` is the gateway's own",
            Some("chsk/close"),
            true,
        ),
        (
            "{}",
            FaultId::Malformed,
            "byte 0: expected a frame such as `[[\"~:ns/name\", data], callback]`",
            None,
            false,
        ),
        (
            r#"["~#list",[["~:a/b"],"c"]]"#,
            FaultId::Malformed,
            "byte 0: expected a frame",
            None,
            false,
        ),
    ] {
        let Malformed { why, event: found, callback: heard } =
            *decode(TRANSIT, &frame(text)).unwrap_err();
        assert!(why.message.starts_with(message), "{text}: {}", why.message);
        assert_eq!((why.id, found.as_deref()), (id, event), "{text}");
        assert_eq!(heard, called.then(|| callback("\"c\"")), "{text}");
    }
    let binary = Frame { text: false, ..frame(r#"[["~:a/b",1],"c"]"#) };
    let why = decode(TRANSIT, &binary).unwrap_err().why;
    assert_eq!(why.message, "a binary frame where `transit` is spoken: send text frames");
    let million = format!("[[\"~:a/b\",{}", "[\"~#x\",".repeat(200_000));
    let why = decode(TRANSIT, &frame(&million)).unwrap_err().why;
    assert!(why.message.contains("nested deeper than 64 levels"), "{}", why.message);
}

#[test]
fn the_handshake_says_who_and_how() {
    let welcome = payload(r#"[["^ ","~:room",1],["^ ","^0",2]]"#);
    let mut first = Handshake {
        csrf: None,
        user: None,
        connection: ConnectionId::from_bytes([0; 16]),
        node: "~n1",
        ping: Duration::from_secs(25),
        max_bytes: 1024,
        version: "0.1.0",
        welcome: Some(&welcome),
        session: None,
    };
    let info = r#""~:connection","00000000-0000-0000-0000-000000000000","~:node","~~n1","~:ping-ms",25000,"~:max-bytes",1024,"~:version","0.1.0""#;
    // Before the welcome seven strings took a place: the event's name, and six keys.
    is(
        handshake(TRANSIT, &first),
        &format!(
            r#"[["~:chsk/handshake",[null,null,["^ ",{info},"~:welcome",[["^ ","~:room",1],["^ ","^7",2]]]]],null]"#
        ),
    );
    first.welcome = None;
    is(
        handshake(SENTE_TRANSIT, &first),
        &format!(r#"[["~:chsk/handshake",["~:sente/nil-uid",null,["^ ",{info}]]],null]"#),
    );
}

#[test]
fn pushes_replies_and_publications_leave() {
    let context = TraceContext { trace_id: 0xabc, span_id: 0xdef, sampled: true, state: None };
    let id = EventId::from("srv/push1");
    let coded = payload(r#"[["^ ","~:name",1],["^ ","^0","~:srv/push1"]]"#);
    is(
        push(TRANSIT, &id, &coded, Some(&context)).ok(),
        r#"[[["~:srv/push1",[["^ ","~:name",1],["^ ","^1","~:srv/push1"]]]],null,["^ ","~:traceparent","00-00000000000000000000000000000abc-0000000000000def-01"]]"#,
    );
    is(
        push(SENTE_TRANSIT, &id, &payload(r#"["^ ","~:a",1]"#), None).ok(),
        r#"[[["~:srv/push1",["^ ","~:a",1]]],null]"#,
    );
    is(
        reply(TRANSIT, "a/b", &callback("\"c\""), &coded, None).ok(),
        r#"[[["^ ","~:name",1],["^ ","^0","~:srv/push1"]],"c"]"#,
    );
    let (channel, said) = (Channel::from("^room"), EventId::from("chat/a\"b"));
    let what = Publication {
        channel: &channel,
        id: &said,
        content: &coded,
        offset: (1 << 53) - 1,
        prev: (1 << 53) - 2,
        from: None,
    };
    // Before the data five strings took a place: the event's name, three keys and the id.
    is(
        publication(TRANSIT, &what, None).ok(),
        r#"[[["~:tengen/publication",["^ ","~:channel","~^room","~:id","~:chat/a\"b","~:data",[["^ ","~:name",1],["^ ","^5","~:srv/push1"]],"~:offset",9007199254740991]]],null]"#,
    );
    let what = Publication {
        offset: 1 << 53,
        prev: (1 << 53) - 1,
        content: &Payload::new(Encoding::Edn, "#{:a}"),
        ..what
    };
    is(
        publication(TRANSIT, &what, None).ok(),
        r#"[[["~:tengen/publication",["^ ","~:channel","~^room","~:id","~:chat/a\"b","~:data",["~#set",["~:a"]],"~:offset","~n9007199254740992"]]],null]"#,
    );
}

#[test]
fn a_failure_is_answered_or_pushed() {
    let why = Fault::new(FaultId::Overloaded, "~busy").retry_after(Duration::from_millis(1500));
    let map = r#"["^ ","~:id","overloaded","~:message","~~busy","~:retry-after-ms",1500,"~:event","~:a/b""#;
    let answers = |wire, called: Option<&str>| {
        let frames = error(wire, &why, Some("a/b"), called.map(callback).as_ref());
        frames
            .into_iter()
            .map(|frame| String::from_utf8(frame.body.to_vec()).unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        answers(TRANSIT, Some("\"c\"")),
        [format!(r#"[["^ ","~:tengen/error",{map}]],"c"]"#)]
    );
    assert_eq!(answers(TRANSIT, None), [format!(r#"[[["~:tengen/error",{map}]]],null]"#)]);
    assert_eq!(
        answers(SENTE_TRANSIT, Some("\"c\"")),
        [
            format!(r#"[[["~:tengen/error",{map},"~:callback","c"]]],null]"#),
            r#"["~:chsk/error","c"]"#.to_owned(),
        ],
    );
}

#[test]
fn a_plugin_cannot_break_a_frame() {
    let id = EventId::from("a/b");
    for body in [
        "1]],null],[[",
        "",
        "\"a",
        "\"^0\"",
        "[\"^ \",\"~:a\"]",
        "\"~#set\"",
        "[1",
        "\"^ \"",
        "1 2",
    ] {
        for wire in [TRANSIT, JSON, EDN, MSGPACK] {
            let why = push(wire, &id, &payload(body), None).unwrap_err();
            assert_eq!(why.id, FaultId::Malformed, "{body}");
            assert!(
                why.message.starts_with("the payload is not `transit`: byte "),
                "{}",
                why.message
            );
        }
    }
    // An escape hides no code.
    let hidden = payload(r#" [["~:name"],"\u005e0"] "#);
    is(push(TRANSIT, &id, &hidden, None).ok(), r#"[[["~:a/b",[["~:name"],"^1"]]],null]"#);
    let edn = transcode(&hidden, Encoding::Edn).unwrap();
    assert_eq!(edn.body, "[[:name] :name]");
}
