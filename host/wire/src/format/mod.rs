//! Formats: bytes to values and back, and from one format to another without loss where the formats allow it.

mod brackets;
mod build;
mod check;
mod convert;
pub mod edn;
pub mod error;
pub mod inst;
pub mod json;
mod strings;
mod surrogate;
pub mod value;
pub(crate) mod walk;
#[cfg(test)]
mod work;

use crate::{
    fault::{Fault, FaultId},
    payload::{Encoding, Payload},
};
use base64::prelude::{BASE64_STANDARD as BASE64, Engine as _};
use bytes::Bytes;
use error::WriteError;
use value::Value;
use walk::Found;

/// How deep values may be nested, tags and discarded forms included. More than anyone writes by hand, and little enough
/// for every reader's stack.
pub const MAX_DEPTH: usize = 64;

/// How many times as long a text may become in another format. Escapes make it six times as long at most; a map with a
/// namespace of its own (`#:ns{…}`) repeats that before each key, and could make 1 MB into 23 MB for every receiver.
const GROWTH: usize = 8;
/// Whatever stays below this length may grow as it likes.
const SMALL: usize = 64 << 10;
const GROWN: &str =
    "the value would be more than eight times as long: send maps without a namespace of their own";

/// The payload in another encoding; the same bytes when it is in that encoding already.
///
/// Text becomes a string; bytes become a string of base64, in EDN too, because a reader that does not know a tag loses
/// the whole frame. The other way there is nothing to convert: to [`Encoding::Binary`], and to [`Encoding::Text`] when
/// they are UTF-8, the bytes stay as they are.
///
/// Err: `malformed` when the bytes are not what their encoding says, `unsupported` when the other encoding cannot hold
/// the value, or only in more than eight times its length (and 64 KiB), or this gateway does not read or write it.
pub fn transcode(payload: &Payload, to: Encoding) -> Result<Payload, Fault> {
    if payload.encoding == to {
        return Ok(payload.clone());
    }
    let body = match (payload.encoding, to) {
        (_, Encoding::Binary)
        | (Encoding::Json | Encoding::Edn | Encoding::Transit, Encoding::Text) => {
            payload.body.clone()
        }
        (_, Encoding::Text) => match std::str::from_utf8(&payload.body) {
            Ok(_) => payload.body.clone(),
            Err(_) => return Err(unsupported("these bytes are not text: ask for `binary`")),
        },
        (
            Encoding::Json | Encoding::Edn | Encoding::Text | Encoding::Binary,
            Encoding::Json | Encoding::Edn,
        ) => {
            let value = read(payload)?;
            let text = write(&value, to).map_err(|error| unsupported(error.to_string()))?;
            if text.len() > SMALL.max(payload.body.len().saturating_mul(GROWTH)) {
                return Err(unsupported(GROWN));
            }
            return Ok(Payload::checked(to, text));
        }
        (Encoding::Transit | Encoding::Msgpack, _) => return Err(no_codec(payload.encoding)),
        (_, Encoding::Transit | Encoding::Msgpack) => return Err(no_codec(to)),
    };
    Ok(Payload::new(to, body))
}

/// The payload, read once and for all: no encoding of it is looked at again. Its bytes stay as they are, but for half a
/// character, which becomes U+FFFD.
///
/// Transit and MessagePack come back as they are: nobody here can read them. Err: `malformed`.
pub fn checked(payload: Payload) -> Result<Payload, Fault> {
    if payload.is_checked() {
        return Ok(payload);
    }
    let Payload { encoding, body, .. } = &payload;
    let found = match encoding {
        Encoding::Json => walk::only_value::<json::Parser<'_>>(text(&payload)?),
        Encoding::Edn => walk::only_value::<edn::Parser<'_>>(text(&payload)?),
        Encoding::Text => {
            text(&payload)?;
            return Ok(Payload::checked(*encoding, body.clone()));
        }
        Encoding::Binary => return Ok(Payload::checked(*encoding, body.clone())),
        Encoding::Transit | Encoding::Msgpack => return Ok(payload),
    };
    let Found { span, halved } = found.map_err(|error| malformed(*encoding, error))?;
    let body = if halved { whole(body) } else { body.clone() };
    Ok(Payload::checked_at(*encoding, body, &span))
}

/// Well formed JSON or EDN without halves of characters. As long as it was.
pub(crate) fn whole(text: &Bytes) -> Bytes {
    match std::str::from_utf8(text) {
        Ok(text) => surrogate::without_halves(text).into(),
        Err(_) => text.clone(),
    }
}

/// The bytes of a payload in the format of a frame, fit to stand inside it: checked, and without what surrounds the
/// value, such as a comment that would swallow what follows. Copies nothing when the format is the same.
pub fn embeddable(payload: &Payload, format: Encoding) -> Result<Bytes, Fault> {
    if payload.encoding != format {
        return transcode(payload, format).map(|payload| payload.body);
    }
    match payload.value() {
        Some(value) => Ok(value),
        None => checked(payload.clone())?.value().ok_or_else(|| no_codec(format)),
    }
}

/// A payload as a value.
fn read(payload: &Payload) -> Result<Value<'_>, Fault> {
    let encoding = payload.encoding;
    match encoding {
        Encoding::Json => json::read(text(payload)?).map_err(|error| malformed(encoding, error)),
        Encoding::Edn if payload.is_checked() => {
            edn::read_checked(text(payload)?).map_err(|error| malformed(encoding, error))
        }
        Encoding::Edn => edn::read(text(payload)?).map_err(|error| malformed(encoding, error)),
        Encoding::Text => Ok(Value::String(text(payload)?.into())),
        Encoding::Binary => Ok(Value::String(BASE64.encode(&payload.body).into())),
        Encoding::Transit | Encoding::Msgpack => Err(no_codec(encoding)),
    }
}

fn write(value: &Value<'_>, to: Encoding) -> Result<String, WriteError> {
    let mut out = String::new();
    match to {
        Encoding::Json => json::write(&mut out, value)?,
        _ => edn::write(&mut out, value)?,
    }
    Ok(out)
}

/// Text as a string of the format, with its quotes.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    strings::quote(&mut out, text);
    out
}

fn text(payload: &Payload) -> Result<&str, Fault> {
    std::str::from_utf8(&payload.body).map_err(|error| {
        let at = error.valid_up_to();
        malformed(payload.encoding, format_args!("byte {at}: not UTF-8"))
    })
}

fn malformed(encoding: Encoding, why: impl std::fmt::Display) -> Fault {
    Fault::new(FaultId::Malformed, format!("the payload is not `{}`: {why}", encoding.word()))
}

fn unsupported(why: impl Into<String>) -> Fault {
    Fault::new(FaultId::Unsupported, why)
}

/// What to answer where a format is asked for that exists on the wire and not yet in here.
pub(crate) fn no_codec(encoding: Encoding) -> Fault {
    unsupported(format!("this gateway does not speak `{}`: use `json` or `edn`", encoding.word()))
}
