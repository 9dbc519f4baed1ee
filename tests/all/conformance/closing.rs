//! Section 7: close frames, good and bad, and what comes after them.

use super::{Case, End, case, echo, send};
use support::frames::{CLOSE, CONTINUATION, Frame, fragments};

const HELLO: &str = "Hello World!";
/// Text with half of a surrogate pair in it.
const NOT_UTF8: &[u8] = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited";

pub(super) fn cases() -> Vec<Case> {
    [around_the_close(), payloads(), codes()].into_iter().flatten().collect()
}

fn normal() -> Frame {
    Frame::close(1000, b"")
}

fn around_the_close() -> Vec<Case> {
    let after =
        |id: &str, frames: &[Frame]| case(id, vec![send(frames)], End::Answered(vec![1000]));
    let begun = Frame::text("fragment1").more();
    // What is answered before the close is left open: the close may overtake the echo of what came before it.
    let mut much =
        fragments(1, "BAsd7&jh23".repeat(26_215).get(..256 << 10).unwrap().as_bytes(), 256 << 10);
    much.extend([Frame::text(HELLO), normal(), Frame::ping("")].iter().flat_map(Frame::encode));
    vec![
        case("7.1.1", vec![send(&[Frame::text(HELLO)]), echo(HELLO)], End::Ours),
        after("7.1.2", &[normal(), Frame::new(CLOSE, "")]),
        after("7.1.3", &[normal(), Frame::ping("")]),
        after("7.1.4", &[normal(), Frame::text(HELLO)]),
        after("7.1.5", &[begun, normal(), Frame::new(CONTINUATION, "fragment2")]),
        case("7.1.6", vec![super::Step::Send(much)], End::Sometime),
    ]
}

fn payloads() -> Vec<Case> {
    let closing = |id: &str, frame: Frame, codes: &[u16]| {
        case(id, vec![send(&[frame])], End::Answered(codes.to_vec()))
    };
    vec![
        closing("7.3.1", Frame::new(CLOSE, ""), &[1000, 1005]),
        closing("7.3.2", Frame::new(CLOSE, "a"), &[1002]),
        closing("7.3.3", normal(), &[1000]),
        closing("7.3.4", Frame::close(1000, HELLO.as_bytes()), &[1000]),
        closing("7.3.5", Frame::close(1000, &[b'*'; 123]), &[1000]),
        closing("7.3.6", Frame::close(1000, &[b'*'; 124]), &[1002]),
        closing("7.5.1", Frame::close(1000, NOT_UTF8), &[1002, 1007]),
    ]
}

fn codes() -> Vec<Case> {
    let good = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999];
    let bad = [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999];
    let closing = |id: String, code: u16, answers: Vec<u16>| {
        case(id, vec![send(&[Frame::close(code, b"")])], End::Answered(answers))
    };
    let good = good
        .into_iter()
        .enumerate()
        .map(|(place, code)| closing(format!("7.7.{}", place + 1), code, vec![1000, code]));
    let bad = bad
        .into_iter()
        .enumerate()
        .map(|(place, code)| closing(format!("7.9.{}", place + 1), code, vec![1002]));
    // The standard says nothing of these.
    let undefined = [("7.13.1", 5000), ("7.13.2", 65_535)]
        .map(|(id, code)| case(id, vec![send(&[Frame::close(code, b"")])], End::Sometime));
    good.chain(bad).chain(undefined).collect()
}
