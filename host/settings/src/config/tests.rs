//! Configuration files as people write them, and what they are told.

use super::*;
use crate::{
    Affinity, Cache, Directory, Mode, OnFailure, Origin, Origins, Pattern, Protocol, Secret,
    WhenFull,
};
use std::time::Duration;
use tengen_wire::{dialect::Dialect, payload::Encoding};

mod changes;
mod http;
mod mistakes;
mod presets;

fn env(name: &str) -> Option<String> {
    match name {
        "KEY" => Some("s3cret".into()),
        "PORT" => Some("9999".into()),
        "MIXED" => Some("S3cret/path".into()),
        "LIST" => Some("info,s3cret".into()),
        _ => None,
    }
}

fn read(text: &str) -> Result<Parsed, ConfigErrors> {
    parse(text, &env, Path::new("/etc/tengen"))
}

#[track_caller]
fn good(text: &str) -> Settings {
    read(text).unwrap_or_else(|errors| panic!("{errors}")).settings
}

/// The file has these mistakes, no more and no fewer.
#[track_caller]
fn wrong(text: &str, expected: &[&str]) {
    let errors = read(text).expect_err("the file is wrong");
    assert_eq!(errors.to_string(), expected.join("\n"));
}

#[test]
fn an_empty_file_is_a_working_gateway() {
    let read = read("").expect("an empty file");
    assert_eq!((read.settings, read.warnings), (Settings::default(), Vec::new()));
}

#[test]
fn the_printed_default_is_the_default() {
    assert_eq!(good(&default_file()), Settings::default());
}

#[test]
fn the_printed_examples_can_be_used() {
    let uncommented = |line: &str| match line.strip_prefix('#') {
        // `format` and `formats` exclude each other.
        Some(rest) if !rest.starts_with(' ') && !rest.starts_with("format ") => rest.to_owned(),
        _ => line.to_owned(),
    };
    let mut file: String = default_file().lines().map(|line| uncommented(line) + "\n").collect();
    for plugin in ["token-auth", "log-sink"] {
        file.push_str(&format!("[plugin.{plugin}]\nfile = \"{plugin}.wasm\"\n"));
    }
    let settings = good(&file);
    assert_eq!(settings.plugins.len(), 3);
    assert_eq!(settings.telemetry.sinks.len(), 1);
    assert!(!settings.echo);
}

#[test]
fn every_key_of_the_table_is_read() {
    for section in root::shown() {
        for key in &section.keys {
            // No key is a date; a key that nobody reads would go unnoticed.
            let header = section.at.header().replace("chat", "p");
            // A table below one of a list stands behind it.
            let list = section.at.path.split_once("[].").map(|(list, _)| format!("[[{list}]]\n"));
            let (above, line) =
                (list.clone().unwrap_or_default(), if list.is_some() { 3 } else { 2 });
            let text = format!("{above}{header}\n{} = 1999-12-31\n", key.name);
            let errors = read(&text).expect_err(&text).0;
            let path = section.at.path.replace("NAME", "p").replace("[]", "[0]");
            let path = format!("{path}.{}", key.name);
            let told = errors.iter().filter(|it| it.key == path && it.line == Some(line)).count();
            assert_eq!(told, 1, "{path}: {errors:?}");
        }
    }
}

#[test]
fn every_key_says_what_it_is() {
    for section in root::sections().iter().filter(|section| !section.at.name.is_empty()) {
        assert!(!section.about.is_empty(), "{}", section.at.name);
        for key in &section.keys {
            let about = &key.about;
            assert!(!about.is_empty() && !about.ends_with('.'), "{}: {about}", key.name);
            assert!(!key.sample.toml().is_empty(), "{} has no example", key.name);
        }
    }
}

#[test]
fn the_readme_table_has_every_key() {
    let table = table();
    for section in root::shown() {
        for key in &section.keys {
            assert!(
                table.contains(&format!("| `{}.{}` |", section.at.path, key.name)),
                "{}",
                key.name
            );
        }
    }
}

#[test]
fn the_readme_shows_the_keys_as_they_are() {
    let readme = include_str!("../../../../README.md");
    let shown = readme
        .split_once("<!-- config -->")
        .and_then(|(_, rest)| rest.split_once("<!-- /config -->"));
    let (shown, _) = shown.expect("README.md has the markers of the table");
    assert_eq!(shown.trim(), table().trim(), "put in what `tengen config table` prints");
}

#[test]
fn what_the_file_cannot_say_yet_is_in_the_readmes_list() {
    let readme = include_str!("../../../../README.md");
    let (_, list) = readme.split_once("\nNot yet:\n").expect("there is a list");
    let (list, _) = list.split_once("\n\nWindows").expect("it ends");
    let later = |section: &'static crate::schema::section::Section| {
        section.later.iter().map(|key| (section.at.name.as_str(), *key))
    };
    for (section, key) in root::sections().iter().flat_map(later) {
        let word = match key {
            "tls" => "TLS",
            "trusted_proxies" => "trusted proxies",
            "proxy_protocol" => "PROXY protocol",
            "handshakes_per_second" | "events_per_second" | "bytes_per_second" => "rate limits",
            "policy" => "policy plugins",
            "kv" => "key-value",
            "name" | "path" | "when_full" | "synchronous" | "workers" => "sinks that are no plugin",
            "filter" => "filters",
            other => other,
        };
        assert!(list.contains(word), "`{section}.{key}` ({word}) is not in the list");
    }
    for word in ["sente-lite", "auto", "MessagePack"] {
        assert!(list.contains(word), "`{word}` is not in the list");
    }
}

#[test]
fn secrets_never_show_in_mistakes_or_in_debug_output() {
    let errors = read("[admin]\nkeys = ['${KEY}', '']\n").unwrap_err().to_string();
    assert!(!errors.contains("s3cret"), "{errors}");
    let parsed = read("[admin]\nkeys = ['${KEY}']\n").unwrap();
    assert!(!format!("{parsed:?}").contains("s3cret"));
}

#[test]
fn endpoints_given_are_the_only_ones_and_a_plugin_ends_the_echo() {
    let settings = good("[[endpoint]]\npath = '/only'\n");
    assert_eq!(settings.endpoints.iter().map(|e| e.path.as_str()).collect::<Vec<_>>(), ["/only"]);
    assert!(settings.echo);
    assert!(!good("[plugin.p]\nfile = 'p.wasm'\n").echo);
}

#[test]
fn compiled_plugins_are_kept_with_the_user_in_a_folder_or_not_at_all() {
    let cache = |text: &str| good(text).server.cache;
    assert_eq!(cache(""), Cache::OfUser);
    assert_eq!(cache("[server]\ncache = 'off'"), Cache::Off);
    assert_eq!(cache("[server]\ncache = 'c'"), Cache::Folder("/etc/tengen/c".into()));
}

#[test]
fn relative_paths_count_from_the_files_folder() {
    let settings = good(
        "[server]\nport_file = 'port'\n[plugin.p]\nfile = 'p.wasm'\n[plugin.q]\nfile = '/opt/q.wasm'\n\
         [plugin.p.grant]\ndirs = [{ host = 'logs', guest = '/logs', writable = true }]\n[[static]]\npath = '/'\ndir = 'page'\n",
    );
    assert_eq!(settings.server.port_file.as_deref(), Some(Path::new("/etc/tengen/port")));
    assert_eq!(settings.plugins["p"].file, Path::new("/etc/tengen/p.wasm"));
    assert_eq!(settings.plugins["q"].file, Path::new("/opt/q.wasm"));
    assert_eq!(settings.statics[0].dir, Path::new("/etc/tengen/page"));
    let dir = Directory { host: "/etc/tengen/logs".into(), guest: "/logs".into(), writable: true };
    assert_eq!(settings.plugins["p"].grant.dirs, [dir]);
}

/// A file with something other than the default in every section.
const EVERYTHING: &str = r#"
[admin]
listen = "off"
[outbox]
when_full = "latest"
[limits]
connections = 2_000
malformed = "3/s"
per_connection = { subscriptions = 0, waiting_events = 8, waiting_bytes = "2KiB" }
[[endpoint]]
path = "/ws"
formats = ["edn", "json"]
origins = ["HTTPS://App.Example:443/", "http://localhost:3000"]
authenticator = "auth"
anonymous = false
[[endpoint]]
path = "/chsk"
dialect = "sente"
format = "edn"
csrf = "off"
[plugin.auth]
file = "auth.wasm"
memory = "1MiB"
deadline = "10ms"
instances = 4
affinity = "user"
on_failure = "open"
limits = { effects_per_event = 7, effect_bytes = "1KB" }
config = { text = "hi", number = 7, truth = true, list = ["a", 1], table = { x = 1.5 } }
grant = { publish = ["room/*"], push = ["*"], endpoint = true, env = ["HOME"] }
[[route]]
event = "a/b"
plugin = "auth"
endpoint = "/chsk"
mode = "all"
[telemetry]
level = "info,tengen::hub=debug"
otlp = { endpoint = "http://127.0.0.1:4318", protocol = "http/protobuf", sample = 0.5 }
[[sink]]
kind = "plugin"
plugin = "auth"
buffer = 5
"#;

#[test]
fn every_setting_reaches_its_place() {
    let settings = good(EVERYTHING);
    assert_eq!(settings.admin, None);
    assert_eq!(settings.outbox.when_full, WhenFull::Latest);
    let limits = settings.limits;
    assert_eq!(
        (limits.connections.get(), limits.malformed.count.get(), limits.subscriptions),
        (2000, 3, 0)
    );
    assert_eq!((limits.waiting_events, limits.waiting_bytes), (8, 2048));
    let [ws, chsk] = &settings.endpoints[..] else { panic!("two endpoints") };
    assert_eq!(ws.formats, [Encoding::Edn, Encoding::Json]);
    assert_eq!(
        ws.origins,
        Origins::These(
            ["https://app.example", "http://localhost:3000"].map(|it| Origin(it.into())).into()
        )
    );
    assert_eq!((ws.authenticator.as_deref(), ws.anonymous), (Some("auth"), false));
    assert_eq!((chsk.dialect, &chsk.formats[..]), (Dialect::Sente, &[Encoding::Edn][..]));
    let otlp = settings.telemetry.otlp.unwrap();
    assert_eq!((otlp.protocol, otlp.sample), (Some(Protocol::HttpProtobuf), Some(0.5)));
    assert_eq!(settings.telemetry.sinks[0].buffer.get(), 5);
}

#[test]
fn every_setting_of_plugins_reaches_its_place() {
    let settings = good(EVERYTHING);
    let plugin = &settings.plugins["auth"];
    assert_eq!((plugin.memory(), plugin.deadline), (1 << 20, Duration::from_millis(10)));
    assert_eq!((plugin.instances.get(), plugin.on_failure), (4, OnFailure::Open));
    assert_eq!(plugin.affinity, Some(Affinity::User));
    assert_eq!((plugin.effects_per_event, plugin.effect_bytes), (7, 1000));
    let config: Vec<_> =
        plugin.config.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let expected = [
        ("list", "[\"a\",1]"),
        ("number", "7"),
        ("table", "{\"x\":1.5}"),
        ("text", "hi"),
        ("truth", "true"),
    ];
    assert_eq!(config, expected);
    assert_eq!(plugin.grant.publish, [Pattern("room/*".into())]);
    assert!(plugin.grant.endpoint && plugin.grant.may_push_to("anyone"));
    let route = &settings.routes[0];
    assert_eq!((route.endpoint.as_deref(), route.mode), (Some("/chsk"), Mode::All));
}

#[test]
fn what_is_probably_not_meant_is_a_warning() {
    let parsed = read(
        "[admin]\nlisten = '0.0.0.0:1'\nkeys = ['${KEY}']\n[[endpoint]]\npath = '/a'\norigins = ['*']\n[plugin.p]\nfile = 'p.wasm'\n[[endpoint]]\npath = '/b'\norigins = ['null', 'https://a.example', 'file://']\n",
    );
    let warnings: Vec<_> = parsed.unwrap().warnings.iter().map(ToString::to_string).collect();
    let expected = [
        "admin (line 1): health and statistics are readable by everyone who can reach `0.0.0.0:1`",
        "admin.keys[0] (line 3): has fewer than 16 characters and may be guessed; take a random one, as `openssl rand -hex 16` prints",
        "endpoint[0].origins (line 6): every web page may connect with its visitor's cookies",
        "plugin.p (line 7): nothing uses the plugin; add a `[[route]]` with plugin = \"p\"",
        "endpoint[1].origins[0] (line 11): every page can open a frame whose origin is `null`, with its visitor's cookies: let an authenticator ask for a token that is in no cookie",
        "endpoint[1].origins[2] (line 11): every page that is a file on its reader's disk may connect",
    ];
    assert_eq!(warnings, expected);
}

/// Whatever the value is, the mistake has the key and a line, and nothing panics.
#[test]
fn what_is_no_text_file_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let binary = folder.path().join("tengen.toml");
    std::fs::write(&binary, [0xff, 0xfe, 0, 1]).unwrap();
    for file in [binary.as_path(), folder.path()] {
        let error = load(file, &env).unwrap_err();
        assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
        assert!(std::error::Error::source(&error).is_some());
    }
}

#[test]
fn a_file_that_is_not_there_says_which() {
    let error = load(Path::new("/nowhere/tengen.toml"), &env).unwrap_err();
    assert_eq!(error.to_string(), "cannot read the configuration file `/nowhere/tengen.toml`");
    assert!(std::error::Error::source(&error).is_some());
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[\\[\\]a-z.= \"'{}$#0-9\\n]{0,80}") {
        let _parsed = read(&text);
    }
}

#[test]
fn a_number_too_large_for_a_plugin_is_told_what_to_do() {
    wrong(
        "[plugin.a]\nfile = 'a.wasm'\nconfig = { n = 99999999999999999999 }\n",
        &["plugin.a.config.n (line 3): `99999999999999999999` is too large; write it as a string"],
    );
}

#[test]
fn messages_that_do_not_fit_into_a_plugins_memory_are_warned_of() {
    let warnings = |limits: &str, memory: &str| {
        let text = format!(
            "[limits]\nmessage = '{limits}'\n[plugin.p]\nfile = 'p.wasm'\nmemory = '{memory}'\n[[route]]\nevent = '*'\nplugin = 'p'"
        );
        let parsed = read(&text).unwrap();
        parsed.warnings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert!(warnings("1MiB", "16MiB").is_empty());
    let said = warnings("4MiB", "16MiB");
    assert!(
        matches!(said.as_slice(), [only] if only.contains("`plugin.p.memory` = \"32MiB\"") && only.contains("`limits.message`")),
        "{said:?}"
    );
    assert!(warnings("4MiB", "32MiB").is_empty());
}

fn plugins(count: usize) -> String {
    let plugin = |number| {
        format!(
            "[plugin.p{number}]\nfile = 'p.wasm'\n[[route]]\nevent = 'p{number}/*'\nplugin = 'p{number}'\n"
        )
    };
    (0..count).map(plugin).collect()
}

#[test]
fn three_hundred_plugins_are_good_and_as_many_as_the_limit_allows() {
    let settings = good(&plugins(300));
    assert_eq!(settings.instances().serving, 300);
    assert_eq!(settings.instances().most, 900);
    good(&format!("limits.plugin_instances = 900\n{}", plugins(300)));
    let one = |text: &str, key: &str, count: usize| {
        let limit = read(text).err().map(|errors| errors.0).unwrap_or_default();
        let [mistake] = &limit[..] else { panic!("one mistake: {limit:?}") };
        assert_eq!((mistake.key.as_str(), mistake.line), (key, Some(1)));
        let remedy = format!("write `limits.plugin_instances` = {count}, run fewer");
        assert!(mistake.what.contains(&remedy), "{}", mistake.what);
    };
    let little = format!("limits.plugin_instances = 899\n{}", plugins(300));
    one(&little, "limits.plugin_instances", 900);
    one(&plugins(1366), "plugin", 4098);
    wrong(
        "limits.plugin_instances = 10000",
        &["limits.plugin_instances (line 1): must be at least 1 and at most 8192"],
    );
}
