//! Who owns a store: opens it, hands it out, and sees to it that what was written is on the disk at the end.

use crate::{
    Disk,
    disk::{File, Line, OpenError, Writer},
    kept::Kept,
};
use std::{
    fmt, io,
    sync::Arc,
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};
use tengen_core::store::{Bounds, Store, Tables};

/// A store, and the thread that brings it to the disk. Without [`Keeper::close`] the thread ends as if the process had died: what
/// waits is lost.
#[derive(Debug)]
pub struct Keeper {
    kept: Arc<Kept>,
    writer: Option<(Arc<Line>, JoinHandle<()>)>,
}

/// What was not on the disk at the end: so many writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unwritten {
    pub writes: u64,
}

impl fmt::Display for Unwritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} writes of plugins did not get to the disk in time and are lost", self.writes)
    }
}

impl std::error::Error for Unwritten {}

impl Keeper {
    /// A store that ends with the process.
    pub fn in_memory(bounds: Bounds) -> Self {
        Self { kept: Arc::new(Kept::new(Tables::new(bounds), None)), writer: None }
    }

    /// A store on the disk, all of which is read into memory. Takes as long as it takes to read the file and to check it.
    pub fn on_disk(bounds: Bounds, disk: &Disk) -> Result<Self, OpenError> {
        let mut tables = Tables::new(bounds);
        let file = File::open(&disk.path, &mut tables)?;
        let (path, entries, bytes) = (disk.path.display(), tables.entries(), tables.bytes());
        tracing::info!(%path, entries, bytes, "the key-value store is open");
        if bytes > bounds.bytes {
            let most = bounds.bytes;
            tracing::warn!(%path, bytes, most, "the key-value store holds more than it may: nothing in it grows until something was taken away; raise `store.memory`");
        }
        Self::begin(tables, file, disk.waiting)
            .map_err(|error| OpenError::thread(&disk.path, error))
    }

    fn begin(tables: Tables, file: File, waiting: usize) -> io::Result<Self> {
        let line = Arc::new(Line::new(waiting, tables.version()));
        let writer = Writer::new(Arc::clone(&line), file);
        let thread = Builder::new().name("store".into()).spawn(move || writer.run())?;
        let kept = Arc::new(Kept::new(tables, Some(Arc::clone(&line))));
        Ok(Self { kept, writer: Some((line, thread)) })
    }

    pub fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.kept) as Arc<dyn Store>
    }

    /// Brings all that was written to the disk and ends the thread, by then at the latest. What is written from here on is refused.
    /// Waits meanwhile.
    pub fn close(mut self, within: Duration) -> Result<(), Unwritten> {
        let Some((line, thread)) = self.writer.take() else { return Ok(()) };
        let left = line.close(Instant::now() + within);
        // A thread that a dead disk holds is not waited for any longer.
        if thread.is_finished() && thread.join().is_err() {
            tracing::error!("the thread that writes the key-value store has panicked");
        }
        if left > 0 { Err(Unwritten { writes: left }) } else { Ok(()) }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Some((line, _)) = &self.writer {
            line.abandon();
        }
    }
}

#[cfg(test)]
#[path = "keeper_tests.rs"]
mod tests;
