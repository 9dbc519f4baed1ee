//! What people see of a state that outlives its instance.

use serde::Serialize;
use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// The state of a plugin as it was saved last, for after a trap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct KeptState {
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    pub bytes: usize,
    /// How long saving took, in microseconds.
    pub took_us: u64,
    /// By how many bytes the plugin's memory grew meanwhile.
    pub growth_bytes: usize,
}

impl KeptState {
    pub(crate) fn new(at: SystemTime, bytes: usize, took: Duration, growth_bytes: usize) -> Self {
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let at_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        Self { at_ms, bytes, took_us, growth_bytes }
    }
}

/// What an instance had of the state of the one that broke before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state", content = "age_ms")]
pub enum Revived {
    /// All of it.
    Recovered,
    /// What was saved last, so long before.
    #[serde(serialize_with = "as_millis")]
    Restored(Duration),
    /// Nothing.
    Empty,
}

fn as_millis<S: serde::Serializer>(age: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(age.as_millis()).unwrap_or(u64::MAX))
}

/// What is shown of it now.
#[derive(Debug, Default)]
pub(crate) struct Shown(Mutex<(Option<KeptState>, Option<Revived>)>);

impl Shown {
    pub(crate) fn all(&self) -> (Option<KeptState>, Option<Revived>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn kept(&self, state: KeptState) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0 = Some(state);
    }

    pub(crate) fn revived(&self, how: Revived) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1 = Some(how);
    }
}
