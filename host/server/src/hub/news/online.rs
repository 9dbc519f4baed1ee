//! Who has a connection: told by the one task, to each plugin for the connections of its own endpoints.

use super::{AT_ONCE, Offered, Told, lock, offer};
use crate::hub::{Hub, Link};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
};
use tengen_core::{
    event::Occurrence,
    handler::{Handler, Newcomer},
    news::News,
};
use tengen_wire::id::{PluginName, UserId};

#[derive(Debug, Default)]
pub(super) struct Online(Mutex<HashMap<PluginName, News<UserId>>>);

impl Online {
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        lock(&self.0).is_empty()
    }

    pub(super) fn keep(&self, running: &HashSet<PluginName>) {
        lock(&self.0).retain(|plugin, _| running.contains(plugin));
    }
}

impl Hub {
    /// A connection has come, or gone. Where no plugin wants to hear whose it is, nothing is kept.
    pub(in crate::hub) fn note_user(&self, link: &Link) {
        let Some(user) = &link.facts.user else { return };
        self.inbox.each(|plugin, handler| {
            if handler.wants_users() && self.owns(plugin, link) {
                let mut all = lock(&self.news.online.0);
                all.entry(plugin.clone()).or_default().mark(&user.id);
                drop(all);
                self.news.changed.notify_one();
            }
        });
    }

    /// Somebody begins: who is here, is told if it is not known, and who is no more, if it was.
    pub(super) fn tell_online(
        &self,
        plugin: &PluginName,
        handler: &Arc<dyn Handler>,
        who: Newcomer<'_>,
    ) {
        let mut all = lock(&self.news.online.0);
        if !handler.wants_users() {
            all.remove(plugin);
            return;
        }
        let is_its = |user: &UserId| who.hears.of_user(user);
        all.entry(plugin.clone()).or_default().begin_anew(who.knows, is_its);
        drop(all);
        // Who comes or goes from here on is marked by whoever brings that about.
        let own = self.links.all(|link| link.facts.user.is_some() && self.owns(plugin, link));
        let mut all = lock(&self.news.online.0);
        let news = all.entry(plugin.clone()).or_default();
        let users = own.iter().filter_map(|link| link.facts.user.as_ref()).map(|user| &user.id);
        users.filter(|user| is_its(user)).for_each(|user| news.is_so(user, who.knows));
        drop(all);
        self.news.changed.notify_one();
    }

    pub(super) fn tell_users(&self) -> Told {
        let plugins: Vec<_> = lock(&self.news.online.0).keys().cloned().collect();
        let mut all = Told::All;
        for plugin in plugins {
            if let Some(handler) = self.inbox.of(&plugin) {
                all = all.and(self.tell_users_to(&plugin, &handler));
                handler.settle();
            }
        }
        all
    }

    fn tell_users_to(&self, plugin: &PluginName, handler: &Arc<dyn Handler>) -> Told {
        let rights = self.rights.load();
        let Some(rights) = rights.get(plugin) else { return Told::All };
        let is_online =
            |user: &UserId| self.read_tables().has(user, |endpoint| rights.owns_endpoint(endpoint));
        for _ in 0..AT_ONCE {
            let mut all = lock(&self.news.online.0);
            let Some(news) = all.get_mut(plugin) else { return Told::All };
            let Some((user, is_so)) = news.take(is_online) else { return Told::All };
            let what = match is_so {
                true => Occurrence::UserOnline(user.clone()),
                false => Occurrence::UserOffline(user.clone()),
            };
            match offer(handler, None, what) {
                Offered::Taken => news.tell(user, is_so),
                Offered::Full | Offered::Down | Offered::LeftAlone => {
                    news.put_back(user);
                    return Told::Again;
                }
            }
        }
        Told::Some
    }
}
