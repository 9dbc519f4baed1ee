//! Builds the gateway, the guests and the bench program, and runs it.

use crate::{guests, guests::Which, workspace::Workspace};
use anyhow::Context as _;
use std::process::{Command, ExitCode};

/// Hands the arguments on as they are: `tengen-bench` reads them.
pub(crate) fn run(workspace: &Workspace, arguments: &[&str]) -> anyhow::Result<ExitCode> {
    // Standard output is the report's.
    eprintln!("building the guests");
    guests::build(Which::All)?;
    // A smoke decides nothing, and the tests have built all of this already.
    let smoke: (&[&str], _) = (&["build", "--workspace", "--all-targets"], "debug");
    let full: (&[&str], _) = (&["build", "--release", "--workspace", "--bins"], "release");
    let (build, folder) = if arguments.contains(&"--smoke") { smoke } else { full };
    eprintln!("building the gateway and the bench: {folder}");
    let status = workspace.locked(build.iter().copied()).status().context("cannot start cargo")?;
    anyhow::ensure!(status.success(), "the build failed");
    let folder = workspace.target.join(folder);
    let status = Command::new(folder.join("tengen-bench"))
        .current_dir(&workspace.root)
        .arg("run")
        .args(arguments)
        .arg("--gateway")
        .arg(folder.join("tengen"))
        .arg("--guests")
        .arg(workspace.target.join("guests"))
        .status()
        .context("cannot start the bench")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
