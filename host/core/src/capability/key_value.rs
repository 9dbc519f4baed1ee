//! Values by key, put into buckets.

use super::Wanted;
use tengen_wire::fault::FaultId;

pub use crate::store::Write as Put;

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
