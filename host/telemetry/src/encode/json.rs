//! A signal as one JSON object on a line; what is empty is left out.
//!
//! Keys are written as they stand, and values by the library: a line is made in a third of the time that it takes where the
//! library asks each value what it is.

use super::time::{Moment, millis};
use base64::prelude::{BASE64_STANDARD as BASE64, Engine as _};
use serde::Serialize;
use tengen_core::sink::{Location, Signal, Text, Value};

pub(super) fn write(signal: &Signal, to: &mut Vec<u8>) {
    to.extend_from_slice(b"{\"at\":\"");
    to.extend_from_slice(&Moment(signal.at).text());
    to.extend_from_slice(b"\",\"level\":\"");
    to.extend_from_slice(signal.level.word().as_bytes());
    to.push(b'"');
    entry(to, "namespace", &signal.namespace);
    entry(to, "id", &signal.id);
    entry(to, "message", &signal.message);
    if let Some(error) = &signal.error {
        key(to, "error");
        value(to, &format_args!("{error}"));
        if !error.causes.is_empty() {
            key(to, "causes");
            value(to, &error.causes);
        }
    }
    entry(to, "connection", &signal.connection);
    entry(to, "user", &signal.user);
    entry(to, "trace_id", &signal.trace_id);
    entry(to, "span_id", &signal.span_id);
    entry(to, "parent", &signal.parent);
    if let Some(took) = signal.took {
        key(to, "took_ms");
        value(to, &millis(took));
    }
    location(to, &signal.location);
    data(to, &signal.data);
    to.extend_from_slice(b"}\n");
}

/// What is named here needs no escape.
fn key(to: &mut Vec<u8>, key: &'static str) {
    to.extend_from_slice(b",\"");
    to.extend_from_slice(key.as_bytes());
    to.extend_from_slice(b"\":");
}

fn entry(to: &mut Vec<u8>, name: &'static str, text: &str) {
    if !text.is_empty() {
        key(to, name);
        value(to, text);
    }
}

/// Numbers, texts and lists of them: that does not fail. If it did, nothing would stand there but a value all the same.
fn value<T: Serialize + ?Sized>(to: &mut Vec<u8>, value: &T) {
    let start = to.len();
    if serde_json::to_writer(&mut *to, value).is_err() {
        to.truncate(start);
        to.extend_from_slice(b"null");
    }
}

fn location(to: &mut Vec<u8>, location: &Location) {
    match location {
        Location::Unknown => {}
        Location::Line(file, line) => {
            key(to, "location");
            value(to, *file);
            // The line stands within the quotes.
            to.pop();
            to.push(b':');
            value(to, line);
            to.push(b'"');
        }
        Location::Named(name) => {
            key(to, "location");
            value(to, name);
        }
    }
}

fn data(to: &mut Vec<u8>, data: &[(Text, Value)]) {
    if data.is_empty() {
        return;
    }
    key(to, "data");
    let mut gap = b'{';
    for (name, datum) in data {
        to.push(gap);
        gap = b',';
        value(to, &**name);
        to.push(b':');
        match datum {
            Value::Text(text) => value(to, text),
            Value::Integer(number) => value(to, number),
            Value::Float(number) => value(to, number),
            Value::Boolean(truth) => value(to, truth),
            // Bytes have no form of their own in JSON.
            Value::Bytes(bytes) => value(to, &BASE64.encode(bytes)),
        }
    }
    to.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};
    use tengen_core::sink::{Failure, Level};

    /// The line, read again.
    fn read(signal: &Signal) -> Json {
        let mut line = Vec::new();
        write(signal, &mut line);
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        serde_json::from_slice(&line).unwrap()
    }

    #[test]
    fn what_is_there_is_in_the_line_and_what_is_empty_is_not() {
        let mut signal = Signal::new(Level::Warn, "test", "a \"word\"\n");
        assert_eq!(
            read(&signal),
            json!({ "at": "1970-01-01T00:00:00.000000Z", "level": "warn", "namespace": "test", "message": "a \"word\"\n" })
        );
        signal.error = Some(Failure { message: "no".into(), causes: vec!["disk".into()] });
        signal.location = Location::Line("a\\b.rs", 7);
        signal.data =
            vec![("n".into(), Value::Float(f64::NAN)), ("b".into(), Value::Bytes(vec![1]))];
        let read = read(&signal);
        assert_eq!((&read["error"], &read["causes"]), (&json!("no: disk"), &json!(["disk"])));
        assert_eq!(
            (&read["location"], &read["data"]),
            (&json!("a\\b.rs:7"), &json!({ "n": null, "b": "AQ==" }))
        );
    }

    proptest! {
        #[test]
        fn every_text_is_read_as_it_was_said(text in any::<String>(), number: i64) {
            let mut signal = Signal::new(Level::Info, "test", text.clone());
            signal.location = Location::Named(text.clone());
            signal.data = vec![(text.clone().into(), Value::Text(text.clone())), ("n".into(), Value::Integer(number))];
            let line = read(&signal);
            if !text.is_empty() {
                prop_assert_eq!(&line["message"], &json!(text));
            }
            prop_assert_eq!(&line["location"], &json!(text));
            if text != "n" {
                prop_assert_eq!(&line["data"][&text], &json!(text));
            }
            prop_assert_eq!(&line["data"]["n"], &json!(number));
        }
    }
}
