//! Why the store's file cannot be used, and what to do; why a batch did not get there.

use redb::{DatabaseError, StorageError};
use std::{
    error::Error,
    fmt, io,
    path::{Path, PathBuf},
};

/// The store's file cannot be used. Says which, why, and what to do.
#[derive(Debug)]
pub struct OpenError {
    path: PathBuf,
    why: Why,
}

#[derive(Debug)]
pub(crate) enum Why {
    /// The system refuses it.
    Io(io::Error),
    /// Another process has it.
    Taken,
    /// It is no store of ours.
    Foreign,
    /// It was written by another version, in this format.
    Format(u64),
    /// It was a store, and is damaged.
    Damaged(String),
    /// There is no thread for it.
    Thread(io::Error),
}

impl OpenError {
    pub(crate) fn new(path: &Path, why: Why) -> Self {
        Self { path: path.to_owned(), why }
    }

    pub(crate) fn thread(path: &Path, error: io::Error) -> Self {
        Self::new(path, Why::Thread(error))
    }
}

impl From<DatabaseError> for Why {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => Self::Taken,
            DatabaseError::UpgradeRequired(format) => Self::Format(format.into()),
            // So redb says that a file does not begin as its files do.
            DatabaseError::Storage(StorageError::Io(error))
                if error.kind() == io::ErrorKind::InvalidData =>
            {
                Self::Foreign
            }
            DatabaseError::Storage(StorageError::Io(error)) => Self::Io(error),
            error => Self::Damaged(error.to_string()),
        }
    }
}

impl From<redb::Error> for Why {
    fn from(error: redb::Error) -> Self {
        match error {
            redb::Error::Io(error) => Self::Io(error),
            error => Self::Damaged(error.to_string()),
        }
    }
}

/// Why a batch did not get to the disk.
#[derive(Debug)]
pub(crate) enum CommitError {
    Redb(Box<redb::Error>),
    Panicked,
}

impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Redb(error) => error.fmt(f),
            Self::Panicked => f.write_str("the database panicked"),
        }
    }
}

impl<E: Into<redb::Error>> From<E> for CommitError {
    fn from(error: E) -> Self {
        Self::Redb(Box::new(error.into()))
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.why {
            Why::Io(error) if error.kind() == io::ErrorKind::NotFound => {
                write!(f, "the key-value store `{path}` cannot be made: make its folder first")
            }
            Why::Io(_) => write!(
                f,
                "the key-value store `{path}` cannot be opened: see to it that it is a file that this user may read and write"
            ),
            Why::Taken => write!(
                f,
                "the key-value store `{path}` is in use by another process: give each gateway a file of its own"
            ),
            Why::Foreign => write!(
                f,
                "`{path}` is no key-value store of this gateway: name another file as `store.path`"
            ),
            Why::Format(format) => write!(
                f,
                "the key-value store `{path}` has the format {format}, which this version does not read: run the version that wrote it, or name another file as `store.path`"
            ),
            Why::Damaged(what) => write!(
                f,
                "the key-value store `{path}` is damaged ({what}): put a copy of it in its place, or move it away to begin with an empty one"
            ),
            Why::Thread(_) => write!(f, "the key-value store `{path}` has no thread to write it"),
        }
    }
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.why {
            Why::Io(error) | Why::Thread(error) => Some(error),
            _ => None,
        }
    }
}
