//! How long a call computes: the time of its thread's processor, in the guest and in what the gateway does for it.
//!
//! The guest is looked at when the engine's clock ticks while it runs, and only then is the processor's time read: a call
//! that ends before costs no look at a clock.

use super::ticks::{TICK, Ticks};
use rustix::time::{ClockId, clock_gettime};
use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Measures one call at a time. Clones share it; a call is carried on by one thread at a time.
#[derive(Debug, Clone)]
pub(crate) struct Stopwatch {
    ticks: Ticks,
    inner: Arc<Inner>,
}

/// In nanoseconds, but for `tick`.
#[derive(Debug, Default)]
struct Inner {
    limit: AtomicU64,
    /// What was used before the call last waited.
    used: AtomicU64,
    /// The time of the thread's processor when it went on, and the tick then.
    since: AtomicU64,
    tick: AtomicU64,
}

thread_local! {
    /// A tick, and the time of this thread's processor when it was first asked for in that tick.
    static READ: Cell<(u64, u64)> = const { Cell::new((u64::MAX, 0)) };
}

impl Stopwatch {
    pub(super) fn new(ticks: &Ticks) -> Self {
        Self { ticks: ticks.clone(), inner: Arc::default() }
    }

    /// A call begins that may compute for so long.
    pub(crate) fn begin(&self, limit: Duration) {
        let tick = self.ticks.see();
        let inner = &self.inner;
        inner.limit.store(nanoseconds(limit), Ordering::Relaxed);
        inner.used.store(0, Ordering::Relaxed);
        inner.tick.store(tick, Ordering::Relaxed);
        // Up to a tick ago: a call is charged for no more than that in excess.
        inner.since.store(in_tick(tick), Ordering::Relaxed);
    }

    /// Whether the call, which computes, has done so for longer than it may. If not, it lets others go first, and the clock ticks
    /// on for it when it goes on.
    pub(super) fn is_over(&self) -> bool {
        self.used() > self.inner.limit.load(Ordering::Relaxed)
    }

    /// The call waits: what others do meanwhile is not its own.
    pub(crate) fn pause(&self) {
        self.inner.used.store(self.used(), Ordering::Relaxed);
    }

    /// It goes on, on this thread.
    pub(crate) fn resume(&self) {
        self.inner.tick.store(self.ticks.see(), Ordering::Relaxed);
        self.inner.since.store(processor(), Ordering::Relaxed);
    }

    fn used(&self) -> u64 {
        let inner = &self.inner;
        let spent = processor().saturating_sub(inner.since.load(Ordering::Relaxed));
        // A clock that is late ticks late for everybody: a call does not pay for what its thread did before.
        let ticks = self.ticks.now().saturating_sub(inner.tick.load(Ordering::Relaxed));
        let passed = ticks.saturating_add(1).saturating_mul(nanoseconds(TICK));
        inner.used.load(Ordering::Relaxed).saturating_add(spent.min(passed))
    }
}

/// The time of this thread's processor at some moment of the tick.
fn in_tick(tick: u64) -> u64 {
    READ.with(|read| match read.get() {
        (at, time) if at == tick => time,
        _ => {
            let time = processor();
            read.set((tick, time));
            time
        }
    })
}

/// The time that this thread has computed.
fn processor() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let (seconds, rest) = (u64::try_from(time.tv_sec), u64::try_from(time.tv_nsec));
    seconds
        .unwrap_or_default()
        .saturating_mul(1_000_000_000)
        .saturating_add(rest.unwrap_or_default())
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps this thread's processor busy for so long.
    fn compute(time: Duration) {
        let until = processor() + nanoseconds(time);
        while processor() < until {
            std::hint::spin_loop();
        }
    }

    /// So much time passes on the engine's clock.
    fn pass(ticks: &Ticks, time: Duration) {
        (0..time.as_nanos() / TICK.as_nanos()).for_each(|_| {
            ticks.pass();
        });
    }

    #[test]
    fn what_a_thread_does_for_a_call_counts_and_nothing_else() {
        let ticks = Ticks::default();
        let stopwatch = Stopwatch::new(&ticks);
        stopwatch.begin(TICK * 4);
        // Time that passes while the thread does not compute is nobody's.
        pass(&ticks, TICK * 100);
        assert!(!stopwatch.is_over());
        // One call into the gateway, with a single look at the clock after it.
        compute(TICK * 5);
        assert!(stopwatch.is_over());

        stopwatch.begin(TICK * 4);
        stopwatch.pause();
        compute(TICK * 6);
        pass(&ticks, TICK * 6);
        stopwatch.resume();
        assert!(!stopwatch.is_over(), "others have computed");
        compute(TICK * 2);
        pass(&ticks, TICK * 2);
        stopwatch.pause();
        stopwatch.resume();
        compute(TICK * 3);
        pass(&ticks, TICK * 3);
        assert!(stopwatch.is_over(), "it is all one call");
    }

    #[test]
    fn a_call_does_not_pay_for_what_its_thread_did_before_a_late_tick() {
        let ticks = Ticks::default();
        let stopwatch = Stopwatch::new(&ticks);
        stopwatch.begin(TICK * 4);
        compute(TICK * 10);
        stopwatch.begin(TICK * 4);
        assert!(!stopwatch.is_over());
        ticks.pass();
        assert!(!stopwatch.is_over());
    }
}
