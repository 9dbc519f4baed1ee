//! The import `key-value`: what plugins have put away, of the buckets that the guest may read.
//!
//! It answers from memory. What is handed to the guest counts as what it hands over: each call has an end.

use super::{
    bindings::{
        key_value::{Entry, Found, Host, Listing, Page},
        types::Fault as Told,
    },
    data::Data,
    imports::PLACE,
};
use std::sync::Arc;
use tengen_core::store::{self, PAGE_ENTRIES, Refusal, Store, Wanted};
use tengen_wire::{
    fault::{Fault, FaultId},
    id::is_name,
};

impl Host for Data {
    fn get(&mut self, bucket: String, key: String) -> wasmtime::Result<Found> {
        self.charge(bucket.len() + key.len())?;
        let store = match self.store_of(&bucket) {
            Ok(_) if !is_name(&key) => return Ok(Found::Refused(told(Refusal::KeyName.fault()))),
            Ok(store) => store,
            Err(why) => return Ok(Found::Refused(told(why))),
        };
        let found = self.tape.answer(("get", &bucket, &key), || match store.get(&bucket, &key) {
            Some(entry) => Found::Entry(as_told(&key, &entry)),
            None => Found::Nothing,
        });
        if let Found::Entry(entry) = &found {
            self.charge(size_of(entry))?;
        }
        Ok(found)
    }

    fn entries(
        &mut self,
        bucket: String,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Listing> {
        let of_after = after.as_ref().map_or(0, String::len);
        self.charge(bucket.len() + prefix.len() + of_after)?;
        let store = match self.store_of(&bucket) {
            Ok(store) => store,
            Err(why) => return Ok(Listing::Refused(told(why))),
        };
        let limit = usize::try_from(limit).unwrap_or(PAGE_ENTRIES);
        let wanted = Wanted { prefix: &prefix, after: after.as_deref(), limit };
        let question = ("entries", &bucket, &prefix, &after, limit);
        let listing = self.tape.answer(question, || {
            let page = store.page(&bucket, &wanted);
            let entries = page.entries.iter().map(|(key, entry)| as_told(key, entry)).collect();
            let next = page.next.map(|key| key.to_string());
            Listing::Page(Page { entries, next, more: Vec::new() })
        });
        if let Listing::Page(page) = &listing {
            self.charge(page.entries.iter().map(size_of).sum())?;
        }
        Ok(listing)
    }
}

impl Data {
    /// Where the bucket is, if the guest may read it.
    fn store_of(&self, bucket: &str) -> Result<Arc<dyn Store>, Fault> {
        if !is_name(bucket) {
            return Err(Refusal::BucketName.fault());
        }
        if !self.config.grant.may_keep(bucket) {
            let message = "the plugin was not granted this bucket: `grant.kv`";
            return Err(Fault::new(FaultId::NotAllowed, message));
        }
        let store = self.kept.as_ref().map(Arc::clone);
        store.ok_or_else(|| Fault::new(FaultId::Unsupported, "this gateway keeps nothing by key"))
    }
}

fn size_of(entry: &Entry) -> usize {
    PLACE + entry.key.len() + entry.value.len()
}

fn as_told(key: &str, entry: &store::Entry) -> Entry {
    let (key, value) = (key.to_owned(), entry.value.to_vec());
    Entry { key, value, version: entry.version.to_string(), more: Vec::new() }
}

fn told(why: Fault) -> Told {
    let wait = why.retry_after.map(|wait| u32::try_from(wait.as_millis()).unwrap_or(u32::MAX));
    Told { id: why.id.word().to_owned(), message: why.message, retry_after_ms: wait }
}
