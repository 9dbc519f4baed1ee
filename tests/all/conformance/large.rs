//! Sections 9 and 10: large messages, whole, in fragments and in pieces; many round trips.
//!
//! Autobahn sends fragments of 4 MiB messages and makes 1,000 round trips. Here the fragmented messages are 1 MiB and
//! the round trips 100, so that the section takes seconds: sizes of fragments and pieces are Autobahn's own.

use super::{Case, End, KINDS, Step, case};
use support::frames::{BINARY, Frame, TEXT, fragments};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// The size of a fragmented message; fragments may be larger.
const FRAGMENTED: usize = MIB;
const TIMES: u32 = 100;

fn payload(opcode: u8, length: usize) -> Vec<u8> {
    let pattern: &[u8] = if opcode == TEXT { b"BAsd7&jh23" } else { b"\x00\xfe\x23\xfa\xf0" };
    let mut payload = pattern.repeat(length.div_ceil(pattern.len()));
    payload.truncate(length);
    payload
}

fn echoed(id: String, send: Step, opcode: u8, payload: Vec<u8>) -> Case {
    case(id, vec![send, Step::Echo(opcode, payload)], End::Ours)
}

/// Both kinds in each size; text has the first number, binary the next.
fn both(first: u8, sizes: &[usize], make: impl Fn(String, u8, usize) -> Case) -> Vec<Case> {
    let mut cases = Vec::new();
    for opcode in KINDS {
        for (place, size) in sizes.iter().enumerate() {
            cases.push(make(format!("9.{}.{}", first + opcode - TEXT, place + 1), opcode, *size));
        }
    }
    cases
}

const WHOLE: [usize; 6] = [64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB];
const FRAGMENTS: [usize; 9] = [64, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB];
const PIECES: [usize; 6] = [64, 128, 256, 512, KIB, 2 * KIB];
const ROUND_TRIPS: [usize; 6] = [0, 16, 64, 256, KIB, 4 * KIB];

pub(super) fn whole() -> Vec<Case> {
    both(1, &WHOLE, |id, opcode, size| {
        let payload = payload(opcode, size);
        let sent = Step::Send(Frame::new(opcode, payload.clone()).encode());
        echoed(id, sent, opcode, payload)
    })
}

pub(super) fn in_fragments() -> Vec<Case> {
    both(3, &FRAGMENTS, |id, opcode, size| {
        let payload = payload(opcode, FRAGMENTED);
        echoed(id, Step::Send(fragments(opcode, &payload, size)), opcode, payload)
    })
}

pub(super) fn in_pieces() -> Vec<Case> {
    both(5, &PIECES, |id, opcode, size| {
        let payload = payload(opcode, MIB);
        let bytes = Frame::new(opcode, payload.clone()).encode();
        echoed(id, Step::Pieces(bytes, size), opcode, payload)
    })
}

pub(super) fn round_trips() -> Vec<Case> {
    both(7, &ROUND_TRIPS, |id, opcode, size| {
        let payload = payload(opcode, size);
        let bytes = Frame::new(opcode, payload.clone()).encode();
        case(id, vec![Step::RoundTrips(TIMES, bytes, opcode, payload)], End::Ours)
    })
}

pub(super) fn section_10() -> Vec<Case> {
    let payload = vec![b'*'; 65_536];
    let sent = Step::Send(fragments(TEXT, &payload, 1300));
    vec![echoed("10.1.1".into(), sent, TEXT, payload)]
}

/// The numbers of this file's cases, without their megabytes.
pub(super) fn names_only() -> Vec<Case> {
    let name = |id: String, _, _| case(id, Vec::new(), End::Ours);
    let tables: [(u8, &[usize]); 4] =
        [(1, &WHOLE), (3, &FRAGMENTS), (5, &PIECES), (7, &ROUND_TRIPS)];
    let nine = tables.into_iter().flat_map(|(first, sizes)| both(first, sizes, name));
    nine.chain([case("10.1.1", Vec::new(), End::Ours)]).collect()
}

/// The numbers of section 9 come from the opcodes.
const _: () = assert!(BINARY == TEXT + 1);
