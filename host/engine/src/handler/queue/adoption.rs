//! What an instance hears first: of connections that are open, and of those that it knows and that are no more.

use super::{Waiting, adopted, ended};
use crate::handler::{keeping::known::Missing, line::Line};
use foldhash::fast::RandomState;
use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::SystemTime,
};
use tengen_core::{
    event::{Closing, Connection, Event, Occurrence},
    trace::Span,
};
use tengen_wire::{
    close::Reason,
    id::{ConnectionId, Handle},
};

impl Waiting {
    /// Puts a beginning in front of everything that the next instance will hear.
    ///
    /// The list of open connections is not enough for that. A connection whose `opened` waits in the queue has its beginning
    /// already, and a second one would be wrong. A connection that has ended is not in the list, but its last events may wait,
    /// its `closed` among them; without a beginning the instance would hear of an end alone. So what waits is looked at first,
    /// in order: the first event of each connection says whether its beginning waits.
    pub(super) fn adopt(
        &mut self,
        open: Vec<Arc<Connection>>,
        missing: Missing,
        forgive: bool,
    ) -> usize {
        if forgive {
            self.shunned.clear();
            self.suspected.clear();
        }
        // Who brought something meanwhile may have been taken for one that the instance does not know.
        let is_known = |event: &Event| {
            let of =
                event.connection.as_ref().filter(|_| matches!(event.what, Occurrence::Adopted));
            of.is_some_and(|of| missing.known.get(&of.handle) == Some(&of.id))
        };
        if self.waiting().any(is_known) {
            self.alone.retain(|event| !is_known(event));
            drop(self.events.take_out(is_known));
        }
        let mut known = HashMap::<_, _, RandomState>::default();
        let mut is_new = |connection: &Arc<Connection>| {
            known.insert(connection.handle, Arc::clone(connection)).is_none()
        };
        let mut unbegun = Vec::new();
        for event in self.waiting() {
            let Some(connection) = &event.connection else { continue };
            let begins = matches!(event.what, Occurrence::Opened | Occurrence::Adopted);
            if is_new(connection) && !begins {
                unbegun.push(Arc::clone(connection));
            }
        }
        unbegun.extend(open.into_iter().filter(is_new));
        unbegun.retain(|connection| {
            let handle = &connection.handle;
            missing.known.get(handle) != Some(&connection.id) && !self.shunned.contains_key(handle)
        });
        self.line_up(&unbegun);
        let is_kept = |(handle, connection): &(&Handle, &Arc<Connection>)| {
            missing.known.get(handle) == Some(&connection.id)
        };
        let kept = known.iter().filter(is_kept);
        let kept = kept.map(|(handle, _)| *handle).collect::<HashSet<_, RandomState>>();
        let count = self.catch_up(missing, &known) + unbegun.len();
        // Told, as soon as all of this is heard, is everybody whose end does not wait as well.
        let ended = self.waiting().filter_map(ended).collect::<HashSet<_, RandomState>>();
        known.retain(|handle, _| {
            let is_left_alone = self.shunned.contains_key(handle) && !kept.contains(handle);
            !ended.contains(handle) && !is_left_alone
        });
        self.told = known;
        self.adopting = false;
        self.return_owed();
        count
    }

    /// What an instance that knows something has missed: ends of connections come first of all, and what it waited for before
    /// anything new. Returns how many ended.
    fn catch_up(
        &mut self,
        missing: Missing,
        open: &HashMap<Handle, Arc<Connection>, RandomState>,
    ) -> usize {
        let Missing { known, mut ended, again, .. } = missing;
        // Of whoever had the handle before, nothing is told.
        let is_here = |of: &Arc<Connection>| {
            open.get(&of.handle).is_some_and(|it| it.id == of.id)
                && !self.shunned.contains_key(&of.handle)
        };
        let again = again.into_iter().filter(|event| event.connection.as_ref().is_none_or(is_here));
        let again = again.collect::<Vec<_>>();
        again.into_iter().rev().for_each(|event| self.events.push_front(event));
        let mut count = 0;
        let is_gone = |(handle, id): &(Handle, ConnectionId)| {
            open.get(handle).is_none_or(|connection| connection.id != *id)
        };
        for (handle, id) in known.into_iter().filter(is_gone) {
            let how = ended.remove(&handle).unwrap_or_else(|| Closing::from(&Reason::Lost));
            self.adopted.push_front(closed(handle, id, how));
            count += 1;
        }
        count
    }

    /// What waits behind the adoptions, in order.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Event> {
        self.alone.iter().chain(self.events.iter())
    }

    /// Those who may have broken an instance come last and one by one, so that the next break says who it was.
    fn line_up(&mut self, connections: &[Arc<Connection>]) {
        (self.adopted, self.suspects) = (Line::default(), VecDeque::new());
        let mut suspected = HashSet::default();
        for connection in connections {
            let event = adopted(connection);
            if self.suspected.contains(&connection.handle) {
                suspected.insert(connection.handle);
                self.suspects.push_back(event);
            } else {
                self.adopted.push_back(event);
            }
        }
        // Who has gone meanwhile is suspected no more.
        self.suspected = suspected;
    }
}

/// The end of a connection that is gone.
fn closed(handle: Handle, id: ConnectionId, how: Closing) -> Event {
    Event {
        connection: Some(Arc::new(Connection::gone(handle, id))),
        seq: 0,
        at: SystemTime::now(),
        what: Occurrence::Closed(how),
        span: Span::none(),
        permit: None,
    }
}
