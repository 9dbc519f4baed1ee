//! Tests whose tool is not on this machine.

use anyhow::Context as _;
use std::{fs::OpenOptions, io::Write as _};

/// Notes that a group of tests is left out: what is missing, and the command that installs it.
///
/// `cargo xtask test` names each group once at its end. With `CI=true` it is an error, so that nothing is left out
/// where changes are judged.
pub fn skip(group: &str, missing: &str, remedy: &str) -> anyhow::Result<()> {
    let ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    anyhow::ensure!(!ci, "{group}: {missing}: {remedy}");
    if let Some(file) = std::env::var_os("TENGEN_SKIPPED") {
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(file)
            .context("cannot note the skip")?;
        // One write, so that lines of tests that run at once do not mix.
        file.write_all(format!("{group}\t{missing}: {remedy}\n").as_bytes())?;
    }
    Ok(())
}
