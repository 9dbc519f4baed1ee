//! Processes in the surroundings of a container: process number one of its namespace, a user without a home, and no file
//! system that can be written to.
#![cfg(target_os = "linux")]

use super::{Gateway, PROGRAM, SERVE, guest, text, write};
use std::{
    env,
    fs::{self, OpenOptions},
    io::Write,
    process::{Child, Command, Stdio},
};

/// The outer namespaces take the right to write away, the inner ones every other right.
const ENCLOSED: &str = "mount -o remount,ro,bind / && exec unshare --user --map-user=1234 --map-group=1234 --pid --fork \
    --kill-child --mount --mount-proc -- env -u HOME -u XDG_CACHE_HOME -u XDG_RUNTIME_DIR \"$0\" \"$@\"";

fn enclosed(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", ENCLOSED, program]);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Whether this system lets us have namespaces of our own. Where changes are judged it has to; elsewhere it is noted that
/// the test was left out.
fn is_possible() -> bool {
    let ask = "test $$ = 1 && test $(id -u) = 1234 && ! touch /enclosed";
    let tried = enclosed("sh", &["-c", ask]).output();
    let possible = tried.as_ref().is_ok_and(|tried| tried.status.success());
    let is_judged = env::var_os("CI").is_some_and(|value| value == "true");
    assert!(possible || !is_judged, "there are no namespaces of our own: {tried:?}");
    if let Some(file) = env::var_os("TENGEN_SKIPPED").filter(|_| !possible) {
        let line = "enclosed\tno user namespaces: allow them (`sysctl kernel.unprivileged_userns_clone=1`), or be root\n";
        let mut file = OpenOptions::new().create(true).append(true).open(file).unwrap();
        file.write_all(line.as_bytes()).unwrap();
    }
    possible
}

/// The number outside of the namespace of the process that `child` waits for.
fn inner(child: &Child) -> String {
    let pid = child.id();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    children.trim().to_owned()
}

#[test]
fn as_process_one_without_a_home_and_with_nothing_to_write_to_it_serves_and_ends_when_told() {
    if !is_possible() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let chat = format!(
        "[plugin.chat]\nfile = {:?}\ngrant = {{ publish = [\"room/*\"], push = [\"*\"] }}\n[[route]]\nevent = \"*\"\nplugin = \"chat\"\n",
        guest("chat.wasm")
    );
    let file = write(folder.path(), &chat);
    let gateway = Gateway::spawn(enclosed(PROGRAM, &[SERVE, &["--config", &file]].concat()));
    let answer = gateway.ask(r#"chat/join {"room":"a","name":"Ann"}"#);
    assert_eq!(answer.status.code(), Some(0), "{}", text(&answer.stderr));
    let inner = inner(&gateway.child);
    let outside = fs::read_to_string(format!("/proc/{inner}/status")).unwrap();
    let numbers = outside.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap();
    assert_eq!(numbers.split_whitespace().last(), Some("1"), "{outside}");
    assert!(Command::new("kill").args(["-TERM", &inner]).status().unwrap().success());
    let (code, errors) = gateway.ended();
    assert_eq!(code, Some(0), "{errors}");
    assert!(errors.contains("state file not written"), "{errors}");
}
