//! Mistakes inside an event are answered to its callback, as long as brackets and quotes say where the event ends.

use super::{super::decode, *};
use crate::{
    dialect::{Arrived, Inbound, Malformed},
    fault::FaultId,
    payload,
};

#[track_caller]
fn refused(wire: Wire, text: &str) -> Malformed {
    *decode(wire, &frame(text)).expect_err(text)
}

/// Data that no reader of JSON takes, with the reason that is given.
const BAD_JSON: [(&str, &str); 24] = [
    ("NaN", "expected a JSON value"),
    ("{\"n\":NaN}", "expected a JSON value"),
    ("[Infinity,-Infinity]", "expected a JSON value"),
    ("undefined", "expected a JSON value"),
    ("tru", "words are `true`, `false` and `null`"),
    ("", "expected a JSON value"),
    ("01", "it may not begin with 0"),
    ("+1", "expected a JSON value"),
    ("1.", "digits must follow the point"),
    (".5", "expected a JSON value"),
    ("1e", "digits must follow the exponent"),
    ("-", "digits must follow the `-`"),
    ("0x1F", "expected `,` or `]`"),
    ("1 2", "expected `,` or `]`"),
    ("'text'", "expected a JSON value"),
    ("\"a\\x\"", "an escape that does not exist"),
    ("\"\\u12\"", "an escape that does not exist"),
    ("\"line\nbreak \\\" ] \"", "a control character in a string"),
    ("{\"a\":1,}", "expected a key in double quotes"),
    ("{a:1}", "expected a key in double quotes"),
    ("{\"a\" 1}", "expected `:` after the key"),
    ("{\"a\"}", "expected `:` after the key"),
    ("[1,]", "expected a JSON value"),
    ("[1 2]", "expected `,` or `]`"),
];

/// Data that no reader of EDN takes.
const BAD_EDN: [(&str, &str); 40] = [
    ("{:a}", "the map has a key without a value"),
    ("{:a 1 :a 2}", "this key or element occurs twice"),
    ("#{1 1}", "this key or element occurs twice"),
    ("{[1] {#{[2] [2]} 3}}", "this key or element occurs twice"),
    ("\"\\x\"", "an escape that does not exist"),
    ("\"\\400 ] \\\" \"", "an escape that does not exist"),
    ("\\newlin", "not a character"),
    ("\\ud83d", "not a character"),
    ("[\\] \\[ \\\" \\; \\( \\xyz]", "not a character"),
    ("01", "it may not begin with 0"),
    ("1a", "names begin with a letter"),
    ("1.", "digits must follow the point"),
    (".5", "a digit must stand before the point"),
    ("1/0", "a ratio has digits"),
    ("##nan", "`##` takes"),
    ("'a", "is Clojure syntax"),
    ("@a", "is Clojure syntax"),
    ("`a", "is Clojure syntax"),
    ("~a", "is Clojure syntax"),
    ("^:a b", "is Clojure syntax"),
    ("#'a", "is Clojure syntax"),
    ("#(inc %)", "is Clojure syntax"),
    ("#\"a \\\" ]\"", "is Clojure syntax"),
    ("#?(:clj 1)", "is Clojure syntax"),
    ("#=(a)", "is Clojure syntax"),
    ("#<a>", "is Clojure syntax"),
    ("# a", "a tag begins with a letter"),
    ("#1 a", "a tag begins with a letter"),
    ("#inst \"today\"", "`#inst` takes"),
    ("#inst 5", "`#inst` takes"),
    ("#uuid \"1\"", "`#uuid` takes"),
    ("#base64 \"A\"", "`#base64` takes"),
    ("#tag", "expected a value before the closing bracket"),
    ("#_", "expected a value before the closing bracket"),
    ("#::a{:b 1}", "after `#:` stands a namespace"),
    ("#:a 1", "expected the map of the namespace"),
    (":", "a `:` needs a name"),
    ("::a", "it may not begin with `:`"),
    ("a/b/c", "a `/` stands once"),
    ("1\u{a0}2", "only space, tab, line breaks and commas"),
];

#[test]
fn a_mistake_inside_the_data_is_answered_to_its_callback() {
    for (data, reason) in BAD_JSON {
        for wire in [JSON, SENTE_JSON] {
            let malformed = refused(wire, &format!("[[\"a/b\",{data}],\"7\"]"));
            assert_eq!(malformed.callback, Some(callback("\"7\"")), "{data}");
            assert_eq!(malformed.event.as_deref(), Some("a/b"), "{data}");
            assert_eq!(malformed.why.id, FaultId::Malformed);
            let message = malformed.why.message;
            assert!(message.starts_with("byte ") && message.contains(reason), "{data}: {message}");
        }
    }
    for (data, reason) in BAD_EDN {
        for (wire, sign) in [(EDN, ""), (SENTE, ""), (SENTE, "+")] {
            let malformed = refused(wire, &format!("{sign}[[:a/b {data}] \"7\"]"));
            assert_eq!(malformed.callback, Some(callback("\"7\"")), "{data}");
            assert_eq!(malformed.event.as_deref(), Some("a/b"), "{data}");
            let message = malformed.why.message;
            assert!(message.starts_with("byte ") && message.contains(reason), "{data}: {message}");
        }
    }
}

#[test]
fn data_that_is_nested_too_deeply_is_answered_to_its_callback() {
    let deep = |open: &str, close: &str| open.repeat(70) + &close.repeat(70);
    for (wire, text) in [
        (JSON, format!("[[\"a/b\",{}],\"7\"]", deep("[", "]"))),
        (JSON, format!("[[\"a/b\",{}1{}],\"7\"]", "{\"a\":".repeat(70), "}".repeat(70))),
        (EDN, format!("[[:a/b {}] \"7\"]", deep("(", ")"))),
        (SENTE, format!("[[:a/b {}] \"7\"]", deep("#{", "}"))),
    ] {
        let malformed = refused(wire, &text);
        assert!(malformed.why.message.contains("nested deeper than 64 levels"));
        assert_eq!(malformed.callback, Some(callback("\"7\"")), "{text}");
    }
}

#[test]
fn a_mistake_beside_the_data_is_answered_to_the_callback() {
    for (wire, text) in [
        (JSON, "[[NaN,1],\"7\"]"),
        (JSON, "[[a/b,1],\"7\"]"),
        (JSON, "[[\"a/\\x\",1],\"7\"]"),
        (JSON, "[[\"a/b\" 1],\"7\"]"),
        (JSON, "[[\"a/b\",1,NaN],\"7\"]"),
        (JSON, "[[\"a/b\",1,],\"7\"]"),
        (JSON, "[{\"a/b\":NaN},\"7\"]"),
        (JSON, "[[\"a/b\",1] \"7\"]"),
        (JSON, "[[\"a/b\",NaN] \"7\"]"),
        (JSON, "[[\"a/b\",1],\"7\",{\"traceparent\":NaN}]"),
        (JSON, "[[\"a/b\",1],\"7\",NaN]"),
        (JSON, "[[\"a/b\",NaN],\"7\",{\"traceparent\":NaN}]"),
        (EDN, "[[::b 1] \"7\"]"),
        (EDN, "[[:a/b/c 1] \"7\"]"),
        (EDN, "[[1a 1] \"7\"]"),
        (EDN, "[{:a} \"7\"]"),
        (EDN, "[#_ignored [:a/b @x] ; ]\n \"7\"]"),
        (EDN, "[[:a/b 1] \"7\" {:traceparent}]"),
        (EDN, "[[:a/b {; not this ]\n:a}] \"7\"]"),
        (SENTE, "[(:a/b @x) \"7\"]"),
    ] {
        let malformed = refused(wire, text);
        assert_eq!(malformed.callback, Some(callback("\"7\"")), "{text}");
        assert_eq!(malformed.why.id, FaultId::Malformed);
    }
}

#[test]
fn where_brackets_do_not_say_where_an_event_ends_no_callback_is_guessed() {
    for (wire, text) in [
        (JSON, "[[\"a/b\",[NaN],\"7\"]"),
        (JSON, "[[\"a/b\",NaN]],\"7\"]"),
        (JSON, "[[\"a/b\",{\"x\":NaN]],\"7\"]"),
        (JSON, "[[\"a/b\",\"x],\"7\"]"),
        (JSON, "[[\"a/b\",NaN],\"7]"),
        (JSON, "[NaN,\"7\"]"),
        (JSON, "[[\"a/b\",NaN],\"7\" + \"8\""),
        (EDN, "[[:a/b (@x] \"7\"]"),
        (EDN, "[[:a/b @\\] \"7\"]"),
        (EDN, "[[:a/b @x ; ] \"7\"]"),
        (EDN, "[@x \"6\" \"7\"]"),
    ] {
        let malformed = refused(wire, text);
        let expected = text.contains('+').then(|| callback("\"7\""));
        assert_eq!(malformed.callback, expected, "{text}");
    }
}

#[test]
fn who_sends_the_wrong_kind_of_frame_is_answered_too() {
    let binary = Frame { text: false, body: Bytes::from_static(b"[[\"a/b\",1],\"7\"]") };
    let malformed = *decode(JSON, &binary).unwrap_err();
    assert_eq!(
        (malformed.why.id, malformed.callback),
        (FaultId::Unsupported, Some(callback("\"7\"")))
    );
    for (wire, body, found) in [
        (JSON, &b"[[\"a/b\",\"\xff\"],\"7\"]"[..], Some("\"7\"")),
        (EDN, &b"[[:a/b \xf0\x9f] \"7\"]"[..], Some("\"7\"")),
        (JSON, &b"[[\"a/b\",1],\"\xff\"]"[..], None),
    ] {
        let broken = Frame { text: true, body: Bytes::from_static(body) };
        let malformed = *decode(wire, &broken).unwrap_err();
        assert!(malformed.why.message.ends_with("not UTF-8"), "{}", malformed.why.message);
        assert_eq!(malformed.callback, found.map(callback));
    }
}

// A page that cuts a text after so many characters sends half of one.
#[test]
fn half_a_character_arrives_as_the_replacement_character_in_every_format() {
    let arrives = |wire, text: &str| match decode(wire, &frame(text)) {
        Ok(Inbound::Event(arrived)) => arrived,
        other => panic!("{text}: {other:?}"),
    };
    let as_json = "{\"text\":\"cut \u{fffd}\"}";
    for (wire, sent, kept) in [
        (JSON, "[[\"a/b\",{\"text\":\"cut \\ud83d\"}],\"7\"]", "{\"text\":\"cut \\ufffd\"}"),
        (SENTE_JSON, "[[\"a/b\",{\"text\":\"cut \\uDE00\"}],\"7\"]", "{\"text\":\"cut \\ufffd\"}"),
        (EDN, "[[:a/b {:text \"cut \\ud83d\"}] \"7\"]", "{:text \"cut \\ufffd\"}"),
        (SENTE, "[[:a/b {:text \"cut \\udbff\"}] \"7\"]", "{:text \"cut \\ufffd\"}"),
    ] {
        let Arrived { payload, callback: answered, .. } = arrives(wire, sent);
        assert_eq!(answered, Some(callback("\"7\"")));
        assert_eq!(payload.body, kept, "the same as for whoever reads it");
        let embedded = payload::embeddable(&payload, wire.format).unwrap();
        assert_eq!(embedded, kept);
        let again = payload::transcode(&payload, Encoding::Edn).unwrap();
        assert_eq!(payload::transcode(&again, Encoding::Json).unwrap().body, as_json);
    }
    let whole = "[[\"a/b\",[\"\\ud83d\\ude00\",\"\\\\ud83d\"]],\"\\ud83d\"]";
    let arrived = arrives(JSON, whole);
    assert_eq!(arrived.payload.body, "[\"\\ud83d\\ude00\",\"\\\\ud83d\"]");
    assert_eq!(arrived.callback, Some(callback("\"\\ud83d\"")), "a callback is echoed untouched");
    assert_eq!(&*arrives(JSON, "[[\"a/\\ud83d\"]]").id, "a/\u{fffd}");
}
