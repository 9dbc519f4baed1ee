//! Tells plugins when a channel gets its first subscriber and loses its last: those that want to hear of it and may publish
//! there.
//!
//! What there is to tell is noted where it happens, under a lock of the channel's, and told by one task: so each plugin hears
//! of each channel in turn. A plugin that has no room is told later, and of each channel at most what has changed since it
//! last heard of it.

use super::Hub;
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};
use tengen_core::{
    event::{Event, Occurrence},
    handler::Handler,
    occupancy::{Change, Changes},
    trace::Span,
};
use tengen_wire::id::{Channel, PluginName};
use tokio::{
    sync::Notify,
    time::{self, Instant},
};

/// How soon one that found no room is tried again, unless the plugin says when.
const AGAIN: Duration = Duration::from_millis(20);
/// So many are told before others have their turn.
const AT_ONCE: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Occupancy {
    waiting: Mutex<HashMap<PluginName, Changes>>,
    changed: Notify,
}

impl Occupancy {
    fn lock(&self) -> MutexGuard<'_, HashMap<PluginName, Changes>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What other plugins than these would have heard is forgotten.
    pub(super) fn keep(&self, running: &HashSet<PluginName>) {
        self.lock().retain(|plugin, _| running.contains(plugin));
    }

    fn note(&self, plugin: &PluginName, change: Change) {
        self.lock().entry(plugin.clone()).or_default().note(change);
        self.changed.notify_one();
    }
}

impl Hub {
    /// To be called in turn for each channel. Where no plugin wants to hear of it, nothing is written.
    pub(super) fn note_change(&self, channel: &Channel, is_occupied: bool) {
        self.inbox.each(|plugin, handler| {
            if self.hears(plugin, handler, channel) {
                let channel = channel.clone();
                self.occupancy.note(plugin, Change { channel, is_occupied });
            }
        });
    }

    fn hears(&self, plugin: &PluginName, handler: &Arc<dyn Handler>, channel: &Channel) -> bool {
        let may = || {
            let rights = self.rights.load();
            rights.get(plugin).is_some_and(|rights| rights.grants.may_publish(channel))
        };
        handler.wants_channel(channel) && may()
    }

    /// A plugin begins, or an instance of it, that knows of no channel: it hears of those that are occupied. `hears`: of which
    /// of them.
    pub(super) fn tell_occupied(&self, plugin: &PluginName, hears: &dyn Fn(&Channel) -> bool) {
        let Some(handler) = self.inbox.of(plugin) else { return };
        self.channels.for_each(|channel| {
            if hears(channel) && self.hears(plugin, &handler, channel) {
                let channel = channel.clone();
                self.occupancy.note(plugin, Change { channel, is_occupied: true });
            }
        });
    }

    /// Tells plugins what has changed, until it is dropped.
    pub async fn run_occupancy(&self) {
        loop {
            match self.tell_changes() {
                Told::Some => tokio::task::yield_now().await,
                Told::All => self.occupancy.changed.notified().await,
                Told::Again(when) => {
                    tokio::select! {
                        () = time::sleep_until(when) => {}
                        () = self.occupancy.changed.notified() => {}
                    }
                }
            }
        }
    }

    /// Tells plugins what has changed, at once.
    pub(super) fn tell_occupancy_now(&self) {
        while matches!(self.tell_changes(), Told::Some) {}
    }

    fn tell_changes(&self) -> Told {
        let plugins: Vec<_> = self.occupancy.lock().keys().cloned().collect();
        let mut all = Told::All;
        for plugin in plugins {
            let Some(handler) = self.inbox.of(&plugin) else {
                self.occupancy.lock().remove(&plugin);
                continue;
            };
            let told = self.tell_plugin(&plugin, &handler);
            handler.settle();
            all = all.and(told);
        }
        all
    }

    fn tell_plugin(&self, plugin: &PluginName, handler: &Arc<dyn Handler>) -> Told {
        for _ in 0..AT_ONCE {
            let mut waiting = self.occupancy.lock();
            let Some((place, change)) = waiting.get_mut(plugin).and_then(Changes::take) else {
                waiting.remove(plugin);
                return Told::All;
            };
            drop(waiting);
            if let Err(declined) = handler.offer(occurrence(&change)) {
                let mut waiting = self.occupancy.lock();
                waiting.entry(plugin.clone()).or_default().put_back(place, change);
                let after = declined.why.retry_after.unwrap_or(AGAIN).max(AGAIN);
                return Told::Again(Instant::now() + after);
            }
        }
        Told::Some
    }
}

/// How much has been told.
enum Told {
    All,
    /// There may be more, after others had their turn.
    Some,
    /// Somebody had no room, and has some by then.
    Again(Instant),
}

impl Told {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Some, _) | (_, Self::Some) => Self::Some,
            (Self::Again(one), Self::Again(other)) => Self::Again(one.min(other)),
            (Self::Again(when), Self::All) | (Self::All, Self::Again(when)) => Self::Again(when),
            (Self::All, Self::All) => Self::All,
        }
    }
}

fn occurrence(change: &Change) -> Event {
    let channel = change.channel.clone();
    let what = match change.is_occupied {
        true => Occurrence::ChannelOccupied(channel),
        false => Occurrence::ChannelVacated(channel),
    };
    let (at, span) = (SystemTime::now(), Span::none());
    Event { connection: None, seq: 0, at, what, span, permit: None }
}
