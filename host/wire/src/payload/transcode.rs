//! Payloads from one encoding to another, and what of them may stand in frames.

use super::{Encoding, Payload};
use crate::{
    fault::{Fault, FaultId},
    format::{
        Format, direct,
        error::{Problem, ReadError},
        in_format, no_format, text,
        value::Value,
        walk::{Found, only_value},
    },
};
use base64::prelude::{BASE64_STANDARD as BASE64, Engine as _};
use bytes::Bytes;

/// How many times as long a value may become in another format. Escapes make it six times as long at most; a map with a
/// namespace of its own (`#:ns{…}`) repeats that before each key, and could make 1 MB into 23 MB for every receiver.
const GROWTH: usize = 8;
/// Whatever stays below this length may grow as it likes.
const SMALL: usize = 64 << 10;
const GROWN: &str =
    "the value would be more than eight times as long: send maps without a namespace of their own";

/// The payload in another encoding; the same bytes when it is in that encoding already.
///
/// Text becomes a string. Bytes become what the format has for them if every reader of it knows that, and a string of base64
/// elsewhere, in EDN too, because a reader that does not know a tag loses the whole frame. The other way there is nothing to
/// convert: to [`Encoding::Binary`], and to [`Encoding::Text`] when they are UTF-8, the bytes stay as they are.
///
/// Err: `malformed` when the bytes are not what their encoding says, `unsupported` when the other encoding cannot hold
/// the value, or only in more than eight times its length (and 64 KiB), or this gateway does not read or write it.
pub fn transcode(payload: &Payload, to: Encoding) -> Result<Payload, Fault> {
    if payload.encoding == to {
        return Ok(payload.clone());
    }
    in_format!(to, To => written::<To>(payload),
        Encoding::Binary => Ok(Payload::new(to, payload.body.clone())),
        Encoding::Text => as_text(payload))
}

fn as_text(payload: &Payload) -> Result<Payload, Fault> {
    if !payload.encoding.is_text() && std::str::from_utf8(&payload.body).is_err() {
        return Err(unsupported("these bytes are not text: ask for `binary`"));
    }
    Ok(Payload::new(Encoding::Text, payload.body.clone()))
}

fn written<To: Format>(payload: &Payload) -> Result<Payload, Fault> {
    let Payload { encoding, body, .. } = payload;
    if let Some(written) = direct::written(body, *encoding, To::ENCODING, payload.is_checked()) {
        return grown(body.len(), Payload::checked(To::ENCODING, written));
    }
    let value = in_format!(*encoding, From => read::<From>(payload)?,
    Encoding::Text => Value::String(utf8(*encoding, body)?.into()),
    Encoding::Binary => match To::HAS_BYTES {
        true => Value::Bytes(body.to_vec()),
        false => Value::String(BASE64.encode(body).into()),
    });
    let written = To::write(&value).map_err(|error| unsupported(error.to_string()))?;
    grown(body.len(), Payload::checked(To::ENCODING, written))
}

/// What was written, unless so much was made of so few bytes.
fn grown(from: usize, written: Payload) -> Result<Payload, Fault> {
    if written.body.len() > SMALL.max(from.saturating_mul(GROWTH)) {
        return Err(unsupported(GROWN));
    }
    Ok(written)
}

fn read<From: Format>(payload: &Payload) -> Result<Value<'_>, Fault> {
    let read = From::read(&payload.body, payload.is_checked());
    read.map_err(|error| match error.problem {
        Problem::Foreign(_) => unsupported(error.to_string()),
        _ => malformed(From::ENCODING, &error),
    })
}

/// The payload, read once and for all: no encoding of it is looked at again. Its bytes stay as they are, but for half a
/// character, which becomes U+FFFD.
///
/// Err: `malformed`.
pub fn checked(payload: Payload) -> Result<Payload, Fault> {
    if payload.is_checked() {
        return Ok(payload);
    }
    let Payload { encoding, body, .. } = payload;
    in_format!(encoding, F => look_through::<F>(body),
        Encoding::Text => {
            utf8(encoding, &body)?;
            Ok(Payload::checked(encoding, body))
        },
        Encoding::Binary => Ok(Payload::checked(encoding, body)))
}

fn look_through<F: Format>(body: Bytes) -> Result<Payload, Fault> {
    let found = F::walk(&body).and_then(only_value);
    let Found { span, halved } = found.map_err(|error| malformed(F::ENCODING, &error))?;
    let body = if halved { F::whole(&body) } else { body };
    Ok(Payload::checked_at(F::ENCODING, body, &span))
}

/// The bytes of a payload in the format of a frame, fit to stand inside it: checked, and without what surrounds the
/// value, such as a comment that would swallow what follows. Copies nothing when the format is the same.
pub fn embeddable(payload: &Payload, format: Encoding) -> Result<Bytes, Fault> {
    if payload.encoding != format {
        return transcode(payload, format).map(|payload| payload.body);
    }
    match payload.value() {
        Some(value) => Ok(value),
        None => checked(payload.clone())?.value().ok_or_else(|| no_format(format)),
    }
}

fn utf8(encoding: Encoding, body: &[u8]) -> Result<&str, Fault> {
    text::utf8(body).map_err(|error| malformed(encoding, &error))
}

fn malformed(encoding: Encoding, why: &ReadError) -> Fault {
    Fault::new(FaultId::Malformed, format!("the payload is not `{}`: {why}", encoding.word()))
}

fn unsupported(why: impl Into<String>) -> Fault {
    Fault::new(FaultId::Unsupported, why)
}
