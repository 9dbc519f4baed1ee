//! When a plugin that keeps failing is left out of the path, and when it is tried again: a state machine without IO.
//!
//! Closed: events go to the plugin. Open: they are answered without it, for a pause. Half open: the pause is over, and
//! events go to it one at a time until enough went well, or two clients' went wrong.
//!
//! Whoever sent what broke a call is blamed first: one client's events alone never open the breaker for everybody. A
//! client that breaks many calls is to be left alone instead.

use serde::Serialize;
use std::{collections::HashMap, time::Duration};

/// Failures count for so long, in seconds.
const WINDOW: u64 = 10;
/// The breaker opens at so many failures in the window, if they are at least half of all events in it.
const BROKEN: u32 = 8;
/// So many of one client's failures count in one window: it takes [`BROKEN`] / this many clients to open the breaker.
const PER_CLIENT: u32 = 2;
/// A client that broke so many calls in one window is to be left alone.
const POISONOUS: u32 = 8;
/// Events that have to go well, one by one, before the breaker closes again.
const TRIALS: u32 = 3;
/// Clients whose failures are remembered. Over that all are forgotten: it takes a crowd, which is no single client.
const CLIENTS: usize = 1024;

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Who sent what broke a call: a connection's handle, or an address. None: nobody, the plugin failed by itself.
pub(super) type Blame = Option<u128>;

/// Whether events go to the plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    Closed,
    /// One at a time, as trials.
    HalfOpen,
    /// None: it failed too often.
    Open,
}

/// What follows from a broken call.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Consequence {
    /// The breaker has opened, for so long.
    pub(super) opened: Option<Duration>,
    /// The blamed client has broken too many calls.
    pub(super) shun: bool,
    /// How many it has broken.
    pub(super) times: u32,
}

#[derive(Debug)]
pub(super) struct Breaker {
    state: State,
    window: Window,
    clients: HashMap<u128, Client>,
    pause: Backoff,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Closed,
    Open,
    HalfOpen { passed: u32, failed: Option<Blame> },
}

/// One client's failures since a second.
#[derive(Debug)]
struct Client {
    since: u64,
    broken: u32,
}

impl Breaker {
    /// `seed` spreads the pauses of many breakers.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            state: State::Closed,
            window: Window::default(),
            clients: HashMap::new(),
            pause: Backoff::new(seed),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        match self.state {
            State::Closed => Phase::Closed,
            State::Open => Phase::Open,
            State::HalfOpen { .. } => Phase::HalfOpen,
        }
    }

    /// So many events went well in this second (of any clock that mostly goes forward). Returns whether that closed it.
    pub(super) fn passed(&mut self, second: u64, events: u32) -> bool {
        self.window.at(second).passed += events;
        let State::HalfOpen { passed, .. } = &mut self.state else { return false };
        *passed = passed.saturating_add(events);
        let closes = *passed >= TRIALS;
        if closes {
            self.reset();
        }
        closes
    }

    /// One event broke a call in this second.
    pub(super) fn broke(&mut self, second: u64, blame: Blame) -> Consequence {
        let so_far = blame.map_or(0, |client| self.blame(second, client));
        let shun = so_far >= POISONOUS;
        if so_far <= PER_CLIENT {
            self.window.at(second).broken += 1;
        }
        let opens = match &mut self.state {
            State::Open => false,
            State::Closed => self.window.is_bad(second),
            // One client's failure tells nothing about the plugin; a second one's does.
            State::HalfOpen { failed, .. } => {
                blame.is_none() || failed.replace(blame).is_some_and(|other| other != blame)
            }
        };
        if !opens {
            return Consequence { opened: None, shun, times: so_far };
        }
        self.state = State::Open;
        Consequence { opened: Some(self.pause.next()), shun, times: so_far }
    }

    /// Counts a failure against a client; returns how many it has in its window.
    fn blame(&mut self, second: u64, client: u128) -> u32 {
        if self.clients.len() >= CLIENTS && !self.clients.contains_key(&client) {
            self.clients.clear();
        }
        let found = self.clients.entry(client).or_insert(Client { since: second, broken: 0 });
        if second.abs_diff(found.since) >= WINDOW {
            *found = Client { since: second, broken: 0 };
        }
        found.broken = found.broken.saturating_add(1);
        found.broken
    }

    /// The pause is over. Returns whether there was one.
    pub(super) fn try_again(&mut self) -> bool {
        let was_open = self.state == State::Open;
        if was_open {
            self.state = State::HalfOpen { passed: 0, failed: None };
        }
        was_open
    }

    /// Another version, or one that has shown that it works: nothing is held against it.
    pub(super) fn reset(&mut self) {
        self.state = State::Closed;
        self.window = Window::default();
        self.clients.clear();
        self.pause.reset();
    }
}

/// What went well and wrong in the last seconds, each second's in a place of its own.
#[derive(Debug, Default)]
struct Window {
    places: [Second; WINDOW as usize],
    now: u64,
}

#[derive(Debug, Default, Clone, Copy)]
struct Second {
    passed: u32,
    broken: u32,
}

impl Window {
    /// The place of this second; what is older than the window is forgotten.
    fn at(&mut self, second: u64) -> &mut Second {
        if second != self.now {
            self.advance(second);
        }
        let [first, ..] = &mut self.places;
        first
    }

    /// An event may have waited, so a second of the past counts as now; one of long ago means that the clock was set.
    fn advance(&mut self, second: u64) {
        let forward = second.saturating_sub(self.now);
        if forward >= WINDOW || self.now.saturating_sub(second) >= WINDOW {
            *self = Self { now: second, ..Self::default() };
        } else if forward > 0 {
            // Less than the window's length, as was just seen.
            let forward_places = usize::try_from(forward).unwrap_or_default();
            self.places.rotate_right(forward_places);
            self.places
                .iter_mut()
                .take(forward_places)
                .for_each(|place| *place = Second::default());
            self.now = second;
        }
    }

    fn is_bad(&mut self, second: u64) -> bool {
        self.at(second);
        let (passed, broken) =
            self.places.iter().fold((0_u64, 0_u64), |(passed, broken), place| {
                (passed + u64::from(place.passed), broken + u64::from(place.broken))
            });
        broken >= u64::from(BROKEN) && broken >= passed
    }
}

/// Pauses that double, up to a longest one, each a quarter shorter or longer by chance.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
    chance: u64,
}

impl Backoff {
    pub(super) fn new(seed: u64) -> Self {
        // The generator below never leaves zero.
        Self { next: FIRST_PAUSE, chance: seed | 1 }
    }

    pub(super) fn next(&mut self) -> Duration {
        let pause = self.next;
        self.next = LONGEST_PAUSE.min(pause * 2);
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        // 0 to 511 of 1024: from three quarters to five quarters.
        let spread = u32::try_from(self.chance & 511).unwrap_or_default();
        LONGEST_PAUSE.min(pause * (768 + spread) / 1024)
    }

    pub(super) fn reset(&mut self) {
        self.next = FIRST_PAUSE;
    }
}

/// A seed that differs from breaker to breaker.
pub(super) fn seed() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(0_u8)
}

#[cfg(test)]
#[path = "breaker_tests.rs"]
mod tests;
