//! One message to many, in steps: others have their turn between them, and the order of a channel is one for all.
//!
//! A large publication is put behind those of its channel that are under way. Whoever is at it, the first is delivered
//! to its end, portion by portion, before the next begins; the channel is locked for one portion only.

use super::{
    Link,
    act::Step,
    send::{Broadcast, Deliveries, Letter},
};
use std::{
    collections::VecDeque,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    vec,
};
use tengen_core::channels::{Members, Roster};
use tengen_wire::fault::Fault;

/// Deliveries for which a channel is locked.
pub(super) const PORTION: usize = 256;
/// So many gaps in a channel's roster, and its publications are brought to an end at once.
const GAPS_MAX: usize = 4096;

/// A channel's subscribers, and what is on its way to them.
pub(super) type Subscribers = Members<Arc<Link>, FanOut>;

/// A message that some of a channel's subscribers have not got yet.
#[derive(Debug)]
pub(super) struct FanOut {
    broadcast: Broadcast,
    /// The places that are left of the walk.
    left: Range<usize>,
    end: Arc<OnceLock<Result<(), Fault>>>,
}

/// Whoever sent it, as long as it is under way.
#[derive(Debug)]
pub(super) struct Publishing {
    members: Arc<Mutex<Subscribers>>,
    end: Arc<OnceLock<Result<(), Fault>>>,
}

impl Publishing {
    /// Sends to all subscribers: at once if they are few and nothing is under way, else in steps.
    pub(super) fn begin(
        members: Arc<Mutex<Subscribers>>,
        mut letter: Letter,
        deliveries: &mut Deliveries<'_>,
    ) -> Result<Option<Self>, Fault> {
        let mut locked = lock(&members);
        letter.number(|| {
            locked.offset += 1;
            locked.offset
        });
        let mut broadcast = letter.to(locked.roster.len());
        if locked.under_way.is_empty() && locked.roster.len() <= PORTION {
            locked.roster.iter().for_each(|(_, link)| broadcast.deliver(deliveries, link));
            return broadcast.end().map(|()| None);
        }
        let (left, end) = (locked.roster.begin_walk(), Arc::<OnceLock<_>>::default());
        locked.under_way.push_back(FanOut { broadcast, left, end: Arc::clone(&end) });
        drop(locked);
        Ok(Some(Self { members, end }))
    }

    /// Goes on with what is under way on the channel, until it is this one's end, or the step's.
    pub(super) fn go_on(&self, step: &mut Step<'_>) -> Option<Result<(), Fault>> {
        loop {
            if let Some(end) = self.end.get() {
                return Some(end.clone());
            }
            let mut locked = lock(&self.members);
            let Members { roster, under_way, .. } = &mut *locked;
            if under_way.is_empty() {
                // Cannot be: ours ends before it goes.
                return Some(Ok(()));
            }
            if step.is_over() && roster.gaps() < GAPS_MAX {
                return None;
            }
            deliver_portion(roster, under_way, &mut step.deliveries);
            drop(locked);
            step.account();
        }
    }
}

fn deliver_portion(
    roster: &mut Roster<Arc<Link>>,
    under_way: &mut VecDeque<FanOut>,
    deliveries: &mut Deliveries<'_>,
) {
    let Some(first) = under_way.front_mut() else { return };
    let until = first.left.end.min(first.left.start + PORTION);
    for (_, link) in roster.part(first.left.start..until) {
        first.broadcast.deliver(deliveries, link);
    }
    first.left.start = until;
    if first.left.is_empty()
        && let Some(FanOut { broadcast, end, .. }) = under_way.pop_front()
    {
        roster.end_walk();
        // Only here, once.
        let _first = end.set(broadcast.end());
    }
}

fn lock(members: &Mutex<Subscribers>) -> MutexGuard<'_, Subscribers> {
    members.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A push to connections that were found.
#[derive(Debug)]
pub(super) struct Pushing {
    pub(super) broadcast: Broadcast,
    pub(super) left: vec::IntoIter<Arc<Link>>,
}

impl Pushing {
    /// Delivers until all have it (true), or the step is over.
    pub(super) fn go_on(&mut self, step: &mut Step<'_>) -> bool {
        while !step.is_over() {
            let Some(link) = self.left.next() else { return true };
            self.broadcast.deliver(&mut step.deliveries, &link);
            step.account();
        }
        self.left.as_slice().is_empty()
    }
}
