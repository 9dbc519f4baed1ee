//! What becomes of values between EDN's world and JSON's, where the two differ.
//!
//! From JSON: a key that reads as a keyword becomes one, everything else stays what it is. To JSON: see
//! [`super::json::write`], which uses the texts that are made here.

use super::{edn, error::WriteError, value::Value};
use std::borrow::Cow;

/// A JSON object's key: a keyword if it reads as one, else a string.
pub(super) fn key_from_json(key: Cow<'_, str>) -> Value {
    if reads_as_keyword(&key) {
        Value::Keyword(key.into_owned())
    } else {
        Value::String(key.into_owned())
    }
}

/// Letters, digits and `*!_?+-./`, not beginning with a digit, and such that every EDN reader takes it: with a slash,
/// namespace and name each have to be a name.
pub(super) fn reads_as_keyword(key: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || "*!_?+-./".contains(c);
    key.chars().all(plain) && edn::is_portable_name(key)
}

/// The text of an object's key for a key that JSON can have.
pub(super) fn key_to_json(key: &Value) -> Result<Cow<'_, str>, WriteError> {
    Ok(match key {
        Value::String(text) | Value::Keyword(text) | Value::Symbol(text) => Cow::Borrowed(text),
        Value::BigInteger(text) | Value::Ratio(text) | Value::BigDecimal(text) => {
            Cow::Borrowed(text)
        }
        Value::Integer(number) => Cow::Owned(number.to_string()),
        Value::Float(number) if number.is_nan() => Cow::Borrowed("NaN"),
        Value::Float(number) if number.is_infinite() => {
            Cow::Borrowed(if *number > 0.0 { "Infinity" } else { "-Infinity" })
        }
        Value::Float(number) => Cow::Owned(format!("{number:?}")),
        other => return Err(WriteError::Key(other.kind())),
    })
}

/// Keeps the last of several pairs with the same key, as JSON's readers do.
pub(super) fn last_wins(mut pairs: Vec<(Value, Value)>) -> Vec<(Value, Value)> {
    if pairs.len() < 2 {
        return pairs;
    }
    let keys: Vec<&str> = pairs
        .iter()
        .map(|(key, _)| match key {
            Value::String(text) | Value::Keyword(text) => text.as_str(),
            _ => "",
        })
        .collect();
    if let Some(superseded) = superseded(&keys) {
        let mut superseded = superseded.into_iter();
        pairs.retain(|_| !superseded.next().unwrap_or(false));
    }
    pairs
}

/// Marks each key that occurs again further on; none when there is nothing to mark.
pub(super) fn superseded(keys: &[impl AsRef<str>]) -> Option<Vec<bool>> {
    let mut order: Vec<(&str, usize)> =
        keys.iter().enumerate().map(|(place, key)| (key.as_ref(), place)).collect();
    order.sort_unstable();
    let mut marks = Vec::new();
    for (one, next) in order.iter().zip(order.iter().skip(1)) {
        if one.0 == next.0 {
            marks.resize(keys.len(), false);
            if let Some(mark) = marks.get_mut(one.1) {
                *mark = true;
            }
        }
    }
    (!marks.is_empty()).then_some(marks)
}
