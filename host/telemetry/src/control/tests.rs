//! What calls see and change.

use super::*;
use crate::{environment::Environment, start_with};
use settings::{Sink, SinkKind};
use tengen_core::sink::Signal;

fn telemetry() -> (Telemetry, tempfile::TempDir) {
    let lookup = |_: &str| Err(std::env::VarError::NotPresent);
    let environment = Environment::new(&lookup);
    let telemetry =
        start_with(&settings::Telemetry::default(), "node", environment, Arc::default());
    let folder = tempfile::tempdir().unwrap();
    let path = Some(folder.path().join("log.jsonl"));
    telemetry.open_sink(&Sink { path, ..Sink::new(SinkKind::File) }).unwrap();
    telemetry.pipe.set_filter(Filter::of_level("test", "info").unwrap());
    (telemetry, folder)
}

fn wishes(text: &str) -> Vec<(String, String)> {
    let pair = |pair: &str| pair.split_once('=').map(|(name, value)| (name.into(), value.into()));
    text.split('&').filter_map(pair).collect()
}

fn say(telemetry: &Telemetry, level: Level, id: &'static str) {
    telemetry.pipe.put(Signal { id: id.into(), ..Signal::new(level, "test", id) }, None);
}

async fn order(telemetry: &Telemetry, order: &str, text: &str) -> Result<Value, String> {
    telemetry.order(order, &wishes(text)).await
}

#[tokio::test]
async fn a_filter_is_changed_in_part_and_inspected() {
    let (telemetry, _folder) = telemetry();
    let told =
        order(&telemetry, "filter", "level=warn&deny_id=chat/typing&limit=5/s").await.unwrap();
    assert_eq!((&told["level"], &told["ids"]["deny"]), (&json!("warn"), &json!(["chat/typing"])));
    let told = order(&telemetry, "filter", "id_level=a/*=debug").await.unwrap();
    assert_eq!((&told["level"], &told["limit"]), (&json!("warn"), &json!("5 in 1s by id")));
    order(&telemetry, "filter", "sink=file&level=error").await.unwrap();
    let seen = telemetry.sinks();
    assert_eq!(seen["filter"]["id_level"], "a/*=debug");
    assert_eq!(seen["sinks"]["file"]["filter"]["level"], "error");
    say(&telemetry, Level::Warn, "x");
    say(&telemetry, Level::Error, "x");
    say(&telemetry, Level::Info, "x");
    let seen = telemetry.sinks();
    assert_eq!(
        (&seen["signals"]["filtered"], &seen["sinks"]["file"]["accepted"]),
        (&1.into(), &1.into())
    );
}

#[tokio::test]
async fn what_cannot_be_carried_out_says_why_and_changes_nothing() {
    let (telemetry, _folder) = telemetry();
    for (what, text, why) in [
        ("filter", "level=loud", "is not a level"),
        ("filter", "levle=info", "`levle` is not known here"),
        ("filter", "sample=2", "from 0 to 1"),
        ("filter", "sink=nobody&level=info", "there is no sink `nobody`"),
        ("pause", "", "say which sink"),
        ("raise", "level=debug&for=2h", "too long"),
        ("raise", "level=loud", "no level"),
        ("explode", "", "is no order"),
    ] {
        let error = order(&telemetry, what, text).await.unwrap_err();
        assert!(error.contains(why), "{error}");
    }
    assert_eq!(telemetry.sinks()["filter"]["level"], "info");
}

#[tokio::test]
async fn trying_a_filter_says_how_many_of_the_last_would_pass_and_changes_nothing() {
    let (telemetry, _folder) = telemetry();
    (0..10).for_each(|_| say(&telemetry, Level::Info, "chat/said"));
    (0..5).for_each(|_| say(&telemetry, Level::Warn, "room/full"));
    assert!(telemetry.station("file").unwrap().drain(Duration::from_secs(30)));
    let tried = order(&telemetry, "try", "level=warn").await.unwrap();
    assert_eq!(tried, json!({ "file": { "recent": 15, "would_pass": 5 } }));
    let tried = order(&telemetry, "try", "sink=file&allow_id=chat/*").await.unwrap();
    assert_eq!(tried["file"]["would_pass"], 10);
    assert_eq!(telemetry.sinks()["filter"]["level"], "info");
}

#[tokio::test]
async fn what_is_raised_ends_by_itself() {
    let (telemetry, _folder) = telemetry();
    order(&telemetry, "raise", "level=debug&user=42&for=60s").await.unwrap();
    let seen = telemetry.sinks();
    assert_eq!(
        (&seen["raised"][0]["user"], &seen["raised"][0]["left_s"]),
        (&"42".into(), &60.0.into())
    );
    order(&telemetry, "raise", "level=trace&for=1ms").await.unwrap();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(1) {
        std::thread::yield_now();
    }
    telemetry.expire();
    assert_eq!(telemetry.sinks()["raised"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_sink_is_paused_goes_on_and_is_removed_with_what_it_had() {
    let (telemetry, folder) = telemetry();
    assert_eq!(order(&telemetry, "pause", "sink=file").await.unwrap()["health"], "paused");
    say(&telemetry, Level::Info, "one");
    let seen = telemetry.sinks()["sinks"]["file"].clone();
    assert_eq!((&seen["queued"], &seen["processed"]), (&1.into(), &0.into()));
    order(&telemetry, "resume", "sink=file").await.unwrap();
    assert!(telemetry.station("file").unwrap().drain(Duration::from_secs(30)));
    say(&telemetry, Level::Info, "two");
    let last = order(&telemetry, "remove", "sink=file").await.unwrap();
    assert_eq!((&last["processed"], &last["queued"]), (&2.into(), &0.into()));
    say(&telemetry, Level::Info, "nobody hears it");
    let text = std::fs::read_to_string(folder.path().join("log.jsonl")).unwrap();
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(telemetry.sinks()["sinks"].get("file").is_none());
}

#[tokio::test]
async fn everything_is_off_at_once_and_on_again() {
    let (telemetry, _folder) = telemetry();
    order(&telemetry, "off", "").await.unwrap();
    say(&telemetry, Level::Fatal, "no");
    assert_eq!(telemetry.sinks()["off"], true);
    order(&telemetry, "on", "").await.unwrap();
    say(&telemetry, Level::Info, "yes");
    let stats = telemetry.stats().signals;
    assert_eq!((stats.created, stats.filtered, stats.accepted), (2, 1, 1));
}
