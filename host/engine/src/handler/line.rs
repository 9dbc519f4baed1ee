//! Events in line, and what they weigh: how much of a guest's memory they will take.

use std::collections::VecDeque;
use tengen_core::event::{Connection, Event, Occurrence};
use tengen_wire::fault::{Fault, FaultId};

/// What an event takes in a guest beside its texts: a record, and what holds it together.
const EACH: usize = 256;

/// The most that goes into one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) events: usize,
    /// What the events may weigh together. One that weighs more goes alone.
    pub(super) weight: usize,
}

impl Share {
    #[cfg(test)]
    pub(super) fn of(events: usize) -> Self {
        Self { events, weight: usize::MAX }
    }
}

#[derive(Debug, Default)]
pub(super) struct Line {
    events: VecDeque<Event>,
    weight: usize,
}

impl Line {
    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Event> {
        self.events.iter()
    }

    /// Changes what waits, in its place.
    pub(super) fn change(&mut self, mut change: impl FnMut(&mut Event)) {
        self.events.iter_mut().for_each(&mut change);
        self.weight = self.events.iter().map(weight).sum();
    }

    pub(super) fn push_back(&mut self, event: Event) {
        self.weight = self.weight.saturating_add(weight(&event));
        self.events.push_back(event);
    }

    pub(super) fn push_front(&mut self, event: Event) {
        self.weight = self.weight.saturating_add(weight(&event));
        self.events.push_front(event);
    }

    pub(super) fn clear(&mut self) -> VecDeque<Event> {
        self.weight = 0;
        std::mem::take(&mut self.events)
    }

    /// Those at the front, as many as may go at once, and one at least.
    ///
    /// All that wait, if they may go, change places with the empty batch: nothing is copied.
    pub(super) fn take(&mut self, share: Share, batch: &mut Vec<Event>) {
        if self.events.len() <= share.events && self.weight <= share.weight && batch.is_empty() {
            let empty = VecDeque::from(std::mem::take(batch));
            *batch = Vec::from(std::mem::replace(&mut self.events, empty));
            self.weight = 0;
            return;
        }
        let (mut count, mut taken) = (0, 0_usize);
        for event in self.events.iter().take(share.events) {
            let with_it = taken.saturating_add(weight(event));
            if count > 0 && with_it > share.weight {
                break;
            }
            (count, taken) = (count + 1, with_it);
        }
        batch.extend(self.events.drain(..count));
        // What plugins keep with a connection may have changed meanwhile.
        self.weight = match self.events.is_empty() {
            true => 0,
            false => self.weight.saturating_sub(taken),
        };
    }

    /// Takes out those of which this is so.
    pub(super) fn take_out(&mut self, is_so: impl Fn(&Event) -> bool) -> VecDeque<Event> {
        let (gone, kept) = self.clear().into_iter().partition::<VecDeque<_>, _>(is_so);
        kept.into_iter().for_each(|event| self.push_back(event));
        gone
    }
}

/// What an event takes in the guest, roughly: its texts are copied into it.
pub(super) fn weight(event: &Event) -> usize {
    let texts = match &event.what {
        Occurrence::Opened | Occurrence::Adopted => {
            event.connection.as_deref().map_or(0, of_connection)
        }
        what => what.texts(),
    };
    texts.saturating_add(EACH)
}

/// What a connection is described with.
pub(super) fn of_connection(connection: &Connection) -> usize {
    let claims = connection.user.iter().flat_map(|user| &user.claims);
    let pairs = claims.chain(&connection.more).map(|(key, value)| key.len() + value.len() + 32);
    EACH + pairs.sum::<usize>() + connection.data.texts()
}

/// Whether the plugin was promised to hear of it, whatever becomes of its instance: how a question or a request ended.
pub(super) fn is_owed(event: &Event) -> bool {
    matches!(event.what, Occurrence::Answered(_) | Occurrence::Fetched(_))
}

/// Whether it waits for the next instance where none runs: what a plugin, or its state, waits for and that comes once.
pub(super) fn outlasts_a_rest(event: &Event) -> bool {
    is_owed(event) || matches!(event.what, Occurrence::Timer(_))
}

/// What an answer takes of memory goes.
pub(super) fn give_up_answer(event: &mut Event) {
    if let Occurrence::Answered(answered) = &mut event.what {
        let why = "the answer was given up with its connection, because memory is short";
        answered.value = Err(Fault::new(FaultId::Closed, why));
        event.permit = None;
    }
}
