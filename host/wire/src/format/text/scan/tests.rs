//! Blocks against the plain answer, byte by byte.

use super::*;

struct Json;

impl Look for Json {
    const CONTROLS: bool = true;
    const DELETE: bool = false;
}

struct Edn;

impl Look for Edn {
    const CONTROLS: bool = false;
    const DELETE: bool = false;
}

fn next(bytes: &[u8], at: usize, is: impl Fn(u8) -> bool) -> usize {
    bytes.iter().skip(at).position(|&byte| is(byte)).map_or(bytes.len().max(at), |n| at + n)
}

fn agree(bytes: &[u8], at: usize) {
    let same = |found: usize, is: fn(u8) -> bool| {
        assert_eq!(found, next(bytes, at, is), "{bytes:?} from {at}");
    };
    same(plain::<Json>(bytes, at), |byte| byte < 0x20 || b"\"\\".contains(&byte));
    same(plain::<Edn>(bytes, at), |byte| b"\"\\".contains(&byte));
    same(plain::<Escaped>(bytes, at), |byte| byte < 0x20 || b"\"\\\x7f".contains(&byte));
    same(named(bytes, at), |byte| !byte.is_ascii_alphanumeric() && !b"-._".contains(&byte));
    same(digits(bytes, at), |byte| !byte.is_ascii_digit());
    let whole = next(bytes, at, |byte| !byte.is_ascii_digit());
    let fraction = match bytes.get(whole) {
        Some(b'.') => next(bytes, whole + 1, |byte| !byte.is_ascii_digit()),
        _ => whole,
    };
    assert_eq!(decimal(bytes, at), (whole, fraction), "{bytes:?} from {at}");
}

#[test]
fn every_byte_is_found_at_every_place_of_a_block() {
    for byte in 0..=u8::MAX {
        for (around, behind) in [(b'a', b'"'), (0x80, 0), (b'7', 0x7f), (b'7', b'.'), (b'_', b'1')]
        {
            for length in [1, 15, 16, 17, 33] {
                for place in 0..length {
                    let mut bytes = vec![around; length];
                    bytes[place] = byte;
                    // What follows must not be taken for what comes first.
                    bytes[place + 1..].fill(behind);
                    [0, 3, length].iter().for_each(|at| agree(&bytes, *at));
                }
            }
        }
    }
}
