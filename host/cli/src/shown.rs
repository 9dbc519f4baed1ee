//! A plugin as people read it: in the list, and all that is known of it.

use super::words::{counted, visible};
use serde_json::Value;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tengen_engine::{Inspection, Role};

/// What stands in the list's lines, or needs words of its own.
const SAID: [&str; 17] = [
    "name",
    "state",
    "component",
    "version",
    "roles",
    "generation",
    "events",
    "errors",
    "breaker",
    "breaker_opened",
    "lost_states",
    "refused_by_reason",
    "declined_by_reason",
    "last_error",
    "kept_state",
    "revived",
    "each",
];

/// A plugin on one line, and below it what went wrong last.
pub(super) fn line_of(plugin: &Value) -> Vec<String> {
    let text = |key: &str| plugin.get(key).and_then(text_of).unwrap_or_else(|| "-".to_owned());
    let mut lines = vec![format!(
        "{:<16} {:<12} {} {} ({}), generation {}, {}, {}",
        text("name"),
        text("state"),
        text("component"),
        text("version"),
        text("roles"),
        text("generation"),
        number_of(plugin, "events", "event", "events"),
        number_of(plugin, "errors", "error", "errors"),
    )];
    if plugin.get("breaker").is_some_and(|phase| phase != "closed") {
        lines.push(format!(
            "  it keeps failing: its breaker is {}, opened {}",
            text("breaker"),
            number_of(plugin, "breaker_opened", "time", "times")
        ));
    }
    if plugin.get("lost_states").and_then(Value::as_u64).is_some_and(|lost| lost > 0) {
        lines.push(format!(
            "  it lost its state with an instance that failed, {}",
            number_of(plugin, "lost_states", "time", "times")
        ));
    }
    if let Some(refused) = plugin.get("refused_by_reason").and_then(refused) {
        lines.push(format!("  refused effects: {refused}"));
    }
    if let Some(declined) = plugin.get("declined_by_reason").and_then(counts) {
        lines.push(format!("  declined events: {declined}"));
    }
    let each = plugin.get("each").and_then(Value::as_array).filter(|each| each.len() > 1);
    lines.extend(each.into_iter().flatten().map(of_instance));
    if let Some(message) = plugin.pointer("/last_error/message") {
        let message = message.as_str().unwrap_or_default();
        let message = message.split('\n').map(|line| visible(line, false)).collect::<Vec<_>>();
        lines.push(format!("  last error: {}", message.join("\n    ")));
        let at = |key: &str| plugin.pointer(&format!("/last_error/{key}")).and_then(text_of);
        if let Some(event) = at("event") {
            let connection = at("connection").unwrap_or_else(|| "no one connection".to_owned());
            let trace = at("trace_id").map(|trace| format!(", trace {trace}")).unwrap_or_default();
            lines.push(format!("    at the event `{event}` of {connection}{trace}"));
        }
    }
    lines
}

/// What is kept of its state for after a trap, and what an instance had of it that came after one.
fn state_of(plugin: &Value, now: SystemTime) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(kept) = plugin.get("kept_state").filter(|kept| kept.is_object()) {
        let number = |key: &str| kept.get(key).and_then(Value::as_u64).unwrap_or_default();
        lines.push(format!(
            "  state: {} bytes, saved {}, which took {} µs and made it grow by {} bytes",
            number("bytes"),
            ago(number("at_ms"), now),
            number("took_us"),
            number("growth_bytes"),
        ));
    }
    let age = plugin.pointer("/revived/age_ms").and_then(Value::as_u64).unwrap_or_default();
    match plugin.pointer("/revived/state").and_then(Value::as_str) {
        Some("recovered") => lines.push("  after the last trap it had all of its state".to_owned()),
        Some("restored") => lines.push(format!(
            "  after the last trap it had the state of {age} ms before: what it decided in that time is not known to it"
        )),
        Some(_) => lines.push("  after the last trap it began with nothing".to_owned()),
        None => {}
    }
    lines
}

/// One of several instances, on one line, and what went wrong with it last.
fn of_instance(each: &Value) -> String {
    let text = |key: &str| each.get(key).and_then(text_of).unwrap_or_else(|| "-".to_owned());
    let memory = each.get("memory_bytes").and_then(Value::as_u64).unwrap_or_default();
    let mut line = format!(
        "  instance {}: {}, {}, {} waiting, {} KiB",
        text("instance"),
        text("state"),
        number_of(each, "connections", "connection", "connections"),
        text("waiting"),
        memory.div_ceil(1024),
    );
    if each.get("breaker").is_some_and(|phase| phase != "closed") {
        line.push_str(&format!(", breaker {}", text("breaker")));
    }
    if let Some(message) = each.pointer("/last_error/message").and_then(Value::as_str) {
        let first = message.lines().next().unwrap_or_default();
        line.push_str(&format!(", last error: {}", visible(first, false)));
    }
    line
}

/// A plugin of a running gateway: its line, and below it whatever else is known and not nothing.
pub(super) fn of_running(plugin: &Value, now: SystemTime) -> Vec<String> {
    let mut lines = line_of(plugin);
    lines.extend(state_of(plugin, now));
    let others = plugin.as_object().into_iter().flatten();
    let others = others.filter(|(key, _)| !SAID.contains(&key.as_str()));
    lines.extend(others.filter_map(|(key, value)| {
        let value = match (key.strip_suffix("_ms"), key.strip_suffix("_bytes"), value.as_u64()) {
            (Some(_), _, Some(at)) => ago(at, now),
            (_, Some(_), Some(bytes)) => format!("{} KiB", bytes.div_ceil(1024)),
            _ => text_of(value)?,
        };
        let word = key.trim_end_matches("_ms").trim_end_matches("_bytes").replace('_', " ");
        (value != "0").then(|| format!("  {word}: {value}"))
    }));
    lines
}

fn ago(at_ms: u64, now: SystemTime) -> String {
    let at = UNIX_EPOCH + Duration::from_millis(at_ms);
    let seconds = now.duration_since(at).map_or(0, |since| since.as_secs());
    format!("{} min {} s ago", seconds / 60, seconds % 60)
}

/// A component in a file.
pub(super) fn of_file(found: &Inspection) -> Vec<String> {
    let list = |items: &[String], none: &str| match items {
        [] => none.to_owned(),
        items => items.iter().map(|item| visible(item, false)).collect::<Vec<_>>().join(", "),
    };
    let roles: Vec<_> = found.roles.iter().map(|role| Role::word(*role)).collect();
    let state = if found.snapshot { "handed to its next version" } else { "begins anew" };
    let batch = counted(found.max_batch, "event", "events");
    vec![
        visible(&format!("{} {}", found.name, found.version), false),
        format!("  roles: {}", roles.join(", ")),
        format!("  events: {}", list(&found.events, "all that are routed to it")),
        format!("  payloads: {}, {batch} a call at most", found.encoding.word()),
        format!("  state at a reload: {state}"),
        format!("  imports: {}", list(&found.imports, "nothing")),
        format!("  exports: {}", list(&found.exports, "nothing")),
        format!("  size: {} KiB", found.size.div_ceil(1024)),
        format!("  sha256: {}", found.sha256),
    ]
}

/// A value in words; none where there is nothing to say.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(visible(text, false)),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().filter_map(text_of).collect();
            (!items.is_empty()).then(|| items.join(", "))
        }
        Value::Object(_) => counts(value),
        other => Some(other.to_string()),
    }
}

fn number_of(plugin: &Value, key: &str, one: &'static str, many: &'static str) -> String {
    let number = plugin.get(key).and_then(Value::as_u64);
    number.map_or_else(
        || format!("- {many}"),
        |number| counted(usize::try_from(number).unwrap_or(usize::MAX), one, many).to_string(),
    )
}

/// Counts by name, as `3 not-allowed, 1 closed`; none when there are none.
fn counts(counts: &Value) -> Option<String> {
    let counts = counts.as_object().filter(|counts| !counts.is_empty())?;
    let each: Vec<_> =
        counts.iter().map(|(name, count)| format!("{count} {}", visible(name, false))).collect();
    Some(each.join(", "))
}

/// Counts by reason and kind, as `not-allowed (3 push, 1 close), closed (1 push)`.
fn refused(refused: &Value) -> Option<String> {
    let reasons = refused.as_object().filter(|reasons| !reasons.is_empty())?;
    let each: Vec<_> = reasons
        .iter()
        .map(|(reason, kinds)| format!("{reason} ({})", counts(kinds).unwrap_or_default()))
        .collect();
    Some(each.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_running_plugin_is_told_in_words_and_what_is_nothing_is_left_out() {
        let plugin = json!({
            "name": "chat", "state": "running", "component": "chat\u{202e}", "version": "0.2.0",
            "roles": ["handler", "sink"], "generation": 1, "events": 1, "errors": 0, "breaker": "closed",
            "file": "chat.wasm", "since_ms": 60_000, "memory_bytes": 3000, "traps": 0, "last_error": null,
            "measures": {}, "refused_by_reason": {}, "unusable_verdicts": { "grant": 2 },
        });
        let told = of_running(&plugin, UNIX_EPOCH + Duration::from_secs(125));
        let expected = [
            "chat             running      chat\\u202e 0.2.0 (handler, sink), generation 1, 1 event, 0 errors",
            "  file: chat.wasm",
            "  memory: 3 KiB",
            "  since: 1 min 5 s ago",
            "  unusable verdicts: 2 grant",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn several_instances_have_a_line_each_and_one_has_none() {
        let each = |number: u64, more: Value| {
            let mut each = json!({
                "instance": number, "state": "running", "breaker": "closed", "waiting": 0,
                "connections": 1, "memory_bytes": 2048, "last_error": null,
            });
            let more = more.as_object().cloned().unwrap_or_default();
            each.as_object_mut().unwrap().extend(more);
            each
        };
        let broken = json!({
            "state": "unavailable", "breaker": "open", "waiting": 3, "connections": 0,
            "last_error": { "message": "it trapped\u{1b}\nat x" },
        });
        let plugin = json!({ "name": "chat", "each": [each(0, json!({})), each(1, broken)] });
        let expected = [
            "  instance 0: running, 1 connection, 0 waiting, 2 KiB",
            "  instance 1: unavailable, 0 connections, 3 waiting, 2 KiB, breaker open, last error: it trapped\\u001b",
        ];
        assert_eq!(line_of(&plugin)[1..], expected);
        let one = json!({ "name": "chat", "each": [each(0, json!({}))] });
        assert_eq!(line_of(&one).len(), 1);
    }

    #[test]
    fn a_file_is_told_in_words() {
        let found = Inspection {
            name: "chat".into(),
            version: "0.2.0".into(),
            encoding: tengen_wire::payload::Encoding::Json,
            max_batch: 1,
            events: Vec::new(),
            roles: vec![Role::Handler],
            snapshot: true,
            imports: Vec::new(),
            exports: vec!["a:b/c@0.1.0".into(), "d".into()],
            size: 2000,
            sha256: "ab".into(),
        };
        let expected = [
            "chat 0.2.0",
            "  roles: handler",
            "  events: all that are routed to it",
            "  payloads: json, 1 event a call at most",
            "  state at a reload: handed to its next version",
            "  imports: nothing",
            "  exports: a:b/c@0.1.0, d",
            "  size: 2 KiB",
            "  sha256: ab",
        ];
        assert_eq!(of_file(&found), expected);
    }
}
