//! The grammar that our dialect shares with Sente's: `[[event-id data] callback meta]`, Sente's from 1.21 on.

mod decode;
mod encode;
mod found;
mod read;

pub(super) use encode::{fault, nameable, pushed_error, question};
pub(super) use found::Found;
pub(super) use read::CALLBACK_MAX;

use super::{
    Callback, Handshake, Inbound, Malformed, Profile, Publication, Question, grammar::Grammar,
};
use crate::{
    fault::Fault,
    format::{Encoding, Format, in_format, no_format, writer::Writer},
    frame::Frame,
    id::EventId,
    payload::Payload,
    trace::TraceContext,
};

/// A dialect with this grammar: in what it differs from the others.
pub(super) trait Envelope {
    const PROFILE: Profile;
    /// Whether the trace's context travels in the third element, a map.
    const HAS_META: bool;
    /// Whether a sign may stand before a frame, as in Sente up to 1.17: `+` wrapped as ever since, `-` the event alone.
    const HAS_SIGNS: bool;
    /// Callbacks that are no strings: what Sente's clients write where the answer is an HTTP response.
    const CALLBACKS: &'static [&'static [u8]];
    /// Whether a ping without a callback is answered, too.
    const ANSWERS_ALL_PINGS: bool;

    /// In the handshake: who has no user.
    fn nobody<F: Format>(frame: &mut Writer<'_, F>);

    /// The answer to the callback of an event that failed.
    fn failed<F: Format>(why: &Fault, event: Option<&str>, callback: &Callback) -> Vec<Frame>;
}

impl<D: Envelope> Grammar for D {
    const PROFILE: Profile = D::PROFILE;

    fn decode(format: Encoding, frame: &Frame) -> Result<Inbound, Box<Malformed>> {
        in_format!(format, F => decode::decode::<D, F>(frame), _ => {
            Err(Box::new(Malformed { why: no_format(format), event: None, callback: None }))
        })
    }

    fn handshake(format: Encoding, handshake: &Handshake<'_>) -> Option<Frame> {
        in_format!(format, F => Some(encode::handshake::<D, F>(handshake)), _ => None)
    }

    fn push(
        format: Encoding,
        id: &EventId,
        content: &Payload,
        context: Option<&TraceContext>,
    ) -> Result<Frame, Fault> {
        in_format!(format, F => encode::push::<D, F>(id, content, context), _ => Err(no_format(format)))
    }

    fn publication(
        format: Encoding,
        what: &Publication<'_>,
        context: Option<&TraceContext>,
    ) -> Result<Frame, Fault> {
        in_format!(format, F => encode::publication::<D, F>(what, context), _ => Err(no_format(format)))
    }

    fn ask(
        format: Encoding,
        what: &Question<'_>,
        context: Option<&TraceContext>,
    ) -> Result<Frame, Fault> {
        in_format!(format, F => encode::ask::<D, F>(what, context), _ => Err(no_format(format)))
    }

    fn reply(
        format: Encoding,
        (_, callback): (&str, &Callback),
        content: &Payload,
        context: Option<&TraceContext>,
    ) -> Result<Frame, Fault> {
        in_format!(format, F => encode::reply::<D, F>(callback, content, context), _ => Err(no_format(format)))
    }

    fn error(
        format: Encoding,
        why: &Fault,
        event: Option<&str>,
        callback: Option<&Callback>,
    ) -> Vec<Frame> {
        in_format!(format, F => encode::error::<D, F>(why, event, callback), _ => Vec::new())
    }

    fn ping(format: Encoding) -> Option<Frame> {
        in_format!(format, F => Some(encode::ping::<F>()), _ => None)
    }

    fn pong(format: Encoding, callback: Option<&Callback>) -> Option<Frame> {
        in_format!(format, F => encode::pong::<D, F>(callback), _ => None)
    }
}
