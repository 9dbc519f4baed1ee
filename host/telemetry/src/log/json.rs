//! A record as one JSON object on a line, in the words of a signal; what is empty is left out.

use super::{FmtContext, FormatEvent, FormatFields, LookupSpan, Subscriber, format::Writer};
use crate::record;
use base64::prelude::{BASE64_STANDARD as BASE64, Engine as _};
use serde::{Serialize, Serializer, ser::SerializeMap};
use std::fmt;
use tengen_core::sink::{Signal, Value};
use tracing::Event;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

#[derive(Debug)]
pub(super) struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        writer.write_str(&line(&record::signal(event, context.event_scope()))?)
    }
}

/// A record of now, with the line's end.
pub(super) fn line(signal: &Signal) -> Result<String, fmt::Error> {
    let mut at = String::new();
    SystemTime.format_time(&mut Writer::new(&mut at))?;
    let mut line = serde_json::to_string(&Line { at: &at, signal }).map_err(|_| fmt::Error)?;
    line.push('\n');
    Ok(line)
}

struct Line<'a> {
    at: &'a str,
    signal: &'a Signal,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let signal = self.signal;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("at", self.at)?;
        map.serialize_entry("level", signal.level.word())?;
        for (key, text) in [
            ("namespace", &signal.namespace),
            ("id", &signal.id),
            ("message", &signal.message),
            ("error", signal.error.as_ref().unwrap_or(&String::new())),
            ("connection", &signal.connection),
            ("user", &signal.user),
            ("trace_id", &signal.trace_id),
            ("span_id", &signal.span_id),
            ("location", &signal.location),
        ] {
            if !text.is_empty() {
                map.serialize_entry(key, text)?;
            }
        }
        if !signal.data.is_empty() {
            map.serialize_entry("data", &Data(&signal.data))?;
        }
        map.end()
    }
}

struct Data<'a>(&'a [(String, Value)]);

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
