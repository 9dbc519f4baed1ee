//! The interface of plugins as text: the package that this program was built with.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../../wit/", $name)))),+]
    };
}

/// By their names in the folder.
const FILES: &[(&str, &str)] = files![
    "authenticator.wit",
    "config.wit",
    "directory.wit",
    "handler.wit",
    "key-value.wit",
    "outgoing.wit",
    "plugin.wit",
    "signal-types.wit",
    "signals.wit",
    "snapshot.wit",
    "telemetry-sink.wit",
    "types.wit",
    "world.wit",
];

#[derive(Debug, thiserror::Error)]
pub(super) enum WitError {
    #[error(
        "`{file}` is there and says something else: nothing is written; `--force` overwrites it"
    )]
    Differs { file: PathBuf },
    #[error("`{file}` cannot be written: {source}")]
    Unwritable { file: PathBuf, source: io::Error },
}

/// Writes all files, or none where one is there that says something else; how many there are.
pub(super) fn write(dir: &Path, force: bool) -> Result<usize, WitError> {
    let differs = |(name, text): &&(&str, &str)| {
        fs::read(dir.join(name)).is_ok_and(|there| there != text.as_bytes())
    };
    if let Some((name, _)) = FILES.iter().find(differs).filter(|_| !force) {
        return Err(WitError::Differs { file: dir.join(name) });
    }
    let unwritable = |file: &Path, source| WitError::Unwritable { file: file.to_owned(), source };
    fs::create_dir_all(dir).map_err(|source| unwritable(dir, source))?;
    for (name, text) in FILES {
        let file = dir.join(name);
        fs::write(&file, text).map_err(|source| unwritable(&file, source))?;
    }
    Ok(FILES.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn what_is_written_is_the_whole_package() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("a/wit");
        assert_eq!(write(&dir, false).unwrap(), FILES.len());
        let read = |dir: &Path| {
            let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
            files
                .map(|file| {
                    (file.file_name().unwrap().to_owned(), fs::read_to_string(&file).unwrap())
                })
                .collect::<BTreeMap<_, _>>()
        };
        let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
        assert_eq!(read(&dir), read(&ours));
    }

    #[test]
    fn a_file_that_says_something_else_is_overwritten_by_force_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (own, other) = (folder.path().join("world.wit"), folder.path().join("types.wit"));
        fs::write(&own, "package mine:own;").unwrap();
        let why = write(folder.path(), false).unwrap_err().to_string();
        assert!(why.contains("world.wit") && why.contains("--force"), "{why}");
        assert!(!other.exists(), "nothing is written");
        write(folder.path(), true).unwrap();
        write(folder.path(), false).unwrap();
        assert!(fs::read_to_string(&own).unwrap().starts_with("package tengen:gateway@"));
    }
}
