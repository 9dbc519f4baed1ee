//! Packages of npm, which read and write what is ours without being ours.

use anyhow::{Context, Result, ensure};
use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

/// What to do about a missing program.
pub const REMEDY: &str = "`apt-get install nodejs npm`, with a way to npm's registry";

/// A folder of node's that has one package in exactly this version, kept in cargo's target folder. None when it cannot be had
/// here, which has then been noted ([`crate::skip::skip`]).
pub fn package(name: &str, version: &str) -> Result<Option<PathBuf>> {
    let own = std::env::current_exe()?;
    let target = own.ancestors().nth(3).context("the test runs outside a target folder")?;
    let folder = target.join("npm").join(format!("{name}-{version}"));
    if folder.join("node_modules").join(name).is_dir() {
        return Ok(Some(folder));
    }
    // Made beside, and put in place whole: other tests may want it at the same time.
    let parent = folder.parent().context("it has one")?;
    std::fs::create_dir_all(parent)?;
    let made = tempfile::tempdir_in(parent)?;
    let mut install = Command::new("npm");
    install.args(["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund"]);
    install.arg("--prefix").arg(made.path()).arg(format!("{name}@{version}"));
    install.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let is_there = install.status().is_ok_and(|status| status.success());
    if !is_there || node().arg("--version").output().is_err() {
        crate::skip::skip(
            "tests with packages of npm",
            &format!("no node, or no `{name}`"),
            REMEDY,
        )?;
        return Ok(None);
    }
    if let Err(error) = std::fs::rename(made.path(), &folder) {
        ensure!(folder.is_dir(), "cannot keep `{}`: {error}", folder.display());
    }
    Ok(Some(folder))
}

/// The program `node`, without arguments.
pub fn node() -> Command {
    Command::new("node")
}
