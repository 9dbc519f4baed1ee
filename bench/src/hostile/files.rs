//! Whether this process, and a gateway that it starts, may open as many files as an attack has sockets.

use anyhow::{Context as _, Result, ensure};
use std::fs;

/// For everything that is no socket of an attack.
const OTHERS: usize = 300;

/// An error says what to do.
pub(super) fn suffice(sockets: usize) -> Result<()> {
    let limits = fs::read_to_string("/proc/self/limits").context("cannot read the file limit")?;
    let limit = limit(&limits).context("cannot read the file limit")?;
    let needed = sockets + OTHERS;
    ensure!(
        limit >= needed,
        "it opens {sockets} sockets and needs {needed} open files, the limit is {limit}: raise it, by `ulimit -n {needed}`"
    );
    Ok(())
}

/// The soft limit.
fn limit(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_ascii_whitespace().next()? {
        "unlimited" => Some(usize::MAX),
        number => number.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_counts() {
        let text = "Limit                     Soft Limit           Hard Limit           Units\n\
                    Max open files            1024                 20000                files\n";
        assert_eq!(limit(text), Some(1024));
        assert_eq!(limit("Max open files unlimited unlimited files"), Some(usize::MAX));
        assert_eq!(limit("Max locked memory 1 1 bytes"), None);
    }

    #[test]
    fn too_few_files_are_told_with_the_remedy() {
        let why = suffice(usize::MAX / 2).map_err(|error| error.to_string());
        assert!(why.is_err_and(|why| why.contains("ulimit -n ")));
        suffice(0).unwrap();
    }
}
