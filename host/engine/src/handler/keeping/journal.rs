//! What an instance was told since its state was saved last, call by call, and what came of it.

mod entries;

use self::entries::Entries;
use crate::{
    call::{effects::Decided, events::Kept},
    guest::tape::{Recorded, Tape},
};
use foldhash::fast::RandomState;
use std::{
    hash::{BuildHasher as _, Hash as _, Hasher as _},
    ops::Range,
    time::Duration,
};
use tengen_core::event::{Event, Occurrence};
use tengen_wire::id::Handle;

/// What going through all of it again may take.
pub(in crate::handler) const TIME: Duration = Duration::from_millis(250);
/// What a call takes beside its events.
const EACH: usize = size_of::<Call>();

/// Calls in order, and their events in one list.
#[derive(Debug)]
pub(in crate::handler) struct Journal {
    events: Entries,
    calls: Vec<Call>,
    /// What was kept with the connections of events when they were told, by the events' places; nothing with most.
    kept: Vec<(usize, Kept)>,
    /// What the guest was answered until the last call's end, once its instance is gone.
    pub(in crate::handler) answers: Vec<Recorded>,
    bytes: usize,
    took: Duration,
    bound: usize,
    hasher: RandomState,
}

/// One call.
#[derive(Debug, Clone, Copy)]
pub(in crate::handler) struct Call {
    /// How many events are before its end.
    events: u32,
    /// How many answers the guest had when it ended.
    pub(in crate::handler) answers: u32,
    /// What was decided.
    pub(in crate::handler) digest: u64,
}

/// A call that has ended.
#[derive(Debug, Clone, Copy)]
pub(in crate::handler) struct Ended {
    pub(in crate::handler) digest: u64,
    pub(in crate::handler) took: Duration,
}

impl Journal {
    pub(in crate::handler) fn new(bound: usize) -> Self {
        Self {
            events: Entries::default(),
            calls: Vec::new(),
            kept: Vec::new(),
            answers: Vec::new(),
            bytes: 0,
            took: Duration::ZERO,
            bound,
            hasher: RandomState::default(),
        }
    }

    /// What was decided, in one number.
    pub(in crate::handler) fn digest(&self, decided: &Decided) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        decided.outcome.hash(&mut hasher);
        decided.refused.hash(&mut hasher);
        hasher.finish()
    }

    /// Keeps a call and its events, which are taken out of their batch. Whether there is room for more.
    pub(in crate::handler) fn add(
        &mut self,
        events: &mut Vec<Event>,
        kept: Vec<Kept>,
        ended: Ended,
        tape: &Tape,
    ) -> bool {
        self.took += ended.took;
        self.bytes += EACH;
        let places = self.events.len()..;
        self.kept.extend(places.zip(kept).filter(|(_, kept)| kept.is_some()));
        for event in events.drain(..) {
            self.bytes += self.events.push(event);
        }
        let events = u32::try_from(self.events.len()).unwrap_or(u32::MAX);
        self.calls.push(Call { events, answers: tape.len(), digest: ended.digest });
        self.bytes < self.bound && self.took < TIME && !tape.is_lost()
    }

    /// The same of a call that returned an error.
    pub(in crate::handler) fn digest_of(&self, message: &str) -> u64 {
        self.hasher.hash_one(message)
    }

    /// The first events that the plugin had something to decide at, one of each connection of which `is_new` says so.
    pub(in crate::handler) fn of_each(
        &self,
        most: usize,
        is_new: impl Fn(Option<Handle>) -> bool,
    ) -> Vec<Event> {
        self.events.of_each(most, is_new)
    }

    /// The same journal with nothing in it, and the memory that it had.
    pub(in crate::handler) fn anew(mut self) -> Self {
        let had = self.calls.len();
        self.events.clear();
        self.calls.clear();
        self.calls.shrink_to(had.saturating_mul(2));
        let Self { events, calls, hasher, .. } = self;
        Self { events, calls, hasher, ..Self::new(self.bound) }
    }

    /// Whether there is room for more.
    pub(in crate::handler) fn has_room(&self) -> bool {
        self.bytes < self.bound && self.took < TIME
    }

    pub(in crate::handler) fn len(&self) -> usize {
        self.calls.len()
    }

    /// A call, and which events were its.
    pub(in crate::handler) fn call(&self, number: usize) -> Option<(Call, Range<usize>)> {
        let call = *self.calls.get(number)?;
        let before = number.checked_sub(1).and_then(|before| self.calls.get(before));
        let begin = before.map_or(0, |before| before.events);
        let place = |events| usize::try_from(events).unwrap_or(usize::MAX);
        Some((call, place(begin)..place(call.events)))
    }

    pub(in crate::handler) fn events(&self, which: Range<usize>) -> Vec<Event> {
        self.events.events(which)
    }

    /// What was kept with the connections of these events; empty: nothing.
    pub(in crate::handler) fn kept(&self, which: &Range<usize>) -> Vec<Kept> {
        let first = self.kept.partition_point(|(place, _)| *place < which.start);
        let its = self.kept.iter().skip(first).take_while(|(place, _)| *place < which.end);
        let mut kept = Vec::new();
        for (place, what) in its {
            kept.resize(place - which.start, None);
            kept.push(what.clone());
        }
        kept
    }

    /// How many answers the guest had when the last call ended.
    pub(in crate::handler) fn answered(&self) -> u32 {
        self.calls.last().map_or(0, |call| call.answers)
    }
}

/// Whether an event is more than that somebody comes or goes: of these a plugin may hear well that can do nothing else.
pub(in crate::handler) fn is_work(event: &Event) -> bool {
    use Occurrence::{Adopted, ChannelOccupied, ChannelVacated, Closed, Opened};
    !matches!(event.what, Opened | Adopted | Closed(_) | ChannelOccupied(_) | ChannelVacated(_))
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
