//! Frames of sente-lite's clients: routed by their outermost two levels, checked in full, and never built.

use super::channels;
use crate::{
    dialect::{
        Callback, Inbound, Malformed,
        envelope::{CALLBACK_MAX, Found},
    },
    fault::{Fault, FaultId},
    format::{
        Format, Sight,
        error::ReadError,
        walk::{Inside, Walk as _},
    },
    frame::Frame,
    id::is_event_id,
};

const FRAME: &str = "a frame of sente-lite 2, such as `[:ns/name data]`";
const OLD: &str = "a frame of sente-lite before 2.0.0, which is a map: this gateway speaks 2.0.0, where a frame is \
     `[:ns/name data]`; update the client";

/// Reads one frame.
pub(super) fn decode<F: Format>(frame: &Frame) -> Result<Inbound, Box<Malformed>> {
    let mut found = Found::default();
    if frame.text != F::TEXT {
        let why = "a binary frame where text is spoken: send text frames";
        return Err(found.malformed(Fault::new(FaultId::Unsupported, why)));
    }
    let read = F::walk(&frame.body).and_then(|walk| read::<F>(&frame.body, walk, &mut found));
    if let Err(error) = read {
        return Err(found.malformed(Fault::new(FaultId::Malformed, error.to_string())));
    }
    if found.id.as_deref().is_some_and(channels::names_channel) {
        // Its answer names the channel, whatever stands there.
        let data = found.payload.clone().and_then(|data| frame.body.get(data));
        let data = found.apart.as_deref().or(data).unwrap_or(F::NIL);
        found.callback = channels::written::<F>(data);
    }
    found.inbound::<F>(&frame.body)
}

fn read<'a, F: Format>(
    body: &'a [u8],
    mut walk: F::Walk<'a>,
    found: &mut Found<'a>,
) -> Result<(), ReadError> {
    let at = walk.at()?;
    if walk.enter(Inside::Map)? {
        found.complain(at, OLD);
        walk = walk.from(at);
        walk.skip()?;
        return walk.end();
    }
    if !walk.enter(Inside::Vector)? {
        return Err(walk.expected(FRAME, at));
    }
    let mut place = 0;
    let mut wrapped = false;
    while walk.more(Inside::Vector, place == 0)? {
        match place {
            0 => {
                let at = walk.at()?;
                wrapped = walk.enter(Inside::Vector)?;
                match wrapped {
                    true => event::<F>(&mut walk, found)?,
                    false => id::<F>(&mut walk, found, at)?,
                }
            }
            1 if wrapped => callback::<F>(body, &mut walk, found)?,
            1 => data::<F>(&mut walk, found)?,
            // Only two elements mean something.
            _ => {
                walk.skip()?;
            }
        }
        place += 1;
    }
    if place == 0 {
        found.complain(at, "the frame is empty: its first element is the event's id");
    }
    found.halved |= walk.is_halved();
    walk.end()
}

/// The event of `[[event-id data] "callback"]`, from its first element on.
fn event<'a, F: Format>(walk: &mut F::Walk<'a>, found: &mut Found<'a>) -> Result<(), ReadError> {
    let begin = walk.at()?;
    let mut place = 0;
    while walk.more(Inside::Vector, place == 0)? {
        let at = walk.at()?;
        match place {
            0 => id::<F>(walk, found, at)?,
            1 => data::<F>(walk, found)?,
            _ => {
                walk.skip()?;
            }
        }
        place += 1;
    }
    if place == 0 {
        found.complain(begin, "the event is empty: its first element is its id");
    }
    Ok(())
}

fn id<'a, F: Format>(
    walk: &mut F::Walk<'a>,
    found: &mut Found<'a>,
    at: usize,
) -> Result<(), ReadError> {
    found.id = walk.name()?;
    if found.id.is_none() {
        walk.skip()?;
    }
    if !found.id.as_deref().is_some_and(is_event_id) {
        found.complain(at, F::NOTATION.id);
    }
    Ok(())
}

fn data<'a, F: Format>(walk: &mut F::Walk<'a>, found: &mut Found<'a>) -> Result<(), ReadError> {
    found.payload = Some(walk.skip()?);
    found.apart = walk.apart();
    Ok(())
}

fn callback<'a, F: Format>(
    body: &'a [u8],
    walk: &mut F::Walk<'a>,
    found: &mut Found<'a>,
) -> Result<(), ReadError> {
    let span = walk.skip()?;
    let written = body.get(span.clone()).unwrap_or_default();
    match F::sight(written) {
        Sight::Nil => {}
        Sight::String(length) if length <= CALLBACK_MAX => {
            found.callback = Some(Callback(written.into()));
        }
        _ => found.complain(span.start, F::NOTATION.callback),
    }
    Ok(())
}
