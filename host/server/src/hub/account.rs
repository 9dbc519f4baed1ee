//! What of the budget is held for a connection, by those who read for it.

use super::Hub;
use std::sync::Arc;
use tengen_core::{
    budget::{Gauge, Holding},
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

/// What somebody holds before it is known of which connection, counted until this is dropped.
#[derive(Debug)]
pub struct Unclaimed {
    holding: Holding,
    gauge: Gauge,
}

impl Unclaimed {
    pub fn new(hub: &Hub) -> Self {
        let holding = Holding::default();
        holding.enter(&hub.budget);
        Self { holding, gauge: Gauge::default() }
    }

    pub fn set(&mut self, bytes: usize) {
        self.gauge.set(&self.holding, bytes);
    }

    /// Whether memory is used up: then nothing is taken in of whom nobody knows.
    pub fn is_to_wait(&self) -> bool {
        self.holding.is_budget_full()
    }
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        self.set(0);
        self.holding.leave();
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
        let mut unclaimed = Unclaimed::new(&hub);
        assert!(!unclaimed.is_to_wait());
        unclaimed.set(1 << 20);
        assert!(hub.budget.held() >= 1 << 20);
        assert!(unclaimed.is_to_wait() && Unclaimed::new(&hub).is_to_wait());
        drop(unclaimed);
        assert_eq!(hub.budget.held(), 0);
    }
}
