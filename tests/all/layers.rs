//! Imports inside the gateway go down the layers only, and each foreign library stays in its rooms. That nothing below a crate
//! imports it is held by the compiler.
//!
//! The tables below are the rules; `violations` applies them to one file. Unit tests inside modules are exempt.

use support::repository::{files, read};

/// The layers from the bottom up, and in each its modules from the bottom up: a module may import what stands before it.
const LAYERS: [(&str, &[&str]); 5] = [
    (
        "words",
        &[
            "budget",
            "trace",
            "event",
            "effect",
            "handler",
            "authenticator",
            "sink",
            "origin",
            "settings",
        ],
    ),
    (
        "pure",
        &[
            "outbox",
            "heartbeat",
            "pace",
            "rate",
            "often",
            "channels",
            "routes",
        ],
    ),
    ("engines", &["file", "plugin", "telemetry"]),
    ("tasks", &["hub", "router", "connection", "requests", "upgrade", "listener"]),
    ("wiring", &["config", "admin", "gateway", "cli"]),
];

/// Who must not know whom although the order would allow it: they meet in the contracts of the words.
const STRANGERS: [(&str, &[&str]); 7] = [
    ("telemetry", &["plugin"]),
    ("hub", &["plugin", "telemetry"]),
    ("router", &["plugin", "telemetry"]),
    ("connection", &["plugin", "telemetry"]),
    ("requests", &["plugin", "telemetry"]),
    ("upgrade", &["plugin", "telemetry"]),
    ("listener", &["plugin", "telemetry"]),
];

/// Foreign libraries, and the only modules that may name them.
const ROOMS: [(&[&str], &[&str]); 7] = [
    (&["wasmtime", "wasmtime_wasi"], &["plugin"]),
    (
        &[
            "opentelemetry",
            "opentelemetry_otlp",
            "opentelemetry_sdk",
            "percent_encoding",
            "reqwest",
            "rustls",
            "tracing_subscriber",
        ],
        &["telemetry"],
    ),
    (&["hyper", "hyper_util", "http_body_util"], &["requests", "upgrade", "admin", "cli"]),
    (&["tungstenite", "tokio_tungstenite"], &["connection", "upgrade", "cli"]),
    (&["clap"], &["cli"]),
    (&["rustix"], &["admin", "connection", "file", "gateway", "plugin", "upgrade"]),
    (&["toml"], &["config"]),
];

/// What the two lowest layers do without: runtime, files, and a clock of their own.
const NOT_PURE: [&str; 5] =
    ["tokio::", "std::fs", "std::process", "SystemTime::now", "Instant::now"];

#[test]
fn layers_hold() {
    let mut found = Vec::new();
    for path in files("host/src", &[".rs"]).unwrap() {
        let file = path.strip_prefix("host/src/").unwrap();
        if !["lib.rs", "main.rs"].contains(&file) {
            found.extend(violations(file, &read(&path).unwrap()));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_module_has_its_place() {
    let lib = read("host/src/lib.rs").unwrap();
    let mut modules: Vec<_> =
        lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let mut placed: Vec<_> =
        LAYERS.iter().flat_map(|(_, modules)| modules.iter().copied()).collect();
    modules.sort_unstable();
    placed.sort_unstable();
    assert_eq!(modules, placed, "the modules of `lib.rs` against the table of layers");
}

#[test]
fn the_wire_crate_reads_no_file_and_no_clock() {
    for path in files("host/wire/src", &[".rs"]).unwrap() {
        let code = code_of(&read(&path).unwrap());
        assert_eq!(impure(&code).next(), None, "{path}");
    }
}

#[track_caller]
fn check(file: &str, text: &str, expected: &[&str]) {
    assert_eq!(violations(file, text), expected, "{text}");
}

#[test]
fn a_planted_import_that_goes_up_is_found() {
    let upwards = "host/src/outbox.rs: `outbox` (pure) must not import `hub` (tasks)";
    check("outbox.rs", "use crate::hub::Hub;", &[upwards]);
    check("outbox.rs", "use crate::{id::Handle, hub::{Hub, Member}};", &[upwards]);
    check("outbox.rs", "use crate::{\n    id,\n    hub,\n};", &[upwards]);
    check("outbox.rs", "fn f() { crate::hub::f() }", &[upwards]);
    check("outbox.rs", "use super::hub::Hub;", &[upwards]);
    check("outbox.rs", "use super::{event, hub as rooms};", &[upwards]);
    let nested = "host/src/plugin/engine.rs: `plugin` (engines) must not import `hub` (tasks)";
    check("plugin/engine.rs", "use super::super::hub::Hub;", &[nested]);
    check("plugin/engine.rs", "use super::code; use crate::settings;", &[]);
    check("plugin/engine.rs", "use crate::codec; // of the crate below", &[]);
}

#[test]
fn what_is_only_talked_about_is_not_an_import() {
    check(
        "outbox.rs",
        "/// See [`crate::hub`].\n// crate::hub\n/* crate::hub /* */ crate::hub */",
        &[],
    );
    check("outbox.rs", "const TEXT: &str = \"crate::hub \\\" crate::hub\";", &[]);
    check(
        "outbox.rs",
        "const TEXT: &str = r#\"crate::hub \" crate::hub\"#; const QUOTE: char = '\"';",
        &[],
    );
    check(
        "outbox.rs",
        "use crate::id;\n#[cfg(test)]\nmod tests {\n    use crate::hub::Hub;\n}",
        &[],
    );
    check("outbox/tests.rs", "use crate::hub::Hub;", &[]);
    check("outbox/tests/full.rs", "use crate::hub::Hub;", &[]);
}

#[test]
fn what_stands_after_the_unit_tests_counts() {
    let upwards = "host/src/outbox.rs: `outbox` (pure) must not import `hub` (tasks)";
    let text = "fn f<'a>(x: &'a str) {}\n#[cfg(test)]\nmod tests {\n    fn t() { ('{', '\\'', \"{\"); }\n}\nuse crate::hub::Hub;";
    check("outbox.rs", text, &[upwards]);
}

#[test]
fn strangers_stay_strangers() {
    check(
        "router.rs",
        "use crate::plugin::Pool;",
        &["host/src/router.rs: `router` and `plugin` must not know each other"],
    );
    check(
        "telemetry/otlp.rs",
        "use crate::plugin;",
        &["host/src/telemetry/otlp.rs: `telemetry` and `plugin` must not know each other"],
    );
    check("gateway.rs", "use crate::{plugin::Pool, router::Router};", &[]);
}

#[test]
fn a_foreign_library_outside_its_room_is_found() {
    check(
        "gateway.rs",
        "let engine = wasmtime::Engine::default();",
        &["host/src/gateway.rs: `wasmtime` belongs to `plugin`"],
    );
    check(
        "hub/mod.rs",
        "use hyper as http;",
        &["host/src/hub/mod.rs: `hyper` belongs to `requests`, `upgrade`, `admin`, `cli`"],
    );
    check("plugin/engine.rs", "use wasmtime::Engine;", &[]);
    check("hub/mod.rs", "struct Wasmtime; fn f(x: my::wasmtime::X) {}", &[]);
}

#[test]
fn the_lowest_layers_have_no_clock_and_no_runtime() {
    check(
        "heartbeat.rs",
        "let now = Instant::now();",
        &["host/src/heartbeat.rs: `Instant::now` in a pure module"],
    );
    check(
        "outbox.rs",
        "use tokio::sync::mpsc;",
        &["host/src/outbox.rs: `tokio::` in a pure module"],
    );
    check("hub/mod.rs", "use tokio::sync::mpsc;", &[]);
}

/// Everything in one file, named by its path in `host/src`, that breaks a rule.
fn violations(file: &str, text: &str) -> Vec<String> {
    if file.ends_with("tests.rs") || file.contains("/tests/") {
        return Vec::new();
    }
    let module = module_of(file);
    let code = code_of(text);
    let Some((layer, order)) = place(module) else {
        return vec![format!("host/src/{file}: `{module}` has no place in the table of layers")];
    };
    let mut found = Vec::new();
    for import in imports(file, &code) {
        // The crates below, and the crate's own macros and functions at the root, have no layer.
        let Some((their_layer, their_order)) = place(&import) else { continue };
        if their_order > order {
            found.push(format!("`{module}` ({layer}) must not import `{import}` ({their_layer})"));
        }
        if STRANGERS.iter().any(|(who, whom)| *who == module && whom.contains(&import.as_str())) {
            found.push(format!("`{module}` and `{import}` must not know each other"));
        }
    }
    for (libraries, rooms) in ROOMS.iter().filter(|(_, rooms)| !rooms.contains(&module)) {
        for library in libraries.iter().filter(|library| names(&code, library)) {
            found.push(format!("`{library}` belongs to `{}`", rooms.join("`, `")));
        }
    }
    if ["words", "pure"].contains(&layer) {
        found.extend(impure(&code).map(|word| format!("`{word}` in a pure module")));
    }
    found.into_iter().map(|what| format!("host/src/{file}: {what}")).collect()
}

fn impure(code: &str) -> impl Iterator<Item = &'static str> {
    NOT_PURE.into_iter().filter(|word| code.contains(word))
}

/// `plugin` for `plugin.rs`, `plugin/mod.rs` and `plugin/pool.rs`.
fn module_of(file: &str) -> &str {
    file.split('/').next().unwrap_or(file).trim_end_matches(".rs")
}

/// A module's layer, and its place counted over all layers.
fn place(module: &str) -> Option<(&'static str, usize)> {
    let all = LAYERS
        .iter()
        .flat_map(|(layer, modules)| modules.iter().map(move |module| (*layer, *module)));
    all.enumerate().find(|(_, (_, name))| *name == module).map(|(order, (layer, _))| (layer, order))
}

/// The modules at the root that a file names, by `crate::` or by enough `super::`, each once; its own not.
fn imports(file: &str, code: &str) -> Vec<String> {
    let depth = file.trim_start_matches("host/src/").trim_end_matches("/mod.rs").split('/').count();
    let to_root = ["crate::".to_owned(), "super::".repeat(depth)];
    let mut found: Vec<String> = Vec::new();
    for way in to_root {
        for (at, _) in code.match_indices(&way) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || "_:$".contains(c)) {
                continue;
            }
            for name in roots_of(&code[at + way.len()..]) {
                if name != module_of(file) && !found.contains(&name) {
                    found.push(name);
                }
            }
        }
    }
    found
}

/// The first names of a path or of a `{…}` tree.
fn roots_of(tree: &str) -> Vec<String> {
    let Some(inside) = tree.strip_prefix('{') else {
        return vec![identifier(tree)];
    };
    let mut names = Vec::new();
    let mut depth = 0;
    let mut starts = true;
    for (at, c) in inside.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => starts = true,
            c if starts && !c.is_whitespace() => {
                names.push(identifier(&inside[at..]));
                starts = false;
            }
            _ => {}
        }
    }
    names
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Whether a path starts with this name, or a `use` brings it in whole.
fn names(code: &str, library: &str) -> bool {
    code.match_indices(library).any(|(at, _)| {
        let before = code[..at].trim_end();
        let inside = code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
            || before.ends_with("::");
        let after = &code[at + library.len()..];
        !inside
            && (after.starts_with("::") || before.ends_with("use") && after.starts_with([';', ' ']))
    })
}

/// The code without comments, without what is inside quotes, and without the unit tests at its end.
fn code_of(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if rest.starts_with("r\"") || rest.starts_with("r#") || rest.starts_with("br") {
            raw_string(rest)
        } else if c == '"' {
            string(rest)
        } else if c == '\'' {
            character(rest)
        } else {
            0
        };
        if skipped == 0 {
            code.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            code.push(' ');
            rest = &rest[skipped..];
        }
    }
    without_tests(&code)
}

/// Nothing but braces of code is left when this looks for the end of the module.
fn without_tests(code: &str) -> String {
    let Some((before, tests)) = code.split_once("#[cfg(test)]\nmod tests {") else {
        return code.to_owned();
    };
    let mut depth = 1;
    let end = tests.find(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        depth == 0
    });
    let after = end.map_or("", |end| &tests[end + 1..]);
    format!("{before}{after}")
}

/// The length of a character in quotes, or 0 for a lifetime.
fn character(text: &str) -> usize {
    let mut inside = text.char_indices().skip(1);
    match inside.next() {
        Some((_, '\\')) => inside.skip(1).find(|(_, c)| *c == '\'').map_or(0, |(end, _)| end + 1),
        Some(_) => inside.next().filter(|(_, c)| *c == '\'').map_or(0, |(end, _)| end + 1),
        None => 0,
    }
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    at
}

/// The length of a raw string, or 0 when it is none (`r#type`, `br` in a name).
fn raw_string(text: &str) -> usize {
    let opening = text.trim_start_matches('b').trim_start_matches('r');
    let hashes = opening.len() - opening.trim_start_matches('#').len();
    if !opening[hashes..].starts_with('"') {
        return 0;
    }
    let start = text.len() - opening.len() + hashes + 1;
    let end = format!("\"{}", "#".repeat(hashes));
    text[start..].find(&end).map_or(text.len(), |at| start + at + end.len())
}

fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}
