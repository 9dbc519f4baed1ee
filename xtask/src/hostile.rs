//! Builds the gateway, the guests and the attacks, and runs them.

use crate::{bench, workspace::Workspace};
use std::process::ExitCode;

/// Hands the arguments on: `tengen-bench hostile` reads them.
pub(crate) fn run(workspace: &Workspace, arguments: &[&str]) -> anyhow::Result<ExitCode> {
    let folder = bench::build(workspace, arguments.contains(&"--smoke"))?;
    let mut command = bench::program(workspace, &folder, "hostile");
    command.args(arguments);
    Ok(ExitCode::from(bench::status(command)?))
}
