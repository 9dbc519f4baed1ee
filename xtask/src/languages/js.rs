//! JavaScript: `componentize-qjs` puts QuickJS and the plugin's source into one component.

use super::{Site, WORLD, pins, run};
use crate::workspace::on_path;
use anyhow::{Context as _, Result};
use std::{fs, path::PathBuf, process::Command};

pub(super) fn missing() -> Option<&'static str> {
    let remedy = "no node or npm: `apt-get install nodejs npm`";
    (!["node", "npm"].into_iter().all(on_path)).then_some(remedy)
}

/// `--sync`: the gateway takes no component that waits by itself. `--stub-wasi`: nothing of WASI is imported, what would be
/// is a trap.
pub(super) fn build(site: &Site) -> Result<Vec<u8>> {
    let modules = install(site)?;
    let component = site.work.join("room.wasm");
    run(Command::new("node")
        .arg(modules.join(".bin/componentize-qjs"))
        .arg("--wit")
        .arg(&site.wit)
        .args(["--world", WORLD, "--sync", "--stub-wasi", "--js"])
        .arg(site.source.join("room.js"))
        .arg("--output")
        .arg(&component))?;
    fs::read(&component).with_context(|| format!("cannot read `{}`", component.display()))
}

fn install(site: &Site) -> Result<PathBuf> {
    let folder = site.tools.join(pins::COMPONENTIZE_QJS);
    let modules = folder.join("node_modules");
    if modules.is_dir() {
        return Ok(modules);
    }
    fs::create_dir_all(&folder)?;
    run(Command::new("npm")
        .current_dir(&folder)
        .args(["install", "--no-audit", "--no-fund", "--no-save", "--prefix", "."])
        .arg(pins::COMPONENTIZE_QJS))
    .context("is npm's registry reachable?")?;
    Ok(modules)
}
