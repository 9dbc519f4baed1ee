//! Frames from peers: routed by their outermost two levels, checked in full, and never built.

use super::{Arrived, Callback, Dialect, Inbound, Malformed, Wire};
use crate::{
    format::{
        self, edn,
        error::{Problem, ReadError},
        json,
        walk::Walk,
    },
    fault::{Fault, FaultId},
    id::{EVENT_ID_MAX, EventId, is_event_id},
    payload::{Encoding, Frame, Payload},
};
use bytes::Bytes;
use std::{borrow::Cow, ops::Range, sync::LazyLock};

/// The longest callback, in bytes between its quotes.
const CALLBACK_MAX: usize = 64;
/// The longest `traceparent` and `tracestate` that are looked at: what W3C Trace Context asks for, and room to grow.
const TRACEPARENT_MAX: usize = 128;
const TRACESTATE_MAX: usize = 512;

static RAW_TEXT: LazyLock<EventId> = LazyLock::new(|| EventId::new("raw/text"));
static RAW_BINARY: LazyLock<EventId> = LazyLock::new(|| EventId::new("raw/binary"));

/// Reads one frame.
///
/// The whole of it is checked, so that its payload may stand in other frames of the same format as it is.
pub fn decode(wire: Wire, frame: &Frame) -> Result<Inbound, Box<Malformed>> {
    if wire.dialect == Dialect::Raw {
        return Ok(Inbound::Event(raw(frame)));
    }
    if matches!(wire.format, Encoding::Transit | Encoding::Msgpack) {
        return refuse(format::no_codec(wire.format));
    }
    let Some(text) = std::str::from_utf8(&frame.body).ok().filter(|_| frame.text) else {
        return Err(wrong_kind(wire, frame));
    };
    let mut found = Found::new(wire);
    let read = found.read_as(text);
    match found.mistake.take().or(read.err()) {
        None => found.inbound(&frame.body),
        Some(error) => Err(found.malformed(Fault::new(FaultId::Malformed, error.to_string()))),
    }
}

/// What to say of bytes that are no text. They are looked at nevertheless: somebody may wait for an answer.
fn wrong_kind(wire: Wire, frame: &Frame) -> Box<Malformed> {
    let why = match std::str::from_utf8(&frame.body) {
        Err(error) if frame.text => {
            let at = error.valid_up_to();
            Fault::new(FaultId::Malformed, format!("byte {at}: not UTF-8"))
        }
        _ => {
            let format = wire.format.word();
            let why = format!("a binary frame where `{format}` is spoken: send text frames");
            Fault::new(FaultId::Unsupported, why)
        }
    };
    let text = String::from_utf8_lossy(&frame.body);
    let mut found = Found::new(wire);
    let _broken = found.read_as(&text);
    // A callback in which a byte was replaced is not the sender's.
    let is_sent = |callback: &Callback| {
        !String::from_utf8_lossy(&callback.0).contains(char::REPLACEMENT_CHARACTER)
    };
    found.callback = found.callback.filter(is_sent);
    found.malformed(why)
}

fn raw(frame: &Frame) -> Arrived {
    let (id, encoding) =
        if frame.text { (&RAW_TEXT, Encoding::Text) } else { (&RAW_BINARY, Encoding::Binary) };
    Arrived {
        id: EventId::clone(id),
        payload: Payload::checked(encoding, frame.body.clone()),
        callback: None,
        traceparent: None,
        tracestate: None,
    }
}

fn refuse<T>(why: Fault) -> Result<T, Box<Malformed>> {
    Err(Box::new(Malformed { why, event: None, callback: None }))
}

/// What was found in a frame so far.
struct Found<'a> {
    wire: Wire,
    id: Option<Cow<'a, str>>,
    payload: Option<Range<usize>>,
    callback: Option<Callback>,
    traceparent: Option<String>,
    tracestate: Option<String>,
    /// The first thing that is wrong with a frame whose grammar is right: read on, for the callback comes later.
    complaint: Option<Fault>,
    /// The first mistake in its grammar that was passed over, for the same reason.
    mistake: Option<ReadError>,
    /// Half of a surrogate pair stands in some string.
    halved: bool,
}

impl<'a> Found<'a> {
    fn new(wire: Wire) -> Self {
        Self {
            wire,
            id: None,
            payload: None,
            callback: None,
            traceparent: None,
            tracestate: None,
            complaint: None,
            mistake: None,
            halved: false,
        }
    }

    fn inbound(mut self, body: &Bytes) -> Result<Inbound, Box<Malformed>> {
        if let Some(complaint) = self.complaint.take() {
            return Err(self.malformed(complaint));
        }
        let id = self.id.as_deref().unwrap_or_default();
        match id {
            "chsk/ws-ping" => return Ok(Inbound::Ping(self.callback)),
            "chsk/ws-pong" => return Ok(Inbound::Pong),
            _ if id.starts_with("chsk/") => {
                let why = format!(
                    "`{}` is the gateway's own: name the event in a namespace of yours",
                    short(id)
                );
                return Err(self.malformed(Fault::new(FaultId::NotAllowed, why)));
            }
            _ => {}
        }
        let payload = match self.payload {
            Some(span) => {
                let value = body.slice(span);
                let value = if self.halved { format::whole(&value) } else { value };
                Payload::checked(self.wire.format, value)
            }
            None => Payload::nil(self.wire.format),
        };
        Ok(Inbound::Event(Arrived {
            id: EventId::new(id),
            payload,
            callback: self.callback,
            traceparent: self.traceparent,
            tracestate: self.tracestate,
        }))
    }

    fn malformed(self, why: Fault) -> Box<Malformed> {
        let event = self.id.map(|id| short(&id).to_owned());
        Box::new(Malformed { why, event, callback: self.callback })
    }

    fn complain(&mut self, at: usize, why: &str) {
        let fault = || Fault::new(FaultId::Malformed, format!("byte {at}: {why}"));
        self.complaint.get_or_insert_with(fault);
    }

    /// Picks what the peer's format calls it.
    fn word(&self, json: &'static str, edn: &'static str) -> &'static str {
        if self.wire.format == Encoding::Json { json } else { edn }
    }

    fn read_as(&mut self, text: &'a str) -> Result<(), ReadError> {
        match self.wire.format {
            Encoding::Json => self.read::<json::Parser<'_>>(text),
            _ => self.read::<edn::Parser<'_>>(text),
        }
    }

    fn read<W: Walk<'a>>(&mut self, text: &'a str) -> Result<(), ReadError> {
        // Sente up to 1.17 puts a sign before each frame: `+` wrapped as ever since, `-` the event alone.
        let (start, wrapped) = match text.as_bytes().first() {
            Some(b'+') if self.wire.dialect == Dialect::Sente => (1, true),
            Some(b'-') if self.wire.dialect == Dialect::Sente => (1, false),
            _ => (0, true),
        };
        let mut walk = W::new(text, start);
        if wrapped {
            self.frame(&mut walk, text)?;
        } else {
            self.event(&mut walk)?;
        }
        self.halved |= walk.is_halved();
        walk.end()
    }

    fn frame<W: Walk<'a>>(&mut self, walk: &mut W, text: &'a str) -> Result<(), ReadError> {
        let at = walk.at()?;
        if !walk.enter_vector()? {
            let what = self.word(
                "a frame such as `[[\"ns/name\", data], callback]`",
                "a frame such as `[[:ns/name data] callback]`",
            );
            let problem =
                if at < text.len() { Problem::Expected(what) } else { Problem::Ends(what) };
            return Err(problem.at(at));
        }
        let mut place = 0;
        while self.more(walk, place)? {
            match place {
                0 => self.some_event(walk, text)?,
                1 => self.callback(walk, text)?,
                2 if self.wire.dialect == Dialect::Tengen => self.meta(walk, text)?,
                _ => {
                    let extra = walk.skip()?;
                    self.complain(extra.start, "the frame has too many elements: an event, a callback and, in `tengen.v1`, a meta map");
                }
            }
            place += 1;
        }
        if place == 0 {
            self.complain(at, "the frame is empty: its first element is the event");
        }
        Ok(())
    }

    /// Whether the frame has another element. A callback is read although nothing parts it from its event.
    fn more<W: Walk<'a>>(&mut self, walk: &mut W, place: usize) -> Result<bool, ReadError> {
        match walk.more(b']', place == 0) {
            Err(error) if place == 1 => {
                self.mistake.get_or_insert(error);
                Ok(true)
            }
            more => more,
        }
    }

    /// The event; or what stands in its place and cannot be read. Whoever waits for an answer to it shall have one, so it
    /// is passed over if its brackets say where it ends.
    fn some_event<W: Walk<'a>>(&mut self, walk: &mut W, text: &'a str) -> Result<(), ReadError> {
        let at = walk.at()?;
        let Err(error) = self.event(walk) else { return Ok(()) };
        let Some(end) = W::end_of(text, at) else { return Err(error) };
        self.mistake.get_or_insert(error);
        *walk = W::new(text, end);
        Ok(())
    }

    /// `[id]`, `[id data]`, or the bare name of a ping or pong.
    fn event<W: Walk<'a>>(&mut self, walk: &mut W) -> Result<(), ReadError> {
        let at = walk.at()?;
        if !walk.enter_vector()? {
            self.id = walk.name()?;
            match self.id.as_deref() {
                Some("chsk/ws-ping" | "chsk/ws-pong") => return Ok(()),
                Some(_) => {}
                None => {
                    walk.skip()?;
                }
            }
            let why = self.word(
                "an event stands in brackets of its own: `[[\"ns/name\", data], callback]`",
                "an event stands in brackets of its own: `[[:ns/name data] callback]`",
            );
            self.complain(at, why);
            return Ok(());
        }
        let mut place = 0;
        while walk.more(b']', place == 0)? {
            match place {
                0 => self.id(walk)?,
                1 => self.payload = Some(walk.skip()?),
                _ => {
                    let extra = walk.skip()?;
                    self.complain(extra.start, "an event has one id and one value: put several values into a map or vector");
                }
            }
            place += 1;
        }
        if place == 0 {
            self.complain(at, "the event is empty: its first element is its id");
        }
        Ok(())
    }

    fn id<W: Walk<'a>>(&mut self, walk: &mut W) -> Result<(), ReadError> {
        let at = walk.at()?;
        self.id = walk.name()?;
        let good = match self.id.as_deref() {
            Some(id) => is_good(id),
            None => {
                walk.skip()?;
                false
            }
        };
        if !good {
            let why = self.word(
                "not an event id: write a string `\"ns/name\"` of at most 128 bytes, without white space",
                "not an event id: write a keyword `:ns/name` of at most 128 bytes",
            );
            self.complain(at, why);
        }
        Ok(())
    }

    fn callback<W: Walk<'a>>(&mut self, walk: &mut W, text: &'a str) -> Result<(), ReadError> {
        let span = walk.skip()?;
        let callback = text.get(span.clone()).unwrap_or_default();
        let sente = self.wire.dialect == Dialect::Sente;
        match callback {
            "nil" | "null" => {}
            // What Sente's clients write where the answer is an HTTP response.
            "0" | ":ajax" if sente => self.callback = Some(copy(callback)),
            _ if callback.starts_with('"') && callback.len() <= CALLBACK_MAX + 2 => {
                self.callback = Some(copy(callback))
            }
            _ => {
                let why = self.word(
                    "not a callback: write a string of at most 64 bytes, or null",
                    "not a callback: write a string of at most 64 bytes, or nil",
                );
                self.complain(span.start, why);
            }
        }
        Ok(())
    }

    fn meta<W: Walk<'a>>(&mut self, walk: &mut W, text: &'a str) -> Result<(), ReadError> {
        let span = walk.skip()?;
        if matches!(text.get(span.clone()), Some("nil" | "null")) {
            return Ok(());
        }
        let mut meta = W::new(text, span.start);
        if !meta.enter_map()? {
            let why = self.word(
                "not a meta map: write an object such as `{\"traceparent\": \"…\"}`, or leave it out",
                "not a meta map: write a map such as `{:traceparent \"…\"}`, or leave it out",
            );
            self.complain(span.start, why);
            return Ok(());
        }
        let mut first = true;
        while meta.more(b'}', first)? {
            first = false;
            let key = meta.name()?;
            if key.is_none() {
                meta.skip()?;
            }
            meta.to_value()?;
            let (field, max) = match key.as_deref() {
                Some("traceparent") => (&mut self.traceparent, TRACEPARENT_MAX),
                Some("tracestate") => (&mut self.tracestate, TRACESTATE_MAX),
                _ => {
                    meta.skip()?;
                    continue;
                }
            };
            match meta.string()? {
                Some(text) => *field = Some(text.into_owned()).filter(|text| text.len() <= max),
                None => {
                    meta.skip()?;
                }
            }
        }
        Ok(())
    }
}

/// Whether text is an event id; the usual case without looking at characters.
fn is_good(id: &str) -> bool {
    let plain = id.len() <= EVENT_ID_MAX && id.bytes().all(|byte| byte.is_ascii_graphic());
    match id.split_once('/') {
        Some((namespace, name)) if plain => !namespace.is_empty() && !name.is_empty(),
        _ => is_event_id(id),
    }
}

fn copy(callback: &str) -> Callback {
    Callback(callback.as_bytes().into())
}

/// As much of a name as is fit to be shown.
fn short(name: &str) -> &str {
    let end = (0..=name.len().min(EVENT_ID_MAX)).rev().find(|&end| name.is_char_boundary(end));
    end.and_then(|end| name.get(..end)).unwrap_or_default()
}
