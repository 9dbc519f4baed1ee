//! Plugins that depend on each other: who starts when, who stops when, and what becomes of those whose turn never comes.

use super::{Gateway, guest, run, text, write};
use serde_json::json;
use std::{
    fs,
    time::{Duration, Instant},
};

/// The names of plugins in the log's lines with this message, in their order.
fn told(log: &[String], message: &str) -> Vec<String> {
    let lines = log.iter().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let lines = lines.filter(|line| line.get("message").is_some_and(|told| told == message));
    lines.filter_map(|line| Some(line.pointer("/data/plugin")?.as_str()?.to_owned())).collect()
}

fn plugin(name: &str, depends_on: &str) -> String {
    let file = guest("chat.wasm");
    format!("[plugin.{name}]\nfile = {file:?}\ndepends_on = [{depends_on}]\n")
}

const LOG: &str = "[telemetry]\nlevel = \"info,tengen_server=debug\"\n";

#[test]
fn plugins_start_after_what_they_depend_on_and_stop_before_it() {
    let folder = tempfile::tempdir().unwrap();
    // By their names they would come the other way round.
    let plugins = [plugin("a", "'b'"), plugin("b", "'c'"), plugin("c", "'d'"), plugin("d", "")];
    let file = write(folder.path(), &(LOG.to_owned() + &plugins.concat()));
    let gateway = Gateway::start(&["--config", &file]);
    gateway.signal("-TERM");
    let (code, errors) = gateway.ended();
    let log: Vec<_> = errors.lines().map(str::to_owned).collect();
    assert_eq!(code, Some(0), "{errors}");
    assert_eq!(told(&log, "plugin started"), ["d", "c", "b", "a"], "{errors}");
    assert_eq!(told(&log, "plugin stopped"), ["a", "b", "c", "d"], "{errors}");
}

#[test]
fn another_order_is_used_from_the_next_reading_on() {
    let folder = tempfile::tempdir().unwrap();
    let of = |a: &str, b: &str| LOG.to_owned() + &plugin("a", a) + &plugin("b", b);
    let file = write(folder.path(), &of("", ""));
    let mut gateway = Gateway::start(&["--config", &file]);
    let mut log = gateway.log();
    write(folder.path(), &of("", "'a'"));
    gateway.signal("-HUP");
    let changed = "`plugin.b.depends_on` changed, and is used from now on";
    assert!(log.any(|line| line.contains(changed)), "the log ended without the change");
    gateway.signal("-TERM");
    let log: Vec<_> = log.collect();
    assert_eq!(told(&log, "plugin stopped"), ["b", "a"], "{log:?}");
    assert!(told(&log, "plugin reloaded").is_empty(), "nothing of the plugin has changed");
}

#[test]
fn whoever_depends_on_one_that_does_not_start_is_told_of_and_not_tried() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("broken.wasm"), "no component").unwrap();
    let plugins = [plugin("a", "'b'"), plugin("b", "'broken'"), plugin("other", "")];
    let broken = "[plugin.broken]\nfile = 'broken.wasm'\n";
    let file = write(folder.path(), &(LOG.to_owned() + broken + &plugins.concat()));
    let output = run(&["serve", "--listen", "127.0.0.1:0", "--admin", "off", "--config", &file]);
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    for line in [
        "plugin.a: not started: it depends on `b`, which did not start",
        "plugin.b: not started: it depends on `broken`, which did not start",
        "plugin.broken: ",
    ] {
        assert!(errors.contains(line), "no `{line}` in {errors}");
    }
    assert!(!errors.contains("plugin.other: "), "{errors}");
}

#[test]
fn each_plugin_is_named_with_how_it_is_and_none_decides_about_readiness() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("late.wasm"), "no component").unwrap();
    fs::write(folder.path().join("gone.wasm"), "no component").unwrap();
    fs::copy(guest("chat.wasm"), folder.path().join("chat.wasm")).unwrap();
    let gateway = Gateway::start(&["--plugins", folder.path().to_str().unwrap()]);
    let expected = json!({ "chat": "running", "gone": "start-failed", "late": "start-failed" });
    assert_eq!(gateway.admin("/readyz"), json!({ "ready": true, "plugins": expected }));
    fs::remove_file(folder.path().join("gone.wasm")).unwrap();
    fs::copy(guest("handler_echo.wasm"), folder.path().join("new.part")).unwrap();
    fs::rename(folder.path().join("new.part"), folder.path().join("late.wasm")).unwrap();
    let expected = json!({ "ready": true, "plugins": { "chat": "running", "late": "running" } });
    let began = Instant::now();
    loop {
        let told = gateway.admin("/readyz");
        if told == expected {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{told}");
    }
}
