//! Connections by handle.
//!
//! Effects look a connection up for each event, on whatever worker they are carried out. The table has many parts, each with
//! a lock of its own, so that they do not all write to the same reader count. Only who holds the tables' lock changes a part,
//! so both agree; whoever holds a part waits for nobody.

use super::Link;
use foldhash::fast::RandomState;
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};
use tengen_core::count::Apart;
use tengen_wire::id::Handle;

/// By the low bits of the handle, which counts up: the parts are equally large.
const PARTS: usize = 64;

type Links = HashMap<Handle, Arc<Link>, RandomState>;

#[derive(Debug)]
pub(super) struct Directory(Box<[Apart<RwLock<Links>>]>);

impl Default for Directory {
    fn default() -> Self {
        Self((0..PARTS).map(|_| Apart::default()).collect())
    }
}

impl Directory {
    pub(super) fn get(&self, handle: Handle) -> Option<Arc<Link>> {
        read(self.part(handle)?).get(&handle).map(Arc::clone)
    }

    pub(super) fn contains(&self, handle: Handle) -> bool {
        self.part(handle).is_some_and(|part| read(part).contains_key(&handle))
    }

    /// False when it was there.
    pub(super) fn insert(&self, handle: Handle, link: Arc<Link>) -> bool {
        self.part(handle).is_some_and(|part| write(part).insert(handle, link).is_none())
    }

    /// False when it was not there.
    pub(super) fn remove(&self, handle: Handle) -> bool {
        self.part(handle).is_some_and(|part| write(part).remove(&handle).is_some())
    }

    /// All of this kind. Others come and go meanwhile: they are not kept waiting for more than one part.
    pub(super) fn all(&self, is_wanted: impl Fn(&Link) -> bool) -> Vec<Arc<Link>> {
        let mut found = Vec::new();
        for Apart(part) in &self.0 {
            found.extend(read(part).values().filter(|link| is_wanted(link)).cloned());
        }
        found
    }

    /// Those of a part of this kind that come after this handle, in their order, and how many the part has at all. None: there is
    /// no such part.
    pub(super) fn after(
        &self,
        part: usize,
        handle: Option<Handle>,
        is_wanted: impl Fn(&Link) -> bool,
    ) -> Option<(Vec<Arc<Link>>, usize)> {
        let Apart(part) = self.0.get(part)?;
        let links = read(part);
        let comes = |link: &&Arc<Link>| handle.is_none_or(|after| link.facts.handle > after);
        let wanted = links.values().filter(|link| is_wanted(link)).filter(comes);
        let (mut found, count): (Vec<_>, _) = (wanted.cloned().collect(), links.len());
        drop(links);
        found.sort_unstable_by_key(|link| link.facts.handle);
        Some((found, count))
    }

    /// Keeps everybody out, as long as the guards are there.
    #[cfg(test)]
    pub(super) fn hold(&self) -> Vec<RwLockWriteGuard<'_, Links>> {
        self.0.iter().map(|Apart(part)| write(part)).collect()
    }

    fn part(&self, handle: Handle) -> Option<&RwLock<Links>> {
        self.0.get(handle.0 as usize % PARTS).map(|Apart(part)| part)
    }
}

fn read(part: &RwLock<Links>) -> RwLockReadGuard<'_, Links> {
    part.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(part: &RwLock<Links>) -> RwLockWriteGuard<'_, Links> {
    part.write().unwrap_or_else(PoisonError::into_inner)
}
