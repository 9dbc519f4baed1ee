//! One core for the server, another for the load: otherwise each is measured in the other's way.

use anyhow::{Context as _, Result, ensure};
use std::{
    path::Path,
    process::{Command, Stdio},
    thread,
};

const SERVER: &str = "0";
const LOAD: &str = "1";

/// Binds this process to the load's core; to be called while it has one thread.
pub(crate) fn take_load_core() -> Result<()> {
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    ensure!(
        cores >= 2,
        "a bench needs two cores, one for the server and one for the load; there is {cores}"
    );
    let me = std::process::id().to_string();
    let status = Command::new("taskset").args(["-cp", LOAD, &me]).stdout(Stdio::null()).status();
    let status = status.context("`taskset` cannot be started; it comes with util-linux")?;
    ensure!(status.success(), "`taskset -cp {LOAD} {me}` failed: {status}");
    Ok(())
}

/// A command that runs a program on the server's core.
pub(crate) fn pinned(program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", SERVER]).arg(program);
    command
}

/// A command that runs a program on all cores: what this process is bound to is inherited.
pub(crate) fn unpinned(program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", &format!("{SERVER},{LOAD}")]).arg(program);
    command
}
