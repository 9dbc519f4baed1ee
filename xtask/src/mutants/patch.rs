//! One patch of `tests/mutants`: which guard it removes, and which test must then fail.

use crate::git::{self, git};
use crate::guests;
use anyhow::Context as _;
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A patch whose header is well formed.
#[derive(Debug)]
pub(super) struct Patch {
    /// The file's name without its ending, as in `07-deadline`.
    pub(super) name: String,
    pub(super) file: PathBuf,
    /// What it removes, in a sentence.
    pub(super) guard: String,
    /// Arguments of `cargo test`; the last is the test's whole path.
    arguments: Vec<String>,
}

/// All patches of a folder, in the order of their numbers. A folder without any is an error: nothing would be checked.
pub(super) fn all(folder: &Path) -> anyhow::Result<Vec<Patch>> {
    let entries =
        folder.read_dir().with_context(|| format!("cannot list `{}`", folder.display()))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|ending| ending == "patch"));
    files.sort();
    anyhow::ensure!(!files.is_empty(), "there is no patch in `{}`", folder.display());
    let mut patches = Vec::<Patch>::new();
    for file in files {
        let text = fs::read_to_string(&file);
        let text = text.with_context(|| format!("cannot read `{}`", file.display()))?;
        let patch =
            Patch::read(file.clone(), &text).with_context(|| format!("{}", file.display()))?;
        let taken = patches.iter().find(|other| other.number() == patch.number());
        if let Some(other) = taken {
            anyhow::bail!("`{}` and `{}` have the same number", other.name, patch.name);
        }
        patches.push(patch);
    }
    Ok(patches)
}

/// Whether a patch may be numbered so.
pub(super) fn is_number(text: &str) -> bool {
    matches!(text.len(), 2..=4) && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl Patch {
    fn read(file: PathBuf, text: &str) -> anyhow::Result<Self> {
        let name = file.file_stem().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let number = name.split_once('-').map(|(number, _)| number).unwrap_or_default();
        anyhow::ensure!(
            is_number(number),
            "a patch is named by a number of two to four digits and some words, as in `07-deadline.patch`"
        );
        let mut lines = text.lines();
        let mut header = |key: &str| {
            let value = lines.next().and_then(|line| line.strip_prefix(key)).map(str::trim);
            value.filter(|value| !value.is_empty()).map(str::to_owned).with_context(|| {
                format!("the header is two lines, `guard: …` and `test: …`; `{key}` is missing")
            })
        };
        let (guard, test) = (header("guard:")?, header("test:")?);
        anyhow::ensure!(
            lines.next() == Some("")
                && lines.next().is_some_and(|line| line.starts_with("diff --git a/")),
            "after the header come an empty line and what `git diff` prints"
        );
        let arguments: Vec<String> = test.split_whitespace().map(str::to_owned).collect();
        let whole = arguments.last().is_some_and(|test| !test.starts_with('-') && is_path(test));
        anyhow::ensure!(
            whole && arguments.len() > 1,
            "`test:` ends in the test's whole path, after what selects its binary: `-p tengen --lib format::json::tests::…`"
        );
        Ok(Self { name, file, guard, arguments })
    }

    pub(super) fn number(&self) -> &str {
        self.name.split_once('-').map_or("", |(number, _)| number)
    }

    /// The test's whole path.
    pub(super) fn test(&self) -> &str {
        self.arguments.last().map_or("", String::as_str)
    }

    /// What selects the test's binary.
    pub(super) fn selection(&self) -> &[String] {
        self.arguments.split_last().map_or(&[], |(_, rest)| rest)
    }

    /// Whether its test is one of the whole gateway, which take their guests from the target folder.
    pub(super) fn needs_guests(&self) -> bool {
        self.arguments.iter().any(|argument| argument == "tengen-tests")
    }

    /// Whether it applies to the files as they are, and its test is written down somewhere in its package.
    pub(super) fn check(&self, root: &Path) -> anyhow::Result<()> {
        let mut apply = git(root);
        apply.args(["apply", "--check"]).arg(&self.file);
        git::ask(apply).context("does not apply")?;
        let package = self.package(root)?;
        let name = self.test().rsplit("::").next().unwrap_or_default();
        let written = is_written(&package, &format!("fn {name}("))?;
        anyhow::ensure!(written, "there is no test `{name}` in `{}`", package.display());
        Ok(())
    }

    /// The folder of the package that the test is in.
    fn package(&self, root: &Path) -> anyhow::Result<PathBuf> {
        let value = |keys: &[&str]| {
            let mut arguments = self.arguments.iter();
            arguments.find(|argument| keys.contains(&argument.as_str()))?;
            arguments.next()
        };
        let package =
            value(&["-p", "--package"]).context("`test:` names no package (`-p NAME`)")?;
        let manifest = value(&["--manifest-path"]).map_or("Cargo.toml", String::as_str);
        let metadata = guests::metadata(&root.join(manifest))?;
        let packages = metadata.get("packages").and_then(Value::as_array);
        let mut packages = packages.into_iter().flatten();
        let found = packages.find(|found| found.get("name").is_some_and(|name| name == package));
        let manifest = found.and_then(|found| found.get("manifest_path")).and_then(Value::as_str);
        let folder = manifest.and_then(|manifest| Path::new(manifest).parent());
        folder.map(Path::to_owned).with_context(|| format!("there is no package `{package}`"))
    }
}

/// `modules::and::a_name`
fn is_path(text: &str) -> bool {
    let word =
        |word: &str| !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || c == '_');
    text.split("::").all(word)
}

/// Whether a Rust file under this folder contains the text.
fn is_written(folder: &Path, text: &str) -> anyhow::Result<bool> {
    for entry in folder.read_dir()? {
        let path = entry?.path();
        let found = if path.is_dir() {
            !path.ends_with("target") && is_written(&path, text)?
        } else {
            path.extension().is_some_and(|ending| ending == "rs")
                && fs::read_to_string(&path)?.contains(text)
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const TEXT: &str =
        "guard: the deadline\ntest: -p tengen --lib plugin::tests::a_test\n\ndiff --git a/x b/x\n";

    pub(crate) fn patch(name: &str) -> Patch {
        Patch::read(format!("{name}.patch").into(), TEXT).unwrap()
    }

    #[test]
    fn the_header_names_the_guard_and_the_test() {
        let patch = patch("07-deadline");
        assert_eq!(patch.number(), "07");
        assert_eq!(patch.guard, "the deadline");
        assert_eq!(patch.selection(), ["-p", "tengen", "--lib"]);
        assert_eq!(patch.test(), "plugin::tests::a_test");
    }

    #[track_caller]
    fn refused(name: &str, from: &str, to: &str, why: &str) {
        assert!(TEXT.contains(from));
        let error = Patch::read(format!("{name}.patch").into(), &TEXT.replace(from, to));
        let error = error.unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }

    #[test]
    fn what_is_wrong_with_a_header_is_named() {
        refused("deadline", "x", "x", "two to four digits");
        refused("7-deadline", "x", "x", "two to four digits");
        refused("10007-deadline", "x", "x", "two to four digits");
        refused("07-a", "guard: ", "what: ", "`guard:` is missing");
        refused("07-a", "the deadline", "", "`guard:` is missing");
        refused("07-a", "test: ", "tests: ", "`test:` is missing");
        refused("07-a", "\n\ndiff", "\ndiff", "empty line");
        refused("07-a", "diff --git", "--- ", "empty line");
        refused("07-a", " plugin::tests::a_test", "", "whole path");
        refused("07-a", "-p tengen --lib ", "", "whole path");
        refused("07-a", "::a_test", "::", "whole path");
    }

    #[test]
    fn a_test_of_a_name_is_found_or_missed() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert!(is_written(root, "fn a_test_of_a_name_is_found_or_missed(").unwrap());
        assert!(!is_written(root, &["fn", " no_such_test("].concat()).unwrap());
    }
}
