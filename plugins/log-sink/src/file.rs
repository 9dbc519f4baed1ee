//! A file of whole lines, and the one before it.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// Takes whole lines or none, and makes place for a new file when it has grown too large.
#[derive(Debug)]
pub struct File {
    path: PathBuf,
    file: fs::File,
    length: u64,
    max_bytes: u64,
}

impl File {
    /// Opens the file, or continues it.
    pub fn open(path: impl AsRef<Path>, max_bytes: u64) -> io::Result<Self> {
        let path = path.as_ref().to_owned();
        let file = fs::OpenOptions::new().append(true).create(true).open(&path)?;
        let length = file.metadata()?.len();
        Ok(Self { path, file, length, max_bytes })
    }

    /// Appends lines; after an error none of them are there, so that they can be written again.
    pub fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.length >= self.max_bytes {
            self.make_place()?;
        }
        if let Err(error) = self.file.write_all(lines) {
            // If this fails as well, half a line stays: the next lines begin on it, and the loss is one line.
            self.file.set_len(self.length).ok();
            return Err(error);
        }
        self.length += lines.len() as u64;
        Ok(())
    }

    /// Brings what was written to the disk.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn make_place(&mut self) -> io::Result<()> {
        let mut older = self.path.clone().into_os_string();
        older.push(".1");
        fs::rename(&self.path, older)?;
        *self = Self::open(&self.path, self.max_bytes)?;
        Ok(())
    }
}
