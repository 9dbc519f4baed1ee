//! The reader against frames written byte by byte, and against any way of cutting them.

use super::{
    header::{Header, put_header},
    *,
};
use crate::frame::Head;
use proptest::prelude::*;

const MASK: [u8; 4] = [0x11, 0x22, 0x33, 0x44];
const MAX: usize = 100_000;

fn header(opcode: Opcode, length: usize) -> Vec<u8> {
    let mut head = Head::default();
    put_header(&mut head, opcode, length);
    head.bytes().to_vec()
}

/// A client's frame: first byte as given, masked.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = header(Opcode::Text, payload.len());
    *out.first_mut().unwrap() = first;
    *out.get_mut(1).unwrap() |= 0x80;
    out.extend_from_slice(&MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
    out
}

fn frames(all: &[(u8, &[u8])]) -> Vec<u8> {
    all.iter().flat_map(|(first, payload)| frame(*first, payload)).collect()
}

/// Everything that the reader makes of pieces that come in one by one.
fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Received>, Option<Violation>) {
    let mut reader = Reader::new(MAX);
    let mut all = Vec::new();
    for piece in pieces {
        reader.feed(piece);
        loop {
            match reader.take() {
                Ok(Some(received)) => all.push(received),
                Ok(None) => break,
                Err(violation) => return (all, Some(violation)),
            }
        }
        reader.rest();
    }
    (all, None)
}

fn text(body: &str) -> Received {
    Received::Message(Frame { text: true, body: body.to_owned().into() })
}

fn binary(body: &[u8]) -> Received {
    Received::Message(Frame { text: false, body: body.to_vec().into() })
}

#[track_caller]
fn check(sent: &[(u8, &[u8])], expected: &[Received], violation: Option<Violation>) {
    let bytes = frames(sent);
    let whole = read([bytes.as_slice()]);
    assert_eq!(whole, (expected.to_vec(), violation));
    assert_eq!(read(bytes.chunks(1)), whole, "byte by byte");
}

#[test]
fn frames_become_messages() {
    check(&[(0x81, b"")], &[text("")], None);
    check(&[(0x81, "h\u{e9}".as_bytes())], &[text("h\u{e9}")], None);
    check(&[(0x82, b"\xff\x00")], &[binary(b"\xff\x00")], None);
    check(&[(0x89, b"p"), (0x8a, b"")], &[Received::Ping("p".into()), Received::Pong], None);
    check(&[(0x88, b"")], &[Received::Close(1005)], None);
    check(&[(0x88, b"\x03\xe8bye")], &[Received::Close(1000)], None);
    for size in [125, 126, 65_535, 65_536] {
        let body = vec![b'x'; size];
        check(&[(0x82, &body), (0x81, b"next")], &[binary(&body), text("next")], None);
    }
}

#[test]
fn fragments_become_one_message_and_control_frames_may_come_between() {
    let (first, second) = "\u{20ac}".as_bytes().split_at(1);
    let sent = [(0x01, first), (0x89, b"!".as_slice()), (0x00, b""), (0x80, second)];
    check(&sent, &[Received::Ping("!".into()), text("\u{20ac}")], None);
    check(&[(0x02, b"a"), (0x80, b"b"), (0x81, b"c")], &[binary(b"ab"), text("c")], None);
}

#[test]
fn what_breaks_the_protocol_is_refused() {
    let refused = |sent: &[(u8, &[u8])]| check(sent, &[], Some(Violation::Protocol));
    // Reserved bits, reserved opcodes.
    for first in [0xC1, 0xA1, 0x91, 0x83, 0x87, 0x8B, 0x8F] {
        refused(&[(first, b"x")]);
    }
    // Control frames in fragments, and too long ones.
    for first in [0x08, 0x09, 0x0A] {
        refused(&[(first, b"")]);
    }
    refused(&[(0x89, &[0; 126])]);
    // A continuation of nothing, and a message within a message.
    refused(&[(0x80, b"x")]);
    refused(&[(0x00, b"x")]);
    refused(&[(0x01, b"a"), (0x81, b"b")]);
    refused(&[(0x02, b"a"), (0x01, b"b")]);
    // Close frames with half a code, and with codes that are not for the wire.
    refused(&[(0x88, b"\x03")]);
    for code in [0_u16, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535] {
        refused(&[(0x88, &code.to_be_bytes())]);
    }
    for code in [1000_u16, 1003, 1007, 1014, 3000, 4999] {
        check(&[(0x88, &code.to_be_bytes())], &[Received::Close(code)], None);
    }
}

#[test]
fn a_frame_without_a_mask_is_refused() {
    assert_eq!(read([b"\x81\x01a".as_slice()]), (vec![], Some(Violation::Protocol)));
}

#[test]
fn text_that_is_not_utf8_is_refused_as_soon_as_its_fragment_is_whole() {
    let not_utf8 = Some(Violation::NotUtf8);
    check(&[(0x81, b"a\xff")], &[], not_utf8);
    check(&[(0x81, b"\xe2\x82")], &[], not_utf8);
    check(&[(0x01, b"\xff")], &[], not_utf8);
    check(&[(0x01, b"\xe2\x82"), (0x80, b"a")], &[], not_utf8);
    check(&[(0x01, b"\xe2\x82"), (0x80, b"")], &[], not_utf8);
    check(&[(0x88, b"\x03\xe8\xff")], &[], not_utf8);
    check(&[(0x02, b"\xff"), (0x80, b"")], &[binary(b"\xff")], None);
}

#[test]
fn a_message_over_the_limit_is_refused_by_its_header() {
    let too_large = (vec![], Some(Violation::TooLarge));
    let header = |length: u64| [b"\x82\xff".as_slice(), &length.to_be_bytes(), &MASK].concat();
    assert_eq!(read([header(MAX as u64 + 1).as_slice()]), too_large);
    assert_eq!(read([header(i64::MAX as u64).as_slice()]), too_large);
    assert_eq!(read([header(1 << 63).as_slice()]), (vec![], Some(Violation::Protocol)));
    let first = frame(0x02, &[0; MAX]);
    assert_eq!(read([first.as_slice(), &frame(0x80, b"x")]), too_large);
    check(&[(0x02, &[7; MAX]), (0x80, b"")], &[binary(&[7; MAX])], None);
}

#[test]
fn a_reader_that_waits_holds_what_it_waits_with_and_no_more() {
    let mut reader = Reader::new(MAX);
    let (large, small) = (frame(0x82, &[0; 16_000]), frame(0x81, b"half"));
    let (begun, rest) = small.split_at(4);
    reader.feed(&[large.as_slice(), begun].concat());
    assert!(matches!(reader.take(), Ok(Some(Received::Message(_)))));
    assert_eq!(reader.take(), Ok(None));
    reader.rest();
    assert!(reader.held() < 64, "{} bytes", reader.held());
    reader.feed(rest);
    assert_eq!(reader.take(), Ok(Some(text("half"))));
    reader.rest();
    assert_eq!(reader.held(), 0);
}

// Neither is a long message copied again and again, nor is held what was only announced.
#[test]
fn a_long_message_is_moved_twice_and_holds_little_more_than_has_come() {
    let mut reader = Reader::new(1 << 20);
    let mut rest = frame(0x82, &vec![0; 1 << 20]).into_iter().peekable();
    let mut held = Vec::new();
    while rest.peek().is_some() {
        assert_eq!(reader.take(), Ok(None));
        let piece: Vec<u8> = rest.by_ref().take(16 << 10).collect();
        reader.feed(&piece);
        held.push(reader.held());
    }
    assert!(
        matches!(reader.take(), Ok(Some(Received::Message(frame))) if frame.body.len() == 1 << 20)
    );
    let come = (1..).map(|pieces| pieces * (16 << 10));
    let is_come = come.zip(&held).all(|(come, held)| *held <= 4 * come);
    assert!(is_come, "what was only announced is not held: {held:?}");
    let mut sizes: Vec<_> = held.split_off(4);
    sizes.dedup();
    assert!(sizes.len() <= 3, "it moves from one size to the next: {sizes:?}");
    assert!(sizes.iter().all(|size| *size <= (1 << 20) + (32 << 10)), "{sizes:?}");
}

#[test]
fn what_is_thrown_away_is_let_go_of_at_once() {
    let message = frame(0x82, &[7; 1_000_000]);
    let fragment = frame(0x02, &[7; 300_000]);
    for begun in [&message[..900_000], &[fragment.as_slice(), &frame(0x80, &[7; 9])[..8]].concat()]
    {
        let mut reader = Reader::new(2_000_000);
        reader.feed(begun);
        assert_eq!(reader.take(), Ok(None));
        assert!(reader.held() >= 300_000);
        reader.throw_away();
        assert!(reader.held() < 100, "{}", reader.held());
    }
    let mut reader = Reader::new(2_000_000);
    reader.feed(&message[..900_000]);
    assert_eq!(reader.take(), Ok(None));
    reader.throw_away();
    reader.feed(&message[900_000..]);
    reader.feed(&frame(0x89, b"?"));
    assert_eq!(reader.take(), Ok(Some(Received::Ping("?".into()))), "what comes behind it is read");
}

#[test]
fn headers_are_written_as_they_are_read() {
    for length in [0_usize, 1, 125, 126, 65_535, 65_536, 1 << 40] {
        let mut out = header(Opcode::Binary, length);
        *out.get_mut(1).unwrap() |= 0x80;
        out.extend_from_slice(&MASK);
        let header = Header::parse(&out).unwrap().unwrap();
        assert_eq!((header.length, header.size, header.last), (length as u64, out.len(), true));
    }
}

#[test]
fn close_reasons_fit_and_are_cut_between_characters() {
    assert_eq!(close_payload(1005, "unsaid"), b"");
    assert_eq!(close_payload(1000, "bye"), b"\x03\xe8bye");
    let long = close_payload(1000, &"\u{20ac}".repeat(60));
    assert_eq!(long.len(), 2 + 123);
    assert!(std::str::from_utf8(long.get(2..).unwrap()).is_ok());
}

proptest! {
    #[test]
    fn any_cut_of_a_stream_reads_the_same(
        sent in proptest::collection::vec(
            (prop_oneof![Just(0x82_u8), Just(0x81), Just(0x02), Just(0x80), Just(0x89)], proptest::collection::vec(0x20_u8..0x7f, 0..200)),
            0..20,
        ),
        cuts in proptest::collection::vec(1_usize..64, 1..50),
    ) {
        let sent: Vec<_> = sent.iter().map(|(first, payload)| (*first, payload.get(..payload.len().min(125)).unwrap())).collect();
        let bytes = frames(&sent);
        let whole = read([bytes.as_slice()]);
        let mut pieces = Vec::new();
        let mut rest = bytes.as_slice();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        prop_assert_eq!(read(pieces), whole);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), cut in 1_usize..50) {
        let whole = read([bytes.as_slice()]);
        prop_assert_eq!(read(bytes.chunks(cut)), whole);
    }

    #[test]
    fn messages_of_another_implementation_are_read(body in "\\PC{0,300}") {
        use tungstenite::{Message, WebSocket, protocol::Role};
        let mut client = WebSocket::from_raw_socket(std::io::Cursor::new(Vec::new()), Role::Client, None);
        client.send(Message::text(body.as_str())).unwrap();
        let bytes = client.into_inner().into_inner();
        prop_assert_eq!(read([bytes.as_slice()]), (vec![text(&body)], None));
    }
}
