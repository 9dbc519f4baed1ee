//! A batch as it was written: first what filters ask for, the rest only of what they let pass.

use super::clock::Time;
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

/// A batch.
#[derive(Debug, Deserialize)]
pub(super) struct Sent<'a> {
    #[serde(borrow)]
    pub(super) signals: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    sent: Option<&'a RawValue>,
}

impl<'a> Sent<'a> {
    /// None: it is neither a list, nor a map that has one.
    pub(super) fn read(json: &'a [u8]) -> Option<Self> {
        if let Ok(signals) = serde_json::from_slice(json) {
            return Some(Self { signals, sent: None });
        }
        // A list of two would be read as a map's values in their order.
        if json.first() != Some(&b'{') {
            return None;
        }
        serde_json::from_slice(json).ok()
    }

    /// When it was sent, by the client's clock.
    pub(super) fn at(&self) -> Option<Time> {
        time(&serde_json::from_str(self.sent?.get()).ok()?)
    }
}

/// What filters ask for.
#[derive(Debug, Deserialize)]
pub(super) struct Head<'a> {
    #[serde(borrow, default)]
    level: Option<&'a RawValue>,
    #[serde(borrow, default, alias = "ns")]
    namespace: Option<&'a RawValue>,
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    kind: Option<&'a RawValue>,
}

impl<'a> Head<'a> {
    /// None: it is no map, or says something twice.
    pub(super) fn read(written: &'a str) -> Option<Self> {
        written.starts_with('{').then(|| serde_json::from_str(written).ok())?
    }

    pub(super) fn level(&self) -> Option<String> {
        text(self.level)
    }

    pub(super) fn namespace(&self) -> Option<String> {
        text(self.namespace)
    }

    pub(super) fn id(&self) -> Option<String> {
        text(self.id)
    }

    pub(super) fn kind(&self) -> Option<String> {
        text(self.kind)
    }
}

fn text(written: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(written?.get()).ok()
}

/// A signal.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) message: String,
    pub(super) at: Option<Time>,
    pub(super) error: Option<Wrong>,
    pub(super) data: Map<String, Value>,
}

/// What went wrong.
#[derive(Debug, Default)]
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) stack: String,
    pub(super) causes: Vec<String>,
}

impl Said {
    /// What is in no field of its own is data, beside `data`, which wins. None: it says nothing that could be shown.
    pub(super) fn read(written: &str) -> Option<Self> {
        let mut map: Map<String, Value> = serde_json::from_str(written).ok()?;
        for known in ["level", "namespace", "ns", "id", "kind"] {
            map.remove(known);
        }
        let mut first = |names: &[&str]| {
            let found: Vec<_> = names.iter().filter_map(|name| map.remove(*name)).collect();
            found.into_iter().next().filter(|value| !value.is_null())
        };
        let message = first(&["message", "msg", "msg_"]);
        let at = first(&["at", "inst"]).and_then(|value| time(&value));
        let error = first(&["error"]).map(wrong);
        let data = first(&["data"]);
        if message.is_none() && error.is_none() {
            return None;
        }
        let message = message.map(|message| match message {
            Value::String(text) => text,
            other => other.to_string(),
        });
        match data {
            Some(Value::Object(data)) => map.extend(data),
            Some(other) => drop(map.insert("data".into(), other)),
            None => {}
        }
        Some(Self { message: message.unwrap_or_default(), at, error, data: map })
    }
}

fn time(said: &Value) -> Option<Time> {
    match said {
        Value::Null => None,
        Value::String(text) => Some(Time::of_text(text)),
        Value::Number(number) => Some(number.as_f64().map_or(Time::Absurd, Time::of_number)),
        _ => Some(Time::Absurd),
    }
}

/// A text, or a map with `message`, and perhaps `name`, `stack` and `causes`.
fn wrong(said: Value) -> Wrong {
    let Value::Object(mut map) = said else {
        let message = said.as_str().map_or_else(|| said.to_string(), ToOwned::to_owned);
        return Wrong { message, ..Wrong::default() };
    };
    let mut text = |name: &str| match map.remove(name) {
        Some(Value::String(text)) => text,
        _ => String::new(),
    };
    let (name, message, stack) = (text("name"), text("message"), text("stack"));
    let message = match (name.is_empty(), message.is_empty()) {
        (_, true) => name,
        (true, false) => message,
        (false, false) => format!("{name}: {message}"),
    };
    let causes = match map.remove("causes") {
        Some(Value::Array(causes)) => causes.iter().map(cause).collect(),
        _ => Vec::new(),
    };
    Wrong { message, stack, causes }
}

fn cause(said: &Value) -> String {
    said.as_str().map_or_else(|| said.to_string(), ToOwned::to_owned)
}
