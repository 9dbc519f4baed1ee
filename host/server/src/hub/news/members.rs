//! Which connections are subscribed to what: told when it changes, in order with the connection's other events, or later where there
//! is no room.
//!
//! What a plugin was told of each connection is known here, and held against what is so each time that something changes. Both
//! happen under the lock of the connection's part, so it does not matter whose change comes first.
//!
//! **Invariant:** nothing of a connection is told before its beginning, and nothing after its end. It begins here when all its handlers have heard
//! that it is there; and whoever ends it takes it out under the lock before its handlers hear of the end.

use super::{AT_ONCE, Offered, Told, lock, offer};
use crate::hub::{Hub, Link};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard},
};
use tengen_core::{
    capability::subscription::Left,
    event::Occurrence,
    handler::{Handler, Newcomer},
    news::News,
};
use tengen_wire::id::{Channel, Handle, PluginName};

const PARTS: usize = 16;

#[derive(Debug, Default)]
pub(super) struct Members {
    parts: [Mutex<Part>; PARTS],
}

#[derive(Debug, Default)]
struct Part {
    of: HashMap<Handle, Vec<Watched>>,
    /// Of whom not all is told.
    late: HashSet<Handle>,
}

/// What a plugin knows of a connection.
#[derive(Debug)]
struct Watched {
    plugin: PluginName,
    news: News<Channel>,
}

impl Members {
    fn part(&self, of: Handle) -> MutexGuard<'_, Part> {
        let [first, ..] = &self.parts;
        lock(self.parts.get(of.0 as usize % PARTS).unwrap_or(first))
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.parts.iter().all(|part| lock(part).of.is_empty() && lock(part).late.is_empty())
    }

    pub(super) fn keep(&self, running: &HashSet<PluginName>) {
        for part in &self.parts {
            lock(part).of.retain(|_, watched| {
                watched.retain(|watched| running.contains(&watched.plugin));
                !watched.is_empty()
            });
        }
    }
}

impl Part {
    /// Whether the plugin was told of subscriptions of this connection, or is going to be.
    fn knows(&self, of: Handle, plugin: &PluginName) -> bool {
        self.of.get(&of).is_some_and(|all| all.iter().any(|watched| watched.plugin == *plugin))
    }

    fn news(&mut self, of: Handle, plugin: &PluginName) -> &mut News<Channel> {
        let all = self.of.entry(of).or_default();
        let place = all.iter().position(|watched| watched.plugin == *plugin);
        let place = place.unwrap_or_else(|| {
            all.push(Watched { plugin: plugin.clone(), news: News::default() });
            all.len() - 1
        });
        // It is there: it was found, or has just been put there.
        #[expect(clippy::indexing_slicing, reason = "the place was found in the line before")]
        &mut all[place].news
    }
}

impl Hub {
    /// A connection has come into a channel, or left it. Where no plugin wants to hear of it, nothing is kept.
    pub(in crate::hub) fn note_member(&self, link: &Arc<Link>, channel: &Channel) {
        self.inbox.each(|plugin, handler| {
            if handler.wants_subscriptions(channel) && self.hears_of(plugin, link, channel) {
                self.note_members(plugin, handler, link, std::slice::from_ref(channel));
            }
        });
    }

    /// All handlers have heard that a connection is there: what it is subscribed to by now, is told from here on.
    pub(crate) fn begin_news(&self, link: &Arc<Link>) {
        link.has_begun();
        self.inbox.each(|plugin, handler| {
            if !handler.wants_any_subscriptions() {
                return;
            }
            let channels = link.subscriptions();
            let wanted = channels.into_iter().filter(|channel| {
                handler.wants_subscriptions(channel) && self.hears_of(plugin, link, channel)
            });
            let wanted: Vec<_> = wanted.collect();
            if !wanted.is_empty() {
                self.note_members(plugin, handler, link, &wanted);
            }
        });
    }

    fn note_members(
        &self,
        plugin: &PluginName,
        handler: &Arc<dyn Handler>,
        link: &Arc<Link>,
        channels: &[Channel],
    ) {
        let of = link.facts.handle;
        let mut part = self.news.members.part(of);
        if !link.is_begun() || !self.links.contains(of) {
            return;
        }
        let news = part.news(of, plugin);
        channels.iter().for_each(|channel| news.mark(channel));
        if tell(handler, link, news) != Offered::Taken {
            part.late.insert(of);
            self.news.changed.notify_one();
        }
        drop(part);
        handler.settle();
    }

    fn hears_of(&self, plugin: &PluginName, link: &Link, channel: &Channel) -> bool {
        let rights = self.rights.load();
        let own = rights.get(plugin).filter(|rights| rights.owns(link));
        own.is_some_and(|rights| rights.grants.may_publish(channel))
    }

    /// A connection has ended, and can be found no more: plugins hear that it has left all that they were told of.
    pub(in crate::hub) fn end_members(&self, link: &Link) {
        let of = link.facts.handle;
        let mut part = self.news.members.part(of);
        part.late.remove(&of);
        let Some(all) = part.of.remove(&of) else { return };
        let mut told = Vec::new();
        for Watched { plugin, news } in all {
            let mut channels: Vec<_> = news.told().cloned().collect();
            if let Some(handler) = self.inbox.of(&plugin)
                && !channels.is_empty()
            {
                channels.sort();
                let left = Occurrence::Unsubscribed(Left { channels, at_end: true });
                // Who does not run hears of no end either.
                offer(&handler, Some(Arc::clone(&link.facts)), left);
                told.push(handler);
            }
        }
        drop(part);
        told.iter().for_each(|handler| handler.settle());
    }

    /// Somebody begins: it hears of the subscriptions of all its own connections that it does not know, as soon as it has room.
    pub(super) fn tell_members(
        &self,
        plugin: &PluginName,
        handler: &Arc<dyn Handler>,
        who: Newcomer<'_>,
    ) {
        if !handler.wants_any_subscriptions() {
            return;
        }
        let is_its = |link: &Link| self.owns(plugin, link) && who.hears.of_connection(&link.facts);
        for link in self.links.all(|link| is_its(link)) {
            let of = link.facts.handle;
            let mut part = self.news.members.part(of);
            if !link.is_begun() || !self.links.contains(of) {
                continue;
            }
            // Under the lock: what changes from here on is noted after it.
            let wanted: Vec<_> = link
                .subscriptions()
                .into_iter()
                .filter(|channel| handler.wants_subscriptions(channel))
                .filter(|channel| self.hears_of(plugin, &link, channel))
                .collect();
            if wanted.is_empty() && !part.knows(of, plugin) {
                continue;
            }
            let news = part.news(of, plugin);
            news.begin_anew(who.knows, |_| true);
            wanted.iter().for_each(|channel| news.is_so(channel, who.knows));
            part.late.insert(of);
        }
        self.news.changed.notify_one();
    }

    /// Tries again where there was no room.
    pub(super) fn tell_late_members(&self) -> Told {
        let (mut left, mut all) = (AT_ONCE, Told::All);
        let mut stuck = HashSet::new();
        for part in &self.news.members.parts {
            let late: Vec<_> = lock(part).late.iter().copied().collect();
            for of in late {
                if left == 0 {
                    return Told::Some;
                }
                all = all.and(self.tell_late(of, &mut stuck, &mut left));
            }
        }
        all
    }

    /// `stuck`: plugins that take nothing now, of which nobody is tried again. `left`: how many more may be offered something.
    fn tell_late(&self, of: Handle, stuck: &mut HashSet<PluginName>, left: &mut usize) -> Told {
        let mut told = Vec::new();
        let mut part = self.news.members.part(of);
        part.late.remove(&of);
        let Some(link) = self.links.get(of) else { return Told::All };
        let mut is_late = false;
        for Watched { plugin, news } in part.of.get_mut(&of).into_iter().flatten() {
            if stuck.contains(plugin) {
                is_late |= !news.is_empty();
            } else if let Some(handler) = self.inbox.of(plugin) {
                *left = left.saturating_sub(1);
                let offered = tell(&handler, &link, news);
                is_late |= offered != Offered::Taken;
                if offered.is_stuck() {
                    stuck.insert(plugin.clone());
                }
                told.push(handler);
            }
        }
        if is_late {
            part.late.insert(of);
        }
        drop(part);
        told.iter().for_each(|handler| handler.settle());
        if is_late { Told::Again } else { Told::All }
    }
}

/// Tells what has changed: what was left first, then what was come into.
fn tell(handler: &Arc<dyn Handler>, link: &Link, news: &mut News<Channel>) -> Offered {
    let (mut into, mut out) = (Vec::new(), Vec::new());
    while let Some((channel, is_in)) = news.take(|channel| link.is_subscribed(channel)) {
        if is_in { into.push(channel) } else { out.push(channel) }
    }
    let mut all = Offered::Taken;
    for (channels, is_in) in [(out, false), (into, true)] {
        if channels.is_empty() {
            continue;
        }
        let what = match is_in {
            true => Occurrence::Subscribed(channels.clone()),
            false => Occurrence::Unsubscribed(Left { channels: channels.clone(), at_end: false }),
        };
        match offer(handler, Some(Arc::clone(&link.facts)), what) {
            Offered::Taken => channels.into_iter().for_each(|channel| news.tell(channel, is_in)),
            refused => {
                channels.into_iter().rev().for_each(|channel| news.put_back(channel));
                all = refused;
            }
        }
    }
    all
}
