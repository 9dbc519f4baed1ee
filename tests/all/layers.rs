//! What the compiler does not hold. That nothing below a crate imports it, and that it names no library which is not in its
//! manifest, the compiler holds: so the manifests are looked at, what must stay pure, and the order of the modules in the two
//! crates that have many.

mod circles;
mod source;

use source::{code_of, imports, is_test, module_of};
use support::repository::{files, read};

/// The gateway's crates from the bottom up, and which of the others each may depend on.
const CRATES: [(&str, &[&str]); 9] = [
    ("wire", &[]),
    ("settings", &["wire"]),
    ("core", &["wire", "settings"]),
    ("engine", &["wire", "settings", "core"]),
    ("store", &["wire", "core"]),
    ("telemetry", &["wire", "settings", "core"]),
    ("fetch", &["wire", "settings", "core"]),
    ("server", &["wire", "settings", "core", "engine", "store", "telemetry", "fetch"]),
    ("cli", &["wire", "settings", "core", "engine", "store", "telemetry", "fetch", "server"]),
];

/// Foreign libraries, and the only crates that may depend on them.
const ROOMS: [(&[&str], &[&str]); 13] = [
    (&["wasmtime", "wasmtime-wasi", "wasmparser"], &["engine"]),
    (
        &[
            "crc32fast",
            "opentelemetry",
            "opentelemetry-proto",
            "opentelemetry_sdk",
            "prost",
            "reqwest",
            "rustls",
            "tonic",
            "tracing-subscriber",
        ],
        &["telemetry"],
    ),
    (&["flate2"], &["telemetry", "fetch"]),
    (&["rustls-native-certs", "tokio-rustls", "url"], &["fetch"]),
    (&["hyper", "hyper-util", "http-body-util"], &["server", "fetch"]),
    (&["prometheus-client", "socket2"], &["server"]),
    (&["percent-encoding"], &["telemetry", "server"]),
    (&["tokio-tungstenite"], &["server", "cli"]),
    (&["clap", "mimalloc"], &["cli"]),
    (&["redb"], &["store"]),
    (&["toml"], &["settings"]),
    (&["rmp"], &["wire"]),
    (&["tokio", "tokio-util"], &["engine", "telemetry", "fetch", "server", "cli"]),
];

/// What these do without.
const PURE: [(&str, &[&str]); 3] = [
    ("wire", &["std::fs", "std::net::Tcp", "std::process", "SystemTime::now", "Instant::now"]),
    ("core", &["std::fs", "std::net::Tcp", "std::process", "SystemTime::now", "Instant::now"]),
    ("settings", &["std::net::Tcp", "std::process", "SystemTime::now", "Instant::now"]),
];

/// The modules of a crate from the bottom up: each may import what stands before it.
const ORDERS: [(&str, &[&str]); 2] = [("engine", &ENGINE), ("server", &SERVER)];

const SERVER: [&str; 12] = [
    "channels",
    "hub",
    "router",
    "transport",
    "connection",
    "requests",
    "upgrade",
    "listener",
    "metrics",
    "admin",
    "gateway",
    "tryout",
];

const ENGINE: [&str; 19] = [
    "text",
    "trap",
    "kept",
    "error",
    "counters",
    "breaker",
    "guest",
    "space",
    "compile",
    "call",
    "quarantine",
    "shared",
    "handler",
    "pool",
    "engine",
    "prepare",
    "plugin",
    "watch",
    "fuzzing",
];

#[test]
fn crates_depend_on_those_below_and_libraries_stay_in_their_rooms() {
    let mut found = Vec::new();
    for (name, _) in CRATES {
        found.extend(misplaced(name, &read(&format!("host/{name}/Cargo.toml")).unwrap()));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_crate_and_every_module_in_an_order_has_its_place() {
    let mut crates = support::repository::folders("host").unwrap();
    let mut placed = CRATES.map(|(name, _)| name);
    crates.sort_unstable();
    placed.sort_unstable();
    assert_eq!(crates, placed, "the folders of `host` against the table of crates");
    for (name, order) in ORDERS {
        let lib = read(&format!("host/{name}/src/lib.rs")).unwrap();
        let module = |line: &'static str| {
            let line = line.strip_prefix("pub ").unwrap_or(line);
            line.strip_prefix("mod ")?.strip_suffix(';').filter(|module| *module != "tests")
        };
        let mut modules: Vec<_> = lib.leak().lines().filter_map(module).collect();
        let mut placed = order.to_vec();
        modules.sort_unstable();
        placed.sort_unstable();
        assert_eq!(modules, placed, "the modules of `{name}` against their order");
    }
}

#[test]
fn the_lower_crates_read_no_file_and_no_clock() {
    let mut found = Vec::new();
    for (name, without) in PURE {
        for path in files(&format!("host/{name}/src"), &[".rs"]).unwrap() {
            if name == "settings" || !path.contains("tests") {
                let code = code_of(&read(&path).unwrap());
                found.extend(impure(&code, without).map(|word| format!("{path}: `{word}`")));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn modules_import_what_is_below_them() {
    let mut found = Vec::new();
    for (name, _) in ORDERS {
        let folder = format!("host/{name}/src/");
        for path in files(&folder, &[".rs"]).unwrap() {
            let file = path.strip_prefix(&folder).unwrap();
            if file != "lib.rs" {
                found.extend(violations(name, file, &read(&path).unwrap()));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_planted_dependency_is_found() {
    let manifest = "[dependencies]\ntokio.workspace = true\ntengen-engine.workspace = true\nbytes = \"1\"\n\n[dev-dependencies]\nhyper.workspace = true\n";
    assert_eq!(
        misplaced("core", manifest),
        [
            "host/core: `tokio` belongs to engine, telemetry, fetch, server, cli",
            "host/core: must not depend on `tengen-engine`"
        ]
    );
    let inline = "[dependencies]\nwasmtime = { workspace = true, features = [\"async\"] }\n";
    assert_eq!(misplaced("server", inline), ["host/server: `wasmtime` belongs to engine"]);
    assert_eq!(misplaced("engine", inline), [""; 0]);
}

#[test]
fn a_planted_clock_is_found() {
    let code = code_of("use std::fs;\nlet now = Instant::now();\n// SystemTime::now\n");
    assert_eq!(impure(&code, PURE[1].1).collect::<Vec<_>>(), ["std::fs", "Instant::now"]);
}

#[track_caller]
fn check(file: &str, text: &str, expected: &[&str]) {
    assert_eq!(violations("server", file, text), expected, "{text}");
}

#[test]
fn a_planted_import_between_the_engines_folders_is_found() {
    let text = "use crate::{guest::meter::TICK, handler::inline::Visited};";
    assert_eq!(
        violations("engine", "call/effects.rs", text),
        ["host/engine/src/call/effects.rs: `call` must not import `handler`"]
    );
    let upwards = "use super::super::super::engine::Engine;";
    assert_eq!(
        violations("engine", "handler/runner/recovery.rs", upwards),
        ["host/engine/src/handler/runner/recovery.rs: `handler` must not import `engine`"]
    );
}

#[test]
fn a_planted_import_that_goes_up_is_found() {
    let upwards = "host/server/src/hub/mod.rs: `hub` must not import `router`";
    check("hub/mod.rs", "use crate::router::Router;", &[upwards]);
    check(
        "hub/mod.rs",
        "use crate::{connection, hub::{Hub, Member}};",
        &["host/server/src/hub/mod.rs: `hub` must not import `connection`"],
    );
    check(
        "hub/mod.rs",
        "use crate::{\n    listener,\n    router,\n};",
        &["host/server/src/hub/mod.rs: `hub` must not import `listener`", upwards],
    );
    check("hub/mod.rs", "fn f() { crate::router::f() }", &[upwards]);
    check("hub/mod.rs", "use super::router::Router;", &[upwards]);
    check("hub/mod.rs", "use super::{link, router as rooms};", &[upwards]);
    let nested = "host/server/src/hub/link.rs: `hub` must not import `router`";
    check("hub/link.rs", "use super::super::router::Router;", &[nested]);
    check("router/mod.rs", "use super::Source; use crate::hub::Hub;", &[]);
}

#[test]
fn what_is_only_talked_about_is_not_an_import() {
    check(
        "hub/mod.rs",
        "/// See [`crate::router`].\n// crate::router\n/* crate::router /* */ crate::router */",
        &[],
    );
    check("hub/mod.rs", "const TEXT: &str = \"crate::router \\\" crate::router\";", &[]);
    check(
        "hub/mod.rs",
        "const TEXT: &str = r#\"crate::router \" crate::router\"#; const QUOTE: char = '\"';",
        &[],
    );
    check("hub/mod.rs", "#[cfg(test)]\nmod tests {\n    use crate::router::Router;\n}", &[]);
    check("hub/tests.rs", "use crate::router::Router;", &[]);
    check("hub/tests/full.rs", "use crate::router::Router;", &[]);
}

#[test]
fn what_stands_after_the_unit_tests_counts() {
    let upwards = "host/server/src/hub/mod.rs: `hub` must not import `router`";
    let text = "fn f<'a>(x: &'a str) {}\n#[cfg(test)]\nmod tests {\n    fn t() { ('{', '\\'', \"{\"); }\n}\nuse crate::router::Router;";
    check("hub/mod.rs", text, &[upwards]);
}

/// What a manifest of a crate may not depend on; what only its tests need is not looked at.
fn misplaced(name: &str, manifest: &str) -> Vec<String> {
    let (_, rest) = manifest.split_once("[dependencies]\n").expect("dependencies");
    let lines = rest.lines().take_while(|line| !line.starts_with('['));
    let names = lines.filter_map(|line| line.split(['.', ' ', '=']).next());
    let below = CRATES.iter().find(|(known, _)| *known == name).map_or(&[][..], |(_, below)| below);
    let mut found = Vec::new();
    for library in names.filter(|library| !library.is_empty()) {
        if let Some(other) = library.strip_prefix("tengen-")
            && !below.contains(&other)
        {
            found.push(format!("host/{name}: must not depend on `{library}`"));
        }
        let rooms = ROOMS.iter().find(|(libraries, _)| libraries.contains(&library));
        if let Some((_, rooms)) = rooms
            && !rooms.contains(&name)
        {
            found.push(format!("host/{name}: `{library}` belongs to {}", rooms.join(", ")));
        }
    }
    found
}

/// Everything in one file of a crate, named by its path in `src`, that breaks the crate's order.
fn violations(name: &str, file: &str, text: &str) -> Vec<String> {
    if is_test(file) {
        return Vec::new();
    }
    let order = ORDERS.iter().find(|(known, _)| *known == name).map_or(&[][..], |(_, order)| order);
    let place = |module: &str| order.iter().position(|name| *name == module);
    let path = module_of(file);
    let module = path.first().copied().unwrap_or_default();
    let at = format!("host/{name}/src/{file}: `{module}`");
    let Some(here) = place(module) else { return vec![format!("{at} has no place in the order")] };
    let mut above = Vec::new();
    for import in imports(&path, &code_of(text)) {
        let root = import.first().map_or("", String::as_str);
        let message = format!("{at} must not import `{root}`");
        if place(root).is_some_and(|theirs| theirs > here) && !above.contains(&message) {
            above.push(message);
        }
    }
    above
}

fn impure<'a>(code: &'a str, without: &'a [&str]) -> impl Iterator<Item = &'a str> {
    without.iter().copied().filter(|word| code.contains(word))
}
