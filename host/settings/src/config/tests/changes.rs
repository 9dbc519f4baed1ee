//! What a reload is told of two files.

use super::*;

const BASE: &str = "plugin.p.file = 'p.wasm'\nplugin.q.file = 'q.wasm'\nendpoint = [{ path = '/a' }, { path = '/b' }]\n";

/// The changes from the base to the base with this added to it.
#[track_caller]
fn check(added: &str, expected: &[Change]) {
    let new = format!("{BASE}{added}\n");
    assert_eq!(diff(&good(BASE), &good(&new)), expected, "{added}");
}

fn restart(key: &str) -> Change {
    Change::Restart(key.into())
}

#[test]
fn a_changed_plugin_is_reloaded_and_the_rest_needs_a_restart() {
    check("", &[]);
    check("plugin.p.config = { a = 'b' }", &[Change::Plugin("p".into())]);
    check("plugin.p.grant.publish = ['a']", &[Change::Plugin("p".into())]);
    check("plugin.p.limits.effect_bytes = '1KiB'", &[Change::Plugin("p".into())]);
    check(
        "server.listen = '127.0.0.1:1'\nplugin.r.file = 'r.wasm'",
        &[restart("server.listen"), restart("plugin.r")],
    );
}

#[test]
fn each_key_that_changed_is_told_by_its_name() {
    check(
        "server.drain.batch = 1\nlimits.message = '2MiB'\nlimits.per_connection.wait = '2s'\nheartbeat.ping_every = '1s'",
        &[
            restart("server.drain.batch"),
            restart("heartbeat.ping_every"),
            restart("limits.message"),
            restart("limits.per_connection.wait"),
        ],
    );
    check("admin.listen = 'off'", &[restart("admin.listen")]);
    check("admin.keys = ['0123456789abcdef']", &[restart("admin.keys")]);
    check("telemetry.otlp.endpoint = 'http://a:1'", &[restart("telemetry.otlp")]);
    let otlp =
        |more: &str| good(&format!("{BASE}\n[telemetry.otlp]\nendpoint = 'http://a:1'\n{more}"));
    let share = Change::Telemetry("telemetry.otlp.sample".into());
    assert_eq!(diff(&otlp(""), &otlp("sample = 0.5")), [share], "all else as it was");
    check("[[route]]\nevent = '*'\nplugin = 'p'", &[restart("route")]);
    let second = good(&BASE.replace("'/b'", "'/b', origins = ['http://a'], anonymous = true"));
    assert_eq!(diff(&good(BASE), &second), [restart("endpoint[1].origins")]);
    let sente = good(&BASE.replace("'/a'", "'/a', dialect = 'sente'"));
    let expected = [restart("endpoint[0].dialect"), restart("endpoint[0].formats")];
    assert_eq!(diff(&good(BASE), &sente), expected);
    let folder = Settings { plugin_folder: Some("x".into()), ..good(BASE) };
    assert_eq!(diff(&good(BASE), &folder), [restart("--plugins")]);
}

fn sink(name: &str) -> Change {
    Change::Sink(name.into())
}

#[test]
fn filters_and_sinks_are_applied_as_they_are() {
    let level = Change::Telemetry("telemetry.level".into());
    check("telemetry.level = 'debug'", std::slice::from_ref(&level));
    let filter = Change::Telemetry("telemetry.filter.ids.deny".into());
    check("telemetry.filter.ids.deny = ['a']", &[filter]);
    check("[[sink]]\nkind = 'plugin'\nplugin = 'p'", &[sink("p")]);
    check("telemetry.preset = 'development'", &[restart("telemetry.preset"), level]);
    let of = |text: &str| good(&format!("{BASE}{text}"));
    let file = |more: &str| of(&format!("[[sink]]\nkind = 'file'\npath = 'a'\n{more}"));
    for other in ["buffer = 7", "filter.level = 'warn'", "rules = [{ drop = 'a' }]"] {
        assert_eq!(diff(&file(""), &file(other)), [sink("file")], "{other}");
    }
    assert_eq!(diff(&file(""), &of("")), [sink("file")], "it is gone");
}

#[test]
fn of_the_log_only_the_filter_changes_without_a_restart() {
    let of = |text: &str| good(&format!("{BASE}{text}"));
    let log = |more: &str| of(&format!("[[sink]]\nkind = 'stderr'\n{more}"));
    let both = log("filter.level = 'warn'\nbuffer = 7");
    assert_eq!(diff(&log(""), &both), [sink("stderr"), restart("sink.stderr.buffer")]);
    assert_eq!(diff(&log(""), &of("")), [restart("sink.stderr")]);
    let out = of("[[sink]]\nkind = 'stdout'");
    assert_eq!(diff(&of(""), &out), [restart("sink.stdout")]);
    let file = of("[[sink]]\nkind = 'file'\npath = 'a'\nname = 'stdout'");
    assert_eq!(
        diff(&out, &file),
        [restart("sink.stdout.kind"), restart("sink.stdout.name"), restart("sink.stdout.path")]
    );
}

#[test]
fn an_order_is_applied_without_a_reload() {
    let key = "plugin.p.depends_on";
    check("plugin.p.depends_on = ['q']", &[Change::AtOnce("p".into(), key.into())]);
    // The reload brings it along.
    check("plugin.p.depends_on = ['q']\nplugin.p.memory = '1MiB'", &[Change::Plugin("p".into())]);
    assert!(table().contains("| `plugin.NAME.depends_on` | `[]` | nothing |"));
}
