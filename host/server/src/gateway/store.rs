//! The key-value store of a gateway: opened as the settings say, and closed when nobody writes any more.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tengen_core::{
    meter::Samples,
    store::{Bounds, Store},
};
use tengen_settings as settings;
use tengen_store::{Disk, Keeper, OpenError};

/// Reads the whole file, if there is one.
pub(super) fn open(settings: &settings::Store) -> Result<Keeper, OpenError> {
    let settings::Store { path, memory, value, waiting, bytes, entries } = settings;
    let bounds = Bounds {
        value: value.get(),
        bucket_bytes: bytes.get(),
        bucket_entries: entries.get(),
        bytes: memory.get(),
    };
    match path {
        None => Ok(Keeper::in_memory(bounds)),
        Some(path) => Keeper::on_disk(bounds, &Disk { path: path.clone(), waiting: waiting.get() }),
    }
}

/// The store, which one closes.
#[derive(Debug)]
pub(super) struct Keeping {
    keeper: Mutex<Option<Keeper>>,
    store: Arc<dyn Store>,
}

impl Keeping {
    pub(super) fn new(keeper: Keeper) -> Self {
        let store = keeper.store();
        Self { keeper: Mutex::new(Some(keeper)), store }
    }

    pub(super) fn collect(&self, into: &mut Samples) {
        self.store.collect(into);
    }

    /// Everything that was written is on the disk when this returns, or it is said how much is not.
    pub(super) async fn close(&self, within: Duration) {
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(keeper) = keeper else { return };
        // It waits for the disk, no longer than that.
        let closed = tokio::task::spawn_blocking(move || keeper.close(within)).await;
        match closed {
            Ok(Ok(())) => {}
            Ok(Err(unwritten)) => tracing::error!(writes = unwritten.writes, "{unwritten}"),
            Err(_) => tracing::error!("the key-value store could not be closed"),
        }
    }
}
