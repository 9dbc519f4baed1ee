//! Tells plugins what they asked to hear of: who is subscribed to what (`members`), who has a connection (`online`), and what slow
//! clients do not get (`missed`).
//!
//! Where no plugin wants to hear of something, each handler is asked once whether it does, and nothing is kept.

mod members;
mod missed;
mod online;

use super::{Hub, Link};
use members::Members;
use missed::Misses;
use online::Online;
use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};
use tengen_core::{
    event::{Connection, Event, Occurrence},
    handler::{Declined, Handler, Newcomer},
    trace::Span,
};
use tengen_wire::{fault::FaultId, id::PluginName};
use tokio::{
    sync::Notify,
    time::{self, Instant},
};

/// How soon one that found no room is tried again.
const AGAIN: Duration = Duration::from_millis(20);
/// So much is told before others have their turn.
const AT_ONCE: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Newsroom {
    members: Members,
    online: Online,
    misses: Arc<Misses>,
    /// There is something to tell, or to be tried again.
    changed: Arc<Notify>,
}

impl Newsroom {
    /// What other plugins than these would have heard is forgotten.
    pub(super) fn keep(&self, running: &HashSet<PluginName>) {
        self.members.keep(running);
        self.online.keep(running);
        self.misses.keep(running);
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty() && self.online.is_empty() && self.misses.is_empty()
    }
}

impl Hub {
    /// A plugin, or one instance of it, begins: it hears of all that is so and that it does not know, and of what it knows and that
    /// is so no more.
    pub(super) fn tell_all(&self, plugin: &PluginName, who: Newcomer<'_>) {
        self.tell_occupied(plugin, &|channel| who.hears.of_channel(channel));
        let Some(handler) = self.inbox.of(plugin) else { return };
        self.tell_members(plugin, &handler, who);
        self.tell_online(plugin, &handler, who);
        let is_its = |of| self.links.get(of).is_none_or(|it| who.hears.of_connection(&it.facts));
        self.news.misses.begin_anew(plugin, is_its);
    }

    /// Tells plugins what found no room, and what is told in its own time, until it is dropped.
    pub async fn run_news(&self) {
        loop {
            match self.tell_news() {
                Told::Some => tokio::task::yield_now().await,
                Told::All => self.news.changed.notified().await,
                Told::Again => {
                    tokio::select! {
                        () = time::sleep_until(Instant::now() + AGAIN) => {}
                        () = self.news.changed.notified() => {}
                    }
                }
            }
        }
    }

    /// Tells plugins what there is to tell, at once. What finds no room is not tried again before there is more.
    pub(super) fn tell_news_now(&self) {
        while self.tell_news() == Told::Some {}
    }

    fn tell_news(&self) -> Told {
        let members = self.tell_late_members();
        members.and(self.tell_users()).and(self.tell_missed())
    }

    /// Whether these connections are the plugin's.
    fn owns(&self, plugin: &PluginName, link: &Link) -> bool {
        self.rights.load().get(plugin).is_some_and(|rights| rights.owns(link))
    }
}

/// How much has been told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    All,
    /// There may be more, after others had their turn.
    Some,
    /// Somebody had no room, and may have some later.
    Again,
}

impl Told {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Some, _) | (_, Self::Some) => Self::Some,
            (Self::Again, _) | (_, Self::Again) => Self::Again,
            (Self::All, Self::All) => Self::All,
        }
    }
}

/// What became of what was offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Offered {
    Taken,
    /// There is no room: it is to be tried again.
    Full,
    /// The plugin does not run, or not as it should: it is to be tried again.
    Down,
    /// It is not told of this connection for a while.
    LeftAlone,
}

impl Offered {
    /// Whether nothing else is taken either.
    fn is_stuck(self) -> bool {
        matches!(self, Self::Full | Self::Down)
    }
}

fn offer(
    handler: &Arc<dyn Handler>,
    connection: Option<Arc<Connection>>,
    what: Occurrence,
) -> Offered {
    let (at, span) = (SystemTime::now(), Span::none());
    match handler.offer(Event { connection, seq: 0, at, what, span, permit: None }) {
        Ok(()) => Offered::Taken,
        Err(declined) => match *declined {
            Declined { why, .. } if why.id == FaultId::Overloaded => Offered::Full,
            Declined { why, .. } if why.id == FaultId::PluginFailed => Offered::LeftAlone,
            _ => Offered::Down,
        },
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
