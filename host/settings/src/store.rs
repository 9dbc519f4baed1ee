//! What plugins put away, and where.

use crate::{
    limits::at_least_one,
    schema::{
        kind::{count, path, size},
        settings,
        table::Table,
        with_defaults,
    },
};
use std::{num::NonZeroUsize, path::PathBuf};

settings! {
    /// Values that plugins put away by key, in the buckets that `grant.kv` names.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Store {
        /// file that keeps what plugins put away by key, in a folder that is there; absent: it is in memory, and gone with the
        /// gateway
        path: Option<PathBuf> = path().absent("\"tengen.kv\"");
        /// memory for all that plugins put away; an entry counts with its key, its value and 192 bytes more
        memory: NonZeroUsize = size().or(at_least_one(64 << 20));
        /// largest value
        value: NonZeroUsize = size().within(at_least_one(1)..=at_least_one(16 << 20)).or(at_least_one(1 << 20));
        /// bytes of writes that may wait for the disk; over it they are refused (`overloaded`)
        waiting: NonZeroUsize = size().or(at_least_one(8 << 20));
    }
    /// The same for each bucket.
    in per_bucket {
        /// most bytes of a bucket
        bytes: NonZeroUsize = size().or(at_least_one(16 << 20));
        /// most entries of a bucket
        entries: NonZeroUsize = count().or(at_least_one(100_000));
    }
    then Store::leave_room;
}

with_defaults!(Store);

impl Store {
    /// A value that could never wait for the disk would never be put away.
    fn leave_room(&mut self, table: &Table<'_>) {
        let Self { value, waiting, .. } = self;
        if value > waiting {
            let name = if table.get("waiting").is_some() { "waiting" } else { "value" };
            let what = format!(
                "`waiting` ({waiting} bytes) must be at least `value` ({value} bytes), or the largest values keep all others from the disk"
            );
            table.document.mistake(&table.place_of(name), what);
        }
    }
}
