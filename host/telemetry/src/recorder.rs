//! The flight recorder: what no filter lets pass is kept for a while, and told when its connection has an error.
//!
//! Each thread that says something has a ring of its own, so that nobody waits for anybody else; only an error looks into
//! all of them. A ring ends with its thread. What is about no connection is not kept: nothing would ever ask for it.

use std::{
    cell::RefCell,
    collections::VecDeque,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};
use tengen_core::{count::Count, sink::Signal};

/// Entries that one error has told, the newest.
const MOST: usize = 256;

/// The rings of all threads.
#[derive(Debug)]
pub(crate) struct Recorder {
    /// Another for each.
    id: u64,
    /// Bytes of each ring.
    bytes: NonZeroUsize,
    rings: Mutex<Vec<Weak<Mutex<Ring>>>>,
    recorded: Count,
    told: Count,
}

#[derive(Debug, Default)]
struct Ring {
    entries: VecDeque<(Arc<Signal>, usize)>,
    bytes: usize,
}

/// A thread's ring, and of which recorder it is.
type Own = (u64, Arc<Mutex<Ring>>);

thread_local! {
    static OWN: RefCell<Option<Own>> = const { RefCell::new(None) };
}

impl Recorder {
    pub(crate) fn new(bytes: NonZeroUsize) -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self {
            id: LAST.fetch_add(1, Ordering::Relaxed),
            bytes,
            rings: Mutex::default(),
            recorded: Count::default(),
            told: Count::default(),
        }
    }

    /// Keeps a signal; the oldest of this thread give way.
    pub(crate) fn record(&self, signal: Arc<Signal>) {
        let weight = signal.weight();
        if signal.connection.is_empty() || weight > self.bytes.get() {
            return;
        }
        let Some(ring) = self.own() else { return };
        let mut ring = lock(&ring);
        ring.bytes += weight;
        ring.entries.push_back((signal, weight));
        while ring.bytes > self.bytes.get()
            && let Some((_, weight)) = ring.entries.pop_front()
        {
            ring.bytes -= weight;
        }
        self.recorded.add(1);
    }

    /// What is kept of a connection, the oldest first; it is kept no longer.
    pub(crate) fn take(&self, connection: &str) -> Vec<Arc<Signal>> {
        let rings: Vec<_> = lock(&self.rings).iter().filter_map(Weak::upgrade).collect();
        let mut taken = Vec::new();
        for ring in rings {
            let mut ring = lock(&ring);
            let Ring { entries, bytes } = &mut *ring;
            let is_other = |(signal, _): &(Arc<Signal>, usize)| signal.connection != connection;
            if entries.iter().all(is_other) {
                continue;
            }
            let (others, own) = std::mem::take(entries).into_iter().partition(is_other);
            *entries = others;
            let own: VecDeque<(Arc<Signal>, usize)> = own;
            *bytes -= own.iter().map(|(_, weight)| weight).sum::<usize>();
            taken.extend(own.into_iter().map(|(signal, _)| signal));
        }
        taken.sort_by_key(|signal| signal.at);
        let more = taken.len().saturating_sub(MOST);
        taken.drain(..more);
        self.told.add(taken.len() as u64);
        taken
    }

    /// How many were kept, and how many told.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.recorded.get(), self.told.get())
    }

    /// None: the thread is at its end, or in the midst of it.
    fn own(&self) -> Option<Arc<Mutex<Ring>>> {
        let found = OWN.try_with(|own| {
            let mut own = own.try_borrow_mut().ok()?;
            if let Some((recorder, ring)) = &*own
                && *recorder == self.id
            {
                return Some(Arc::clone(ring));
            }
            let ring = Arc::<Mutex<Ring>>::default();
            *own = Some((self.id, Arc::clone(&ring)));
            let mut rings = lock(&self.rings);
            rings.retain(|ring| ring.strong_count() > 0);
            rings.push(Arc::downgrade(&ring));
            Some(ring)
        });
        found.ok().flatten()
    }

    #[cfg(test)]
    pub(crate) fn has_ring() -> bool {
        OWN.with_borrow(Option::is_some)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime};
    use tengen_core::sink::Level;

    fn recorder(bytes: usize) -> Recorder {
        Recorder::new(NonZeroUsize::new(bytes).unwrap())
    }

    fn said(connection: &str, number: u64) -> Signal {
        let mut signal = Signal::new(Level::Debug, "test", number.to_string());
        signal.connection = connection.to_owned();
        signal.at = SystemTime::UNIX_EPOCH + Duration::from_secs(number);
        signal
    }

    fn taken(recorder: &Recorder, connection: &str) -> Vec<String> {
        recorder.take(connection).iter().map(|signal| signal.message.to_string()).collect()
    }

    #[test]
    fn what_all_threads_kept_of_a_connection_is_taken_once_and_in_order() {
        let recorder = Arc::new(recorder(1 << 20));
        recorder.record(said("a", 3).into());
        recorder.record(said("b", 4).into());
        recorder.record(said("", 5).into());
        let (started, wait) = std::sync::mpsc::sync_channel(1);
        let (end, ends) = std::sync::mpsc::sync_channel::<()>(1);
        let other = Arc::clone(&recorder);
        let thread = std::thread::spawn(move || {
            other.record(said("a", 1).into());
            other.record(said("a", 7).into());
            started.send(()).unwrap();
            ends.recv().unwrap_err();
        });
        wait.recv().unwrap();
        assert_eq!(taken(&recorder, "a"), ["1", "3", "7"]);
        assert_eq!(taken(&recorder, "a"), Vec::<String>::new());
        assert_eq!(taken(&recorder, "b"), ["4"]);
        assert_eq!(recorder.counts(), (4, 4));
        drop(end);
        thread.join().unwrap();
    }

    #[test]
    fn a_ring_keeps_the_newest_within_its_bytes_and_an_error_has_the_newest_told() {
        let weight = said("a", 10).weight();
        let recorder = recorder(3 * weight);
        (10..20).for_each(|number| recorder.record(said("a", number).into()));
        assert_eq!(taken(&recorder, "a"), ["17", "18", "19"]);
        let mut large = said("a", 21);
        large.message = "x".repeat(4 * weight).into();
        recorder.record(said("a", 20).into());
        recorder.record(large.into());
        assert_eq!(taken(&recorder, "a"), ["20"], "it would take up more than all there is");
        let wide = super::tests::recorder(1000 * weight);
        (0..500).for_each(|number| wide.record(said("a", number).into()));
        let all = taken(&wide, "a");
        assert_eq!((all.len(), all[0].as_str()), (MOST, "244"));
    }

    #[test]
    fn a_ring_ends_with_its_thread() {
        let recorder = Arc::new(recorder(1 << 20));
        let other = Arc::clone(&recorder);
        std::thread::spawn(move || other.record(said("a", 1).into())).join().unwrap();
        assert_eq!(taken(&recorder, "a"), Vec::<String>::new());
    }
}
