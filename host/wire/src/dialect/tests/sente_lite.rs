//! Frames of sente-lite 2.0.0, as its unmodified clients and servers write them.

use super::{
    super::{
        Arrived, Handshake, Inbound, Malformed, Publication, decode, error, handshake, ping, pong,
        publication, push, reply,
    },
    *,
};
use crate::{
    fault::{Fault, FaultId},
    id::{Channel, ConnectionId, EventId, UserId},
    payload::Payload,
};
use std::time::Duration;

const TRANSIT: Wire = Wire { dialect: Dialect::SenteLite, format: Encoding::Transit };

#[track_caller]
fn event(text: &str, id: &str, payload: &str, called: Option<&str>) {
    let Ok(Inbound::Event(Arrived { id: found, payload: data, callback: heard, .. })) =
        decode(SENTE_LITE, &frame(text))
    else {
        panic!("{text}: {:?}", decode(SENTE_LITE, &frame(text)))
    };
    assert_eq!(&*found, id, "{text}");
    assert_eq!(std::str::from_utf8(&data.body), Ok(payload), "{text}");
    assert_eq!(heard, called.map(callback), "{text}");
}

#[track_caller]
fn is(frame: Option<Frame>, text: &str) {
    assert_eq!(std::str::from_utf8(&frame.unwrap().body), Ok(text));
}

/// What comes back for a frame that cannot be taken.
#[track_caller]
fn answered(wire: Wire, text: &str) -> (FaultId, String) {
    let Malformed { why, event, callback } = *decode(wire, &frame(text)).unwrap_err();
    let [answer] = <[Frame; 1]>::try_from(error(wire, &why, event.as_deref(), callback.as_ref()))
        .unwrap_or_else(|frames| panic!("{frames:?}"));
    (why.id, String::from_utf8(answer.body.to_vec()).unwrap())
}

#[test]
fn events_of_its_clients_arrive() {
    event(r#"[:test/echo {:msg "hi", :n 1}]"#, "test/echo", r#"{:msg "hi", :n 1}"#, None);
    event("[:test/bare]", "test/bare", "nil", None);
    let nested = r#"{nil :nil-key, [1 2] :vec-key, :nan ##NaN, :inst #inst "2024-02-29T12:34:56.789-00:00", :k :a/b, :sym foo/bar, :str "q\"uo\\te 😀 é\n", :list (1 (2)), :nil nil, :f 1.5, :uuid #uuid "12345678-9abc-def0-1234-56789abcdef0", :set #{1 2}}"#;
    event(&format!("[:test/nested {nested}]"), "test/nested", nested, None);
    let jvm = r#"{:msg "hi \"é😀\"", :s #{1 :k}, :r 2/3, :c \a, :n 5N, :d 1.5M, :i #inst "2024-02-29T12:34:56.789-00:00"}"#;
    event(&format!("[:test/echo {jvm}]"), "test/echo", jvm, None);
    // Two elements mean something.
    event("[:my/x 1 2 3]", "my/x", "1", None);
    event(r#"[[:test/ask {:q 1}] "cb-1234"]"#, "test/ask", "{:q 1}", Some("\"cb-1234\""));
    event("[[:my/ask 1] nil]", "my/ask", "1", None);
    event("[[:my/ask]]", "my/ask", "nil", None);
    let arrived = decode(TRANSIT, &frame(r#"["~:my/event",["^ ","~:name","^0"]]"#)).unwrap();
    let Inbound::Event(arrived) = arrived else { panic!("{arrived:?}") };
    assert_eq!(arrived.payload.body, r#"["^ ","~:name","~:my/event"]"#);
}

#[test]
fn pings_and_pongs() {
    let arrives = |text: &str| decode(SENTE_LITE, &frame(text)).unwrap();
    assert_eq!(arrives("[:chsk/ws-ping]"), Inbound::Ping(None));
    assert_eq!(arrives("[:chsk/ws-pong]"), Inbound::Pong);
    is(ping(SENTE_LITE), "[:chsk/ws-ping]");
    is(pong(SENTE_LITE, None), "[:chsk/ws-pong]");
    is(pong(TRANSIT, None), r#"["~:chsk/ws-pong"]"#);
}

#[test]
fn the_handshake_has_four_elements() {
    let user = UserId::from("alice");
    let welcome = Payload::new(Encoding::Json, "{\"room\":1}");
    let mut first = Handshake {
        user: None,
        connection: ConnectionId::from_bytes([0; 16]),
        node: "n1",
        ping: Duration::from_secs(30),
        max_bytes: 1024,
        version: "0.1.0",
        welcome: None,
        session: None,
    };
    let nobody = "00000000-0000-0000-0000-000000000000";
    is(
        handshake(SENTE_LITE, &first),
        &format!(
            r#"[:chsk/handshake ["{nobody}" nil {{:sente-lite-version "2.0.0" :connection "{nobody}"}} true]]"#
        ),
    );
    (first.user, first.welcome) = (Some(&user), Some(&welcome));
    is(
        handshake(SENTE_LITE, &first),
        &format!(
            r#"[:chsk/handshake ["alice" nil {{:sente-lite-version "2.0.0" :connection "{nobody}" :welcome {{:room 1}}}} true]]"#
        ),
    );
}

#[test]
fn pushes_publications_and_replies_leave() {
    let content = Payload::new(Encoding::Edn, "{:text \"hello\"}");
    let id = EventId::from("chat/said");
    is(push(SENTE_LITE, &id, &content, None).ok(), "[:chat/said {:text \"hello\"}]");
    let what = Publication {
        channel: &Channel::from("room1"),
        id: &id,
        content: &content,
        offset: 7,
        prev: 6,
    };
    is(
        publication(SENTE_LITE, &what, None).ok(),
        r#"[:sente-lite/channel-msg {:channel-id "room1" :data {:text "hello"} :id :chat/said}]"#,
    );
    is(
        reply(SENTE_LITE, &callback("\"cb-1\""), &content, None).ok(),
        r#"[{:text "hello"} "cb-1"]"#,
    );
    let coded = Payload::new(Encoding::Transit, r#"["~:name","^0"]"#);
    is(push(TRANSIT, &id, &coded, None).ok(), r#"["~:chat/said",["~:name","^1"]]"#);
    let why = push(SENTE_LITE, &EventId::from("a/b/c"), &content, None).unwrap_err();
    assert_eq!(why.id, FaultId::Unsupported);
}

#[test]
fn subscriptions_and_publications_of_clients_are_answered_with_what_is_missing() {
    let why = "this gateway has no subscriptions of clients' own yet: a plugin subscribes its connections";
    for (said, channel) in [
        (r#"[:sente-lite/subscribe {:channel-id "room1"}]"#, "\"room1\""),
        ("[:sente-lite/subscribe {:channel-id :room/kw}]", ":room/kw"),
        (
            "[:sente-lite/subscribe {:other {:channel-id 1}, \"channel-id\" 2, :channel-id [3]}]",
            "[3]",
        ),
        ("[:sente-lite/subscribe]", "nil"),
        ("[:sente-lite/subscribe nil]", "nil"),
        ("[:sente-lite/subscribe {}]", "nil"),
        (r#"[:sente-lite/unsubscribe {:channel-id "room1"}]"#, "\"room1\""),
    ] {
        let subscribed = format!(
            r#"[:sente-lite/subscribed {{:channel-id {channel} :success false :error :channel-not-found :message "{why}"}}]"#
        );
        assert_eq!(answered(SENTE_LITE, said), (FaultId::NotFound, subscribed), "{said}");
    }
    let long = format!("[:sente-lite/subscribe {{:channel-id \"{}\"}}]", "x".repeat(300));
    assert!(answered(SENTE_LITE, &long).1.contains(":channel-id nil :success false"));
    let (id, answer) =
        answered(TRANSIT, r#"["~:sente-lite/subscribe",["^ ","~:channel-id",["~:name","^2"]]]"#);
    assert_eq!(id, FaultId::NotFound);
    let starts = r#"["~:sente-lite/subscribed",["^ ","~:channel-id",["~:name","^2"],"~:success",false,"~:error","~:channel-not-found","#;
    assert!(answer.starts_with(starts), "{answer}");
    let said =
        r#"[:sente-lite/publish {:channel-id "room1", :data {:text "x"}, :exclude-sender? true}]"#;
    assert_eq!(
        answered(SENTE_LITE, said),
        (
            FaultId::NotFound,
            r#"[:tengen/error {:id "not-found" :message "this gateway has no publications of clients' own yet: send an event to a plugin that publishes" :event :sente-lite/publish}]"#.to_owned(),
        ),
    );
}

#[test]
fn what_is_no_frame_is_told_with_what_would_be_one() {
    for (said, why) in [
        (
            "{:type :echo}",
            "byte 0: a frame of sente-lite before 2.0.0, which is a map: this gateway speaks 2.0.0",
        ),
        ("{bad edn", "byte 8: the text ends where"),
        (
            "",
            "byte 0: the text ends where a frame of sente-lite 2, such as `[:ns/name data]` is expected",
        ),
        ("nil", "byte 0: expected a frame of sente-lite 2"),
        ("\"text\"", "byte 0: expected a frame of sente-lite 2"),
        ("[]", "byte 0: the frame is empty"),
        ("[[]]", "byte 2: the event is empty"),
        ("[1 2]", "byte 1: not an event id: write a keyword `:ns/name`"),
        ("[\"str/id\" 1]", "byte 1: not an event id"),
        ("[:plain 1]", "byte 1: not an event id"),
        ("[nil nil]", "byte 1: not an event id"),
        ("[[:my/ask 1] :cb]", "byte 13: not a callback"),
        ("[:my/x {:a}]", "byte 10: the map has a key without a value"),
        ("[:chsk/handshake [1]]", "`chsk/handshake` is the gateway's own"),
        ("[:chsk/recv [:a/b 1]]", "`chsk/recv` is the gateway's own"),
    ] {
        let Malformed { why: found, .. } = *decode(SENTE_LITE, &frame(said)).unwrap_err();
        assert!(found.message.starts_with(why), "{said}: {}", found.message);
        assert!(answered(SENTE_LITE, said).1.starts_with("[:tengen/error {:id \""), "{said}");
    }
    let binary = Frame { text: false, ..frame("[:a/b 1]") };
    assert_eq!(decode(SENTE_LITE, &binary).unwrap_err().why.id, FaultId::Unsupported);
    let why = Fault::new(FaultId::Timeout, "late");
    let asked = error(SENTE_LITE, &why, Some("a/b"), Some(&callback("\"cb\"")));
    is(
        asked.into_iter().next(),
        r#"[{:tengen/error {:id "timeout" :message "late" :event :a/b}} "cb"]"#,
    );
}
