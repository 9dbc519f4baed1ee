//! What a compiling child may do to the gateway, with programs in its place that behave as badly as a child can.

use super::*;
use crate::{
    compile::{code::Code, compiled::Source},
    prepare,
};
use rustix::{
    fs::{CWD, FileType, Mode, mknodat},
    io::Errno,
    process::{Pid, PidfdFlags, pidfd_open},
};
use std::{fs, path::Path, process::Command};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, unix::AsyncFd},
    net::unix::pipe,
};

/// A program in the compiler's place.
struct Place {
    kept: tempfile::TempDir,
    program: PathBuf,
    component: PathBuf,
    /// What the program says of itself.
    said: tokio::sync::Mutex<BufReader<pipe::Receiver>>,
}

impl Place {
    /// A program that does this. In it, `$0.` begins the names of files that are the test's own, and `$0.says` is a pipe for
    /// lines with numbers.
    fn of_script(lines: &str) -> Self {
        let kept = tempfile::tempdir().expect("a folder");
        let program = kept.path().join("program");
        // Written by another process: this one starts children all the time, and one that holds a file open for
        // writing keeps it from being run.
        let write = "printf '#!/bin/sh\\n%s\\n' \"$1\" >\"$0\" && chmod +x \"$0\"";
        let written = Command::new("sh").args(["-c", write]).arg(&program).arg(lines).status();
        assert!(written.expect("sh").success());
        let component = kept.path().join("guest.wasm");
        fs::write(&component, Guest::default().component()).expect("written");
        let pipe = kept.path().join("program.says");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe");
        // Both ways: it does not end while nobody writes.
        let said = pipe::OpenOptions::new().read_write(true).open_receiver(&pipe).expect("opened");
        Self { kept, program, component, said: tokio::sync::Mutex::new(BufReader::new(said)) }
    }

    fn engine(&self, time: Duration) -> Engine {
        engine_with(&self.program, time)
    }

    async fn why(&self, time: Duration) -> String {
        why(&self.engine(time), &self.component).await
    }

    /// The numbers that the program has said, when there are so many.
    async fn said(&self, count: usize) -> Vec<u32> {
        let (mut said, mut numbers) = (self.said.lock().await, Vec::new());
        while numbers.len() < count {
            let mut line = String::new();
            said.read_line(&mut line).await.expect("a line");
            numbers.push(line.trim().parse().expect("a number"));
        }
        numbers
    }
}

fn engine_with(program: &Path, time: Duration) -> Engine {
    let limits = EngineLimits { instances: 2, component_bytes: 64 << 10 };
    let compiler = Compiler::Child { program: program.into(), memory: 1 << 30, time };
    let (cache, kept, outgoing, directory) = (None, None, None, None);
    Engine::new(EngineParts { limits, wanted: None, compiler, cache, kept, outgoing, directory })
        .expect("an engine")
}

async fn why(engine: &Engine, component: &Path) -> String {
    let compiled = prepare::component(engine, component);
    let compiled = timeout(Duration::from_secs(60), compiled).await.expect("it ends");
    compiled.expect_err("nothing was compiled").explain()
}

/// Longer than any test.
const LONG: Duration = Duration::from_secs(600);
/// Says which process it is, and then nothing for ever.
const HANGS: &str = "echo $$ >>$0.says; exec sleep 200";

/// Waits until the process is gone, or only its exit code is left.
#[expect(
    deprecated,
    reason = "the descriptor is owned and stays what it is, which is all that its successor asks"
)]
async fn gone(id: u32) {
    let id = i32::try_from(id).ok().and_then(Pid::from_raw).expect("a process id");
    let process = match pidfd_open(id, PidfdFlags::NONBLOCK) {
        Err(Errno::SRCH) => return,
        process => AsyncFd::new(process.expect("its descriptor")).expect("it can be waited for"),
    };
    let end = timeout(Duration::from_secs(60), process.readable());
    drop(end.await.expect("the child is killed").expect("its end is seen"));
}

#[tokio::test]
async fn what_a_component_imports_is_checked_before_it_is_compiled() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("guest.wasm");
    let text = r#"(component (core module) (import "acme:db/store@1.0.0" (instance)))"#;
    fs::write(&file, wat::parse_str(text).expect("text")).expect("written");
    // Who asked this compiler would hear that there is none.
    let engine = engine_with(Path::new("/nonexistent/compiler"), Duration::from_secs(1));
    let said = why(&engine, &file).await;
    assert!(said.contains("imports `acme:db/store@1.0.0`"), "{said}");
    fs::write(&file, Guest::default().component()).expect("written");
    let said = why(&engine, &file).await;
    assert!(said.contains("`/nonexistent/compiler` failed"), "{said}");
}

#[tokio::test]
async fn a_child_that_never_ends_is_killed_when_its_time_is_up() {
    let place = Place::of_script(HANGS);
    let said = place.why(Duration::from_millis(500)).await;
    assert!(said.contains("took more than 500ms of processor time"), "{said}");
    assert!(said.contains("make it smaller"), "{said}");
    for id in place.said(1).await {
        gone(id).await;
    }
}

#[tokio::test]
async fn a_child_that_nobody_waits_for_is_killed() {
    let place = Place::of_script(HANGS);
    let engine = place.engine(LONG);
    let compiled = prepare::component(&engine, &place.component);
    let id = tokio::select! {
        _ = compiled => panic!("it hangs"),
        ids = place.said(1) => ids[0],
    };
    gone(id).await;
}

#[tokio::test]
async fn no_more_than_two_children_run_at_a_time() {
    // Each counts those that run beside it, and stays for a while.
    let place = Place::of_script(
        "mkdir $0.run.$$; ls -d $0.run.* | wc -l >>$0.says
         i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done; rmdir $0.run.$$; exit 1",
    );
    let engine = place.engine(LONG);
    // Six components: each with a section of its own that says nothing.
    let files = (0..6_u8).map(|number| {
        let file = place.kept.path().join(format!("{number}.wasm"));
        let section = [0, 3, 1, b'n', number];
        let bytes = [&fs::read(&place.component).expect("read")[..], &section].concat();
        fs::write(&file, bytes).expect("written");
        file
    });
    let files: Vec<_> = files.collect();
    let compiles = files.iter().map(|file| prepare::component(&engine, file));
    let compiled = futures_util::future::join_all(compiles).await;
    assert!(compiled.iter().all(Result::is_err));
    let beside = place.said(6).await;
    assert!(beside.iter().all(|count| (1..=2).contains(count)), "{beside:?}");
}

#[tokio::test]
async fn what_several_want_at_once_is_compiled_once() {
    let place = Place::of_script("echo 1 >>$0.says; cat $0.code");
    let engine = place.engine(LONG);
    let source =
        Source::read(&place.component, engine.limits().component_bytes).expect("a component");
    let code = Code::compile(engine.wasm(), &source.bytes).expect("compiled");
    let whole = [engine.fingerprint().bytes().as_slice(), code.bytes()].concat();
    fs::write(place.kept.path().join("program.code"), whole).expect("written");
    let compiles = (0..6).map(|_| prepare::component(&engine, &place.component));
    let compiled = futures_util::future::join_all(compiles).await;
    let compiled: Vec<_> = compiled.into_iter().map(|one| one.expect("good")).collect();
    assert!(compiled.windows(2).all(|two| Arc::ptr_eq(&two[0], &two[1])));
    fs::write(place.kept.path().join("program.says"), "7\n").expect("said");
    assert_eq!(place.said(2).await, [1, 7], "and no child more");
}

#[tokio::test]
async fn a_child_that_gives_back_too_much_is_killed() {
    let place = Place::of_script("echo $$ >>$0.says; exec yes");
    let said = place.why(LONG).await;
    assert!(said.contains("machine code has more than the 262144 bytes"), "{said}");
    gone(place.said(1).await[0]).await;
}

#[tokio::test]
async fn a_child_that_says_too_much_is_told_in_short() {
    let place = Place::of_script("yes 'all is lost' | head -c 10000000 >&2; exit 1");
    let said = place.why(LONG).await;
    assert!(said.contains("exit status: 1: all is lost"), "{said}");
    assert!(said.len() < 3000, "{}", said.len());
}

#[tokio::test]
async fn what_another_program_calls_code_is_not_run() {
    let place = Place::of_script("cat $0.code");
    let engine = place.engine(LONG);
    let source =
        Source::read(&place.component, engine.limits().component_bytes).expect("a component");
    let code = Code::compile(engine.wasm(), &source.bytes).expect("compiled");
    let file = place.kept.path().join("program.code");
    // Good code, but nothing that says for which version.
    fs::write(&file, code.bytes()).expect("written");
    let said = place.why(LONG).await;
    assert!(said.contains("of another version than this gateway"), "{said}");
    let whole = [engine.fingerprint().bytes().as_slice(), code.bytes()].concat();
    fs::write(&file, whole).expect("written");
    prepare::component(&engine, &place.component).await.expect("now it is good");
}

#[tokio::test]
async fn a_program_that_fails_is_named_with_what_it_said() {
    let said = Place::of_script("echo 'no libc' >&2; exit 127").why(LONG).await;
    assert!(said.contains("/program` failed: exit status: 127: no libc"), "{said}");
    let said = Place::of_script("kill -SEGV $$").why(LONG).await;
    assert!(said.contains("signal: 11"), "{said}");
    let place = Place::of_script("");
    let missing = place.kept.path().join("missing");
    let said = why(&engine_with(&missing, LONG), &place.component).await;
    assert!(said.contains("/missing` failed: No such file"), "{said}");
}

#[tokio::test]
async fn a_child_has_no_environment_and_starts_in_the_root() {
    let place = Place::of_script("tr '\\0' '\\n' </proc/self/environ >$0.env; pwd >$0.cwd; exit 1");
    place.why(LONG).await;
    let read = |name: &str| fs::read_to_string(place.kept.path().join(name)).expect("written");
    let inherited = std::env::vars().map(|(name, _)| name).find(|name| {
        // What the shell sets by itself.
        !["PWD", "OLDPWD", "SHLVL", "_"].contains(&name.as_str())
            && read("program.env").lines().any(|line| line.starts_with(&format!("{name}=")))
    });
    assert_eq!(inherited, None, "of {} variables", std::env::vars().count());
    assert_eq!(read("program.cwd").trim(), "/");
}
