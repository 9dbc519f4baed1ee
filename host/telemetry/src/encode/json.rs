//! A signal as one JSON object on a line; what is empty is left out.

use super::time::Moment;
use base64::prelude::{BASE64_STANDARD as BASE64, Engine as _};
use serde::{Serialize, Serializer, ser::SerializeMap};
use tengen_core::sink::{Signal, Text, Value};

pub(super) fn write(signal: &Signal, to: &mut Vec<u8>) {
    let start = to.len();
    // A string of numbers and texts: it does not fail. If it did, no half of a line would be left.
    if serde_json::to_writer(&mut *to, &Line(signal)).is_err() {
        to.truncate(start);
    }
    to.push(b'\n');
}

struct Line<'a>(&'a Signal);

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let signal = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("at", &format_args!("{}", Moment(signal.at)))?;
        map.serialize_entry("level", signal.level.word())?;
        for (key, text) in
            [("namespace", &signal.namespace), ("id", &signal.id), ("message", &signal.message)]
        {
            if !text.is_empty() {
                map.serialize_entry(key, &**text)?;
            }
        }
        if let Some(error) = &signal.error {
            map.serialize_entry("error", &format_args!("{error}"))?;
            if !error.causes.is_empty() {
                map.serialize_entry("causes", &error.causes)?;
            }
        }
        for (key, text) in [
            ("connection", &signal.connection),
            ("user", &signal.user),
            ("trace_id", &signal.trace_id),
            ("span_id", &signal.span_id),
        ] {
            if !text.is_empty() {
                map.serialize_entry(key, text)?;
            }
        }
        if signal.location.is_known() {
            map.serialize_entry("location", &format_args!("{}", signal.location))?;
        }
        if !signal.data.is_empty() {
            map.serialize_entry("data", &Data(&signal.data))?;
        }
        map.end()
    }
}

struct Data<'a>(&'a [(Text, Value)]);

impl Serialize for Data<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, Datum(value))))
    }
}

struct Datum<'a>(&'a Value);

impl Serialize for Datum<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Text(text) => serializer.serialize_str(text),
            Value::Integer(number) => serializer.serialize_i64(*number),
            Value::Float(number) => serializer.serialize_f64(*number),
            Value::Boolean(truth) => serializer.serialize_bool(*truth),
            // Bytes have no form of their own in JSON.
            Value::Bytes(bytes) => serializer.serialize_str(&BASE64.encode(bytes)),
        }
    }
}
