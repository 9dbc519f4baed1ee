//! The file, as the thread writes it: opened, and opened anew after something has failed.

use super::{
    contents,
    error::{CommitError, OpenError, Why},
    line::Batch,
    place,
};
use redb::{Builder, Database, DatabaseError, StorageBackend};
use std::{
    fmt, fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};
use tengen_core::store::Tables;

/// What redb keeps of the file in memory: our own copy is what is read.
const CACHE: usize = 4 << 20;

/// Where batches go.
pub(crate) trait Commit: Send + 'static {
    /// The batch is on the disk when this returns, whole; or it failed and can be tried again.
    fn commit(&mut self, batch: &Batch) -> Result<(), CommitError>;

    /// There is no further batch. `clean`: all that was ever written is there.
    fn close(self, clean: bool) -> Result<(), CommitError>;
}

/// How the file is opened; `true`: and checked from end to end.
type Opener = Box<dyn FnMut(bool) -> Result<Database, DatabaseError> + Send>;

pub(crate) struct File {
    opener: Opener,
    /// None after it has failed.
    database: Option<Database>,
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").finish_non_exhaustive()
    }
}

impl File {
    /// Opens the file, or makes it, and reads all of it.
    pub(crate) fn open(path: &Path, tables: &mut Tables) -> Result<Self, OpenError> {
        let failed = |why| OpenError::new(path, why);
        place::make(path, |empty| database(empty, false).map(drop))
            .map_err(|error| failed(error.into()))?;
        let length = fs::metadata(path).map_err(|error| failed(Why::Io(error)))?.len();
        let at = path.to_owned();
        let opener = Box::new(move |checked| database(place::open(&at)?, checked));
        Self::with(opener, length, tables).map_err(failed)
    }

    fn with(mut opener: Opener, length: u64, tables: &mut Tables) -> Result<Self, Why> {
        let begun = AssertUnwindSafe(|| {
            let mut database = opener(true)?;
            contents::read(&database, tables)?;
            contents::make_smaller(&mut database, tables, length)?;
            contents::begin(&database, tables)?;
            Ok(database)
        });
        // redb does not check all that it reads: a damaged file may have it panic.
        let panicked = || Err(Why::Damaged("the database panicked at it".into()));
        let database = catch_unwind(begun).unwrap_or_else(|_| panicked())?;
        Ok(Self { opener, database: Some(database) })
    }
}

fn database(backend: impl StorageBackend, checked: bool) -> Result<Database, DatabaseError> {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE).set_check_integrity_on_open(checked);
    builder.create_with_backend(backend)
}

impl Commit for File {
    fn commit(&mut self, batch: &Batch) -> Result<(), CommitError> {
        // While it is not here, it has failed: it is closed before it is opened anew.
        let database = match self.database.take() {
            Some(database) => database,
            None => (self.opener)(false)?,
        };
        contents::write(&database, batch)?;
        self.database = Some(database);
        Ok(())
    }

    fn close(self, clean: bool) -> Result<(), CommitError> {
        let Some(database) = self.database else { return Ok(()) };
        if clean {
            contents::end(&database)?;
        }
        Ok(database.close()?)
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
