//! Components compiled by the `tengen` program in a child of its own: the same results, and an end to bombs.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../engine/src/tests/guests.rs"]
#[allow(dead_code, reason = "the engine's tests use the rest of it")]
mod guests;

use guests::Guest;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader, Read, Write as _},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{OnceLock, mpsc},
    thread,
    time::{Duration, Instant},
};
use tengen_engine::{self as plugin, COMPILE, Compiler, Engine, EngineParts};
use tengen_server::gateway::{Gateway, Options};
use tengen_settings::{Admin, Mode, Pattern, Plugin, Route, Settings};
use tokio::{sync::watch, time::timeout};
use tracing::{
    Event, Level, Metadata, Subscriber,
    span::{Attributes, Id, Record},
    subscriber,
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
        ("Max data size", ["1073741824", "1073741824"]),
        ("Max address space", ["5368709120", "5368709120"]),
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

/// A plugin of a gateway, as the admin listener shows it.
fn status(gateway: &Gateway, name: &str) -> Value {
    let plugins = gateway.plugins();
    let named = plugins.as_array().unwrap().iter().find(|plugin| plugin["name"] == name);
    named.unwrap().clone()
}

fn ask(gateway: &Gateway, plugin: &str) -> String {
    let url = format!("ws://{}/ws", gateway.address());
    let event = format!("{plugin}/b 1");
    let mut asking = Command::new(PROGRAM);
    asking.args(["connect", &url, "--ask", &event, "--timeout", "60s"]);
    String::from_utf8_lossy(&asking.output().unwrap().stdout).trim().to_owned()
}

/// Counts what the gateways of this process say in their logs. Plugins say what became of a reload when it shows.
struct Said(watch::Sender<u64>);

impl Said {
    /// From now on.
    fn listen() -> watch::Receiver<u64> {
        static SAID: OnceLock<watch::Receiver<u64>> = OnceLock::new();
        let listen = || {
            let (said, heard) = watch::channel(0);
            subscriber::set_global_default(Self(said)).unwrap();
            heard
        };
        SAID.get_or_init(listen).clone()
    }
}

impl Subscriber for Said {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.level() <= &Level::INFO
    }

    fn event(&self, _: &Event<'_>) {
        self.0.send_modify(|count| *count += 1);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// Looks whenever something is said.
async fn until(what: &str, said: &mut watch::Receiver<u64>, mut is_so: impl FnMut() -> bool) {
    let comes = async {
        while !is_so() {
            said.changed().await.unwrap();
        }
    };
    let in_time = timeout(Duration::from_secs(120), comes).await;
    assert!(in_time.is_ok(), "never: {what}");
}

/// What a program says, line by line.
fn log_of(program: &mut Child) -> mpsc::Receiver<String> {
    let (sender, log) = mpsc::sync_channel(64);
    let lines = BufReader::new(program.stderr.take().unwrap()).lines().map_while(Result::ok);
    thread::spawn(move || lines.into_iter().try_for_each(|line| sender.send(line)));
    log
}

/// The next line with this in it; none: the log ends without one, or nothing is said for a minute.
fn line_with(log: &mpsc::Receiver<String>, part: &str) -> Option<String> {
    let next = || log.recv_timeout(Duration::from_secs(60)).ok();
    std::iter::from_fn(next).find(|line| line.contains(part))
}

fn put(component: &[u8], at: &Path) {
    let beside = at.with_extension("part");
    fs::write(&beside, component).unwrap();
    fs::rename(beside, at).unwrap();
}

/// A component that answers.
fn good(items: &'static str) -> Vec<u8> {
    Guest { items, ..Guest::handling(guests::PICKY) }.component()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_saved_over_a_running_plugin_leaves_it_and_the_others_as_they_are() {
    let mut said = Said::listen();
    let folder = tempfile::tempdir().unwrap();
    let any = || SocketAddr::from(([127, 0, 0, 1], 0));
    let mut settings = Settings { echo: false, ..Settings::default() };
    settings.server.listen = any();
    settings.admin = Some(Admin { listen: any(), ..Admin::default() });
    let [bombed, other] = ["bombed", "other"].map(|name| {
        let file = folder.path().join(name).with_extension("wasm");
        put(&good(""), &file);
        let mut plugin = Plugin::new(&file);
        plugin.deadline = Duration::from_secs(5);
        settings.plugins.insert(name.into(), plugin);
        settings.routes.push(Route {
            event: Pattern(format!("{name}/*")),
            plugin: name.into(),
            endpoint: None,
            mode: Mode::First,
        });
        file
    });
    let compiler = child(4 << 30, Duration::from_secs(4));
    let options = Options { compiler, ..Options::default() };
    let gateway = Gateway::start(settings, options).await.unwrap();
    assert_eq!(ask(&gateway, "bombed"), "= bombed/b 1");

    put(&bomb(600, 6000), &bombed);
    put(&good("(func)"), &other);
    until("the other one is replaced", &mut said, || status(&gateway, "other")["generation"] == 2)
        .await;
    assert_eq!(status(&gateway, "bombed")["failed_reloads"], 0, "the other one had to wait");
    until("the bomb is given up", &mut said, || status(&gateway, "bombed")["failed_reloads"] == 1)
        .await;
    let shown = status(&gateway, "bombed");
    let why = shown["last_error"]["message"].as_str().unwrap();
    assert!(why.contains("took more than 4s of processor time"), "{shown}");
    assert_eq!((&shown["state"], &shown["generation"]), (&"running".into(), &1.into()));
    for plugin in ["bombed", "other"] {
        assert_eq!(ask(&gateway, plugin), format!("= {plugin}/b 1"));
    }

    put(&good("(func)"), &bombed);
    until("the good version runs", &mut said, || status(&gateway, "bombed")["generation"] == 2)
        .await;
    assert_eq!(ask(&gateway, "bombed"), "= bombed/b 1");
    gateway.drain().await;
}

/// Starts the program with a plugin until it is ready; the names in the user's cache folder then.
fn kept_by(config: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    put(&good(""), &at("guest.wasm"));
    let text = "[plugin.guest]\nfile = \"guest.wasm\"\ndeadline = \"5s\"\n";
    fs::write(at("tengen.toml"), format!("{config}\n{text}")).unwrap();
    let mut gateway = Command::new(PROGRAM)
        .args(["serve", "--listen", "127.0.0.1:0", "--admin", "off", "--config"])
        .arg(at("tengen.toml"))
        .env("XDG_CACHE_HOME", at("cache"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let ready = line_with(&log_of(&mut gateway), "accepting connections");
    gateway.kill().unwrap();
    gateway.wait().unwrap();
    assert!(ready.is_some(), "it did not start");
    let names = fs::read_dir(at("cache/tengen")).map(|entries| {
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    });
    names.unwrap_or_default()
}

#[test]
fn the_program_keeps_what_it_compiled_with_its_user_unless_told_not_to() {
    let kept = kept_by("");
    assert!(kept.len() == 2 && kept.contains(&"key".into()), "{kept:?}");
    assert_eq!(kept_by("[server]\ncache = \"off\""), [""; 0]);
}

#[test]
fn what_is_said_of_a_failed_reload_names_variables_and_not_their_values() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("s3cret-place");
    fs::create_dir(&secret).unwrap();
    put(&good(""), &secret.join("guest.wasm"));
    let file = folder.path().join("tengen.toml");
    let configure = |name: &str| {
        let text =
            format!("[plugin.guest]\nfile = \"${{HIDDEN}}/{name}.wasm\"\ndeadline = \"5s\"\n");
        fs::write(&file, text).unwrap();
    };
    configure("guest");
    let mut gateway = Command::new(PROGRAM)
        .args(["serve", "--listen", "127.0.0.1:0", "--admin", "off", "--config"])
        .arg(&file)
        .env("HIDDEN", &secret)
        .env("XDG_CACHE_HOME", folder.path().join("cache"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = log_of(&mut gateway);
    assert!(line_with(&log, "accepting connections").is_some(), "it did not start");
    configure("missing");
    let process = Pid::from_raw(i32::try_from(gateway.id()).unwrap()).unwrap();
    kill_process(process, Signal::HUP).unwrap();
    // The log names the files that it works with; what is said of the configuration speaks in its words.
    let told = line_with(&log, "keeps its old settings");
    gateway.kill().unwrap();
    gateway.wait().unwrap();
    let told = told.expect("the log ended without a word of it");
    assert!(told.contains("${HIDDEN}/missing.wasm") && !told.contains("s3cret-place"), "{told}");
}
