//! cargo-deny, in the version this project was checked with, installed where only this project uses it.

use crate::{steps::Steps, workspace::Workspace};
use anyhow::Context as _;
use std::{
    path::PathBuf,
    process::{Command, ExitCode},
};

const VERSION: &str = "0.20.2";

/// Installs cargo-deny into the target folder unless this version is there already.
///
/// Built without optimisation: one minute instead of many, and a run takes four seconds instead of one.
pub(crate) fn install(workspace: &Workspace) -> anyhow::Result<()> {
    if is_installed(workspace) {
        return Ok(());
    }
    let tools = tools(workspace);
    let build = tools.join("build");
    let version = format!("cargo-deny@{VERSION}");
    let status = workspace
        .cargo(["install", "--locked", "--debug", "--force", &version, "--root"])
        .arg(&tools)
        .arg("--target-dir")
        .arg(&build)
        .status()
        .context("cannot start cargo")?;
    anyhow::ensure!(
        status.success(),
        "`cargo install {version}` failed: is the registry reachable?"
    );
    // Hundreds of megabytes that nothing needs again.
    std::fs::remove_dir_all(&build).with_context(|| format!("cannot remove `{}`", build.display()))
}

/// Licences, sources and duplicate versions. Answers from the lock files alone.
pub(crate) fn check(workspace: &Workspace, steps: &mut Steps) -> anyhow::Result<()> {
    if !is_installed(workspace) {
        let shown = format!("cargo install cargo-deny@{VERSION}");
        if !steps.perform("cargo-deny set-up", &shown, || install(workspace)) {
            return Ok(());
        }
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
    for manifest in workspace.guest_manifests()? {
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
    if steps.perform("cargo-deny set-up", &format!("cargo-deny {VERSION}"), || install(workspace)) {
        let mut command = deny(workspace);
        command.args(["check", "advisories"]);
        steps.run("advisories", command);
    }
    Ok(steps.finish())
}

fn tools(workspace: &Workspace) -> PathBuf {
    workspace.target.join("tools")
}

fn deny(workspace: &Workspace) -> Command {
    let mut command = Command::new(tools(workspace).join("bin/cargo-deny"));
    command.current_dir(&workspace.root).arg("--workspace");
    command
}

fn is_installed(workspace: &Workspace) -> bool {
    let output = deny(workspace).arg("--version").output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim().ends_with(VERSION))
}
