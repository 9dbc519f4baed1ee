//! Buckets in memory: what stands where, within bounds. A state machine without IO.

use super::{Entry, Expected, PAGE_BYTES, PAGE_ENTRIES, Page, Refusal, Wanted, Write};
use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Included, Unbounded},
    sync::Arc,
};
use tengen_wire::id::is_name;

/// What an entry costs beside its key and its value, about: its places in maps, counts of who holds it.
pub const ENTRY: usize = 192;
/// What a bucket costs beside its name and its entries, about.
const BUCKET: usize = 1024;
/// No store comes so far by writing: a million times a second, in 285 years.
pub const VERSION_MAX: u64 = 1 << 53;

/// What buckets may hold. An entry counts with its key, its value and [`ENTRY`] bytes more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of a value.
    pub value: usize,
    /// Bytes of a bucket,
    pub bucket_bytes: usize,
    /// and its entries.
    pub bucket_entries: usize,
    /// Bytes of all buckets.
    pub bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { value: 1 << 20, bucket_bytes: 16 << 20, bucket_entries: 100_000, bytes: 64 << 20 }
    }
}

/// All buckets. One that holds nothing is none.
#[derive(Debug)]
pub struct Tables {
    bounds: Bounds,
    buckets: BTreeMap<Arc<str>, Bucket>,
    entries: usize,
    bytes: usize,
    /// Of the last write.
    version: u64,
}

#[derive(Debug, Default)]
struct Bucket {
    entries: BTreeMap<Arc<str>, Entry>,
    bytes: usize,
}

/// What a write has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub bucket: Arc<str>,
    pub key: Arc<str>,
    /// What stands there now.
    pub now: Option<Entry>,
}

impl Change {
    /// What it takes of memory while it waits, about.
    pub fn bytes(&self) -> usize {
        let value = self.now.as_ref().map_or(0, |entry| entry.value.len());
        ENTRY + self.bucket.len() + self.key.len() + value
    }
}

/// An entry that no store of ours has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Foreign;

impl Tables {
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, buckets: BTreeMap::new(), entries: 0, bytes: 0, version: 0 }
    }

    pub fn get(&self, bucket: &str, key: &str) -> Option<&Entry> {
        self.buckets.get(bucket)?.entries.get(key)
    }

    pub fn page(&self, bucket: &str, wanted: &Wanted<'_>) -> Page {
        let Some(bucket) = self.buckets.get(bucket) else { return Page::default() };
        let begin = match wanted.after {
            Some(after) if after >= wanted.prefix => Excluded(after),
            _ => Included(wanted.prefix),
        };
        let mut found = bucket
            .entries
            .range::<str, _>((begin, Unbounded))
            .take_while(|(key, _)| key.starts_with(wanted.prefix));
        let (mut page, mut bytes) = (Page::default(), 0);
        for (key, entry) in found.by_ref() {
            bytes += key.len() + entry.value.len();
            let full = page.entries.len() >= wanted.limit.clamp(1, PAGE_ENTRIES);
            if !page.entries.is_empty() && (full || bytes > PAGE_BYTES) {
                page.next = page.entries.last().map(|(key, _)| Arc::clone(key));
                break;
            }
            page.entries.push((Arc::clone(key), entry.clone()));
        }
        page
    }

    /// Whether a write would be carried out, and what it would change; none: nothing. It is carried out by [`Tables::apply`],
    /// before any other.
    pub fn check(&self, write: &Write) -> Result<Option<Change>, Refusal> {
        if !is_name(&write.bucket) {
            return Err(Refusal::BucketName);
        }
        if !is_name(&write.key) {
            return Err(Refusal::KeyName);
        }
        let bucket = self.buckets.get_key_value(write.bucket.as_str());
        let known = bucket.and_then(|(_, it)| it.entries.get_key_value(write.key.as_str()));
        expect(write.expected, known.map(|(_, entry)| entry.version))?;
        if write.value.is_none() && known.is_none() {
            return Ok(None);
        }
        self.room_for(write, bucket.map(|(_, it)| it), known.map(|(_, entry)| entry))?;
        let now = match &write.value {
            None => None,
            Some(_) if self.version >= VERSION_MAX => return Err(Refusal::Versions),
            Some(value) => Some(Entry { value: value.clone(), version: self.version + 1 }),
        };
        Ok(Some(Change {
            bucket: bucket.map_or_else(|| write.bucket.as_str().into(), |(name, _)| name.clone()),
            key: known.map_or_else(|| write.key.as_str().into(), |(key, _)| key.clone()),
            now,
        }))
    }

    /// What lets something shrink always has room, also where the bounds have been lowered.
    fn room_for(
        &self,
        write: &Write,
        bucket: Option<&Bucket>,
        known: Option<&Entry>,
    ) -> Result<(), Refusal> {
        let Some(value) = &write.value else { return Ok(()) };
        let Bounds { value: largest, bucket_bytes, bucket_entries, bytes } = self.bounds;
        if value.len() > largest {
            return Err(Refusal::TooLarge { most: largest });
        }
        let before = known.map_or(0, |entry| cost(&write.key, entry.value.len()));
        let of_bucket = bucket.map_or_else(|| BUCKET + write.bucket.len(), |_| 0);
        let grows = (of_bucket + cost(&write.key, value.len())).saturating_sub(before);
        if grows == 0 {
            return Ok(());
        }
        if bucket.map_or(0, |it| it.bytes) + grows > bucket_bytes {
            return Err(Refusal::BucketBytes { most: bucket_bytes });
        }
        if known.is_none() && bucket.map_or(0, |it| it.entries.len()) >= bucket_entries {
            return Err(Refusal::BucketEntries { most: bucket_entries });
        }
        if self.bytes + grows > bytes {
            return Err(Refusal::StoreBytes { most: bytes });
        }
        Ok(())
    }

    /// Carries out what [`Tables::check`] allowed.
    pub fn apply(&mut self, change: Change) {
        let Change { bucket, key, now } = change;
        if let Some(entry) = now {
            self.version = self.version.max(entry.version);
            self.put(bucket, key, entry);
        } else {
            self.take(&bucket, &key);
        }
    }

    fn put(&mut self, bucket: Arc<str>, key: Arc<str>, entry: Entry) {
        let name = bucket.len();
        let of = self.buckets.entry(bucket).or_insert_with(|| {
            self.bytes += BUCKET + name;
            Bucket { bytes: BUCKET + name, ..Bucket::default() }
        });
        let now = cost(&key, entry.value.len());
        let length = key.len();
        let before = of.entries.insert(key, entry);
        let before = before.map(|entry| length + ENTRY + entry.value.len());
        self.entries += usize::from(before.is_none());
        let before = before.unwrap_or(0);
        of.bytes = of.bytes + now - before;
        self.bytes = self.bytes + now - before;
    }

    fn take(&mut self, bucket: &str, key: &str) {
        let Some(of) = self.buckets.get_mut(bucket) else { return };
        let Some(entry) = of.entries.remove(key) else { return };
        let less = cost(key, entry.value.len());
        of.bytes -= less;
        self.bytes -= less;
        self.entries -= 1;
        if of.entries.is_empty() {
            self.bytes -= of.bytes;
            self.buckets.remove(bucket);
        }
    }

    /// Takes over an entry that was written before this process began, whatever the bounds are now.
    pub fn load(&mut self, bucket: &str, key: &str, entry: Entry) -> Result<(), Foreign> {
        let numbered = (1..=VERSION_MAX).contains(&entry.version);
        if !is_name(bucket) || !is_name(key) || !numbered {
            return Err(Foreign);
        }
        let known = self.buckets.get_key_value(bucket).map(|(name, _)| Arc::clone(name));
        let now = Some(entry);
        self.apply(Change { bucket: known.unwrap_or_else(|| bucket.into()), key: key.into(), now });
        Ok(())
    }

    /// Versions go on behind this one at least.
    pub fn go_on_after(&mut self, version: u64) {
        self.version = self.version.max(version);
    }

    /// Of the last write.
    pub fn version(&self) -> u64 {
        self.version
    }

    pub fn buckets(&self) -> usize {
        self.buckets.len()
    }

    pub fn entries(&self) -> usize {
        self.entries
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn bounds(&self) -> Bounds {
        self.bounds
    }
}

fn cost(key: &str, value: usize) -> usize {
    key.len() + value + ENTRY
}

fn expect(expected: Option<Expected>, found: Option<u64>) -> Result<(), Refusal> {
    let is_so = match expected {
        None => true,
        Some(Expected::Absent) => found.is_none(),
        Some(Expected::Version(version)) => found == Some(version),
    };
    if is_so { Ok(()) } else { Err(Refusal::Conflict { found }) }
}

#[cfg(test)]
#[path = "tables_tests.rs"]
mod tests;
