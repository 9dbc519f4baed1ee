//! Everything that decides whether a change may land.

use crate::{
    check, guests,
    guests::Which,
    languages::{self, Outcome},
    steps::Steps,
    workspace::Workspace,
};
use anyhow::Context as _;
use std::{collections::BTreeSet, fs, io, path::Path, process::ExitCode};

pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<ExitCode> {
    let mut steps = Steps::new("test", workspace.ci);
    check::all(workspace, &mut steps)?;
    if steps.perform("guests", "cargo xtask guests", || guests::build(Which::All).map(drop)) {
        rooms(workspace, &mut steps);
        tests(workspace, &mut steps)?;
    } else {
        steps.skip("tests", "they need the guests, which did not build");
    }
    Ok(steps.finish())
}

/// The room example in the languages that are not Rust.
fn rooms(workspace: &Workspace, steps: &mut Steps) {
    let mut outcomes = Vec::new();
    steps.perform("rooms", "cargo xtask guests --rooms", || {
        outcomes = languages::build(workspace, &workspace.target.join("guests"))?;
        Ok(())
    });
    for outcome in outcomes {
        match outcome {
            Outcome::Built(_) => {}
            Outcome::Missing { language, why, in_ci: true } => {
                steps.skip(&format!("the room in {language}"), why);
            }
            missing @ Outcome::Missing { .. } => println!("{missing}"),
        }
    }
}

fn tests(workspace: &Workspace, steps: &mut Steps) -> anyhow::Result<()> {
    for manifest in workspace.other_manifests()? {
        let command = workspace.locked(["test", "--manifest-path", &manifest, "--workspace"]);
        steps.run(&format!("tests of {manifest}"), command);
    }

    // A test that lacks its tool passes and writes a line here (`support::skip`).
    let skips = workspace.target.join("skipped-tests");
    forget(&skips)?;
    if !steps.run("build of the tests", workspace.locked(["test", "--workspace", "--no-run"])) {
        return Ok(());
    }
    let mut command = workspace.locked(["test", "--workspace", "--no-fail-fast"]);
    command.env("TENGEN_SKIPPED", &skips);
    steps.run("tests", command);
    for (group, why) in skipped(&skips)? {
        steps.skip(&group, why);
    }
    Ok(())
}

fn forget(file: &Path) -> anyhow::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove `{}`", file.display()))
        }
        _ => Ok(()),
    }
}

/// What the tests wrote, each group once: `group<tab>why`.
fn skipped(file: &Path) -> anyhow::Result<BTreeSet<(String, String)>> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read `{}`", file.display()));
        }
    };
    Ok(text
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(group, why)| (group.into(), why.into()))
        .collect())
}
