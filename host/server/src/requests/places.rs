//! The places of HTTP connections: who has one, and who has to give it up when another comes.
//!
//! Who has not sent a whole head has asked for nothing yet, so the oldest of those goes first, whoever it is: once we have
//! looked for its head in vain, and it has had the time of a round trip. A place is free again when its socket is gone, not
//! before: descriptors are what is short.

use std::{
    collections::{BTreeSet, HashMap},
    net::{IpAddr, Ipv6Addr},
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::Notify,
    time::{self, Instant},
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Nobody goes before it has waited for so long: a client's request follows its connection, and not at once.
const GRACE: Duration = Duration::from_millis(100);
/// An answer that has lasted for so long goes when somebody else needs the place.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// Who counts as one: an address, or in IPv6 the network that one customer gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Share(IpAddr);

impl Share {
    /// None for the loopback: what comes from there is a proxy, or the machine's own.
    fn of(address: IpAddr) -> Option<Self> {
        let address = address.to_canonical();
        let network = match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        };
        (!address.is_loopback()).then_some(Self(network))
    }
}

/// Since when somebody waits, and who.
type Turn = (Instant, u64);

#[derive(Debug)]
pub struct Places {
    most: usize,
    per_address: Option<NonZeroUsize>,
    state: Mutex<State>,
    /// A place was freed, or somebody can be made to give up theirs.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    last: u64,
    taken: HashMap<u64, Entry>,
    all: Crowd,
    shares: HashMap<Share, Crowd>,
}

#[derive(Debug)]
struct Entry {
    share: Option<Share>,
    turn: Turn,
    doing: Doing,
    evict: CancellationToken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    /// It may have sent a head that we have not looked at.
    Unread,
    /// Its head is not whole.
    Waiting,
    Answered,
    /// Its answer waits for somebody else, among whose connections it counts meanwhile.
    Aside,
    /// It was told to give up its place and has not yet.
    Leaving,
}

/// Everybody, or everybody of one share.
#[derive(Debug, Default)]
struct Crowd {
    count: usize,
    waiting: BTreeSet<Turn>,
    answered: BTreeSet<Turn>,
    leaving: usize,
}

impl Crowd {
    fn add(&mut self, turn: Turn, doing: Doing) {
        match doing {
            Doing::Unread => {}
            Doing::Waiting => _ = self.waiting.insert(turn),
            Doing::Answered => _ = self.answered.insert(turn),
            Doing::Aside => self.count -= 1,
            Doing::Leaving => self.leaving += 1,
        }
    }

    fn remove(&mut self, turn: Turn, doing: Doing) {
        match doing {
            Doing::Unread => {}
            Doing::Waiting => _ = self.waiting.remove(&turn),
            Doing::Answered => _ = self.answered.remove(&turn),
            Doing::Aside => self.count += 1,
            Doing::Leaving => self.leaving -= 1,
        }
    }

    /// How many have not been told to leave.
    fn staying(&self) -> usize {
        self.count - self.leaving
    }

    /// Who goes first, and from when on: the oldest that waits, or else whose answer has lasted for longest.
    fn first_to_go(&self) -> Option<(Instant, u64)> {
        let waiting = self.waiting.first().map(|(since, id)| (*since + GRACE, *id));
        waiting.or_else(|| self.answered.first().map(|(since, id)| (*since + ANSWER_MAX, *id)))
    }
}

/// What became of a newcomer.
enum Outcome {
    Seated(Place),
    /// Until somebody leaves, or until then.
    Wait(Option<Instant>),
    Refused,
}

impl Places {
    /// `most` places in all; `per_address`: as many of them as one address may have.
    pub fn new(most: usize, per_address: Option<NonZeroUsize>) -> Arc<Self> {
        let (state, changed) = (Mutex::default(), Notify::new());
        Arc::new(Self { most, per_address, state, changed })
    }

    /// A place for a newcomer, as soon as there is one. None: its address has its share, and none of them is due to leave.
    /// To be called by one at a time, so nobody waits here for somebody else's share: that is answered at once.
    pub(super) async fn take(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        loop {
            match self.try_take(address, Instant::now()) {
                Outcome::Seated(place) => return Some(place),
                Outcome::Refused => return None,
                Outcome::Wait(None) => self.changed.notified().await,
                Outcome::Wait(Some(until)) => {
                    // Either way it is looked at again.
                    let _changed = time::timeout_at(until, self.changed.notified()).await.is_ok();
                }
            }
        }
    }

    fn try_take(self: &Arc<Self>, address: IpAddr, now: Instant) -> Outcome {
        let share = self.per_address.and_then(|_| Share::of(address));
        let mut state = self.state();
        let own = share.and_then(|share| state.shares.get(&share));
        if let (Some(own), Some(most)) = (own, self.per_address)
            && own.staying() >= most.get()
        {
            let first = own.first_to_go();
            if !is_due(first, now) {
                return Outcome::Refused;
            }
            // Whoever leaves is gone in a moment: the newcomer has its share, if there is a place in all.
            state.make_room(first, now);
        }
        if state.all.count >= self.most {
            return match (state.all.leaving, state.all.first_to_go()) {
                (0, first) => state.make_room(first, now),
                _ => Outcome::Wait(None),
            };
        }
        let (id, evict) = state.enter(share, now);
        Outcome::Seated(Place { ticket: Ticket { places: Arc::clone(self), id }, evict })
    }

    fn free(&self, id: u64) {
        self.state().leave(id);
        self.changed.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn enter(&mut self, share: Option<Share>, now: Instant) -> (u64, CancellationToken) {
        self.last += 1;
        let (id, evict) = (self.last, CancellationToken::new());
        let turn = (now, id);
        let entry = Entry { share, turn, doing: Doing::Unread, evict: evict.clone() };
        self.taken.insert(id, entry);
        let of_share = share.map(|share| self.shares.entry(share).or_default());
        for crowd in [Some(&mut self.all), of_share].into_iter().flatten() {
            crowd.count += 1;
            crowd.add(turn, Doing::Unread);
        }
        (id, evict)
    }

    fn leave(&mut self, id: u64) {
        let Some(Entry { share, turn, doing, .. }) = self.taken.remove(&id) else { return };
        let of_share = share.and_then(|share| self.shares.get_mut(&share));
        for crowd in [Some(&mut self.all), of_share].into_iter().flatten() {
            crowd.remove(turn, doing);
            crowd.count -= 1;
        }
        if let Some(share) = share
            && self.shares.get(&share).is_some_and(|crowd| crowd.count == 0)
        {
            self.shares.remove(&share);
        }
    }

    /// Notes what somebody does; `since`: from when on, unless it is since before. Who is leaving does nothing else any
    /// more.
    fn change(&mut self, id: u64, doing: Doing, since: Option<Instant>) {
        let Some(entry) = self.taken.get_mut(&id).filter(|entry| entry.doing != Doing::Leaving)
        else {
            return;
        };
        let (turn, before) = (entry.turn, entry.doing);
        entry.turn.0 = since.unwrap_or(turn.0);
        entry.doing = doing;
        let now = entry.turn;
        // Whoever comes back may be the only one of its share.
        let of_share = entry.share.map(|share| self.shares.entry(share).or_default());
        for crowd in [Some(&mut self.all), of_share].into_iter().flatten() {
            crowd.remove(turn, before);
            crowd.add(now, doing);
        }
    }

    /// Has somebody leave, if one is due.
    fn make_room(&mut self, first: Option<(Instant, u64)>, now: Instant) -> Outcome {
        let Some((due, id)) = first.filter(|_| is_due(first, now)) else {
            return Outcome::Wait(first.map(|(due, _)| due));
        };
        if let Some(entry) = self.taken.get(&id) {
            entry.evict.cancel();
            self.change(id, Doing::Leaving, Some(due));
        }
        Outcome::Wait(None)
    }
}

fn is_due(first: Option<(Instant, u64)>, now: Instant) -> bool {
    first.is_some_and(|(due, _)| now >= due)
}

/// A place, until this is dropped: when the socket is gone.
#[derive(Debug)]
pub(super) struct Place {
    ticket: Ticket,
    evict: CancellationToken,
}

impl Place {
    pub(super) fn ticket(&self) -> Ticket {
        self.ticket.clone()
    }

    /// When the place is needed for somebody else.
    pub(super) fn evicted(&self) -> WaitForCancellationFutureOwned {
        self.evict.clone().cancelled_owned()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.ticket.places.free(self.ticket.id);
    }
}

/// Says what whoever has a place does with it.
#[derive(Debug, Clone)]
pub(super) struct Ticket {
    places: Arc<Places>,
    id: u64,
}

impl Ticket {
    /// A head is whole, and is answered.
    pub(super) fn answers(&self, now: Instant) {
        self.places.state().change(self.id, Doing::Answered, Some(now));
        self.places.changed.notify_one();
    }

    /// The answer is given, and the next head is looked for.
    pub(super) fn answered(&self, now: Instant) {
        self.places.state().change(self.id, Doing::Unread, Some(now));
    }

    /// Its answer is somebody else's to make, for whose connections there is room of its own: others may have its place.
    pub(super) fn steps_aside(&self) {
        self.places.state().change(self.id, Doing::Aside, None);
        self.places.changed.notify_one();
    }

    /// There is no whole head.
    pub(super) fn waits(&self) {
        self.places.state().change(self.id, Doing::Waiting, None);
        self.places.changed.notify_one();
    }
}

#[cfg(test)]
mod tests;
