//! A signal as one line of JSON. What is not known is left out.

use base64::prelude::{BASE64_STANDARD as BASE64, Engine as _};
use serde::{Serialize, Serializer, ser::SerializeMap};
use tengen_plugin::{
    Signal,
    signals::{Level, Value},
};

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Line<'a> {
    at: String,
    level: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    namespace: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    message: &'a str,
    #[serde(skip_serializing_if = "Data::is_empty")]
    data: Data<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    causes: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    span_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    took_ms: Option<f64>,
}

/// Appends a signal's line.
pub fn write(signal: &Signal, lines: &mut Vec<u8>) {
    let line = Line {
        at: rfc3339(signal.at_s, signal.at_ns),
        level: word(signal.level),
        namespace: &signal.namespace,
        id: signal.id.as_deref(),
        message: &signal.message,
        data: Data(&signal.data),
        error: signal.error.as_deref(),
        causes: &signal.causes,
        location: signal.location.as_deref(),
        trace_id: signal.trace_id.as_deref(),
        span_id: signal.span_id.as_deref(),
        connection: signal.connection.as_deref(),
        user: signal.user.as_deref(),
        parent: signal.parent.as_deref(),
        took_ms: signal.took_ms,
    };
    append(&line, lines);
}

/// Appends a line that says how many signals are missing, at the time of the one after.
pub fn write_gap(dropped: u32, next: Option<&Signal>, lines: &mut Vec<u8>) {
    let (at_s, at_ns) = next.map_or((0, 0), |signal| (signal.at_s, signal.at_ns));
    let data = [("dropped".to_owned(), Value::Integer(dropped.into()))];
    let line = Line {
        at: rfc3339(at_s, at_ns),
        level: "warn",
        namespace: "plugin.log-sink",
        id: Some("sink/dropped"),
        message: "signals before this one were lost because the sink was too slow",
        data: Data(&data),
        error: None,
        causes: &[],
        location: None,
        trace_id: None,
        span_id: None,
        connection: None,
        user: None,
        parent: None,
        took_ms: None,
    };
    append(&line, lines);
}

fn append(line: &Line<'_>, lines: &mut Vec<u8>) {
    let before = lines.len();
    match serde_json::to_writer(&mut *lines, line) {
        Ok(()) => lines.push(b'\n'),
        // Text and numbers always fit; should they not, half a line is worse than none.
        Err(_) => lines.truncate(before),
    }
}

struct Data<'a>(&'a [(String, Value)]);

impl Data<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Data<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in self.0 {
            match value {
                Value::Text(text) => map.serialize_entry(key, text)?,
                Value::Integer(number) => map.serialize_entry(key, number)?,
                Value::Number(number) => map.serialize_entry(key, number)?,
                Value::Boolean(truth) => map.serialize_entry(key, truth)?,
                Value::Bytes(bytes) => map.serialize_entry(key, &BASE64.encode(bytes))?,
            }
        }
        map.end()
    }
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Trace => "trace",
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
        Level::Fatal => "fatal",
    }
}

/// RFC 3339. By hand: no library in the lock file writes it, and of the gateway a plugin knows the SDK alone.
///
/// Civil date from days since 1970, after Howard Hinnant's `civil_from_days`; 32-bit seconds end in 2106.
fn rfc3339(seconds: u32, nanos: u32) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year_of_era + u32::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z",
        nanos / 1_000_000
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right_on_the_days_that_are_easily_wrong() {
        for (seconds, date) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, "2000-02-28T23:59:59.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_709_164_800, "2024-02-29T00:00:00.000Z"),
            (1_735_689_599, "2024-12-31T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(rfc3339(seconds, 0), date);
        }
    }
}
