//! Dialects: what frames look like that carry events, replies and the gateway's own words.
//!
//! A dialect is a `Grammar`: one file, and a line in the list of [`Dialect`]. Ours and Sente's share the grammar that Sente
//! has from 1.21 on, `[[event-id data] callback meta]` (`envelope`). A frame is decoded as far as routing needs it; the
//! payload stays the bytes that came in.

mod answer;
mod envelope;
mod fields;
mod frames;
mod grammar;
mod raw;
mod request;
mod sente;
mod sente_lite;
mod tengen;
mod wire;

#[cfg(test)]
mod tests;

pub use answer::Answer;
pub use frames::{
    Arrived, Callback, Handshake, Inbound, Malformed, Publication, Publisher, Question, Session,
};
pub use grammar::{Profile, Pulse, Subprotocol};
pub use request::{Asked, Publish, Request};
pub use wire::Wire;

use crate::{
    fault::Fault, frame::Frame, id::EventId, list::listed, payload::Payload, trace::TraceContext,
};
use grammar::Grammar;
use std::sync::OnceLock;

listed! {
    /// What the peers of an endpoint speak.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub enum Dialect {
        /// `tengen.v1`, chosen by subprotocol.
        Tengen,
        /// Sente 1.17 to 1.22.
        Sente,
        /// sente-lite, wire version 2.0.0.
        SenteLite,
        /// Each frame is an event `raw/text` or `raw/binary`; pushes leave as they are.
        Raw,
    }
}

/// Does something in a dialect, which is known by name inside.
macro_rules! in_dialect {
    ($dialect:expr, $name:ident => $does:expr) => {
        match $dialect {
            Dialect::Tengen => {
                type $name = tengen::Tengen;
                $does
            }
            Dialect::Sente => {
                type $name = sente::Sente;
                $does
            }
            Dialect::SenteLite => {
                type $name = sente_lite::SenteLite;
                $does
            }
            Dialect::Raw => {
                type $name = raw::Raw;
                $does
            }
        }
    };
}

impl Dialect {
    /// The word used in configuration, metrics and for plugins.
    pub const fn word(self) -> &'static str {
        self.profile().word
    }

    /// What there is to know of it beside its frames.
    pub const fn profile(self) -> &'static Profile {
        in_dialect!(self, D => &D::PROFILE)
    }
}

/// Reads one frame.
///
/// The whole of it is checked, so that its payload may stand in other frames of the same format as it is.
pub fn decode(wire: Wire, frame: &Frame) -> Result<Inbound, Box<Malformed>> {
    in_dialect!(wire.dialect, D => D::decode(wire.format, frame))
}

/// What an event asks of the gateway itself; none: it is for plugins.
pub fn asked(dialect: Dialect, id: &str) -> Option<Asked> {
    in_dialect!(dialect, D => D::asked(id))
}

/// Reads what is asked of the gateway itself.
///
/// Err: `malformed`, or what this version does not offer.
pub fn request(wire: Wire, asked: Asked, arrived: &Arrived) -> Result<Request, Fault> {
    in_dialect!(wire.dialect, D => D::request(wire.format, asked, arrived))
}

/// The first frame; raw endpoints have none.
///
/// A `welcome` that cannot be written in this format is left out.
pub fn handshake(wire: Wire, handshake: &Handshake<'_>) -> Option<Frame> {
    in_dialect!(wire.dialect, D => D::handshake(wire.format, handshake))
}

/// A batch of one event. `context` travels as `meta.traceparent` in our dialect.
///
/// Err: `malformed` when the content is not what its encoding says (a plugin's mistake must not break the frame),
/// `unsupported` when the wire's format cannot hold it or has no way to write the id.
pub fn push(
    wire: Wire,
    id: &EventId,
    content: &Payload,
    context: Option<&TraceContext>,
) -> Result<Frame, Fault> {
    in_dialect!(wire.dialect, D => D::push(wire.format, id, content, context))
}

/// `tengen/publication` with its data; the content alone on raw endpoints.
pub fn publication(
    wire: Wire,
    what: &Publication<'_>,
    context: Option<&TraceContext>,
) -> Result<Frame, Fault> {
    in_dialect!(wire.dialect, D => D::publication(wire.format, what, context))
}

/// `tengen/ask` with its event. Err: as [`push`], and `unsupported` on raw endpoints, whose frames have no answers.
pub fn ask(
    wire: Wire,
    what: &Question<'_>,
    context: Option<&TraceContext>,
) -> Result<Frame, Fault> {
    in_dialect!(wire.dialect, D => D::ask(wire.format, what, context))
}

/// `[value callback meta]`; the content alone on raw endpoints, whose frames have no callback. `event`: what is answered.
pub fn reply(
    wire: Wire,
    event: &str,
    callback: &Callback,
    content: &Payload,
    context: Option<&TraceContext>,
) -> Result<Frame, Fault> {
    in_dialect!(wire.dialect, D => D::reply(wire.format, (event, callback), content, context))
}

/// The answer to an event that failed: to its callback, or pushed as `tengen/error`. Raw endpoints have none.
pub fn error(
    wire: Wire,
    why: &Fault,
    event: Option<&str>,
    callback: Option<&Callback>,
) -> Vec<Frame> {
    in_dialect!(wire.dialect, D => D::error(wire.format, why, event, callback))
}

/// Frames that are always the same: each wire's is made once.
type Fixed = [OnceLock<Option<Frame>>; Wire::ALL.len()];

fn fixed(frames: &'static Fixed, wire: Wire, make: fn(Wire) -> Option<Frame>) -> Option<Frame> {
    frames.get(wire.index())?.get_or_init(|| make(wire)).clone()
}

/// The gateway's ping; raw endpoints use WebSocket's own.
pub fn ping(wire: Wire) -> Option<Frame> {
    static PINGS: Fixed = [const { OnceLock::new() }; Wire::ALL.len()];
    fixed(&PINGS, wire, |wire| in_dialect!(wire.dialect, D => D::ping(wire.format)))
}

/// The answer to a ping. Sente's clients up to 1.17 send pings without a callback and want no answer.
pub fn pong(wire: Wire, callback: Option<&Callback>) -> Option<Frame> {
    static PONGS: Fixed = [const { OnceLock::new() }; Wire::ALL.len()];
    if callback.is_none() {
        return fixed(
            &PONGS,
            wire,
            |wire| in_dialect!(wire.dialect, D => D::pong(wire.format, None)),
        );
    }
    in_dialect!(wire.dialect, D => D::pong(wire.format, callback))
}
