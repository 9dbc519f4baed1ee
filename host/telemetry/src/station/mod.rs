//! Where signals wait for one sink, and the account of what became of each.
//!
//! One lock guards the queue and its account together, so the account adds up at every moment:
//! `accepted = processed + dropped + queued + in_flight + spilled`. It is held for a few dozen nanoseconds, never while something is
//! written, encoded or waited for.

mod account;
mod aside;
mod breaker;
mod ending;
mod handout;
mod health;
mod intake;
mod recent;
mod rules;
mod taking;
mod traits;
mod view;

pub(crate) use aside::{Errand, Written};
#[cfg(test)]
pub(crate) use breaker::OPENS;
pub(crate) use breaker::{LONGEST_PAUSE, PAUSE};
pub(crate) use taking::LINGER;
pub(crate) use traits::{Batch, Lingering, Loss, Next, Traits};

use crate::filter::Filter;
use account::Account;
use arc_swap::ArcSwap;
use aside::Aside;
use breaker::Breaker;
use health::{Health, Sight};
use recent::Recent;
use std::{
    collections::VecDeque,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};
use taking::Enough;
use tengen_core::{meter::Histogram, sink::Signal};
use tokio::sync::Notify;

/// One sink's queue.
#[derive(Debug)]
pub(crate) struct Station {
    pub(crate) traits: Traits,
    filter: ArcSwap<Filter>,
    /// Its filter has to be asked for each signal.
    asks: AtomicBool,
    gate: Gate,
    /// From when a signal was said to when it was delivered.
    latency: Histogram,
    waiting: Mutex<Waiting>,
    /// For deliveries on a thread: there is something to do.
    filled: Condvar,
    /// The same for those on a task.
    pub(crate) wake: Notify,
    /// For who waits until there is room.
    room: Condvar,
    /// For the keeper of what is aside.
    errands: Condvar,
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
    /// What found no room there, where there is a disk for it.
    aside: Option<Box<Aside>>,
    /// Of what is queued and under way.
    bytes: usize,
    account: Account,
    health: Health,
    breaker: Breaker,
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
        let aside = traits.spills.then(|| Box::new(Aside::new()));
        Arc::new(Self {
            traits,
            asks: filter.is_asked_each_time().into(),
            filter: ArcSwap::from_pointee(filter),
            gate: Gate::default(),
            latency: Histogram::default(),
            waiting: Mutex::new(Waiting { aside, ..Waiting::default() }),
            filled: Condvar::new(),
            wake: Notify::new(),
            room: Condvar::new(),
            errands: Condvar::new(),
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
