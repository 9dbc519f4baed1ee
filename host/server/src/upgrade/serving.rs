//! What the task of a connection does, however its bytes are carried.

use super::{
    Upgrades,
    ends::{log_close, log_silence},
    place::Place,
};
use crate::{
    connection::{self, Surroundings},
    hub::Link,
    transport::Carrier,
};
use std::{borrow::Borrow, sync::Arc};
use tengen_core::{heartbeat::Rules, often::Often};

/// What serving a connection needs beside the connection.
pub(super) struct Serving {
    around: Arc<Surroundings>,
    ends: Arc<Often>,
    rules: Rules,
}

impl Upgrades {
    pub(super) fn serving(&self, link: &Link) -> Serving {
        let (around, ends) = (Arc::clone(&self.around), Arc::clone(&self.ends));
        Serving { around, ends, rules: Rules::of(link.wire.dialect, &self.heartbeat) }
    }
}

impl Serving {
    /// Serves a connection until it has ended. `held` is given back with its place.
    ///
    /// The future is the task itself: another one around it would hold all of this twice, for days.
    pub(super) async fn run<C: Carrier>(
        self,
        link: Arc<Link>,
        carrier: impl FnOnce(&Link, &Surroundings) -> C,
        place: impl Borrow<Place>,
        held: impl Send,
    ) {
        let Self { around, ends, rules } = self;
        // No wait lies between this and the moment at which the connection is the hub's. Nor is it sooner: a task that never
        // runs gives the handle back.
        place.borrow().keep();
        let ended = Arc::clone(&link);
        let facts = &ended.facts;
        tracing::debug!(connection = %facts.id, endpoint = %facts.endpoint, peer = %facts.peer, "connection opened");
        let reason = connection::serve(carrier, link, rules, around).await;
        drop((held, place));
        log_close(facts, &reason, &ends);
        log_silence(&ended, &reason, &ends);
    }
}
