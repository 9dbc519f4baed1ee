//! The repository's own files, for tests that read them.

use anyhow::Context as _;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// What is built or fetched, and what git keeps.
const NOT_OURS: [&str; 4] = ["target", "node_modules", "__pycache__", ".git"];

/// The repository's root.
pub fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_owned()
}

/// The text of a file, by its path from the root.
pub fn read(path: &str) -> anyhow::Result<String> {
    fs::read_to_string(root().join(path)).with_context(|| format!("cannot read `{path}`"))
}

/// The files under a folder that end in one of these, as paths from the root, sorted. A missing folder has none.
pub fn files(folder: &str, endings: &[&str]) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in list(&folder)? {
            let name = entry
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default();
            if entry.is_dir() && !NOT_OURS.contains(&name.as_str()) {
                folders.push(entry);
            } else if entry.is_file() && endings.iter().any(|ending| name.ends_with(ending)) {
                let path = entry.strip_prefix(root()).unwrap_or(&entry);
                found.push(path.to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The names of the folders in a folder, sorted. A missing folder has none.
pub fn folders(folder: &str) -> anyhow::Result<Vec<String>> {
    let entries = list(&root().join(folder))?.into_iter().filter(|entry| entry.is_dir());
    let names = entries
        .filter_map(|entry| entry.file_name().map(|name| name.to_string_lossy().into_owned()));
    let mut names: Vec<String> = names.filter(|name| !NOT_OURS.contains(&name.as_str())).collect();
    names.sort();
    Ok(names)
}

fn list(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot list `{}`", folder.display()))?;
    entries.map(|entry| Ok(entry?.path())).collect()
}
