//! The time of day may jump, forwards and backwards: it is read where the time of day is meant, and nowhere else.
//!
//! Deadlines, heartbeats and timers go by `Instant` and by tokio's clock, which do not jump.

use support::repository::{files, read};

/// Who asks for the time of day, and what it is for there.
const READERS: [(&str, &str); 33] = [
    ("cli/src/bench.rs", "when an event happened, for plugins"),
    ("cli/src/connect/ask.rs", "tokens carry the time of day"),
    ("cli/src/jwt.rs", "tests: tokens carry the time of day"),
    ("cli/src/plugins.rs", "how long ago something was, for people"),
    ("cli/src/token.rs", "tokens carry the time of day"),
    ("engine/src/compile/cache.rs", "files carry the time of day: when one was used last"),
    ("engine/src/guest/clocks.rs", "what a plugin sees when it asks for the time of day"),
    ("engine/src/prepare.rs", "since when a version runs, for people"),
    ("engine/src/handler/queue.rs", "when an event happened, for plugins"),
    ("engine/src/handler/queue/adoption.rs", "when an event happened, for plugins"),
    ("engine/src/handler/runner/keep.rs", "when a state was saved, for people"),
    ("engine/src/quarantine.rs", "when an event broke a plugin, in the name of its file"),
    ("engine/src/handler/runner.rs", "when an event happened, for plugins"),
    ("engine/src/handler/spans.rs", "when a span was that is told after the fact"),
    ("engine/src/shared.rs", "when something went wrong last, for people"),
    ("fetch/src/client.rs", "when a latency was that a trace is shown with"),
    (
        "server/src/tryout/mod.rs",
        "when a plugin began to be tried out; from there on the script tells the time",
    ),
    (
        "server/src/upgrade/csrf.rs",
        "a token says until when it is good, whichever process has made it",
    ),
    ("server/src/hub/capabilities/ask/questions.rs", "when a question had ended, for plugins"),
    ("server/src/hub/news/mod.rs", "when a plugin was told of users and subscriptions"),
    ("server/src/hub/capabilities/fetch.rs", "when a request had ended, for plugins"),
    ("server/src/hub/capabilities/timers.rs", "when a timer was due, for plugins"),
    ("server/src/hub/occupancy.rs", "when a plugin was told of a channel"),
    ("server/src/hub/signals.rs", "when a batch came: the client's own clock is corrected by it"),
    ("server/src/router/mod.rs", "when an event happened, for plugins"),
    ("telemetry/src/lib.rs", "since when is counted, for collectors"),
    ("telemetry/src/metrics/outlet.rs", "when something was counted, for collectors"),
    ("telemetry/src/encode/mod.rs", "when losses were told, for people"),
    ("telemetry/src/record.rs", "when a signal was made"),
    ("telemetry/src/station/handout.rs", "how old a signal is when it is delivered"),
    ("telemetry/src/writer/by_connection.rs", "files carry the time of day: which are old"),
    ("telemetry/src/writer/file.rs", "files carry the time of day: when one was begun"),
    (
        "server/src/upgrade/authentication.rs",
        "the authenticator and we compare it with what tokens say",
    ),
];

#[test]
fn the_time_of_day_is_read_where_it_is_meant() {
    let mut readers: Vec<_> = files("host", &[".rs"])
        .unwrap()
        .into_iter()
        .filter(|path| !path.contains("tests"))
        .filter(|path| read(path).unwrap().contains("SystemTime::now"))
        .map(|path| path.strip_prefix("host/").unwrap().to_owned())
        .collect();
    readers.sort();
    let mut known: Vec<_> = READERS.iter().map(|(path, _)| (*path).to_owned()).collect();
    known.sort();
    assert_eq!(readers, known, "give a reason here, or use `Instant`");
}

#[test]
fn no_deadline_is_computed_from_the_time_of_day() {
    for path in files("host", &[".rs"]).unwrap() {
        if path.contains("tests") {
            continue;
        }
        let text = read(&path).unwrap();
        for wrong in ["SystemTime::now() +", "SystemTime::now() -", ".duration_since(SystemTime"] {
            let outside = text.split("#[cfg(test)]").next().unwrap_or_default();
            assert!(!outside.contains(wrong), "{path}: `{wrong}`");
        }
    }
}
