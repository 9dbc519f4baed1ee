//! Where things are, and how cargo is called.

use crate::guests;
use anyhow::Context as _;
use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The repository's work tree.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// Cargo's target folder, and ours.
    pub(crate) target: PathBuf,
    /// `CI=true`: what would be a skip is a failure, and lock files must not change.
    pub(crate) ci: bool,
}

impl Workspace {
    pub(crate) fn find() -> anyhow::Result<Self> {
        // Cargo sets it for what it runs; a binary that was moved has only its build's.
        let manifest =
            env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root =
            Path::new(&manifest).parent().context("`xtask` has no parent folder")?.to_owned();
        let target = guests::target_directory()?;
        let ci = env::var_os("CI").is_some_and(|value| value == "true");
        Ok(Self { root, target, ci })
    }

    /// A cargo command at the root, its target folder ours.
    pub(crate) fn cargo<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(&self.root).args(arguments).env("CARGO_TARGET_DIR", &self.target);
        // Build scripts that look at these would run again whenever cargo is called the other way.
        for (key, _) in env::vars_os() {
            let ours = key.to_str().is_some_and(|key| {
                key.starts_with("CARGO_PKG_") || key.starts_with("CARGO_MANIFEST_")
            });
            if ours {
                command.env_remove(key);
            }
        }
        command
    }

    /// A cargo command that reads the lock file, which in CI must be up to date.
    pub(crate) fn locked<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut arguments: Vec<&str> = arguments.into_iter().collect();
        if self.ci {
            // Before `--`: after it the argument would be the lint driver's.
            let end =
                arguments.iter().position(|argument| *argument == "--").unwrap_or(arguments.len());
            arguments.insert(end, "--locked");
        }
        self.cargo(arguments)
    }

    /// The manifests of the other workspaces, relative to the root: the fuzz targets, which are built with a fuzzer around
    /// them, and examples that are workspaces of their own. An example that is not is a member of the root's: from its
    /// folder, cargo would take all members once more.
    pub(crate) fn other_manifests(&self) -> anyhow::Result<Vec<String>> {
        let mut manifests: Vec<String> = vec!["fuzz/Cargo.toml".into()];
        for example in self.folders("examples")? {
            manifests.push(format!("examples/{example}/Cargo.toml"));
        }
        manifests.retain(|manifest| {
            fs::read_to_string(self.root.join(manifest)).is_ok_and(|text| is_a_workspace(&text))
        });
        Ok(manifests)
    }

    /// The names of the folders in a folder, sorted; none when it does not exist.
    fn folders(&self, parent: &str) -> anyhow::Result<Vec<String>> {
        let parent = self.root.join(parent);
        if !parent.is_dir() {
            return Ok(Vec::new());
        }
        let mut names = Vec::new();
        for entry in
            parent.read_dir().with_context(|| format!("cannot list `{}`", parent.display()))?
        {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                names.extend(entry.file_name().into_string().ok());
            }
        }
        names.sort();
        Ok(names)
    }
}

fn is_a_workspace(manifest: &str) -> bool {
    manifest.lines().any(|line| {
        let line = line.trim_start();
        line.starts_with("[workspace]") || line.starts_with("[workspace.")
    })
}

/// Whether a program of this name is on the PATH; a path is looked at as it is.
pub(crate) fn on_path(program: &str) -> bool {
    env::var_os("PATH")
        .is_some_and(|path| env::split_paths(&path).any(|dir| dir.join(program).is_file()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_member_of_the_root_is_taken_for_a_workspace_of_its_own() {
        let workspace = Workspace::find().unwrap();
        let others = workspace.other_manifests().unwrap();
        assert_eq!(others[0], "fuzz/Cargo.toml");
        let metadata = guests::metadata(&workspace.root.join("Cargo.toml")).unwrap();
        let members: BTreeSet<PathBuf> = metadata["packages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|package| package["manifest_path"].as_str().unwrap().into())
            .collect();
        for other in others {
            assert!(!members.contains(&workspace.root.join(&other)), "`{other}` is both");
        }
    }
}
