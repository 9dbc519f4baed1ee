//! How much of what peers send and do not read is held at one time: by each connection, and by all together.
//!
//! Everybody who holds something of a connection says so to its [`Holding`], in steps: only when it crosses one is the
//! number of all together touched, so that frames and events of usual size share nothing between processors. A connection
//! counts for one step at least, which is about what an idle one costs.
//!
//! What a publication's receivers share is counted for each of them, from the moment at which it could not be written at
//! once: whoever lags behind may be the last to hold it, and a count that is too high closes a laggard too early, while
//! one that is too low ends the process.

use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

/// Bytes are counted in steps of so many.
pub const STEP: usize = 4096;

/// What all connections may hold together.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    held: AtomicUsize,
    /// Who is called when it is nearly used up.
    keeper: Mutex<Option<Waker>>,
}

impl Budget {
    /// `limit`: in bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, held: AtomicUsize::new(0), keeper: Mutex::default() }
    }

    pub fn limit(&self) -> usize {
        self.limit
    }

    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// From here on somebody has to go, and nobody new comes in: 80 % of the limit.
    pub fn mark(&self) -> usize {
        self.limit / 5 * 4
    }

    pub fn is_over_mark(&self) -> bool {
        self.held() >= self.mark()
    }

    /// From here on nothing more is taken from those who hold something already: 90 % of the limit. The rest is for what
    /// is being taken in at this moment, which is counted when it is there.
    pub fn is_full(&self) -> bool {
        self.held() >= self.limit / 10 * 9
    }

    /// Ready while the mark is reached. The last who asked is woken when it is.
    pub fn poll_over_mark(&self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_over_mark() {
            *self.keeper() = Some(cx.waker().clone());
        }
        // Again: it may have been reached before the keeper was known.
        if self.held.load(Ordering::SeqCst) >= self.mark() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    fn add(&self, bytes: usize) {
        let before = self.held.fetch_add(bytes, Ordering::SeqCst);
        let mark = self.mark();
        if before < mark
            && before + bytes >= mark
            && let Some(keeper) = self.keeper().take()
        {
            keeper.wake();
        }
    }

    fn subtract(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn keeper(&self) -> std::sync::MutexGuard<'_, Option<Waker>> {
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one connection holds, as far as it was told.
#[derive(Debug, Default)]
pub struct Holding {
    bytes: AtomicUsize,
    budget: OnceLock<Arc<Budget>>,
}

impl Holding {
    /// The connection is open: from now on what it holds counts with all others'. Once, before anybody holds anything.
    pub fn enter(&self, budget: &Arc<Budget>) {
        if self.budget.set(Arc::clone(budget)).is_ok() {
            self.add(STEP);
        }
    }

    /// The connection is gone; what others still hold of it counts until they let go.
    pub fn leave(&self) {
        if self.budget.get().is_some() {
            self.subtract(STEP);
        }
    }

    /// Bytes in whole steps.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Somebody held `before` bytes and holds `after` now.
    #[inline]
    pub fn changed(&self, before: usize, after: usize) {
        if before / STEP != after / STEP {
            self.cross(before / STEP * STEP, after / STEP * STEP);
        }
    }

    /// Whether the budget is used up, see [`Budget::is_full`].
    pub fn is_budget_full(&self) -> bool {
        self.budget.get().is_some_and(|budget| budget.is_full())
    }

    /// Bytes that everybody of its budget holds together; none where it counts in no budget.
    pub fn all_held(&self) -> usize {
        self.budget.get().map_or(0, |budget| budget.held())
    }

    #[cold]
    fn cross(&self, before: usize, after: usize) {
        if after > before {
            self.add(after - before);
        } else {
            self.subtract(before - after);
        }
    }

    fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if let Some(budget) = self.budget.get() {
            budget.add(bytes);
        }
    }

    fn subtract(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        if let Some(budget) = self.budget.get() {
            budget.subtract(bytes);
        }
    }
}

/// What one holder said last; for those whose count has an owner.
#[derive(Debug, Default)]
pub struct Gauge(usize);

impl Gauge {
    #[inline]
    pub fn set(&mut self, holding: &Holding, bytes: usize) {
        holding.changed(self.0, bytes);
        self.0 = bytes;
    }

    /// What was said last.
    pub fn bytes(&self) -> usize {
        self.0
    }

    /// Whether it counts for anything.
    pub fn is_some(&self) -> bool {
        self.0 >= STEP
    }
}

/// What many hold of one connection, each of them a little, and not all of them at one place.
#[derive(Debug, Default)]
pub struct Shares(AtomicUsize);

impl Shares {
    pub fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// One more holds so many bytes.
    pub fn add(&self, holding: &Holding, bytes: usize) {
        let before = self.0.fetch_add(bytes, Ordering::Relaxed);
        holding.changed(before, before + bytes);
    }

    /// One that held so many bytes has let go.
    pub fn subtract(&self, holding: &Holding, bytes: usize) {
        let before = self.0.fetch_sub(bytes, Ordering::Relaxed);
        holding.changed(before, before.saturating_sub(bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{sync::atomic::AtomicU32, task::Wake};

    #[derive(Debug, Default)]
    struct Woken(AtomicU32);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn open(budget: &Arc<Budget>) -> Holding {
        let holding = Holding::default();
        holding.enter(budget);
        holding
    }

    #[test]
    fn small_things_touch_nothing_and_an_open_connection_counts_for_a_step() {
        let budget = Arc::new(Budget::new(1 << 20));
        let (one, _two) = (open(&budget), open(&budget));
        one.changed(0, STEP - 1);
        assert_eq!((one.bytes(), budget.held()), (STEP, 2 * STEP));
        one.changed(STEP - 1, 3 * STEP + 1);
        assert_eq!((one.bytes(), budget.held()), (4 * STEP, 5 * STEP));
        one.changed(3 * STEP + 1, 0);
        one.leave();
        assert_eq!((one.bytes(), budget.held()), (0, STEP));
    }

    #[test]
    fn many_small_shares_count_together() {
        let budget = Arc::new(Budget::new(1 << 20));
        let (holding, shares) = (open(&budget), Shares::default());
        (0..5).for_each(|_| shares.add(&holding, 1000));
        assert_eq!((holding.bytes(), budget.held()), (2 * STEP, 2 * STEP));
        (0..5).for_each(|_| shares.subtract(&holding, 1000));
        assert_eq!((holding.bytes(), budget.held()), (STEP, STEP));
    }

    #[test]
    fn the_keeper_is_called_once_when_the_mark_is_reached() {
        let budget = Arc::new(Budget::new(10 * STEP));
        let woken = Arc::<Woken>::default();
        let waker = Waker::from(Arc::clone(&woken));
        let mut cx = Context::from_waker(&waker);
        let holding = open(&budget);
        assert!(budget.poll_over_mark(&mut cx).is_pending());
        holding.changed(0, 6 * STEP);
        assert_eq!(woken.0.load(Ordering::SeqCst), 0);
        holding.changed(6 * STEP, 7 * STEP);
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
        assert!(budget.poll_over_mark(&mut cx).is_ready());
        assert!(!budget.is_full());
        // With the step of the connection itself, nine of ten.
        holding.changed(7 * STEP, 8 * STEP);
        assert!(budget.is_full() && holding.is_budget_full());
        holding.changed(8 * STEP, 0);
        assert!(budget.poll_over_mark(&mut cx).is_pending());
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
    }

    proptest! {
        #[test]
        fn whoever_comes_and_goes_all_is_given_back(
            changes in proptest::collection::vec((0_usize..3, 0_usize..100_000), 0..200),
        ) {
            let budget = Arc::new(Budget::new(1 << 20));
            let holding = open(&budget);
            let mut gauges = [const { Gauge(0) }; 3];
            for (which, bytes) in changes {
                gauges[which].set(&holding, bytes);
                let real: usize = gauges.iter().map(|gauge| gauge.0).sum();
                prop_assert!(holding.bytes() <= real + STEP);
                prop_assert!(holding.bytes() + 2 * STEP > real);
                prop_assert_eq!(holding.bytes(), budget.held());
            }
            gauges.iter_mut().for_each(|gauge| gauge.set(&holding, 0));
            holding.leave();
            prop_assert_eq!(budget.held(), 0);
        }
    }
}
