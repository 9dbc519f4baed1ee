//! What a component was made of, as one line.

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A hash of every file below these folders, by name and content, and of the names of the tools.
pub(super) fn of(folders: &[&Path], tools: &str) -> Result<String> {
    let mut hasher = Sha256::new();
    hasher.update(tools);
    for folder in folders {
        for file in files(folder)? {
            let name = file.strip_prefix(folder).unwrap_or(&file);
            let content =
                fs::read(&file).with_context(|| format!("cannot read `{}`", file.display()))?;
            hasher.update(name.as_os_str().as_encoded_bytes());
            hasher.update((content.len() as u64).to_le_bytes());
            hasher.update(content);
        }
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Every file below a folder, sorted.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot list `{}`", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        match path.is_dir() {
            true => files.extend(self::files(&path)?),
            false => files.push(path),
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_changes_with_a_name_a_content_and_a_tool() {
        let folder = std::env::temp_dir().join(format!("tengen-stamp-{}", std::process::id()));
        fs::create_dir_all(folder.join("below")).unwrap();
        let stamp = |tools| of(&[&folder], tools).unwrap();
        let mut seen = vec![stamp("a"), stamp("b")];
        fs::write(folder.join("below/one"), "1").unwrap();
        seen.push(stamp("b"));
        fs::write(folder.join("below/one"), "2").unwrap();
        seen.push(stamp("b"));
        fs::rename(folder.join("below/one"), folder.join("below/two")).unwrap();
        seen.push(stamp("b"));
        assert_eq!(stamp("b"), stamp("b"));
        fs::remove_dir_all(&folder).unwrap();
        let all = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), all);
    }
}
