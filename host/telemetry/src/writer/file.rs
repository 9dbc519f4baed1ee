//! A file that grows, and gives way to a new one.
//!
//! It is opened when there is something to write, and again after each failure: whoever moved it, mounted something over it
//! or made room has it work again by itself.

use super::Output;
use flate2::{Compression, write::GzEncoder};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, Write},
    path::{Path, PathBuf},
    thread::{self, JoinHandle},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tengen_settings::Rotation;

/// A file at a path.
pub(crate) struct Growing {
    path: PathBuf,
    rotation: Option<Rotation>,
    open: Option<Open>,
    /// Compresses the last one.
    compressing: Option<JoinHandle<io::Result<()>>>,
}

struct Open {
    file: File,
    bytes: u64,
    /// In which of the times that `every` makes it was begun.
    period: u128,
}

impl Growing {
    pub(crate) fn new(path: PathBuf, rotation: Option<Rotation>) -> Self {
        Self { path, rotation, open: None, compressing: None }
    }

    fn period(&self, at: SystemTime) -> u128 {
        let every = self.rotation.as_ref().and_then(|rotation| rotation.every);
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        every.map_or(0, |every| since.as_nanos() / every.max(Duration::from_millis(1)).as_nanos())
    }

    fn open(&self) -> io::Result<Open> {
        let file = OpenOptions::new().append(true).create(true).open(&self.path)?;
        let about = file.metadata()?;
        // What is in it already was written at the latest then.
        let began = if about.len() > 0 { about.modified()? } else { SystemTime::now() };
        Ok(Open { file, bytes: about.len(), period: self.period(began) })
    }

    fn is_due(&self, open: &Open, more: usize) -> bool {
        let Some(rotation) = &self.rotation else { return false };
        let is_large = open.bytes.saturating_add(more as u64) > rotation.size.get() as u64;
        open.bytes > 0 && (is_large || open.period != self.period(SystemTime::now()))
    }

    /// Moves every file one on; the last is removed.
    fn rotate(&mut self, keep: usize, compress: bool) -> io::Result<()> {
        self.finish_compressing();
        self.open = None;
        for number in (1..=keep).rev() {
            for end in ["", ".gz"] {
                let old = named(&self.path, number, end);
                let moved = match number == keep {
                    true => fs::remove_file(&old),
                    false => fs::rename(&old, named(&self.path, number + 1, end)),
                };
                there(moved)?;
            }
        }
        let last = named(&self.path, 1, "");
        fs::rename(&self.path, &last)?;
        if compress {
            let packed = named(&self.path, 1, ".gz");
            let work = move || pack(&last, &packed);
            self.compressing = Some(thread::Builder::new().name("compress".into()).spawn(work)?);
        }
        Ok(())
    }

    /// What cannot be compressed stays as it is.
    fn finish_compressing(&mut self) {
        if let Some(work) = self.compressing.take()
            && let Ok(Err(error)) = work.join()
        {
            let file = self.path.display();
            tracing::warn!(%file, %error, "an old file is not compressed");
        }
    }
}

impl Output for Growing {
    fn prepare(&mut self, bytes: usize) -> io::Result<()> {
        let open = match self.open.take() {
            Some(open) => open,
            None => self.open()?,
        };
        let due = self.is_due(&open, bytes);
        self.open = Some(open);
        if let Some(rotation) = self.rotation.clone().filter(|_| due) {
            self.rotate(rotation.keep.get(), rotation.compress)?;
            self.open = Some(self.open()?);
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(open) = &mut self.open else { return Err(io::ErrorKind::NotFound.into()) };
        match open.file.write(bytes) {
            Ok(count) => {
                open.bytes += count as u64;
                Ok(count)
            }
            Err(error) => {
                if error.kind() != io::ErrorKind::Interrupted {
                    self.open = None;
                }
                Err(error)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Growing {
    fn drop(&mut self) {
        self.finish_compressing();
    }
}

fn named(path: &Path, number: usize, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}{end}"));
    name.into()
}

/// That there is no such file is no failure.
fn there(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Compresses a file, which is there under its own name until the other is whole.
fn pack(file: &Path, packed: &Path) -> io::Result<()> {
    let mut partly = packed.as_os_str().to_owned();
    partly.push(".part");
    let partly = PathBuf::from(partly);
    let result = (|| {
        let mut reader = BufReader::new(File::open(file)?);
        let mut writer = GzEncoder::new(File::create(&partly)?, Compression::default());
        io::copy(&mut reader, &mut writer)?;
        writer.finish()?.flush()?;
        fs::rename(&partly, packed)?;
        fs::remove_file(file)
    })();
    if result.is_err() {
        there(fs::remove_file(&partly))?;
    }
    result
}
