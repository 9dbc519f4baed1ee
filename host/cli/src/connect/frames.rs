//! `tengen.v1.json` as the line client needs it: frames out of lines, lines out of frames.

use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// A line that was typed, or given as `--send` or `--ask`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) id: String,
    /// JSON as it was written; none: no data.
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
    },
    /// Nothing of the grammar: shown as it is.
    Strange(String),
}

/// The answer to the server's ping.
pub(super) const PONG: &str = r#"[["chsk/ws-pong"],null]"#;

/// The event that a fault comes as, and the key in a reply that is one.
pub(super) const FAULT: &str = "tengen/error";

/// Whether the data of a reply is a fault.
pub(super) fn is_fault(data: &str) -> bool {
    let keys = serde_json::from_str::<BTreeMap<String, &RawValue>>(data);
    keys.is_ok_and(|keys| keys.len() == 1 && keys.contains_key(FAULT))
}

/// Reads `ns/name {json}`, or with `? ` in front a question. None for an empty line.
pub(super) fn line(text: &str) -> Result<Option<Line>, String> {
    let text = text.trim();
    let (asks, rest) = match text.strip_prefix('?') {
        Some(rest) => (true, rest.trim_start()),
        None => (false, text),
    };
    if rest.is_empty() {
        return if asks {
            Err("`?` asks an event: write `? ns/name {json}`".into())
        } else {
            Ok(None)
        };
    }
    event(rest, asks).map(Some)
}

/// Reads `ns/name {json}`.
pub(super) fn event(text: &str, asks: bool) -> Result<Line, String> {
    let text = text.trim();
    let (id, data) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    if !tengen_wire::id::is_event_id(id) {
        return Err(format!(
            "`{id}` is not an event id; write `ns/name`, and its data as JSON after it"
        ));
    }
    let data = data.trim();
    if data.is_empty() {
        return Ok(Line { id: id.to_owned(), data: None, asks });
    }
    serde_json::from_str::<&RawValue>(data)
        .map_err(|error| format!("the data of `{id}` is not JSON: {error}"))?;
    Ok(Line { id: id.to_owned(), data: Some(data.to_owned()), asks })
}

impl Line {
    /// The frame for it; with a callback, the gateway replies.
    pub(super) fn frame(&self, callback: Option<&str>) -> String {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let callback = callback.map_or_else(|| "null".to_owned(), quoted);
        let id = quoted(&self.id);
        match &self.data {
            Some(data) => format!("[[{id},{data}],{callback}]"),
            None => format!("[[{id}],{callback}]"),
        }
    }
}

/// What a frame from the gateway says.
pub(super) fn arrived(frame: &str) -> Vec<Arrived> {
    read(frame).unwrap_or_else(|| vec![Arrived::Strange(frame.to_owned())])
}

fn read(frame: &str) -> Option<Vec<Arrived>> {
    let parts: Vec<&RawValue> = serde_json::from_str(frame).ok()?;
    let first = *parts.first()?;
    if let Some(callback) =
        parts.get(1).and_then(|part| serde_json::from_str::<String>(part.get()).ok())
    {
        return Some(vec![Arrived::Reply { callback, data: first.get().to_owned() }]);
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
        let read = |text| line(text).unwrap().map(|line| (line.asks, line.id, line.data));
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
            assert!(line(text).unwrap_err().starts_with(why), "{text}");
        }
    }

    #[test]
    fn frames_are_the_grammars() {
        let frame = |text, callback| event(text, false).unwrap().frame(callback);
        assert_eq!(frame("a/b", None), r#"[["a/b"],null]"#);
        assert_eq!(frame(r#"a/b {"x":1}"#, Some("c1")), r#"[["a/b",{"x":1}],"c1"]"#);
        assert_eq!(frame(r#"a/"b 1"#, None), r#"[["a/\"b",1],null]"#);
    }

    #[track_caller]
    fn check(frame: &str, expected: &[Arrived]) {
        assert_eq!(arrived(frame), expected, "{frame}");
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
            &[Arrived::Reply { callback: "c1".into(), data: r#"{"x":1}"#.into() }],
        );
        check("[[],null]", &[]);
        for strange in ["", "{}", "[", "[1,null]", "[[1],null]", "[]"] {
            check(strange, &[Arrived::Strange(strange.into())]);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_frame_makes_it_panic(text in "[\\[\\]{}\",a-z/0-9:]{0,60}") {
            let _read = (arrived(&text), line(&text));
        }
    }
}
