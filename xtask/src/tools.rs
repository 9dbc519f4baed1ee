//! Cargo's own tools, in the versions this project was checked with, installed where only this project uses them.

use crate::workspace::Workspace;
use anyhow::Context as _;
use std::{path::PathBuf, process::Command};

/// A program from the registry, in one version.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// Makes it say its version, as the last word.
    pub(crate) asked: &'static [&'static str],
}

impl Tool {
    /// Where the program is once it is installed.
    pub(crate) fn program(self, workspace: &Workspace) -> PathBuf {
        tools(workspace).join("bin").join(self.name)
    }

    pub(crate) fn is_installed(self, workspace: &Workspace) -> bool {
        let output = Command::new(self.program(workspace)).args(self.asked).output();
        output.is_ok_and(|output| {
            String::from_utf8_lossy(&output.stdout).trim().ends_with(self.version)
        })
    }

    /// `cargo install` with its version, as a person would type it.
    pub(crate) fn shown(self) -> String {
        format!("cargo install {}@{}", self.name, self.version)
    }

    /// Installs it into the target folder unless this version is there already.
    ///
    /// Built without optimisation: one minute instead of many, and a run takes seconds either way.
    pub(crate) fn install(self, workspace: &Workspace) -> anyhow::Result<()> {
        if self.is_installed(workspace) {
            return Ok(());
        }
        let tools = tools(workspace);
        let build = tools.join("build");
        let version = format!("{}@{}", self.name, self.version);
        let status = workspace
            .cargo(["install", "--locked", "--debug", "--force", &version, "--root"])
            .arg(&tools)
            .arg("--target-dir")
            .arg(&build)
            // Nobody looks into it with a debugger, and what is not written for one is a fifth of the work.
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .status()
            .context("cannot start cargo")?;
        anyhow::ensure!(
            status.success(),
            "`cargo install {version}` failed: is the registry reachable?"
        );
        // Hundreds of megabytes that nothing needs again.
        std::fs::remove_dir_all(&build)
            .with_context(|| format!("cannot remove `{}`", build.display()))
    }
}

fn tools(workspace: &Workspace) -> PathBuf {
    workspace.target.join("tools")
}
