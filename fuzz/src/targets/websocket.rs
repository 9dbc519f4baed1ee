//! WebSocket frames: the same messages however their bytes are cut, and those that another reader makes of them.

use super::choice;
use std::io::{self, Read, Write};
use tengen_wire::{
    payload::Frame,
    websocket::{Reader, Received, Violation},
};
use tungstenite::{
    Error, Message, WebSocket,
    protocol::{Role, WebSocketConfig},
};

/// The longest message.
const MAX: usize = 1000;

/// The first byte says how the others are cut.
pub fn websocket(data: &[u8]) {
    let Some((first, bytes)) = choice(data) else { return };
    let whole = ours(bytes, usize::MAX);
    assert_eq!(ours(bytes, first + 1), whole, "cut into pieces it is something else");
    let (received, violation) = whole;
    let (messages, closed) = messages(received);
    let (theirs, error) = theirs(bytes);
    match violation {
        // They take a control frame whose length is written in more bytes than it needs (RFC 6455 section 5.2).
        Some(Violation::Protocol) => assert!(theirs.starts_with(&messages)),
        _ => assert_eq!(messages, theirs),
    }
    // They may see less of what is wrong with a frame that is cut off, and nothing after a close.
    assert!(!error || violation.is_some() || closed, "only they refuse it");
}

fn ours(bytes: &[u8], piece: usize) -> (Vec<Received>, Option<Violation>) {
    let mut reader = Reader::new(MAX);
    let mut all = Vec::new();
    for piece in bytes.chunks(piece) {
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

/// The messages up to a close, and whether there was one.
fn messages(received: Vec<Received>) -> (Vec<Frame>, bool) {
    let mut messages = Vec::new();
    for received in received {
        match received {
            Received::Message(frame) => {
                assert!(frame.body.len() <= MAX, "{} bytes", frame.body.len());
                assert!(!frame.text || std::str::from_utf8(&frame.body).is_ok());
                messages.push(frame);
            }
            Received::Ping(payload) => assert!(payload.len() <= 125),
            Received::Pong => {}
            Received::Close(_) => return (messages, true),
        }
    }
    (messages, false)
}

/// What tungstenite makes of the bytes: messages, and whether it refused something.
fn theirs(bytes: &[u8]) -> (Vec<Frame>, bool) {
    let limits = WebSocketConfig::default().max_message_size(Some(MAX)).max_frame_size(Some(MAX));
    let mut socket = WebSocket::from_raw_socket(Peer(bytes), Role::Server, Some(limits));
    let mut messages = Vec::new();
    loop {
        match socket.read() {
            Ok(Message::Text(text)) => messages.push(Frame { text: true, body: text.into() }),
            Ok(Message::Binary(body)) => messages.push(Frame { text: false, body }),
            Ok(Message::Close(_)) => return (messages, false),
            Ok(_) => {}
            Err(Error::Io(_)) => return (messages, false),
            Err(_) => return (messages, true),
        }
    }
}

/// Says what it has to say, and hears nothing.
struct Peer<'a>(&'a [u8]);

impl Read for Peer<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.0.read(into) {
            Ok(0) => Err(io::ErrorKind::WouldBlock.into()),
            read => read,
        }
    }
}

impl Write for Peer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
