//! Git, in this folder and no other repository.

use anyhow::Context as _;
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

/// A git command in this folder and no other repository.
pub(crate) fn git(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command.current_dir(folder);
    // A folder without `.git` inside somebody's repository would count as a part of that one, and every patch as applied.
    if let Some(parent) = folder.parent() {
        command.env("GIT_CEILING_DIRECTORIES", parent);
    }
    for key in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"] {
        command.env_remove(key);
    }
    command
}

/// Runs a git command and returns what it printed; its complaint is the error.
pub(crate) fn ask(mut command: Command) -> anyhow::Result<String> {
    let output = command.stdin(Stdio::null()).output().context("cannot start git: install it")?;
    let complaint = || tail(&output.stderr, 10);
    anyhow::ensure!(output.status.success(), "{}", complaint());
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The commit that a name stands for.
pub(crate) fn commit(folder: &Path, name: &str) -> anyhow::Result<String> {
    let mut command = git(folder);
    command.args(["rev-parse", "--verify", "--quiet", "--end-of-options"]);
    command.arg(format!("{name}^{{commit}}"));
    ask(command).with_context(|| format!("`{name}` names no commit"))
}

/// Whether anything differs from HEAD.
pub(crate) fn is_dirty(root: &Path) -> anyhow::Result<bool> {
    let mut status = git(root);
    status.args(["status", "--porcelain"]);
    Ok(!ask(status)?.is_empty())
}

/// A work tree of a commit in this place; what is there already is brought to it, by as few changes as that takes.
pub(crate) fn work_tree(root: &Path, place: &Path, commit: &str) -> anyhow::Result<()> {
    if place.join(".git").exists() {
        clean(place)?;
        let mut checkout = git(place);
        checkout.args(["checkout", "--quiet", "--force", "--detach", commit]);
        return ask(checkout).map(drop);
    }
    if let Some(parent) = place.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut add = git(root);
    // `--force`: it may have been there before somebody emptied the target folder.
    add.args(["worktree", "add", "--quiet", "--force", "--detach"]);
    add.arg(place).arg(commit);
    ask(add).map(drop)
}

/// Puts everything in a work tree back.
pub(crate) fn clean(place: &Path) -> anyhow::Result<()> {
    for arguments in [["reset", "--quiet", "--hard"], ["clean", "--quiet", "-fd"]] {
        let mut command = git(place);
        command.args(arguments);
        ask(command).context("cannot restore the scratch work tree")?;
    }
    Ok(())
}

/// The last lines of what a command said: the first ones of a long report are the least telling.
pub(crate) fn tail(text: &[u8], lines: usize) -> String {
    let text = String::from_utf8_lossy(text);
    let all: Vec<&str> = text.trim().lines().collect();
    all.get(all.len().saturating_sub(lines)..).unwrap_or_default().join("\n")
}
