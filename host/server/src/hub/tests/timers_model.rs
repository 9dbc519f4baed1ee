//! Timers beside a plain list of them: whatever plugins, connections and time do, in any order.

use super::{
    timers::{Keeper, act, pass, run, set, with},
    *,
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use tengen_core::capability::timers::CancelTimer;

/// Connections that come and go.
const PLACES: usize = 3;
/// One that found no room is told so much later at most, in milliseconds.
const LATE: u64 = 25;

#[derive(Debug, Clone)]
enum Step {
    /// Of a connection, or of the plugin's own.
    Set(Option<usize>, u8, u64),
    Cancel(Option<usize>, u8),
    /// The connection ends, and another one takes its place.
    Close(usize),
    /// The instance is gone: whoever comes finds no room.
    Trap,
    /// A fresh instance runs.
    Restart,
    /// Another version takes over.
    Reload,
    /// The plugin leaves the configuration, and comes back.
    Leave,
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let place = || proptest::option::of(0..PLACES);
    prop_oneof![
        8 => (place(), 0..4_u8, 10..80_u64).prop_map(|(of, key, after)| Step::Set(of, key, after)),
        2 => (place(), 0..4_u8).prop_map(|(of, key)| Step::Cancel(of, key)),
        1 => (0..PLACES).prop_map(Step::Close),
        1 => Just(Step::Trap),
        2 => Just(Step::Restart),
        1 => Just(Step::Reload),
        1 => Just(Step::Leave),
        5 => (1..60_u64).prop_map(Step::Wait),
    ]
}

#[derive(Debug, Clone, Copy)]
struct Expected {
    at: u64,
    /// It was due while there was no room.
    late: bool,
}

/// The gateway, and what it should know.
struct World {
    hub: Arc<Hub>,
    keeper: Arc<Keeper>,
    links: Vec<Arc<Link>>,
    now: u64,
    down: bool,
    model: BTreeMap<(Option<Handle>, String), Expected>,
    /// How many of the keeper's were looked at.
    seen: usize,
    forgotten: u64,
}

impl World {
    fn new() -> Self {
        let keeper = Keeper::new(u64::MAX);
        let hub = with(&keeper);
        let links = (0..PLACES).map(|_| super::connect(&hub, 0, None)).collect();
        let (model, seen) = (BTreeMap::new(), 0);
        Self { hub, keeper, links, now: 0, down: false, model, seen, forgotten: 0 }
    }

    fn of(&self, place: Option<usize>) -> Option<Handle> {
        place.map(|place| self.links[place].facts.handle)
    }

    async fn take(&mut self, step: &Step) {
        match *step {
            Step::Set(place, key, after) => {
                let (of, key) = (self.of(place), key.to_string());
                assert!(set(&self.hub, of, &key, after).is_empty());
                self.model.insert((of, key), Expected { at: self.now + after, late: false });
            }
            Step::Cancel(place, key) => {
                let (of, key) = (self.of(place), key.to_string());
                let cancel = Effect::CancelTimer(CancelTimer { connection: of, key: key.clone() });
                assert!(act(&self.hub, cancel).is_empty());
                self.model.remove(&(of, key));
            }
            Step::Close(place) => {
                let of = self.of(Some(place));
                self.hub.close(&self.links[place], &Reason::Lost);
                self.model.retain(|(whose, _), _| *whose != of);
                self.links[place] = super::connect(&self.hub, 0, None);
            }
            Step::Trap => self.has_room(false),
            Step::Restart => self.has_room(true),
            Step::Reload => {
                let next = Keeper::new(self.keeper.room.load(Ordering::Relaxed));
                next.got.lock().unwrap().clone_from(&self.keeper.got.lock().unwrap());
                self.keeper = next;
                run(&self.hub, &self.keeper);
            }
            Step::Leave => {
                self.hub.set_handlers(HashMap::new());
                run(&self.hub, &self.keeper);
                self.forgotten += self.model.len() as u64;
                self.model.clear();
            }
            Step::Wait(millis) => {
                pass(&self.hub, millis).await;
                self.now += millis;
                self.told();
            }
        }
    }

    fn has_room(&mut self, room: bool) {
        self.down = !room;
        self.keeper.room.store(if room { u64::MAX } else { 0 }, Ordering::Relaxed);
    }

    /// What was told is what should have been: once, not before its time, and not later than it can be.
    fn told(&mut self) {
        let got = self.keeper.got.lock().unwrap()[self.seen..].to_vec();
        self.seen += got.len();
        assert!(!self.down || got.is_empty(), "{got:?}");
        for who in got {
            let expected = self.model.remove(&who).unwrap_or_else(|| panic!("not set: {who:?}"));
            assert!(expected.at <= self.now, "too early: {who:?}, {expected:?} at {}", self.now);
        }
        for (who, expected) in &mut self.model {
            // The gateway has slept to the very millisecond: what is due at it may be told in the next.
            let latest = expected.at + if expected.late { LATE } else { 1 };
            assert!(self.down || latest >= self.now, "not told: {who:?} at {}", self.now);
            expected.late |= self.down && expected.at <= self.now;
        }
    }

    /// Late ones are known to be late from when there is room again.
    fn restarted(&mut self) {
        let now = self.now;
        let late = self.model.values_mut().filter(|expected| expected.late);
        late.for_each(|expected| expected.at = now);
    }
}

async fn go(steps: &[Step]) {
    let mut world = World::new();
    for step in steps {
        world.take(step).await;
        if matches!(step, Step::Restart) {
            world.restarted();
        }
        assert_eq!(world.hub.timers.waiting(), world.model.len(), "after {step:?}");
    }
    world.has_room(true);
    world.restarted();
    world.take(&Step::Wait(200)).await;
    assert_eq!((world.hub.timers.waiting(), world.model.len()), (0, 0), "all were told, once");
    let count = |metric| world.hub.meter.sum(metric);
    assert_eq!(count(Metric::FiredTimers), world.seen as u64);
    assert_eq!(count(Metric::ForgottenTimers), world.forgotten);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn timers_fire_once_whatever_plugins_connections_and_time_do(
        steps in proptest::collection::vec(step(), 0..60),
    ) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(go(&steps));
    }
}
