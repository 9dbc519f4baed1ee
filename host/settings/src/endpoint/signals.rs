//! `endpoint[].telemetry`: what clients of an endpoint may send of signals.

use crate::{
    limits::at_least_one,
    schema::{
        Part,
        kind::{count, size, truth},
        settings,
    },
};
use std::num::NonZeroUsize;
use tengen_wire::dialect::Dialect;

settings! {
    /// Which signals clients may send, in batches; without this table, none.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct ClientSignals {
        /// most signals of one batch; a larger one is refused
        batch: NonZeroUsize = count().within(at_least_one(1)..=at_least_one(1000)).or(at_least_one(100));
        /// most bytes of one batch; a larger one is refused
        batch_bytes: NonZeroUsize = size().within(at_least_one(1 << 10)..=at_least_one(1 << 20)).or(at_least_one(64 << 10));
        /// signals of one connection in a second, on average: as many as that, or one batch, may come at once
        signals_per_second: NonZeroUsize = count().or(at_least_one(50));
        /// bytes of one connection in a second, counted likewise
        bytes_per_second: NonZeroUsize = size().or(at_least_one(32 << 10));
        /// whether `tel/batch` is a batch as well; absent: on endpoints of sente-lite
        tel_batch: Option<bool> = truth().absent("true");
    }
}

impl ClientSignals {
    /// The defaults.
    pub fn new() -> Self {
        Self::usual()
    }

    /// Whether clients of this dialect may call a batch `tel/batch`.
    pub fn takes_tel_batch(&self, dialect: Dialect) -> bool {
        self.tel_batch.unwrap_or(dialect == Dialect::SenteLite)
    }
}

impl Default for ClientSignals {
    fn default() -> Self {
        Self::new()
    }
}
