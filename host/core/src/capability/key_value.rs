//! Values by key, put into buckets.

use super::Wanted;
use bytes::Bytes;
use tengen_wire::fault::FaultId;

/// Puts a value at a key of a bucket, or takes away what stands there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Put {
    pub bucket: String,
    pub key: String,
    /// None: what stands there is taken away. That nothing stood there is no fault.
    pub value: Option<Bytes>,
    /// What has to stand there for it to be carried out; none: whatever does.
    pub expected: Option<Expected>,
}

/// What whoever puts something believes to stand at a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Expected {
    Absent,
    Version(u64),
}

impl Wanted for Put {
    const REMEDIES: &'static [(FaultId, &'static str)] = &[
        (FaultId::NotAllowed, "Give the plugin this bucket in `grant.kv`, or correct the plugin"),
        (FaultId::TooLarge, "Have the plugin put less at one key, or raise `store.value`"),
        (
            FaultId::LimitReached,
            "Have the plugin take something away, or raise `store.per_bucket` or `store.memory`",
        ),
        (
            FaultId::Overloaded,
            "The disk takes less than plugins write: the log says if it takes nothing, and `store.waiting` is what may wait for it",
        ),
    ];
}
