//! Publications of clients to many: begun in the client's own turn, carried on by tasks of the hub's, step by step.
//!
//! How many there are is bounded by what may wait of each connection: a publication has its permit until the last has it. So a
//! client that publishes faster than that goes is not read for a while, as one whose plugin is behind.

use super::{Hub, Link, fanout::Publishing, step::Step};
use std::{
    cell::OnceCell,
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tengen_core::event::Permit;
use tengen_wire::fault::Fault;
use tokio::sync::Notify;

#[derive(Debug, Default)]
pub(super) struct Publications {
    waiting: Mutex<VecDeque<UnderWay>>,
    added: Notify,
}

/// A publication that some of its channel's subscribers have not got yet.
#[derive(Debug)]
pub(super) struct UnderWay {
    pub(super) publishing: Publishing,
    /// Whose it is.
    pub(super) link: Arc<Link>,
    pub(super) permit: Option<Permit>,
}

impl Publications {
    pub(super) fn add(&self, under_way: UnderWay) {
        self.lock().push_back(under_way);
        self.added.notify_one();
    }

    fn take(&self) -> Option<UnderWay> {
        let mut waiting = self.lock();
        let first = waiting.pop_front();
        if !waiting.is_empty() {
            // One notice may have stood for several.
            self.added.notify_one();
        }
        first
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<UnderWay>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hub {
    /// Carries publications of clients on, until it is dropped. As many at a time as the runtime has workers.
    pub async fn run_publications(&self) {
        loop {
            match self.publish_on() {
                true => tokio::task::yield_now().await,
                false => self.publications.added.notified().await,
            }
        }
    }

    /// Makes a step with one of them; false: there is none.
    pub(super) fn publish_on(&self) -> bool {
        let Some(under_way) = self.publications.take() else { return false };
        let all = OnceCell::new();
        let ended = under_way.publishing.go_on(&mut Step::of_clients(self, &all));
        match ended {
            None => self.publications.add(under_way),
            Some(Err(why)) => self.fell_short(&under_way.link, &why),
            Some(Ok(())) => drop(under_way.permit),
        }
        true
    }

    /// A publication has its number, and did not reach all.
    pub(super) fn fell_short(&self, link: &Link, why: &Fault) {
        self.count_request(tengen_wire::dialect::Asked::Publish, why);
        self.send_fault(link, why, Some("tengen/publish"), None);
    }
}
