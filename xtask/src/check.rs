//! What can be said about the source without running a gateway.

use crate::{deny, mutants, steps::Steps, workspace::Workspace};
use std::process::ExitCode;

pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<ExitCode> {
    let mut steps = Steps::new("check", workspace.ci);
    all(workspace, &mut steps)?;
    // `cargo xtask test` runs these among all the others.
    let mut rules = workspace.locked(["test", "--package", "tengen-tests", "--test", "all"]);
    rules.args(["--", "docs::", "layers::", "tree::", "wit::"]);
    steps.run("house rules", rules);
    Ok(steps.finish())
}

/// The steps that `test` shares.
pub(crate) fn all(workspace: &Workspace, steps: &mut Steps) -> anyhow::Result<()> {
    steps.run("formatting", workspace.cargo(["fmt", "--all", "--check"]));
    for manifest in workspace.other_manifests()? {
        let command = workspace.cargo(["fmt", "--all", "--check", "--manifest-path", &manifest]);
        steps.run(&format!("formatting of {manifest}"), command);
    }

    deny::check(workspace, steps)?;

    steps.perform("mutants", "cargo xtask mutants --check", || mutants::check(workspace));

    let lints = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    steps.run("lints", workspace.locked(lints));
    for manifest in workspace.other_manifests()? {
        // The fuzz targets are made of the gateway's modules, whose tests have their lints at home.
        let targets: &[&str] = match manifest.starts_with("fuzz/") {
            true => &["--lib", "--bins", "--test", "corpus"],
            false => &["--all-targets"],
        };
        let lints = ["clippy", "--manifest-path", &manifest, "--workspace"];
        let lints = lints.iter().chain(targets).chain(&["--", "-D", "warnings"]).copied();
        steps.run(&format!("lints of {manifest}"), workspace.locked(lints));
    }

    let mut docs = workspace.locked(["doc", "--workspace", "--no-deps"]);
    docs.env("RUSTDOCFLAGS", "-D warnings");
    steps.run("documentation", docs);
    Ok(())
}
