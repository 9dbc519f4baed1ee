//! Frames of sente-lite 2.0.0, as its unmodified clients and servers write them.

use super::{
    super::{
        Arrived, Handshake, Inbound, Malformed, Publication, Publisher, Request, asked, decode,
        error, handshake, ping, pong, publication, push, reply, request,
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
        csrf: None,
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
        from: None,
    };
    is(
        publication(SENTE_LITE, &what, None).ok(),
        r#"[:sente-lite/channel-msg {:channel-id "room1" :data {:text "hello"} :id :chat/said}]"#,
    );
    is(
        reply(SENTE_LITE, "a/b", &callback("\"cb-1\""), &content, None).ok(),
        r#"[{:text "hello"} "cb-1"]"#,
    );
    let coded = Payload::new(Encoding::Transit, r#"["~:name","^0"]"#);
    is(push(TRANSIT, &id, &coded, None).ok(), r#"["~:chat/said",["~:name","^1"]]"#);
    let why = push(SENTE_LITE, &EventId::from("a/b/c"), &content, None).unwrap_err();
    assert_eq!(why.id, FaultId::Unsupported);
}

/// A request of a client's, and where its answer goes.
fn asks(wire: Wire, text: &str) -> (Result<Request, Fault>, Arrived) {
    let arrived = decode(wire, &frame(text)).unwrap();
    let Inbound::Event(arrived) = arrived else { panic!("{text}: {arrived:?}") };
    let asked = asked(wire.dialect, &arrived.id).unwrap_or_else(|| panic!("{text}"));
    (request(wire, asked, &arrived), arrived)
}

/// What the client is answered when it is done.
fn done(wire: Wire, arrived: &Arrived) -> Option<String> {
    let value = Payload::new(Encoding::Json, "{\"channel\":\"x\"}");
    let frame = reply(wire, &arrived.id, arrived.callback.as_ref()?, &value, None).unwrap();
    Some(String::from_utf8(frame.body.to_vec()).unwrap())
}

#[test]
fn its_clients_subscribe_and_unsubscribe_as_to_its_own_servers() {
    for (channel, name) in [("\"room1\"", "room1"), (":room/kw", ":room/kw"), ("\":a\"", ":a")] {
        let subscribed =
            format!("[:sente-lite/subscribed {{:channel-id {channel} :success true}}]");
        let subscribe = format!("[:sente-lite/subscribe {{:channel-id {channel}}}]");
        let (asked, arrived) = asks(SENTE_LITE, &subscribe);
        let channel: Channel = name.into();
        let expected = Request::Subscribe { channel: channel.clone(), has_position: false };
        assert_eq!(asked, Ok(expected), "{subscribe}");
        assert_eq!(done(SENTE_LITE, &arrived), Some(subscribed.clone()));
        let (asked, arrived) = asks(SENTE_LITE, &subscribe.replace("/sub", "/unsub"));
        assert_eq!(asked, Ok(Request::Unsubscribe { channel }));
        assert_eq!(done(SENTE_LITE, &arrived), Some(subscribed));
    }
    let coded = r#"["~:sente-lite/subscribe",["^ ","~:channel-id","~:name"]]"#;
    let (asked, arrived) = asks(TRANSIT, coded);
    assert!(matches!(asked, Ok(Request::Subscribe { channel, .. }) if &*channel == ":name"));
    let subscribed =
        r#"["~:sente-lite/subscribed",["^ ","~:channel-id","~:name","~:success",true]]"#;
    assert_eq!(done(TRANSIT, &arrived).as_deref(), Some(subscribed));
    // Its clients may use our words as well.
    let (asked, arrived) = asks(SENTE_LITE, "[[:tengen/unsubscribe {:channel \"a\"}] \"cb\"]");
    assert_eq!(asked, Ok(Request::Unsubscribe { channel: "a".into() }));
    assert_eq!(done(SENTE_LITE, &arrived).as_deref(), Some("[{:channel \"x\"} \"cb\"]"));
}

#[test]
fn its_clients_publish_to_all_or_to_all_but_themselves() {
    for (more, echo) in
        [("", true), (", :exclude-sender? false", true), (", :exclude-sender? true", false)]
    {
        let said =
            format!("[:sente-lite/publish {{:channel-id \"room1\", :data {{:s #{{1}}}}{more}}}]");
        let (asked, arrived) = asks(SENTE_LITE, &said);
        let Ok(Request::Publish(what)) = asked else { panic!("{said}: {asked:?}") };
        assert_eq!(
            (&*what.channel, what.echo, &*what.data.body),
            ("room1", echo, &b"{:s #{1}}"[..])
        );
        assert_eq!(done(SENTE_LITE, &arrived), None, "no client of its own waits for an answer");
        let from = Publisher { user: None, connection: ConnectionId::from_bytes([0; 16]) };
        let said = Publication {
            channel: &what.channel,
            id: &what.id,
            content: &what.data,
            offset: 1,
            prev: 0,
            from: Some(from),
        };
        is(
            publication(SENTE_LITE, &said, None).ok(),
            r#"[:sente-lite/channel-msg {:channel-id "room1" :data {:s #{1}} :from "00000000-0000-0000-0000-000000000000"}]"#,
        );
        let ann = UserId::from("ann");
        let (keyword, id) = (Channel::from(":room/kw"), EventId::from("chat/said"));
        let from = Some(Publisher { user: Some(&ann), ..from });
        let said = Publication { channel: &keyword, id: &id, from, ..said };
        is(
            publication(SENTE_LITE, &said, None).ok(),
            r#"[:sente-lite/channel-msg {:channel-id :room/kw :data {:s #{1}} :from "ann" :id :chat/said}]"#,
        );
        let no_keyword = Channel::from(": room");
        let said = Publication { channel: &no_keyword, ..said };
        let frame = publication(SENTE_LITE, &said, None).unwrap();
        assert!(String::from_utf8_lossy(&frame.body).contains(r#":channel-id ": room""#));
    }
    let (asked, _) = asks(SENTE_LITE, r#"[:sente-lite/publish {:channel-id "r"}]"#);
    assert!(matches!(asked, Ok(Request::Publish(what)) if what.data.body == "nil"));
    let (asked, _) =
        asks(SENTE_LITE, r#"[:sente-lite/publish {:channel-id "r" :exclude-sender? 1}]"#);
    assert!(asked.unwrap_err().message.contains("`exclude-sender?` must be true or false"));
}

/// What a client is answered whose request was refused for this.
fn refused(wire: Wire, text: &str, why: &Fault) -> String {
    let (_, arrived) = asks(wire, text);
    let [answer] =
        <[Frame; 1]>::try_from(error(wire, why, Some(&arrived.id), arrived.callback.as_ref()))
            .unwrap_or_else(|frames| panic!("{frames:?}"));
    String::from_utf8(answer.body.to_vec()).unwrap()
}

#[test]
fn a_refusal_has_its_servers_reason_and_our_message() {
    for (event, id, failed) in [
        ("subscribe", FaultId::LimitReached, "false :error :max-subscriptions-per-conn"),
        ("subscribe", FaultId::NotAllowed, "false :error :channel-not-found"),
        ("unsubscribe", FaultId::NotFound, "nil :error :not-subscribed"),
        ("unsubscribe", FaultId::Malformed, "nil :error :channel-not-found"),
    ] {
        let said = format!(r#"[:sente-lite/{event} {{:channel-id "room1"}}]"#);
        let expected = format!(
            r#"[:sente-lite/subscribed {{:channel-id "room1" :success {failed} :message "so"}}]"#
        );
        assert_eq!(refused(SENTE_LITE, &said, &Fault::new(id, "so")), expected);
    }
    let said = r#"[:sente-lite/publish {:channel-id "room1", :data 1}]"#;
    assert_eq!(
        refused(SENTE_LITE, said, &Fault::new(FaultId::NotAllowed, "so")),
        r#"[:tengen/error {:id "not-allowed" :message "so" :event :sente-lite/publish}]"#,
        "its own servers are silent"
    );
}

#[test]
fn what_names_no_channel_comes_back_as_it_was_written() {
    for (data, written) in [
        ("{:other {:channel-id 1}, \"channel-id\" 2, :channel-id [3]}", "[3]"),
        ("nil", "nil"),
        ("{}", "nil"),
        ("{:channel-id 7}", "7"),
        ("{:channel-id \"\"}", "\"\""),
    ] {
        let said = format!("[:sente-lite/subscribe {data}]");
        let (asked, _) = asks(SENTE_LITE, &said);
        let why = asked.unwrap_err();
        assert_eq!(why.id, FaultId::Malformed, "{said}");
        let answer = refused(SENTE_LITE, &said, &why);
        let starts =
            format!("[:sente-lite/subscribed {{:channel-id {written} :success false :error ");
        assert!(answer.starts_with(&starts), "{answer}");
    }
    assert!(asks(SENTE_LITE, "[:sente-lite/subscribe]").0.is_err());
    let long = format!("[:sente-lite/subscribe {{:channel-id \"{}\"}}]", "x".repeat(300));
    let why = asks(SENTE_LITE, &long).0.unwrap_err();
    assert!(refused(SENTE_LITE, &long, &why).contains(":channel-id nil :success false"));
    let coded = r#"["~:sente-lite/subscribe",["^ ","~:channel-id",["~:name","^2"]]]"#;
    let answer = refused(TRANSIT, coded, &why);
    let starts = r#"["~:sente-lite/subscribed",["^ ","~:channel-id",["~:name","^2"],"~:success",false,"~:error","~:channel-not-found","#;
    assert!(answer.starts_with(starts), "{answer}");
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
