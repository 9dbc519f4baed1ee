//! What the log looks like.

use super::page::Page;
use crate::encode::{Encoder, Format};
use std::io;

fn logged(level: &str, format: Format, happening: impl FnOnce()) -> String {
    let page = Page::default();
    let log = page.log(level, format);
    happening();
    drop(log);
    page.text()
}

fn for_people(happening: impl FnOnce()) -> String {
    let text = logged("info", Format::Human { colors: false }, happening);
    // Without the time.
    text.lines().map(|line| line.split_once("Z ").unwrap().1.to_owned() + "\n").collect()
}

fn as_json(happening: impl FnOnce()) -> serde_json::Value {
    let text = logged("info", Format::Json, happening);
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn people_get_time_level_target_spans_message_and_fields() {
    let text = for_people(|| {
        let _inside = tracing::info_span!(target: "x", "connection", id = 7).entered();
        tracing::warn!(target: "gateway::hub", room = "go", count = 2, "full");
    });
    assert_eq!(text, " WARN gateway::hub: connection{id=7}: full room=go count=2\n");
}

#[test]
fn colors_are_only_where_they_are_wanted() {
    let happening = || tracing::error!("bad");
    assert!(logged("info", Format::Human { colors: true }, happening).contains("\x1b[31mERROR"));
    assert!(!logged("info", Format::Human { colors: false }, happening).contains('\x1b'));
}

#[test]
fn a_peer_can_neither_forge_a_line_nor_move_the_cursor() {
    let evil = "x\n2026-01-01T00:00:00Z ERROR forged\x1b[2J";
    let text = for_people(|| {
        tracing::info!(by_display = %evil, by_debug = ?evil, "said {evil}");
        let _inside = tracing::info_span!("s", name = %evil).entered();
        tracing::info!("again");
    });
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(!text.contains('\x1b'), "{text}");
    assert!(text.contains("by_display=\"x\\n2026"), "{text}");
    assert_eq!(as_json(|| tracing::info!(evil))["data"]["evil"], evil);
}

#[test]
fn secrets_are_masked_in_both_formats() {
    let happening = || {
        let _inside = tracing::info_span!("s", access_token = "hidden-1").entered();
        tracing::info!(cookie = "hidden-2", password = ?Some("hidden-3"), "hello");
    };
    for format in [Format::Json, Format::Human { colors: false }] {
        let text = logged("info", format, happening);
        assert!(text.contains("hello") && text.contains("***"), "{text}");
        assert!(!text.contains("hidden"), "{text}");
    }
}

#[test]
fn json_has_the_words_of_a_signal() {
    let cause = io::Error::other("no route");
    let line = as_json(|| {
        let _inside = tracing::info_span!("connection", connection = "c1", user = %"u1").entered();
        tracing::error!(
            name: "hub.full",
            { error = &cause as &dyn std::error::Error, count = 3, ratio = 0.5, late = true, r#type = "x" },
            "cannot push"
        );
    });
    assert_eq!(line["level"], "error");
    assert_eq!(line["namespace"], module_path!());
    assert_eq!(line["id"], "hub.full");
    assert_eq!(line["message"], "cannot push");
    assert_eq!(line["error"], "no route");
    assert_eq!((&line["connection"], &line["user"]), (&"c1".into(), &"u1".into()));
    assert_eq!(
        line["data"],
        serde_json::json!({"count": 3, "ratio": 0.5, "late": true, "type": "x"})
    );
    assert!(line["location"].as_str().unwrap().contains("text.rs:"));
    assert!(line["at"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn plugins_speak_under_their_own_name() {
    let line = as_json(|| {
        tracing::error!(target: "plugin", plugin = "chat", id = "chat.lost", fatal = true, "help");
    });
    assert_eq!((&line["namespace"], &line["id"]), (&"plugin.chat".into(), &"chat.lost".into()));
    assert_eq!(line["level"], "fatal");
    assert!(line.get("data").is_none(), "{line}");
}

#[track_caller]
fn check_level(level: &str, debug: bool, hub: bool) {
    let text = logged(level, Format::Json, || {
        tracing::debug!(target: "other", "seen-debug");
        tracing::info!(target: "gateway::hub", "seen-hub");
    });
    assert_eq!(
        (text.contains("seen-debug"), text.contains("seen-hub")),
        (debug, hub),
        "{level}: {text}"
    );
}

#[test]
fn the_level_is_a_word_or_pairs() {
    check_level("info", false, true);
    check_level("debug", true, true);
    check_level(" off ", false, false);
    check_level("error,gateway=info", false, true);
    check_level("debug,gateway::hub=off", true, false);
}

#[test]
fn what_a_plugin_says_by_name_stays_what_it_is_and_has_the_plugins_own_place() {
    use tengen_core::sink::{Facts, Value};
    let facts = Facts(vec![
        ("room".into(), Value::Text("tea \"1\"".into())),
        ("members".into(), Value::Integer(3)),
        ("load".into(), Value::Float(0.5)),
        ("full".into(), Value::Boolean(true)),
        ("key".into(), Value::Bytes(vec![0, 255, 16])),
        ("access_token".into(), Value::Text("hidden".into())),
        ("aborted".into(), Value::Text("no".into())),
    ]);
    let happening = || {
        let facts = Some(&facts as &dyn std::error::Error);
        tracing::warn!(
            target: "plugin", plugin = "chat", id = "chat/full", location = "src/lib.rs:7", facts, aborted = true,
            "no seats"
        );
    };
    let line = as_json(happening);
    let data = serde_json::json!({
        "room": "tea \"1\"", "members": 3, "load": 0.5, "full": true, "key": "AP8Q", "access_token": "***",
        "aborted": true,
    });
    assert_eq!((&line["data"], &line["location"]), (&data, &"src/lib.rs:7".into()));
    assert_eq!((&line["namespace"], &line["id"]), (&"plugin.chat".into(), &"chat/full".into()));
    let text = for_people(happening);
    let told =
        r#"room="tea \"1\"" members=3 load=0.5 full=true key=AP8Q access_token=*** aborted=true"#;
    assert!(text.contains(told) && text.contains("location=src/lib.rs:7"), "{text}");
    let placeless = as_json(|| tracing::info!(target: "plugin", plugin = "chat", "hello"));
    assert!(placeless.get("location").is_none(), "ours says nothing: {placeless}");
}

#[test]
fn lost_lines_are_told_in_the_words_of_the_log() {
    let lost = |format| String::from_utf8(Encoder(format).lost(7)).unwrap();
    let text = lost(Format::Json);
    let line: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&line["level"], &line["data"]["lost"]), (&"warn".into(), &7.into()));
    assert!(line["at"].as_str().unwrap().ends_with('Z') && text.ends_with('\n'));
    let text = lost(Format::Human { colors: false });
    assert!(text.contains(" WARN ") && text.ends_with("lost=7\n"), "{text}");
}

#[test]
fn edn_has_keywords_for_the_same_words_and_no_line_of_its_own() {
    let cause = io::Error::other("no \"route\"");
    let text = logged("info", Format::Edn, || {
        let _inside = tracing::info_span!("connection", connection = "c1").entered();
        tracing::error!(
            name: "hub.full",
            { error = &cause as &dyn std::error::Error, count = 3, ratio = 0.5, late = true, odd = "a\n\u{1b}" },
            "cannot push"
        );
    });
    let (begin, end) = text.split_once(", :location").unwrap();
    let (moment, rest) = begin.split_once("\", ").unwrap();
    assert!(moment.starts_with("{:at #inst \"20"), "{moment}");
    assert_eq!(
        rest,
        r#":level :error, :namespace "tengen_telemetry::scenes::text", :id "hub.full", :message "cannot push", :error "no \"route\"", :connection "c1""#
    );
    let data = r#", :data {"count" 3, "ratio" 0.5, "late" true, "odd" "a\n\u001b"}}"#;
    assert!(end.ends_with(&format!("{data}\n")), "{end}");
}

#[test]
fn an_error_has_its_causes_apart() {
    #[derive(Debug)]
    struct Outer(io::Error);
    impl std::fmt::Display for Outer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("cannot save")
        }
    }
    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    let outer = Outer(io::Error::other("disk full"));
    let line = as_json(|| tracing::error!(error = &outer as &dyn std::error::Error, "x"));
    assert_eq!(
        (&line["error"], &line["causes"]),
        (&"cannot save: disk full".into(), &serde_json::json!(["disk full"]))
    );
}
