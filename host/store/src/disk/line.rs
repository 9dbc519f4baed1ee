//! What waits for the disk: of each key what stands there now, bounded in bytes and in writes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
    time::{Duration, Instant},
};
use tengen_core::{
    meter::Histogram,
    store::{Change, Refusal},
};

/// A batch goes to the disk so long after its first write, which leaves as long for the disk.
pub(crate) const GATHERED: Duration = Duration::from_millis(5);
/// Writes that may wait, however small they are. Fewer than the versions that are left out after a process has died, see
/// `file`.
pub(crate) const WRITES: u64 = 1 << 16;

/// One thread takes batches; whoever writes puts changes in.
#[derive(Debug)]
pub(crate) struct Line {
    bytes: usize,
    state: Mutex<State>,
    /// Something has changed that the thread has to know of,
    for_thread: Condvar,
    /// or whoever waits for the end.
    for_owner: Condvar,
    /// What became of batches.
    pub(crate) account: Account,
}

#[derive(Debug, Default)]
pub(crate) struct Account {
    /// How long the disk took for each batch, from the first try.
    pub(crate) took: Histogram,
    pub(crate) failed: AtomicU64,
}

#[derive(Debug)]
struct State {
    gathered: Batch,
    /// When the first of it was written.
    since: Option<Instant>,
    /// What the thread has taken and not brought there yet.
    taken: (usize, u64),
    end: End,
    /// The thread takes nothing more.
    over: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    No,
    /// With all that was written, by then.
    By(Instant),
    /// As if the process had died.
    Now,
}

/// Changes that get to the disk together.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Batch {
    /// By bucket and key: of several at one key, the last.
    pub(crate) changes: BTreeMap<(Arc<str>, Arc<str>), Change>,
    /// Of the last write.
    pub(crate) version: u64,
    bytes: usize,
    writes: u64,
}

impl Batch {
    pub(crate) fn push(&mut self, change: &Change) {
        let at = (Arc::clone(&change.bucket), Arc::clone(&change.key));
        self.version = change.now.as_ref().map_or(self.version, |entry| entry.version);
        self.bytes += change.bytes();
        self.writes += 1;
        if let Some(before) = self.changes.insert(at, change.clone()) {
            self.bytes -= before.bytes();
        }
    }

    pub(crate) fn writes(&self) -> u64 {
        self.writes
    }
}

impl Line {
    /// `version`: of the last write.
    pub(crate) fn new(bytes: usize, version: u64) -> Self {
        let state = State {
            gathered: Batch { version, ..Batch::default() },
            since: None,
            taken: (0, 0),
            end: End::No,
            over: false,
        };
        Self {
            bytes,
            state: Mutex::new(state),
            for_thread: Condvar::new(),
            for_owner: Condvar::new(),
            account: Account::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A change waits from here on, or there is no room for it.
    pub(crate) fn push(&self, change: &Change) -> Result<(), Refusal> {
        let mut state = self.state();
        let (bytes, writes) = (state.taken.0 + state.gathered.bytes, state.waiting());
        let full = bytes + change.bytes() > self.bytes || writes >= WRITES;
        if state.end != End::No || state.over || (full && writes > 0) {
            return Err(Refusal::Behind);
        }
        state.gathered.push(change);
        if state.since.is_none() {
            state.since = Some(Instant::now());
            self.for_thread.notify_one();
        }
        Ok(())
    }

    /// The next batch, once it is time for it; none at the end.
    pub(crate) fn take(&self) -> Option<Batch> {
        let mut state = self.state();
        loop {
            state = match (state.end, state.since) {
                (End::Now, _) | (End::By(_), None) => return None,
                (End::No, None) => {
                    self.for_thread.wait(state).unwrap_or_else(PoisonError::into_inner)
                }
                (End::No, Some(since)) if since.elapsed() < GATHERED => {
                    let left = GATHERED.saturating_sub(since.elapsed());
                    self.for_thread
                        .wait_timeout(state, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
                _ => break,
            };
        }
        state.since = None;
        let version = state.gathered.version;
        let next = Batch { version, ..Batch::default() };
        let batch = std::mem::replace(&mut state.gathered, next);
        state.taken = (batch.bytes, batch.writes);
        Some(batch)
    }

    /// What was taken is on the disk.
    pub(crate) fn brought(&self) {
        self.state().taken = (0, 0);
    }

    /// Waits so long, or until the end asks for one more try. False: there is none.
    pub(crate) fn pause(&self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        let mut state = self.state();
        loop {
            let now = Instant::now();
            let until = match state.end {
                End::Now => return false,
                // In its last seconds it is tried ten times as often.
                End::By(by) if now >= by => return false,
                End::By(by) => by.min(until - pause + pause / 10),
                End::No => until,
            };
            if now >= until {
                return true;
            }
            let left = until - now;
            state =
                self.for_thread.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The thread takes nothing more.
    pub(crate) fn over(&self) {
        self.state().over = true;
        self.for_owner.notify_all();
    }

    /// Has all that waits brought to the disk, and waits for that. Returns how many writes did not get there.
    pub(crate) fn close(&self, by: Instant) -> u64 {
        let mut state = self.state();
        state.end = End::By(by);
        self.for_thread.notify_one();
        while !state.over {
            let now = Instant::now();
            if now >= by {
                break;
            }
            state = self
                .for_owner
                .wait_timeout(state, by - now)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        state.waiting()
    }

    /// As if the process had died.
    pub(crate) fn abandon(&self) {
        self.state().end = End::Now;
        self.for_thread.notify_one();
    }

    /// Writes that are not on the disk, and their bytes.
    pub(crate) fn waiting(&self) -> (u64, usize) {
        let state = self.state();
        (state.waiting(), state.taken.0 + state.gathered.bytes)
    }
}

impl State {
    fn waiting(&self) -> u64 {
        self.taken.1 + self.gathered.writes
    }
}

#[cfg(test)]
#[path = "line_tests.rs"]
pub(in crate::disk) mod tests;
