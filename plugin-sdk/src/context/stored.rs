//! What a plugin puts away by key.

use super::{Context, Sent};
use crate::{Action, Result, effects::Put};
use serde::Serialize;

impl Context {
    /// Puts a value at a key of a bucket, which needs the grant `kv` for it: [`kv`](crate::kv) reads it from the next call on.
    pub fn put(
        &mut self,
        bucket: impl Into<String>,
        key: impl Into<String>,
        value: impl Into<Vec<u8>>,
    ) -> Sent<'_> {
        self.put_or_remove(bucket.into(), key.into(), Some(value.into()))
    }

    /// As [`Context::put`], with the value as JSON.
    pub fn put_json<T: Serialize + ?Sized>(
        &mut self,
        bucket: impl Into<String>,
        key: impl Into<String>,
        value: &T,
    ) -> Result<Sent<'_>> {
        let value = serde_json::to_vec(value)?;
        Ok(self.put(bucket, key, value))
    }

    /// Takes away what stands at a key of a bucket; that nothing does is no fault.
    pub fn remove(&mut self, bucket: impl Into<String>, key: impl Into<String>) -> Sent<'_> {
        self.put_or_remove(bucket.into(), key.into(), None)
    }

    fn put_or_remove(&mut self, bucket: String, key: String, value: Option<Vec<u8>>) -> Sent<'_> {
        self.effect(Action::Put(Put { bucket, key, value, compare: None }))
    }
}
