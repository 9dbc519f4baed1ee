//! What of the budget is held for a connection, by those who read for it.

use std::sync::Arc;
use tengen_core::{budget::Gauge, event::Connection};

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
