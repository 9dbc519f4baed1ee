//! Section 6: text messages that are UTF-8, and those that are not.

use super::{Case, End, Step, case, echo, pong, send};
use support::frames::{CONTINUATION, Frame, TEXT, fragments};

const UMLAUTS: &str = "Hello-µ@ßöäüàá-UTF-8!!";
const KOSME: &str = "κ\u{1f79}σμε";

pub(super) fn cases() -> Vec<Case> {
    [whole(), broken(), failing_fast(), sequences()].into_iter().flatten().collect()
}

fn whole() -> Vec<Case> {
    let parts = |id: &str, parts: [&str; 3]| {
        let [first, middle, last] = parts;
        let frames = [
            Frame::text(first).more(),
            Frame::new(CONTINUATION, middle).more(),
            Frame::new(CONTINUATION, last),
        ];
        case(id, vec![send(&frames), echo(&parts.concat())], End::Ours)
    };
    let single_bytes = |id: &str, text: &str| {
        let bytes = fragments(TEXT, text.as_bytes(), 1);
        case(id, vec![Step::Send(bytes), echo(text)], End::Ours)
    };
    let (first, second) = UMLAUTS.split_at(UMLAUTS.find('ü').unwrap());
    let two = [Frame::text(first).more(), Frame::new(CONTINUATION, second)];
    vec![
        case("6.1.1", vec![send(&[Frame::text("")]), echo("")], End::Ours),
        parts("6.1.2", ["", "", ""]),
        parts("6.1.3", ["", "middle frame payload", ""]),
        case("6.2.1", vec![send(&[Frame::text(UMLAUTS)]), echo(UMLAUTS)], End::Ours),
        case("6.2.2", vec![send(&two), echo(UMLAUTS)], End::Ours),
        single_bytes("6.2.3", UMLAUTS),
        single_bytes("6.2.4", KOSME),
    ]
}

/// Half of a surrogate pair in the middle.
fn broken() -> Vec<Case> {
    let text = [KOSME.as_bytes(), b"\xed\xa0\x80", b"edited"].concat();
    let single_bytes = fragments(TEXT, &text, 1);
    vec![
        case("6.3.1", vec![send(&[Frame::text(text)])], End::Theirs(1007)),
        case("6.3.2", vec![Step::Send(single_bytes)], End::Theirs(1007)),
    ]
}

/// A code point beyond the last, told at the frame in which it begins; in one frame, at the latest at the frame's end.
fn failing_fast() -> Vec<Case> {
    let parts = [KOSME.as_bytes(), b"\xf4\x90\x80\x80", b"edited"];
    let text = parts.concat();
    let in_frames = |id: &str, good: &[u8], bad: &[u8]| {
        let steps = vec![
            send(&[Frame::text(good).more(), Frame::ping("still good?")]),
            pong(b"still good?"),
            send(&[Frame::new(CONTINUATION, bad).more()]),
        ];
        case(id, steps, End::Theirs(1007))
    };
    let in_pieces = |id: &str, ends: [usize; 2]| {
        let bytes = Frame::text(text.clone()).encode();
        let header = bytes.len() - text.len();
        let (first, rest) = bytes.split_at(header + ends[0]);
        let (second, third) = rest.split_at(ends[1] - ends[0]);
        let steps = [first, second, third].map(|part| Step::Send(part.to_vec()));
        case(id, steps.into(), End::Theirs(1007))
    };
    vec![
        in_frames("6.4.1", parts[0], parts[1]),
        in_frames("6.4.2", &text[..12], &text[12..13]),
        in_pieces("6.4.3", [11, 15]),
        in_pieces("6.4.4", [12, 13]),
    ]
}

fn sequences() -> Vec<Case> {
    let mut cases = Vec::new();
    for (section, valid, sequences) in SEQUENCES {
        for (place, bytes) in sequences.iter().enumerate() {
            let number = place + 1;
            let good = match valid {
                Valid::All => true,
                Valid::None => false,
                Valid::These(numbers) => numbers.contains(&number),
            };
            let id = format!("6.{section}.{number}");
            let frame = send(&[Frame::text(*bytes)]);
            cases.push(match good {
                true => case(id, vec![frame, Step::Echo(TEXT, bytes.to_vec())], End::Ours),
                false => case(id, vec![frame], End::Theirs(1007)),
            });
        }
    }
    cases
}

enum Valid {
    All,
    None,
    These(&'static [usize]),
}

/// Section, which of its sequences are UTF-8, and the sequences. The choice is that of Markus Kuhn's decoder test.
#[rustfmt::skip]
const SEQUENCES: [(u8, Valid, &[&[u8]]); 19] = [
    // Some text.
    (5, Valid::All, &[
        b"hello$world", b"hello\xc2\xa2world", b"hello\xe2\x82\xacworld", b"hello\xf0\xa4\xad\xa2world",
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5",
    ]),
    // A word, one byte longer each time.
    (6, Valid::These(&[2, 5, 7, 9, 11]), &[
        b"\xce", b"\xce\xba", b"\xce\xba\xe1", b"\xce\xba\xe1\xbd", b"\xce\xba\xe1\xbd\xb9",
        b"\xce\xba\xe1\xbd\xb9\xcf", b"\xce\xba\xe1\xbd\xb9\xcf\x83", b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce",
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc", b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce",
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5",
    ]),
    // First code point of each length.
    (7, Valid::All, &[b"\x00", b"\xc2\x80", b"\xe0\xa0\x80", b"\xf0\x90\x80\x80"]),
    // First of lengths that do not exist any more.
    (8, Valid::None, &[b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"]),
    // Last code point of each length.
    (9, Valid::All, &[b"\x7f", b"\xdf\xbf", b"\xef\xbf\xbf", b"\xf4\x8f\xbf\xbf"]),
    // Last of lengths, beyond the last code point.
    (10, Valid::None, &[b"\xf7\xbf\xbf\xbf", b"\xfb\xbf\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf\xbf"]),
    // Around the edges of what is a character.
    (11, Valid::These(&[1, 2, 3, 4]), &[
        b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbd", b"\xf4\x8f\xbf\xbf", b"\xf4\x90\x80\x80",
    ]),
    // Continuation bytes without a start.
    (12, Valid::None, &[
        b"\x80", b"\xbf", b"\x80\xbf", b"\x80\xbf\x80", b"\x80\xbf\x80\xbf", b"\x80\xbf\x80\xbf\x80",
        b"\x80\xbf\x80\xbf\x80\xbf",
        b"\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95\x96\x97\x98\x99\x9a\x9b\x9c\x9d\x9e\x9f\xa0\xa1\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xab\xac\xad\xae\xaf\xb0\xb1\xb2\xb3\xb4\xb5\xb6\xb7\xb8\xb9\xba\xbb\xbc\xbd\xbe",
    ]),
    // Starts, each followed by a space.
    (13, Valid::None, &[
        b"\xc0 \xc1 \xc2 \xc3 \xc4 \xc5 \xc6 \xc7 \xc8 \xc9 \xca \xcb \xcc \xcd \xce \xcf \xd0 \xd1 \xd2 \xd3 \xd4 \xd5 \xd6 \xd7 \xd8 \xd9 \xda \xdb \xdc \xdd \xde ",
        b"\xe0 \xe1 \xe2 \xe3 \xe4 \xe5 \xe6 \xe7 \xe8 \xe9 \xea \xeb \xec \xed \xee ",
        b"\xf0 \xf1 \xf2 \xf3 \xf4 \xf5 \xf6 ", b"\xf8 \xf9 \xfa ", b"\xfc ",
    ]),
    // Sequences without their last byte.
    (14, Valid::None, &[
        b"\xc0", b"\xe0\x80", b"\xf0\x80\x80", b"\xf8\x80\x80\x80", b"\xfc\x80\x80\x80\x80", b"\xdf",
        b"\xef\xbf", b"\xf7\xbf\xbf", b"\xfb\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf",
    ]),
    // All of those in a row.
    (15, Valid::None, &[
        b"\xc0\xe0\x80\xf0\x80\x80\xf8\x80\x80\x80\xfc\x80\x80\x80\x80\xdf\xef\xbf\xf7\xbf\xbf\xfb\xbf\xbf\xbf\xfd\xbf\xbf\xbf\xbf",
    ]),
    // Bytes that never occur.
    (16, Valid::None, &[b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"]),
    // A slash, longer than needed.
    (17, Valid::None, &[
        b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xf8\x80\x80\x80\xaf", b"\xfc\x80\x80\x80\x80\xaf",
    ]),
    // The last code point that fits a shorter form, longer than needed.
    (18, Valid::None, &[
        b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf", b"\xf8\x87\xbf\xbf\xbf", b"\xfc\x83\xbf\xbf\xbf\xbf",
    ]),
    // NUL, longer than needed.
    (19, Valid::None, &[
        b"\xc0\x80", b"\xe0\x80\x80", b"\xf0\x80\x80\x80", b"\xf8\x80\x80\x80\x80", b"\xfc\x80\x80\x80\x80\x80",
    ]),
    // Single halves of surrogate pairs.
    (20, Valid::None, &[
        b"\xed\xa0\x80", b"\xed\xad\xbf", b"\xed\xae\x80", b"\xed\xaf\xbf", b"\xed\xb0\x80", b"\xed\xbe\x80",
        b"\xed\xbf\xbf",
    ]),
    // Both halves of surrogate pairs.
    (21, Valid::None, &[
        b"\xed\xa0\x80\xed\xb0\x80", b"\xed\xa0\x80\xed\xbf\xbf", b"\xed\xad\xbf\xed\xb0\x80",
        b"\xed\xad\xbf\xed\xbf\xbf", b"\xed\xae\x80\xed\xb0\x80", b"\xed\xae\x80\xed\xbf\xbf",
        b"\xed\xaf\xbf\xed\xb0\x80", b"\xed\xaf\xbf\xed\xbf\xbf",
    ]),
    // Code points that are no characters, and are well formed.
    (22, Valid::All, &[
        b"\xef\xbf\xbe", b"\xef\xbf\xbf", b"\xf0\x9f\xbf\xbe", b"\xf0\x9f\xbf\xbf", b"\xf0\xaf\xbf\xbe",
        b"\xf0\xaf\xbf\xbf", b"\xf0\xbf\xbf\xbe", b"\xf0\xbf\xbf\xbf", b"\xf1\x8f\xbf\xbe", b"\xf1\x8f\xbf\xbf",
        b"\xf1\x9f\xbf\xbe", b"\xf1\x9f\xbf\xbf", b"\xf1\xaf\xbf\xbe", b"\xf1\xaf\xbf\xbf", b"\xf1\xbf\xbf\xbe",
        b"\xf1\xbf\xbf\xbf", b"\xf2\x8f\xbf\xbe", b"\xf2\x8f\xbf\xbf", b"\xf2\x9f\xbf\xbe", b"\xf2\x9f\xbf\xbf",
        b"\xf2\xaf\xbf\xbe", b"\xf2\xaf\xbf\xbf", b"\xf2\xbf\xbf\xbe", b"\xf2\xbf\xbf\xbf", b"\xf3\x8f\xbf\xbe",
        b"\xf3\x8f\xbf\xbf", b"\xf3\x9f\xbf\xbe", b"\xf3\x9f\xbf\xbf", b"\xf3\xaf\xbf\xbe", b"\xf3\xaf\xbf\xbf",
        b"\xf3\xbf\xbf\xbe", b"\xf3\xbf\xbf\xbf", b"\xf4\x8f\xbf\xbe", b"\xf4\x8f\xbf\xbf",
    ]),
    // The specials.
    (23, Valid::All, &[
        b"\xef\xbf\xb9", b"\xef\xbf\xba", b"\xef\xbf\xbb", b"\xef\xbf\xbc", b"\xef\xbf\xbd", b"\xef\xbf\xbe",
        b"\xef\xbf\xbf",
    ]),
];
