//! What of the budget is held for a connection, by those who read for it.

use super::Hub;
use std::sync::Arc;
use tengen_core::{
    budget::{Budget, Gauge, Holding, STEP},
    event::Connection,
};

/// What somebody holds of a connection beside its outbox and its events, counted until this is dropped.
#[derive(Debug)]
pub struct Account {
    connection: Arc<Connection>,
    gauge: Gauge,
}

impl Account {
    pub fn new(connection: Arc<Connection>) -> Self {
        Self { connection, gauge: Gauge::default() }
    }

    pub fn set(&mut self, bytes: usize) {
        self.gauge.set(&self.connection.waiting.holding, bytes);
    }

    /// Whether memory is used up and some of it is held here: then no more is taken in.
    pub fn is_to_wait(&self) -> bool {
        self.gauge.is_some() && self.connection.waiting.holding.is_budget_full()
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// What somebody holds before it is known of which connection, counted until this is dropped: with what everybody holds, and with
/// what is held of others of whom nobody knows.
#[derive(Debug)]
pub struct Unclaimed {
    all: Part,
    own: Part,
    /// Most bytes of all those together of whom nobody knows.
    most: usize,
}

#[derive(Debug, Default)]
struct Part {
    holding: Holding,
    gauge: Gauge,
}

impl Part {
    fn of(budget: &Arc<Budget>) -> Self {
        let part = Self::default();
        part.holding.enter(budget);
        part
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.gauge.set(&self.holding, 0);
        self.holding.leave();
    }
}

impl Unclaimed {
    /// `largest`: one alone may hold so many bytes in any case.
    pub fn new(hub: &Hub, largest: usize) -> Self {
        // It counts for a step from the beginning.
        let most = hub.unclaimed.limit().max(largest.saturating_add(STEP));
        Self { all: Part::of(&hub.budget), own: Part::of(&hub.unclaimed), most }
    }

    /// It is about to hold so many bytes. False: they are too many; then it holds what it held.
    #[must_use = "what does not fit is not to be held"]
    pub fn grow(&mut self, bytes: usize) -> bool {
        let before = self.own.gauge.bytes();
        self.own.gauge.set(&self.own.holding, bytes);
        let fits = bytes <= before || self.has_room();
        if fits {
            self.all.gauge.set(&self.all.holding, bytes);
        } else {
            self.own.gauge.set(&self.own.holding, before);
        }
        fits
    }

    /// Whether more may be taken in of whom nobody knows.
    pub fn has_room(&self) -> bool {
        self.own.holding.all_held() <= self.most && !self.all.holding.is_budget_full()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{num::NonZeroUsize, sync::Arc};
    use tengen_core::trace::NoTracer;
    use tengen_settings::{Limits, Memory};

    #[test]
    fn what_is_read_before_it_is_known_whose_it_is_counts_with_all_others() {
        let memory = Memory::Bytes(NonZeroUsize::new(1 << 20).unwrap());
        let hub = Hub::new(Limits { memory, ..Limits::default() }, Arc::new(NoTracer));
        let mut unclaimed = Unclaimed::new(&hub, 1 << 20);
        assert!(unclaimed.has_room() && unclaimed.grow(1 << 20));
        assert!(hub.budget.held() >= 1 << 20);
        assert!(!unclaimed.has_room() && !Unclaimed::new(&hub, 1 << 20).has_room());
        drop(unclaimed);
        assert_eq!((hub.budget.held(), hub.unclaimed.held()), (0, 0));
    }

    #[test]
    fn all_together_of_whom_nobody_knows_have_a_share_of_the_memory() {
        let memory = Memory::Bytes(NonZeroUsize::new(64 << 20).unwrap());
        let hub = Hub::new(Limits { memory, ..Limits::default() }, Arc::new(NoTracer));
        let mut bodies: Vec<_> = (0..100).map(|_| Unclaimed::new(&hub, 1 << 20)).collect();
        let fit = bodies.iter_mut().map(|body| body.grow(1 << 20)).filter(|fits| *fits).count();
        // 8 MiB, of which each has a step.
        assert_eq!(fit, 7);
        assert!(hub.budget.held() <= 8 << 20, "what did not fit does not count");
        let first = bodies.first_mut().unwrap();
        assert!(!first.grow(2 << 20) && first.grow(STEP), "less always fits");
        assert!(bodies.last_mut().unwrap().grow(1 << 19), "there is room again");
        drop(bodies);
        assert_eq!((hub.budget.held(), hub.unclaimed.held()), (0, 0));
        // Where the share is small, the largest that may be fits if it is alone.
        let memory = Memory::Bytes(NonZeroUsize::new(4 << 20).unwrap());
        let hub = Hub::new(Limits { memory, ..Limits::default() }, Arc::new(NoTracer));
        let mut alone = Unclaimed::new(&hub, 3 << 20);
        assert!(alone.grow(3 << 20) && !Unclaimed::new(&hub, 3 << 20).has_room());
    }
}
