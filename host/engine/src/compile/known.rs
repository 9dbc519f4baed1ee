//! Components that are loaded already, by their bytes: what several plugins have in common is compiled, linked and kept
//! once.

use super::compiled::{Compiled, Hash};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};
use tokio::sync;

/// Those of one engine, as long as somebody has them.
#[derive(Debug, Default)]
pub(crate) struct Known {
    loaded: Kept<Compiled>,
    turns: Kept<sync::Mutex<()>>,
}

/// What is kept as long as somebody has it.
type Kept<T> = Mutex<HashMap<Hash, Weak<T>>>;

impl Known {
    pub(crate) fn get(&self, hash: Hash) -> Option<Arc<Compiled>> {
        let loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.get(&hash).and_then(Weak::upgrade)
    }

    /// Knows this one from now on. Of two that were made at the same time, both get the first.
    pub(crate) fn add(&self, compiled: Compiled) -> Arc<Compiled> {
        kept(&self.loaded, compiled.hash, || compiled)
    }

    /// To be locked by whoever makes this one: others wait until it is there, and need not make it too.
    pub(crate) fn turn(&self, hash: Hash) -> Arc<sync::Mutex<()>> {
        kept(&self.turns, hash, sync::Mutex::default)
    }
}

/// What is there, or a new one.
fn kept<T>(all: &Kept<T>, hash: Hash, make: impl FnOnce() -> T) -> Arc<T> {
    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
    all.retain(|_, kept| kept.strong_count() > 0);
    if let Some(there) = all.get(&hash).and_then(Weak::upgrade) {
        return there;
    }
    let made = Arc::new(make());
    all.insert(hash, Arc::downgrade(&made));
    made
}
