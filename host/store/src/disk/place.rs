//! The file's place: made at once or not at all, for this user alone.

use redb::{DatabaseError, backends::FileBackend};
use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Nobody else may read what plugins put away.
const MODE: u32 = 0o600;

/// Makes the file if there is none. One that is begun and not finished never has its name: nobody could tell it from one that is
/// no store.
pub(super) fn make(
    path: &Path,
    fill: impl FnOnce(FileBackend) -> Result<(), DatabaseError>,
) -> Result<(), DatabaseError> {
    if path.try_exists()? {
        return Ok(());
    }
    let begun = beside(path);
    let file = options().create(true).truncate(true).open(&begun)?;
    let filled = fill(FileBackend::new(file)?);
    // Whoever was first has made it.
    let named = filled.and_then(|()| match fs::hard_link(&begun, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error.into()),
        _ => Ok(()),
    });
    let removed = fs::remove_file(&begun);
    named?;
    removed?;
    // The name itself has to outlive a loss of power as well.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(())
}

pub(super) fn open(path: &Path) -> Result<FileBackend, DatabaseError> {
    let file = options().open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no file").into());
    }
    FileBackend::new(file)
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(MODE);
    options
}

/// Another name in the same folder, of this process.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    path.with_file_name(name)
}
