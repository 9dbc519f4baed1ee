//! Who is subscribed to what, and where each channel is: the owner of the channels, who knows nothing of connections.
//!
//! A channel is here as long as it has subscribers. Its numbers come from a [`Broker`], which keeps its position when the last
//! one has gone.
//!
//! **Locks**, each held for as long as it takes to find or change an entry, never while something is encoded or delivered, but
//! for the line:
//! 1. a *line* (of one channel): whoever delivers there. It keeps other publishers of the channel waiting, and who is told where it
//!    begins there, and nobody else.
//! 2. a *shard*: of the channels whose names fall together. Whoever subscribes, unsubscribes or looks a channel up.
//! 3. a *roster* (of one channel): its members, and its number, which go together.
//! 4. what is asked for inside: the broker's, a link's own, what plugins are to be told.
//!
//! They are taken in this order, and none may be left out backwards: who holds a shard takes no line. A line is taken by those
//! who hold nothing.
//!
//! **Invariant:** what a fan-out holds while it delivers is its line and a snapshot of the members, so nobody who looks up,
//! subscribes, unsubscribes or closes waits for it.

use foldhash::fast::RandomState;
use std::{
    collections::HashMap,
    hash::BuildHasher,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tengen_core::{
    broker::{Broker, Log, Position, Published},
    count::Apart,
    roster::{Member, Roster, Snapshot},
};
use tengen_wire::id::{Channel, Handle};

/// Several times as many as there are workers on most machines, so that two seldom meet.
const SHARDS: usize = 64;

/// All channels with at least one subscriber. `M`: a member; `D`: what is on its way to members; `H`: what is held as long as
/// a channel is there.
#[derive(Debug)]
pub(crate) struct Channels<M, D, H> {
    shards: Box<Shards<M, D, H>>,
    spread: RandomState,
    broker: Arc<dyn Broker>,
}

type Shards<M, D, H> = [Apart<Mutex<Shard<M, D, H>>>; SHARDS];

/// Channels by name. Names are chosen by others, so this has the standard library's hasher.
type Shard<M, D, H> = HashMap<Channel, Arc<Open<M, D, H>>>;

/// A channel with subscribers.
#[derive(Debug)]
pub(crate) struct Open<M, D, H> {
    line: Mutex<D>,
    seats: Mutex<Seats<M>>,
    log: Arc<dyn Log>,
    _held: H,
}

#[derive(Debug)]
struct Seats<M> {
    roster: Roster<M>,
    /// The last one has left. Whoever comes now comes to another [`Open`] of this name.
    is_gone: bool,
}

impl<M: Member, D: Default, H> Channels<M, D, H> {
    pub(crate) fn new(broker: Arc<dyn Broker>) -> Self {
        let shards = std::array::from_fn(|_| Apart(Mutex::new(Shard::new())));
        Self { shards: Box::new(shards), spread: RandomState::default(), broker }
    }

    /// One more member, whom `take` makes or refuses. `is_first` is called if nobody was there before, and says what is
    /// held as long as the channel is there. Both are called in turn with all who come and go, and so are those of [`Channels::leave`].
    pub(crate) fn join<E>(
        &self,
        channel: &Channel,
        take: impl FnOnce() -> Result<M, E>,
        is_first: impl FnOnce() -> H,
    ) -> Result<(), E> {
        let mut shard = self.shard(channel);
        let member = take()?;
        if let Some(open) = shard.get(&**channel) {
            open.seats().roster.insert(member);
            return Ok(());
        }
        shard.insert(channel.clone(), self.open(channel, member, is_first()));
        Ok(())
    }

    /// The same for who is told: `tell` is called with the place in the channel that the member begins at, before anything
    /// that follows it gets to anybody.
    pub(crate) fn join_told<E>(
        &self,
        channel: &Channel,
        take: impl FnOnce() -> Result<M, E>,
        is_first: impl FnOnce() -> H,
        tell: impl FnOnce(Position),
    ) -> Result<(), E> {
        loop {
            let known = self.find(channel);
            let line = known.as_ref().map(|open| open.line());
            let mut shard = self.shard(channel);
            if shard.get(&**channel).map(Arc::as_ptr) != known.as_ref().map(Arc::as_ptr) {
                // Somebody came first, or everybody left, before this shard was ours.
                continue;
            }
            let member = take()?;
            let Some(open) = &known else {
                let open = self.open(channel, member, is_first());
                // Nobody has found it yet, so nobody has its line: this waits for nobody who waits for the shard.
                let _line = open.line();
                shard.insert(channel.clone(), Arc::clone(&open));
                drop(shard);
                tell(open.position());
                return Ok(());
            };
            open.seats().roster.insert(member);
            drop(shard);
            tell(open.position());
            drop(line);
            return Ok(());
        }
    }

    /// A channel with its first member.
    fn open(&self, channel: &Channel, member: M, held: H) -> Arc<Open<M, D, H>> {
        let mut roster = Roster::default();
        roster.insert(member);
        let seats = Mutex::new(Seats { roster, is_gone: false });
        let log = self.broker.subscribe(channel);
        Arc::new(Open { line: Mutex::default(), seats, log, _held: held })
    }

    /// Takes the member with this handle out, if it is this one.
    pub(crate) fn leave(
        &self,
        channel: &Channel,
        handle: Handle,
        is: impl FnOnce(&M) -> bool,
        is_last: impl FnOnce(),
    ) {
        let mut shard = self.shard(channel);
        let Some(open) = shard.get(&**channel) else { return };
        let mut seats = open.seats();
        if !seats.roster.remove(handle, is) || !seats.roster.is_empty() {
            return;
        }
        seats.is_gone = true;
        drop(seats);
        shard.remove(&**channel);
        self.broker.unsubscribe(channel);
        is_last();
    }

    /// The channel, if it has subscribers.
    pub(crate) fn find(&self, channel: &Channel) -> Option<Arc<Open<M, D, H>>> {
        self.shard(channel).get(&**channel).map(Arc::clone)
    }

    /// The same, to publish on it; where it has none, the publication has its number all the same, which is returned.
    pub(crate) fn find_to_publish(
        &self,
        channel: &Channel,
    ) -> Result<Arc<Open<M, D, H>>, Position> {
        let shard = self.shard(channel);
        let open = shard.get(&**channel).map(Arc::clone);
        open.ok_or_else(|| self.broker.publish(channel))
    }

    /// Calls `see` for each channel of some, in turn with all who come and go there; others come and go meanwhile.
    pub(crate) fn for_each(&self, mut see: impl FnMut(&Channel)) {
        for Apart(shard) in &*self.shards {
            lock(shard).keys().for_each(&mut see);
        }
    }

    /// How many channels have subscribers.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|Apart(shard)| lock(shard).len()).sum()
    }

    fn shard(&self, channel: &Channel) -> MutexGuard<'_, Shard<M, D, H>> {
        let place = self.spread.hash_one(channel.as_str()) as usize % SHARDS;
        let [Apart(first), ..] = &*self.shards;
        lock(self.shards.get(place).map_or(first, |Apart(shard)| shard))
    }
}

impl<M: Member, D, H> Open<M, D, H> {
    /// What is under way here; to be taken by those who hold no other lock of the channels'.
    pub(crate) fn line(&self) -> MutexGuard<'_, D> {
        lock(&self.line)
    }

    /// A number, and who is in when it is given: whoever comes later begins behind it. None: the last one has left, and who
    /// publishes has to look the channel up again.
    pub(crate) fn publish(&self) -> Option<(Snapshot<M>, Published)> {
        let seats = self.seats();
        (!seats.is_gone).then(|| (seats.roster.snapshot(), self.log.publish()))
    }

    /// Who is in, for what has no number.
    pub(crate) fn members(&self) -> Snapshot<M> {
        self.seats().roster.snapshot()
    }

    pub(crate) fn position(&self) -> Position {
        self.log.position()
    }

    fn seats(&self) -> MutexGuard<'_, Seats<M>> {
        lock(&self.seats)
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
