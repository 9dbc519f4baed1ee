//! Python: `componentize-py` puts the interpreter, the library and the plugin's source into one component.

use super::{Site, WORLD, pins, run};
use anyhow::{Context as _, Result};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

pub(super) fn tools(site: &Site) -> Result<(), String> {
    install(site, pins::COMPONENTIZE_PY).map(drop)
}

/// With `-s` the component imports nothing of WASI: what it would import traps. While developing one leaves it out, for with
/// it `print` is such a trap.
pub(super) fn build(site: &Site) -> Result<Vec<u8>> {
    let packages = folder(site, pins::COMPONENTIZE_PY);
    let component = site.work.join("component.wasm");
    run(python(&packages)
        .arg(packages.join("bin/componentize-py"))
        .arg("-d")
        .arg(&site.wit)
        .args(["-w", WORLD, "componentize"])
        .args((!site.lines).then_some("-s"))
        .arg("-p")
        .arg(&site.source)
        .args([site.name, "-o"])
        .arg(&component))?;
    fs::read(&component).with_context(|| format!("cannot read `{}`", component.display()))
}

/// Python with these packages besides its own.
pub(super) fn python(packages: &Path) -> Command {
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", packages).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Where a package of PyPI's is, once it is installed.
pub(super) fn folder(site: &Site, package: &str) -> PathBuf {
    site.tools.join(package)
}

/// Installs a package of PyPI's in one version, in a folder of that name. Otherwise says what is missing.
pub(super) fn install(site: &Site, package: &str) -> Result<(), String> {
    let folder = folder(site, package);
    if folder.is_dir() {
        return Ok(());
    }
    let works = Command::new("python3").args(["-m", "pip", "--version"]).output();
    if !works.is_ok_and(|output| output.status.success()) {
        return Err("no python3 with pip: `apt-get install python3-pip`".to_owned());
    }
    let installed = download(package, &site.tools.join(format!("{package}.part")), &folder);
    installed.map_err(|error| format!("PyPI's {package} cannot be installed: {error:#}"))
}

/// The folder is whole or not there at all: an installation that was interrupted is begun anew.
fn download(package: &str, partly: &Path, folder: &Path) -> Result<()> {
    if partly.is_dir() {
        fs::remove_dir_all(partly)?;
    }
    run(Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"])
        .arg("--target")
        .arg(partly)
        .arg(package))?;
    fs::rename(partly, folder).with_context(|| format!("cannot make `{}`", folder.display()))
}
