//! Frames that leave.

use super::{
    super::{
        Handshake, Publication, Session, error, handshake, ping, pong, publication, push, reply,
    },
    *,
};
use crate::{
    fault::{Fault, FaultId},
    id::{Channel, ConnectionId, EventId, UserId},
    payload::Payload,
    trace::TraceContext,
};
use std::time::Duration;

#[track_caller]
fn is(frame: Option<Frame>, text: &str) {
    let frame = frame.unwrap();
    assert_eq!(std::str::from_utf8(&frame.body), Ok(text));
    assert!(frame.text);
}

#[track_caller]
fn are(frames: Vec<Frame>, texts: &[&str]) {
    let said = frames.iter().map(|frame| std::str::from_utf8(&frame.body).unwrap());
    assert_eq!(said.collect::<Vec<_>>(), texts);
    assert!(frames.iter().all(|frame| frame.text));
}

fn payload(encoding: Encoding, body: &str) -> Payload {
    Payload::new(encoding, body.to_owned())
}

fn context(state: Option<&str>) -> TraceContext {
    TraceContext { trace_id: 0xabc, span_id: 0xdef, sampled: true, state: state.map(Into::into) }
}

const PARENT: &str = "00-00000000000000000000000000000abc-0000000000000def-01";

#[test]
fn the_handshake_says_who_and_how() {
    let user = UserId::from("al\"ice");
    let welcome = payload(Encoding::Json, "{\"room\": \"lobby\"}");
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
    let connection = "00000000-0000-0000-0000-000000000000";
    let json = format!(
        r#""connection":"{connection}","node":"n1","ping-ms":25000,"max-bytes":1024,"version":"0.1.0","welcome":{{"room": "lobby"}}"#
    );
    is(
        handshake(JSON, &first),
        &format!("[[\"chsk/handshake\",[\"al\\\"ice\",null,{{{json}}}]],null]"),
    );
    is(
        handshake(SENTE_JSON, &first),
        &format!("[[\"chsk/handshake\",[\"al\\\"ice\",null,{{{json}}}]],null]"),
    );
    let edn = format!(
        r#":connection "{connection}" :node "n1" :ping-ms 25000 :max-bytes 1024 :version "0.1.0""#
    );
    let with = format!("{edn} :welcome {{:room \"lobby\"}}");
    is(handshake(EDN, &first), &format!("[[:chsk/handshake [\"al\\\"ice\" nil {{{with}}}]] nil]"));
    is(
        handshake(SENTE, &first),
        &format!("[[:chsk/handshake [\"al\\\"ice\" nil {{{with}}}]] nil]"),
    );
    assert_eq!(handshake(RAW, &first), None);
    let session = |recovered| Some(Session { secret: "s3cret", recovered });
    let by_requests = Handshake { session: session(None), welcome: None, ..first.clone() };
    let ends = |frame: Option<Frame>, end: &str| {
        let body = String::from_utf8(frame.unwrap().body.to_vec()).unwrap();
        assert!(body.ends_with(end), "{body}");
    };
    ends(handshake(JSON, &by_requests), r#""version":"0.1.0","session":"s3cret"}]],null]"#);
    let back = Handshake { session: session(Some(false)), ..first.clone() };
    ends(handshake(JSON, &back), r#","session":"s3cret","recovered":false}]],null]"#);
    ends(handshake(EDN, &back), r#" :session "s3cret" :recovered false}]] nil]"#);

    let broken = payload(Encoding::Edn, "{:room");
    (first.user, first.welcome) = (None, Some(&broken));
    is(handshake(EDN, &first), &format!("[[:chsk/handshake [nil nil {{{edn}}}]] nil]"));
    is(
        handshake(SENTE, &first),
        &format!("[[:chsk/handshake [:sente/nil-uid nil {{{edn}}}]] nil]"),
    );
    let anonymous = handshake(SENTE_JSON, &first).unwrap();
    assert!(anonymous.body.starts_with(b"[[\"chsk/handshake\",[\"sente/nil-uid\",null,{"));
    assert!(
        handshake(JSON, &first).unwrap().body.starts_with(b"[[\"chsk/handshake\",[null,null,{")
    );
}

#[test]
fn a_push_is_a_batch_of_one() {
    let id = EventId::from("srv/push1");
    let content = payload(Encoding::Edn, "{:a 1}");
    is(push(SENTE, &id, &content, None).ok(), "[[[:srv/push1 {:a 1}]] nil]");
    is(push(SENTE, &id, &Payload::nil(Encoding::Edn), None).ok(), "[[[:srv/push1 nil]] nil]");
    is(push(EDN, &id, &content, None).ok(), "[[[:srv/push1 {:a 1}]] nil]");
    is(push(JSON, &id, &content, None).ok(), "[[[\"srv/push1\",{\"a\":1}]],null]");
    is(push(SENTE_JSON, &id, &content, None).ok(), "[[[\"srv/push1\",{\"a\":1}]],null]");
    is(
        push(JSON, &id, &payload(Encoding::Text, "say \"hi\""), None).ok(),
        "[[[\"srv/push1\",\"say \\\"hi\\\"\"]],null]",
    );
    let bytes = Payload::new(Encoding::Binary, vec![0, 255, 16]);
    is(push(EDN, &id, &bytes, None).ok(), "[[[:srv/push1 \"AP8Q\"]] nil]");
}

#[test]
fn a_reply_echoes_the_callback_untouched() {
    let reply = |wire, callback: &str, encoding, body: &str| {
        reply(wire, "a/b", &super::callback(callback), &payload(encoding, body), None).ok()
    };
    is(reply(SENTE, "\"615287\"", Encoding::Edn, "{:echo {:x 1}}"), "[{:echo {:x 1}} \"615287\"]");
    is(
        reply(SENTE, "\"615287\"", Encoding::Json, "{\"echo\":\"a/b\"}"),
        "[{:echo \"a/b\"} \"615287\"]",
    );
    is(reply(SENTE, ":ajax", Encoding::Edn, "sym"), "[sym :ajax]");
    is(reply(JSON, "\"\\u0061\"", Encoding::Json, "[1, 2]"), "[[1, 2],\"\\u0061\"]");
    is(
        reply(JSON, "\"c\"", Encoding::Edn, "#inst \"2024\""),
        "[\"2024-01-01T00:00:00.000Z\",\"c\"]",
    );
}

#[test]
fn the_trace_travels_in_the_meta_of_our_dialect() {
    let (id, content, callback) =
        (EventId::from("a/b"), payload(Encoding::Json, "1"), callback("\"c\""));
    let (plain, with_state) = (context(None), context(Some("k=\"v\"")));
    is(
        push(JSON, &id, &content, Some(&plain)).ok(),
        &format!("[[[\"a/b\",1]],null,{{\"traceparent\":\"{PARENT}\"}}]"),
    );
    is(
        reply(JSON, "a/b", &callback, &content, Some(&with_state)).ok(),
        &format!("[1,\"c\",{{\"traceparent\":\"{PARENT}\",\"tracestate\":\"k=\\\"v\\\"\"}}]"),
    );
    is(
        push(EDN, &id, &content, Some(&with_state)).ok(),
        &format!("[[[:a/b 1]] nil {{:traceparent \"{PARENT}\" :tracestate \"k=\\\"v\\\"\"}}]"),
    );
    is(
        reply(EDN, "a/b", &callback, &content, Some(&plain)).ok(),
        &format!("[1 \"c\" {{:traceparent \"{PARENT}\"}}]"),
    );
    is(push(SENTE, &id, &content, Some(&plain)).ok(), "[[[:a/b 1]] nil]");
    is(reply(SENTE_JSON, "a/b", &callback, &content, Some(&plain)).ok(), "[1,\"c\"]");
}

#[test]
fn a_publication_names_channel_event_and_offset() {
    let (channel, content) =
        (Channel::from("room \"1\""), payload(Encoding::Json, "{\"text\":\"hi\"}"));
    let id = EventId::from("chat/said");
    let what = Publication {
        channel: &channel,
        id: &id,
        content: &content,
        offset: 7,
        prev: 6,
        from: None,
    };
    is(
        publication(JSON, &what, None).ok(),
        r#"[[["tengen/publication",{"channel":"room \"1\"","id":"chat/said","data":{"text":"hi"},"offset":7}]],null]"#,
    );
    is(
        publication(SENTE, &what, None).ok(),
        r#"[[[:tengen/publication {:channel "room \"1\"" :id :chat/said :data {:text "hi"} :offset 7}]] nil]"#,
    );
    is(
        publication(EDN, &what, Some(&context(None))).ok(),
        &format!(
            r#"[[[:tengen/publication {{:channel "room \"1\"" :id :chat/said :data {{:text "hi"}} :offset 7}}]] nil {{:traceparent "{PARENT}"}}]"#
        ),
    );
    let after_a_gap = Publication { prev: 4, ..what.clone() };
    is(
        publication(JSON, &after_a_gap, None).ok(),
        r#"[[["tengen/publication",{"channel":"room \"1\"","id":"chat/said","data":{"text":"hi"},"offset":7,"prev":4}]],null]"#,
    );
    let odd = EventId::from("room/a/b");
    let what = Publication { id: &odd, ..what };
    let frame = publication(EDN, &what, None).unwrap();
    assert!(
        std::str::from_utf8(&frame.body).unwrap().contains(":id \"room/a/b\""),
        "no keyword, so a string"
    );
}

#[test]
fn a_failure_is_answered_or_pushed() {
    let why = Fault::application("no-such-\"room\"", "ask for another")
        .retry_after(Duration::from_millis(1500));
    let cb = callback("\"c\"");
    let json = r#"{"id":"application","message":"ask for another","retry-after-ms":1500,"event":"a/b","code":"no-such-\"room\""}"#;
    let edn = r#"{:id "application" :message "ask for another" :retry-after-ms 1500 :event :a/b :code "no-such-\"room\""}"#;
    let event = Some("a/b");
    are(error(JSON, &why, event, Some(&cb)), &[&format!("[{{\"tengen/error\":{json}}},\"c\"]")]);
    are(error(JSON, &why, event, None), &[&format!("[[[\"tengen/error\",{json}]],null]")]);
    are(error(EDN, &why, event, Some(&cb)), &[&format!("[{{:tengen/error {edn}}} \"c\"]")]);
    are(error(EDN, &why, event, None), &[&format!("[[[:tengen/error {edn}]] nil]")]);
    are(error(SENTE, &why, event, None), &[&format!("[[[:tengen/error {edn}]] nil]")]);
    are(error(RAW, &why, event, None), &[]);
    are(error(RAW, &why, event, Some(&cb)), &[]);
    let bare = Fault::new(FaultId::Malformed, "byte 0: no");
    are(
        error(JSON, &bare, None, None),
        &[r#"[[["tengen/error",{"id":"malformed","message":"byte 0: no"}]],null]"#],
    );
    are(
        error(EDN, &bare, Some("a b\""), None),
        &[r#"[[[:tengen/error {:id "malformed" :message "byte 0: no" :event "a b\""}]] nil]"#],
    );
}

/// `:chsk/error` alone says nothing.
#[test]
fn a_failed_callback_of_sente_hears_why_before_its_error() {
    let why = Fault::new(FaultId::NotAllowed, "not here");
    let (cb, event) = (callback("\"c\""), Some("a/b"));
    let edn = r#"{:id "not-allowed" :message "not here" :event :a/b :callback "c"}"#;
    are(
        error(SENTE, &why, event, Some(&cb)),
        &[&format!("[[[:tengen/error {edn}]] nil]"), "[:chsk/error \"c\"]"],
    );
    let json = r#"{"id":"not-allowed","message":"not here","event":"a/b","callback":"c"}"#;
    are(
        error(SENTE_JSON, &why, event, Some(&cb)),
        &[&format!("[[[\"tengen/error\",{json}]],null]"), "[\"chsk/error\",\"c\"]"],
    );
}

/// Clojure reads `:room/42`, so it goes out as what it came in.
#[test]
fn an_id_with_a_digit_where_clojure_reads_it_is_a_keyword() {
    for odd in ["room/42", "my/1x", "1a/b", "a/-1", "a/.5"] {
        let id = EventId::parse(odd).unwrap();
        let pushed = push(SENTE, &id, &Payload::nil(Encoding::Edn), None);
        is(pushed.ok(), &format!("[[[:{odd} nil]] nil]"));
    }
}

#[test]
fn pings_and_pongs() {
    is(ping(JSON), "[\"chsk/ws-ping\",null]");
    is(ping(EDN), "[:chsk/ws-ping nil]");
    is(ping(SENTE), "[:chsk/ws-ping nil]");
    is(ping(SENTE_JSON), "[\"chsk/ws-ping\",null]");
    assert_eq!(ping(RAW), None);
    let cb = callback("\"07abf7\"");
    is(pong(SENTE, Some(&cb)), "[\"pong\" \"07abf7\"]");
    is(pong(EDN, Some(&cb)), "[\"pong\" \"07abf7\"]");
    is(pong(JSON, Some(&cb)), "[\"pong\",\"07abf7\"]");
    is(pong(JSON, None), "[[\"chsk/ws-pong\"],null]");
    is(pong(EDN, None), "[[:chsk/ws-pong] nil]");
    assert_eq!(pong(SENTE, None), None, "clients up to 1.17 know no answer");
    assert_eq!(pong(RAW, None), None);
}

#[test]
fn raw_content_leaves_as_it_is() {
    let id = EventId::from("a/b");
    for (encoding, text) in [
        (Encoding::Json, true),
        (Encoding::Edn, true),
        (Encoding::Transit, true),
        (Encoding::Text, true),
        (Encoding::Msgpack, false),
        (Encoding::Binary, false),
    ] {
        let content = payload(encoding, "as it is");
        let frame = Frame { text, body: content.body.clone() };
        assert_eq!(push(RAW, &id, &content, Some(&context(None))), Ok(frame.clone()));
        let what = Publication {
            channel: &Channel::from("c"),
            id: &id,
            content: &content,
            offset: 1,
            prev: 0,
            from: None,
        };
        assert_eq!(publication(RAW, &what, None), Ok(frame));
        let broken = push(RAW, &id, &Payload::new(encoding, vec![0xff]), None);
        assert_eq!(broken.map_err(|why| why.id).err(), text.then_some(FaultId::Malformed));
    }
}

#[test]
fn a_plugin_cannot_break_a_frame() {
    let id = EventId::from("a/b");
    for (wire, encoding, body) in [
        (JSON, Encoding::Json, "1]],null],[["),
        (JSON, Encoding::Json, ""),
        (JSON, Encoding::Json, "\"a"),
        (JSON, Encoding::Json, "1 // x"),
        (EDN, Encoding::Edn, "1]] nil] [[["),
        (EDN, Encoding::Edn, "1 2"),
        (EDN, Encoding::Edn, "#_"),
        (EDN, Encoding::Edn, "{:a 1 :a 2}"),
        (JSON, Encoding::Edn, "(1"),
        (EDN, Encoding::Json, "[1"),
        (JSON, Encoding::Text, "\u{0}"),
    ] {
        let pushed = push(wire, &id, &payload(encoding, body), None);
        match encoding {
            Encoding::Text => is(pushed.ok(), "[[[\"a/b\",\"\\u0000\"]],null]"),
            _ => assert_eq!(pushed.unwrap_err().id, FaultId::Malformed, "{body}"),
        }
    }
    // What stands around the value stays outside: a comment would swallow the rest of the frame.
    let commented = payload(Encoding::Edn, "; first\n [1 2] ; last #_");
    is(push(EDN, &id, &commented, None).ok(), "[[[:a/b [1 2]]] nil]");
    is(
        reply(SENTE, "a/b", &callback("\"c\""), &payload(Encoding::Edn, "#_x y #_z"), None).ok(),
        "[y \"c\"]",
    );
}

#[test]
fn an_id_that_is_no_keyword_is_refused_where_keywords_are_spoken() {
    for odd in ["a/b(c", "a/\"", "a/b/c", "a;/b"] {
        let id = EventId::parse(odd).unwrap();
        let content = Payload::nil(Encoding::Json);
        let why = push(EDN, &id, &content, None).unwrap_err();
        assert_eq!(why.id, FaultId::Unsupported);
        assert!(why.message.contains("no EDN keyword"), "{}", why.message);
        assert!(push(JSON, &id, &content, None).is_ok());
    }
    is(
        push(JSON, &EventId::from("a/\"\\"), &Payload::nil(Encoding::Json), None).ok(),
        r#"[[["a/\"\\",null]],null]"#,
    );
}

#[test]
fn a_format_that_is_not_spoken_says_so() {
    let id = EventId::from("a/b");
    let wire = Wire { dialect: Dialect::Tengen, format: Encoding::Binary };
    let content = Payload::nil(Encoding::Json);
    let why = push(wire, &id, &content, None).unwrap_err();
    assert_eq!(why.id, FaultId::Unsupported);
    let choice = "use `json`, `edn`, `transit` or `msgpack`";
    assert!(why.message.contains(choice), "{}", why.message);
    assert_eq!((ping(wire), pong(wire, None)), (None, None));
}
