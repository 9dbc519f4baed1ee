//! Coverage: how much of the gateway's own code the tests run.

use crate::{
    guests::{self, Which},
    steps::Steps,
    tools::Tool,
    workspace::{self, Workspace},
};
use std::{
    env,
    process::{Command, ExitCode},
};

const COVERAGE: Tool =
    Tool { name: "cargo-llvm-cov", version: "0.9.1", asked: &["llvm-cov", "--version"] };
/// What stands in these places is no code of the gateway's.
const OTHERS: &str = r"/(bench|fuzz|plugin-sdk|plugins|tests|xtask)/|(^|[/_])tests\.rs$";
/// The folder in ours where cargo-llvm-cov builds; the tests look for their guests beside what they are built into.
const FOLDER: &str = "llvm-cov-target";

/// Builds all tests so that they count what they run, runs them, and says the part of lines for each file of `host`.
pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<ExitCode> {
    let mut steps = Steps::new("coverage", workspace.ci);
    let is_ready = steps
        .perform("cargo-llvm-cov set-up", &COVERAGE.shown(), || COVERAGE.install(workspace))
        && reads_counts(workspace, &mut steps)
        && steps.perform("guests", "cargo xtask guests", || {
            let folder = workspace.target.join(FOLDER).join("guests");
            guests::build_into(&Which::All, &folder).map(drop)
        });
    if is_ready {
        let mut command = Command::new(COVERAGE.program(workspace));
        command.current_dir(&workspace.root).env("CARGO_TARGET_DIR", &workspace.target);
        // What was built before is not thrown away: the guests are there.
        command.args(["llvm-cov", "test", "--workspace", "--no-fail-fast", "--no-clean"]);
        command.args(["--summary-only", "--ignore-filename-regex", OTHERS]);
        steps.run("tests, counted", command);
    }
    Ok(steps.finish())
}

/// Sees to LLVM's own tools, of the compiler's version: `LLVM_COV` and `LLVM_PROFDATA` name them where rustup does not
/// have them.
fn reads_counts(workspace: &Workspace, steps: &mut Steps) -> bool {
    if ["LLVM_COV", "LLVM_PROFDATA"].into_iter().all(|name| env::var_os(name).is_some()) {
        return true;
    }
    if !workspace::on_path("rustup") {
        steps.skip("LLVM's tools", "no rustup: set LLVM_COV and LLVM_PROFDATA to their paths");
        return false;
    }
    let mut command = Command::new("rustup");
    command.current_dir(&workspace.root).args(["component", "add", "llvm-tools"]);
    steps.run("LLVM's tools", command)
}
