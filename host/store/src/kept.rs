//! The store as plugins have it: buckets in memory, and the line of what waits for the disk.

use crate::disk::Line;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tengen_core::store::{Entry, Page, Refusal, Store, Tables, Wanted, Write};

#[derive(Debug)]
pub(crate) struct Kept {
    /// Whoever holds this may take the line's lock, never the other way round.
    tables: RwLock<Tables>,
    /// None: there is no disk.
    line: Option<Arc<Line>>,
}

impl Kept {
    pub(crate) fn new(tables: Tables, line: Option<Arc<Line>>) -> Self {
        Self { tables: RwLock::new(tables), line }
    }

    fn read(&self) -> RwLockReadGuard<'_, Tables> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> RwLockWriteGuard<'_, Tables> {
        self.tables.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Kept {
    fn get(&self, bucket: &str, key: &str) -> Option<Entry> {
        self.read().get(bucket, key).cloned()
    }

    fn page(&self, bucket: &str, wanted: &Wanted<'_>) -> Page {
        self.read().page(bucket, wanted)
    }

    /// The line gets changes in the order in which they were made: both happen under one lock.
    fn write(&self, write: Write) -> Result<Option<u64>, Refusal> {
        let mut tables = self.change();
        let Some(change) = tables.check(&write)? else { return Ok(None) };
        if let Some(line) = &self.line {
            line.push(&change)?;
        }
        let version = change.now.as_ref().map(|entry| entry.version);
        tables.apply(change);
        Ok(version)
    }
}
