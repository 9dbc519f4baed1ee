//! Replies that callers wait for: a number for the handler, a callback for the peer, a deadline for both.

use super::Link;
use crate::{
    envelope::Callback,
    fault::{Fault, FaultId},
    id::{EventId, PluginName},
    trace::TraceContext,
};
use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// A reply that somebody waits for.
#[derive(Debug, Clone)]
pub struct Expected {
    pub link: Arc<Link>,
    pub callback: Callback,
    pub event: EventId,
    /// The event's span: the parent of the reply's delivery.
    pub context: Option<TraceContext>,
    /// The handler that was asked.
    pub plugin: PluginName,
    /// Shared by all handlers that got the event, when they are several: the first reply wins.
    pub answered: Option<Arc<AtomicBool>>,
}

impl Expected {
    /// A reply that one handler was asked for.
    pub fn new(link: Arc<Link>, callback: Callback, event: EventId, plugin: PluginName) -> Self {
        Self { link, callback, event, context: None, plugin, answered: None }
    }

    /// True for the first who asks.
    pub(super) fn claim(&self) -> bool {
        self.answered.as_ref().is_none_or(|answered| !answered.swap(true, Ordering::AcqRel))
    }
}

/// Slots by the low bits of the number; the high bits tell this use of a slot from earlier ones.
#[derive(Debug)]
pub(super) struct Replies {
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// In the order of their deadlines, since all wait equally long.
    deadlines: VecDeque<(Instant, u32)>,
    patience: Duration,
}

#[derive(Debug)]
struct Slot {
    uses: u32,
    expected: Option<Box<Expected>>,
}

const SLOT_BITS: u32 = 20;
/// Replies that may be waited for at one time.
pub(super) const CAPACITY: usize = 1 << SLOT_BITS;

impl Replies {
    pub(super) fn new(patience: Duration) -> Self {
        Self { slots: Vec::new(), free: Vec::new(), deadlines: VecDeque::new(), patience }
    }

    /// The number by which the handler answers; what was expected comes back when too many wait.
    pub(super) fn expect(
        &mut self,
        expected: Box<Expected>,
        now: Instant,
    ) -> Result<u32, Box<Expected>> {
        let place = match self.free.pop() {
            Some(place) => place,
            None if self.slots.len() < CAPACITY => {
                self.slots.push(Slot { uses: 0, expected: None });
                (self.slots.len() - 1) as u32
            }
            None => return Err(expected),
        };
        let Some(slot) = self.slots.get_mut(place as usize) else { return Err(expected) };
        slot.uses = slot.uses.wrapping_add(1);
        slot.expected = Some(expected);
        let number = place | (slot.uses << SLOT_BITS);
        if self.deadlines.len() > 2 * (self.slots.len() - self.free.len()) + 1024 {
            self.forget_answered();
        }
        self.deadlines.push_back((now + self.patience, number));
        Ok(number)
    }

    /// Takes a reply out, if this plugin was asked for it.
    pub(super) fn take(&mut self, number: u32, plugin: &PluginName) -> Option<Box<Expected>> {
        let slot = self.slot(number)?;
        if slot.expected.as_ref()?.plugin != *plugin {
            return None;
        }
        self.remove(number)
    }

    /// Takes out all whose time is up.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<Expected> {
        let mut expired = Vec::new();
        while let Some((_, number)) = self.deadlines.pop_front_if(|(deadline, _)| *deadline <= now)
        {
            expired.extend(self.remove(number).map(|expected| *expected));
        }
        expired
    }

    fn slot(&mut self, number: u32) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(number as usize & (CAPACITY - 1))?;
        (slot.uses << SLOT_BITS == number & !(CAPACITY as u32 - 1)).then_some(slot)
    }

    fn remove(&mut self, number: u32) -> Option<Box<Expected>> {
        let expected = self.slot(number)?.expected.take()?;
        self.free.push(number & (CAPACITY as u32 - 1));
        Some(expected)
    }

    /// Deadlines of answered replies are left in place when they are answered; here they go, so that the queue stays
    /// in proportion to what is really waited for.
    fn forget_answered(&mut self) {
        let mut deadlines = std::mem::take(&mut self.deadlines);
        deadlines
            .retain(|(_, number)| self.slot(*number).is_some_and(|slot| slot.expected.is_some()));
        self.deadlines = deadlines;
    }
}

pub(super) fn too_late() -> Fault {
    Fault::new(
        FaultId::Timeout,
        "nothing answered in time; send the event again if it may be done twice",
    )
}
