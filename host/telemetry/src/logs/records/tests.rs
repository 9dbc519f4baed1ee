//! What a signal says, as a record.

use super::*;
use crate::sending::LARGEST;
use std::time::Duration;
use tengen_core::sink::{Failure, Location};

const ROOMY: Limits = Limits { attributes: 128, text: usize::MAX };

fn page(signals: &[Arc<Signal>], lost: u32, limits: Limits) -> Page {
    Sheet::new(&Resource::builder_empty().build(), limits).page(signals, lost, LARGEST)
}

fn records(page: Page) -> Vec<LogRecord> {
    let [logs] = &page.request.resource_logs[..] else { panic!("{:?}", page.request) };
    let [scope] = &logs.scope_logs[..] else { panic!("{logs:?}") };
    assert_eq!(scope.scope.as_ref().map(|scope| scope.name.as_str()), Some("tengen"));
    scope.log_records.clone()
}

fn record(signal: Signal, limits: Limits) -> LogRecord {
    let mut records = records(page(&[signal.into()], 0, limits));
    assert_eq!(records.len(), 1);
    records.remove(0)
}

fn attribute(record: &LogRecord, key: &str) -> Option<any_value::Value> {
    let mut found = record.attributes.iter().filter(|pair| pair.key == key);
    let (value, second) = (found.next(), found.next());
    assert!(second.is_none(), "`{key}` twice");
    value.and_then(|pair| pair.value.clone()).and_then(|value| value.value)
}

fn string(text: &str) -> Option<any_value::Value> {
    Some(any_value::Value::StringValue(text.to_owned()))
}

fn keys(record: &LogRecord) -> Vec<&str> {
    record.attributes.iter().map(|pair| pair.key.as_str()).collect()
}

/// One that says everything.
fn full() -> Signal {
    Signal {
        at: UNIX_EPOCH + Duration::new(1_700_000_000, 7),
        id: "chat/said".into(),
        data: vec![
            ("text".into(), Value::Text("a\nb".into())),
            ("integer".into(), Value::Integer(i64::MIN)),
            ("float".into(), Value::Float(-0.5)),
            ("truth".into(), Value::Boolean(true)),
            ("bytes".into(), Value::Bytes(vec![0, 255])),
        ],
        error: Some(Failure { message: "no".into(), causes: vec!["a".into(), "b".into()] }),
        location: Location::Named("src/lib.rs:7".into()),
        trace_id: "0af7651916cd43dd8448eb211c80319c".into(),
        span_id: "b7ad6b7169203331".into(),
        sampled: true,
        connection: "c1".into(),
        user: "ann".into(),
        parent: "chat/work".into(),
        took: Some(Duration::from_millis(1500)),
        within: "in: ".into(),
        ..Signal::new(Level::Warn, "plugin.chat", "hello")
    }
}

#[test]
fn levels_are_severities() {
    let expected = [
        (Level::Trace, 1, "TRACE"),
        (Level::Debug, 5, "DEBUG"),
        (Level::Info, 9, "INFO"),
        (Level::Warn, 13, "WARN"),
        (Level::Error, 17, "ERROR"),
        (Level::Fatal, 21, "FATAL"),
    ];
    assert_eq!(expected.map(|(level, ..)| level), Level::ALL);
    for (level, number, word) in expected {
        let record = record(Signal::new(level, "test", "x"), ROOMY);
        assert_eq!((record.severity_number, &*record.severity_text), (number, word));
    }
}

#[test]
fn all_that_a_signal_says_is_in_its_record() {
    let record = record(full(), ROOMY);
    let times = (record.time_unix_nano, record.observed_time_unix_nano);
    assert_eq!(times, (1_700_000_000_000_000_007, 1_700_000_000_000_000_007));
    assert_eq!(record.body.as_ref().and_then(|body| body.value.clone()), string("hello"));
    assert_eq!((&*record.event_name, record.flags), ("chat/said", 1));
    let ids = (u128::from_be_bytes(record.trace_id[..].try_into().unwrap()), &record.span_id[..]);
    let span = 0xb7ad_6b71_6920_3331_u64.to_be_bytes();
    assert_eq!(ids, (0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c, &span[..]));
    let cause = |text: &str| super::text(text.to_owned());
    let causes = ArrayValue { values: vec![cause("a"), cause("b")] };
    let expected = [
        ("tengen.signal.namespace", string("plugin.chat")),
        ("tengen.signal.kind", string("error")),
        ("tengen.plugin.name", string("chat")),
        ("tengen.connection.id", string("c1")),
        ("user.id", string("ann")),
        ("exception.message", string("no")),
        ("tengen.error.causes", Some(any_value::Value::ArrayValue(causes))),
        ("code.file.path", string("src/lib.rs")),
        ("code.line.number", Some(any_value::Value::IntValue(7))),
        ("tengen.signal.parent", string("chat/work")),
        ("tengen.signal.duration", Some(any_value::Value::DoubleValue(1.5))),
        ("data.text", string("a\nb")),
        ("data.integer", Some(any_value::Value::IntValue(i64::MIN))),
        ("data.float", Some(any_value::Value::DoubleValue(-0.5))),
        ("data.truth", Some(any_value::Value::BoolValue(true))),
        ("data.bytes", Some(any_value::Value::BytesValue(vec![0, 255]))),
    ];
    assert_eq!(keys(&record), expected.each_ref().map(|(key, _)| *key));
    for (key, value) in expected {
        assert_eq!(attribute(&record, key), value, "{key}");
    }
}

#[test]
fn what_a_signal_does_not_say_is_not_in_its_record() {
    let quiet = record(Signal::new(Level::Info, "tengen_server::hub", ""), ROOMY);
    assert_eq!(keys(&quiet), ["tengen.signal.namespace", "tengen.signal.kind"]);
    assert_eq!((quiet.body, &*quiet.event_name, quiet.flags), (None, "", 0));
    assert!(quiet.trace_id.is_empty() && quiet.span_id.is_empty());
    let failed = Signal { message: "".into(), ..full() };
    let body = record(failed, ROOMY).body.and_then(|body| body.value);
    assert_eq!(body, string("no: a: b"), "there is something to read");
}

// After a while on the disk, the place of one of ours is a text.
#[test]
fn a_place_is_the_same_whoever_says_it() {
    let at = |location| {
        let record = record(Signal { location, ..full() }, ROOMY);
        (attribute(&record, "code.file.path"), attribute(&record, "code.line.number"))
    };
    let seven = Some(any_value::Value::IntValue(7));
    assert_eq!(at(Location::Line("a.rs", 7)), (string("a.rs"), seven.clone()));
    assert_eq!(at(Location::Named("a.rs:7".into())), (string("a.rs"), seven));
    assert_eq!(at(Location::Named("page.js:x".into())), (string("page.js:x"), None));
    assert_eq!(at(Location::Unknown), (None, None));
}

#[test]
fn what_is_no_id_is_none() {
    for odd in ["", "abc", "+af7651916cd43dd8448eb211c80319c", "00000000000000000000000000000000"] {
        let record = record(Signal { trace_id: odd.into(), span_id: "0".into(), ..full() }, ROOMY);
        assert!(record.trace_id.is_empty() && record.span_id.is_empty(), "{odd}");
    }
}

// Whoever says something by name could pass for the gateway, or for somebody else.
#[test]
fn nobody_says_by_name_what_the_gateway_says() {
    let forged = vec![
        ("user.id".into(), Value::Text("admin".into())),
        ("user.id".into(), Value::Text("root".into())),
    ];
    let record = record(Signal { data: forged, ..full() }, ROOMY);
    assert_eq!(attribute(&record, "user.id"), string("ann"));
    assert_eq!(attribute(&record, "data.user.id"), string("root"), "a key stands once");
}

#[test]
fn what_is_over_the_limits_is_left_out_and_counted() {
    let record = record(full(), Limits { attributes: 13, text: 6 });
    assert_eq!((record.attributes.len(), record.dropped_attributes_count), (13, 3));
    assert_eq!(attribute(&record, "tengen.signal.namespace"), string("plu…"));
    assert_eq!(attribute(&record, "data.integer"), Some(any_value::Value::IntValue(i64::MIN)));
}

#[test]
fn a_request_has_as_many_as_collectors_take_and_never_none() {
    let large = |bytes: usize| {
        let data = vec![("x".into(), Value::Text("x".repeat(bytes)))];
        Arc::new(Signal { data, ..Signal::new(Level::Info, "test", "large") })
    };
    let many = vec![large(1 << 20); 5];
    let first = page(&many, 0, ROOMY);
    assert_eq!(first.signals, 2, "three are more than 3 MiB with what else they say");
    assert_eq!(records(first).len(), 2);
    assert_eq!(page(&[large(LARGEST + 1), large(1)], 0, ROOMY).signals, 1);
}

// What is around the records was not counted, nor what tells one from the next: that is a lot where they are small.
#[test]
fn no_request_is_larger_than_its_bound_and_little_of_that_is_left() {
    let small = |number: usize| Arc::new(Signal::new(Level::Info, "", "x".repeat(number % 7)));
    let signals: Vec<_> = (0..100_000).map(small).collect();
    let attributes = [opentelemetry::KeyValue::new("who", "x".repeat(1 << 10))];
    let resource = Resource::builder_empty().with_attributes(attributes).build();
    for room in [2 << 10, 100 << 10, LARGEST] {
        let page = Sheet::new(&resource, ROOMY).page(&signals, 5, room);
        let bytes = page.request.encoded_len();
        assert!(bytes <= room && bytes + 200 > room, "{bytes} of {room}");
        assert!(page.signals < signals.len());
    }
}

#[test]
fn what_was_lost_is_said_before_what_comes_next() {
    let page = page(&[full().into()], 5, ROOMY);
    assert_eq!(page.signals, 1, "it is none of those that were handed over");
    let records = records(page);
    let [lost, next] = &records[..] else { panic!("{records:?}") };
    assert_eq!(attribute(lost, "data.lost"), Some(any_value::Value::IntValue(5)));
    assert_eq!((lost.severity_number, lost.time_unix_nano), (13, next.time_unix_nano));
    assert_eq!(&*next.event_name, "chat/said");
}

#[test]
fn the_document_names_all_that_a_record_has_and_nothing_else() {
    let text = include_str!("../../../../../docs/telemetry.md");
    let (_, rest) = text.split_once("<!-- logs -->").expect("the document has both marks");
    let (table, _) = rest.split_once("<!-- /logs -->").expect("the document has both marks");
    let first = table.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    let names = first.flat_map(|cell| cell.trim_end_matches('`').split("`, `"));
    let documented: Vec<_> = names.collect();
    let fields = [
        "time_unix_nano",
        "observed_time_unix_nano",
        "severity_number",
        "severity_text",
        "body",
        "event_name",
        "trace_id",
        "span_id",
        "flags",
    ];
    let record = record(full(), ROOMY);
    let own = keys(&record).into_iter().filter(|key| !key.starts_with("data."));
    let expected: Vec<_> = fields.into_iter().chain(own).chain(["data.NAME"]).collect();
    assert_eq!(documented, expected);
}
