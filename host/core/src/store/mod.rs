//! The contract between plugins and who keeps what they put away: values by key, in buckets.
//!
//! What is read comes from memory, at once, and is what was written last. Whether a write is on a disk yet is the engine's business;
//! the engines are in `tengen-store`, and what they have in common, without IO, is [`Tables`].

mod tables;

pub use crate::capability::key_value::{Expected, Put as Write};
pub use tables::{Bounds, Change, ENTRY, Foreign, Tables, VERSION_MAX};

use crate::meter::Samples;
use bytes::Bytes;
use std::{fmt, sync::Arc, time::Duration};
use tengen_wire::{
    fault::{Fault, FaultId},
    id::NAME_RULE,
};

/// Entries of a page at most.
pub const PAGE_ENTRIES: usize = 1000;
/// Bytes of keys and values in a page at most, but for the first entry, which is in it however large it is.
pub const PAGE_BYTES: usize = 256 << 10;

/// Keeps values by key, in buckets. It waits for nobody in any of these, and who reads sees what was written before.
pub trait Store: fmt::Debug + Send + Sync {
    /// What stands at a key.
    fn get(&self, bucket: &str, key: &str) -> Option<Entry>;

    /// Entries of a bucket in the order of their keys.
    fn page(&self, bucket: &str, wanted: &Wanted<'_>) -> Page;

    /// Puts a value at a key, or takes away what stands there. Returns its version; none where nothing stands there any more.
    fn write(&self, write: Write) -> Result<Option<u64>, Refusal>;

    /// What it holds, and what became of writes.
    fn collect(&self, into: &mut Samples);
}

/// What stands at a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub value: Bytes,
    /// Which write made it: a store counts its writes from 1, so no other value had, has or will have it, also not at this key
    /// after it was taken away. Where writes were lost with a process that died, their numbers are left out.
    pub version: u64,
}

/// Which entries of a bucket are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// What their keys begin with.
    pub prefix: &'a str,
    /// Only those whose keys come after this one.
    pub after: Option<&'a str>,
    /// At most so many; one at least, and [`PAGE_ENTRIES`] at most.
    pub limit: usize,
}

/// Entries, and where to go on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// By their keys, in the order of the bytes of these.
    pub entries: Vec<(Arc<str>, Entry)>,
    /// After this key there are more.
    pub next: Option<Arc<str>>,
}

/// Why a write was not carried out. Nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The bucket's name is none.
    BucketName,
    /// The key is none.
    KeyName,
    /// Something else stands there than was expected: this version, or nothing.
    Conflict { found: Option<u64> },
    /// The value is larger than one may be.
    TooLarge { most: usize },
    /// The bucket would hold more bytes than it may,
    BucketBytes { most: usize },
    /// or more entries,
    BucketEntries { most: usize },
    /// or all buckets together more bytes.
    StoreBytes { most: usize },
    /// More waits for the disk than may.
    Behind,
    /// There is no further version: no store comes so far by writing.
    Versions,
}

/// When a write that found too much before it may be tried again.
const AGAIN: Duration = Duration::from_secs(1);

impl Refusal {
    pub fn id(self) -> FaultId {
        match self {
            Self::BucketName | Self::KeyName => FaultId::Malformed,
            Self::Conflict { .. } => FaultId::Conflict,
            Self::TooLarge { .. } => FaultId::TooLarge,
            Self::BucketBytes { .. }
            | Self::BucketEntries { .. }
            | Self::StoreBytes { .. }
            | Self::Versions => FaultId::LimitReached,
            Self::Behind => FaultId::Overloaded,
        }
    }

    /// What a plugin is told.
    pub fn fault(self) -> Fault {
        let message = match self {
            Self::BucketName => format!("the bucket's name is none: {NAME_RULE}"),
            Self::KeyName => format!("the key is no name: {NAME_RULE}"),
            Self::Conflict { found: None } => "nothing stands there".into(),
            Self::Conflict { found: Some(version) } => format!("version {version} stands there"),
            Self::TooLarge { most } => format!("a value has {most} bytes at most"),
            Self::BucketBytes { most } => format!("a bucket holds {most} bytes at most"),
            Self::BucketEntries { most } => format!("a bucket has {most} entries at most"),
            Self::StoreBytes { most } => format!("all buckets together hold {most} bytes at most"),
            Self::Versions => "there is no further version".into(),
            Self::Behind => "too much waits for the disk; try again later".into(),
        };
        let fault = Fault::new(self.id(), message);
        if self == Self::Behind { fault.retry_after(AGAIN) } else { fault }
    }
}
