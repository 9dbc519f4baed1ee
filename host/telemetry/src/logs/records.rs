//! Signals as OTLP has them: log records, in the words of the conventions where those have one.
//!
//! What a plugin or a client says by name is below `data.`, so that it cannot be taken for what the gateway says.

use super::plan::Limits;
use crate::{redact, sending};
use opentelemetry_proto::tonic::{
    collector::logs::v1::ExportLogsServiceRequest,
    common::v1::{AnyValue, ArrayValue, KeyValue, any_value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber},
    resource::v1,
};
use opentelemetry_sdk::Resource;
use prost::Message;
use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};
use tengen_core::sink::{Level, Signal, Value};

/// What a plugin's namespace begins with.
const PLUGIN: &str = "plugin.";

/// What is the same in every request.
#[derive(Debug)]
pub(super) struct Sheet {
    resource: v1::Resource,
    limits: Limits,
}

/// A request, and how many signals are in it.
pub(super) struct Page {
    pub(super) request: ExportLogsServiceRequest,
    pub(super) signals: usize,
}

impl Sheet {
    pub(super) fn new(resource: &Resource, limits: Limits) -> Self {
        Self { resource: sending::resource(resource), limits }
    }

    /// As many as a request of so many bytes (as protobuf) holds, from the first, and at least that one. `dropped_before`: how
    /// many were lost before them, which a record of its own says.
    pub(super) fn page(&self, signals: &[Arc<Signal>], dropped_before: u32, room: usize) -> Page {
        let first = signals.first().filter(|_| dropped_before > 0);
        let records: Vec<_> = first.map(|first| lost(first, dropped_before)).into_iter().collect();
        let mut request = self.request(records);
        let mut bytes = request.encoded_len() + sending::GROWTH;
        let mut taken = 0;
        for signal in signals {
            let record = self.record(signal);
            bytes += sending::weight(&record);
            if taken > 0 && bytes > room {
                break;
            }
            let scope = request.resource_logs.last_mut().and_then(|it| it.scope_logs.last_mut());
            let Some(scope) = scope else { break };
            scope.log_records.push(record);
            taken += 1;
        }
        Page { request, signals: taken }
    }

    fn request(&self, log_records: Vec<LogRecord>) -> ExportLogsServiceRequest {
        let (scope, schema_url) = (Some(sending::scope()), String::new());
        let scope_logs = vec![ScopeLogs { scope, log_records, schema_url }];
        let (resource, schema_url) = (Some(self.resource.clone()), String::new());
        let logs = ResourceLogs { resource, scope_logs, schema_url };
        ExportLogsServiceRequest { resource_logs: vec![logs] }
    }

    fn record(&self, signal: &Signal) -> LogRecord {
        let mut attributes = Attributes { limits: self.limits, list: Vec::new(), dropped: 0 };
        attributes.add_all(signal);
        let Attributes { list, dropped, .. } = attributes;
        LogRecord {
            attributes: list,
            dropped_attributes_count: dropped,
            // The lowest of the trace's flags.
            flags: u32::from(signal.sampled),
            trace_id: id::<16>(&signal.trace_id),
            span_id: id::<8>(&signal.span_id),
            event_name: signal.id.to_string(),
            ..said(signal, body(signal))
        }
    }
}

/// When, how grave and what.
fn said(signal: &Signal, body: Option<AnyValue>) -> LogRecord {
    let at = nanos(signal.at);
    LogRecord {
        time_unix_nano: at,
        // Who made the signal saw it then.
        observed_time_unix_nano: at,
        severity_number: severity(signal.level).into(),
        severity_text: signal.level.word().to_ascii_uppercase(),
        body,
        ..LogRecord::default()
    }
}

/// The record that says how many were lost before this signal.
fn lost(before: &Signal, lost: u32) -> LogRecord {
    let said = Signal {
        at: before.at,
        ..Signal::new(Level::Warn, module_path!(), "signals for this sink were lost before this")
    };
    let attributes = vec![pair("data.lost", whole(lost.into()))];
    LogRecord { attributes, ..self::said(&said, body(&said)) }
}

/// The lowest severity of each name.
fn severity(level: Level) -> SeverityNumber {
    match level {
        Level::Trace => SeverityNumber::Trace,
        Level::Debug => SeverityNumber::Debug,
        Level::Info => SeverityNumber::Info,
        Level::Warn => SeverityNumber::Warn,
        Level::Error => SeverityNumber::Error,
        Level::Fatal => SeverityNumber::Fatal,
    }
}

/// The message; without one, the error; none: there is nothing to read.
fn body(signal: &Signal) -> Option<AnyValue> {
    let error = || signal.error.as_ref().map(|error| text(error.to_string()));
    match signal.message.is_empty() {
        true => error(),
        false => Some(text(signal.message.to_string())),
    }
}

fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// The bytes of an id in hex; none where it is no id.
fn id<const N: usize>(hex: &str) -> Vec<u8> {
    let is_hex = hex.len() == 2 * N && hex.bytes().all(|digit| digit.is_ascii_hexdigit());
    let number = u128::from_str_radix(hex, 16).ok().filter(|number| is_hex && *number != 0);
    let bytes = number.map(u128::to_be_bytes);
    bytes.and_then(|bytes| bytes.last_chunk::<N>().map(|id| id.to_vec())).unwrap_or_default()
}

/// The attributes of one record.
struct Attributes {
    limits: Limits,
    list: Vec<KeyValue>,
    /// Those that found no room.
    dropped: u32,
}

impl Attributes {
    /// What the gateway knows comes first: where there is no room for all, what is said by name gives way.
    fn add_all(&mut self, signal: &Signal) {
        self.text("tengen.signal.namespace", &signal.namespace);
        self.text("tengen.signal.kind", signal.kind());
        self.text("tengen.plugin.name", signal.namespace.strip_prefix(PLUGIN).unwrap_or_default());
        self.text("tengen.connection.id", &signal.connection);
        self.text("user.id", &signal.user);
        if let Some(error) = &signal.error {
            self.text("exception.message", &error.message);
            if !error.causes.is_empty() {
                let values = error.causes.iter().map(|cause| self.cut(cause)).collect();
                let causes = any(any_value::Value::ArrayValue(ArrayValue { values }));
                self.add("tengen.error.causes", causes);
            }
        }
        self.place(&signal.location.to_string());
        self.text("tengen.signal.parent", &signal.parent);
        if let Some(took) = signal.took {
            let seconds = any(any_value::Value::DoubleValue(took.as_secs_f64()));
            self.add("tengen.signal.duration", seconds);
        }
        for (name, value) in &signal.data {
            let value = match value {
                Value::Text(text) => self.cut(text),
                Value::Integer(number) => whole(*number),
                Value::Float(number) => any(any_value::Value::DoubleValue(*number)),
                Value::Boolean(truth) => any(any_value::Value::BoolValue(*truth)),
                Value::Bytes(bytes) => any(any_value::Value::BytesValue(bytes.clone())),
            };
            self.add(&format!("data.{name}"), value);
        }
    }

    /// `file:line`, or whatever stands for it; empty: it is not known.
    fn place(&mut self, location: &str) {
        let number = |(file, line): (_, &str)| line.parse().ok().map(|line: u32| (file, line));
        match location.rsplit_once(':').and_then(number) {
            Some((file, line)) => {
                self.text("code.file.path", file);
                self.add("code.line.number", whole(line.into()));
            }
            None => self.text("code.file.path", location),
        }
    }

    /// What is empty is left out.
    fn text(&mut self, key: &str, text: &str) {
        if !text.is_empty() {
            let value = self.cut(text);
            self.add(key, value);
        }
    }

    fn cut(&self, said: &str) -> AnyValue {
        text(redact::cut(said, self.limits.text).into_owned())
    }

    /// A key stands once: what is said last of it holds.
    fn add(&mut self, key: &str, value: AnyValue) {
        if let Some(same) = self.list.iter_mut().find(|other| other.key == key) {
            same.value = Some(value);
        } else if self.list.len() < self.limits.attributes {
            self.list.push(pair(key, value));
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
    }
}

/// Values are wrapped once more.
fn any(value: any_value::Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

fn pair(key: &str, value: AnyValue) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
}

fn text(text: String) -> AnyValue {
    any(any_value::Value::StringValue(text))
}

fn whole(number: i64) -> AnyValue {
    any(any_value::Value::IntValue(number))
}

#[cfg(test)]
mod tests;
