//! What waits, dealt out anew: to another number of instances, or in another way.
//!
//! It is done at once for all of them, under the locks of all their queues. Who offers an event meanwhile waits for the lock,
//! and finds the queue at another turn then: the event is dealt out again, behind what waits of its connection.

use super::{Closed, Queue, Waiting, adopted, ended};
use crate::shared::Deal;
use std::{
    collections::HashSet,
    mem::take,
    sync::{Arc, MutexGuard},
    task::Waker,
};
use tengen_core::event::{Connection, Event, Occurrence};
use tengen_wire::id::{ConnectionId, Handle};

/// How many events a queue was dealt: those before that, the old instances have begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::handler) struct Dealt(usize);

/// What is taken out of all queues.
#[derive(Debug, Default)]
struct Contents {
    /// Connections that were to be adopted.
    adopted: Vec<Event>,
    /// Events, and the instances that they waited for.
    alone: Vec<(u16, Event)>,
    events: Vec<(u16, Event)>,
    told: Vec<Arc<Connection>>,
    /// What waits for an instance to come.
    owed: Vec<(u16, Event)>,
}

impl Queue {
    /// The connections that its instance has been told of already, those among them whose end waits.
    pub(in crate::handler) fn known(&self) -> Vec<(Handle, ConnectionId)> {
        let waiting = self.lock();
        let begins =
            |event: &&Event| matches!(event.what, Occurrence::Opened | Occurrence::Adopted);
        let early = waiting.adopted.iter().chain(&waiting.suspects);
        let yet = early.chain(waiting.waiting()).filter(begins);
        let yet: HashSet<_> =
            yet.filter_map(|event| Some(event.connection.as_ref()?.handle)).collect();
        let ends = waiting.waiting().filter(|event| ended(event).is_some());
        let ends = ends.filter_map(|event| event.connection.as_ref());
        let all = waiting.told.values().chain(ends).filter(|it| !yet.contains(&it.handle));
        all.map(|connection| (connection.handle, connection.id)).collect()
    }

    /// Deals out what waits in these queues, which are those of all instances that there were or will be, by their numbers.
    /// `then` is called while nobody can offer anything. From here on, until [`Queue::adopt`] or [`Queue::adopt_rest`], the
    /// ends of connections are kept.
    pub(in crate::handler) fn deal_anew(
        queues: &[Arc<Self>],
        deal: Deal,
        then: impl FnOnce(),
    ) -> Vec<Dealt> {
        let mut all: Vec<_> = queues.iter().map(|queue| queue.lock()).collect();
        let mut contents = Contents::default();
        let mut called: Vec<Waker> = Vec::new();
        for (number, waiting) in (0_u16..).zip(&mut all) {
            contents.take_from(number, waiting);
            called.append(&mut waiting.backlog.tasks);
            waiting.backlog.calls += 1;
            waiting.turn = deal.turn;
            waiting.adopting = number < deal.of;
            waiting.closed = (number >= deal.of).then_some(Closed::Stopped);
        }
        contents.deal_to(&mut all, deal);
        then();
        let dealt = all.iter().map(|waiting| Dealt(waiting.events.len())).collect();
        drop(all);
        called.into_iter().for_each(Waker::wake);
        dealt
    }

    /// The instance was handed the states of those before it, and so knows their connections. It hears of those that none of
    /// them knew: because it did not run, say.
    pub(in crate::handler) fn adopt_rest(&self, open: Vec<Arc<Connection>>, dealt: Dealt) {
        self.lock().adopt_rest(open, dealt);
    }
}

impl Waiting {
    fn adopt_rest(&mut self, open: Vec<Arc<Connection>>, Dealt(dealt): Dealt) {
        let handle = |event: &Event| event.connection.as_ref().map(|it| it.handle);
        let before = self.alone.iter().chain(self.events.iter().take(dealt));
        let known: HashSet<_> = before.filter_map(handle).collect();
        // An end that was kept since then may be of one that is listed still.
        let gone: HashSet<_> = self.events.iter().skip(dealt).filter_map(ended).collect();
        for connection in open {
            let handle = connection.handle;
            if self.told.contains_key(&handle) || known.contains(&handle) {
                continue;
            }
            self.adopted.push_back(adopted(&connection));
            if !gone.contains(&handle) {
                self.told.insert(handle, connection);
            }
        }
        self.adopting = false;
        self.return_owed();
    }
}

impl Contents {
    fn take_from(&mut self, number: u16, waiting: &mut Waiting) {
        self.adopted.extend(waiting.adopted.clear());
        self.adopted.extend(waiting.suspects.drain(..));
        self.alone.extend(waiting.alone.drain(..).map(|event| (number, event)));
        self.events.extend(waiting.events.clear().into_iter().map(|event| (number, event)));
        self.told.extend(take(&mut waiting.told).into_values());
        self.owed.extend(waiting.owed.drain(..).map(|event| (number, event)));
        // It is another version that begins, or other instances: nothing is held against anybody.
        waiting.suspected.clear();
        waiting.shunned.clear();
    }

    fn deal_to(self, all: &mut [MutexGuard<'_, Waiting>], deal: Deal) {
        for event in self.adopted {
            if let Some(to) = at(all, deal.place_of(&event, 0)) {
                to.adopted.push_back(event);
            }
        }
        for (by, event) in self.alone {
            if let Some(to) = at(all, deal.place_of(&event, by)) {
                to.alone.push_back(event);
            }
        }
        for (by, event) in self.events {
            if let Some(to) = at(all, deal.place_of(&event, by)) {
                to.events.push_back(event);
            }
        }
        for (by, event) in self.owed {
            if let Some(to) = at(all, deal.place_of(&event, by)) {
                to.owed.push_back(event);
            }
        }
        for connection in self.told {
            if let Some(to) = at(all, deal.of_connection(&connection)) {
                to.told.insert(connection.handle, connection);
            }
        }
    }
}

/// Whoever has this number: there is one, for a deal names no other.
fn at<'all>(all: &'all mut [MutexGuard<'_, Waiting>], place: u16) -> Option<&'all mut Waiting> {
    all.get_mut(usize::from(place)).map(|waiting| &mut **waiting)
}

#[cfg(test)]
#[path = "moving_tests.rs"]
mod tests;
