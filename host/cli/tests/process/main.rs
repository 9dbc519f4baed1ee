//! The `tengen` program as a supervisor and a person at a terminal meet it: its output, signals and exit codes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod addresses;
mod authors;
mod drain;
mod enclosed;
mod freed;
mod lifecycle;
mod log;
mod newcomers;
mod outgoing;
mod reloads;
mod requests;
mod scripts;
mod secrets;
mod security;
mod signals;
mod surroundings;

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel},
    time::Duration,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tengen");

fn tengen(args: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // Nothing of a test stays with who runs it.
    command.env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
    command
}

fn run(args: &[&str]) -> Output {
    let child = tengen(args).spawn().unwrap();
    let _watch = watch(&child);
    child.wait_with_output().unwrap()
}

/// No test waits longer for a process.
const LONGEST: Duration = Duration::from_secs(60);

/// Kills the process when the time is over, so that a test that waits in vain for its output or its end fails.
fn watch(child: &Child) -> SyncSender<()> {
    let pid = child.id().to_string();
    let (sender, ended) = sync_channel(1);
    std::thread::spawn(move || {
        if ended.recv_timeout(LONGEST) == Err(RecvTimeoutError::Timeout) {
            drop(Command::new("kill").args(["-KILL", &pid]).status());
        }
    });
    sender
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const SERVE: &[&str] = &["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];

/// A gateway in a process of its own, killed at the end of a test that failed.
struct Gateway {
    child: Child,
    address: String,
    greeting: String,
    _watch: SyncSender<()>,
}

impl Gateway {
    /// Starts on free ports and returns when it has said where it listens.
    fn start(args: &[&str]) -> Self {
        Self::spawn(tengen(&[SERVE, args].concat()))
    }

    /// Starts it in a shell in which these commands came first: to limit what the system lets it have.
    fn start_after(commands: &str, args: &[&str]) -> Self {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("{commands} && exec \"$0\" \"$@\"")).arg(PROGRAM);
        shell.args([SERVE, args].concat());
        shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self::spawn(shell)
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let watch = watch(&child);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut greeting = String::new();
        let address = loop {
            let line = lines.next().expect("the greeting ended early").unwrap();
            greeting.push_str(&line);
            greeting.push('\n');
            if line.starts_with("configuration: ") {
                let first = greeting.lines().next().unwrap();
                break first.rsplit(' ').next().unwrap().to_owned();
            }
        };
        Self { child, address, greeting, _watch: watch }
    }

    fn ask(&self, event: &str) -> Output {
        let url = format!("ws://{}/ws", self.address);
        run(&["connect", &url, "--ask", event, "--timeout", "20s"])
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// Its log, from here on.
    fn log(&mut self) -> impl Iterator<Item = String> + use<> {
        let errors = BufReader::new(self.child.stderr.take().expect("nobody reads it yet"));
        errors.lines().map_while(Result::ok)
    }

    /// What the admin listener says.
    fn admin(&self, path: &str) -> serde_json::Value {
        let line = self.greeting.lines().find_map(|line| line.strip_prefix("admin: http://"));
        let address = line.expect("it has an admin listener");
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").expect(&answer);
        serde_json::from_str(body).expect(&answer)
    }

    /// Waits for the end; the exit code and what was written to the error output.
    fn ended(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        let mut errors = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        (code, errors)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Already ended in a test that passed.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn without_a_configuration_it_says_what_it_does_and_echoes() {
    let gateway = Gateway::start(&[]);
    for word in ["/ws", "/chsk", "/raw", "echoed", "defaults"] {
        assert!(gateway.greeting.contains(word), "no `{word}` in {}", gateway.greeting);
    }
    let answer = gateway.ask(r#"a/b {"x":1}"#);
    assert_eq!(text(&answer.stdout).trim(), r#"= a/b {"x":1}"#, "{}", text(&answer.stderr));
    assert_eq!(answer.status.code(), Some(0));
    gateway.signal("-TERM");
    assert_eq!(gateway.ended().0, Some(0));
}

#[test]
fn the_port_file_names_the_real_port_and_goes_with_the_gateway_as_the_state_file_does() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("port");
    let gateway = Gateway::start(&["--port-file", file.to_str().unwrap()]);
    let port = fs::read_to_string(&file).unwrap();
    assert!(
        gateway.address.ends_with(&format!(":{}", port.trim())),
        "{port} in {}",
        gateway.address
    );
    let state = folder.path().join("port.state");
    assert!(state.is_file());
    gateway.signal("-INT");
    assert_eq!(gateway.ended().0, Some(0));
    assert!(!state.exists());
    assert!(!file.exists(), "who waits for the next gateway would find this one");
}

#[test]
fn the_port_file_of_a_gateway_that_was_killed_goes_before_a_port_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("port");
    let args = ["--port-file", file.to_str().unwrap()];
    let mut killed = Gateway::start(&args);
    killed.signal("-KILL");
    drop(killed.child.wait());
    assert!(file.exists(), "it could not remove it");

    // Its port is taken: so this one ends where it opens its own.
    let other = Gateway::start(&[]);
    let second = ["serve", "--listen", &other.address, "--admin", "off"];
    assert_eq!(run(&[&second[..], &args].concat()).status.code(), Some(1));
    assert!(!file.exists(), "it names a port where nobody, or somebody else, listens");

    let running = Gateway::start(&args);
    let second = ["serve", "--listen", &running.address, "--admin", "off"];
    assert_eq!(run(&[&second[..], &args].concat()).status.code(), Some(1));
    assert!(file.exists(), "the gateway that it names runs on");
}

#[test]
fn a_port_in_use_is_told_with_its_address() {
    let gateway = Gateway::start(&[]);
    let second = run(&["serve", "--listen", &gateway.address, "--admin", "off"]);
    assert_eq!(second.status.code(), Some(1));
    let errors = text(&second.stderr);
    assert!(errors.contains("cannot listen on") && errors.contains(&gateway.address), "{errors}");
}

fn write(folder: &Path, text: &str) -> String {
    let file = folder.join("tengen.toml");
    fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn every_mistake_of_a_configuration_is_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let broken = "[server]\nlisten = \"here\"\n[outbox]\nevents = 0\nwhen_ful = \"close\"\n\
                  [[route]]\nevent = \"a/*\"\nplugin = \"missing\"\n";
    let file = write(folder.path(), broken);
    for command in [&["check", "--config", &file][..], &["serve", "--config", &file]] {
        let output = run(command);
        assert_eq!(output.status.code(), Some(2), "{command:?}");
        let told = text(&output.stdout) + &text(&output.stderr);
        for key in ["server.listen", "outbox.events", "when_ful", "missing"] {
            assert!(told.contains(key), "no `{key}` in {told}");
        }
    }
}

#[test]
fn sighup_with_a_broken_file_changes_nothing_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "[limits]\nmessage = \"1MiB\"\n");
    let mut gateway = Gateway::start(&["--config", &file]);
    let errors = BufReader::new(gateway.child.stderr.take().unwrap()).lines();
    write(folder.path(), "[limits]\nmessage = \"much\"\n");
    gateway.signal("-HUP");
    let told = errors.map_while(Result::ok).find(|line| line.contains("limits.message"));
    assert!(told.is_some(), "the log ended without the mistake");
    assert_eq!(gateway.ask("a/b 7").status.code(), Some(0), "it serves on");
}

/// A component that `cargo xtask guests` has built.
fn guest(name: &str) -> PathBuf {
    // The program lies in `<target>/<profile>`.
    let file = Path::new(PROGRAM).ancestors().nth(2).unwrap().join("guests").join(name);
    assert!(file.is_file(), "the guest is not built: run `cargo xtask guests`");
    file
}

#[test]
fn the_log_goes_to_a_sink_plugin_and_is_complete_when_the_gateway_ends() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("logs")).unwrap();
    let config = format!(
        "[plugin.log-sink]\nfile = {:?}\n\
         grant = {{ dirs = [{{ host = \"logs\", guest = \"/logs\", writable = true }}] }}\n\
         [[sink]]\nkind = \"plugin\"\nplugin = \"log-sink\"\n",
        guest("log-sink.wasm")
    );
    let file = write(folder.path(), &config);
    let gateway = Gateway::start(&["--config", &file]);
    gateway.signal("-TERM");
    let (code, errors) = gateway.ended();
    assert_eq!(code, Some(0), "{errors}");
    let lines = fs::read_to_string(folder.path().join("logs/tengen.jsonl")).unwrap();
    let accepting = lines.lines().find(|line| line.contains("accepting connections"));
    let record: serde_json::Value = serde_json::from_str(accepting.expect(&lines)).unwrap();
    assert_eq!(record["level"], "info");
}

#[test]
fn help_names_the_exit_codes() {
    let help = run(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    for word in ["serve", "check", "plugin", "connect", "token", "Exit codes"] {
        assert!(text(&help.stdout).contains(word), "no `{word}` in {}", text(&help.stdout));
    }
    assert_eq!(run(&["sevre"]).status.code(), Some(2));
}

#[test]
fn while_a_component_is_compiled_that_is_said_and_the_port_is_not_open() {
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "[server]\ncache = \"off\"\n[plugin.chat]\nfile = {:?}\n[[route]]\nevent = \"*\"\nplugin = \"chat\"\n",
        guest("chat.wasm")
    );
    let file = write(folder.path(), &config);
    // Free a moment ago.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let listen = address.to_string();
    let args = ["serve", "--listen", &listen, "--admin", "off", "--config", &file];
    let mut child = tengen(&args).spawn().unwrap();
    let _watch = watch(&child);
    let mut errors = BufReader::new(child.stderr.take().unwrap()).lines();
    errors.find(|line| line.as_ref().unwrap().contains("compiling")).expect("it says so").unwrap();
    let refused = TcpStream::connect(address).expect_err("nobody waits at a closed port");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    errors.find(|line| line.as_ref().unwrap().contains("accepting")).expect("it serves").unwrap();
    TcpStream::connect(address).expect("it is open now");
    child.kill().unwrap();
    child.wait().unwrap();
}
