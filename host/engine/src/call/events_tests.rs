//! How payloads reach a guest: in its encoding, or as they were sent.

use super::*;
use std::sync::Arc;
use tengen_core::{capability::data::Change, trace::Span};

fn event(encoding: Encoding, body: &'static [u8]) -> Event {
    let payload = Payload::new(encoding, body);
    Event {
        connection: Some(Arc::new(Connection::anybody(1))),
        seq: 1,
        at: UNIX_EPOCH,
        what: Occurrence::Message(Message { id: "a/b".into(), payload, reply_to: None }),
        span: Span::none(),
        permit: None,
    }
}

/// What a guest that wants JSON gets.
#[track_caller]
fn check(from: Encoding, body: &'static [u8], expected: (wit::Encoding, &[u8])) {
    check_for(Encoding::Json, from, body, expected);
}

/// What a guest that wants this encoding gets.
#[track_caller]
fn check_for(
    wanted: Encoding,
    from: Encoding,
    body: &'static [u8],
    expected: (wit::Encoding, &[u8]),
) {
    let events = [event(from, body)];
    let made = prepare(&events, &[], wanted);
    let told = tell(&events, &made);
    assert!(told.unsaid.is_empty(), "{:?}", told.unsaid);
    let Some(wit::Event { what: Said::Message(message), .. }) = told.records.first() else {
        panic!("a message");
    };
    let (is_text, body) = match message.payload.body {
        wit::BodyParam::Text(text) => (true, text.as_bytes()),
        wit::BodyParam::Bytes(bytes) => (false, bytes),
    };
    assert_eq!((message.payload.encoding, body), expected);
    let encoding = Encoding::from(message.payload.encoding);
    assert_eq!(is_text, encoding.is_text(), "text comes as text, and only text");
}

#[test]
fn a_payload_comes_in_the_guests_encoding_if_it_has_a_form_in_it() {
    check(Encoding::Json, b"[1]", (wit::Encoding::Json, b"[1]"));
    check(Encoding::Edn, b"[:a 1/2]", (wit::Encoding::Json, br#"["a","1/2"]"#));
    check(Encoding::Edn, b"{[1] 2}", (wit::Encoding::Edn, b"{[1] 2}"));
    check(Encoding::Edn, b"{nil #{{[] 1}}}", (wit::Encoding::Edn, b"{nil #{{[] 1}}}"));
}

#[test]
fn messagepack_comes_and_goes_as_any_other_format() {
    check(Encoding::Msgpack, b"\x81\xa1a\xc4\x02\0\xff", (wit::Encoding::Json, br#"{"a":"AP8="}"#));
    check(Encoding::Msgpack, b"\xd4\x05\0", (wit::Encoding::Msgpack, b"\xd4\x05\0"));
    let for_edn = |body, expected| check_for(Encoding::Edn, Encoding::Msgpack, body, expected);
    for_edn(b"\x81\xa1a\x05", (wit::Encoding::Edn, b"{:a 5}"));
    for_edn(b"\x81\x90\x05", (wit::Encoding::Msgpack, b"\x81\x90\x05"));
    let for_msgpack = |from, body, expected| check_for(Encoding::Msgpack, from, body, expected);
    for_msgpack(Encoding::Json, br#"{"a":-1}"#, (wit::Encoding::Msgpack, b"\x81\xa1a\xff"));
    for_msgpack(Encoding::Edn, b"#{:a}", (wit::Encoding::Msgpack, b"\x91\xa1a"));
    for_msgpack(Encoding::Edn, b"{[1] 2}", (wit::Encoding::Edn, b"{[1] 2}"));
    for_msgpack(Encoding::Binary, &[0, 255], (wit::Encoding::Binary, &[0, 255]));
}

#[test]
fn what_should_be_text_and_is_none_comes_as_bytes() {
    let events = [event(Encoding::Text, &[b'a', 0xff])];
    let told = tell(&events, &[]);
    let Some(wit::Event { what: Said::Message(message), .. }) = told.records.first() else {
        panic!("a message");
    };
    assert!(matches!(message.payload.body, wit::BodyParam::Bytes(&[b'a', 0xff])));
}

#[test]
fn the_interface_has_a_word_for_every_encoding_of_today() {
    for known in Encoding::ALL {
        assert_eq!(encoding(known).map(Encoding::from), Some(known));
    }
}

#[test]
fn text_and_bytes_of_raw_endpoints_come_as_they_are() {
    check(Encoding::Text, b"no \"JSON\"", (wit::Encoding::Text, b"no \"JSON\""));
    check(Encoding::Binary, &[0, 255], (wit::Encoding::Binary, &[0, 255]));
}

#[test]
fn an_event_that_cannot_be_said_leaves_the_others_in_their_places() {
    let events: Vec<_> =
        [&b"1"[..], b"(", b"2", b"[", b"3"].map(|b| event(Encoding::Edn, b)).into();
    let made = prepare(&events, &[], Encoding::Json);
    let told = tell(&events, &made);
    let unsaid: Vec<_> = told.unsaid.iter().map(|(place, _)| *place).collect();
    assert_eq!((unsaid, told.records.len()), (vec![1, 3], 3));
    let places = [0, 1, 2, 3].map(|record| told.numbering.of(record, events.len()));
    assert_eq!(places, [Some(0), Some(2), Some(4), None]);
}

/// What a guest that wants JSON hears of an answer.
fn told_answer(from: Encoding, body: &'static [u8]) -> Result<(wit::Encoding, Vec<u8>), String> {
    let (name, value) = ("n".to_owned(), Ok(Payload::new(from, body)));
    let place = Arc::new(tengen_core::capability::fetch::Place::new(()));
    let what = Occurrence::Answered(Answered { name, value, place });
    let events = [Event { what, ..event(Encoding::Json, b"1") }];
    let made = prepare(&events, &[], Encoding::Json);
    let told = tell(&events, &made);
    let Some(wit::Event { what: Said::Answered(answered), .. }) = told.records.first() else {
        panic!("an answer: {:?}", told.unsaid);
    };
    assert_eq!(answered.name, "n");
    match &answered.value {
        Ok(payload) => {
            let (wit::BodyParam::Text(body), _) = (&payload.body, ()) else { panic!("text") };
            Ok((payload.encoding, body.as_bytes().to_vec()))
        }
        Err(why) => Err(why.id.to_owned()),
    }
}

#[test]
fn an_answer_comes_in_the_guests_encoding_and_what_cannot_be_read_as_a_fault() {
    assert_eq!(told_answer(Encoding::Json, b"[1]"), Ok((wit::Encoding::Json, b"[1]".to_vec())));
    assert_eq!(
        told_answer(Encoding::Edn, b"[:a]"),
        Ok((wit::Encoding::Json, br#"["a"]"#.to_vec()))
    );
    assert_eq!(
        told_answer(Encoding::Edn, b"{[1] 2}"),
        Ok((wit::Encoding::Edn, b"{[1] 2}".to_vec()))
    );
    assert_eq!(told_answer(Encoding::Edn, b"{:a}"), Err("malformed".to_owned()));
}

#[test]
fn a_beginning_comes_with_what_the_plugin_keeps_there_and_no_other() {
    let connection = Arc::new(Connection::anybody(1));
    let keep = |plugin: &str, value: &str| {
        let set = vec![("room".to_owned(), value.to_owned())];
        let change = Change { set, tag: vec![value.into()], ..Change::default() };
        let holding = &connection.waiting.holding;
        connection.data.change(holding, &plugin.into(), change, |_, _| {}).unwrap();
    };
    keep("chat", "7");
    keep("game", "9");
    let beginning = |what| Event {
        connection: Some(Arc::clone(&connection)),
        what,
        ..event(Encoding::Json, b"1")
    };
    let told = |plugin: &str| {
        let events = [
            event(Encoding::Json, b"1"),
            beginning(Occurrence::Opened),
            beginning(Occurrence::Adopted),
        ];
        let kept = kept(&events, &plugin.into());
        let made = prepare(&events, &kept, Encoding::Json);
        let told = tell(&events, &made);
        let each = told.records.iter().filter_map(|record| match &record.what {
            Said::Opened(it) | Said::Adopted(it) => Some((
                it.attributes.iter().map(|it| (it.key.into(), it.value.into())).collect(),
                it.tags.iter().map(|tag| (*tag).to_owned()).collect(),
            )),
            _ => None,
        });
        each.collect::<Vec<(Vec<(String, String)>, Vec<String>)>>()
    };
    let own = |value: &str| (vec![("room".into(), value.into())], vec![value.to_owned()]);
    assert_eq!(told("chat"), [own("7"), own("7")]);
    assert_eq!(told("game"), [own("9"), own("9")]);
    assert_eq!(told("other"), [Default::default(), Default::default()]);
    assert!(kept(&[beginning(Occurrence::Opened)], &"other".into()).is_empty());
}
