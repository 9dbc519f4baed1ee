//! Components for tests, built by `cargo xtask guests` before the tests run.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use tengen_settings::Plugin;

/// The component of a fixture or a shipped plugin.
pub fn path(name: &str) -> Result<PathBuf> {
    // The test binary lies in `<target>/<profile>/deps`.
    let own = std::env::current_exe()?;
    let target = own.ancestors().nth(3).context("the test runs outside a target folder")?;
    let file = target.join("guests").join(format!("{name}.wasm"));
    if !file.is_file() {
        bail!("the guest `{name}` is not built: run `cargo xtask guests`");
    }
    Ok(file)
}

/// A plugin with default settings in that component.
pub fn plugin(name: &str) -> Result<Plugin> {
    Ok(Plugin::new(path(name)?))
}

/// Puts a component where a gateway watches, as build tools do: a temporary name, then a rename.
pub fn install(name: &str, at: &Path) -> Result<()> {
    let temporary = at.with_extension("part");
    std::fs::copy(path(name)?, &temporary)?;
    std::fs::rename(&temporary, at)?;
    Ok(())
}
