//! What of one connection waits for a decision: a bound, and word when it has become less.

use super::{Connection, Onward};
use crate::budget::{Holding, Shares};
use futures_util::task::AtomicWaker;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering, fence},
    },
    task::Waker,
    time::Instant,
};

/// One event, as it is counted: bytes have the 40 low bits, events the 23 bits above them. Neither count reaches the bits of
/// the next one. Bytes do not, because 1 TiB is more than one connection can hold in memory; events do not, because no more
/// than [`EVENTS_MAX`] are let in.
const EVENT: u64 = 1 << 40;
const BYTES: u64 = EVENT - 1;
/// The highest bit: the connection's task wants to be woken.
const CALL: u64 = 1 << 63;
/// Whatever the limit says, no more events of one connection wait: half of what can be counted, since an event that goes to
/// several handlers counts once for each.
const EVENTS_MAX: u64 = CALL / EVENT / 2;

/// Counts what of one connection waits for a decision, and wakes its task when that has become less.
///
/// One word holds both counts and whether somebody is to be called, so who gives a place back learns of it without
/// looking anywhere else.
#[derive(Debug, Default)]
pub struct Waiting {
    held: AtomicU64,
    /// Whom to call, and below how much.
    below: AtomicU64,
    task: AtomicWaker,
    /// What of the connection is held at all, beside what waits.
    pub holding: Holding,
    /// Of channels that it was the first in, as long as they are there.
    pub channels: Shares,
}

/// Less than so many events and so many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Below {
    pub events: u32,
    pub bytes: usize,
}

impl Below {
    fn packed(self) -> u64 {
        pack(self.events, self.bytes)
    }
}

fn pack(events: u32, bytes: usize) -> u64 {
    let events = u64::from(events).min((CALL / EVENT) - 1);
    (events * EVENT) | (bytes as u64).min(BYTES)
}

fn events(held: u64) -> u64 {
    (held & !CALL) / EVENT
}

fn is_below(held: u64, below: u64) -> bool {
    events(held) < events(below) && held & BYTES < below & BYTES
}

impl Waiting {
    pub fn events(&self) -> u32 {
        u32::try_from(events(self.held.load(Ordering::Relaxed))).unwrap_or(u32::MAX)
    }

    pub fn bytes(&self) -> usize {
        usize::try_from(self.held.load(Ordering::Relaxed) & BYTES).unwrap_or(usize::MAX)
    }

    /// Whether less than this waits. If not, `task` is woken once, as soon as it is so. Asked by the connection's own
    /// task alone.
    ///
    /// No wake-up is lost between the question and the answer, because the call is put into the word that is counted in. Either
    /// a place was given back before that, and the count that is read here has it; or it is given back after that, and who
    /// gives it back finds the call in the very word that it changes, and with it what was stored before the call.
    pub fn is_below(&self, below: Below, task: &Waker) -> bool {
        let below = below.packed();
        self.task.register(task);
        self.below.store(below, Ordering::Relaxed);
        // Whoever takes something off after this sees the call, and with it what was stored above.
        let held = self.held.fetch_or(CALL, Ordering::Release);
        let is_so = is_below(held, below);
        if is_so {
            self.held.fetch_and(!CALL, Ordering::Relaxed);
        }
        is_so
    }

    fn add(&self, events: u64, bytes: u64) {
        let before = self.held.fetch_add(events * EVENT + bytes, Ordering::Relaxed) & BYTES;
        self.holding.changed(before as usize, (before + bytes) as usize);
    }

    fn give_back(&self, bytes: u64) {
        let less = EVENT + bytes;
        let before = self.held.fetch_sub(less, Ordering::Relaxed);
        let held = before & BYTES;
        self.holding.changed(held as usize, held.saturating_sub(bytes) as usize);
        if before & CALL != 0 {
            self.call(before - less);
        }
    }

    /// Somebody wants to know: is it little enough?
    #[cold]
    fn call(&self, held: u64) {
        fence(Ordering::Acquire);
        let enough = is_below(held, self.below.load(Ordering::Relaxed));
        if enough && self.held.fetch_and(!CALL, Ordering::Relaxed) & CALL != 0 {
            self.task.wake();
        }
    }
}

/// The right of one event to wait: taken from its connection, given back when the event is done with.
#[derive(Debug)]
pub struct Permit {
    connection: Arc<Connection>,
    bytes: u64,
    /// When the turn began that read it.
    pub arrived: Option<Instant>,
    /// Who has the event if its handler fails at it. None: its failure is told.
    pub onward: Option<Arc<dyn Onward>>,
}

impl Permit {
    /// Takes a place for an event of `bytes`, unless the connection already has `max_events` or `max_bytes` waiting.
    ///
    /// A first event is always let in, whatever its size: `limits.message` bounds that.
    pub fn take(
        connection: &Arc<Connection>,
        bytes: usize,
        max_events: u32,
        max_bytes: usize,
    ) -> Option<Self> {
        // Only the connection's own task takes, so reading before adding lets nobody past the limit.
        let waiting = connection.waiting.held.load(Ordering::Relaxed);
        let (events, held) = (events(waiting), waiting & BYTES);
        let is_over = held.saturating_add(bytes as u64) > max_bytes as u64;
        if events >= u64::from(max_events).min(EVENTS_MAX) || (events > 0 && is_over) {
            return None;
        }
        Some(Self::held(connection, (bytes as u64).min(BYTES / 2)))
    }

    /// One more for the same event, which goes to another handler too: an event that was let in goes to all of them.
    pub fn another(&self) -> Self {
        let mut another = Self::held(&self.connection, self.bytes);
        another.arrived = self.arrived;
        another
    }

    fn held(connection: &Arc<Connection>, bytes: u64) -> Self {
        connection.waiting.add(1, bytes);
        Self { connection: Arc::clone(connection), bytes, arrived: None, onward: None }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.connection.waiting.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        sync::atomic::{AtomicU32, AtomicUsize},
        task::Wake,
    };

    #[derive(Debug, Default)]
    struct Woken(AtomicU32);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    impl Woken {
        fn times(&self) -> u32 {
            self.0.load(Ordering::SeqCst)
        }
    }

    fn half() -> Below {
        Below { events: 2, bytes: 50 }
    }

    #[test]
    fn bytes_that_wait_have_a_bound_and_a_first_event_is_always_let_in() {
        let connection = Arc::new(Connection::anybody(1));
        let take = |bytes| Permit::take(&connection, bytes, 10, 100);
        let first = take(1000).expect("a first event, however large");
        assert!(take(0).is_none(), "over the limit already");
        drop(first);
        let (_one, _two) = (take(60).expect("room"), take(40).expect("room to the byte"));
        assert!(take(1).is_none());
        assert_eq!((connection.waiting.events(), connection.waiting.bytes()), (2, 100));
    }

    #[test]
    fn who_waits_for_room_is_woken_once_when_less_than_asked_for_waits() {
        let (connection, woken) = (Arc::new(Connection::anybody(1)), Arc::<Woken>::default());
        let task = Waker::from(Arc::clone(&woken));
        let mut held: Vec<_> =
            (0..4).map(|_| Permit::take(&connection, 20, 4, 100).expect("room")).collect();
        assert!(!connection.waiting.is_below(half(), &task));
        held.truncate(2);
        assert_eq!(woken.times(), 0, "two events are not less than two");
        held.truncate(1);
        assert_eq!(woken.times(), 1);
        held.clear();
        assert_eq!(woken.times(), 1, "it was told");
        assert_eq!((connection.waiting.events(), connection.waiting.bytes()), (0, 0));
        let _large = Permit::take(&connection, 60, 4, 100);
        assert!(!connection.waiting.is_below(half(), &task), "few events, many bytes");
    }

    #[test]
    fn who_asks_while_little_waits_is_not_woken_later() {
        let (connection, woken) = (Arc::new(Connection::anybody(1)), Arc::<Woken>::default());
        let held = Permit::take(&connection, 20, 4, 100);
        assert!(connection.waiting.is_below(half(), &Waker::from(Arc::clone(&woken))));
        drop(held);
        assert_eq!(woken.times(), 0);
    }

    #[test]
    fn no_call_is_missed_by_who_gives_back_at_the_same_time() {
        for _ in 0..2000 {
            let (connection, woken) = (Arc::new(Connection::anybody(1)), Arc::<Woken>::default());
            let held: Vec<_> =
                (0..4).map(|_| Permit::take(&connection, 1, 4, 100).expect("room")).collect();
            let begun = AtomicUsize::new(0);
            let meet = || {
                begun.fetch_add(1, Ordering::SeqCst);
                while begun.load(Ordering::SeqCst) < 2 {
                    std::thread::yield_now();
                }
            };
            let is_below = std::thread::scope(|scope| {
                scope.spawn(|| {
                    meet();
                    drop(held);
                });
                meet();
                connection.waiting.is_below(half(), &Waker::from(Arc::clone(&woken)))
            });
            assert!(is_below || woken.times() == 1, "neither seen nor told");
        }
    }

    #[test]
    fn no_limit_lets_the_counts_run_into_each_other() {
        let connection = Arc::new(Connection::anybody(1));
        connection.waiting.add(EVENTS_MAX, 0);
        assert!(Permit::take(&connection, 0, u32::MAX, usize::MAX).is_none());
        assert_eq!(u64::from(connection.waiting.events()), EVENTS_MAX);
    }
}
