//! What a changed configuration file changes of signals and sinks while everything runs.

use super::{
    Gateway,
    signals::{config, lines, of_id},
    write,
};
use std::{collections::BTreeSet, fs};

#[test]
fn filters_and_sinks_follow_the_file_and_what_cannot_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("logs")).unwrap();
    let file = |name: &str, more: &str| {
        format!("[[sink]]\nkind = \"file\"\nname = \"{name}\"\npath = \"{name}.jsonl\"\n{more}")
    };
    let text = |all: &str| config(&format!("{all}[telemetry]\n"));
    let before = text(&(file("kept", "") + &file("gone", "") + &file("other", "")));
    let path = write(folder.path(), &before);
    let mut gateway = Gateway::start(&["--config", &path]);
    let mut log = gateway.log();
    gateway.ask_as("ann", "says/timed 1");
    let sinks = file("kept", "filter.ids.allow = [\"says/work\"]\n")
        + &file("other", "rules = [{ set = \"place\", value = \"here\" }]\n")
        + &file("new", "");
    let after = text(&sinks) + "level = \"error,tengen=info\"\nservice_name = \"renamed\"\n";
    write(folder.path(), &after);
    gateway.signal("-HUP");
    // By the signal or by the watch, whichever comes first: each is told once.
    let keys = ["telemetry.level", "sink.kept", "sink.gone", "sink.other", "sink.new"];
    let mut left: BTreeSet<_> = keys.into_iter().chain(["telemetry.service_name"]).collect();
    while !left.is_empty() {
        let again = |line: &String| line.contains("configuration read again");
        let line = log.find(again).unwrap_or_else(|| panic!("not told: {left:?}"));
        left.retain(|key| !line.contains(&format!("`{key}`")));
        assert!(
            !line.contains("service_name")
                || line.contains("`telemetry.service_name` changed: restart"),
            "{line}"
        );
    }
    gateway.ask_as("bob", "says/timed 2");
    gateway.ask_as("bob", "says/wrong 2");
    let sinks = gateway.admin("/sinks");
    assert_eq!(sinks["filter"]["level"], "error,tengen=info");
    assert!(sinks["sinks"]["gone"].is_null(), "{sinks}");
    let accepted = sinks["sinks"]["kept"]["accepted"].as_u64().unwrap();
    assert!(accepted >= 2, "where only the filter changes, nothing begins anew: {sinks}");
    let reader = std::thread::spawn(move || log.count());
    gateway.signal("-TERM");
    assert_eq!(gateway.child.wait().unwrap().code(), Some(0));
    reader.join().unwrap();
    let ids = |name: &str, user: &str| -> Vec<String> {
        let all = lines(&folder.path().join(format!("{name}.jsonl")));
        let of = all.iter().filter(|line| line["user"] == user);
        of.map(|line| line["id"].as_str().unwrap_or_default().to_owned()).collect()
    };
    for name in ["kept", "gone", "other"] {
        assert_eq!(ids(name, "ann"), ["says/step", "says/work"], "{name}");
    }
    // The level leaves the error alone, and `kept` asks for another id.
    assert_eq!(ids("kept", "bob"), Vec::<String>::new());
    assert_eq!(ids("gone", "bob"), Vec::<String>::new());
    assert_eq!(ids("new", "bob"), ["says/refused"]);
    assert_eq!(ids("other", "bob"), ["says/refused"]);
    let other = lines(&folder.path().join("other.jsonl"));
    assert_eq!(of_id(&other, "says/refused")["data"]["place"], "here");
    assert!(of_id(&other, "says/work")["data"]["place"].is_null(), "it was said before");
}

#[test]
fn the_share_of_traces_that_are_recorded_follows_the_file() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("logs")).unwrap();
    // Nobody takes the spans.
    let text = |share: &str| {
        let otlp = "[telemetry.otlp]\nendpoint = \"http://127.0.0.1:1\"\n";
        config(&format!("{otlp}sample = {share}\n"))
    };
    let path = write(folder.path(), &text("0.5"));
    let mut gateway = Gateway::start(&["--config", &path]);
    let mut log = gateway.log();
    assert_eq!(gateway.admin("/sinks")["traces"]["sample"], 0.5);
    write(folder.path(), &text("0.25"));
    gateway.signal("-HUP");
    let told = "`telemetry.otlp.sample` changed, and is used from now on";
    assert!(log.any(|line| line.contains(told)), "not told");
    assert_eq!(gateway.admin("/sinks")["traces"]["sample"], 0.25);
    let reader = std::thread::spawn(move || log.count());
    gateway.signal("-TERM");
    assert_eq!(gateway.child.wait().unwrap().code(), Some(0));
    reader.join().unwrap();
}
