//! What slow clients do not get: summed up for each plugin that wants to hear of it, one at a time of each connection.

use super::{AT_ONCE, Offered, Told, lock, offer};
use crate::hub::{Hub, Link};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
};
use tengen_core::{
    capability::{connection::Missed, fetch::Place},
    event::Occurrence,
};
use tengen_wire::id::{Handle, PluginName};
use tokio::sync::Notify;

/// Whose connection, and which.
type Whose = (PluginName, Handle);

#[derive(Debug, Default)]
pub(super) struct Misses(Mutex<HashMap<Whose, Sum>>);

#[derive(Debug, Default)]
struct Sum {
    count: u32,
    /// The plugin has been told of some, and has not decided about that yet.
    is_told: bool,
}

impl Misses {
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        lock(&self.0).is_empty()
    }

    pub(super) fn keep(&self, running: &HashSet<PluginName>) {
        lock(&self.0).retain(|(plugin, _), _| running.contains(plugin));
    }

    /// `is_its`: which connections are those of whoever begins.
    pub(super) fn begin_anew(&self, plugin: &PluginName, is_its: impl Fn(Handle) -> bool) {
        lock(&self.0).retain(|(of, handle), _| of != plugin || !is_its(*handle));
    }
}

/// As long as this is there, the plugin has not decided about what it was told.
struct Telling {
    misses: Arc<Misses>,
    whose: Whose,
    changed: Arc<Notify>,
}

impl Drop for Telling {
    fn drop(&mut self) {
        let mut all = lock(&self.misses.0);
        // It may never have been told: then it is tried again in its time.
        let sum = all.get_mut(&self.whose).filter(|sum| sum.is_told);
        let Some(sum) = sum else { return };
        sum.is_told = false;
        if sum.count == 0 {
            all.remove(&self.whose);
        } else {
            self.changed.notify_one();
        }
    }
}

impl Hub {
    /// A connection's outbox has left so many messages out. Where no plugin wants to hear of it, nothing is kept.
    pub(in crate::hub) fn note_missed(&self, link: &Link, count: u32) {
        self.inbox.each(|plugin, handler| {
            if handler.wants_missed() && self.owns(plugin, link) && !link.is_ending() {
                let mut all = lock(&self.news.misses.0);
                let sum = all.entry((plugin.clone(), link.facts.handle)).or_default();
                sum.count = sum.count.saturating_add(count);
                let is_news = !sum.is_told;
                drop(all);
                if is_news {
                    self.news.changed.notify_one();
                }
            }
        });
    }

    /// A connection has ended, and can be found no more: nothing is told of it from here on.
    pub(in crate::hub) fn end_missed(&self, of: Handle) {
        let mut all = lock(&self.news.misses.0);
        if !all.is_empty() {
            all.retain(|(_, handle), _| *handle != of);
        }
    }

    pub(super) fn tell_missed(&self) -> Told {
        let all = lock(&self.news.misses.0);
        let due = all.iter().filter(|(_, sum)| sum.count > 0 && !sum.is_told);
        let due: Vec<_> = due.map(|(whose, _)| whose.clone()).take(AT_ONCE).collect();
        drop(all);
        let some = if due.len() == AT_ONCE { Told::Some } else { Told::All };
        due.into_iter().fold(some, |told, whose| told.and(self.tell_missed_of(whose)))
    }

    fn tell_missed_of(&self, whose: Whose) -> Told {
        let Some(handler) = self.inbox.of(&whose.0) else {
            lock(&self.news.misses.0).remove(&whose);
            return Told::All;
        };
        let misses = &self.news.misses;
        let mut all = lock(&misses.0);
        let (Some(link), Some(sum)) = (self.links.get(whose.1), all.get_mut(&whose)) else {
            // Whoever filled its outbox may have been later than its end.
            all.remove(&whose);
            return Told::All;
        };
        let (misses, changed) = (Arc::clone(misses), Arc::clone(&self.news.changed));
        let place = Arc::new(Place::new(Telling { misses, whose: whose.clone(), changed }));
        let missed = Missed { count: sum.count, place: Arc::clone(&place) };
        let offered = offer(&handler, Some(Arc::clone(&link.facts)), Occurrence::Missed(missed));
        match offered {
            Offered::Taken => *sum = Sum { count: 0, is_told: true },
            Offered::Full => {}
            Offered::Down | Offered::LeftAlone => drop(all.remove(&whose)),
        }
        drop(all);
        // Not under the lock: it may be the last to have it.
        drop(place);
        handler.settle();
        if offered == Offered::Full { Told::Again } else { Told::All }
    }
}
