//! WebSocket framing (RFC 6455 section 5), the server's side: bytes in, messages out, and the headers of what goes back.
//!
//! A plain state machine. It holds no buffer between messages: an idle connection costs nothing here, and a large
//! message costs its bytes until the last who uses it lets go.

mod header;
mod reader;

#[cfg(test)]
mod tests;

pub use header::{Opcode, close_payload, framed};
pub use reader::{Reader, Unfinished};

use crate::{close::Reason, frame::Frame};
use bytes::Bytes;

/// What a peer sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// A whole message, put together if it came in fragments.
    Message(Frame),
    /// To be answered by a pong with the same bytes, at most 125 (section 5.5.2).
    Ping(Bytes),
    Pong,
    /// The peer closes, with this code; 1005 when it named none (section 7.1.5).
    Close(u16),
}

/// What a peer did wrong. Nothing that follows it can be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// The frames themselves are wrong.
    Protocol,
    /// A message over the limit, known from its header already.
    TooLarge,
    /// Text or a close reason that is not UTF-8 (section 8.1).
    NotUtf8,
}

impl From<Violation> for Reason {
    fn from(violation: Violation) -> Self {
        match violation {
            Violation::Protocol => Self::Protocol,
            Violation::TooLarge => Self::TooLarge,
            Violation::NotUtf8 => Self::NotUtf8,
        }
    }
}
