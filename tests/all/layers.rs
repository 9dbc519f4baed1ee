//! What the compiler does not hold. That nothing below a crate imports it, and that it names no library which is not in its
//! manifest, the compiler holds: so the manifests are looked at, what must stay pure, and the order of the server's modules.

use support::repository::{files, read};

/// The gateway's crates from the bottom up, and which of the others each may depend on.
const CRATES: [(&str, &[&str]); 7] = [
    ("wire", &[]),
    ("settings", &["wire"]),
    ("core", &["wire", "settings"]),
    ("engine", &["wire", "settings", "core"]),
    ("telemetry", &["wire", "settings", "core"]),
    ("server", &["wire", "settings", "core", "engine", "telemetry"]),
    ("cli", &["wire", "settings", "core", "engine", "telemetry", "server"]),
];

/// Foreign libraries, and the only crates that may depend on them.
const ROOMS: [(&[&str], &[&str]); 8] = [
    (&["wasmtime", "wasmtime-wasi", "wasmparser"], &["engine"]),
    (
        &[
            "opentelemetry",
            "opentelemetry-otlp",
            "opentelemetry_sdk",
            "percent-encoding",
            "reqwest",
            "rustls",
            "tracing-subscriber",
        ],
        &["telemetry"],
    ),
    (&["hyper", "hyper-util", "http-body-util", "socket2"], &["server"]),
    (&["tokio-tungstenite"], &["server", "cli"]),
    (&["clap", "mimalloc"], &["cli"]),
    (&["toml"], &["settings"]),
    (&["rmp"], &["wire"]),
    (&["tokio", "tokio-util"], &["engine", "telemetry", "server", "cli"]),
];

/// What these do without.
const PURE: [(&str, &[&str]); 3] = [
    ("wire", &["std::fs", "std::net::Tcp", "std::process", "SystemTime::now", "Instant::now"]),
    ("core", &["std::fs", "std::net::Tcp", "std::process", "SystemTime::now", "Instant::now"]),
    ("settings", &["std::net::Tcp", "std::process", "SystemTime::now", "Instant::now"]),
];

/// The server's modules from the bottom up: each may import what stands before it.
const SERVER: [&str; 9] = [
    "hub",
    "router",
    "transport",
    "connection",
    "requests",
    "upgrade",
    "listener",
    "admin",
    "gateway",
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
fn every_crate_and_every_module_of_the_server_has_its_place() {
    let mut crates = support::repository::folders("host").unwrap();
    let mut placed = CRATES.map(|(name, _)| name);
    crates.sort_unstable();
    placed.sort_unstable();
    assert_eq!(crates, placed, "the folders of `host` against the table of crates");
    let lib = read("host/server/src/lib.rs").unwrap();
    let mut modules: Vec<_> =
        lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let mut placed = SERVER;
    modules.sort_unstable();
    placed.sort_unstable();
    assert_eq!(modules, placed, "the modules of the server against their order");
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
fn the_servers_modules_import_what_is_below_them() {
    let mut found = Vec::new();
    for path in files("host/server/src", &[".rs"]).unwrap() {
        let file = path.strip_prefix("host/server/src/").unwrap();
        if file != "lib.rs" {
            found.extend(violations(file, &read(&path).unwrap()));
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
            "host/core: `tokio` belongs to engine, telemetry, server, cli",
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
    assert_eq!(violations(file, text), expected, "{text}");
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

/// Everything in one file, named by its path in `host/server/src`, that breaks the order.
fn violations(file: &str, text: &str) -> Vec<String> {
    if file.ends_with("tests.rs") || file.contains("/tests/") {
        return Vec::new();
    }
    let module = module_of(file);
    let code = code_of(text);
    let Some(order) = place(module) else {
        return vec![format!("host/server/src/{file}: `{module}` has no place in the order")];
    };
    let above = |import: &String| place(import).is_some_and(|theirs| theirs > order);
    let found = imports(file, &code).into_iter().filter(above);
    found
        .map(|import| format!("host/server/src/{file}: `{module}` must not import `{import}`"))
        .collect()
}

fn impure<'a>(code: &'a str, without: &'a [&str]) -> impl Iterator<Item = &'a str> {
    without.iter().copied().filter(|word| code.contains(word))
}

/// `hub` for `hub/mod.rs` and `hub/link/direct.rs`.
fn module_of(file: &str) -> &str {
    file.split('/').next().unwrap_or(file).trim_end_matches(".rs")
}

fn place(module: &str) -> Option<usize> {
    SERVER.iter().position(|name| *name == module)
}

/// The modules at the root that a file names, by `crate::` or by enough `super::`, each once; its own not.
fn imports(file: &str, code: &str) -> Vec<String> {
    let depth = file.trim_end_matches("/mod.rs").split('/').count();
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
