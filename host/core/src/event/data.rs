//! What plugins keep with a connection: attributes by name, and tags. Each plugin has its own, and sees no other's.
//!
//! It lives as long as the connection does, whatever becomes of the instances of its plugins. Who has put nothing there pays for
//! a lock that nobody takes.

use crate::{
    budget::{Gauge, Holding},
    capability::data::Change,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tengen_wire::{
    fault::{Fault, FaultId},
    id::{PluginName, Tag},
};

/// Attributes of one connection that one plugin may keep.
const ATTRIBUTES_MAX: usize = 64;
/// Bytes of their names and values together.
const ATTRIBUTE_BYTES: usize = 4096;
/// Tags of one connection that one plugin may give.
const TAGS_MAX: usize = 16;

/// What an attribute takes of memory beside its texts, with what holds it together.
const ATTRIBUTE: usize = 80;
/// What a tag takes beside its text, with its places among all who have it.
const TAG: usize = 384;
/// What a plugin's data take beside what is in them.
const EACH: usize = 128;

/// What one plugin keeps with one connection. It does not change: another takes its place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnData {
    attributes: Vec<(String, String)>,
    tags: Vec<Tag>,
}

impl OwnData {
    /// In the order of their names, which are all different.
    pub fn attributes(&self) -> &[(String, String)] {
        &self.attributes
    }

    /// In order, and all different.
    pub fn tags(&self) -> &[Tag] {
        &self.tags
    }

    pub fn has(&self, tag: &Tag) -> bool {
        self.tags.binary_search(tag).is_ok()
    }

    fn is_empty(&self) -> bool {
        self.attributes.is_empty() && self.tags.is_empty()
    }

    /// What it is after a change, if that is within bounds.
    fn changed(&self, change: Change) -> Result<Self, Fault> {
        let Change { set, unset, tag, untag } = change;
        let mut attributes: BTreeMap<_, _> = self.attributes.iter().cloned().collect();
        unset.iter().for_each(|name| drop(attributes.remove(name)));
        attributes.extend(set);
        let bytes: usize = attributes.iter().map(|(name, value)| name.len() + value.len()).sum();
        if attributes.len() > ATTRIBUTES_MAX || bytes > ATTRIBUTE_BYTES {
            return Err(limit(format!(
                "a plugin keeps at most {ATTRIBUTES_MAX} attributes of {ATTRIBUTE_BYTES} bytes together with a connection"
            )));
        }
        let goes: BTreeSet<_> = untag.into_iter().collect();
        let stays = self.tags.iter().filter(|tag| !goes.contains(*tag)).cloned();
        let tags: BTreeSet<_> = stays.chain(tag).collect();
        if tags.len() > TAGS_MAX {
            return Err(limit(format!("a plugin gives a connection at most {TAGS_MAX} tags")));
        }
        Ok(Self { attributes: attributes.into_iter().collect(), tags: tags.into_iter().collect() })
    }

    /// Bytes of all its texts, and what holds each of them.
    fn texts(&self) -> usize {
        let attributes = self.attributes.iter().map(|(name, value)| name.len() + value.len() + 32);
        let tags = self.tags.iter().map(|tag| tag.len() + 32);
        attributes.chain(tags).sum()
    }

    /// What it takes of memory, at most.
    fn held(&self) -> usize {
        self.texts() + EACH + self.attributes.len() * ATTRIBUTE + self.tags.len() * TAG
    }
}

fn limit(message: String) -> Fault {
    Fault::new(FaultId::LimitReached, message)
}

/// What all plugins keep with a connection.
#[derive(Debug, Default)]
pub struct Data(Mutex<State>);

#[derive(Debug, Default)]
enum State {
    #[default]
    Nothing,
    Some(Box<Kept>),
    /// The connection has ended.
    Over,
}

#[derive(Debug, Default)]
struct Kept {
    by: Vec<(PluginName, Arc<OwnData>)>,
    gauge: Gauge,
}

impl Kept {
    fn of(&self, plugin: &PluginName) -> Option<&Arc<OwnData>> {
        self.by.iter().find(|(of, _)| of == plugin).map(|(_, data)| data)
    }

    /// Counts what is there now.
    fn count(&mut self, holding: &Holding) {
        let held = self.by.iter().map(|(_, data)| data.held()).sum();
        self.gauge.set(holding, held);
    }
}

impl Data {
    /// What this plugin keeps here; none: nothing.
    pub fn of(&self, plugin: &PluginName) -> Option<Arc<OwnData>> {
        match &*self.lock() {
            State::Some(kept) => kept.of(plugin).map(Arc::clone),
            State::Nothing | State::Over => None,
        }
    }

    /// Bytes of the texts that all plugins keep here, roughly: of one of them there is no more than that.
    pub fn texts(&self) -> usize {
        match &*self.lock() {
            State::Some(kept) => kept.by.iter().map(|(_, data)| data.texts()).sum(),
            State::Nothing | State::Over => 0,
        }
    }

    /// Changes what a plugin keeps here, or says why not, and then nothing has changed. `retag` is called with what it was and
    /// what it is, in turn with all who change something here.
    pub fn change(
        &self,
        holding: &Holding,
        plugin: &PluginName,
        change: Change,
        retag: impl FnOnce(&OwnData, &OwnData),
    ) -> Result<(), Fault> {
        let mut state = self.lock();
        let before = match &*state {
            State::Over => {
                return Err(Fault::new(FaultId::Closed, "the connection has ended"));
            }
            State::Some(kept) => kept.of(plugin).map(Arc::clone).unwrap_or_default(),
            State::Nothing => Arc::default(),
        };
        let after = before.changed(change)?;
        retag(&before, &after);
        state.put(holding, plugin, after);
        Ok(())
    }

    /// The connection has ended: there is nothing any more, and will be nothing. `forget` is called with what was there, as
    /// `retag` of [`Data::change`].
    pub fn end(&self, holding: &Holding, mut forget: impl FnMut(&PluginName, &OwnData)) {
        let mut state = self.lock();
        if let State::Some(mut kept) = std::mem::replace(&mut *state, State::Over) {
            kept.by.drain(..).for_each(|(plugin, data)| forget(&plugin, &data));
            kept.count(holding);
        }
    }

    /// Forgets what plugins have put here of which `stays` does not say that they stay. `forget`: as of [`Data::end`].
    pub fn keep(
        &self,
        holding: &Holding,
        stays: impl Fn(&PluginName) -> bool,
        mut forget: impl FnMut(&PluginName, &OwnData),
    ) {
        let mut state = self.lock();
        let State::Some(kept) = &mut *state else { return };
        kept.by.retain(|(plugin, data)| {
            let stays = stays(plugin);
            if !stays {
                forget(plugin, data);
            }
            stays
        });
        kept.count(holding);
        if kept.by.is_empty() {
            *state = State::Nothing;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn put(&mut self, holding: &Holding, plugin: &PluginName, data: OwnData) {
        let mut kept = match std::mem::take(self) {
            Self::Some(kept) => kept,
            Self::Nothing | Self::Over => Box::default(),
        };
        kept.by.retain(|(of, _)| of != plugin);
        if !data.is_empty() {
            kept.by.push((plugin.clone(), Arc::new(data)));
        }
        kept.count(holding);
        if !kept.by.is_empty() {
            *self = Self::Some(kept);
        }
    }
}

#[cfg(test)]
#[path = "data_tests.rs"]
mod tests;
