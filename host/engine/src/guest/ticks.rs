//! The ticks of an engine's clock, by which guests that compute are noticed: there are some as long as guests compute, and
//! hardly any while none does.
//!
//! Who runs a guest says so at its call's beginning, at each look at it while it computes, and when it goes on after it has
//! waited: by one load, and by a write for the first of a tick. Where nobody has said so for [`QUIET`] ticks the clock rests,
//! and the next who does wakes it.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering, fence},
    },
    thread::Thread,
    time::Duration,
};

/// How often a running guest is looked at: the grain of deadlines, and the longest a guest holds a thread.
pub(crate) const TICK: Duration = Duration::from_millis(5);
/// After so many ticks without a guest the clock rests. A wake costs about as much as a tick.
const QUIET: u64 = 20;
/// How long it rests without being woken. One tick then is for a guest whose thread was stopped for all of the quiet ticks,
/// between saying that it computes and beginning to. Tests do without: nothing else may depend on it.
pub(crate) const REST: Duration = Duration::from_secs(if cfg!(test) { 3600 } else { 1 });

/// In the number of a tick: the clock rests.
const RESTING: u64 = 1 << 63;

/// Counts the ticks. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ticks(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// The tick that it is, and whether the clock rests.
    now: AtomicU64,
    /// The last tick in which a guest computed.
    seen: AtomicU64,
    clock: OnceLock<Thread>,
}

impl Ticks {
    /// The clock runs on this thread: it is unparked when it rests and is needed.
    pub(crate) fn come_from(&self, clock: Thread) {
        // An engine has one clock.
        let _first = self.0.clock.set(clock);
    }

    /// Another tick has passed; how long to wait for the next one: [`TICK`], or [`REST`].
    pub(crate) fn pass(&self) -> Duration {
        let Shared { now, seen, .. } = &*self.0;
        let tick = now.fetch_add(1, Ordering::Relaxed) + 1;
        let is_quiet = |seen: u64| seen.saturating_add(QUIET) <= tick;
        if tick & RESTING != 0 {
            return REST;
        }
        if !is_quiet(seen.load(Ordering::Relaxed)) {
            return TICK;
        }
        now.fetch_or(RESTING, Ordering::SeqCst);
        // Either this sees whoever begins now, or they see that the clock rests.
        fence(Ordering::SeqCst);
        if is_quiet(seen.load(Ordering::SeqCst)) {
            return REST;
        }
        now.fetch_and(!RESTING, Ordering::SeqCst);
        TICK
    }

    /// A guest computes: the clock ticks from now on. The tick that it is.
    #[inline]
    pub(super) fn see(&self) -> u64 {
        let tick = self.0.now.load(Ordering::Relaxed);
        // While the clock rests, no tick is the one that was seen.
        if self.0.seen.load(Ordering::Relaxed) == tick { tick } else { self.first_of(tick) }
    }

    /// The first guest of a tick, or of many.
    #[cold]
    fn first_of(&self, tick: u64) -> u64 {
        let Shared { now, seen, clock } = &*self.0;
        seen.fetch_max(tick & !RESTING, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        // Another tick, because what threads know of this one is as old as the rest is long.
        let wake = |tick: u64| (tick & RESTING != 0).then_some((tick & !RESTING) + 1);
        match now.fetch_update(Ordering::SeqCst, Ordering::SeqCst, wake) {
            Ok(_) => {
                let tick = self.now();
                seen.fetch_max(tick, Ordering::SeqCst);
                if let Some(clock) = clock.get() {
                    clock.unpark();
                }
                tick
            }
            Err(awake) => awake,
        }
    }

    pub(super) fn now(&self) -> u64 {
        self.0.now.load(Ordering::Relaxed) & !RESTING
    }

    pub(crate) fn rest(&self) -> bool {
        self.0.now.load(Ordering::Relaxed) & RESTING != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::atomic::AtomicBool, thread, time::Instant};

    /// Lets ticks pass until the clock rests, or so many.
    fn quiet(ticks: &Ticks, most: u64) -> u64 {
        (0..most).take_while(|_| ticks.pass() == TICK).count() as u64
    }

    #[test]
    fn the_clock_rests_when_no_guest_was_seen_for_a_while_and_ticks_for_the_next_one() {
        let ticks = Ticks::default();
        assert_eq!(quiet(&ticks, 1000), QUIET - 1);
        assert!(ticks.rest());
        let before = ticks.now();
        let tick = ticks.see();
        assert!(tick > before, "what is known of the tick before is old");
        assert_eq!((ticks.see(), ticks.rest()), (tick, false));
        assert_eq!(quiet(&ticks, 1000), QUIET - 1);
        assert_eq!(ticks.pass(), REST, "what passes in a rest wakes nobody");
        assert!(ticks.rest());
    }

    #[test]
    fn as_long_as_a_guest_is_seen_the_clock_ticks() {
        let ticks = Ticks::default();
        for tick in 1..10 * QUIET {
            assert_eq!(ticks.pass(), TICK, "{tick}");
            assert_eq!(ticks.see(), tick);
        }
    }

    /// As the engine's clock does, with ticks that take no time. Returns when it is over.
    fn run(ticks: &Ticks, epoch: &AtomicU64, over: &AtomicBool) {
        while !over.load(Ordering::Relaxed) {
            if ticks.rest() {
                thread::park_timeout(REST);
                continue;
            }
            ticks.pass();
            epoch.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn whoever_begins_as_the_clock_goes_to_rest_is_looked_at_all_the_same() {
        let (ticks, epoch, over) = (Ticks::default(), AtomicU64::new(0), AtomicBool::new(false));
        let until = Instant::now() + Duration::from_secs(30);
        let in_time = thread::scope(|scope| {
            let clock = scope.spawn(|| run(&ticks, &epoch, &over));
            ticks.come_from(clock.thread().clone());
            let in_time = (0..20_000).all(|turn: u32| {
                // Every other guest finds the clock at rest, the others wherever it has got to.
                while turn.is_multiple_of(2) && !ticks.rest() {
                    thread::yield_now();
                }
                let deadline = epoch.load(Ordering::Relaxed) + 1;
                ticks.see();
                while epoch.load(Ordering::Relaxed) < deadline && Instant::now() < until {
                    thread::yield_now();
                }
                epoch.load(Ordering::Relaxed) >= deadline
            });
            over.store(true, Ordering::Relaxed);
            clock.thread().unpark();
            in_time
        });
        assert!(in_time, "a guest computes for ever");
    }
}
