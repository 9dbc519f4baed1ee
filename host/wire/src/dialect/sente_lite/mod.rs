//! The dialect of sente-lite's clients, wire version 2.0.0, which connect unmodified: `[event-id data]`, both ways.
//!
//! Its clients subscribe, unsubscribe and publish in words of their own, and are answered in them. Which channels are theirs says
//! the configuration. A client that may not publish hears `:tengen/error`, where sente-lite's own servers are silent.

mod channels;
mod read;

use super::{
    Arrived, Callback, Handshake, Inbound, Malformed, Profile, Publication, Pulse, Question,
    Session, Subprotocol,
    envelope::{self, fault},
    grammar::Grammar,
    request::{self, Asked, Request},
};
use crate::{
    fault::Fault,
    format::{
        Encoding, Format, in_format, no_format,
        writer::{Writer, framed},
    },
    frame::Frame,
    id::EventId,
    payload::{Payload, embeddable},
    trace::TraceContext,
};
use std::time::Duration;

/// What its clients look for in the handshake.
const VERSION: &str = "2.0.0";

pub(super) struct SenteLite;

impl Grammar for SenteLite {
    const PROFILE: Profile = Profile {
        word: "sente-lite",
        formats: &[Encoding::Edn, Encoding::Transit],
        offered: &[Encoding::Edn, Encoding::Transit],
        subprotocol: Subprotocol::Any,
        greets: true,
        tells: true,
        pings: true,
        polls: false,
        // Its own servers ping all at once so often. A client that was connected before has no answer to it, but for the pong of
        // WebSocket's own ping that follows.
        pulse: Some(Pulse {
            idle: Duration::from_secs(30),
            silence: Duration::from_secs(60),
            both_ways: false,
        }),
        client_id: None,
        silence: None,
    };

    fn decode(format: Encoding, frame: &Frame) -> Result<Inbound, Box<Malformed>> {
        in_format!(format, F => read::decode::<F>(frame), _ => {
            Err(Box::new(Malformed { why: no_format(format), event: None, callback: None }))
        })
    }

    fn asked(id: &str) -> Option<Asked> {
        channels::asked(id).or_else(|| Asked::of(id))
    }

    fn request(format: Encoding, asked: Asked, arrived: &Arrived) -> Result<Request, Fault> {
        if channels::asked(&arrived.id).is_none() {
            return request::read(format, asked, arrived);
        }
        in_format!(format, F => channels::request::<F>(asked, arrived), _ => Err(no_format(format)))
    }

    fn handshake(format: Encoding, handshake: &Handshake<'_>) -> Option<Frame> {
        in_format!(format, F => Some(self::handshake::<F>(handshake)), _ => None)
    }

    fn push(
        format: Encoding,
        id: &EventId,
        content: &Payload,
        _: Option<&TraceContext>,
    ) -> Result<Frame, Fault> {
        in_format!(format, F => push::<F>(id, content), _ => Err(no_format(format)))
    }

    fn publication(
        format: Encoding,
        what: &Publication<'_>,
        _: Option<&TraceContext>,
    ) -> Result<Frame, Fault> {
        in_format!(format, F => channels::message::<F>(what), _ => Err(no_format(format)))
    }

    fn ask(
        format: Encoding,
        what: &Question<'_>,
        _: Option<&TraceContext>,
    ) -> Result<Frame, Fault> {
        let data = embeddable(what.content, format)?;
        in_format!(format, F => Ok(two::<F>(|event| {
            event.name("tengen/ask");
            envelope::question(event, what, &data);
        })), _ => Err(no_format(format)))
    }

    /// Clients of sente-lite's own wait for that of a subscription alone. Whoever writes `[[event-id data] "callback"]` waits, too.
    fn reply(
        format: Encoding,
        (event, callback): (&str, &Callback),
        content: &Payload,
        _: Option<&TraceContext>,
    ) -> Result<Frame, Fault> {
        if channels::names_channel(event) {
            return in_format!(format, F => Ok(channels::subscribed::<F>(callback, None)), _ => Err(no_format(format)));
        }
        let data = embeddable(content, format)?;
        in_format!(format, F => Ok(two::<F>(|frame| {
            frame.value(&data);
            frame.value(&callback.0);
        })), _ => Err(no_format(format)))
    }

    fn error(
        format: Encoding,
        why: &Fault,
        event: Option<&str>,
        callback: Option<&Callback>,
    ) -> Vec<Frame> {
        in_format!(format, F => vec![error::<F>(why, event, callback)], _ => Vec::new())
    }

    fn ping(format: Encoding) -> Option<Frame> {
        in_format!(format, F => Some(word::<F>("chsk/ws-ping")), _ => None)
    }

    fn pong(format: Encoding, _: Option<&Callback>) -> Option<Frame> {
        in_format!(format, F => Some(word::<F>("chsk/ws-pong")), _ => None)
    }
}

/// A frame of one word.
fn word<F: Format>(id: &str) -> Frame {
    framed::<F>(|frame| frame.vector(1, |event| event.name(id)))
}

fn two<F: Format>(parts: impl Fn(&mut Writer<'_, F>)) -> Frame {
    framed::<F>(|frame| frame.vector(2, |frame| parts(frame)))
}

/// Four elements: who, no CSRF token, what there is to know, and that this is the first time, which it always is.
fn handshake<F: Format>(handshake: &Handshake<'_>) -> Frame {
    let connection = handshake.connection.to_string();
    let welcome = handshake.welcome.and_then(|welcome| embeddable(welcome, F::ENCODING).ok());
    let of_session = handshake
        .session
        .as_ref()
        .map_or(0, |session| 1 + usize::from(session.recovered.is_some()));
    let count = 2 + usize::from(welcome.is_some()) + of_session;
    two::<F>(|frame| {
        frame.name("chsk/handshake");
        frame.vector(4, |data| {
            // Its clients take it for a text. Who is nobody is at least this connection.
            data.string(handshake.user.map_or(&*connection, |user| user));
            match handshake.csrf {
                Some(token) => data.string(token),
                None => data.nil(),
            };
            data.map(count, |info| {
                info.key("sente-lite-version").string(VERSION);
                info.key("connection").string(&connection);
                if let Some(Session { secret, recovered }) = handshake.session {
                    info.key("session").string(secret);
                    if let Some(recovered) = recovered {
                        info.key("recovered").boolean(recovered);
                    }
                }
                if let Some(welcome) = &welcome {
                    info.key("welcome").value(welcome);
                }
            });
            data.boolean(true);
        });
    })
}

fn push<F: Format>(id: &EventId, content: &Payload) -> Result<Frame, Fault> {
    let data = embeddable(content, F::ENCODING)?;
    envelope::nameable::<F>(id)?;
    Ok(two::<F>(|event| {
        event.name(id);
        event.value(&data);
    }))
}

fn error<F: Format>(why: &Fault, event: Option<&str>, callback: Option<&Callback>) -> Frame {
    match (event, callback) {
        (Some(event), Some(channel)) if channels::names_channel(event) => {
            channels::subscribed::<F>(channel, Some((event, why)))
        }
        (_, Some(callback)) => two::<F>(|frame| {
            frame.map(1, |value| {
                value.key("tengen/error");
                fault(value, why, event, None);
            });
            frame.value(&callback.0);
        }),
        (_, None) => two::<F>(|frame| {
            frame.name("tengen/error");
            fault(frame, why, event, None);
        }),
    }
}
