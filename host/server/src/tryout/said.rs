//! Decisions as JSON, as a person writes them down: connections by their names, data as data.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Map, Value, json};
use std::{collections::HashMap, time::Duration};
use tengen_core::{
    capability::{
        ask::Ask,
        close::Close,
        data::{Change, SetData},
        fetch::Fetch,
        key_value::{Expected, Put},
        publish::Publish,
        push::{Push, Target},
        reply::Reply,
        subscription::{Subscribe, Unsubscribe},
        timers::{CancelTimer, SetTimer},
        unsupported::Other,
    },
    effect::{Caused, Content, Effect, Failure},
    event::Event,
};
use tengen_wire::{
    fault::Fault,
    id::Handle,
    payload::{Encoding, Payload, transcode},
};

/// What numbers stand for.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) connections: HashMap<Handle, String>,
    /// The events that wait for these replies.
    pub(super) replies: HashMap<u32, String>,
}

impl Names {
    /// Of a connection that is not known, its number.
    fn of(&self, handle: Handle) -> Value {
        match self.connections.get(&handle) {
            Some(name) => json!(name),
            None => json!(handle.0),
        }
    }
}

/// An effect as an object; its first word is what it is.
pub(super) fn effect(caused: &Caused, events: &[Event], names: &Names) -> Value {
    let by = usize::try_from(caused.by).ok().and_then(|by| events.get(by));
    let content = |content: &Content| match content {
        Content::Payload(payload) => data(payload),
        Content::OfEvent(by) => {
            let event = usize::try_from(*by).ok().and_then(|by| events.get(by));
            event.and_then(Event::payload).map_or(Value::Null, data)
        }
    };
    let mut what = match &caused.what {
        Effect::Reply(Reply { reply_to, value }) => {
            let mut what = match value {
                Ok(value) => json!({ "reply": content(value) }),
                Err(why) => json!({ "fault": fault(why) }),
            };
            if by.and_then(Event::reply_to) != Some(*reply_to) {
                put(&mut what, "of", names.replies.get(reply_to).map(|id| json!(id)));
            }
            what
        }
        Effect::Push(Push { to, except, id, content: data }) => {
            let mut what =
                json!({ "push": id.as_str(), "to": target(to, names), "data": content(data) });
            put(&mut what, "except", except.map(|handle| names.of(handle)));
            what
        }
        Effect::Publish(Publish { channel, id, content: data, except, keep }) => {
            let mut what = json!({ "publish": id.as_str(), "channel": channel.as_str(), "data": content(data) });
            put(&mut what, "except", except.map(|handle| names.of(handle)));
            put(&mut what, "keep", keep.then_some(json!(true)));
            what
        }
        Effect::Ask(Ask { connection, name, id, content: data, timeout }) => {
            let mut what = json!({ "ask": id.as_str(), "to": names.of(*connection), "name": name, "data": content(data) });
            put(&mut what, "timeout-ms", timeout.map(ms));
            what
        }
        other => plain(other, names),
    };
    put(&mut what, "key", caused.key.as_ref().map(|key| json!(key)));
    what
}

/// An effect that sends nothing.
fn plain(effect: &Effect, names: &Names) -> Value {
    match effect {
        Effect::Subscribe(Subscribe { connection, channel }) => {
            json!({ "subscribe": channel.as_str(), "connection": names.of(*connection) })
        }
        Effect::Unsubscribe(Unsubscribe { connection, channel }) => {
            json!({ "unsubscribe": channel.as_str(), "connection": names.of(*connection) })
        }
        Effect::Close(Close { connection, code, reason }) => {
            json!({ "close": names.of(*connection), "code": code, "reason": reason })
        }
        Effect::SetTimer(SetTimer { connection, key, after }) => {
            let mut what = json!({ "set-timer": key, "after-ms": ms(*after) });
            put(&mut what, "connection", connection.map(|handle| names.of(handle)));
            what
        }
        Effect::CancelTimer(CancelTimer { connection, key }) => {
            let mut what = json!({ "cancel-timer": key });
            put(&mut what, "connection", connection.map(|handle| names.of(handle)));
            what
        }
        Effect::Put(Put { bucket, key, value, expected }) => {
            let value = value.as_ref().map_or(Value::Null, |value| bytes(value));
            let mut what = json!({ "put": key, "bucket": bucket, "value": value });
            let expected = expected.map(|expected| match expected {
                Expected::Absent => json!("absent"),
                Expected::Version(version) => json!(version),
            });
            put(&mut what, "expected", expected);
            what
        }
        Effect::Fetch(Fetch { name, request }) => {
            let headers = request.headers.iter().map(|(name, value)| json!([name, bytes(value)]));
            let headers: Vec<_> = headers.collect();
            let mut what = json!({ "fetch": name, "method": request.method, "url": request.url });
            put(&mut what, "headers", (!headers.is_empty()).then(|| json!(headers)));
            put(&mut what, "body", (!request.body.is_empty()).then(|| bytes(&request.body)));
            put(&mut what, "timeout-ms", request.timeout.map(ms));
            what
        }
        Effect::SetData(SetData { connection, change }) => changed(names.of(*connection), change),
        Effect::Other(Other { name }) => json!({ "other": name }),
        // Said by whoever asks.
        Effect::Reply(_) | Effect::Push(_) | Effect::Publish(_) | Effect::Ask(_) => Value::Null,
    }
}

fn changed(connection: Value, change: &Change) -> Value {
    let Change { set, unset, tag, untag } = change;
    let mut what = json!({ "set-data": connection });
    let set: Map<_, _> = set.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    put(&mut what, "set", (!set.is_empty()).then_some(Value::Object(set)));
    put(&mut what, "unset", (!unset.is_empty()).then(|| json!(unset)));
    let words = |tags: &[tengen_wire::id::Tag]| {
        let tags: Vec<_> = tags.iter().map(|tag| tag.as_str()).collect();
        (!tags.is_empty()).then(|| json!(tags))
    };
    put(&mut what, "tag", words(tag));
    put(&mut what, "untag", words(untag));
    what
}

fn target(to: &Target, names: &Names) -> Value {
    match to {
        Target::Connection(handle) => names.of(*handle),
        Target::Connections(handles) => handles.iter().map(|handle| names.of(*handle)).collect(),
        Target::User(user) => json!({ "user": user.as_str() }),
        Target::Users(users) => {
            let users: Vec<_> = users.iter().map(|user| user.as_str()).collect();
            json!({ "users": users })
        }
        Target::Channel(channel) => json!({ "channel": channel.as_str() }),
        Target::Endpoint(path) => json!({ "endpoint": path }),
        Target::Tagged(tag) => json!({ "tag": tag.as_str() }),
    }
}

/// What a plugin said of an event that failed.
pub(super) fn failure(failure: &Failure) -> Value {
    let mut what = json!({ "failed": fault(&failure.why) });
    put(&mut what, "close", failure.close.map(|code| json!(code)));
    what
}

pub(super) fn fault(why: &Fault) -> Value {
    let mut what = json!({ "id": why.id.word(), "message": why.message });
    put(&mut what, "code", why.code.as_ref().map(|code| json!(code)));
    put(&mut what, "retry-after-ms", why.retry_after.map(ms));
    what
}

/// Data as JSON, where it can be JSON; else its bytes.
pub(super) fn data(payload: &Payload) -> Value {
    let json = match payload.encoding {
        Encoding::Json => Some(payload.clone()),
        Encoding::Text | Encoding::Binary => return bytes(&payload.body),
        _ => transcode(payload, Encoding::Json).ok(),
    };
    let read = json.and_then(|json| serde_json::from_slice(&json.body).ok());
    read.unwrap_or_else(|| raw(&payload.body))
}

/// JSON where these are JSON, text where they are text.
fn bytes(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|_| match std::str::from_utf8(bytes) {
        Ok(text) => json!(text),
        Err(_) => raw(bytes),
    })
}

fn ms(time: Duration) -> Value {
    json!(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

fn raw(bytes: &[u8]) -> Value {
    json!({ "base64": BASE64_STANDARD.encode(bytes) })
}

fn put(what: &mut Value, name: &str, value: Option<Value>) {
    if let (Some(what), Some(value)) = (what.as_object_mut(), value) {
        what.insert(name.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_shown_as_json_whatever_it_is_written_in() {
        let shown = |encoding, body: &[u8]| data(&Payload::new(encoding, body.to_vec()));
        assert_eq!(shown(Encoding::Json, br#"{"x":[1]}"#), json!({ "x": [1] }));
        assert_eq!(shown(Encoding::Edn, b"{:x [1]}"), json!({ "x": [1] }));
        assert_eq!(shown(Encoding::Text, b"hello"), json!("hello"));
        assert_eq!(shown(Encoding::Binary, &[0xff, 0]), json!({ "base64": "/wA=" }));
    }

    #[test]
    fn connections_have_their_names_and_a_reply_to_another_event_says_to_which() {
        let mut names = Names::default();
        names.connections.insert(Handle(3), "ann".into());
        names.replies.insert(7, "room/ask".into());
        let push = Effect::Push(Push {
            to: Target::Connections(vec![Handle(3), Handle(4)]),
            except: None,
            id: "a/b".into(),
            content: Content::Payload(Payload::json(&json!(1))),
        });
        let caused = Caused { by: 0, what: push, key: Some("k".into()) };
        let expected = json!({ "push": "a/b", "to": ["ann", 4], "data": 1, "key": "k" });
        assert_eq!(effect(&caused, &[], &names), expected);
        let value = Err(Fault::application("full", "the room is full"));
        let caused = Caused::new(0, Effect::Reply(Reply { reply_to: 7, value }));
        let why = json!({ "id": "application", "message": "the room is full", "code": "full" });
        assert_eq!(effect(&caused, &[], &names), json!({ "fault": why, "of": "room/ask" }));
    }
}
