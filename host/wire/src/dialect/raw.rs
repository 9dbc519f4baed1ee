//! Raw frames: each is an event, and nothing in it is read.

use super::{
    Arrived, Callback, Handshake, Inbound, Malformed, Profile, Publication, Question, Subprotocol,
    grammar::Grammar,
};
use crate::{
    fault::{Fault, FaultId},
    format::Encoding,
    frame::Frame,
    id::EventId,
    payload::Payload,
    trace::TraceContext,
};
use std::sync::LazyLock;

static RAW_TEXT: LazyLock<EventId> = LazyLock::new(|| EventId::new("raw/text"));
static RAW_BINARY: LazyLock<EventId> = LazyLock::new(|| EventId::new("raw/binary"));

pub(super) struct Raw;

impl Grammar for Raw {
    const PROFILE: Profile = Profile {
        word: "raw",
        formats: &[Encoding::Text],
        offered: &[],
        subprotocol: Subprotocol::Named,
        greets: false,
        tells: false,
        pings: false,
        polls: false,
        pulse: None,
        client_id: None,
        silence: None,
    };

    fn decode(_: Encoding, frame: &Frame) -> Result<Inbound, Box<Malformed>> {
        let (id, encoding) =
            if frame.text { (&RAW_TEXT, Encoding::Text) } else { (&RAW_BINARY, Encoding::Binary) };
        Ok(Inbound::Event(Arrived {
            id: EventId::clone(id),
            payload: Payload::checked(encoding, frame.body.clone()),
            callback: None,
            traceparent: None,
            tracestate: None,
        }))
    }

    fn handshake(_: Encoding, _: &Handshake<'_>) -> Option<Frame> {
        None
    }

    fn push(
        _: Encoding,
        _: &EventId,
        content: &Payload,
        _: Option<&TraceContext>,
    ) -> Result<Frame, Fault> {
        as_it_is(content)
    }

    fn publication(
        _: Encoding,
        what: &Publication<'_>,
        _: Option<&TraceContext>,
    ) -> Result<Frame, Fault> {
        as_it_is(what.content)
    }

    fn ask(_: Encoding, _: &Question<'_>, _: Option<&TraceContext>) -> Result<Frame, Fault> {
        let why = "a client of a raw endpoint cannot be asked: its messages name nothing that they answer";
        Err(Fault::new(FaultId::Unsupported, why))
    }

    fn reply(
        _: Encoding,
        _: (&str, &Callback),
        content: &Payload,
        _: Option<&TraceContext>,
    ) -> Result<Frame, Fault> {
        as_it_is(content)
    }

    fn error(_: Encoding, _: &Fault, _: Option<&str>, _: Option<&Callback>) -> Vec<Frame> {
        Vec::new()
    }

    fn ping(_: Encoding) -> Option<Frame> {
        None
    }

    fn pong(_: Encoding, _: Option<&Callback>) -> Option<Frame> {
        None
    }
}

/// A payload as a frame: text where its encoding is text, else binary.
fn as_it_is(content: &Payload) -> Result<Frame, Fault> {
    let text = content.encoding.is_text();
    if text && !content.is_checked() && std::str::from_utf8(&content.body).is_err() {
        let why = format!(
            "the payload is not `{}`: not UTF-8; send bytes as `binary`",
            content.encoding.word()
        );
        return Err(Fault::new(FaultId::Malformed, why));
    }
    Ok(Frame { text, body: content.body.clone() })
}
