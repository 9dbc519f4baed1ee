//! Go: its own compiler, for WASI's first preview, with the runtime of the bindings.

use super::{Site, bindings, run};
use crate::guests;
use anyhow::{Context as _, Result};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

pub(super) fn tools(_: &Site) -> Result<(), String> {
    let version = Command::new("go").args(["env", "GOVERSION"]).output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let is_new = version.is_ok_and(|version| at_least_1_26(version.trim()));
    is_new.then_some(()).ok_or_else(|| "no Go of version 1.26 or newer: install one".to_owned())
}

/// Whether a text such as `go1.26.8` is of such a version.
fn at_least_1_26(version: &str) -> bool {
    let mut numbers = version.trim_start_matches("go").split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= (1, 26),
        _ => false,
    }
}

/// The bindings make a module of their own; the plugin's source is laid beside them, as the package that they call.
pub(super) fn build(site: &Site) -> Result<Vec<u8>> {
    bindings::write(site, wit_bindgen_go::Opts::default().build(), &site.work)?;
    lay(&site.source, &site.work)?;
    let runtime = format!("-replace=go.bytecodealliance.org/pkg={}", runtime()?.display());
    run(go(site).args(["mod", "edit", &runtime]))?;
    run(go(site)
        .args(["build", "-buildmode=c-shared"])
        // Without the last two functions have names. What Go says of a panic has lines in either case.
        .arg(if site.lines {
            "-ldflags=-checklinkname=0"
        } else {
            "-ldflags=-checklinkname=0 -s -w"
        })
        .args(["-o", "core.wasm", "."]))?;
    let module = site.work.join("core.wasm");
    let mut module =
        fs::read(&module).with_context(|| format!("cannot read `{}`", module.display()))?;
    bindings::embed(site, &mut module)?;
    bindings::component(&module)
}

fn go(site: &Site) -> Command {
    let mut command = Command::new("go");
    command.current_dir(&site.work);
    command.env("GOOS", "wasip1").env("GOARCH", "wasm").env("GOFLAGS", "-mod=mod -buildvcs=false");
    // The one package besides Go's own comes with the bindings, see `runtime`.
    command.env("GOPROXY", "off").env("GOSUMDB", "off").env("GOTOOLCHAIN", "local");
    command
}

/// Copies a folder's files, those of folders in it into folders of their names.
fn lay(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, copy) = (entry.path(), to.join(entry.file_name()));
        match path.is_dir() {
            true => lay(&path, &copy)?,
            false => drop(fs::copy(&path, &copy)?),
        }
    }
    Ok(())
}

/// The bindings' own package of Go: it comes in their crate, in the version that they are made for.
fn runtime() -> Result<PathBuf> {
    let metadata = guests::whole_metadata()?;
    let packages = metadata.get("packages").and_then(Value::as_array).context("no packages")?;
    let manifest = packages
        .iter()
        .find(|package| package.get("name").is_some_and(|name| name == "wit-bindgen-go"))
        .and_then(|package| package.get("manifest_path")?.as_str())
        .context("the bindings of Go are no dependency")?;
    let folder = Path::new(manifest).parent().context("no folder")?.join("src/pkg");
    anyhow::ensure!(folder.join("go.mod").is_file(), "`{}` has no Go in it", folder.display());
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::at_least_1_26;

    #[test]
    fn a_version_is_compared_by_its_numbers() {
        for (version, is_new) in [
            ("go1.26", true),
            ("go1.26.8", true),
            ("go1.9.7", false),
            ("go1.25.9", false),
            ("go2.0", true),
            ("", false),
            ("devel", false),
        ] {
            assert_eq!(at_least_1_26(version), is_new, "{version}");
        }
    }
}
