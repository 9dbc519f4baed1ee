//! What clients say to what they were asked: `tengen/answer`.

use super::fields::{fields, keyword, text, value};
use crate::{
    fault::{Fault, FaultId},
    format::Format,
    id::is_name,
    payload::Payload,
};
use bytes::Bytes;

/// The longest message of a client's fault, in bytes. What is past it is cut off.
const MESSAGE_MAX: usize = 1024;

/// What a client says to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The question's.
    pub key: u64,
    /// In the wire's own format; or the client's own fault, which is always `application`.
    pub value: Result<Payload, Fault>,
}

/// `{"key", "value"}`, or `{"key", "error"}`. A value that is left out is nil.
pub(super) fn read<F: Format>(data: &Payload) -> Result<Answer, Fault> {
    let Some([key, said, error]) = fields::<F, _>(data, ["key", "value", "error"]) else {
        return Err(no_key());
    };
    let key = key.as_ref().and_then(text::<F>).and_then(|key| number(&key)).ok_or_else(no_key)?;
    let value = match (said, error) {
        (Some(_), Some(_)) => return Err(both()),
        (said, None) => Ok(value::<F>(said)),
        (None, Some(error)) => Err(fault::<F>(error)?),
    };
    Ok(Answer { key, value })
}

/// A key as it was written, and no other text for the same number.
fn number(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// A text, or a map with `message` and, of the client's own, `id`. A word of the registry's is none of the client's own: what a
/// question comes to in the gateway, no client can say.
fn fault<F: Format>(error: Bytes) -> Result<Fault, Fault> {
    if let Some(message) = text::<F>(&error) {
        return Ok(Fault::new(FaultId::Application, cut(message)));
    }
    let map = Payload::checked(F::ENCODING, error);
    let [id, message] = fields::<F, _>(&map, ["id", "message"]).ok_or_else(no_error)?;
    let message = message.as_ref().and_then(text::<F>).ok_or_else(no_error)?;
    let id = id.and_then(|id| keyword::<F>(&id).or_else(|| text::<F>(&id)));
    let own = id.filter(|id| is_name(id) && FaultId::from_word(id).is_none());
    Ok(Fault { code: own, ..Fault::new(FaultId::Application, cut(message)) })
}

fn cut(mut message: String) -> String {
    let whole = |end: &usize| message.is_char_boundary(*end);
    let end = (0..=MESSAGE_MAX.min(message.len())).rev().find(whole).unwrap_or(0);
    message.truncate(end);
    message
}

fn no_key() -> Fault {
    let why = "the data must be a map with the text `key` of the question, as `tengen/ask` had it";
    Fault::new(FaultId::Malformed, why)
}

fn both() -> Fault {
    Fault::new(FaultId::Malformed, "an answer has a `value` or an `error`, and not both")
}

fn no_error() -> Fault {
    let why = "`error` must be a text, or a map with the text `message` and, if there is one, `id`";
    Fault::new(FaultId::Malformed, why)
}
