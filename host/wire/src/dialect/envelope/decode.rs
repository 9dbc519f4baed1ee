//! Frames from peers: routed by their outermost two levels, checked in full, and never built.

use super::{Callback, Envelope, Inbound, Malformed, read::Reader};
use crate::{
    fault::{Fault, FaultId},
    format::{Format, error::ReadError},
    frame::Frame,
};

/// Reads one frame.
pub(super) fn decode<D: Envelope, F: Format>(frame: &Frame) -> Result<Inbound, Box<Malformed>> {
    if frame.text != F::TEXT {
        return Err(illegible::<D, F>(frame, wrong_kind::<F>()));
    }
    let walk = match F::walk(&frame.body) {
        Ok(walk) => walk,
        Err(error) => return Err(illegible::<D, F>(frame, malformed(&error))),
    };
    let mut reader = Reader::<D, F>::new(&frame.body);
    let read = reader.read(walk);
    let found = reader.found;
    match found.mistake.clone().or(read.err()) {
        None => found.inbound::<F>(&frame.body),
        Some(error) => Err(found.malformed(malformed(&error))),
    }
}

fn malformed(error: &ReadError) -> Fault {
    Fault::new(FaultId::Malformed, error.to_string())
}

fn wrong_kind<F: Format>() -> Fault {
    let (sent, spoken) = if F::TEXT { ("binary", "text") } else { ("text", "binary") };
    let why = format!("a {sent} frame where `{}` is spoken: send {spoken} frames", F::WORD);
    Fault::new(FaultId::Unsupported, why)
}

/// A frame whose bytes are not of the format's kind. They are looked at nevertheless: somebody may wait for an answer.
fn illegible<D: Envelope, F: Format>(frame: &Frame, why: Fault) -> Box<Malformed> {
    let legible = F::legible(&frame.body);
    let mut reader = Reader::<D, F>::new(&legible);
    if let Ok(walk) = F::walk(&legible) {
        let _broken = reader.read(walk);
    }
    let mut found = reader.found;
    // A callback in which a byte was replaced is not the sender's.
    let is_sent = |callback: &Callback| {
        !F::TEXT || !String::from_utf8_lossy(&callback.0).contains(char::REPLACEMENT_CHARACTER)
    };
    found.callback = found.callback.filter(is_sent);
    found.malformed(why)
}
