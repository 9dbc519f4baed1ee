//! Builds the gateway, the guests and the bench program, and runs it.

mod against;

use crate::{guests, guests::Which, workspace::Workspace};
use against::Other;
use anyhow::Context as _;
use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

/// What a smoke compares with itself: the rows that take no more than seconds.
const SMOKE_AGAINST: [&str; 6] = ["echo", "raw", "fanout", "handshake", "call", "start"];

/// Hands the arguments on: `tengen-bench` reads them. What it compares with is built here.
pub(crate) fn run(workspace: &Workspace, arguments: &[&str]) -> anyhow::Result<ExitCode> {
    let (arguments, revision) = against::asked(arguments)?;
    let smoke = arguments.contains(&"--smoke");
    // First what can be misspelt.
    let other = revision.map(|revision| Other::named(workspace, revision)).transpose()?;
    if let Some(other) = &other {
        other.build()?;
    }
    let folder = build(workspace, smoke)?;
    let mut command = program(workspace, &folder, "run");
    command.args(&arguments);
    if let Some(other) = other {
        command.args(["--against", &other.shown]).arg("--against-folder").arg(&other.folder);
        command.arg("--quiet").arg(other.quiet());
    }
    let code = status(command)?;
    if !smoke || code != 0 {
        return Ok(ExitCode::from(code));
    }
    let mut command = program(workspace, &folder, "run");
    command.args(SMOKE_AGAINST).args(["--smoke", "--rounds", "1", "--against", "itself"]);
    command.arg("--against-folder").arg(&folder);
    command.arg("--against-guests").arg(workspace.target.join("guests"));
    Ok(ExitCode::from(status(command)?))
}

/// The folder of the programs.
pub(crate) fn build(workspace: &Workspace, smoke: bool) -> anyhow::Result<PathBuf> {
    // Standard output is the report's.
    eprintln!("building the guests");
    guests::build(Which::All)?;
    // A smoke decides nothing, and the tests have built all of this already. The whole workspace, so that every crate has
    // the features it had there; no libraries, since a guest is linked for WebAssembly alone.
    let (build, folder): (&[&str], _) = match smoke {
        true => (&["build", "--workspace", "--bins", "--tests"], "debug"),
        false => (&["build", "--release", "--workspace", "--bins"], "release"),
    };
    eprintln!("building the gateway and the bench: {folder}");
    let status = workspace.locked(build.iter().copied()).status().context("cannot start cargo")?;
    anyhow::ensure!(status.success(), "the build failed");
    Ok(workspace.target.join(folder))
}

/// A subcommand of the bench, with our gateway and guests.
pub(crate) fn program(workspace: &Workspace, folder: &Path, subcommand: &str) -> Command {
    let mut command = Command::new(folder.join("tengen-bench"));
    command.current_dir(&workspace.root).arg(subcommand);
    command.arg("--gateway").arg(folder.join("tengen"));
    command.arg("--guests").arg(workspace.target.join("guests"));
    command
}

pub(crate) fn status(mut command: Command) -> anyhow::Result<u8> {
    let status = command.status().context("cannot start the bench")?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
