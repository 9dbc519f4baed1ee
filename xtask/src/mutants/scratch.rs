//! A work tree of HEAD in cargo's target folder, in which guards are removed and put back, and its own target folder.
//!
//! Both are kept between runs: the next run compiles what changed since, and of the dependencies nothing.

use crate::{
    git::{self, git, tail},
    guests,
    guests::Which,
    workspace::Workspace,
};
use anyhow::Context as _;
use serde_json::Value;
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How long a test may take. One that needs longer has not failed, it hangs, and would hang a whole run of the tests.
const LIMIT: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How much of a failed command is shown.
const SHOWN_LINES: usize = 40;

#[derive(Debug)]
pub(super) struct Scratch {
    tree: Workspace,
    /// What the test that runs prints.
    output: PathBuf,
}

/// What became of building a test binary.
#[derive(Debug)]
pub(super) enum Built {
    Test(TestBinary),
    DoesNotCompile(String),
    /// The arguments select no binary, or several.
    NotOne(String),
}

#[derive(Debug)]
pub(super) struct TestBinary {
    executable: PathBuf,
    /// The package's folder, where cargo runs tests.
    folder: PathBuf,
}

/// What became of running one test.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ran {
    Passed,
    Failed(String),
    OutOfTime,
    /// No test has that path, or it is not run.
    NotOne(String),
}

impl Scratch {
    pub(super) fn make(workspace: &Workspace) -> anyhow::Result<Self> {
        let folder = workspace.target.join("mutants");
        fs::create_dir_all(&folder)?;
        let tree = Workspace {
            root: folder.join("tree"),
            target: folder.join("target"),
            ci: workspace.ci,
        };
        let scratch = Self { tree, output: folder.join("output") };
        let head = git::commit(&workspace.root, "HEAD")?;
        git::work_tree(&workspace.root, &scratch.tree.root, &head)?;
        Ok(scratch)
    }

    /// Builds the guests once and puts them where tests look for them, beside the profile's folder.
    pub(super) fn guests(&self, workspace: &Workspace) -> anyhow::Result<()> {
        println!("building the guests");
        guests::build(Which::All)?;
        let (ours, theirs) = (workspace.target.join("guests"), self.tree.target.join("guests"));
        fs::create_dir_all(&theirs)?;
        for entry in ours.read_dir()? {
            let guest = entry?;
            if guest.file_type()?.is_file() {
                fs::copy(guest.path(), theirs.join(guest.file_name()))?;
            }
        }
        Ok(())
    }

    /// Removes a guard.
    pub(super) fn apply(&self, patch: &Path) -> anyhow::Result<()> {
        let mut apply = git(&self.tree.root);
        apply.arg("apply").arg(patch);
        git::ask(apply).map(drop)
    }

    /// Puts everything back.
    pub(super) fn restore(&self) -> anyhow::Result<()> {
        git::clean(&self.tree.root)
    }

    /// Builds what the arguments of `cargo test` select.
    pub(super) fn build(&self, selection: &[String]) -> anyhow::Result<Built> {
        let mut cargo = self.tree.cargo(["test"]);
        cargo.args(selection).args(["--no-run", "--message-format=json-render-diagnostics"]);
        // Each patch changes a line: what has to be compiled again is small where the compiler keeps its state.
        cargo.env("CARGO_INCREMENTAL", "1");
        let output = cargo.output().context("cannot start cargo")?;
        if !output.status.success() {
            return Ok(Built::DoesNotCompile(tail(&output.stderr, SHOWN_LINES)));
        }
        Ok(only(test_binaries(&output.stdout)))
    }

    /// Runs exactly one test, for at most [`LIMIT`].
    pub(super) fn run(&self, binary: &TestBinary, test: &str) -> anyhow::Result<Ran> {
        let output = File::create(&self.output).context("cannot keep the test's output")?;
        let mut command = Command::new(&binary.executable);
        command.current_dir(&binary.folder).args(["--exact", test]).env("RUST_BACKTRACE", "0");
        command.env("CARGO_MANIFEST_DIR", &binary.folder);
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let child = command.spawn().context("cannot start the test")?;
        let Some(status) = wait(child)? else { return Ok(Ran::OutOfTime) };
        Ok(judge(status.success(), &fs::read(&self.output)?, status))
    }
}

/// The end of a child, or nothing when it had to be killed.
fn wait(mut child: Child) -> io::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + LIMIT;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        thread::sleep(LOOK_EVERY);
    }
    // The gateways that a test has started are in its group and end with it.
    let group = format!("-{}", child.id());
    let whole = Command::new("kill").args(["-KILL", "--", &group]).status();
    if !whole.is_ok_and(|status| status.success()) {
        child.kill()?;
    }
    child.wait()?;
    Ok(None)
}

/// What the harness said. A test that ended the whole process has failed as well.
fn judge(success: bool, output: &[u8], status: impl std::fmt::Display) -> Ran {
    let text = String::from_utf8_lossy(output);
    if !text.lines().any(|line| line == "running 1 test") {
        return Ran::NotOne(format!(
            "not exactly one test was run ({status}): {}",
            tail(output, 5)
        ));
    }
    if !success {
        return Ran::Failed(tail(output, SHOWN_LINES));
    }
    match text.contains("test result: ok. 1 passed") {
        true => Ran::Passed,
        false => Ran::NotOne("the test is ignored".into()),
    }
}

/// The test binaries in cargo's messages.
fn test_binaries(messages: &[u8]) -> Vec<TestBinary> {
    let messages = messages.split(|byte| *byte == b'\n');
    messages.filter_map(|line| binary(&serde_json::from_slice(line).ok()?)).collect()
}

fn binary(message: &Value) -> Option<TestBinary> {
    if !message.pointer("/profile/test")?.as_bool()? {
        return None;
    }
    let executable = message.get("executable")?.as_str()?.into();
    let folder = Path::new(message.get("manifest_path")?.as_str()?).parent()?.to_owned();
    Some(TestBinary { executable, folder })
}

fn only(mut binaries: Vec<TestBinary>) -> Built {
    match (binaries.pop(), binaries.len()) {
        (Some(binary), 0) => Built::Test(binary),
        (_, others) => Built::NotOne(match others {
            0 => "the arguments select no test binary".to_owned(),
            _ => format!(
                "the arguments select {} test binaries: name one, as by `--lib`",
                others + 1
            ),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(success: bool, output: &str, expected: &str) {
        let ran = match judge(success, output.as_bytes(), "status") {
            Ran::Passed => "passed",
            Ran::Failed(_) => "failed",
            Ran::OutOfTime => "out of time",
            Ran::NotOne(_) => "not one",
        };
        assert_eq!(ran, expected, "{output}");
    }

    #[test]
    fn only_one_test_that_ran_counts() {
        check(
            true,
            "\nrunning 1 test\ntest a ... ok\n\ntest result: ok. 1 passed; 0 failed",
            "passed",
        );
        check(
            false,
            "\nrunning 1 test\ntest a ... FAILED\n\ntest result: FAILED. 0 passed",
            "failed",
        );
        check(true, "\nrunning 0 tests\n\ntest result: ok. 0 passed", "not one");
        check(true, "\nrunning 2 tests\n\ntest result: ok. 2 passed", "not one");
        check(false, "\nrunning 2 tests\n\ntest result: FAILED. 1 passed; 1 failed", "not one");
        check(
            true,
            "\nrunning 1 test\ntest a ... ignored\n\ntest result: ok. 0 passed; 0 failed; 1 ignored",
            "not one",
        );
    }

    #[test]
    fn a_test_that_takes_the_process_down_has_failed() {
        check(false, "\nrunning 1 test\n\nthread 'a' has overflowed its stack\n", "failed");
    }

    #[test]
    fn a_binary_that_cannot_start_has_run_no_test() {
        check(false, "error while loading shared libraries", "not one");
    }

    fn message(test: bool, executable: Option<&str>) -> String {
        let executable = serde_json::json!(executable);
        let manifest = "/there/host/Cargo.toml";
        serde_json::json!({ "profile": { "test": test }, "executable": executable, "manifest_path": manifest }).to_string()
    }

    #[test]
    fn the_test_binary_is_found_among_cargos_messages() {
        let built = |messages: &[String]| match only(test_binaries(messages.join("\n").as_bytes()))
        {
            Built::Test(test) => {
                format!("{} in {}", test.executable.display(), test.folder.display())
            }
            Built::NotOne(why) | Built::DoesNotCompile(why) => why,
        };
        let (library, program) = (message(false, None), message(false, Some("/target/tengen")));
        let test = message(true, Some("/target/deps/tengen-1"));
        let finished = "{\"reason\":\"build-finished\",\"success\":true}".to_owned();
        assert_eq!(
            built(&[library.clone(), program, test.clone(), finished]),
            "/target/deps/tengen-1 in /there/host"
        );
        assert_eq!(built(&[library]), "the arguments select no test binary");
        assert!(built(&[test.clone(), test]).starts_with("the arguments select 2"));
    }
}
