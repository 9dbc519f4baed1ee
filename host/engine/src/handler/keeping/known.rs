//! The connections that an instance has heard of, and what it was told since its last checkpoint.

use crate::handler::line::weight;
use foldhash::fast::RandomState;
use std::collections::{HashMap, HashSet};
use tengen_core::{
    event::{Closing, Event, Occurrence},
    handler::Knows,
};
use tengen_wire::id::{ConnectionId, Handle};

/// Occurrences that are told once more, at most,
const AGAIN: usize = 4096;
/// and what they may weigh. Further ones are counted.
const AGAIN_WEIGHT: usize = 2 << 20;

/// What an instance knows of connections.
#[derive(Debug, Default)]
pub(in crate::handler) struct Known {
    open: HashMap<Handle, ConnectionId, RandomState>,
    since: Since,
}

/// What has changed between two moments.
#[derive(Debug, Default)]
pub(in crate::handler) struct Since {
    begun: HashSet<Handle, RandomState>,
    /// Of those that were open before.
    ended: HashMap<Handle, (ConnectionId, Closing), RandomState>,
    /// What its state waits for, and has come: timers, answers, ends of requests; and what it believes to be there, and has gone.
    again: Vec<Event>,
    weight: usize,
    /// So many that found no room.
    untold: u64,
}

impl Since {
    /// This, and then that.
    pub(in crate::handler) fn then(mut self, next: &Self) -> Self {
        for (handle, how) in &next.ended {
            if !self.begun.remove(handle) {
                self.ended.insert(*handle, how.clone());
            }
        }
        self.begun.extend(&next.begun);
        self.untold += next.untold;
        next.again.iter().for_each(|event| self.comes(event));
        self
    }

    fn comes(&mut self, event: &Event) {
        let weight = self.weight.saturating_add(weight(event));
        if self.again.len() >= AGAIN || weight > AGAIN_WEIGHT {
            self.untold += 1;
            return;
        }
        let mut event = event.another();
        event.permit = None;
        event.what.let_go();
        self.weight = weight;
        self.again.push(event);
    }
}

/// What a fresh instance has to be told to know what is.
#[derive(Debug, Default)]
pub(in crate::handler) struct Missing {
    /// It is where the one before it was: nothing is missing, unless something happened while none ran.
    pub(in crate::handler) is_complete: bool,
    /// What it knows of everything else.
    pub(in crate::handler) knows: Knows,
    /// The connections that its state knows.
    pub(in crate::handler) known: HashMap<Handle, ConnectionId, RandomState>,
    /// How those of them ended that did.
    pub(in crate::handler) ended: HashMap<Handle, Closing, RandomState>,
    /// What has come since, and is told once more.
    pub(in crate::handler) again: Vec<Event>,
}

impl Known {
    pub(in crate::handler) fn of(open: Vec<(Handle, ConnectionId)>) -> Self {
        Self { open: open.into_iter().collect(), since: Since::default() }
    }

    /// An event was told.
    pub(in crate::handler) fn told(&mut self, event: &Event) {
        match (&event.what, &event.connection) {
            (Occurrence::Opened | Occurrence::Adopted, Some(connection))
                if self.open.insert(connection.handle, connection.id).is_none() =>
            {
                self.since.begun.insert(connection.handle);
            }
            (Occurrence::Closed(how), Some(connection)) => {
                let known = self.open.remove(&connection.handle);
                if !self.since.begun.remove(&connection.handle)
                    && let Some(id) = known
                {
                    self.since.ended.insert(connection.handle, (id, how.clone()));
                }
            }
            (what, _) if is_told_again(what) => self.since.comes(event),
            _ => {}
        }
    }

    /// How much of what came since is told no more.
    pub(in crate::handler) fn untold(&self) -> u64 {
        self.since.untold
    }

    /// It is told nothing more of this connection, and its end, at which it failed, not again.
    pub(in crate::handler) fn forget(&mut self, handle: Handle) {
        self.open.remove(&handle);
        self.since.begun.remove(&handle);
    }

    /// A checkpoint has all that happened until now. Returns what happened since the one before.
    pub(in crate::handler) fn settle(&mut self) -> Since {
        std::mem::take(&mut self.since)
    }

    /// For an instance that knows everything.
    pub(in crate::handler) fn all(&self) -> Missing {
        Missing {
            is_complete: true,
            knows: Knows::All,
            known: self.open.clone(),
            ..Missing::default()
        }
    }

    /// What counts from here on is the checkpoint before the last one; `since`: what happened between the two.
    pub(in crate::handler) fn before(&mut self, since: Option<Since>) {
        if let Some(since) = since {
            self.since = since.then(&self.since);
        }
    }

    /// For an instance that knows what the last checkpoint knew. From here on, that is what is known.
    pub(in crate::handler) fn go_back(&mut self) -> Missing {
        let since = std::mem::take(&mut self.since);
        for handle in &since.begun {
            self.open.remove(handle);
        }
        let mut ended = HashMap::default();
        for (handle, (id, how)) in since.ended {
            self.open.insert(handle, id);
            ended.insert(handle, how);
        }
        Missing {
            known: self.open.clone(),
            ended,
            again: since.again,
            is_complete: false,
            knows: Knows::Older,
        }
    }

    /// For an instance that knows nothing.
    pub(in crate::handler) fn nothing(&mut self) -> Missing {
        *self = Self::default();
        Missing::default()
    }
}

/// Whether an instance that knows an older state has to hear of it: it waits for it, or believes that what is gone is there. What
/// is there it hears of anyway.
fn is_told_again(what: &Occurrence) -> bool {
    use Occurrence::{Answered, ChannelVacated, Fetched, Timer, Unsubscribed, UserOffline};
    matches!(
        what,
        Timer(_) | Answered(_) | Fetched(_) | ChannelVacated(_) | UserOffline(_) | Unsubscribed(_)
    )
}

#[cfg(test)]
#[path = "known_tests.rs"]
mod tests;
