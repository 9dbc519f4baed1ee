//! Other people's programs against the gateway: `cargo xtask interop otelcol`.

use crate::workspace::{Workspace, on_path};
use anyhow::Context as _;
use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

/// Names a collector that is there already.
const PROGRAM: &str = "TENGEN_OTELCOL";
const TEST: &str = "interop::otelcol_has_what_was_sent";

/// Builds a real OpenTelemetry Collector, or takes the one that is named, and compares what arrives there with what was sent.
pub(crate) fn otelcol(workspace: &Workspace) -> anyhow::Result<ExitCode> {
    let program = match env::var_os(PROGRAM) {
        Some(program) => given(Path::new(&program))?,
        None => build(workspace)?,
    };
    println!("the collector: {}", program.display());
    let arguments =
        ["test", "--workspace", "--test", "all", "--", "--ignored", "--exact", TEST, "--nocapture"];
    let mut test = workspace.locked(arguments);
    let status = test.env(PROGRAM, &program).status().context("cannot start cargo")?;
    if !status.success() {
        println!(
            "what arrived at the collector is not what was sent, or it could not be tried: see above"
        );
        return Ok(ExitCode::FAILURE);
    }
    println!(
        "the collector has what was sent: spans by name, metrics by value, log records one by one"
    );
    Ok(ExitCode::SUCCESS)
}

fn given(program: &Path) -> anyhow::Result<PathBuf> {
    let program = program.canonicalize();
    program.with_context(|| format!("`{PROGRAM}` names no program that is there"))
}

/// With what `tests/interop/otelcol/go.sum` names, from Go's module proxy.
fn build(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    anyhow::ensure!(
        on_path("go"),
        "Go is not installed, and with it the collector would be built: install Go 1.26 or newer, or name a collector that has `otlpreceiver` and `fileexporter` in `{PROGRAM}`"
    );
    let program = workspace.target.join("interop/otelcol");
    println!("building the collector: minutes the first time, seconds from then on");
    let status = Command::new("go")
        .current_dir(workspace.root.join("tests/interop/otelcol"))
        .args(["build", "-mod=readonly", "-trimpath", "-o"])
        .args([program.as_os_str(), ".".as_ref()])
        .status()
        .context("cannot start Go")?;
    anyhow::ensure!(
        status.success(),
        "the collector did not build: is Go's module proxy reachable (`go env GOPROXY`)? Or name a collector that has `otlpreceiver` and `fileexporter` in `{PROGRAM}`"
    );
    Ok(program)
}
