//! Transports: what carries the frames of a connection, and the bytes that a frame is in each of them.
//!
//! A transport's bytes are a `Framing`: one file, and a line in the list of [`Transport`]. They are made once for all
//! receivers; whoever writes them knows nothing of what they mean. Reading and writing is the server's part.

mod event_stream;
pub mod long_poll;
mod websocket;

pub use crate::frame::Framed;
pub use event_stream::{CONTENT_TYPE, opening};

use crate::{close::Reason, dialect::Wire, format::Encoding, frame::Frame, list::listed};

listed! {
    /// What carries a connection's frames.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub enum Transport {
        /// RFC 6455.
        WebSocket,
        /// Requests that are answered when there is something to hear, and others that bring something; of dialects whose
        /// clients know them.
        LongPoll,
        /// Server-sent events down, HTTP requests up (HTML standard, 9.2).
        EventStream,
    }
}

/// How many ways there are to write one message: each wire over each transport.
pub const LANES: usize = Wire::ALL.len() * Transport::ALL.len();

/// A transport: the bytes of frames.
pub(crate) trait Framing {
    const PROFILE: Profile;

    /// A whole frame.
    fn frame(frame: Frame) -> Framed;
    /// What keeps the way open, and asks a peer that can answer for a sign of life.
    fn ping() -> Framed;
    /// The last thing that is said, and why: in a wire's format where the transport has none of its own.
    fn goodbye(format: Encoding, reason: &Reason) -> Framed;
}

/// What the rest of the gateway has to know of a transport.
#[derive(Debug, Clone, Copy)]
pub struct Profile {
    /// The word used in metrics, spans and for plugins.
    pub word: &'static str,
    /// OpenTelemetry's name of the protocol.
    pub protocol: &'static str,
    /// Whether its peers answer what is sent to them; else the pings of a dialect are of no use.
    pub answers: bool,
    /// Whether it carries frames that are no text.
    pub binary: bool,
    /// Whether the first frame has to be one of the dialect's own, because it hands over how to send something back.
    pub greets: bool,
    /// Whether each answer is a frame of its own, which clients have to know: only dialects that poll have words for it.
    pub polls: bool,
}

/// Does something in a transport, which is known by name inside.
macro_rules! over_transport {
    ($transport:expr, $name:ident => $does:expr) => {
        match $transport {
            Transport::WebSocket => {
                type $name = websocket::WebSocket;
                $does
            }
            Transport::LongPoll => {
                type $name = long_poll::LongPoll;
                $does
            }
            Transport::EventStream => {
                type $name = event_stream::EventStream;
                $does
            }
        }
    };
}

impl Transport {
    /// What there is to know of it beside its bytes.
    pub const fn profile(self) -> &'static Profile {
        over_transport!(self, T => &T::PROFILE)
    }

    /// The bytes of a whole frame.
    pub fn frame(self, frame: Frame) -> Framed {
        over_transport!(self, T => T::frame(frame))
    }

    /// The bytes of the transport's own ping.
    pub fn ping(self) -> Framed {
        over_transport!(self, T => T::ping())
    }

    /// The bytes of its last words.
    pub fn goodbye(self, format: Encoding, reason: &Reason) -> Framed {
        over_transport!(self, T => T::goodbye(format, reason))
    }

    /// The place of a wire over this transport, below [`LANES`]: for keeping what is the same for all who have both.
    pub fn lane(self, wire: Wire) -> usize {
        self as usize * Wire::ALL.len() + wire.index()
    }

    /// Whether it can carry this wire.
    pub fn carries(self, wire: Wire) -> bool {
        let Profile { binary, greets, polls, .. } = self.profile();
        let dialect = wire.dialect.profile();
        let texts = dialect.is_read() && wire.format.is_text();
        (*binary || texts) && (!greets || dialect.greets) && (!polls || dialect.polls)
    }
}

#[cfg(test)]
mod tests;
