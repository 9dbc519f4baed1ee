//! The tools for who writes plugins: `tengen new` and `tengen ask`, by the program.

use super::{Gateway, LONGEST, guest, run, tengen, text, watch, write};
use std::{
    env, fs,
    net::TcpListener,
    path::Path,
    process::{Command, Output, Stdio},
    sync::mpsc::{RecvTimeoutError, sync_channel},
};

#[track_caller]
fn ended(output: &Output, code: i32) -> String {
    let said = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}

/// Builds what `tengen new` has made, with the crates that this repository is built with: no registry is asked.
fn build(dir: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    fs::copy(root.join("Cargo.lock"), dir.join("Cargo.lock")).unwrap();
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut cargo = Command::new(cargo);
    cargo.args(["build", "--offline", "--release", "--target", "wasm32-wasip2"]).current_dir(dir);
    cargo.arg("--target-dir").arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("new"));
    let child = cargo.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let (pid, (built, waits)) = (child.id().to_string(), sync_channel::<()>(1));
    // All crates of the SDK the first time.
    std::thread::spawn(move || {
        if waits.recv_timeout(LONGEST * 5) == Err(RecvTimeoutError::Timeout) {
            drop(Command::new("kill").args(["-KILL", &pid]).status());
        }
    });
    let output = child.wait_with_output().unwrap();
    drop(built);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn a_new_plugin_is_built_and_plays_its_own_script() {
    let folder = tempfile::tempdir().unwrap();
    for (name, role) in [("tea-room", "handler"), ("tea-door", "authenticator")] {
        let mut made = tengen(&["new", name, "--role", role]);
        let said = ended(&made.current_dir(folder.path()).output().unwrap(), 0);
        assert!(said.contains("cargo build --release --target wasm32-wasip2"), "{said}");
        let dir = folder.path().join(name);
        build(&dir);
        // Where the build would be without a folder for all tests.
        let (own, built) =
            ("target/wasm32-wasip2/release", format!("{}.wasm", name.replace('-', "_")));
        fs::create_dir_all(dir.join(own)).unwrap();
        let shared = Path::new(env!("CARGO_TARGET_TMPDIR")).join("new/wasm32-wasip2/release");
        fs::copy(shared.join(&built), dir.join(own).join(&built)).unwrap();
        let child = tengen(&["test"]).current_dir(&dir).spawn().unwrap();
        let _watch = watch(&child);
        let said = ended(&child.wait_with_output().unwrap(), 0);
        assert!(said.contains("ok ") && said.contains(&format!("{name}.jsonl")), "{said}");
    }
    let again = tengen(&["new", "tea-room"]).current_dir(folder.path()).output().unwrap();
    assert!(ended(&again, 2).contains("is there already"));
}

/// What the room in JavaScript is built with; the tests of the languages say how it is brought in where it is missing.
#[test]
fn a_new_plugin_in_javascript_plays_its_own_script() {
    let tools = guest("chat.wasm").with_file_name("../tools/componentize-qjs@0.4.5");
    let tool = tools.join("node_modules/.bin/componentize-qjs");
    if !tool.exists() {
        println!("there is no {}: run `cargo xtask guests`", tool.display());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut made = tengen(&["new", "tea-room", "--lang", "js"]);
    ended(&made.current_dir(folder.path()).output().unwrap(), 0);
    let dir = folder.path().join("tea-room");
    let manifest = fs::read_to_string(dir.join("package.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let build = manifest["scripts"]["build"].as_str().unwrap();
    let args = build.strip_prefix("componentize-qjs ").unwrap().split(' ');
    let built = Command::new("node").arg(&tool).args(args).current_dir(&dir).output().unwrap();
    ended(&built, 0);
    let child = tengen(&["test"]).current_dir(&dir).spawn().unwrap();
    let _watch = watch(&child);
    assert!(ended(&child.wait_with_output().unwrap(), 0).contains("ok "));
}

#[test]
fn what_there_is_no_template_for_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let new = |args: &[&str]| {
        let output = tengen(&[&["new", "tea"], args].concat()).current_dir(folder.path()).output();
        ended(&output.unwrap(), 2)
    };
    assert!(new(&["--lang", "cobol"]).contains("write rust, js, python, c or go"));
    assert!(new(&["--role", "sink"]).contains("no template for the role `sink` yet"));
    assert!(!folder.path().join("tea").exists());
}

#[test]
fn an_answer_is_printed_as_json() {
    let gateway = Gateway::start(&[]);
    let url = format!("ws://{}/ws", gateway.address);
    let answer = run(&["ask", "a/b", r#"{"x":[1.50]}"#, "--url", &url]);
    assert_eq!(
        (text(&answer.stdout).as_str(), answer.status.code()),
        ("{\"x\":[1.50]}\n", Some(0))
    );
    let nothing = run(&["ask", "a/b", "--url", &url]);
    assert_eq!(text(&nothing.stdout), "null\n");
    assert!(ended(&run(&["ask", "nonsense", "--url", &url]), 2).contains("is not an event id"));
    assert!(ended(&run(&["ask", "a/b", "{", "--url", &url]), 2).contains("is not JSON"));
}

#[test]
fn a_fault_no_answer_and_nobody_there_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let broken = guest("handler_broken.wasm");
    let config =
        format!("[plugin.it]\nfile = {broken:?}\n[[route]]\nevent = \"*\"\nplugin = \"it\"\n");
    let gateway = Gateway::start(&["--config", &write(folder.path(), &config)]);
    let url = format!("ws://{}/ws", gateway.address);
    let said = ended(&run(&["ask", "broken/divide", "--url", &url]), 3);
    assert!(said.contains("error: plugin-failed: "), "{said}");
    // Connections are taken by the system, and by nobody else.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/ws", silent.local_addr().unwrap());
    let said = ended(&run(&["ask", "a/b", "--url", &url, "--timeout", "300ms"]), 4);
    assert!(said.contains("no answer within 300ms"), "{said}");
    drop(silent);
    assert!(ended(&run(&["ask", "a/b", "--url", &url]), 1).contains("cannot connect to"));
}

#[test]
fn a_token_is_made_for_who_is_asked_as() {
    let folder = tempfile::tempdir().unwrap();
    let key = "0123456789abcdef0123456789abcdef";
    let config = format!(
        "[plugin.door]\nfile = {:?}\nconfig = {{ secret = {key:?} }}\n\
         [plugin.it]\nfile = {:?}\n\
         [[endpoint]]\npath = \"/ws\"\nauthenticator = \"door\"\nanonymous = false\n\
         [[route]]\nevent = \"*\"\nplugin = \"it\"\n",
        guest("token-auth.wasm"),
        guest("echo.wasm"),
    );
    let gateway = Gateway::start(&["--config", &write(folder.path(), &config)]);
    let url = format!("ws://{}/ws", gateway.address);
    let as_ann = |key: &str| run(&["ask", "a/b", "7", "--url", &url, "--as", "ann", "--key", key]);
    assert_eq!(text(&as_ann(key).stdout), "7\n");
    assert!(ended(&as_ann("another key of thirty-two bytes!!"), 1).contains("refused"));
    assert!(ended(&run(&["ask", "a/b", "--url", &url]), 1).contains("refused"));
    assert!(ended(&run(&["ask", "a/b", "--url", &url, "--as", "ann"]), 2).contains("no key"));
}

#[test]
fn what_a_call_costs_is_measured_alone_and_in_batches() {
    let chat = guest("room_rust.wasm");
    let chat = chat.to_str().unwrap();
    let join = ["plugin", "bench", chat, "room/join", r#"{"room":"tea","name":"Ann"}"#];
    let measured = run(&[&join[..], &["--json"]].concat());
    let said: serde_json::Value = serde_json::from_slice(&measured.stdout).unwrap();
    let batches = [0, 1].map(|place| said["calls"][place]["events"].as_u64().unwrap());
    assert_eq!(batches, [1, 64], "{said}");
    for call in said["calls"].as_array().unwrap() {
        let [median, p99] = ["median-us", "p99-us"].map(|key| call[key].as_f64().unwrap());
        assert!(median > 0.0 && p99 >= median && call["calls"].as_u64().unwrap() >= 20, "{call}");
    }
    let shown = ended(&run(&join), 0);
    assert!(shown.contains("1 event ") && shown.contains("64 events"), "{shown}");
    let bench = |event: &str, data: &str, component: &str, code| {
        let component = guest(component);
        ended(&run(&["plugin", "bench", component.to_str().unwrap(), event, data]), code)
    };
    assert!(bench("room/join", "{}", "room_rust.wasm", 1).contains("fails at this event: "));
    assert!(bench("other/x", "1", "room_rust.wasm", 1).contains("does not want `other/x`"));
    assert!(bench("broken/divide", "1", "handler_broken.wasm", 1).contains("a call broke"));
    assert!(bench("a/b", "{", "room_rust.wasm", 2).contains("the data is not JSON"));
    assert!(bench("nonsense", "1", "room_rust.wasm", 2).contains("is not an event id"));
    assert!(bench("a/b", "1", "token-auth.wasm", 1).contains("the plugin"));
}
