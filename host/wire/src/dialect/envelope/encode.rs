//! Frames for peers: put together once, in a buffer of exactly their length.

use super::{
    super::{Publication, Publisher, Question, Session},
    Callback, Envelope, Handshake,
};
use crate::{
    fault::{Fault, FaultId},
    format::{
        Format,
        writer::{Writer, framed},
    },
    frame::Frame,
    id::EventId,
    payload::{Payload, embeddable},
    trace::TraceContext,
};

/// `meta`, if there is anything to say in it.
struct Meta<'a> {
    traceparent: String,
    tracestate: Option<&'a str>,
}

impl<'a> Meta<'a> {
    fn of<D: Envelope>(context: Option<&'a TraceContext>) -> Option<Self> {
        let context = context.filter(|_| D::HAS_META)?;
        Some(Self { traceparent: context.traceparent(), tracestate: context.state.as_deref() })
    }

    fn write<F: Format>(&self, frame: &mut Writer<'_, F>) {
        frame.map(1 + usize::from(self.tracestate.is_some()), |meta| {
            meta.key("traceparent").string(&self.traceparent);
            if let Some(state) = self.tracestate {
                meta.key("tracestate").string(state);
            }
        });
    }
}

/// A frame of two elements and, where there is one, `meta`.
fn with_meta<F: Format>(meta: Option<&Meta<'_>>, elements: impl Fn(&mut Writer<'_, F>)) -> Frame {
    framed(|frame| {
        frame.vector(2 + usize::from(meta.is_some()), |frame| {
            elements(frame);
            if let Some(meta) = meta {
                meta.write(frame);
            }
        });
    })
}

/// A batch of one event, which `event` writes: two elements.
fn batch<F: Format>(frame: &mut Writer<'_, F>, event: impl FnOnce(&mut Writer<'_, F>)) {
    frame.vector(1, |batch| batch.vector(2, event));
    frame.nil();
}

pub(super) fn handshake<D: Envelope, F: Format>(handshake: &Handshake<'_>) -> Frame {
    let Handshake { user, connection, node, ping, max_bytes, version, welcome, session, .. } =
        handshake;
    let connection = connection.to_string();
    let ping = u64::try_from(ping.as_millis()).unwrap_or(u64::MAX);
    let welcome = welcome.and_then(|welcome| embeddable(welcome, F::ENCODING).ok());
    let of_session = session.map_or(0, |session| 1 + usize::from(session.recovered.is_some()));
    let more = usize::from(welcome.is_some()) + of_session;
    let info = |info: &mut Writer<'_, F>| {
        info.key("connection").string(&connection);
        info.key("node").string(node);
        info.key("ping-ms").number(ping);
        info.key("max-bytes").number(*max_bytes as u64);
        info.key("version").string(version);
        if let Some(welcome) = &welcome {
            info.key("welcome").value(welcome);
        }
        if let Some(Session { secret, recovered }) = session {
            info.key("session").string(secret);
            if let Some(recovered) = recovered {
                info.key("recovered").boolean(*recovered);
            }
        }
    };
    framed::<F>(|frame| {
        frame.vector(2, |frame| {
            frame.vector(2, |event| {
                event.name("chsk/handshake");
                event.vector(3, |data| {
                    match user {
                        Some(user) => data.string(user),
                        None => D::nobody(data),
                    }
                    data.nil();
                    data.map(5 + more, info);
                });
            });
            frame.nil();
        });
    })
}

pub(super) fn push<D: Envelope, F: Format>(
    id: &EventId,
    content: &Payload,
    context: Option<&TraceContext>,
) -> Result<Frame, Fault> {
    let data = embeddable(content, F::ENCODING)?;
    nameable::<F>(id)?;
    let meta = Meta::of::<D>(context);
    Ok(with_meta::<F>(meta.as_ref(), |frame| {
        batch(frame, |event| {
            event.name(id);
            event.value(&data);
        });
    }))
}

/// Whether an event id can be said in this format.
pub(in super::super) fn nameable<F: Format>(id: &EventId) -> Result<(), Fault> {
    if F::is_name(id) {
        return Ok(());
    }
    let why = format!("event id `{id}` is {}", F::NOTATION.name);
    Err(Fault::new(FaultId::Unsupported, why))
}

pub(super) fn publication<D: Envelope, F: Format>(
    what: &Publication<'_>,
    context: Option<&TraceContext>,
) -> Result<Frame, Fault> {
    let data = embeddable(what.content, F::ENCODING)?;
    let meta = Meta::of::<D>(context);
    let prev = Some(what.prev).filter(|prev| prev.checked_add(1) != Some(what.offset));
    Ok(with_meta::<F>(meta.as_ref(), |frame| {
        batch(frame, |event| {
            event.name("tengen/publication");
            let more = usize::from(prev.is_some()) + usize::from(what.from.is_some());
            event.map(4 + more, |map| {
                map.key("channel").string(what.channel);
                map.key("id").name_or_string(what.id);
                map.key("data").value(&data);
                map.key("offset").number(what.offset);
                if let Some(prev) = prev {
                    map.key("prev").number(prev);
                }
                if let Some(from) = &what.from {
                    map.key("from");
                    publisher(map, from);
                }
            });
        });
    }))
}

fn publisher<F: Format>(frame: &mut Writer<'_, F>, from: &Publisher<'_>) {
    frame.map(2, |map| {
        map.key("user");
        match from.user {
            Some(user) => map.string(user),
            None => map.nil(),
        }
        map.key("connection").string(&from.connection.to_string());
    });
}

pub(super) fn ask<D: Envelope, F: Format>(
    what: &Question<'_>,
    context: Option<&TraceContext>,
) -> Result<Frame, Fault> {
    let data = embeddable(what.content, F::ENCODING)?;
    let meta = Meta::of::<D>(context);
    Ok(with_meta::<F>(meta.as_ref(), |frame| {
        batch(frame, |event| {
            event.name("tengen/ask");
            question(event, what, &data);
        });
    }))
}

/// What is asked: the data of `tengen/ask`.
pub(in super::super) fn question<F: Format>(
    frame: &mut Writer<'_, F>,
    what: &Question<'_>,
    data: &[u8],
) {
    frame.map(3, |map| {
        map.key("key").string(&what.key.to_string());
        map.key("event").vector(2, |event| {
            event.name_or_string(what.id);
            event.value(data);
        });
        let timeout = u64::try_from(what.timeout.as_millis()).unwrap_or(u64::MAX);
        map.key("timeout-ms").number(timeout);
    });
}

pub(super) fn reply<D: Envelope, F: Format>(
    callback: &Callback,
    content: &Payload,
    context: Option<&TraceContext>,
) -> Result<Frame, Fault> {
    let data = embeddable(content, F::ENCODING)?;
    let meta = Meta::of::<D>(context);
    Ok(with_meta::<F>(meta.as_ref(), |frame| {
        frame.value(&data);
        frame.value(&callback.0);
    }))
}

pub(super) fn error<D: Envelope, F: Format>(
    why: &Fault,
    event: Option<&str>,
    callback: Option<&Callback>,
) -> Vec<Frame> {
    match callback {
        Some(callback) => D::failed::<F>(why, event, callback),
        None => vec![pushed_error(|map: &mut Writer<'_, F>| fault(map, why, event, None))],
    }
}

/// The push of an error, whose map `map` writes.
pub(in super::super) fn pushed_error<F: Format>(map: impl Fn(&mut Writer<'_, F>)) -> Frame {
    with_meta::<F>(None, |frame| {
        batch(frame, |event| {
            event.name("tengen/error");
            map(event);
        });
    })
}

/// Why an event failed. `callback`: whose failure it is, where the map does not go to the callback itself.
pub(in super::super) fn fault<F: Format>(
    frame: &mut Writer<'_, F>,
    why: &Fault,
    event: Option<&str>,
    callback: Option<&Callback>,
) {
    let wait = why.retry_after.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
    let more = [wait.is_some(), event.is_some(), why.code.is_some(), callback.is_some()];
    let count = 2 + more.into_iter().filter(|there| *there).count();
    frame.map(count, |map| {
        map.key("id").string(why.id.word());
        map.key("message").string(&why.message);
        if let Some(wait) = wait {
            map.key("retry-after-ms").number(wait);
        }
        if let Some(event) = event {
            map.key("event").name_or_string(event);
        }
        if let Some(code) = &why.code {
            map.key("code").string(code);
        }
        if let Some(callback) = callback {
            map.key("callback").value(&callback.0);
        }
    });
}

pub(super) fn ping<F: Format>() -> Frame {
    framed::<F>(|frame| {
        frame.vector(2, |frame| {
            frame.name("chsk/ws-ping");
            frame.nil();
        });
    })
}

pub(super) fn pong<D: Envelope, F: Format>(callback: Option<&Callback>) -> Option<Frame> {
    if callback.is_none() && !D::ANSWERS_ALL_PINGS {
        return None;
    }
    Some(framed::<F>(|frame| {
        frame.vector(2, |frame| match callback {
            Some(callback) => {
                frame.string("pong");
                frame.value(&callback.0);
            }
            None => {
                frame.vector(1, |event| event.name("chsk/ws-pong"));
                frame.nil();
            }
        });
    }))
}
