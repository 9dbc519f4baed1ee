//! The frames in EDN, whose event ids are keywords.

use super::{Arrived, FAULT, Line};
use tengen_wire::format::{edn, quoted, value::Value};

pub(super) const PONG: &str = "[[:chsk/ws-pong] nil]";

pub(super) fn frame(line: &Line, callback: Option<&str>) -> String {
    let callback = callback.map_or_else(|| "nil".to_owned(), quoted);
    let Line { id, data, .. } = line;
    match data {
        // A comment at the end of what was typed ends with its line.
        Some(data) => format!("[[:{id} {data}\n] {callback}]"),
        None => format!("[[:{id}] {callback}]"),
    }
}

pub(super) fn arrived(frame: &str) -> Vec<Arrived> {
    read(frame).unwrap_or_else(|| vec![Arrived::Strange(frame.to_owned())])
}

fn read(frame: &str) -> Option<Vec<Arrived>> {
    let Value::Vector(parts) = edn::read(frame).ok()? else { return None };
    let first = parts.first()?;
    if let Some(Value::String(callback)) = parts.get(1) {
        let (callback, data) = (callback.clone().into_owned(), shown(first)?);
        return Some(vec![Arrived::Reply { callback, data, is_fault: is_fault(first) }]);
    }
    match first {
        Value::Keyword(word) if word == "chsk/ws-ping" => Some(vec![Arrived::Ping]),
        Value::Vector(items) => match items.first() {
            Some(Value::Keyword(_)) => Some(vec![one(first)?]),
            _ => items.iter().map(one).collect(),
        },
        _ => None,
    }
}

fn one(event: &Value<'_>) -> Option<Arrived> {
    let Value::Vector(parts) = event else { return None };
    let Value::Keyword(id) = parts.first()? else { return None };
    let data = shown(parts.get(1).unwrap_or(&Value::Nil))?;
    Some(match id.as_ref() {
        "chsk/handshake" => Arrived::Handshake(data),
        "chsk/ws-ping" => Arrived::Ping,
        id => Arrived::Event { id: id.to_owned(), data },
    })
}

fn shown(value: &Value<'_>) -> Option<String> {
    let mut text = String::new();
    edn::write(&mut text, value).ok()?;
    Some(text)
}

fn is_fault(data: &Value<'_>) -> bool {
    matches!(data, Value::Map(pairs) if matches!(pairs.as_slice(), [(Value::Keyword(key), _)] if key == FAULT))
}
