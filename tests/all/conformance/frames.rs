//! Sections 1 to 5: messages, pings, reserved bits and opcodes, fragmentation.

use super::{Case, End, KINDS, Step, bytewise, case, echo, pong, send};
use std::slice;
use support::frames::{BINARY, CLOSE, CONTINUATION, Frame, PING, PONG, TEXT};

const HELLO: &str = "Hello, world!";
const NOT_TEXT: [u8; 8] = [0, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0, 0xff];

/// Messages of every way to write a length.
pub(super) fn messages() -> Vec<Case> {
    let mut cases = Vec::new();
    for opcode in KINDS {
        let fill = if opcode == TEXT { b'*' } else { 0xfe };
        let lengths = [0, 125, 126, 127, 128, 65_535, 65_536, 65_536];
        for (place, length) in lengths.into_iter().enumerate() {
            let payload = vec![fill; length];
            let frame = Frame::new(opcode, payload.clone());
            let step = match place {
                7 => Step::Pieces(frame.encode(), 997),
                _ => send(&[frame]),
            };
            let id = format!("1.{opcode}.{}", place + 1);
            cases.push(case(id, vec![step, Step::Echo(opcode, payload)], End::Ours));
        }
    }
    cases
}

pub(super) fn pings() -> Vec<Case> {
    let answered = |id: &str, payload: &[u8]| {
        case(id, vec![send(&[Frame::ping(payload)]), pong(payload)], End::Ours)
    };
    let most = [0xfe; 125];
    let unasked = Frame::new(PONG, "unsolicited pong payload");
    let ten: Vec<_> = (0..10).map(|number| format!("payload-{number}")).collect();
    let ten_pings: Vec<_> = ten.iter().map(|payload| Frame::ping(payload.as_bytes())).collect();
    let ten_pongs = || ten.iter().map(|payload| pong(payload.as_bytes()));
    vec![
        answered("2.1", b""),
        answered("2.2", HELLO.as_bytes()),
        answered("2.3", &NOT_TEXT),
        answered("2.4", &most),
        case("2.5", vec![send(&[Frame::ping([0xfe; 126])])], End::Theirs(1002)),
        case("2.6", vec![bytewise(&[Frame::ping(most)]), pong(&most)], End::Ours),
        case("2.7", vec![send(&[Frame::new(PONG, "")])], End::Ours),
        case("2.8", vec![send(slice::from_ref(&unasked))], End::Ours),
        case(
            "2.9",
            vec![send(&[unasked, Frame::ping("ping payload")]), pong(b"ping payload")],
            End::Ours,
        ),
        case("2.10", [send(&ten_pings)].into_iter().chain(ten_pongs()).collect(), End::Ours),
        case("2.11", [bytewise(&ten_pings)].into_iter().chain(ten_pongs()).collect(), End::Ours),
    ]
}

pub(super) fn reserved_bits() -> Vec<Case> {
    let alone =
        |id: &str, frame: Frame, rsv| case(id, vec![send(&[frame.rsv(rsv)])], End::Theirs(1002));
    let text = || Frame::text(HELLO);
    vec![
        alone("3.1", text(), 1),
        after_hello("3.2", text().rsv(2), Chop::Whole),
        after_hello("3.3", text().rsv(3), Chop::Frames),
        after_hello("3.4", text().rsv(4), Chop::Bytes),
        alone("3.5", Frame::binary(NOT_TEXT), 5),
        alone("3.6", Frame::ping(HELLO), 6),
        alone("3.7", Frame::new(CLOSE, ""), 7),
    ]
}

pub(super) fn reserved_opcodes() -> Vec<Case> {
    let mut cases = Vec::new();
    for (section, first) in [(1, 3), (2, 11)] {
        let id = |number| format!("4.{section}.{number}");
        let alone = |number, frame| case(id(number), vec![send(&[frame])], End::Theirs(1002));
        cases.extend([
            alone(1, Frame::new(first, "")),
            alone(2, Frame::new(first + 1, "reserved opcode payload")),
            after_hello(&id(3), Frame::new(first + 2, ""), Chop::Whole),
            after_hello(&id(4), Frame::new(first + 3, HELLO), Chop::Whole),
            after_hello(&id(5), Frame::new(first + 4, HELLO), Chop::Bytes),
        ]);
    }
    cases
}

#[derive(Clone, Copy)]
enum Chop {
    Whole,
    Frames,
    Bytes,
}

/// How a case's frames are cut into writes.
fn chopped(frames: &[Frame], chop: Chop) -> Vec<Step> {
    match chop {
        Chop::Whole => vec![send(frames)],
        Chop::Frames => frames.iter().map(|frame| send(slice::from_ref(frame))).collect(),
        Chop::Bytes => vec![bytewise(frames)],
    }
}

/// A good message, the bad frame, a ping: the message is echoed, the ping is not answered.
fn after_hello(id: &str, bad: Frame, chop: Chop) -> Case {
    let mut steps = chopped(&[Frame::text(HELLO), bad, Frame::ping("")], chop);
    steps.push(echo(HELLO));
    case(id, steps, End::Theirs(1002))
}

const CHOPS: [Chop; 3] = [Chop::Whole, Chop::Frames, Chop::Bytes];

pub(super) fn fragmentation() -> Vec<Case> {
    let start = |text: &str| Frame::text(text).more();
    let middle = |text: &str| Frame::new(CONTINUATION, text).more();
    let last = |text: &str| Frame::new(CONTINUATION, text);
    let refused = |id: &str, frames: &[Frame]| case(id, vec![send(frames)], End::Theirs(1002));
    let mut cases = vec![
        refused("5.1", &[Frame::new(PING, "fragment1").more(), last("fragment2")]),
        refused("5.2", &[Frame::new(PONG, "fragment1").more(), last("fragment2")]),
    ];
    let two = [start("fragment1"), last("fragment2")];
    let with_ping = [start("fragment1"), Frame::ping("ping payload"), last("fragment2")];
    let nothing_to_continue = [last("non-continuation payload"), Frame::text(HELLO)];
    let nothing_to_continue_yet = [middle("non-continuation payload"), Frame::text(HELLO)];
    for (place, chop) in CHOPS.into_iter().enumerate() {
        let with = |frames: &[Frame], seen: Vec<Step>| {
            chopped(frames, chop).into_iter().chain(seen).collect::<Vec<_>>()
        };
        let whole = || echo("fragment1fragment2");
        let id = |first: usize| format!("5.{}", first + place);
        cases.extend([
            case(id(3), with(&two, vec![whole()]), End::Ours),
            case(id(6), with(&with_ping, vec![pong(b"ping payload"), whole()]), End::Ours),
            case(id(9), with(&nothing_to_continue, vec![]), End::Theirs(1002)),
            case(id(12), with(&nothing_to_continue_yet, vec![]), End::Theirs(1002)),
        ]);
    }
    let then_bad =
        [start("fragment1"), last("fragment2"), middle("fragment3"), Frame::text("fragment4")];
    let twice = |first: Frame| {
        let once = [first, start("fragment2"), last("fragment3")];
        [once.clone(), once].concat()
    };
    cases.extend([
        case("5.15", vec![send(&then_bad), echo("fragment1fragment2")], End::Theirs(1002)),
        refused("5.16", &twice(middle("fragment1"))),
        refused("5.17", &twice(last("fragment1"))),
        refused("5.18", &[start("fragment1"), Frame::text("fragment2")]),
        five_with_pings("5.19", Chop::Whole),
        five_with_pings("5.20", Chop::Frames),
    ]);
    cases
}

/// The first ping is answered before the message is whole.
fn five_with_pings(id: &str, chop: Chop) -> Case {
    let part = |text: &str| Frame::new(CONTINUATION, text).more();
    let first = [Frame::text("fragment1").more(), part("fragment2"), Frame::ping("pongme 1!")];
    let second = [
        part("fragment3"),
        part("fragment4"),
        Frame::ping("pongme 2!"),
        Frame::new(CONTINUATION, "fragment5"),
    ];
    let mut steps = chopped(&first, chop);
    steps.push(pong(b"pongme 1!"));
    steps.extend(chopped(&second, chop));
    steps.push(pong(b"pongme 2!"));
    steps.push(echo("fragment1fragment2fragment3fragment4fragment5"));
    case(id, steps, End::Ours)
}

/// The numbers of section 1 come from the opcodes.
const _: () = assert!(TEXT == 1 && BINARY == 2);
