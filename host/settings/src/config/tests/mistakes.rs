//! What is wrong with a file is told with its place and its remedy.

use super::*;

#[test]
fn every_mistake_is_reported_at_once() {
    wrong(
        "[server]\nlisten = 'here'\nlisen = 1\n\n[outbox]\nevents = 0\nbytes = 4096\n\n[[endpoint]]\npath = '/ws'\n\
         \n[[endpoint]]\npath = '/ws'\ndialect = 'snete'\nauthenticator = 'nobody'\n",
        &[
            "server.listen (line 2): `here` is not an address and port; write it as in `127.0.0.1:8080`, an IPv6 address in brackets",
            "server.lisen (line 3): is not a key; did you mean `listen`?",
            "outbox.events (line 6): must be at least 1",
            "outbox.bytes (line 7): must be a string with a unit, as in \"1MiB\", and is a whole number",
            "endpoint[1].path (line 13): the endpoint of line 10 has the path `/ws` already; give each its own",
            "endpoint[1].dialect (line 14): `snete` is not known here; did you mean `sente`?",
            "endpoint[1].authenticator (line 15): there is no plugin `nobody`; add `[plugin.nobody]` with its `file`",
        ],
    );
}

#[test]
fn every_syntax_error_is_reported_with_its_line() {
    let errors = read("[server\nlisten = \"127.0.0.1:1\"\n[outbox]\nevents = = 3\n").unwrap_err().0;
    let lines: Vec<_> = errors.iter().map(|mistake| mistake.line).collect();
    assert!(errors.iter().all(|mistake| mistake.key.is_empty()));
    assert!(lines.contains(&Some(1)) && lines.contains(&Some(4)), "{errors:?}");
}

#[test]
fn a_key_twice_is_a_mistake() {
    let error = read("[server]\nlisten = \"127.0.0.1:1\"\nlisten = \"127.0.0.1:2\"\n")
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("line 3: "), "{error}");
}

#[test]
fn keys_this_version_does_not_carry_out_are_refused() {
    wrong(
        "[server]\ntls = { cert = 'a', key = 'b' }\n[limits]\nhandshakes_per_second = 9\n",
        &[
            "server.tls (line 2): is not available in this version; remove it",
            "limits.handshakes_per_second (line 4): is not available in this version; remove it",
        ],
    );
    wrong(
        "[[endpoint]]\npath = '/a'\ndialect = 'auto'\nformats = ['json', 'text']\ncsrf = 'signed'\n",
        &[
            "endpoint[0] (line 1): `csrf = \"signed\"` has nothing to sign with; add `csrf_token` with its `cookie` and `key`",
            "endpoint[0].dialect (line 3): `auto` is not available in this version; write `tengen`, `sente`, `sente-lite` or `raw`",
            "endpoint[0].formats[1] (line 4): `text` is not known here; write `json`, `edn`, `transit` or `msgpack`",
        ],
    );
}

#[test]
fn what_signs_tokens_and_what_asks_for_them_belong_together() {
    let token = "csrf_token = { cookie = 'session', key = '0123456789abcdef' }\n";
    let endpoint = |more: &str| format!("[[endpoint]]\npath = '/a'\n{more}");
    assert!(read(&endpoint(&format!("csrf = 'signed'\n{token}"))).is_ok());
    assert!(read(&endpoint("csrf = 'off'\n")).is_ok());
    wrong(
        &endpoint("csrf = 'plugin'\n"),
        &[
            "endpoint[0] (line 1): `csrf = \"plugin\"` leaves it to a plugin that is not named; name an `authenticator`",
        ],
    );
    wrong(
        &endpoint("csrf = 'signed'\ncsrf_token = { cookie = '' }\n"),
        &[
            "endpoint[0].csrf_token (line 4): `key` is missing; take a random one, as `openssl rand -hex 16` prints",
            "endpoint[0].csrf_token.cookie (line 4): is empty; write something or remove it",
        ],
    );
}

#[test]
fn a_dialect_whose_clients_choose_no_format_has_one() {
    wrong(
        "[[endpoint]]\npath = '/a'\ndialect = 'sente'\nformats = ['transit', 'edn']\n",
        &[
            "endpoint[0].formats (line 4): clients of the sente dialect do not say which format they speak; keep one",
        ],
    );
}

#[test]
fn unknown_keys_are_refused_with_the_nearest_or_the_place() {
    wrong("listen = 1", &["listen (line 1): is not a key here; did you mean `server.listen`?"]);
    wrong(
        "[heartbeat]\nfrobnicate = 1",
        &[
            "heartbeat.frobnicate (line 2): is not a key; here can stand `ping_every` or `give_up_after`",
        ],
    );
    wrong(
        "[plugin.p]\nfile = 'p.wasm'\n[[route]]\nevent = '*'\nplugin = 'p'\n[plugin.p.grant]\ndirs = [{ host = 'a', guest = '/a', write = true }]",
        &[
            "plugin.p.grant.dirs[0].write (line 7): is not a key; here can stand `host`, `guest` or `writable`",
        ],
    );
}

#[test]
fn heartbeats_must_leave_time_for_an_answer() {
    wrong(
        "[heartbeat]\nping_every = '70s'\n",
        &[
            "heartbeat.ping_every (line 2): `give_up_after` (60s) must be longer than `ping_every` (70s), or every silent peer is closed before its answer can come",
        ],
    );
}

#[test]
fn durations_and_sizes_need_units_and_more_than_nothing() {
    wrong(
        "[server.drain]\ndeadline = '30'\nevery = '0s'\nbatch = -1\n[limits]\nmessage = '0B'\n",
        &[
            "server.drain.deadline (line 2): `30` has no unit; write a number and a unit (ms, s, m, h, d), as in \"25s\"",
            "server.drain.every (line 3): must be more than zero",
            "server.drain.batch (line 4): `-1` is too large or negative; write a number from 0",
            "limits.message (line 6): must be at least 1",
        ],
    );
}

#[test]
fn plugins_routes_and_sinks_are_checked_against_each_other() {
    wrong(
        "[plugin.chat]\n[plugin.'b d']\nfile = 'b.wat'\n[[route]]\nevent = 'chat'\nplugin = 'chta'\nendpoint = '/w'\n[[route]]\nevent = 'a*b'\n[[route]]\nevent = 'chsk/x'\nplugin = 'chat'\n[[sink]]\nkind = 'file'\nplugin = 'chat'\n",
        &[
            "plugin.chat (line 1): `file` is missing; say which component it is, as in file = \"plugins/chat.wasm\"",
            "plugin.b d (line 2): is not a plugin's name; write at most 64 letters, digits, `-` and `_`",
            "plugin.b d.file (line 3): must be a component in a `.wasm` file; `cargo xtask guests` builds those of this repository",
            "route[0].event (line 5): `chat` matches no event: ids are `namespace/name`; write `chat/*` for all of a namespace",
            "route[0].plugin (line 6): there is no plugin `chta`; did you mean `chat`?",
            "route[0].endpoint (line 7): there is no endpoint `/w`; write `/ws`, `/chsk` or `/raw`",
            "route[1] (line 8): `plugin` is missing; say which plugin, as in plugin = \"chat\"",
            "route[1].event (line 9): `a*b` has a `*` in a place where it has no meaning; write it once, at the end",
            "route[2].event (line 11): `chsk/x` lies in a namespace that the gateway keeps to itself and plugins never get events of; remove the route",
            "sink[0] (line 13): `path` is missing; say where, as in path = \"logs/tengen.jsonl\"",
        ],
    );
}

#[test]
fn a_table_that_lacks_a_key_sets_nothing() {
    let text = "[[route]]\nevent = 'a/b'\n[[sink]]\nkind = 'plugin'\n[[static]]\npath = '/'\ndir = ''\n[telemetry.otlp]\nsample = 0.5\n";
    let settings = examine(text, &env, Path::new("")).settings.expect("it is TOML");
    assert!(settings.routes.is_empty() && settings.telemetry.sinks.is_empty());
    assert!(settings.statics.is_empty() && settings.telemetry.otlp.is_none());
}

#[test]
fn dependencies_lead_to_plugins_and_never_back() {
    good(
        "[plugin.a]\nfile = 'a.wasm'\ndepends_on = ['b', 'c']\n[plugin.b]\nfile = 'b.wasm'\ndepends_on = ['c']\n[plugin.c]\nfile = 'c.wasm'\n",
    );
    wrong(
        "[plugin.a]\nfile = 'a.wasm'\ndepends_on = ['bb', 'b']\n[plugin.b]\nfile = 'b.wasm'\ndepends_on = ['a', 7]\n\
         [plugin.self]\nfile = 'c.wasm'\ndepends_on = [\n'self', '']\n[plugin.d]\nfile = 'd.wasm'\ndepends_on = 'a'\n",
        &[
            "plugin.a.depends_on[0] (line 3): there is no plugin `bb`; did you mean `b`?",
            "plugin.b.depends_on[0] (line 6): the plugin would wait for itself: `a` → `b` → `a`; remove one of these dependencies",
            "plugin.b.depends_on[1] (line 6): must be a string, and is a whole number",
            "plugin.self.depends_on[0] (line 10): the plugin would wait for itself: `self` → `self`; remove one of these dependencies",
            "plugin.self.depends_on[1] (line 10): is empty; write something or remove it",
            "plugin.d.depends_on (line 13): must be a list, as in [\"…\"], and is a string",
        ],
    );
}

#[test]
fn environment_variables_are_put_in_and_missing_ones_are_mistakes() {
    let settings = good("[server]\nlisten = '0.0.0.0:${PORT}'\n[admin]\nkeys = ['${KEY}']\n");
    assert_eq!(settings.server.listen.port(), 9999);
    assert_eq!(settings.admin.unwrap().keys, [Secret("s3cret".into())]);
    wrong(
        "[admin]\nkeys = ['${NO_KEY}']\n",
        &[
            "admin.keys[0] (line 2): the environment variable `NO_KEY` is not set; set it, or write the value in its place",
        ],
    );
}

/// Files with one mistake each, and what is said of it.
const SINGLE: &[(&str, &str)] = &[
    (
        "[server]\nlisten = ':80'",
        "server.listen (line 2): `:80` is not an address and port; write `127.0.0.1:80` (this machine) or `0.0.0.0:80` (everyone)",
    ),
    (
        "[server]\nlisten = 'localhost:80'",
        "server.listen (line 2): `localhost:80` is not an address and port; write `127.0.0.1:80`",
    ),
    ("server = 1", "server (line 1): must be a table, and is a whole number"),
    (
        "[endpoint]\npath = '/ws'",
        "endpoint (line 1): can stand several times; write `[[endpoint]]`",
    ),
    (
        "[[endpoint]]\npath = 'ws'",
        "endpoint[0].path (line 2): `ws` must begin with `/`; write `/ws`",
    ),
    (
        "[[endpoint]]",
        "endpoint[0] (line 1): `path` is missing; say where clients connect, as in path = \"/ws\"",
    ),
    (
        "[[endpoint]]\npath = '/a'\norigins = ['app.example']",
        "endpoint[0].origins[0] (line 3): `app.example` is not an origin; write scheme and host, as in \"https://app.example\"",
    ),
    (
        "[admin]\nkeys = ['k']",
        "admin.keys[0] (line 2): has 1 of at least 4 characters; take a random one, as `openssl rand -hex 16` prints",
    ),
    (
        "[admin]\nkeys = [\"0123456789abcdef\\n\"]",
        "admin.keys[0] (line 2): begins or ends with white space, perhaps a file's line end, which no caller can send; remove it",
    ),
    (
        "[admin]\nkeys = [\"0123456789\\nabcdef\"]",
        "admin.keys[0] (line 2): has characters that a header does not carry; write letters, digits and signs of ASCII",
    ),
    (
        "[admin]\nkeys = ['schlüssel-schlüssel']",
        "admin.keys[0] (line 2): has characters that a header does not carry; write letters, digits and signs of ASCII",
    ),
    (
        "[[endpoint]]\npath = '/a'\norigins = ['*', 'http://a']",
        "endpoint[0].origins (line 3): `*` lets every origin in; remove the others, or remove `*`",
    ),
    (
        "[[endpoint]]\npath = '/a'\nformats = []",
        "endpoint[0].formats (line 3): is empty; name a format or remove it",
    ),
    (
        "[[endpoint]]\npath = '/a'\nformats = ['edn']\nformat = 'edn'",
        "endpoint[0].format (line 4): stands beside `formats`; keep one of the two",
    ),
    (
        "[[endpoint]]\npath = '/a'\ndialect = 'raw'\nformat = 'edn'",
        "endpoint[0].format (line 4): has no meaning for the raw dialect, whose frames are not read; remove it",
    ),
    (
        "[[endpoint]]\npath = '/a'\nanonymous = false",
        "endpoint[0] (line 1): nobody can come in: without an `authenticator` everyone is anonymous, and `anonymous` is false; name an authenticator",
    ),
    (
        "[telemetry]\nlevel = 'infoo'",
        "telemetry.level (line 2): `infoo` is not a level; write `off`, `error`, `warn`, `info`, `debug` or `trace`, or pairs as in \"info,tengen::hub=debug\"",
    ),
    (
        "[telemetry]\notlp = { endpoint = 'ftp://x' }",
        "telemetry.otlp.endpoint (line 2): `ftp://x` is not an address; write it as in `http://127.0.0.1:4317`",
    ),
    (
        "[telemetry]\notlp = { endpoint = 'https://me:s3cret@x' }",
        "telemetry.otlp.endpoint (line 2): has credentials in it; send them with `OTEL_EXPORTER_OTLP_HEADERS`",
    ),
    (
        "[[endpoint]]\npath = '/a'\ntraceparent = 'parents'",
        "endpoint[0].traceparent (line 3): `parents` is not known here; did you mean `parent`?",
    ),
    (
        "[telemetry]\notlp = { endpoint = 'http://x', sample = 2 }",
        "telemetry.otlp.sample (line 2): must be a number from 0 to 1",
    ),
    (
        "[limits]\nmalformed = 16",
        "limits.malformed (line 2): is a number within a time; write \"16/min\"",
    ),
    (
        "[limits]\nmalformed = '16'",
        "limits.malformed (line 2): `16` has no time; write a number and a time (/s, /min, /h), as in \"16/min\"",
    ),
    (
        "[limits]\nmalformed = true",
        "limits.malformed (line 2): must be a string with a time, as in \"16/min\", and is a truth value",
    ),
    (
        "[limits.per_connection]\nwaiting_events = 5000000000",
        "limits.per_connection.waiting_events (line 2): `5000000000` is too large or negative; write a number from 0",
    ),
    (
        "[plugin.p]\nfile = 'p.wasm'\nmemory = '1KiB'",
        "plugin.p.memory (line 3): must be from 64KiB to 4GiB",
    ),
];

#[test]
fn single_mistakes_name_their_remedy() {
    for (text, expected) in SINGLE {
        wrong(text, &[expected]);
    }
}

#[test]
fn values_at_the_edges_are_mistakes_with_their_place() {
    for (section, key) in [
        ("server", "listen"),
        ("server.drain", "deadline"),
        ("server.drain", "batch"),
        ("limits", "message"),
        ("limits", "connections"),
        ("limits", "unauthenticated"),
        ("heartbeat", "ping_every"),
        ("outbox", "write_deadline"),
        ("telemetry.otlp", "sample"),
    ] {
        for value in [
            "nan",
            "-inf",
            "-9223372036854775808",
            "'99999999999999999999999s'",
            "'1e9s'",
            "'-1B'",
            "'\\u0000'",
            "''",
            "'${'",
            "[[[[]]]]",
            "{ a = { b = 1 } }",
            "'127.0.0.1:65536'",
        ] {
            let text = format!("[{section}]\n{key} = {value}\n");
            let errors = read(&text).expect_err(&text).0;
            let path = format!("{section}.{key}");
            let found = errors
                .iter()
                .any(|mistake| mistake.key.starts_with(&path) && mistake.line == Some(2));
            assert!(found, "{text}{errors:?}");
        }
    }
}

#[test]
fn a_value_nested_without_end_is_a_mistake_and_no_overflow() {
    let deep = |open: &str, close: &str| {
        format!("[plugin.p.config]\nx = {}1{}\n", open.repeat(50_000), close.repeat(50_000))
    };
    for text in [deep("[", "]"), deep("{a=", "}"), "[a.".repeat(20_000), "a.".repeat(20_000)] {
        assert!(read(&text).is_err());
    }
}

#[test]
fn keys_and_tables_that_contradict_each_other_are_mistakes() {
    for text in [
        "[server]\n[server]\n",
        "server.listen = '127.0.0.1:1'\n[server]\nlisten = '127.0.0.1:2'\n",
        "[[endpoint]]\npath = '/a'\n[endpoint]\npath = '/b'\n",
        "[plugin.p]\nfile = 'p.wasm'\n[plugin.p]\nfile = 'q.wasm'\n",
        "\u{feff}[server\n",
        "[server]\rlisten = '127.0.0.1:1'",
    ] {
        let errors = read(text).expect_err(text).0;
        assert!(errors.iter().all(|mistake| mistake.line.is_some()), "{text}: {errors:?}");
    }
}

// What a variable stands for may be a secret.
#[test]
fn no_mistake_shows_what_an_environment_variable_stands_for() {
    for text in [
        "[server]\nlisten = '${KEY}'",
        "[server]\nlisten = '127.0.0.1:${KEY}'",
        "[server.drain]\ndeadline = '${KEY}'",
        "[admin]\nlisten = ':${KEY}'",
        "[outbox]\nbytes = '${KEY}'",
        "[outbox]\nwhen_full = '${KEY}'",
        "[limits]\nmemory = '${KEY}'",
        "[limits]\nmalformed = '${KEY}'",
        "[telemetry]\nlevel = 'info,${KEY}'",
        "[telemetry]\nlevel = 'x=${MIXED}'",
        "[telemetry]\nlevel = '${LIST}'",
        "[telemetry]\notlp = { endpoint = '${KEY}' }",
        "[telemetry]\notlp = { endpoint = 'http://x', protocol = '${KEY}' }",
        "[[endpoint]]\npath = '${KEY}'",
        "[[endpoint]]\npath = '/${MIXED}?'",
        "[[endpoint]]\npath = '/${KEY}'\n[[endpoint]]\npath = '/${KEY}'",
        "[[endpoint]]\npath = '/a'\norigins = ['${MIXED}']",
        "[[endpoint]]\npath = '/a'\norigins = ['https://a/${MIXED}']",
        "[[endpoint]]\npath = '/a'\nauthenticator = '${KEY}'",
        "[[route]]\nevent = '${KEY}'\nplugin = 'p'",
        "[[route]]\nevent = 'a/b'\nplugin = '${KEY}'",
        "[[route]]\nevent = 'a/b'\nplugin = 'p'\nendpoint = '/${KEY}'",
        "[plugin.p]\nfile = '${KEY}'",
        "[plugin.p]\nfile = 'p.wasm'\nmemory = '${KEY}'",
        "[plugin.p]\nfile = 'p.wasm'\ngrant = { push = ['*${KEY}'] }",
        "[plugin.p]\nfile = 'p.wasm'\ngrant = { env = ['${KEY}=1'] }",
        "[plugin.p]\nfile = 'p.wasm'\ngrant = { dirs = [{ host = 'x', guest = '${KEY}' }] }",
        "[[static]]\npath = '${KEY}'\ndir = 'x'",
    ] {
        let errors = read(text).expect_err(text);
        let told = errors.to_string();
        assert!(!told.to_lowercase().contains("s3cret"), "{told}");
    }
}

#[test]
fn a_mistake_quotes_the_file_and_not_what_is_put_in() {
    wrong(
        "[server]\nlisten = '${KEY}:1'",
        &[
            "server.listen (line 2): `${KEY}:1` is not an address and port; write it as in `127.0.0.1:8080`, an IPv6 address in brackets",
        ],
    );
    wrong(
        "[[endpoint]]\npath = '/${KEY}'\n[[endpoint]]\npath = '/${KEY}'",
        &[
            "endpoint[1].path (line 4): the endpoint of line 2 has the path `/${KEY}` already; give each its own",
        ],
    );
    let warned = read("[admin]\nlisten = '0.0.0.0:${PORT}'").unwrap().warnings;
    assert!(warned[0].what.ends_with("reach `0.0.0.0:${PORT}`"), "{warned:?}");
}

#[test]
fn channels_are_named_after_somebody_who_owns_them() {
    wrong(
        "[[channel]]\nname = 'room/*'\nsubscribe = 'owner'\npersonal = true\n[[channel]]\nname = 'user/{user}/*'\npublish = 'owner'\npersonal = true\n[[channel]]\nsubscribe = 'anybody'\n[[channel]]\nname = 'user/{id}'\n[[channel]]\nname = 'x'\npolicy = 'rooms'\npresence = true\nhistory = { events = 1 }\n",
        &[
            "channel[0].subscribe (line 3): nobody owns `room/*`; name it after its owner, as in name = \"user/{user}\"",
            "channel[0].personal (line 4): `room/*` is not one channel of each user; write a name with `{user}` and without `*`, as in name = \"user/{user}\"",
            "channel[1].personal (line 8): `user/{user}/*` is not one channel of each user; write a name with `{user}` and without `*`, as in name = \"user/{user}\"",
            "channel[2] (line 9): `name` is missing; say which channels, as in name = \"room/*\"",
            "channel[2].subscribe (line 10): `anybody` is not known here; did you mean `nobody`?",
            "channel[3].name (line 12): `user/{id}` has a place for something else than a user; write `{user}`, once",
            "channel[4].policy (line 15): is not available in this version; remove it",
            "channel[4].presence (line 16): is not available in this version; remove it",
            "channel[4].history (line 17): is not available in this version; remove it",
        ],
    );
}
