//! How signals come in: past the sink's own filter, into its queue, or what gives way for them is counted.

use super::{AtOnce, Station, Traits, Waiting, add};
use crate::filter::Verdict;
use std::sync::{Arc, MutexGuard, PoisonError, atomic::Ordering};
use tengen_core::sink::Signal;
use tengen_settings::FullSink;

impl Station {
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
                    waiting.refuse();
                    waiting.health.lost();
                    return;
                }
            };
        }
        // Who waits for room is not accepted before it is decided: the account adds up at every moment.
        waiting.account.accepted(1);
        if waiting.goes_aside(self.queue_has_room(&waiting, weight)) {
            if let Some(aside) = &mut waiting.aside {
                aside.bytes += weight;
                aside.queue.push_back((signal, weight));
            }
            drop(waiting);
            return self.errands.notify_all();
        }
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

    /// Where it is to go.
    fn has_room(&self, waiting: &Waiting, weight: usize) -> bool {
        let in_queue = self.queue_has_room(waiting, weight);
        match &waiting.aside {
            Some(aside) if waiting.goes_aside(in_queue) => aside.has_room(&self.traits, weight),
            _ => in_queue,
        }
    }

    fn queue_has_room(&self, waiting: &Waiting, weight: usize) -> bool {
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
            FullSink::DropOldest if waiting.aside.is_some() => {
                waiting.displace(&self.traits, weight)
            }
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
}

impl Waiting {
    /// What finds no room is lost, and why.
    fn refuse(&mut self) {
        let dropped = &mut self.account.dropped;
        match &self.aside {
            Some(aside) if aside.seen.error.is_some() => dropped.spill_failed += 1,
            Some(aside) if aside.is_full() => dropped.spill_full += 1,
            _ => dropped.queue_full += 1,
        }
    }

    /// The oldest that wait for the disk give way.
    fn displace(&mut self, traits: &Traits, weight: usize) {
        while let Some(aside) = &mut self.aside
            && !aside.has_room(traits, weight)
            && let Some((_, weight)) = aside.queue.pop_front()
        {
            aside.bytes -= weight;
            self.account.dropped.displaced += 1;
            self.health.lost();
        }
    }
}
