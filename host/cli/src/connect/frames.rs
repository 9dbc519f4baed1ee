//! `tengen.v1` as the line client needs it: frames out of lines, lines out of frames.
//!
//! People write data and see it in JSON or EDN: in the one that is spoken, in JSON for MessagePack, in EDN for Transit.

mod edn;

use serde_json::value::RawValue;
use std::collections::BTreeMap;
use tengen_wire::payload::{Encoding, Payload, checked, transcode};
use tokio_tungstenite::tungstenite::Message;

/// A line that was typed, or given as `--send` or `--ask`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) id: String,
    /// As it was written; none: no data.
    pub(super) data: Option<String>,
    pub(super) asks: bool,
}

/// Something that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Arrived {
    /// The server's ping, to be answered by [`PONG`].
    Ping,
    /// Data of the handshake.
    Handshake(String),
    Event {
        id: String,
        data: String,
    },
    Reply {
        callback: String,
        data: String,
        is_fault: bool,
    },
    /// Nothing of the grammar: shown as it is.
    Strange(String),
}

/// The answer to the server's ping.
const PONG: &str = r#"[["chsk/ws-pong"],null]"#;

/// The event that a fault comes as, and the key in a reply that is one.
pub(super) const FAULT: &str = "tengen/error";

/// The formats that can be chosen.
pub(crate) fn formats() -> impl Iterator<Item = Encoding> {
    Encoding::ALL.into_iter().filter(|encoding| encoding.is_spoken())
}

/// What people write data in and see it in, where this is spoken: the format itself, or the text that is next to it.
fn notation(format: Encoding) -> Encoding {
    match format {
        Encoding::Edn | Encoding::Transit => Encoding::Edn,
        _ => Encoding::Json,
    }
}

/// The frame as it is sent. Err: the format cannot hold it.
pub(super) fn message(
    line: &Line,
    callback: Option<&str>,
    format: Encoding,
) -> Result<Message, String> {
    spoken(format, edn::frame(line, callback), line.frame(callback))
}

pub(super) fn pong(format: Encoding) -> Result<Message, String> {
    spoken(format, edn::PONG.to_owned(), PONG.to_owned())
}

/// One of two texts, in the format.
fn spoken(format: Encoding, edn: String, json: String) -> Result<Message, String> {
    let notation = notation(format);
    let text = if notation == Encoding::Edn { edn } else { json };
    let body = transcode(&Payload::new(notation, text), format).map_err(|why| why.message)?.body;
    Ok(match format.is_text() {
        true => Message::text(String::from_utf8_lossy(&body).into_owned()),
        false => Message::binary(body),
    })
}

/// What a frame of the gateway says.
pub(super) fn arrived(message: Message, format: Encoding) -> Vec<Arrived> {
    let body = message.into_data();
    let length = body.len();
    let notation = notation(format);
    match transcode(&Payload::new(format, body), notation) {
        Ok(read) => {
            let text = String::from_utf8_lossy(&read.body);
            if notation == Encoding::Edn { edn::arrived(&text) } else { of_text(&text) }
        }
        Err(why) => vec![Arrived::Strange(format!("{} ({length} bytes)", why.message))],
    }
}

/// Whether the data of a reply is a fault.
fn is_fault(data: &str) -> bool {
    let keys = serde_json::from_str::<BTreeMap<String, &RawValue>>(data);
    keys.is_ok_and(|keys| keys.len() == 1 && keys.contains_key(FAULT))
}

/// Reads `ns/name DATA`, or with `? ` in front a question. None for an empty line.
pub(super) fn line(text: &str, format: Encoding) -> Result<Option<Line>, String> {
    let text = text.trim();
    let (asks, rest) = match text.strip_prefix('?') {
        Some(rest) => (true, rest.trim_start()),
        None => (false, text),
    };
    if rest.is_empty() {
        return if asks {
            Err("`?` asks an event: write `? ns/name DATA`".into())
        } else {
            Ok(None)
        };
    }
    event(rest, asks, format).map(Some)
}

/// Reads `ns/name DATA`.
pub(super) fn event(text: &str, asks: bool, format: Encoding) -> Result<Line, String> {
    let text = text.trim();
    let (id, data) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    if !tengen_wire::id::is_event_id(id) {
        return Err(format!("`{id}` is not an event id; write `ns/name`, and its data after it"));
    }
    let data = data.trim();
    if data.is_empty() {
        return Ok(Line { id: id.to_owned(), data: None, asks });
    }
    match notation(format) {
        Encoding::Edn => checked(Payload::new(Encoding::Edn, data.to_owned()))
            .map(drop)
            .map_err(|why| format!("the data of `{id}` is not EDN: {}", why.message))?,
        _ => serde_json::from_str::<&RawValue>(data)
            .map(drop)
            .map_err(|error| format!("the data of `{id}` is not JSON: {error}"))?,
    }
    Ok(Line { id: id.to_owned(), data: Some(data.to_owned()), asks })
}

impl Line {
    /// The frame for it, as JSON; with a callback, the gateway replies.
    fn frame(&self, callback: Option<&str>) -> String {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let callback = callback.map_or_else(|| "null".to_owned(), quoted);
        let id = quoted(&self.id);
        match &self.data {
            Some(data) => format!("[[{id},{data}],{callback}]"),
            None => format!("[[{id}],{callback}]"),
        }
    }
}

fn of_text(frame: &str) -> Vec<Arrived> {
    read(frame).unwrap_or_else(|| vec![Arrived::Strange(frame.to_owned())])
}

fn read(frame: &str) -> Option<Vec<Arrived>> {
    let parts: Vec<&RawValue> = serde_json::from_str(frame).ok()?;
    let first = *parts.first()?;
    if let Some(callback) =
        parts.get(1).and_then(|part| serde_json::from_str::<String>(part.get()).ok())
    {
        let data = first.get().to_owned();
        return Some(vec![Arrived::Reply { callback, is_fault: is_fault(&data), data }]);
    }
    if serde_json::from_str::<&str>(first.get()).is_ok_and(|word| word == "chsk/ws-ping") {
        return Some(vec![Arrived::Ping]);
    }
    let items: Vec<&RawValue> = serde_json::from_str(first.get()).ok()?;
    match items.first().map(|item| serde_json::from_str::<String>(item.get())) {
        Some(Ok(_)) => Some(vec![one(first)?]),
        _ => items.into_iter().map(one).collect(),
    }
}

fn one(event: &RawValue) -> Option<Arrived> {
    let parts: Vec<&RawValue> = serde_json::from_str(event.get()).ok()?;
    let id: String = serde_json::from_str(parts.first()?.get()).ok()?;
    let data = parts.get(1).map_or("null", |data| data.get()).to_owned();
    Some(match id.as_str() {
        "chsk/handshake" => Arrived::Handshake(data),
        "chsk/ws-ping" => Arrived::Ping,
        _ => Arrived::Event { id, data },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_events_and_questions() {
        let read =
            |text| line(text, Encoding::Json).unwrap().map(|line| (line.asks, line.id, line.data));
        assert_eq!(read("a/b"), Some((false, "a/b".into(), None)));
        assert_eq!(
            read(" a/b  {\"x\": 1} "),
            Some((false, "a/b".into(), Some("{\"x\": 1}".into())))
        );
        assert_eq!(read("? a/b 7"), Some((true, "a/b".into(), Some("7".into()))));
        assert_eq!(read("?a/b"), Some((true, "a/b".into(), None)));
        assert_eq!(read("  "), None);
    }

    #[test]
    fn a_fault_is_told_from_data() {
        assert!(is_fault(r#"{"tengen/error":{"id":"unknown-event"}}"#));
        for data in ["null", "[]", r#""tengen/error""#, r#"{"a":{"tengen/error":1}}"#, "{}"] {
            assert!(!is_fault(data), "{data}");
        }
    }

    #[test]
    fn what_cannot_be_sent_says_why() {
        for (text, why) in [
            ("hello", "`hello` is not an event id"),
            ("a/b {x", "the data of `a/b` is not JSON"),
            ("a/b 1 2", "the data of `a/b` is not JSON"),
            ("?", "`?` asks an event"),
        ] {
            assert!(line(text, Encoding::Json).unwrap_err().starts_with(why), "{text}");
        }
    }

    #[test]
    fn frames_are_the_grammars() {
        let frame = |text, callback| event(text, false, Encoding::Json).unwrap().frame(callback);
        assert_eq!(frame("a/b", None), r#"[["a/b"],null]"#);
        assert_eq!(frame(r#"a/b {"x":1}"#, Some("c1")), r#"[["a/b",{"x":1}],"c1"]"#);
        assert_eq!(frame(r#"a/"b 1"#, None), r#"[["a/\"b",1],null]"#);
    }

    #[track_caller]
    fn check(frame: &str, expected: &[Arrived]) {
        assert_eq!(of_text(frame), expected, "{frame}");
    }

    #[test]
    fn what_arrives_is_told_apart() {
        let event = |id: &str, data: &str| Arrived::Event { id: id.into(), data: data.into() };
        check(
            r#"[["chsk/handshake",["ada",null,{}]],null]"#,
            &[Arrived::Handshake(r#"["ada",null,{}]"#.into())],
        );
        check(r#"["chsk/ws-ping",null]"#, &[Arrived::Ping]);
        check(r#"[[["a/b",1],["c/d"]],null,{}]"#, &[event("a/b", "1"), event("c/d", "null")]);
        check(r#"[["a/b",1.0e400],null]"#, &[event("a/b", "1.0e400")]);
        check(
            r#"[{"x":1},"c1"]"#,
            &[Arrived::Reply { callback: "c1".into(), data: r#"{"x":1}"#.into(), is_fault: false }],
        );
        check("[[],null]", &[]);
        for strange in ["", "{}", "[", "[1,null]", "[[1],null]", "[]"] {
            check(strange, &[Arrived::Strange(strange.into())]);
        }
    }

    #[test]
    fn what_is_said_and_heard_is_the_same_in_every_format() {
        for (format, data, said) in [
            (Encoding::Json, r#"{"x":1}"#, Message::text(r#"[["a/b",{"x":1}],"c1"]"#)),
            (Encoding::Edn, "{:x 1}", Message::text("[[:a/b {:x 1}\n] \"c1\"]")),
            (Encoding::Transit, "{:x 1}", Message::text(r#"[["~:a/b",["^ ","~:x",1]],"c1"]"#)),
            (
                Encoding::Msgpack,
                r#"{"x":1}"#,
                Message::binary(&b"\x92\x92\xa3a/b\x81\xa1x\x01\xa2c1"[..]),
            ),
        ] {
            let line = event(&format!("a/b {data}"), true, format).unwrap();
            assert_eq!(message(&line, Some("c1"), format), Ok(said.clone()), "{format:?}");
            assert!(matches!(
                arrived(pong(format).unwrap(), format).as_slice(),
                [Arrived::Event { id, .. }] if id == "chsk/ws-pong"
            ));
            let reply = |data: &str, is_fault| Arrived::Reply {
                callback: "c1".into(),
                data: data.into(),
                is_fault,
            };
            let echo = |frame: &str| {
                let payload = Payload::new(Encoding::Json, frame.to_owned());
                let body = transcode(&payload, format).unwrap().body;
                match format.is_text() {
                    true => Message::text(String::from_utf8(body.into()).unwrap()),
                    false => Message::binary(body),
                }
            };
            assert_eq!(arrived(echo(r#"[{"x":1},"c1"]"#), format), [reply(data, false)]);
            let heard = arrived(echo(r#"[{"tengen/error":{"id":"busy"}},"c1"]"#), format);
            assert!(
                matches!(heard.as_slice(), [Arrived::Reply { is_fault: true, .. }]),
                "{heard:?}"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn no_frame_makes_it_panic(text in "[\\[\\]{}\",a-z/0-9:]{0,60}") {
            let _read = (of_text(&text), edn::arrived(&text));
            for format in formats() {
                let _typed = line(&text, format);
                let _heard = arrived(Message::binary(text.clone().into_bytes()), format);
            }
        }
    }
}
