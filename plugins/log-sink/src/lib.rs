//! Writes signals as JSON lines into a folder that the operator granted.
//!
//! | key | meaning |
//! |---|---|
//! | `path` | the file, as the plugin sees it; default `/logs/tengen.jsonl` |
//! | `max-bytes` | from this size on the file is renamed to `PATH.1` (replacing the one before); default 64 MiB |
//!
//! Grant the folder with `grant = { dirs = [...] }`, writable, as `/logs`.

mod file;
mod line;

use file::File;
use tengen_plugin::{Plugin, Refusal, Signal, Sink, StartReason, config, export};

/// When to try again after the file could not be written, a full disk for one.
const TRY_AGAIN_MS: u32 = 1000;

#[derive(Debug)]
struct LogSink {
    file: File,
}

impl Plugin for LogSink {
    fn start(_: StartReason) -> Result<Self, String> {
        let path = config::get("path").unwrap_or_else(|| "/logs/tengen.jsonl".to_owned());
        let max_bytes = config::parse("max-bytes")?.unwrap_or(64 << 20);
        let file = File::open(&path, max_bytes).map_err(|error| {
            format!("`{path}` cannot be written: {error}; grant its folder, writable")
        })?;
        Ok(Self { file })
    }
}

impl Sink for LogSink {
    fn deliver(&mut self, signals: Vec<Signal>, dropped_before: u32) -> Result<u32, Refusal> {
        let mut lines = Vec::with_capacity(signals.len() * 256);
        if dropped_before > 0 {
            line::write_gap(dropped_before, signals.first(), &mut lines);
        }
        for signal in &signals {
            line::write(signal, &mut lines);
        }
        match self.file.append(&lines) {
            Ok(()) => Ok(u32::try_from(signals.len()).unwrap_or(u32::MAX)),
            Err(_) => Err(Refusal::RetryAfterMs(TRY_AGAIN_MS)),
        }
    }

    fn flush(&mut self) -> Result<(), String> {
        self.file.sync().map_err(|error| format!("the file cannot be synced: {error}"))
    }
}

export!(LogSink: Plugin, Sink);

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use tengen_plugin::{
        signals::{Level, Value},
        testing::{self, set_config},
    };

    fn signal(message: &str) -> Signal {
        Signal {
            at_s: 1_500_000_000,
            at_ns: 7_000_000,
            level: Level::Info,
            namespace: "plugin.chat".to_owned(),
            id: Some("chat/joined".to_owned()),
            message: message.to_owned(),
            data: vec![
                ("n".to_owned(), Value::Integer(3)),
                ("raw".to_owned(), Value::Bytes(vec![0, 255])),
            ],
            error: Some("no seat: the room is full".to_owned()),
            causes: vec!["the room is full".to_owned()],
            location: None,
            trace_id: Some("0af7651916cd43dd8448eb211c80319c".to_owned()),
            span_id: None,
            connection: None,
            user: Some("ann".to_owned()),
            parent: Some("chat/sweep".to_owned()),
            took_ms: Some(1.5),
            more: Vec::new(),
        }
    }

    fn sink(path: &std::path::Path, max_bytes: &str) -> LogSink {
        set_config(&[("path", path.to_str().unwrap()), ("max-bytes", max_bytes)]);
        testing::start()
    }

    #[test]
    fn each_signal_is_one_line_of_json_with_what_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.jsonl");
        let mut sink = sink(&path, "1000000");
        assert_eq!(sink.deliver(vec![signal("one\ntwo"), signal("three")], 0), Ok(2));
        sink.flush().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(
            lines[0],
            tengen_plugin::json!({
                "at": "2017-07-14T02:40:00.007Z",
                "level": "info",
                "namespace": "plugin.chat",
                "id": "chat/joined",
                "message": "one\ntwo",
                "data": { "n": 3, "raw": "AP8=" },
                "trace-id": "0af7651916cd43dd8448eb211c80319c",
                "error": "no seat: the room is full",
                "causes": ["the room is full"],
                "user": "ann",
                "parent": "chat/sweep",
                "took-ms": 1.5,
            })
        );
    }

    #[test]
    fn what_was_lost_before_is_said_in_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.jsonl");
        sink(&path, "1000000").deliver(vec![signal("after")], 5).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!((&first["id"], &first["data"]["dropped"]), (&"sink/dropped".into(), &5.into()));
    }

    #[test]
    fn a_large_file_makes_place_for_a_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.jsonl");
        let mut sink = sink(&path, "300");
        for number in 0..5 {
            sink.deliver(vec![signal(&format!("number {number}"))], 0).unwrap();
        }
        let older = fs::read_to_string(dir.path().join("log.jsonl.1")).unwrap();
        let newer = fs::read_to_string(&path).unwrap();
        assert!(older.len() as u64 >= 300 && !newer.is_empty());
        assert!(newer.contains("number 4") && !older.contains("number 4"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn an_older_file_is_continued() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.jsonl");
        sink(&path, "1000000").deliver(vec![signal("one")], 0).unwrap();
        sink(&path, "1000000").deliver(vec![signal("two")], 0).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2);
    }

    #[test]
    fn a_folder_that_is_not_there_is_said_at_the_start() {
        set_config(&[("path", "/no/such/folder/log.jsonl")]);
        let why = LogSink::start(StartReason::First).unwrap_err();
        assert!(why.contains("/no/such/folder/log.jsonl") && why.contains("grant"), "{why}");
    }
}
