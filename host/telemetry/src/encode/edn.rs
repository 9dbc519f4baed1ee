//! A signal as an EDN map on a line, with keywords for what the gateway names; what is empty is left out.

use super::time::{Moment, millis};
use base64::prelude::{BASE64_STANDARD as BASE64, Engine as _};
use std::io::Write as _;
use tengen_core::sink::{Signal, Value};

pub(super) fn write(signal: &Signal, to: &mut Vec<u8>) {
    // Writing to a vector does not fail.
    let _written =
        write!(to, "{{:at #inst \"{}\", :level :{}", Moment(signal.at), signal.level.word());
    entry(to, "namespace", &signal.namespace);
    entry(to, "id", &signal.id);
    entry(to, "message", &signal.message);
    if let Some(error) = &signal.error {
        entry(to, "error", &error.to_string());
        if !error.causes.is_empty() {
            to.extend_from_slice(b", :causes [");
            for (place, cause) in error.causes.iter().enumerate() {
                to.extend_from_slice(if place > 0 { b" " } else { b"" });
                string(to, cause);
            }
            to.push(b']');
        }
    }
    entry(to, "connection", &signal.connection);
    entry(to, "user", &signal.user);
    entry(to, "trace-id", &signal.trace_id);
    entry(to, "span-id", &signal.span_id);
    entry(to, "parent", &signal.parent);
    if let Some(took) = signal.took {
        let _written = write!(to, ", :took-ms {:?}", millis(took));
    }
    entry(to, "location", &signal.location.to_string());
    if !signal.data.is_empty() {
        to.extend_from_slice(b", :data {");
        for (place, (name, datum)) in signal.data.iter().enumerate() {
            to.extend_from_slice(if place > 0 { b", " } else { b"" });
            string(to, name);
            to.push(b' ');
            value(to, datum);
        }
        to.push(b'}');
    }
    to.extend_from_slice(b"}\n");
}

fn entry(to: &mut Vec<u8>, key: &str, text: &str) {
    if !text.is_empty() {
        to.extend_from_slice(b", :");
        to.extend_from_slice(key.as_bytes());
        to.push(b' ');
        string(to, text);
    }
}

fn value(to: &mut Vec<u8>, value: &Value) {
    let _written = match value {
        Value::Text(text) => return string(to, text),
        Value::Bytes(bytes) => return string(to, &BASE64.encode(bytes)),
        Value::Integer(number) => write!(to, "{number}"),
        Value::Float(number) if number.is_finite() => write!(to, "{number:?}"),
        Value::Float(number) if number.is_nan() => write!(to, "##NaN"),
        Value::Float(number) => write!(to, "##{}Inf", if *number < 0.0 { "-" } else { "" }),
        Value::Boolean(truth) => write!(to, "{truth}"),
    };
}

/// Everything that could end a line, or the string, is escaped.
fn string(to: &mut Vec<u8>, text: &str) {
    to.push(b'"');
    for letter in text.chars() {
        match letter {
            '"' => to.extend_from_slice(b"\\\""),
            '\\' => to.extend_from_slice(b"\\\\"),
            '\n' => to.extend_from_slice(b"\\n"),
            '\r' => to.extend_from_slice(b"\\r"),
            '\t' => to.extend_from_slice(b"\\t"),
            odd if odd.is_control() => {
                let _written = write!(to, "\\u{:04x}", u32::from(odd));
            }
            plain => to.extend_from_slice(plain.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    to.push(b'"');
}
