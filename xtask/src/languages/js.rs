//! JavaScript: `componentize-qjs` puts QuickJS and the plugin's source into one component.

use super::{Site, WORLD, pins, run};
use crate::workspace::on_path;
use anyhow::{Context as _, Result};
use std::{fs, path::PathBuf, process::Command};

pub(super) fn tools(site: &Site) -> Result<(), String> {
    if modules(site).is_dir() {
        return Ok(());
    }
    if !["node", "npm"].into_iter().all(on_path) {
        return Err("no node or npm: `apt-get install nodejs npm`".to_owned());
    }
    let name = pins::COMPONENTIZE_QJS;
    install(site).map_err(|error| format!("npm's {name} cannot be installed: {error:#}"))
}

/// `--sync`: the gateway takes no component that waits by itself. `--stub-wasi`: nothing of WASI is imported, what would be
/// is a trap.
pub(super) fn build(site: &Site) -> Result<Vec<u8>> {
    let component = site.work.join("component.wasm");
    run(Command::new("node")
        .arg(modules(site).join(".bin/componentize-qjs"))
        .arg("--wit")
        .arg(&site.wit)
        .args(["--world", WORLD, "--sync", "--stub-wasi", "--js"])
        .arg(site.source.join(format!("{}.js", site.name)))
        .arg("--output")
        .arg(&component))?;
    fs::read(&component).with_context(|| format!("cannot read `{}`", component.display()))
}

fn modules(site: &Site) -> PathBuf {
    site.tools.join(pins::COMPONENTIZE_QJS).join("node_modules")
}

fn install(site: &Site) -> Result<()> {
    let folder = site.tools.join(pins::COMPONENTIZE_QJS);
    // What is begun and not finished never has the name.
    let partly = site.tools.join(format!("{}.part", pins::COMPONENTIZE_QJS));
    for old in [&folder, &partly] {
        if old.is_dir() {
            fs::remove_dir_all(old)?;
        }
    }
    fs::create_dir_all(&partly)?;
    run(Command::new("npm")
        .current_dir(&partly)
        .args(["install", "--no-audit", "--no-fund", "--no-save", "--prefix", "."])
        .arg(pins::COMPONENTIZE_QJS))?;
    fs::rename(&partly, &folder).with_context(|| format!("cannot make `{}`", folder.display()))
}
