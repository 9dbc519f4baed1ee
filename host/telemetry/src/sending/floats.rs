//! Numbers that JSON has no way to write: protobuf's mapping has them as the texts `NaN`, `Infinity` and `-Infinity`.
//!
//! Values of signals and spans can be such numbers, and the library writes `null` for them, which is to leave them out.

use opentelemetry_proto::tonic::{
    collector::{logs::v1::ExportLogsServiceRequest, trace::v1::ExportTraceServiceRequest},
    common::v1::{AnyValue, KeyValue, any_value},
};
use serde_json::Value;

/// Writes those of a request into what was written of it.
pub(super) fn of_logs(request: &ExportLogsServiceRequest, json: &mut Value) {
    each(&request.resource_logs, json.get_mut("resourceLogs"), |resource, json| {
        each(&resource.scope_logs, json.get_mut("scopeLogs"), |scope, json| {
            each(&scope.log_records, json.get_mut("logRecords"), |record, json| {
                attributes(&record.attributes, json);
                one(record.body.as_ref(), json.get_mut("body"));
            });
        });
    });
}

/// The same of spans.
pub(super) fn of_traces(request: &ExportTraceServiceRequest, json: &mut Value) {
    each(&request.resource_spans, json.get_mut("resourceSpans"), |resource, json| {
        each(&resource.scope_spans, json.get_mut("scopeSpans"), |scope, json| {
            each(&scope.spans, json.get_mut("spans"), |span, json| {
                attributes(&span.attributes, json);
                each(&span.links, json.get_mut("links"), |link, json| {
                    attributes(&link.attributes, json);
                });
                each(&span.events, json.get_mut("events"), |event, json| {
                    attributes(&event.attributes, json);
                });
            });
        });
    });
}

fn attributes(of: &[KeyValue], json: &mut Value) {
    each(of, json.get_mut("attributes"), pair);
}

fn pair(of: &KeyValue, json: &mut Value) {
    one(of.value.as_ref(), json.get_mut("value"));
}

fn one(value: Option<&AnyValue>, json: Option<&mut Value>) {
    let (Some(value), Some(json)) = (value.and_then(|value| value.value.as_ref()), json) else {
        return;
    };
    match value {
        any_value::Value::DoubleValue(number) if !number.is_finite() => {
            let text = match (number.is_nan(), *number > 0.0) {
                (true, _) => "NaN",
                (false, true) => "Infinity",
                (false, false) => "-Infinity",
            };
            if let Some(written) = json.get_mut("doubleValue") {
                *written = text.into();
            }
        }
        any_value::Value::ArrayValue(list) => {
            each(&list.values, json.pointer_mut("/arrayValue/values"), |value, json| {
                one(Some(value), Some(json));
            });
        }
        any_value::Value::KvlistValue(list) => {
            each(&list.values, json.pointer_mut("/kvlistValue/values"), pair);
        }
        _ => {}
    }
}

/// Each of them with what was written of it.
fn each<T>(those: &[T], json: Option<&mut Value>, mut what: impl FnMut(&T, &mut Value)) {
    let Some(Value::Array(written)) = json else { return };
    those.iter().zip(written).for_each(|(one, json)| what(one, json));
}
