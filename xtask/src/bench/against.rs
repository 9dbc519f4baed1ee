//! Another revision's programs and guests, built by itself in a work tree of its own and kept by commit.

use crate::{git, workspace::Workspace};
use anyhow::{Context as _, bail, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// What the bench needs of a revision.
const PROGRAMS: [&str; 2] = ["tengen", "tengen-bench-call"];
/// Written last: what a build that was cut short has left is not taken for whole.
const WHOLE: &str = "whole";

/// A revision to compare with.
#[derive(Debug)]
pub(super) struct Other {
    commit: String,
    /// As in reports: the name that was given and the commit's beginning.
    pub(super) shown: String,
    /// Its programs and guests.
    pub(super) folder: PathBuf,
    /// Where it is checked out and built; kept, so that the next revision compiles what differs.
    tree: Workspace,
    root: PathBuf,
    base: PathBuf,
}

/// Takes `--against REV` out of the arguments.
pub(super) fn asked<'a>(arguments: &[&'a str]) -> anyhow::Result<(Vec<&'a str>, Option<&'a str>)> {
    let (mut rest, mut revision) = (Vec::new(), None);
    let mut arguments = arguments.iter().copied();
    while let Some(argument) = arguments.next() {
        let named = match argument {
            "--against" => arguments.next().unwrap_or_default(),
            _ => match argument.strip_prefix("--against=") {
                Some(named) => named,
                None => {
                    rest.push(argument);
                    continue;
                }
            },
        };
        if named.is_empty() || named.starts_with('-') {
            bail!("`--against` needs a revision, as in `--against main`");
        }
        ensure!(revision.replace(named).is_none(), "`--against` is there twice");
    }
    Ok((rest, revision))
}

impl Other {
    pub(super) fn named(workspace: &Workspace, name: &str) -> anyhow::Result<Self> {
        let commit = git::commit(&workspace.root, name)?;
        let base = workspace.target.join("bench");
        let short: String = commit.chars().take(10).collect();
        Ok(Self {
            shown: if commit.starts_with(name) { short } else { format!("{name} ({short})") },
            folder: base.join(&commit),
            tree: Workspace {
                root: base.join("tree"),
                target: base.join("target"),
                ci: workspace.ci,
            },
            commit,
            root: workspace.root.clone(),
            base,
        })
    }

    /// Where the bench keeps what a bare echo cost at its cheapest on this machine.
    pub(super) fn quiet(&self) -> PathBuf {
        self.base.join("quiet")
    }

    /// Builds it, unless that was done before.
    pub(super) fn build(&self) -> anyhow::Result<()> {
        if self.folder.join(WHOLE).is_file() {
            return Ok(());
        }
        eprintln!(
            "building {}: once for each revision, as long as a release build takes",
            self.shown
        );
        git::work_tree(&self.root, &self.tree.root, &self.commit)
            .context("cannot check the revision out")?;
        fs::create_dir_all(&self.folder)?;
        // Its own guests by its own tools: the interface may be another one.
        let mut guests = self.tree.cargo(["xtask", "guests", "--out"]);
        guests.arg(self.folder.join("guests"));
        self.step(guests, "its guests")?;
        let build =
            ["build", "--release", "--package", "tengen", "--package", "tengen-bench", "--bins"];
        self.step(self.tree.locked(build), "its programs")?;
        for program in PROGRAMS {
            copy(&self.tree.target.join("release").join(program), &self.folder.join(program))?;
        }
        fs::write(self.folder.join(WHOLE), "")?;
        Ok(())
    }

    fn step(&self, mut command: Command, what: &str) -> anyhow::Result<()> {
        // Standard output is the report's.
        command.stdout(std::io::stderr());
        let status = command.status().context("cannot start cargo")?;
        ensure!(status.success(), "{what} ({}) did not build", self.shown);
        Ok(())
    }
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::copy(from, to).with_context(|| format!("cannot keep `{}`", from.display())).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(arguments: &[&str], expected: Option<(&[&str], Option<&str>)>) {
        let asked = asked(arguments).ok();
        let expected = expected.map(|(rest, revision)| (rest.to_vec(), revision));
        assert_eq!(asked, expected, "{arguments:?}");
    }

    #[test]
    fn the_revision_is_taken_out_and_the_rest_handed_on() {
        check(&["echo", "--against", "main", "raw"], Some((&["echo", "raw"], Some("main"))));
        check(&["--against=v0.1.0", "all"], Some((&["all"], Some("v0.1.0"))));
        check(&["all", "--gate"], Some((&["all", "--gate"], None)));
    }

    #[test]
    fn a_revision_that_is_missing_or_doubled_is_refused() {
        check(&["all", "--against"], None);
        check(&["all", "--against", "--gate"], None);
        check(&["--against=", "all"], None);
        check(&["--against", "a", "--against", "b"], None);
    }
}
