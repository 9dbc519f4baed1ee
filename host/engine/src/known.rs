//! Components that are loaded already, by their bytes: what several plugins have in common is compiled, linked and kept
//! once.

use super::compiled::{Compiled, Hash};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

/// Those of one engine, as long as somebody has them.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<HashMap<Hash, Weak<Compiled>>>);

impl Known {
    pub(super) fn get(&self, hash: Hash) -> Option<Arc<Compiled>> {
        self.lock().get(&hash).and_then(Weak::upgrade)
    }

    /// Knows this one from now on. Of two that were made at the same time, both get the first.
    pub(super) fn add(&self, compiled: Compiled) -> Arc<Compiled> {
        let mut known = self.lock();
        known.retain(|_, known| known.strong_count() > 0);
        if let Some(first) = known.get(&compiled.hash).and_then(Weak::upgrade) {
            return first;
        }
        let compiled = Arc::new(compiled);
        known.insert(compiled.hash, Arc::downgrade(&compiled));
        compiled
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Hash, Weak<Compiled>>> {
        // Nothing under the lock can panic half way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
