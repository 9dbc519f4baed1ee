//! What becomes of batches that clients send, in a pipe of its own.

use super::*;
use crate::{
    attached::Attached,
    encode::{Encoder, Format},
    filter::Filter,
    station::{Station, Traits},
    writer::Output,
};
use serde_json::{Value as Json, json};
use std::{
    io,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tengen_core::event::{Connection, User};
use tengen_settings as settings;

/// A synchronous sink whose lines a test reads.
#[derive(Debug, Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Output for Lines {
    fn prepare(&mut self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const NOW: u64 = 1_800_000_000_000;

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(NOW)
}

struct Scene {
    pipe: Arc<Pipe>,
    lines: Lines,
    _sink: Attached,
}

impl Scene {
    fn new(level: &str) -> Self {
        let pipe = Arc::<Pipe>::default();
        pipe.set_filter(Filter::new(&settings::Filter::default(), level).unwrap());
        let sink =
            settings::Sink { synchronous: true, ..settings::Sink::new(settings::SinkKind::Stdout) };
        let filter = Filter::new(&settings::Filter::default(), "trace").unwrap();
        let station = Station::new(Traits::of(&sink), filter);
        let lines = Lines::default();
        let encoder = Encoder(Format::Json);
        let _sink = Attached::stream(&pipe, &station, &sink, lines.clone(), encoder).unwrap();
        Self { pipe, lines, _sink }
    }

    /// What becomes of the batch, and what the sink got.
    fn send(&self, batch: &Json) -> (Taken, Vec<Json>) {
        let taken = self.take(batch.to_string().as_bytes(), usize::MAX).unwrap();
        (taken, self.got())
    }

    fn take(&self, json: &[u8], most: usize) -> Result<Taken, Fault> {
        let user = User { id: "ann".into(), claims: Vec::new(), expires_at: None };
        let from = Connection { user: Some(user), ..Connection::anybody(1) };
        let context = TraceContext { trace_id: 0xabc, span_id: 0xdef, sampled: true, state: None };
        let batch = Batch { from: &from, json, arrived: now(), context: Some(&context) };
        self.pipe.take(&batch, &mut |count| match count <= most {
            true => Ok(()),
            false => Err(Fault::new(FaultId::TooLarge, "too many")),
        })
    }

    fn got(&self) -> Vec<Json> {
        let bytes = std::mem::take(&mut *self.lines.0.lock().unwrap());
        let text = String::from_utf8(bytes).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The only one of a batch of one.
    fn one(&self, signal: &Json) -> Json {
        let (taken, mut got) = self.send(&json!([signal]));
        assert_eq!((taken.accepted, got.len()), (1, 1), "{signal}");
        got.remove(0)
    }
}

#[test]
fn a_signal_of_a_client_says_who_sent_it_and_when_by_our_clock() {
    let scene = Scene::new("trace");
    let sent = NOW - 60_000;
    let (taken, got) = scene.send(&json!({
        "sent": sent,
        "signals": [{
            "level": "error",
            "kind": "error",
            "namespace": "shop.cart",
            "id": "cart/broken",
            "message": "it broke",
            "at": sent - 250,
            "error": { "name": "TypeError", "message": "x is null", "stack": "at f (a.js:1)", "causes": ["no net"] },
            "data": { "items": 3, "page": { "path": "/cart" }, "list": [true, 1.5] },
            "connection": "somebody-else",
        }],
    }));
    assert_eq!(taken, Taken { accepted: 1, filtered: 0, malformed: 0 });
    let expected = json!([{
        "at": "2027-01-15T07:59:59.750000Z",
        "level": "error",
        "namespace": "browser.shop.cart",
        "id": "cart/broken",
        "message": "it broke",
        "error": "TypeError: x is null: no net",
        "causes": ["no net"],
        "connection": Connection::anybody(1).id.to_string(),
        "user": "ann",
        "trace_id": "00000000000000000000000000000abc",
        "span_id": "0000000000000def",
        "data": {
            "kind": "error",
            "endpoint": "/ws",
            "client_at": sent - 250,
            "stack": "at f (a.js:1)",
            "connection": "somebody-else",
            "items": 3,
            "page.path": "/cart",
            "list.0": true,
            "list.1": 1.5,
        },
    }]);
    assert_eq!(Json::from(got), expected);
}

#[test]
fn clients_cannot_speak_for_the_gateway() {
    let scene = Scene::new("trace");
    for (said, namespace) in [
        ("tengen_server::hub", "browser.tengen_server__hub"),
        ("plugin.chat", "browser.plugin.chat"),
        ("browser.app", "browser.app"),
        ("browser.", "browser.page"),
        ("a\u{1b}[31m\nb", "browser.a__31m_b"),
    ] {
        let got = scene.one(&json!({ "message": "m", "ns": said }));
        assert_eq!(got["namespace"], namespace, "{said}");
    }
    for (said, id) in [
        ("tengen.security.origin", "browser.tengen.security.origin"),
        ("chsk/x", "browser.chsk/x"),
        ("cart/broken\r\n", "cart/broken__"),
    ] {
        assert_eq!(scene.one(&json!({ "message": "m", "id": said }))["id"], id, "{said}");
    }
    let long =
        scene.one(&json!({ "message": "m", "ns": "x".repeat(9000), "id": "y".repeat(9000) }));
    assert!(long["namespace"].as_str().unwrap().len() < 150);
    assert!(long["id"].as_str().unwrap().len() < 150);
    let fatal = scene.one(&json!({ "message": "m", "level": "FATAL" }));
    assert_eq!(
        (&fatal["level"], &fatal["data"]["client_level"]),
        (&json!("error"), &json!("fatal"))
    );
    let ours = json!({ "kind": "x", "endpoint": "/admin", "clock": 1, "plugin": "log-sink" });
    let got = scene.one(&json!({ "message": "m", "kind": "console", "data": ours }));
    let data = json!({
        "kind": "console",
        "endpoint": "/ws",
        "client.kind": "x",
        "client.endpoint": "/admin",
        "client.clock": 1,
        "client.plugin": "log-sink",
    });
    assert_eq!(got["data"], data);
}

#[test]
fn what_no_filter_lets_pass_is_not_made_and_counted() {
    let scene = Scene::new("info,browser.shop=error");
    let (taken, got) = scene.send(&json!([
        { "message": "a", "level": "debug" },
        { "message": "b", "level": "warn", "ns": "shop" },
        // What is wrong with it nobody looks at.
        { "level": "debug", "at": [] },
        { "message": "c", "level": "error", "ns": "shop" },
    ]));
    assert_eq!(taken, Taken { accepted: 1, filtered: 3, malformed: 0 });
    assert_eq!(got.len(), 1);
    let stats = scene.pipe.stats();
    assert_eq!((stats.created, stats.filtered, stats.accepted), (4, 3, 1));
}

#[test]
fn without_a_level_the_kind_says_how_bad_it_is() {
    let scene = Scene::new("trace");
    for (kind, level) in
        [("error", "error"), ("warning", "warn"), ("action", "info"), ("surprise", "info")]
    {
        let got = scene.one(&json!({ "message": "m", "kind": kind, "level": "??" }));
        assert_eq!(got["level"], level, "{kind}");
        let kind = if kind == "surprise" { "other" } else { kind };
        assert_eq!(got["data"]["kind"], kind);
        assert_eq!(got["id"], format!("browser/{kind}"));
    }
}

#[test]
fn secrets_of_clients_are_masked_by_name_and_in_addresses() {
    let scene = Scene::new("trace");
    let got = scene.one(&json!({
        "message": "GET https://x/?a=1&access_token=s3cret&b=2 failed",
        "error": { "message": "at https://x/#token=s3cret", "stack": "f (https://x/a.js?api-key=s3cret:1:2)" },
        "data": {
            "password": "s3cret",
            "headers": { "Authorization": "Bearer s3cret", "cookie": ["s3cret"] },
            "token": { "value": "s3cret" },
            "url": "/x?token=s3cret",
        },
    }));
    let text = got.to_string();
    assert!(!text.contains("s3cret"), "{text}");
    assert_eq!(got["message"], "GET https://x/?a=1&access_token=***&b=2 failed");
    assert_eq!(got["data"]["headers.Authorization"], "***");
}

#[test]
fn data_is_bounded_in_depth_count_and_bytes_and_what_is_left_out_is_told() {
    let scene = Scene::new("trace");
    let deep = json!({ "a": { "b": { "c": { "d": { "e": 1 }, "f": [1, 2], "g": 3 } } } });
    let got = scene.one(&json!({ "message": "m", "data": deep }));
    assert_eq!((&got["data"]["omitted"], &got["data"]["a.b.c.g"]), (&json!(3), &json!(3)));
    let many: serde_json::Map<_, _> = (0..5000).map(|n| (format!("k{n}"), json!(n))).collect();
    let got = scene.one(&json!({ "message": "m", "data": many }));
    assert_eq!(got["data"]["omitted"], 5000 - 32);
    let long = json!({ "a": "x".repeat(100_000), "b": "short" });
    let got = scene.one(&json!({ "message": "y".repeat(100_000), "data": long }));
    assert!(got["data"]["a"].as_str().unwrap().len() <= 1024);
    assert!(got["message"].as_str().unwrap().len() <= 2048);
    let large: serde_json::Map<_, _> =
        (0..30).map(|n| (format!("k{n}"), json!("x".repeat(1000)))).collect();
    let got = scene.one(&json!({ "message": "m", "data": large }));
    assert!(got.to_string().len() < 10_000, "{}", got.to_string().len());
    assert!(got["data"]["omitted"].as_i64().unwrap() > 20);
}

#[test]
fn what_cannot_be_read_is_counted_and_the_rest_is_taken() {
    let scene = Scene::new("trace");
    let (taken, got) =
        scene.send(&json!([7, null, [], {}, { "data": { "a": 1 } }, { "message": "m" }]));
    assert_eq!(taken, Taken { accepted: 1, filtered: 0, malformed: 5 });
    assert_eq!(got.len(), 1);
    for none in ["7", "null", "\"a\"", "{}", "{\"signals\":7}", "[", ""] {
        let fault = scene.take(none.as_bytes(), 9).unwrap_err();
        assert_eq!(fault.id, FaultId::Malformed, "{none}");
    }
}

#[test]
fn who_may_not_send_so_many_has_sent_none() {
    let scene = Scene::new("trace");
    let many = json!(vec![json!({ "message": "m" }); 11]).to_string();
    assert_eq!(scene.take(many.as_bytes(), 10).unwrap_err().id, FaultId::TooLarge);
    assert!(scene.got().is_empty());
    assert_eq!(scene.pipe.stats().created, 0);
}

#[test]
fn absurd_times_are_told() {
    let scene = Scene::new("trace");
    let (_, got) = scene.send(&json!({ "sent": NOW, "signals": [
        { "message": "m", "at": NOW + 1 },
        { "message": "m", "at": 0 },
        { "message": "m", "at": 1e300 },
        { "message": "m", "at": "2027-01-15T07:59:59Z" },
    ] }));
    let clocks: Vec<_> = got.iter().map(|signal| &signal["data"]["clock"]).collect();
    assert_eq!(clocks, [&json!("future"), &json!("old"), &json!("absurd"), &Json::Null]);
    assert_eq!(got[3]["at"], "2027-01-15T07:59:59.000000Z");
}
