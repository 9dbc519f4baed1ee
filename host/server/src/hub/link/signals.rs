//! What a connection may send of signals, and what of that it has used up.

use std::sync::{Mutex, MutexGuard, PoisonError};
use tengen_core::allowance::Allowance;
use tengen_settings::ClientSignals;
use tengen_wire::dialect::Dialect;

/// The word of sente-lite's clients for a batch of signals.
const TEL_BATCH: &str = "tel/batch";

/// The right of a connection to send signals. There is none where its endpoint does not allow it.
#[derive(Debug)]
pub(in crate::hub) struct Right {
    pub(in crate::hub) limits: ClientSignals,
    /// Whether a batch may be called `tel/batch`.
    takes_tel_batch: bool,
    spent: Mutex<Spent>,
}

/// What may still come.
#[derive(Debug)]
pub(in crate::hub) struct Spent {
    pub(in crate::hub) signals: Allowance,
    pub(in crate::hub) bytes: Allowance,
}

impl Right {
    pub(super) fn new(limits: ClientSignals, dialect: Dialect) -> Self {
        let spent = Spent {
            signals: Allowance::new(limits.signals_per_second, limits.batch),
            bytes: Allowance::new(limits.bytes_per_second, limits.batch_bytes),
        };
        let takes_tel_batch = limits.takes_tel_batch(dialect);
        Self { limits, takes_tel_batch, spent: Mutex::new(spent) }
    }

    /// Whether an event of this id is a batch, beside those in the gateway's own namespace.
    pub(super) fn names(&self, id: &str) -> bool {
        self.takes_tel_batch && id == TEL_BATCH
    }

    pub(in crate::hub) fn spent(&self) -> MutexGuard<'_, Spent> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
