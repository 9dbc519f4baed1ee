//! The store as plugins have it: buckets in memory, and the line of what waits for the disk.

use crate::disk::Line;
use std::sync::{
    Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
    atomic::{AtomicU64, Ordering},
};
use tengen_core::{
    meter::{Metric, Reading, Samples},
    store::{Entry, Page, Refusal, Store, Tables, Wanted, Write},
};
use tengen_wire::fault;

#[derive(Debug)]
pub(crate) struct Kept {
    /// Whoever holds this may take the line's lock, never the other way round.
    tables: RwLock<Tables>,
    /// None: there is no disk.
    line: Option<Arc<Line>>,
    put: AtomicU64,
    deleted: AtomicU64,
    refused: fault::Counts,
}

impl Kept {
    pub(crate) fn new(tables: Tables, line: Option<Arc<Line>>) -> Self {
        Self {
            tables: RwLock::new(tables),
            line,
            put: AtomicU64::new(0),
            deleted: AtomicU64::new(0),
            refused: fault::Counts::default(),
        }
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

    fn write(&self, write: Write) -> Result<Option<u64>, Refusal> {
        let written = self.carry_out(&write);
        match written {
            Ok(Some(_)) => drop(self.put.fetch_add(1, Ordering::Relaxed)),
            Ok(None) => drop(self.deleted.fetch_add(1, Ordering::Relaxed)),
            Err(refusal) => drop(self.refused.add(refusal.id(), 1)),
        }
        written
    }

    fn collect(&self, into: &mut Samples) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (buckets, entries, bytes) = {
            let tables = self.read();
            (tables.buckets(), tables.entries(), tables.bytes())
        };
        into.add(Metric::StoreBuckets, &[], buckets);
        into.add(Metric::StoreEntries, &[], entries);
        into.add(Metric::StoreMemory, &[], bytes);
        let done = [("put", read(&self.put)), ("deleted", read(&self.deleted))];
        for (outcome, count) in done.into_iter().chain(self.refused.all()) {
            into.add(Metric::StoreWrites, &[outcome], count);
        }
        let (writes, waiting) = self.line.as_ref().map_or((0, 0), |line| line.waiting());
        into.add(Metric::StoreWaitingWrites, &[], writes);
        into.add(Metric::StoreWaiting, &[], waiting);
        let account = self.line.as_ref().map(|line| &line.account);
        let took = account.map_or_else(Reading::default, |account| account.took.read());
        into.add(Metric::StoreCommits, &[], took);
        let failed = account.map_or(0, |account| read(&account.failed));
        into.add(Metric::StoreFailedCommits, &[], failed);
    }
}

impl Kept {
    /// The line gets changes in the order in which they were made: both happen under one lock.
    fn carry_out(&self, write: &Write) -> Result<Option<u64>, Refusal> {
        let mut tables = self.change();
        let Some(change) = tables.check(write)? else { return Ok(None) };
        if let Some(line) = &self.line {
            line.push(&change)?;
        }
        let version = change.now.as_ref().map(|entry| entry.version);
        tables.apply(change);
        Ok(version)
    }
}
