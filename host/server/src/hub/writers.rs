//! Tasks that write for connections whose own tasks sleep.
//!
//! As many as the runtime has workers, so that a publication to thousands is written by all processors, and by none that
//! is deciding events meanwhile. What they are handed is bounded; above that, connections write for themselves.

use super::Link;
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::{sync::Notify, time::Instant};

/// Links that are handed over together: enough to make the switch to another task cheap, few enough to be shared out.
const PORTION: usize = 32;
/// Portions that may wait.
const PORTIONS_MAX: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Writers {
    portions: Mutex<VecDeque<Vec<Arc<Link>>>>,
    filled: Notify,
    running: AtomicUsize,
}

impl Writers {
    /// Has all these written to, soon.
    pub(super) fn write(&self, mut links: Vec<Arc<Link>>) {
        while links.len() > PORTION {
            let portion = links.split_off(links.len() - PORTION);
            self.hand_over(portion);
        }
        if !links.is_empty() {
            self.hand_over(links);
        }
    }

    fn hand_over(&self, portion: Vec<Arc<Link>>) {
        let refused = {
            let mut portions = self.lock();
            // Nobody may be there to write: in tests, and while the gateway ends.
            if self.running.load(Ordering::Relaxed) > 0 && portions.len() < PORTIONS_MAX {
                portions.push_back(portion);
                None
            } else {
                Some(portion)
            }
        };
        match refused {
            None => self.filled.notify_one(),
            Some(portion) => portion.iter().for_each(|link| link.write_itself()),
        }
    }

    /// One writer: to be polled by a task of its own, as long as the hub is in use.
    pub(super) async fn run(&self) {
        let _here = Here::new(self);
        loop {
            let Some(portion) = self.take() else {
                self.filled.notified().await;
                continue;
            };
            let now = Instant::now().into_std();
            portion.iter().for_each(|link| link.write_out(now));
            drop(portion);
            // A long publication leaves room for others between its portions.
            tokio::task::consume_budget().await;
        }
    }

    fn take(&self) -> Option<Vec<Arc<Link>>> {
        let mut portions = self.lock();
        let portion = portions.pop_front();
        if !portions.is_empty() {
            // One notice may have stood for several.
            self.filled.notify_one();
        }
        portion
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Vec<Arc<Link>>>> {
        self.portions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A writer's presence. The last one to go leaves what waits to the connections.
struct Here<'a>(&'a Writers);

impl<'a> Here<'a> {
    fn new(writers: &'a Writers) -> Self {
        writers.running.fetch_add(1, Ordering::Relaxed);
        Self(writers)
    }
}

impl Drop for Here<'_> {
    fn drop(&mut self) {
        let mut portions = self.0.lock();
        if self.0.running.fetch_sub(1, Ordering::Relaxed) == 1 {
            portions.drain(..).flatten().for_each(|link| link.write_itself());
        }
    }
}
