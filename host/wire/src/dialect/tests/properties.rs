//! What must hold for any frame and any payload.

use super::{
    super::{Inbound, Publication, decode, error, publication, push, reply},
    *,
};
use crate::{
    fault::{Fault, FaultId},
    format::{edn, msgpack, transit, value::Value},
    id::{Channel, EventId},
    payload::Payload,
};
use proptest::prelude::*;

fn wire() -> impl Strategy<Value = Wire> {
    prop::sample::select(Wire::ALL.to_vec())
}

fn text_wire() -> impl Strategy<Value = Wire> {
    wire().prop_filter("MessagePack is no text", |wire| wire.format != Encoding::Msgpack)
}

/// Pieces of frames of MessagePack, in any order.
fn binary_scraps() -> impl Strategy<Value = Vec<u8>> {
    let pieces: [&[u8]; 18] = [
        b"\x91",
        b"\x92",
        b"\x93",
        b"\x90",
        b"\x81",
        b"\xc0",
        b"\xc1",
        b"\x05",
        b"\xa3a/b",
        b"\xd9\x03a/b",
        b"\xa1c",
        b"\xacchsk/ws-ping",
        b"\xabtraceparent",
        b"\xa2\xff\xfe",
        b"\xdd\0\0\0\x02",
        b"\xdf\xff\xff\xff\xff",
        b"\xd6\xff\0\0\0\0",
        b"\xc7\x01\x05\0",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..16)
        .prop_map(|pieces| pieces.concat())
}

/// Pieces of frames, in any order: more of it is nearly right than of random text.
fn scraps() -> impl Strategy<Value = String> {
    let pieces = [
        "[",
        "]",
        "[[",
        "]]",
        "{",
        "}",
        ",",
        " ",
        ":",
        "+",
        "-",
        "\"a/b\"",
        ":a/b",
        "\"c\"",
        "nil",
        "null",
        "0",
        ":ajax",
        "#_",
        "\"chsk/ws-ping\"",
        ":chsk/ws-pong",
        "{\"traceparent\":\"x\"}",
        "{:traceparent \"x\"}",
        "\\",
        "\"",
        ";",
        "#",
        "1",
        "é",
        "\"~:a/b\"",
        "\"^0\"",
        "\"^ \"",
        "\"~#set\"",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..16)
        .prop_map(|pieces| pieces.concat())
}

/// Data of any kind in which brackets and quotes come in pairs, so that its end is known whatever is wrong inside it.
fn balanced() -> impl Strategy<Value = String> {
    let piece = r#"[a-z0-9+.:'@^~`%#_-]{0,6}|"([a-z0-9 ,\]\[}{);]|\\[a-z0-9"\\]){0,6}"|[ ,:]"#;
    piece.prop_map(String::from).prop_recursive(4, 24, 4, |inner| {
        let inside = prop::collection::vec(inner, 0..4).prop_map(|inside| inside.concat());
        let brackets = prop::sample::select(vec![("[", "]"), ("{", "}")]);
        (brackets, inside).prop_map(|((open, close), inside)| format!("{open}{inside}{close}"))
    })
}

/// A callback that the wire can have.
fn called(wire: Wire) -> Callback {
    let written: &[u8] = if wire == MSGPACK { b"\xa1c" } else { b"\"c\"" };
    Callback(written.into())
}

/// How many elements the outermost vector of a frame has; the frame is read by another reader than it was written by.
fn elements(wire: Wire, frame: &Frame) -> Option<usize> {
    if wire.format == Encoding::Msgpack {
        // Extension types are well formed, and no values of ours.
        msgpack::check(&frame.body).ok().filter(|_| !frame.text)?;
        return frame.body.first()?.checked_sub(0x90).map(usize::from);
    }
    let text = std::str::from_utf8(&frame.body).ok()?;
    match wire.format {
        Encoding::Json => {
            Some(serde_json::from_str::<serde_json::Value>(text).ok()?.as_array()?.len())
        }
        Encoding::Transit => match transit::read(text).ok()? {
            Value::Vector(items) => Some(items.len()),
            _ => None,
        },
        _ => match edn::read(text).ok()? {
            Value::Vector(items) => Some(items.len()),
            _ => None,
        },
    }
}

proptest! {
    #[test]
    fn any_bytes_are_taken_or_refused_without_a_panic(wire in wire(), text: bool, body: Vec<u8>) {
        let _taken = decode(wire, &Frame { text, body: body.into() });
    }

    #[test]
    fn what_is_refused_names_a_place_and_what_is_taken_can_be_sent_back(
        (wire, frame) in prop_oneof![
            (text_wire(), scraps().prop_map(|text| frame(&text))),
            (Just(MSGPACK), binary_scraps().prop_map(|body| Frame { text: false, body: body.into() })),
        ],
    ) {
        match decode(wire, &frame) {
            Ok(Inbound::Event(arrived)) => {
                let Some(callback) = &arrived.callback else { return Ok(()) };
                let answer = reply(wire, "a/b", callback, &arrived.payload, None).unwrap();
                prop_assert_eq!(elements(wire, &answer), Some(2));
            }
            Ok(Inbound::Ping(_) | Inbound::Pong) => {}
            Err(refused) => {
                prop_assert!(refused.why.message.starts_with("byte ") || refused.why.id == FaultId::NotAllowed);
                let answers = error(wire, &refused.why, refused.event.as_deref(), refused.callback.as_ref());
                prop_assert!(!answers.is_empty());
                for answer in answers {
                    prop_assert_eq!(elements(wire, &answer), Some(2));
                }
            }
        }
    }

    #[test]
    fn whatever_the_data_its_callback_comes_back(
        wire in text_wire().prop_filter("the others have no callbacks", |wire| {
            matches!(wire.dialect, Dialect::Tengen | Dialect::Sente)
        }),
        data in balanced(),
    ) {
        let (id, comma) = match wire.format {
            Encoding::Json => ("\"a/b\"", ","),
            Encoding::Transit => ("\"~:a/b\"", ","),
            _ => (":a/b", " "),
        };
        let sent = format!("[[{id}{comma}{data}]{comma}\"cb\"]");
        let (callback, id) = match decode(wire, &frame(&sent)) {
            Ok(Inbound::Event(arrived)) => (arrived.callback, Some(arrived.id.to_string())),
            Ok(other) => panic!("{sent}: {other:?}"),
            Err(malformed) => (malformed.callback, malformed.event),
        };
        prop_assert_eq!(callback, Some(super::callback("\"cb\"")), "{}", sent);
        prop_assert_eq!(id.as_deref(), Some("a/b"), "{}", sent);
    }

    #[test]
    fn no_payload_breaks_the_frame_it_stands_in(
        wire in wire().prop_filter("raw frames have no grammar", |wire| wire.dialect != Dialect::Raw),
        encoding in prop::sample::select(Encoding::ALL.to_vec()),
        body in prop_oneof![scraps().prop_map(String::into_bytes), any::<Vec<u8>>()],
        id in "[a-z]{1,3}/[!-~]{1,4}",
        channel: String,
    ) {
        let (id, channel, content) = (EventId::new(id), Channel::new(channel), Payload::new(encoding, body));
        let what = Publication { channel: &channel, id: &id, content: &content, offset: 1, prev: 0, from: None };
        let replied = reply(wire, "a/b", &called(wire), &content, None);
        for frame in [push(wire, &id, &content, None), publication(wire, &what, None), replied].into_iter().flatten() {
            prop_assert_eq!(elements(wire, &frame), Some(2), "{:?}", frame);
        }
    }

    #[test]
    fn no_words_break_an_error(wire in wire(), message: String, event: Option<String>, code: Option<String>, answered: bool) {
        let why = match code {
            Some(code) => Fault::application(code, message),
            None => Fault::new(FaultId::NotFound, message),
        };
        let callback = answered.then(|| called(wire));
        for frame in error(wire, &why, event.as_deref(), callback.as_ref()) {
            prop_assert_eq!(elements(wire, &frame), Some(2), "{:?}", frame);
        }
    }

    #[test]
    fn a_client_hears_its_own_words(id in "[a-z]{1,8}/[a-z][a-z0-9?!-]{0,8}", text: String) {
        let quoted = serde_json::Value::from(text).to_string();
        for (wire, sent) in [
            (JSON, format!("[[\"{id}\",{quoted}],\"c\"]")),
            (EDN, format!("[[:{id} {quoted}] \"c\"]")),
        ] {
            let Ok(Inbound::Event(arrived)) = decode(wire, &frame(&sent)) else { panic!("{sent}") };
            prop_assert_eq!(&*arrived.id, id.as_str());
            prop_assert_eq!(&arrived.payload.body, quoted.as_bytes());
        }
    }
}
