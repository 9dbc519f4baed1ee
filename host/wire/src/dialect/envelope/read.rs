//! The walk through a frame.

use super::{Callback, Envelope, found::Found};
use crate::{
    format::{
        Format, Sight,
        error::ReadError,
        walk::{Inside, Walk as _},
    },
    id::{EVENT_ID_MAX, is_event_id},
};
use std::marker::PhantomData;

/// The longest callback, in bytes between its quotes.
pub(in super::super) const CALLBACK_MAX: usize = 64;
/// The longest `traceparent` and `tracestate` that are looked at: what W3C Trace Context asks for, and room to grow.
const TRACEPARENT_MAX: usize = 128;
const TRACESTATE_MAX: usize = 512;

/// Reads a frame of a dialect in a format.
pub(super) struct Reader<'a, D, F> {
    body: &'a [u8],
    pub(super) found: Found<'a>,
    wire: PhantomData<(D, F)>,
}

impl<'a, D: Envelope, F: Format> Reader<'a, D, F> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self { body, found: Found::default(), wire: PhantomData }
    }

    pub(super) fn read(&mut self, walk: F::Walk<'a>) -> Result<(), ReadError> {
        let (start, wrapped) = match self.body.first() {
            Some(b'+') if D::HAS_SIGNS => (1, true),
            Some(b'-') if D::HAS_SIGNS => (1, false),
            _ => (0, true),
        };
        let mut walk = walk.from(start);
        if wrapped {
            self.frame(&mut walk)?;
        } else {
            self.event(&mut walk)?;
        }
        self.found.halved |= walk.is_halved();
        walk.end()
    }

    fn frame(&mut self, walk: &mut F::Walk<'a>) -> Result<(), ReadError> {
        let at = walk.at()?;
        if !walk.enter(Inside::Vector)? {
            return Err(walk.expected(F::NOTATION.frame, at));
        }
        let mut place = 0;
        while self.more(walk, place)? {
            match place {
                0 => self.some_event(walk)?,
                1 => self.callback(walk)?,
                2 if D::HAS_META => self.meta(walk)?,
                _ => {
                    let extra = walk.skip()?;
                    self.found.complain(extra.start, "the frame has too many elements: an event, a callback and, in `tengen.v1`, a meta map");
                }
            }
            place += 1;
        }
        if place == 0 {
            self.found.complain(at, "the frame is empty: its first element is the event");
        }
        Ok(())
    }

    /// Whether the frame has another element. A callback is read although nothing parts it from its event.
    fn more(&mut self, walk: &mut F::Walk<'a>, place: usize) -> Result<bool, ReadError> {
        match walk.more(Inside::Vector, place == 0) {
            Err(error) if place == 1 => {
                self.found.mistake.get_or_insert(error);
                Ok(true)
            }
            more => more,
        }
    }

    /// The event; or what stands in its place and cannot be read. Whoever waits for an answer to it shall have one, so it
    /// is passed over if it says where it ends.
    fn some_event(&mut self, walk: &mut F::Walk<'a>) -> Result<(), ReadError> {
        let at = walk.at()?;
        let before = walk.from(at);
        let Err(error) = self.event(walk) else { return Ok(()) };
        let Some(end) = before.end_of(at) else { return Err(error) };
        self.found.mistake.get_or_insert(error);
        *walk = before.from(end);
        Ok(())
    }

    /// `[id]`, `[id data]`, or the bare name of a ping or pong.
    fn event(&mut self, walk: &mut F::Walk<'a>) -> Result<(), ReadError> {
        let at = walk.at()?;
        if !walk.enter(Inside::Vector)? {
            self.found.id = walk.name()?;
            match self.found.id.as_deref() {
                Some("chsk/ws-ping" | "chsk/ws-pong") => return Ok(()),
                Some(_) => {}
                None => {
                    walk.skip()?;
                }
            }
            self.found.complain(at, F::NOTATION.event);
            return Ok(());
        }
        let mut place = 0;
        while walk.more(Inside::Vector, place == 0)? {
            match place {
                0 => self.id(walk)?,
                1 => {
                    self.found.payload = Some(walk.skip()?);
                    self.found.apart = walk.apart();
                }
                _ => {
                    let extra = walk.skip()?;
                    self.found.complain(extra.start, "an event has one id and one value: put several values into a map or vector");
                }
            }
            place += 1;
        }
        if place == 0 {
            self.found.complain(at, "the event is empty: its first element is its id");
        }
        Ok(())
    }

    fn id(&mut self, walk: &mut F::Walk<'a>) -> Result<(), ReadError> {
        let at = walk.at()?;
        self.found.id = walk.name()?;
        let good = match self.found.id.as_deref() {
            Some(id) => is_good(id),
            None => {
                walk.skip()?;
                false
            }
        };
        if !good {
            self.found.complain(at, F::NOTATION.id);
        }
        Ok(())
    }

    fn callback(&mut self, walk: &mut F::Walk<'a>) -> Result<(), ReadError> {
        let span = walk.skip()?;
        let apart = walk.apart();
        let callback = self.body.get(span.clone()).unwrap_or_default();
        let callback = apart.as_deref().unwrap_or(callback);
        let is_one = match F::sight(callback) {
            Sight::Nil => return Ok(()),
            Sight::String(length) => length <= CALLBACK_MAX,
            Sight::Other => D::CALLBACKS.contains(&callback),
        };
        if is_one {
            self.found.callback = Some(Callback(callback.into()));
        } else {
            self.found.complain(span.start, F::NOTATION.callback);
        }
        Ok(())
    }

    fn meta(&mut self, walk: &mut F::Walk<'a>) -> Result<(), ReadError> {
        let span = walk.skip()?;
        if F::sight(self.body.get(span.clone()).unwrap_or_default()) == Sight::Nil {
            return Ok(());
        }
        let mut meta = walk.from(span.start);
        if !meta.enter(Inside::Map)? {
            self.found.complain(span.start, F::NOTATION.meta);
            return Ok(());
        }
        let mut first = true;
        while meta.more(Inside::Map, first)? {
            first = false;
            let key = meta.name()?;
            if key.is_none() {
                meta.skip()?;
            }
            meta.to_value()?;
            let (field, max) = match key.as_deref() {
                Some("traceparent") => (&mut self.found.traceparent, TRACEPARENT_MAX),
                Some("tracestate") => (&mut self.found.tracestate, TRACESTATE_MAX),
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
