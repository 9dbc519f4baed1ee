//! Where signals wait for one sink, and the account of what became of each.
//!
//! One lock guards the queue and its account together, so the account adds up at every moment:
//! `accepted = processed + dropped + queued + in_flight`. It is held for a few dozen nanoseconds, never while something is
//! written, encoded or waited for.

mod account;
mod health;
mod recent;
mod rules;
mod taking;
mod traits;

pub(crate) use taking::LINGER;
pub(crate) use traits::{Batch, Lingering, Loss, Next, Traits};

use crate::{
    filter::{Filter, Verdict},
    stats::SinkStats,
};
use account::Account;
use arc_swap::ArcSwap;
use health::{Health, Sight};
use recent::Recent;
use std::{
    collections::VecDeque,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use taking::Enough;
use tengen_core::sink::Signal;
use tengen_settings::FullSink;
use tokio::sync::Notify;

/// One sink's queue.
#[derive(Debug)]
pub(crate) struct Station {
    pub(crate) traits: Traits,
    filter: ArcSwap<Filter>,
    /// Its filter has to be asked for each signal.
    asks: AtomicBool,
    gate: Gate,
    waiting: Mutex<Waiting>,
    /// For deliveries on a thread: there is something to do.
    filled: Condvar,
    /// The same for those on a task.
    pub(crate) wake: Notify,
    /// For who waits until there is room.
    room: Condvar,
    /// Delivers on the thread of who says something.
    at_once: OnceLock<AtOnce>,
    recent: Mutex<Recent>,
}

struct AtOnce(Box<dyn Fn() + Send + Sync>);

impl std::fmt::Debug for AtOnce {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AtOnce")
    }
}

/// Signals that came to this sink and did not get into its queue.
#[derive(Debug, Default)]
struct Gate {
    filtered: AtomicU64,
    sampled_out: AtomicU64,
    limited: AtomicU64,
    withheld: AtomicU64,
}

#[derive(Debug, Default)]
pub(crate) struct Waiting {
    queue: VecDeque<(Arc<Signal>, usize)>,
    /// Of what is queued and under way.
    bytes: usize,
    account: Account,
    health: Health,
    /// Deliveries that wait for something to do, and are woken by the first of it.
    asleep: usize,
    /// Those that look again by themselves, and are woken only when so many wait as are enough.
    lingering: usize,
    enough: Enough,
    /// How often they were woken, all at one time.
    wakes: u64,
    /// Those who wait for room.
    blocked: usize,
    is_paused: bool,
    /// No more come.
    is_closed: bool,
    /// When to have ended.
    until: Option<Instant>,
}

impl Station {
    pub(crate) fn new(traits: Traits, filter: Filter) -> Arc<Self> {
        Arc::new(Self {
            traits,
            asks: filter.is_asked_each_time().into(),
            filter: ArcSwap::from_pointee(filter),
            gate: Gate::default(),
            waiting: Mutex::default(),
            filled: Condvar::new(),
            wake: Notify::new(),
            room: Condvar::new(),
            at_once: OnceLock::new(),
            recent: Mutex::default(),
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.traits.name
    }

    pub(crate) fn filter(&self) -> Arc<Filter> {
        self.filter.load_full()
    }

    /// For the pipe, which has call sites ask again afterwards.
    pub(crate) fn set_filter(&self, filter: Filter) {
        let asks = filter.is_asked_each_time();
        self.filter.store(Arc::new(filter));
        self.asks.store(asks, Ordering::Relaxed);
    }

    /// A signal that its own work caused, and that it does not get.
    pub(crate) fn withhold(&self) {
        add(&self.gate.withheld, 1);
    }

    /// A signal of the pipe's. `lets`: what its call site knows lets it pass here.
    pub(crate) fn take_in(&self, signal: &Arc<Signal>, weight: usize, lets: bool) {
        if !lets {
            return add(&self.gate.filtered, 1);
        }
        if self.asks.load(Ordering::Relaxed) {
            match self.filter.load().admits(signal) {
                Verdict::Passes => {}
                Verdict::SampledOut => return add(&self.gate.sampled_out, 1),
                Verdict::Limited => return add(&self.gate.limited, 1),
            }
        }
        self.put(Arc::clone(signal), weight);
    }

    /// Into the queue, or what gives way for it is counted.
    fn put(&self, signal: Arc<Signal>, weight: usize) {
        let mut waiting = self.lock();
        if waiting.is_closed {
            waiting.account.accepted(1);
            waiting.account.dropped.shutdown += 1;
            return;
        }
        if !self.has_room(&waiting, weight) {
            waiting = match self.make_room(waiting, weight) {
                Ok(waiting) => waiting,
                Err(mut waiting) => {
                    waiting.account.accepted(1);
                    waiting.account.dropped.queue_full += 1;
                    waiting.health.lost();
                    return;
                }
            };
        }
        // Who waits for room is not accepted before it is decided: the account adds up at every moment.
        waiting.account.accepted(1);
        waiting.bytes += weight;
        waiting.queue.push_back((signal, weight));
        let wakes = waiting.is_awaited() && !waiting.is_paused;
        if wakes {
            waiting.wake();
        }
        drop(waiting);
        if wakes {
            self.filled.notify_all();
            self.wake.notify_waiters();
        }
        if let Some(AtOnce(deliver)) = self.at_once.get() {
            deliver();
        }
    }

    /// From now on who says something has it delivered by this, and waits.
    pub(crate) fn deliver_at_once(&self, deliver: impl Fn() + Send + Sync + 'static) {
        // There is one way to deliver: the first.
        drop(self.at_once.set(AtOnce(Box::new(deliver))));
    }

    fn has_room(&self, waiting: &Waiting, weight: usize) -> bool {
        waiting.queue.len() < self.traits.buffer.get()
            && waiting.bytes + weight <= self.traits.bytes.get()
    }

    /// Err: there is none to be had.
    fn make_room<'a>(
        &'a self,
        mut waiting: MutexGuard<'a, Waiting>,
        weight: usize,
    ) -> Result<MutexGuard<'a, Waiting>, MutexGuard<'a, Waiting>> {
        match self.traits.when_full {
            FullSink::DropNewest => {}
            FullSink::DropOldest => {
                while !self.has_room(&waiting, weight)
                    && let Some((_, weight)) = waiting.queue.pop_front()
                {
                    waiting.bytes -= weight;
                    waiting.account.dropped.displaced += 1;
                    waiting.health.lost();
                }
            }
            // A thread that serves connections waits for nobody.
            FullSink::Block if tokio::runtime::Handle::try_current().is_err() => {
                waiting.blocked += 1;
                let has_none =
                    |waiting: &mut Waiting| !self.has_room(waiting, weight) && !waiting.is_closed;
                let waited = self.room.wait_timeout_while(waiting, self.traits.wait, has_none);
                (waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
                waiting.blocked -= 1;
            }
            FullSink::Block => {}
        }
        match self.has_room(&waiting, weight) && !waiting.is_closed {
            true => Ok(waiting),
            false => Err(waiting),
        }
    }

    /// Waits on a thread, but not past the end.
    pub(crate) fn pause_until(&self, until: Instant) {
        let waiting = self.lock();
        let left = until.saturating_duration_since(Instant::now());
        drop(self.filled.wait_timeout_while(waiting, left, |waiting| !waiting.is_closed));
    }

    /// So many of those under way were delivered, from the first.
    pub(crate) fn delivered(&self, signals: &[Arc<Signal>]) {
        let mut waiting = self.lock();
        let count = signals.len() as u64;
        waiting.account.in_flight -= count;
        waiting.account.delivered(count);
        waiting.health.succeeded();
        drop(waiting);
        // Under a lock of its own: freeing what is forgotten takes longer than who says something should wait.
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).add(signals);
    }

    /// So many of those under way are lost.
    pub(crate) fn lose(&self, count: usize, why: Loss) {
        let (mut waiting, count) = (self.lock(), count as u64);
        waiting.account.in_flight -= count;
        match why {
            Loss::SinkError => waiting.account.dropped.sink_error += count,
            Loss::Shutdown => waiting.account.dropped.shutdown += count,
        }
    }

    /// A batch takes up no more memory.
    pub(crate) fn release(&self, batch: &Batch) {
        let mut waiting = self.lock();
        waiting.bytes -= batch.bytes;
        let blocked = waiting.blocked > 0;
        drop(waiting);
        if blocked {
            self.room.notify_all();
        }
    }

    /// A delivery failed; whether it is the first in a row.
    pub(crate) fn failed(&self, error: &str) -> bool {
        let mut waiting = self.lock();
        waiting.account.errors += 1;
        waiting.health.failed(error)
    }

    pub(crate) fn retried(&self) {
        self.lock().account.retries += 1;
    }

    /// It wants no more.
    pub(crate) fn give_up(&self) {
        self.lock().health.is_gone = true;
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.lock().health.is_gone
    }

    pub(crate) fn pause(&self, paused: bool) {
        self.lock().is_paused = paused;
        self.hurry();
    }

    /// Takes no more; what is queued is delivered by then, or lost.
    pub(crate) fn close(&self, until: Instant) {
        let mut waiting = self.lock();
        waiting.is_closed = true;
        waiting.until = waiting.until.map_or(Some(until), |other| Some(other.min(until)));
        drop(waiting);
        self.room.notify_all();
        self.hurry();
    }

    fn hurry(&self) {
        self.lock().wake();
        self.filled.notify_all();
        self.wake.notify_waiters();
    }

    /// When to have ended, if the end has begun.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.lock().until
    }

    /// Nobody delivers any more: what is queued is lost. What is under way stays so.
    pub(crate) fn abandon(&self) {
        let mut waiting = self.lock();
        let left = std::mem::take(&mut waiting.queue);
        waiting.bytes -= left.iter().map(|(_, weight)| weight).sum::<usize>();
        waiting.account.dropped.shutdown += left.len() as u64;
    }

    /// Waits until nothing is queued or under way, so long at most; whether nothing is.
    pub(crate) fn drain(&self, within: Duration) -> bool {
        let busy =
            |waiting: &mut Waiting| !waiting.queue.is_empty() || waiting.account.in_flight > 0;
        let mut waiting = self.lock();
        waiting.blocked += 1;
        let waited = self.room.wait_timeout_while(waiting, within, busy);
        let (mut waiting, result) = waited.unwrap_or_else(PoisonError::into_inner);
        waiting.blocked -= 1;
        !result.timed_out()
    }

    pub(crate) fn lost(&self) -> u64 {
        self.lock().account.dropped.of_the_sink()
    }

    /// Signals that were delivered last.
    pub(crate) fn recent(&self) -> Vec<Arc<Signal>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).all()
    }

    pub(crate) fn stats(&self) -> SinkStats {
        let mut waiting = self.lock();
        let sight = waiting.sight(&self.traits);
        waiting.health.look(sight);
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let oldest =
            waiting.queue.front().map(|(signal, _)| signal.at.elapsed().unwrap_or_default());
        let account = &waiting.account;
        let Gate { filtered, sampled_out, limited, withheld } = &self.gate;
        let [filtered, sampled_out, limited, withheld] =
            [filtered, sampled_out, limited, withheld].map(read);
        SinkStats {
            kind: self.traits.kind,
            offered: filtered + sampled_out + limited + withheld + account.accepted,
            filtered,
            sampled_out,
            limited,
            withheld,
            accepted: account.accepted,
            processed: account.delivered,
            queued: waiting.queue.len() as u64,
            in_flight: account.in_flight,
            bytes: waiting.bytes as u64,
            buffer: self.traits.buffer.get() as u64,
            dropped: account.dropped,
            errors: account.errors,
            retries: account.retries,
            accepted_per_s: account.accepted_per_s(),
            processed_per_s: account.delivered_per_s(),
            oldest_ms: oldest.map_or(0, |age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
            health: match (waiting.health.is_gone, waiting.is_paused) {
                (true, _) => "gone",
                (false, true) => "paused",
                (false, false) => waiting.health.word(),
            },
            advice: waiting.health.advice(&self.traits, waiting.is_paused),
            last_error: waiting.health.last_error(),
            gone: waiting.health.is_gone,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn sight(&self, traits: &Traits) -> Sight {
        let share = |of: usize, all: usize| of * 100 / all;
        let fill =
            share(self.queue.len(), traits.buffer.get()).max(share(self.bytes, traits.bytes.get()));
        Sight { fill, now: Instant::now() }
    }
}

fn add(count: &AtomicU64, more: u64) {
    count.fetch_add(more, Ordering::Relaxed);
}

#[cfg(test)]
mod tests;
