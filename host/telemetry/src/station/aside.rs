//! What waits for the disk, and what is on it.
//!
//! What finds no room in the queue is put aside, and so is all that comes later, until nothing is aside any more: that is
//! how the order stays. A keeper, on a thread of its own, brings it to the disk and back ([`crate::spill`]). The account
//! adds up at every moment: what the keeper has in its hands to be written counts as queued, what is on the disk as spilled.

use super::{Station, Traits, Waiting, breaker::Phase};
use crate::stats::SpillStats;
use std::{
    collections::VecDeque,
    sync::{Arc, MutexGuard, PoisonError},
    time::Instant,
};
use tengen_core::sink::Signal;

/// Signals of one errand at most.
const CHUNK: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Aside {
    /// For the disk, from the oldest to the newest, with what each weighs.
    pub(super) queue: VecDeque<(Arc<Signal>, usize)>,
    /// Of these and of those in the keeper's hands.
    pub(super) bytes: usize,
    /// In the keeper's hands.
    pub(super) moving: usize,
    pub(super) seen: Seen,
    /// What is on the disk is not known yet.
    is_settling: bool,
    /// There is no more room on the disk, as far as the configuration gives any.
    is_full: bool,
    /// The keeper is to end,
    is_over: bool,
    /// and nobody waits for it any more.
    is_forsaken: bool,
}

/// What can be seen of the disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Signals on the disk.
    pub(crate) signals: u64,
    /// What its files take up.
    pub(crate) bytes: u64,
    /// Signals that an earlier run had left there.
    pub(crate) recovered: u64,
    /// What could not be read of that, in bytes.
    pub(crate) damaged: u64,
    /// Times that it could not be read or written.
    pub(crate) errors: u64,
    /// Why, if it cannot be now.
    pub(crate) error: Option<String>,
}

/// What the keeper does next.
#[derive(Debug)]
pub(crate) enum Errand {
    /// Try the disk, which there is none of.
    Open,
    /// Bring these there.
    Write(Vec<Arc<Signal>>),
    /// Bring back so many.
    Read(usize),
    /// Bring all there that is left, of the queue and of what was aside, and end.
    End(Vec<Arc<Signal>>, Vec<Arc<Signal>>),
}

/// What became of signals that were to be brought to the disk.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// Those that had no room, or that the disk did not take; from the oldest.
    pub(crate) back: Vec<Arc<Signal>>,
    /// Those that a rule drops.
    pub(crate) ruled_out: u64,
    /// Older ones that made room.
    pub(crate) displaced: u64,
    pub(crate) is_full: bool,
}

impl Seen {
    pub(super) fn told(&self) -> SpillStats {
        SpillStats {
            bytes: self.bytes,
            recovered: self.recovered,
            damaged: self.damaged,
            errors: self.errors,
            error: self.error.clone(),
        }
    }
}

impl Aside {
    pub(super) fn new() -> Self {
        Self { is_settling: true, ..Self::default() }
    }

    /// Whether what comes has to go there, or it would be before what is there.
    pub(super) fn is_in_use(&self) -> bool {
        self.is_settling || self.seen.signals > 0 || self.moving > 0 || !self.queue.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len() + self.moving
    }

    pub(super) fn has_room(&self, traits: &Traits, weight: usize) -> bool {
        self.len() < traits.buffer.get() && self.bytes + weight <= traits.bytes.get()
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    pub(super) fn is_full(&self) -> bool {
        self.is_full
    }

    /// What to do about the disk; none where it is well.
    pub(super) fn advice(&self, traits: &Traits) -> Option<String> {
        let name = &traits.name;
        if let Some(error) = &self.seen.error {
            return Some(format!(
                "`{name}` cannot spill to its disk ({error}): mend it; it is tried again by itself"
            ));
        }
        self.is_full.then(|| {
            format!("`{name}` has used up its disk: mend the sink, narrow its `filter`, or raise `spill.size`")
        })
    }

    fn put_back(&mut self, signals: Vec<Arc<Signal>>) {
        for signal in signals.into_iter().rev() {
            let weight = signal.weight();
            self.bytes += weight;
            self.queue.push_front((signal, weight));
        }
    }
}

impl Station {
    /// What the keeper is to do; waits for it. `again`: the disk is not to be tried before then.
    pub(crate) fn errand(&self, has_disk: bool, again: Option<Instant>) -> Errand {
        let mut waiting = self.lock();
        loop {
            let now = Instant::now();
            let may_try = again.is_none_or(|again| again <= now);
            if let Some(errand) = self.next_errand(&mut waiting, has_disk, may_try) {
                return errand;
            }
            let left = again.filter(|_| !may_try).map(|again| again.saturating_duration_since(now));
            waiting = match left {
                None => self.errands.wait(waiting).unwrap_or_else(PoisonError::into_inner),
                Some(left) => {
                    let waited = self.errands.wait_timeout(waiting, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn next_errand(
        &self,
        waiting: &mut MutexGuard<'_, Waiting>,
        has_disk: bool,
        may_try: bool,
    ) -> Option<Errand> {
        let moved = waiting.take_straight(&self.traits, has_disk);
        if moved {
            self.wake_deliveries(waiting);
        }
        let is_closed = waiting.breaker.phase() == Phase::Closed;
        let keeps_all = waiting.keeps_all();
        let (queued, bytes) = (waiting.queue.len(), waiting.bytes);
        let aside = waiting.aside.as_mut()?;
        if aside.is_over {
            let left: Vec<_> = aside.queue.drain(..).map(|(signal, _)| signal).collect();
            let before: Vec<_> = waiting.queue.drain(..).collect();
            let weight: usize = before.iter().map(|(_, weight)| weight).sum();
            waiting.bytes -= weight;
            let aside = waiting.aside.as_mut()?;
            aside.bytes += weight;
            aside.moving = left.len() + before.len();
            return Some(Errand::End(before.into_iter().map(|(signal, _)| signal).collect(), left));
        }
        if !may_try {
            return None;
        }
        if !has_disk {
            return Some(Errand::Open);
        }
        let (half, of_bytes) = (self.traits.buffer.get().div_ceil(2), self.traits.bytes.get() / 2);
        // While the sink keeps failing, one signal is enough for a trial.
        let is_low = if is_closed { queued < half && bytes <= of_bytes } else { queued == 0 };
        if is_low && aside.seen.signals > 0 && !keeps_all {
            return Some(Errand::Read((self.traits.buffer.get() - queued).min(CHUNK)));
        }
        if aside.queue.is_empty() || aside.is_full {
            return None;
        }
        let count = aside.queue.len().min(CHUNK);
        let signals: Vec<_> = aside.queue.drain(..count).map(|(signal, _)| signal).collect();
        aside.moving = count;
        Some(Errand::Write(signals))
    }

    /// The disk was looked through; none: it cannot be, for now.
    pub(crate) fn settled(&self, found: Option<(u64, u64)>, bytes: u64) {
        let mut waiting = self.lock();
        if let Some(aside) = &mut waiting.aside {
            aside.is_settling = false;
            if let Some((records, damaged)) = found {
                let seen = &mut aside.seen;
                (seen.signals, seen.bytes, seen.error) = (records, bytes, None);
                seen.recovered += records;
                seen.damaged += damaged;
                waiting.account.accepted(records);
            }
        }
        self.wake_deliveries(&mut waiting);
    }

    /// The disk failed.
    pub(crate) fn spill_failed(&self, error: &str) {
        let mut waiting = self.lock();
        if let Some(aside) = &mut waiting.aside {
            aside.seen.errors += 1;
            aside.seen.error = Some(error.to_owned());
        }
    }

    /// What the keeper took to be written is on the disk, or comes back.
    pub(crate) fn written(&self, written: Written, (signals, bytes): (u64, u64)) {
        let mut waiting = self.lock();
        let waiting = &mut *waiting;
        let Some(aside) = &mut waiting.aside else { return };
        let queued: usize = aside.queue.iter().map(|(_, weight)| weight).sum();
        (aside.bytes, aside.moving) = (queued, 0);
        (aside.seen.signals, aside.seen.bytes) = (signals, bytes);
        if aside.seen.error.is_some() && written.back.is_empty() {
            aside.seen.error = None;
        }
        aside.is_full = written.is_full;
        aside.put_back(written.back);
        waiting.account.dropped.rule += written.ruled_out;
        waiting.account.dropped.displaced += written.displaced;
        if waiting.blocked > 0 {
            self.room.notify_all();
        }
        if waiting.is_closed {
            self.wake_deliveries(waiting);
        }
    }

    /// These were on the disk, and so many of it are lost.
    pub(crate) fn read_back(&self, back: Vec<Signal>, lost: u64, (signals, bytes): (u64, u64)) {
        let mut waiting = self.lock();
        for signal in back {
            let weight = signal.weight();
            waiting.bytes += weight;
            waiting.queue.push_back((Arc::new(signal), weight));
        }
        if let Some(aside) = &mut waiting.aside {
            (aside.seen.signals, aside.seen.bytes) = (signals, bytes);
            (aside.is_full, aside.seen.error) = (false, None);
        }
        waiting.account.dropped.spill_failed += lost;
        self.wake_deliveries(&mut waiting);
    }

    /// The keeper has ended: so many had no room on the disk.
    pub(crate) fn kept(&self, lost: u64, ruled_out: u64, (signals, bytes): (u64, u64)) {
        let mut waiting = self.lock();
        let waiting = &mut *waiting;
        let Some(aside) = &mut waiting.aside else { return };
        if !aside.is_forsaken {
            (aside.moving, aside.bytes) = (0, 0);
            waiting.account.dropped.shutdown += lost;
            waiting.account.dropped.rule += ruled_out;
            (aside.seen.signals, aside.seen.bytes) = (signals, bytes);
        }
    }

    /// Whether nothing waits for the disk, or it takes nothing for now.
    #[cfg(test)]
    pub(crate) fn has_put_away(&self) -> bool {
        self.lock().aside.as_ref().is_none_or(|aside| {
            let is_stuck = aside.is_full || aside.seen.error.is_some();
            !aside.is_settling && (aside.len() == 0 || is_stuck)
        })
    }

    /// The keeper brings all that is left to the disk, and ends.
    pub(crate) fn keep_the_rest(&self) {
        if let Some(aside) = &mut self.lock().aside {
            aside.is_over = true;
        }
        self.errands.notify_all();
    }

    /// Nobody waits for the keeper any more: what it has in its hands is lost.
    pub(super) fn forsake(&self, waiting: &mut Waiting) {
        let Some(aside) = &mut waiting.aside else { return };
        aside.is_forsaken = true;
        let left = aside.len() as u64;
        aside.queue.clear();
        (aside.moving, aside.bytes) = (0, 0);
        waiting.account.dropped.shutdown += left;
    }

    fn wake_deliveries(&self, waiting: &mut Waiting) {
        waiting.wake();
        self.filled.notify_all();
        self.wake.notify_waiters();
        // Also for who waits until nothing is aside any more.
        if waiting.blocked > 0 {
            self.room.notify_all();
        }
    }
}

impl Waiting {
    /// Whether what comes is put aside.
    pub(super) fn goes_aside(&self, has_room: bool) -> bool {
        self.aside.as_ref().is_some_and(|aside| {
            let spills = !has_room || self.health.is_gone || self.breaker.phase() != Phase::Closed;
            aside.is_in_use() || spills
        })
    }

    /// What is aside while nothing is on the disk needs no way over it, where the queue has room. Whether there was some.
    fn take_straight(&mut self, traits: &Traits, has_disk: bool) -> bool {
        let for_the_disk = has_disk
            && (self.keeps_all()
                || (self.breaker.phase() != Phase::Closed && !self.queue.is_empty()));
        let mut moved = false;
        while let Some(aside) = &mut self.aside
            && aside.seen.signals == 0
            && aside.moving == 0
            && !aside.is_settling
            && !aside.is_over
            && !for_the_disk
            && self.queue.len() < traits.buffer.get()
            && let Some((_, weight)) = aside.queue.front()
            && self.bytes + weight <= traits.bytes.get()
            && let Some((signal, weight)) = aside.queue.pop_front()
        {
            aside.bytes -= weight;
            self.bytes += weight;
            self.queue.push_back((signal, weight));
            moved = true;
        }
        moved
    }
}
