//! The bytes of frames over each transport, and what a reader makes of them.

use super::*;
use crate::dialect::Dialect;
use proptest::prelude::*;

fn text(body: &str) -> Frame {
    Frame { text: true, body: body.to_owned().into() }
}

fn bytes(framed: &Framed) -> Vec<u8> {
    let mut bytes = Vec::new();
    framed.put(&mut bytes);
    assert_eq!(bytes.len(), framed.len());
    bytes
}

#[track_caller]
fn check(transport: Transport, frame: Frame, expected: &str) {
    let framed = bytes(&transport.frame(frame));
    assert_eq!(String::from_utf8_lossy(&framed), expected);
}

#[test]
fn a_frame_is_a_header_and_its_body_or_an_event() {
    check(Transport::EventStream, text("[1]"), "data: [1]\n\n");
    check(Transport::EventStream, text("[1\n2]"), "data: [1\ndata: 2]\n\n");
    check(Transport::EventStream, text("[1\r2]\n"), "data: [1\ndata: 2]\ndata: \n\n");
    check(Transport::EventStream, text(""), "data: \n\n");
    let framed = bytes(&Transport::WebSocket.frame(text("[1]")));
    assert_eq!(framed, b"\x81\x03[1]");
    let binary = Frame { text: false, body: vec![0; 300].into() };
    let framed = Transport::WebSocket.frame(binary.clone());
    assert_eq!(framed.head(), b"\x82\x7e\x01\x2c");
    assert_eq!(framed.body.as_ptr(), binary.body.as_ptr(), "the body is shared");
}

#[test]
fn each_transport_pings_and_says_goodbye_in_its_own_way() {
    let (websocket, stream) = (Transport::WebSocket, Transport::EventStream);
    assert_eq!(bytes(&websocket.ping()), b"\x89\0");
    assert_eq!(bytes(&stream.ping()), b":\n\n");
    let goodbye =
        |transport: Transport, format| bytes(&transport.goodbye(format, &Reason::Drained));
    let closed = goodbye(websocket, Encoding::Json);
    assert!(closed.starts_with(b"\x88") && closed.ends_with(Reason::Drained.word().as_bytes()));
    let (code, word) = (Reason::Drained.code(), Reason::Drained.word());
    let json = format!("event: close\ndata: {{\"code\":{code},\"reason\":\"{word}\"}}\n\n");
    assert_eq!(goodbye(stream, Encoding::Json), json.as_bytes());
    let edn = format!("event: close\ndata: {{:code {code}, :reason \"{word}\"}}\n\n");
    assert_eq!(goodbye(stream, Encoding::Edn), edn.as_bytes());
}

#[test]
fn the_opening_names_the_session_and_when_to_come_back() {
    let opening = bytes(&opening(&text("[]"), "s3cret"));
    assert_eq!(opening, b"retry: 1000\nid: s3cret\ndata: []\n\n");
}

#[test]
fn each_wire_over_each_transport_has_a_place_of_its_own() {
    let mut lanes: Vec<_> = Transport::ALL
        .iter()
        .flat_map(|transport| Wire::ALL.iter().map(|wire| transport.lane(*wire)))
        .collect();
    lanes.sort_unstable();
    assert_eq!(lanes, (0..LANES).collect::<Vec<_>>());
}

#[test]
fn event_streams_carry_text_of_dialects_that_greet() {
    for wire in Wire::ALL {
        assert!(Transport::WebSocket.carries(wire));
        let carries = wire.dialect != Dialect::Raw && wire.format != Encoding::Msgpack;
        assert_eq!(Transport::EventStream.carries(wire), carries, "{wire:?}");
    }
}

/// What a reader makes of events without a type (HTML standard, 9.2.6).
fn read(stream: &str) -> Vec<String> {
    let mut events = Vec::new();
    let mut data: Vec<&str> = Vec::new();
    for line in stream.lines() {
        match line.strip_prefix("data: ") {
            Some(line) => data.push(line),
            None if line.is_empty() && !data.is_empty() => {
                events.push(std::mem::take(&mut data).join("\n"));
            }
            _ => {}
        }
    }
    events
}

#[test]
fn a_carriage_return_in_a_text_stays_one() {
    for (sent, read_as) in [
        ("[\"a\rb\" 1]", "[\"a\\rb\" 1]"),
        ("[\"a\r\nb\"]", "[\"a\\r\nb\"]"),
        ("[\"\\\"\r\" \r1]", "[\"\\\"\\r\" \n1]"),
        ("[\\\" \r 1]", "[\\\" \n 1]"),
        ("[1 ; \" \r \"\r\"]", "[1 ; \" \n \"\\r\"]"),
    ] {
        let stream = bytes(&Transport::EventStream.frame(text(sent)));
        assert_eq!(read(std::str::from_utf8(&stream).unwrap()), [read_as], "{sent:?}");
    }
}

proptest! {
    #[test]
    fn a_reader_gets_each_frame_whole(frames in proptest::collection::vec("[a-z:\n ]{0,40}", 0..8)) {
        let stream: Vec<u8> = frames
            .iter()
            .flat_map(|frame| bytes(&Transport::EventStream.frame(text(frame))))
            .collect();
        prop_assert_eq!(read(std::str::from_utf8(&stream).unwrap()), frames);
    }
}
