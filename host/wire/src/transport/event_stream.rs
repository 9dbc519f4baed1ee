//! Server-sent events, as a server writes them (HTML standard, 9.2.5 and 9.2.6).
//!
//! Each frame is one event without a type: a `data:` line for each of its lines. A reader puts a line feed between them,
//! whatever ended the line here. Between tokens that is as good as any other; inside of a string of EDN a carriage return
//! is written as an escape.

use super::{Framed, Framing, Profile};
use crate::{close::Reason, format::Encoding, frame::Frame};
use bytes::Bytes;
use std::borrow::Cow;

/// The media type of an event stream.
pub const CONTENT_TYPE: &str = "text/event-stream";

/// A client that lost its stream comes back after so many milliseconds, unless it knows better: browsers take three to five
/// seconds by themselves.
const RETRY_MS: u32 = 1000;

pub(crate) struct EventStream;

impl Framing for EventStream {
    const PROFILE: Profile = Profile {
        word: "event-stream",
        protocol: "http",
        answers: false,
        binary: false,
        greets: true,
        polls: false,
    };

    fn frame(frame: Frame) -> Framed {
        Framed::whole(event("", &frame.body).into())
    }

    /// A comment: readers skip it, and what lies between sees that the stream lives.
    fn ping() -> Framed {
        Framed::whole(Bytes::from_static(b":\n\n"))
    }

    /// An event of the type `close`, which those who do not ask for it never see.
    fn goodbye(format: Encoding, reason: &Reason) -> Framed {
        let (code, word) = (reason.code(), reason.word());
        let data = match format {
            Encoding::Edn => format!("{{:code {code}, :reason \"{word}\"}}"),
            _ => format!("{{\"code\":{code},\"reason\":\"{word}\"}}"),
        };
        Framed::whole(event("event: close\n", data.as_bytes()).into())
    }
}

/// The first event of a stream: its id is the session's secret, which a reader names when it comes back.
pub fn opening(frame: &Frame, secret: &str) -> Framed {
    Framed::whole(event(&format!("retry: {RETRY_MS}\nid: {secret}\n"), &frame.body).into())
}

/// An event with these fields before its data.
fn event(fields: &str, data: &[u8]) -> Vec<u8> {
    let data = without_returns(data);
    let mut event = Vec::with_capacity(fields.len() + data.len() + 8);
    event.extend_from_slice(fields.as_bytes());
    for line in data.split(|byte| *byte == b'\n') {
        event.extend_from_slice(b"data: ");
        event.extend_from_slice(line);
        event.push(b'\n');
    }
    event.push(b'\n');
    event
}

/// Where a byte of JSON or EDN stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    Tokens,
    Text,
    Comment,
    /// Behind a backslash: a character that ends nothing.
    EscapeInTokens,
    EscapeInText,
}

/// The same value without a carriage return. Hardly anybody sends one.
fn without_returns(data: &[u8]) -> Cow<'_, [u8]> {
    if !data.contains(&b'\r') {
        return Cow::Borrowed(data);
    }
    let mut within = Within::Tokens;
    let mut out = Vec::with_capacity(data.len() + 8);
    for byte in data {
        match (within, byte) {
            (Within::Text, b'\r') => out.extend_from_slice(b"\\r"),
            (_, b'\r') => out.push(b'\n'),
            (_, byte) => out.push(*byte),
        }
        within = match (within, byte) {
            (Within::Tokens, b'"') | (Within::EscapeInText, _) => Within::Text,
            (Within::Tokens, b'\\') => Within::EscapeInTokens,
            (Within::Text, b'\\') => Within::EscapeInText,
            (Within::Tokens, b';') => Within::Comment,
            (Within::Text, b'"') | (Within::EscapeInTokens, _) => Within::Tokens,
            (Within::Comment, b'\n' | b'\r') => Within::Tokens,
            (within, _) => within,
        };
    }
    Cow::Owned(out)
}
