//! Events that wait for a handler's instance: bounded, in order, and never without their connection's beginning.
//!
//! Nobody is told that something waits: who puts it in sees to it that the instance is driven (`inline`).
//!
//! **Invariant:** whatever an instance hears of a connection begins with `opened` or `adopted` and ends with `closed`.
//! The queue knows which connections its instance has been told of, so it can put a missing beginning in front.

mod adoption;
pub(super) mod moving;

use super::{
    keeping::known::Missing,
    line::{Line, Share, give_up_answer, is_owed, outlasts_a_rest},
};
use foldhash::fast::RandomState;
use std::{
    collections::{HashMap, HashSet, VecDeque, hash_map::Entry},
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::{Duration, Instant, SystemTime},
};
use tengen_core::{
    capability::subscription::Left,
    event::{Connection, Event, Occurrence},
    handler::{Declined, Seen},
    trace::Span,
};
use tengen_wire::{
    fault::{Fault, FaultId},
    id::Handle,
};

/// How long a connection is left alone whose `adopted` made an instance fail.
const SHUNNED: Duration = Duration::from_secs(10);

/// The queue between those who offer events and the one who drives the instance.
#[derive(Debug)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    bound: usize,
}

#[derive(Debug, Default)]
struct Waiting {
    /// What an instance hears before anything else: the connections that it adopts.
    adopted: Line,
    /// Those of them that may be what broke an instance. They come last, one by one: once each, whatever it takes.
    suspects: VecDeque<Event>,
    suspected: HashSet<Handle, RandomState>,
    /// Events of a batch that failed as a whole: each goes alone.
    alone: VecDeque<Event>,
    events: Line,
    /// What the next instance hears of that was to be told when this one went; while none runs, it waits for nobody.
    owed: VecDeque<Event>,
    /// Connections that the instance was told of, or will be by an event in here.
    told: HashMap<Handle, Arc<Connection>, RandomState>,
    /// Connections whose `adopted` made an instance fail, and since when.
    shunned: HashMap<Handle, Instant, RandomState>,
    /// Connections are being listed: what ends meanwhile is kept, since the list may still name it.
    adopting: bool,
    closed: Option<Closed>,
    backlog: Backlog,
    /// The turn of the deal by which events come here.
    turn: u32,
}

/// Tasks that are called when there is room; those past it look themselves after a while.
const CALLED_MAX: usize = 4096;

/// Who waits for it to become less.
#[derive(Debug, Default)]
struct Backlog {
    tasks: Vec<Waker>,
    /// How often those who waited were called.
    calls: u64,
}

/// Why nothing is taken.
#[derive(Debug, Clone, Copy)]
pub(super) enum Closed {
    /// No instance runs; the next try is after this long.
    Unavailable(Duration),
    /// The plugin was stopped.
    Stopped,
}

/// An event that was not taken.
#[derive(Debug)]
pub(super) enum Missed {
    Declined(Box<Declined>),
    /// Events are dealt out in another way meanwhile.
    Moved(Box<Event>),
}

/// A batch, and how it is meant.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) events: Vec<Event>,
    /// Part of a batch that failed: not to be tried again.
    pub(super) alone: bool,
}

impl Queue {
    pub(crate) fn new(bound: NonZeroUsize) -> Self {
        Self { waiting: Mutex::default(), bound: bound.get() }
    }

    /// One that takes what is dealt out by this turn.
    pub(crate) fn of_turn(bound: NonZeroUsize, turn: u32) -> Self {
        let waiting = Waiting { turn, ..Waiting::default() };
        Self { waiting: Mutex::new(waiting), bound: bound.get() }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing under the lock can panic half way; what a panic left is still a queue.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an event over that was dealt out by this turn, or says why not.
    pub(super) fn offer(&self, event: Event, turn: u32) -> Result<(), Missed> {
        let mut waiting = self.lock();
        if waiting.turn != turn {
            return Err(Missed::Moved(Box::new(event)));
        }
        waiting.offer(event, self.bound).map_err(Missed::Declined)
    }

    /// What may go at once; none: nothing waits. `batch` is emptied and filled.
    pub(super) fn take(&self, share: Share, batch: &mut Batch) -> bool {
        batch.events.clear();
        let mut waiting = self.lock();
        waiting.take(share, batch);
        let called = waiting.call(self.bound);
        drop(waiting);
        called.into_iter().for_each(Waker::wake);
        !batch.events.is_empty()
    }

    /// Whether less than half of what may wait does. If not, `task` is woken once, as soon as it is so.
    pub(super) fn has_room(&self, seen: &mut Seen, task: &Waker) -> bool {
        let mut waiting = self.lock();
        if waiting.has_room(self.bound) {
            return true;
        }
        let Backlog { tasks, calls } = &mut waiting.backlog;
        // Who was not called since it asked is still on the list; what no task has seen yet is zero.
        let next = *calls + 1;
        if seen.0 != next && tasks.len() < CALLED_MAX {
            seen.0 = next;
            tasks.push(task.clone());
        }
        false
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    pub(super) fn len(&self) -> usize {
        let waiting = self.lock();
        let adopted = waiting.adopted.len() + waiting.suspects.len();
        adopted + waiting.alone.len() + waiting.events.len()
    }

    /// How many connections the instance has been told of, or will be.
    pub(super) fn connections(&self) -> usize {
        self.lock().told.len()
    }

    /// Puts the batch back that broke an instance: its events go next, one by one. What it was told of connections is
    /// told to the next instance anew.
    pub(super) fn retry(&self, events: impl DoubleEndedIterator<Item = Event>) {
        let mut waiting = self.lock();
        for event in events.rev() {
            match (&event.what, &event.connection) {
                (Occurrence::Adopted, Some(connection)) => {
                    waiting.suspected.insert(connection.handle);
                }
                _ => waiting.alone.push_front(event),
            }
        }
    }

    /// The plugin's own news (a refused effect) goes next; over the bound it is dropped. Returns how many were dropped.
    pub(super) fn tell(&self, news: Vec<Event>) -> usize {
        let mut waiting = self.lock();
        let room = self.bound.saturating_sub(waiting.events.len());
        let dropped = news.len().saturating_sub(room);
        let mut kept = news.into_iter().take(room).collect::<Vec<_>>();
        for event in &mut kept {
            // Nothing comes after a connection's end.
            event.connection = event
                .connection
                .take()
                .filter(|connection| waiting.told.contains_key(&connection.handle));
        }
        kept.into_iter().rev().for_each(|event| waiting.events.push_front(event));
        dropped
    }

    /// A connection whose `adopted` failed alone is left alone for a while. Returns what waits of it.
    pub(super) fn shun(&self, handle: Handle) -> Vec<Event> {
        let mut waiting = self.lock();
        waiting.shunned.insert(handle, Instant::now());
        waiting.part_from(handle);
        let is_its = |event: &Event| {
            event.connection.as_ref().is_some_and(|connection| connection.handle == handle)
        };
        let Waiting { alone, events, .. } = &mut *waiting;
        let (its_alone, others) =
            std::mem::take(alone).into_iter().partition::<VecDeque<_>, _>(is_its);
        *alone = others;
        its_alone.into_iter().chain(events.take_out(is_its)).collect()
    }

    /// Takes out the messages that wait of a connection. What it answered is given up as well; that it is over, is told.
    pub(super) fn forget(&self, handle: Handle) -> Vec<Event> {
        let mut waiting = self.lock();
        let is_its = |event: &Event| {
            let of_it = event.connection.as_ref().is_some_and(|of| of.handle == handle);
            of_it && matches!(event.what, Occurrence::Message(_))
        };
        let Waiting { alone, events, .. } = &mut *waiting;
        let (its_alone, others) =
            std::mem::take(alone).into_iter().partition::<VecDeque<_>, _>(is_its);
        *alone = others;
        let its = events.take_out(is_its);
        waiting.change_owed(handle, give_up_answer);
        let called = waiting.call(self.bound);
        drop(waiting);
        called.into_iter().for_each(Waker::wake);
        its_alone.into_iter().chain(its).collect()
    }

    /// Another version, which has been handed the state of this one, may be told of all connections.
    pub(super) fn forgive(&self) {
        self.lock().shunned.clear();
    }

    /// Called before the open connections are listed for [`Queue::adopt`].
    pub(super) fn begin_adoption(&self) {
        self.lock().adopting = true;
    }

    /// A new instance hears of every open connection first, but for those that it knows, and of the end of those that it knows
    /// and that are no more. `forgive`: it is another version. Returns of how many it hears.
    pub(super) fn adopt(
        &self,
        open: Vec<Arc<Connection>>,
        missing: Missing,
        forgive: bool,
    ) -> usize {
        self.lock().adopt(open, missing, forgive)
    }

    /// Takes nothing any more (until [`Queue::open`]) and gives back the messages that wait.
    pub(super) fn close(&self, why: Closed) -> Vec<Event> {
        let mut waiting = self.lock();
        waiting.closed = Some(why);
        waiting.adopted.clear();
        waiting.suspects.clear();
        waiting.told.clear();
        let alone = std::mem::take(&mut waiting.alone);
        let events = waiting.events.clear();
        let all = alone.into_iter().chain(events);
        let (owed, others) = all.partition::<VecDeque<_>, _>(outlasts_a_rest);
        waiting.owed.extend(owed);
        let called = waiting.call(self.bound);
        drop(waiting);
        called.into_iter().for_each(Waker::wake);
        others.into_iter().filter(|event| matches!(event.what, Occurrence::Message(_))).collect()
    }

    /// Takes no more, but keeps what waits.
    pub(super) fn end(&self) {
        self.lock().closed = Some(Closed::Stopped);
    }

    pub(super) fn open(&self) {
        let mut waiting = self.lock();
        waiting.closed = None;
        waiting.return_owed();
    }
}

impl Waiting {
    fn has_room(&self, bound: usize) -> bool {
        2 * self.events.len() < bound || self.closed.is_some()
    }

    /// Those who wait for room, if there is some.
    fn call(&mut self, bound: usize) -> Vec<Waker> {
        if self.backlog.tasks.is_empty() || !self.has_room(bound) {
            return Vec::new();
        }
        self.backlog.calls += 1;
        std::mem::take(&mut self.backlog.tasks)
    }

    fn is_empty(&self) -> bool {
        let nobody = self.adopted.is_empty() && self.suspects.is_empty();
        nobody && self.alone.is_empty() && self.events.is_empty()
    }

    fn offer(&mut self, event: Event, bound: usize) -> Result<(), Box<Declined>> {
        let handle = event.connection.as_ref().map(|connection| connection.handle);
        if let Some(closed) = self.closed {
            return match event.what {
                // The next instance hears of the connections that are open then.
                Occurrence::Opened => Ok(()),
                Occurrence::Closed(_) => {
                    handle.into_iter().for_each(|handle| self.part_from(handle));
                    Ok(())
                }
                // It has its place among what waits for the next instance.
                Occurrence::Answered(_) if matches!(closed, Closed::Unavailable(_)) => {
                    self.owed.push_back(event);
                    Ok(())
                }
                _ => Err(declined(event, closed.fault())),
            };
        }
        match (&event.what, handle) {
            // Its end is told exactly to those who were told of its beginning, whatever waits: the bound held then.
            (Occurrence::Closed(_), Some(handle)) => {
                self.shunned.remove(&handle);
                if self.told.remove(&handle).is_some() || self.adopting {
                    self.events.push_back(event);
                }
                return Ok(());
            }
            (Occurrence::Opened, Some(handle)) if self.told.contains_key(&handle) => return Ok(()),
            // Its place was taken when the question was asked.
            (Occurrence::Answered(_), handle) => {
                self.answered(event, handle);
                return Ok(());
            }
            (_, Some(handle)) if self.shuns(handle) => {
                return Err(declined(event, shunned()));
            }
            // One for each connection, before its end.
            (Occurrence::Unsubscribed(Left { at_end: true, .. }), Some(handle)) => {
                if self.told.contains_key(&handle) {
                    self.events.push_back(event);
                }
                return Ok(());
            }
            _ if self.events.len() >= bound => return Err(declined(event, overloaded())),
            _ => {}
        }
        if let Some(connection) = &event.connection
            && let Entry::Vacant(new) = self.told.entry(connection.handle)
        {
            new.insert(Arc::clone(connection));
            if !matches!(event.what, Occurrence::Opened) {
                self.events.push_back(adopted(connection));
            }
        }
        self.events.push_back(event);
        Ok(())
    }

    /// A question is over, of which the plugin hears in any case: of a connection that is left alone without that.
    fn answered(&mut self, mut event: Event, handle: Option<Handle>) {
        if handle.is_some_and(|handle| self.shuns(handle)) {
            event.connection = None;
        } else if let (Some(handle), Some(connection)) = (handle, &event.connection)
            && let Entry::Vacant(new) = self.told.entry(handle)
        {
            new.insert(Arc::clone(connection));
            self.events.push_back(adopted(connection));
        }
        self.events.push_back(event);
    }

    /// What has waited for an instance comes first.
    fn return_owed(&mut self) {
        let owed = std::mem::take(&mut self.owed);
        owed.into_iter().rev().for_each(|event| self.events.push_front(event));
    }

    /// What is owed of a connection is told without it: the instance hears of it no more. Its timers end with it.
    fn part_from(&mut self, handle: Handle) {
        self.change_owed(handle, |event| event.connection = None);
        let is_its_timer = |event: &Event| {
            let its = event.connection.as_ref().is_some_and(|it| it.handle == handle);
            its && matches!(event.what, Occurrence::Timer(_))
        };
        self.owed.retain(|event| !is_its_timer(event));
    }

    /// Changes what is owed of a connection, wherever it waits.
    fn change_owed(&mut self, handle: Handle, change: impl Fn(&mut Event)) {
        let change = |event: &mut Event| {
            let is_its = event.connection.as_ref().is_some_and(|it| it.handle == handle);
            if is_its && is_owed(event) {
                change(event);
            }
        };
        self.alone.iter_mut().chain(&mut self.owed).for_each(change);
        if self.events.iter().any(is_owed) {
            self.events.change(change);
        }
    }

    /// Whether a connection is left alone; after a while it gets another chance.
    fn shuns(&mut self, handle: Handle) -> bool {
        let Some(since) = self.shunned.get(&handle) else { return false };
        let shuns = since.elapsed() < SHUNNED;
        if !shuns {
            self.shunned.remove(&handle);
        }
        shuns
    }

    fn take(&mut self, share: Share, batch: &mut Batch) {
        batch.alone = false;
        if !self.adopted.is_empty() {
            self.adopted.take(share, &mut batch.events);
        } else if let Some(event) = self.suspects.pop_front() {
            if let Some(connection) = &event.connection {
                // If it breaks the instance now, it is the one.
                self.suspected.remove(&connection.handle);
            }
            batch.events.push(event);
        } else if let Some(event) = self.alone.pop_front() {
            batch.alone = true;
            batch.events.push(event);
        } else {
            self.events.take(share, &mut batch.events);
        }
    }
}

/// The connection that an event ends.
fn ended(event: &Event) -> Option<Handle> {
    match event.what {
        Occurrence::Closed(_) => event.connection.as_ref().map(|connection| connection.handle),
        _ => None,
    }
}

fn adopted(connection: &Arc<Connection>) -> Event {
    Event {
        connection: Some(Arc::clone(connection)),
        seq: 0,
        at: SystemTime::now(),
        what: Occurrence::Adopted,
        span: Span::none(),
        permit: None,
    }
}

fn declined(event: Event, why: Fault) -> Box<Declined> {
    Box::new(Declined { event, why })
}

fn overloaded() -> Fault {
    Fault::new(FaultId::Overloaded, "too many events wait for a decision; try again")
        .retry_after(Duration::from_secs(1))
}

fn shunned() -> Fault {
    Fault::new(
        FaultId::PluginFailed,
        "the plugin failed on this connection and is not told of it again",
    )
}

impl Closed {
    /// What an event is answered that comes meanwhile.
    pub(super) fn fault(self) -> Fault {
        match self {
            Self::Unavailable(wait) => {
                Fault::new(FaultId::PluginUnavailable, "the plugin does not run; try again")
                    .retry_after(wait)
            }
            Self::Stopped => Fault::new(FaultId::PluginUnavailable, "the plugin has been stopped"),
        }
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
