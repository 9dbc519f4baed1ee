//! The gateway's crates and what each depends on, as ARCHITECTURE.md shows them.

use crate::{guests, workspace::Workspace};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::{collections::BTreeMap, fmt::Write as _, process::ExitCode};

/// The command `cargo xtask crates`.
pub(crate) fn run(workspace: &Workspace) -> Result<ExitCode> {
    print!("{}", picture(workspace)?);
    Ok(ExitCode::SUCCESS)
}

/// A line for each crate in `host`, those that others depend on first.
fn picture(workspace: &Workspace) -> Result<String> {
    let metadata = guests::metadata(&workspace.root.join("Cargo.toml"))?;
    let packages = metadata.get("packages").and_then(Value::as_array).context("no packages")?;
    let inside = workspace.root.join("host");
    let path = |package: &&Value| {
        let manifest = package.get("manifest_path").and_then(Value::as_str);
        manifest.is_some_and(|manifest| std::path::Path::new(manifest).starts_with(&inside))
    };
    let crates: BTreeMap<&str, &Value> = packages
        .iter()
        .filter(path)
        .filter_map(|package| Some((package.get("name")?.as_str()?, package)))
        .collect();
    let mut left: BTreeMap<&str, Vec<&str>> = crates
        .iter()
        .map(|(name, package)| (*name, needs(package, &|other| crates.contains_key(other))))
        .collect();
    let (mut drawn, mut text) = (Vec::new(), String::new());
    while !left.is_empty() {
        let free = left.iter().filter(|(_, needs)| needs.iter().all(|name| drawn.contains(name)));
        let free: Vec<&str> = free.map(|(name, _)| *name).collect();
        ensure!(!free.is_empty(), "these crates depend on each other: {:?}", left.keys());
        // The fewer it needs, the lower it stands.
        for name in free {
            let mut needs = left.remove(name).unwrap_or_default();
            needs.sort_by_key(|name| drawn.iter().position(|other| other == name));
            let needs: Vec<_> =
                needs.iter().map(|name| name.trim_start_matches("tengen-")).collect();
            let line = format!("{name:<18}{}", needs.join(", "));
            writeln!(text, "{}", line.trim_end())?;
            drawn.push(name);
        }
    }
    Ok(text)
}

/// What a package itself depends on, its tests apart.
fn needs<'p>(package: &'p Value, is_ours: &dyn Fn(&str) -> bool) -> Vec<&'p str> {
    let all = package.get("dependencies").and_then(Value::as_array).into_iter().flatten();
    let normal = all.filter(|dependency| dependency.get("kind").is_none_or(Value::is_null));
    let names = normal.filter_map(|dependency| dependency.get("name").and_then(Value::as_str));
    names.filter(|name| is_ours(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_architecture_shows_the_crates_as_they_are() -> Result<()> {
        let workspace = Workspace::find()?;
        let document = std::fs::read_to_string(workspace.root.join("ARCHITECTURE.md"))?;
        let picture = picture(&workspace)?;
        assert!(document.contains(&picture), "not in ARCHITECTURE.md:\n{picture}");
        Ok(())
    }
}
