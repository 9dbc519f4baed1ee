//! What plugins say, as steps show it and as it is expected.

use serde_json::{Map, Value, json};
use tengen_core::sink::{self, Failure, Signal};
use tengen_telemetry::log::Heard;

/// The key of what is said, among what a step brings about.
const SIGNAL: &str = "signal";

/// Whether this is about what is said, and not about what is decided.
pub(super) fn is_one(what: &Value) -> bool {
    what.get(SIGNAL).is_some()
}

/// What plugins have said since this was asked last.
#[derive(Debug)]
pub(super) struct Ear {
    heard: Heard,
    lost: u64,
}

impl Ear {
    pub(super) fn new(heard: Heard) -> Self {
        Self { heard, lost: 0 }
    }

    /// As objects, in its order; behind it how many more there were that found no room.
    pub(super) fn take(&mut self) -> Vec<Value> {
        let mut said: Vec<_> = self.heard.take().iter().map(|signal| shown(signal)).collect();
        let lost = self.heard.lost();
        let more = lost - std::mem::replace(&mut self.lost, lost);
        if more > 0 {
            said.push(json!({ "signals-left-out": more }));
        }
        said
    }
}

fn shown(signal: &Signal) -> Value {
    let mut what = Map::new();
    let mut put = |key: &str, value: Value| drop(what.insert(key.to_owned(), value));
    put("level", json!(signal.level.word()));
    if !signal.id.is_empty() {
        put("id", json!(signal.id));
    }
    put("message", json!(signal.message));
    if !signal.data.is_empty() {
        let data = signal.data.iter().map(|(name, value)| (name.to_string(), fact(value)));
        put("data", Value::Object(data.collect()));
    }
    if let Some(error) = signal.error.as_ref().map(Failure::to_string) {
        put("error", json!(error));
    }
    for (key, text) in [("user", &signal.user), ("parent", &signal.parent)] {
        if !text.is_empty() {
            put(key, json!(text));
        }
    }
    json!({ SIGNAL: what })
}

fn fact(value: &sink::Value) -> Value {
    match value {
        sink::Value::Text(text) => json!(text),
        sink::Value::Integer(number) => json!(number),
        sink::Value::Float(number) => json!(number),
        sink::Value::Boolean(truth) => json!(truth),
        sink::Value::Bytes(bytes) => json!({ "bytes": bytes.len() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_shown_with_what_there_is_of_it() {
        let mut signal = Signal::new(sink::Level::Warn, "plugin.it", "the room is full");
        let bare = json!({ "signal": { "level": "warn", "message": "the room is full" } });
        assert_eq!(shown(&signal), bare);
        signal.id = "room/full".into();
        signal.data = vec![("room".into(), sink::Value::Text("tea".into()))];
        signal.data.push(("most".into(), sink::Value::Integer(3)));
        signal.error = Some(Failure { message: "no place".into(), causes: vec!["of 3".into()] });
        signal.user = "ann".into();
        let whole = json!({ "signal": {
            "level": "warn", "id": "room/full", "message": "the room is full", "data": { "room": "tea", "most": 3 },
            "error": "no place: of 3", "user": "ann",
        }});
        assert_eq!(shown(&signal), whole);
        assert!(is_one(&whole) && !is_one(&json!({ "reply": { "signal": 1 } })));
    }
}
