//! What JSON and EDN share as texts: UTF-8, strings in double quotes, brackets.

pub(super) mod brackets;
pub(super) mod copy;
pub(super) mod names;
pub(super) mod number;
pub(super) mod scan;
pub(super) mod strings;
pub(super) mod surrogate;

use super::{
    error::{Problem, ReadError},
    walk::Inside,
    writer::Out,
};
use bytes::Bytes;
use std::borrow::Cow;

/// Bytes as the text that they have to be.
pub(crate) fn utf8(body: &[u8]) -> Result<&str, ReadError> {
    simdutf8::basic::from_utf8(body).or_else(|_| {
        // Who is told where the mistake is has the time.
        std::str::from_utf8(body).map_err(|error| Problem::Utf8.at(error.valid_up_to()))
    })
}

/// Bytes that are no text, with U+FFFD for what is none.
pub(super) fn legible(body: &[u8]) -> Cow<'_, [u8]> {
    match String::from_utf8_lossy(body) {
        Cow::Borrowed(_) => Cow::Borrowed(body),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

/// Well formed text without halves of characters. As long as it was.
pub(super) fn whole(body: &Bytes) -> Bytes {
    match std::str::from_utf8(body) {
        Ok(text) => surrogate::without_halves(text).into(),
        Err(_) => body.clone(),
    }
}

pub(super) fn begin(out: &mut Out, inside: Inside) {
    out.put(&[inside.open()]);
}

pub(super) fn end(out: &mut Out, inside: Inside) {
    out.put(&[inside.close()]);
}

/// Whether there is nothing but JSON's white space.
pub(super) fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' ' | b'\n' | b'\t' | b'\r'))
}

/// That something is missing at this byte of a text, or that the text ends there.
pub(super) fn expected(text: &str, what: &'static str, at: usize) -> ReadError {
    if at < text.len() { Problem::Expected(what).at(at) } else { Problem::Ends(what).at(at) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_utf8_is_told_with_its_place_wherever_it_stands() {
        let text = "{\"a\":\"é🙂\"} ".repeat(12).into_bytes();
        for at in 0..text.len() {
            for wrong in
                [&b"\xff"[..], b"\x80", b"\xc3", b"\xe2\x82", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf5"]
            {
                let spoilt = [&text[..at], wrong, &text[at..]].concat();
                let plain = std::str::from_utf8(&spoilt).map_err(|error| error.valid_up_to());
                let error = plain.map_err(|at| Problem::Utf8.at(at));
                assert_eq!(utf8(&spoilt), error, "{wrong:x?} at {at}");
            }
            let cut = std::str::from_utf8(&text[..at]).map_err(|error| error.valid_up_to());
            assert_eq!(utf8(&text[..at]), cut.map_err(|at| Problem::Utf8.at(at)), "cut at {at}");
        }
    }
}
