//! Connections by the tags that plugins have given them.
//!
//! What a connection's tags are is decided by the connection (`core/event/data.rs`), and this is changed under its lock, so
//! both agree; an entry is a lock of its own among many, held for as long as it takes to change it or to take a snapshot. Who
//! delivers has the snapshot, and holds nothing.

use super::{Hub, Link};
use foldhash::fast::RandomState;
use std::{
    collections::{HashMap, HashSet},
    hash::BuildHasher,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tengen_core::{
    capability::data::Change,
    count::Apart,
    event::OwnData,
    roster::{Member, Roster, Snapshot},
};
use tengen_wire::{
    fault::Fault,
    id::{Handle, PluginName, Tag},
};

const SHARDS: usize = 16;

/// Tags are chosen by others, so they have the standard library's hasher.
type Shard = HashMap<(PluginName, Tag), Roster<Tagged>>;

#[derive(Debug)]
pub(super) struct Tags {
    shards: Box<[Apart<Mutex<Shard>>; SHARDS]>,
    spread: RandomState,
}

/// A connection that has a tag.
#[derive(Debug, Clone)]
pub(super) struct Tagged(pub(super) Arc<Link>);

impl Member for Tagged {
    fn handle(&self) -> Handle {
        self.0.facts.handle
    }
}

impl Default for Tags {
    fn default() -> Self {
        let shards = std::array::from_fn(|_| Apart::default());
        Self { shards: Box::new(shards), spread: RandomState::default() }
    }
}

impl Tags {
    /// Who has a tag of this plugin at the moment.
    pub(super) fn of(&self, plugin: &PluginName, tag: &Tag) -> Option<Snapshot<Tagged>> {
        let key = (plugin.clone(), tag.clone());
        self.shard(&key).get(&key).map(Roster::snapshot)
    }

    fn put(&self, plugin: &PluginName, tag: &Tag, link: &Arc<Link>) {
        let key = (plugin.clone(), tag.clone());
        self.shard(&key).entry(key).or_default().insert(Tagged(Arc::clone(link)));
    }

    fn take(&self, plugin: &PluginName, tag: &Tag, link: &Link) {
        let key = (plugin.clone(), tag.clone());
        let mut shard = self.shard(&key);
        let Some(roster) = shard.get_mut(&key) else { return };
        roster.remove(link.facts.handle, |tagged| std::ptr::eq(&*tagged.0, link));
        if roster.is_empty() {
            shard.remove(&key);
        }
    }

    fn shard(&self, key: &(PluginName, Tag)) -> MutexGuard<'_, Shard> {
        let place = self.spread.hash_one(key) as usize % SHARDS;
        let [Apart(first), ..] = &*self.shards;
        let shard = self.shards.get(place).map_or(first, |Apart(shard)| shard);
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many tags somebody has.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let len = |Apart(shard): &Apart<Mutex<Shard>>| shard.lock().unwrap().len();
        self.shards.iter().map(len).sum()
    }
}

impl Hub {
    /// Changes what a plugin keeps with a connection, and who has which of its tags.
    pub(super) fn change_data(
        &self,
        link: &Arc<Link>,
        plugin: &PluginName,
        change: Change,
    ) -> Result<(), Fault> {
        let facts = &link.facts;
        facts.data.change(&facts.waiting.holding, plugin, change, |before, after| {
            let gone = before.tags().iter().filter(|tag| !after.has(tag));
            gone.for_each(|tag| self.tags.take(plugin, tag, link));
            let new = after.tags().iter().filter(|tag| !before.has(tag));
            new.for_each(|tag| self.tags.put(plugin, tag, link));
        })
    }

    /// The connection has ended, and can be found no more.
    pub(super) fn end_data(&self, link: &Link) {
        let holding = &link.facts.waiting.holding;
        link.facts.data.end(holding, |plugin, data| self.forget_tags(link, plugin, data));
    }

    /// What other plugins than these keep with connections is forgotten.
    pub(super) fn keep_data(&self, running: &HashSet<PluginName>) {
        for link in self.links.all(|link| link.facts.data.texts() > 0) {
            let (facts, stays) = (&link.facts, |plugin: &PluginName| running.contains(plugin));
            facts.data.keep(&facts.waiting.holding, stays, |plugin, data| {
                self.forget_tags(&link, plugin, data);
            });
        }
    }

    fn forget_tags(&self, link: &Link, plugin: &PluginName, data: &OwnData) {
        data.tags().iter().for_each(|tag| self.tags.take(plugin, tag, link));
    }
}
