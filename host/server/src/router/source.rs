//! One connection's place in the router: its link, its count of events, and what of it found no place yet.

use super::{Destination, Router, Turn, onward::decline};
use crate::hub::Link;
use std::{sync::Arc, task::Waker};
use tengen_core::{
    event::Below,
    handler::{Declined, Handler, Seen},
    meter::Happened,
};
use tengen_wire::{
    close::Reason,
    dialect::Arrived,
    fault::{Fault, FaultId},
};

/// One connection's place in the router.
#[derive(Debug)]
pub struct Source {
    pub link: Arc<Link>,
    seq: u32,
    /// At most one event: while there is one, the connection is not read.
    pub(super) stuck: Option<Box<Stuck>>,
    /// What finds no place is kept for another try, not answered `overloaded`.
    pub(super) patient: bool,
    /// Whose share was full when something found no place.
    full: Full,
}

/// An event that found no place.
#[derive(Debug)]
pub(super) enum Stuck {
    /// As much of its connection waits as may.
    Arrived { arrived: Arrived, seq: u32 },
    /// It was let in, and these handlers have no room.
    Declined(Vec<(Destination, Box<Declined>)>),
}

/// Whose share is full.
#[derive(Debug, Default)]
enum Full {
    #[default]
    Nobodys,
    Connections(Below),
    Handlers(Arc<dyn Handler>, Seen),
}

impl Source {
    pub fn new(link: Arc<Link>) -> Self {
        Self { link, seq: 0, stuck: None, patient: true, full: Full::Nobodys }
    }

    /// Whether an event found no place: nothing more is to be routed until [`Router::retry`] found it one.
    pub fn is_stuck(&self) -> bool {
        self.stuck.is_some()
    }

    /// Bytes of what is stuck and does not wait yet.
    pub fn stuck_bytes(&self) -> usize {
        match self.stuck.as_deref() {
            Some(Stuck::Arrived { arrived, .. }) => arrived.payload.body.len(),
            // What was let in counts as waiting.
            Some(Stuck::Declined(_)) | None => 0,
        }
    }

    pub(super) fn next_seq(&mut self) -> u32 {
        self.seq = self.seq.wrapping_add(1);
        self.seq
    }
}

impl Router {
    /// Gives up what is stuck. Returns how many events.
    pub(super) fn give_up(&self, source: &mut Source) -> u64 {
        let Some(stuck) = source.stuck.take() else { return 0 };
        let why = FaultId::Overloaded;
        match *stuck {
            Stuck::Arrived { arrived, .. } => self.tell_refused(&source.link, &arrived, why),
            Stuck::Declined(declined) => {
                for (_, mut declined) in declined {
                    let at = declined.event.at;
                    declined.event.recall(&*self.tracer, at);
                    declined.event.span.fail(why.word());
                }
            }
        }
        1
    }

    /// Whether there is room again where there was none: less than half of the share waits, and so little that what is
    /// stuck fits in. If not, `task` is woken once, as soon as it is so.
    pub fn has_room(&self, source: &mut Source, task: &Waker) -> bool {
        match &mut source.full {
            Full::Nobodys => true,
            Full::Connections(below) => source.link.facts.waiting.is_below(*below, task),
            Full::Handlers(handler, seen) => handler.has_room(&source.link.facts, seen, task),
        }
    }

    /// Tries again with what is stuck.
    pub fn retry(&self, source: &mut Source, turn: &mut Turn<'_>) {
        source.full = Full::Nobodys;
        match source.stuck.take().map(|stuck| *stuck) {
            None => {}
            Some(Stuck::Arrived { arrived, seq }) => {
                self.route_again(source, arrived, seq, turn);
            }
            Some(Stuck::Declined(declined)) => {
                let again = declined.into_iter().filter_map(|(to, declined)| {
                    let declined = to.handler.offer(declined.event).err();
                    to.handler.settle();
                    declined.map(|declined| (to, declined))
                });
                let again = again.collect();
                self.declined(source, again);
            }
        }
    }

    /// From now on, what finds no place is answered `overloaded`, and so is what is stuck; or, `patient`, is kept.
    pub fn be_patient(&self, source: &mut Source, patient: bool) {
        source.patient = patient;
        if patient {
            source.full = Full::Nobodys;
            return;
        }
        match source.stuck.take().map(|stuck| *stuck) {
            None => {}
            Some(Stuck::Arrived { arrived, .. }) => self.refuse(source, &arrived),
            Some(Stuck::Declined(declined)) => self.declined(source, declined),
        }
    }

    /// As much of the connection waits as may.
    pub(super) fn is_full(&self, source: &mut Source, arrived: Arrived, seq: u32) {
        if !source.patient {
            return self.refuse(source, &arrived);
        }
        let limits = &self.limits;
        let size = arrived.payload.body.len();
        let half = limits.waiting_bytes.div_ceil(2);
        // A message of more than the share is let in when nothing else waits.
        let below = match limits.waiting_bytes.checked_sub(size) {
            Some(left) => Below {
                events: limits.waiting_events.div_ceil(2),
                bytes: half.min(left.saturating_add(1)),
            },
            None => Below { events: 1, bytes: usize::MAX },
        };
        source.full = Full::Connections(below);
        source.stuck = Some(Box::new(Stuck::Arrived { arrived, seq }));
    }

    fn refuse(&self, source: &Source, arrived: &Arrived) {
        self.hub.meter.note(Happened::Declined(FaultId::Overloaded));
        self.tell_refused(&source.link, arrived, FaultId::Overloaded);
        let why = Fault::new(
            FaultId::Overloaded,
            "too many events of this connection wait for a decision",
        );
        self.hub.send_fault(&source.link, &why, Some(&arrived.id), arrived.callback.as_ref());
        self.lose(source);
    }

    /// Handlers did not take an event. Those without room may be asked again, if the connection is patient.
    pub(super) fn declined(
        &self,
        source: &mut Source,
        declined: Vec<(Destination, Box<Declined>)>,
    ) {
        let mut again = Vec::new();
        for (to, declined) in declined {
            let is_full = declined.why.id == FaultId::Overloaded;
            if is_full && source.patient {
                again.push((to, declined));
            } else {
                decline(&self.hub, &to.plugin, declined);
                if is_full {
                    to.handler.lost(FaultId::Overloaded);
                    self.lose(source);
                }
            }
        }
        if let Some((first, _)) = again.first() {
            source.full = Full::Handlers(Arc::clone(&first.handler), Seen::default());
            source.stuck = Some(Box::new(Stuck::Declined(again)));
        }
    }

    /// A peer whose dialect has no errors cannot be told that a frame of its was lost. It is sent away, to come back later.
    fn lose(&self, source: &Source) {
        if !source.link.wire.dialect.profile().tells {
            source.link.close(Reason::Overloaded);
        }
    }
}
