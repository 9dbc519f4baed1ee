//! Values by key, in buckets, that outlive the instance: what plugins share with each other, and with their own next start.
//!
//! They are read here, at once, and put with [`Context::put`](crate::Context::put). A bucket has to be in the plugin's grant
//! (`grant = { kv = ["rooms"] }`); without, everything is answered `not-allowed`. What an event puts is there for the calls
//! that follow, not for the one in hand.
//!
//! Whoever changes what it has read says so with [`Sent::if_version`](crate::Sent::if_version), and hears in
//! [`Handler::refused`](crate::Handler::refused) (`conflict`) when somebody else was first:
//!
//! ```
//! use tengen_plugin::{Context, Result, kv};
//!
//! fn count(ctx: &mut Context) -> Result {
//!     match kv::get("visits", "all")? {
//!         Some(entry) => {
//!             let next = entry.json::<u32>()? + 1;
//!             ctx.put_json("visits", "all", &next)?.if_version(entry.version).key("count");
//!         }
//!         None => drop(ctx.put_json("visits", "all", &1)?.if_absent().key("count")),
//!     }
//!     Ok(())
//! }
//! ```

use crate::{Fault, Result};
use serde::de::DeserializeOwned;

pub use crate::bindings::plugin_role::tengen::gateway::key_value::{Entry, Page};

/// Entries that are asked for at a time by [`all`].
const AT_A_TIME: u32 = 100;

/// What stands at a key; none: nothing does.
pub fn get(bucket: &str, key: &str) -> Result<Option<Entry>> {
    source::get(bucket, key)
}

/// The entries whose keys begin with `prefix` and come after `after`: `limit` at most, from 1 to 1,000, and 256 KiB of them.
pub fn entries(bucket: &str, prefix: &str, after: Option<&str>, limit: u32) -> Result<Page> {
    source::entries(bucket, prefix, after, limit)
}

/// All entries whose keys begin with `prefix`, in the order of their keys, asked for as they are needed. What is read counts
/// with what the call hands over, so a call that reads some megabytes of them is cut off.
pub fn all(bucket: &str, prefix: &str) -> impl Iterator<Item = Result<Entry>> {
    let (bucket, prefix) = (bucket.to_owned(), prefix.to_owned());
    let (mut page, mut after, mut is_over) = (Vec::new().into_iter(), None::<String>, false);
    std::iter::from_fn(move || {
        loop {
            if let Some(entry) = page.next() {
                return Some(Ok(entry));
            }
            if is_over {
                return None;
            }
            let next = entries(&bucket, &prefix, after.as_deref(), AT_A_TIME);
            let next = match next {
                Ok(next) => next,
                Err(why) => {
                    is_over = true;
                    return Some(Err(why));
                }
            };
            (page, after) = (next.entries.into_iter(), next.next);
            is_over = after.is_none();
        }
    })
}

impl Entry {
    /// The value, which was put as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        let read = serde_json::from_slice(&self.value);
        read.map_err(|error| Fault::internal(format!("the value of `{}`: {error}", self.key)))
    }

    /// The value as text; none: it is none.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.value).ok()
    }
}

#[cfg(target_family = "wasm")]
mod source {
    use super::{Entry, Page, Result};
    use crate::bindings::plugin_role::tengen::gateway::key_value::{self, Found, Listing};

    pub(super) fn get(bucket: &str, key: &str) -> Result<Option<Entry>> {
        match key_value::get(bucket, key) {
            Found::Nothing => Ok(None),
            Found::Entry(entry) => Ok(Some(entry)),
            Found::Refused(why) => Err(why),
        }
    }

    pub(super) fn entries(
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Page> {
        match key_value::entries(bucket, prefix, after, limit) {
            Listing::Page(page) => Ok(page),
            Listing::Refused(why) => Err(why),
        }
    }
}

/// Outside of a gateway the values are those of [`crate::testing::set_kv`].
#[cfg(not(target_family = "wasm"))]
pub(crate) mod source {
    use super::{Entry, Fault, Page, Result};
    use std::{cell::RefCell, collections::BTreeMap};

    /// Buckets that the plugin was granted.
    type Buckets = BTreeMap<String, BTreeMap<String, Entry>>;

    thread_local! {
        pub(crate) static VALUES: RefCell<Buckets> = const { RefCell::new(BTreeMap::new()) };
    }

    fn granted<T>(bucket: &str, read: impl FnOnce(&BTreeMap<String, Entry>) -> T) -> Result<T> {
        VALUES.with_borrow(|all| match all.get(bucket) {
            Some(entries) => Ok(read(entries)),
            None => Err(Fault::new("not-allowed", "the plugin was not granted this bucket")),
        })
    }

    pub(super) fn get(bucket: &str, key: &str) -> Result<Option<Entry>> {
        granted(bucket, |entries| entries.get(key).cloned())
    }

    pub(super) fn entries(
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Page> {
        granted(bucket, |all| {
            let is_wanted = |key: &&String| {
                key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after)
            };
            let mut wanted = all.iter().filter(|(key, _)| is_wanted(key));
            let limit = limit.clamp(1, 1000) as usize;
            let entries: Vec<_> = wanted.by_ref().take(limit).map(|(_, it)| it.clone()).collect();
            let last = entries.last().map(|entry| entry.key.clone());
            Page { entries, next: last.filter(|_| wanted.next().is_some()), more: Vec::new() }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::set_kv;

    #[test]
    fn what_was_put_is_found_and_a_bucket_that_was_not_granted_is_refused() {
        set_kv(&[("rooms", "a", b"1"), ("rooms", "b", b"\xff")]);
        let a = get("rooms", "a").unwrap().unwrap();
        assert_eq!((a.json::<u32>(), a.text(), a.version.as_str()), (Ok(1), Some("1"), "1"));
        let b = get("rooms", "b").unwrap().unwrap();
        assert_eq!((b.json::<u32>().unwrap_err().id.as_str(), b.text()), ("plugin-failed", None));
        assert_eq!(get("rooms", "c"), Ok(None));
        assert_eq!(get("others", "a").unwrap_err().id, "not-allowed");
    }

    #[test]
    fn all_entries_are_asked_for_page_by_page() {
        let keys: Vec<_> = (0..250).map(|number| format!("k/{number:03}")).collect();
        let mut values: Vec<(&str, &str, &[u8])> =
            keys.iter().map(|key| ("b", key.as_str(), b"" as &[u8])).collect();
        values.extend([("b", "j", b"" as &[u8]), ("b", "l", b"")]);
        set_kv(&values);
        let found: Vec<_> = all("b", "k/").map(|entry| entry.unwrap().key).collect();
        assert_eq!(found, keys);
        let page = entries("b", "", Some("k/249"), 9).unwrap();
        assert_eq!((page.entries.len(), page.next), (1, None));
        let refused: Vec<_> = all("none", "").collect();
        assert!(matches!(&refused[..], [Err(why)] if why.id == "not-allowed"));
    }
}
