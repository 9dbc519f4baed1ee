//! Components compiled by the `tengen` program in a child of its own: the same results, and an end to bombs.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../src/plugin/tests/guests.rs"]
#[allow(dead_code, reason = "the engine's tests use the rest of it")]
mod guests;

use guests::Guest;
use serde_json::Value;
use std::{
    fmt::Write as _,
    fs,
    io::{Read, Write as _},
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use tengen::{
    gateway::{Gateway, Options},
    plugin::{self, COMPILE, Compiler, Engine, EngineParts},
    settings::{Admin, Mode, Pattern, Plugin, Route, Settings},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tengen");
/// Longer than any test.
const LONG: Duration = Duration::from_secs(600);

fn child(memory: usize, time: Duration) -> Compiler {
    Compiler::Child { program: PROGRAM.into(), memory, time }
}

async fn inspect(compiler: Compiler, component: &[u8]) -> Result<plugin::Inspection, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("guest.wasm");
    fs::write(&file, component).unwrap();
    let engine = Engine::new(EngineParts { compiler, ..EngineParts::default() }).unwrap();
    plugin::inspect(&engine, &file).await.map_err(|error| error.explain())
}

/// A guest with a function whose compiler has work for hours: loops in loops, all of whose many variables change.
fn bomb(loops: usize, variables: usize) -> Vec<u8> {
    let mut items = String::from("(func $bomb ");
    for number in 0..variables {
        write!(items, "(local $v{number} i64) ").unwrap();
    }
    for number in 0..loops {
        write!(items, "(loop $l{number} ").unwrap();
    }
    for number in 0..variables {
        let next = (number + 1) % variables;
        writeln!(items, "(local.set $v{number} (i64.add (local.get $v{next}) (i64.const 1)))")
            .unwrap();
    }
    for number in (0..loops).rev() {
        writeln!(items, "(br_if $l{number} (i32.wrap_i64 (local.get $v0))))").unwrap();
    }
    items.push(')');
    Guest { items: Box::leak(items.into_boxed_str()), ..Guest::handling(guests::PICKY) }.component()
}

#[tokio::test]
async fn a_component_compiled_in_a_child_is_the_same_as_one_compiled_here() {
    let component = Guest::handling(guests::PICKY).component();
    let here = inspect(Compiler::InProcess, &component).await.unwrap();
    let there = inspect(Compiler::child(PROGRAM), &component).await.unwrap();
    assert_eq!(serde_json::to_value(here).unwrap(), serde_json::to_value(there).unwrap());
}

#[tokio::test]
async fn a_component_that_is_refused_in_a_child_is_told_as_here() {
    let asynchronous = r#"(component
        (core module $m (func (export "f") (result i32) unreachable) (func (export "c") (param i32 i32 i32) (result i32) unreachable))
        (core instance $i (instantiate $m))
        (func (export "f") async (canon lift (core func $i "f") async (callback (core func $i "c")))))"#;
    let invalid = [Guest::default().component(), vec![1, 4, 255, 255, 255, 255]].concat();
    for (component, part) in [
        (wat::parse_str(asynchronous).unwrap(), "asynchronous component ABI"),
        (invalid, "not valid"),
    ] {
        let here = inspect(Compiler::InProcess, &component).await.unwrap_err();
        let there = inspect(Compiler::child(PROGRAM), &component).await.unwrap_err();
        assert_eq!(here, there);
        assert!(here.contains(part), "{here}");
    }
}

#[tokio::test]
async fn a_component_that_takes_too_long_to_compile_is_given_up() {
    let said =
        inspect(child(16 << 30, Duration::from_secs(1)), &bomb(600, 6000)).await.unwrap_err();
    assert!(said.contains("took more than 1s of processor time"), "{said}");
    assert!(said.contains("make it smaller"), "{said}");
}

#[tokio::test]
async fn a_component_that_takes_too_much_memory_to_compile_is_given_up() {
    let said = inspect(child(400 << 20, LONG), &bomb(600, 6000)).await.unwrap_err();
    assert!(said.contains("took more than the 419430400 bytes of memory"), "{said}");
    assert!(said.contains("make it smaller"), "{said}");
}

/// What the system says of a process's limit, soft and hard.
#[cfg(target_os = "linux")]
fn limit(text: &str, name: &str) -> [String; 2] {
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    let mut words = line.split_whitespace().map(str::to_owned);
    [words.next().unwrap_or_default(), words.next().unwrap_or_default()]
}

#[cfg(target_os = "linux")]
#[test]
fn a_child_limits_itself_before_it_reads_anything() {
    let mut child = Command::new(PROGRAM)
        .args([COMPILE, "1073741824", "30"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It waits for the component, of which nothing is sent until its limits are seen.
    let expected = [
        ("Max core file size", ["0", "0"]),
        ("Max file size", ["0", "0"]),
        ("Max open files", ["16", "16"]),
        ("Max address space", ["1073741824", "1073741824"]),
        ("Max cpu time", ["30", "31"]),
    ];
    let give_up = Instant::now() + Duration::from_secs(60);
    loop {
        let text = fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
        if expected.iter().all(|(name, limits)| limit(&text, name) == *limits) {
            break;
        }
        assert!(Instant::now() < give_up, "{text}");
        std::thread::yield_now();
    }
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    assert!(status.contains("Threads:\t1\n"), "it has threads: {status}");
    child.stdin.take().unwrap().write_all(b"no component").unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2), "{said}");
}

#[test]
fn the_childs_command_is_not_for_people() {
    let help = Command::new(PROGRAM).arg("--help").output().unwrap();
    assert!(!String::from_utf8(help.stdout).unwrap().contains("compile"));
    let alone = Command::new(PROGRAM).arg(COMPILE).stdin(Stdio::null()).output().unwrap();
    assert_eq!(alone.status.code(), Some(1));
    assert!(String::from_utf8(alone.stderr).unwrap().contains("not for people"));
}

/// The one plugin of a gateway, as the admin listener shows it.
fn status(gateway: &Gateway) -> Value {
    gateway.plugins()[0].clone()
}

fn ask(gateway: &Gateway) -> String {
    let url = format!("ws://{}/ws", gateway.address());
    let asked = Command::new(PROGRAM).args(["connect", &url, "--ask", "a/b 1", "--timeout", "60s"]);
    let output = { asked }.output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let give_up = Instant::now() + Duration::from_secs(120);
    while !is_so() {
        assert!(Instant::now() < give_up, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn put(component: &[u8], at: &Path) {
    let beside = at.with_extension("part");
    fs::write(&beside, component).unwrap();
    fs::rename(beside, at).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_saved_over_a_running_plugin_leaves_it_running() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("guest.wasm");
    put(&Guest::handling(guests::PICKY).component(), &file);
    let any = || SocketAddr::from(([127, 0, 0, 1], 0));
    let mut settings = Settings { echo: false, ..Settings::default() };
    settings.server.listen = any();
    settings.admin = Some(Admin { listen: any(), ..Admin::default() });
    let mut plugin = Plugin::new(&file);
    plugin.deadline = Duration::from_secs(5);
    settings.plugins.insert("guest".into(), plugin);
    settings.routes.push(Route {
        event: Pattern("*".into()),
        plugin: "guest".into(),
        endpoint: None,
        mode: Mode::First,
    });
    let compiler = child(4 << 30, Duration::from_secs(2));
    let gateway =
        Gateway::start(settings, Options { compiler, ..Options::default() }).await.unwrap();
    assert_eq!(ask(&gateway), "= a/b 1");

    put(&bomb(600, 6000), &file);
    until("the bomb is given up", || status(&gateway)["failed_reloads"] == 1).await;
    let shown = status(&gateway);
    let why = shown["last_error"]["message"].as_str().unwrap();
    assert!(why.contains("took more than"), "{shown}");
    assert_eq!((&shown["state"], &shown["generation"]), (&"running".into(), &1.into()));
    assert_eq!(ask(&gateway), "= a/b 1");

    let other = Guest { items: "(func)", ..Guest::handling(guests::PICKY) };
    put(&other.component(), &file);
    until("the good version runs", || status(&gateway)["generation"] == 2).await;
    assert_eq!(ask(&gateway), "= a/b 1");
    gateway.drain().await;
}
