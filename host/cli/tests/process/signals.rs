//! What plugins say, in real sinks of a real gateway.

use super::{Gateway, guest, run, text, write};
use serde_json::Value;
use std::{fs, path::Path};

/// A plugin that says what it is told to, users that are who they say, and every kind of sink.
pub(super) fn config(sinks: &str) -> String {
    let plugin = |name: &str, file: &str| format!("[plugin.{name}]\nfile = {:?}\n", guest(file));
    [
        plugin("says", "handler_says.wasm"),
        plugin("door", "authenticator_says.wasm"),
        plugin("log-sink", "log-sink.wasm"),
        "grant = { dirs = [{ host = \"logs\", guest = \"/logs\", writable = true }] }\n\
         [[endpoint]]\npath = \"/ws\"\ndialect = \"tengen\"\nauthenticator = \"door\"\n\
         [[route]]\nevent = \"*\"\nplugin = \"says\"\n"
            .to_owned(),
        sinks.to_owned(),
    ]
    .concat()
}

impl Gateway {
    /// What a user's question is answered.
    pub(super) fn ask_as(&self, user: &str, event: &str) -> String {
        let url = format!("ws://{}/ws?user={user}", self.address);
        let output = run(&["connect", &url, "--ask", event, "--timeout", "20s"]);
        text(&output.stdout) + &text(&output.stderr)
    }

    /// Ends well.
    pub(super) fn drained(self) -> String {
        self.signal("-TERM");
        let (code, errors) = self.ended();
        assert_eq!(code, Some(0), "{errors}");
        errors
    }
}

/// The lines of a file as JSON.
pub(super) fn lines(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap();
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

#[track_caller]
pub(super) fn of_id(lines: &[Value], id: &str) -> Value {
    let found = lines.iter().find(|line| line["id"] == id);
    found.unwrap_or_else(|| panic!("no `{id}` in {lines:#?}")).clone()
}

#[test]
fn what_a_plugin_says_bears_its_event_its_place_its_causes_and_its_run_time() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("logs")).unwrap();
    // Nobody takes the spans: that there are traces is enough.
    let sinks = "[[sink]]\nkind = \"file\"\npath = \"file.jsonl\"\n\
         [[sink]]\nkind = \"file\"\nname = \"edn\"\nformat = \"edn\"\npath = \"file.edn\"\n\
         [[sink]]\nkind = \"plugin\"\nplugin = \"log-sink\"\n\
         [telemetry.otlp]\nendpoint = \"http://127.0.0.1:1\"\n";
    let gateway = Gateway::start(&["--config", &write(folder.path(), &config(sinks))]);
    for (user, event) in [("ann", "says/wrong 1"), ("bob", "says/timed 1")] {
        let answer = gateway.ask_as(user, event);
        assert!(answer.contains("said"), "{answer}");
    }
    gateway.drained();
    let file = lines(&folder.path().join("file.jsonl"));
    let of_plugin = lines(&folder.path().join("logs/tengen.jsonl"));
    let length = |value: &Value| value.as_str().map_or(0, str::len);
    for (all, trace, span, took) in
        [(&file, "trace_id", "span_id", "took_ms"), (&of_plugin, "trace-id", "span-id", "took-ms")]
    {
        let (wrong, work, step) =
            (of_id(all, "says/refused"), of_id(all, "says/work"), of_id(all, "says/step"));
        assert_eq!((&wrong["level"], &wrong["user"]), (&"error".into(), &"ann".into()));
        assert_eq!(wrong["error"], "no seat: the room is full");
        assert_eq!(wrong["causes"], serde_json::json!(["the room is full"]));
        assert_eq!(wrong["data"], serde_json::json!({ "room": "tea" }));
        let place = wrong["location"].as_str().unwrap();
        assert!(place.contains("lib.rs:"), "{place}");
        assert_eq!((length(&wrong[trace]), length(&wrong[span])), (32, 16), "{wrong}");
        assert_eq!(length(&wrong["connection"]), 36, "{wrong}");
        assert_eq!((&step["user"], &step["parent"]), (&"bob".into(), &"says/work".into()));
        assert!(work[took].as_f64().is_some_and(|took| took >= 0.0), "{work}");
        assert_eq!(work["data"]["steps"], 1);
        for same in [trace, span, "connection", "user"] {
            assert_eq!(step[same], work[same], "{same}");
        }
        assert_ne!(wrong["connection"], work["connection"]);
    }
    let edn = fs::read_to_string(folder.path().join("file.edn")).unwrap();
    for part in [":parent \"says/work\"", ":took-ms ", ":causes [\"the room is full\"]"] {
        assert!(edn.contains(part), "no `{part}` in {edn}");
    }
}
