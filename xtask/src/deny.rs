//! cargo-deny: what may come into the dependency tree, and what is known to be vulnerable in it.

use crate::{steps::Steps, tools::Tool, workspace::Workspace};
use std::process::{Command, ExitCode};

const DENY: Tool = Tool { name: "cargo-deny", version: "0.20.2", asked: &["--version"] };

/// Installs cargo-deny unless it is there already.
pub(crate) fn install(workspace: &Workspace) -> anyhow::Result<()> {
    DENY.install(workspace)
}

/// Licences, sources and duplicate versions. Answers from the lock files alone.
pub(crate) fn check(workspace: &Workspace, steps: &mut Steps) -> anyhow::Result<()> {
    if !DENY.is_installed(workspace)
        && !steps.perform("cargo-deny set-up", &DENY.shown(), || install(workspace))
    {
        return Ok(());
    }
    let mut command = deny(workspace);
    command.args([
        "check",
        "--deny",
        "unnecessary-skip",
        "--deny",
        "unmatched-skip",
        "--hide-inclusion-graph",
    ]);
    command.args(["bans", "licenses", "sources"]);
    steps.run("dependencies", command);
    for manifest in workspace.other_manifests()? {
        let mut command = deny(workspace);
        command.args(["--manifest-path", &manifest, "--config", "deny.toml", "check"]);
        // The list is the whole project's: not every workspace meets every licence in it.
        command
            .args(["--allow", "license-not-encountered", "--hide-inclusion-graph"])
            .args(["licenses", "sources"]);
        steps.run(&format!("dependencies of {manifest}"), command);
    }
    Ok(())
}

/// Known vulnerabilities and yanked versions.
pub(crate) fn advisories(workspace: &Workspace) -> anyhow::Result<ExitCode> {
    let mut steps = Steps::new("advisories", workspace.ci);
    if steps.perform("cargo-deny set-up", &DENY.shown(), || install(workspace)) {
        let mut command = deny(workspace);
        command.args(["check", "advisories"]);
        steps.run("advisories", command);
    }
    Ok(steps.finish())
}

fn deny(workspace: &Workspace) -> Command {
    let mut command = Command::new(DENY.program(workspace));
    command.current_dir(&workspace.root).arg("--workspace");
    command
}
