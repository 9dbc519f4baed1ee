//! How long a goodbye may last.

use super::Carrier;
use std::{
    future::poll_fn,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time;

/// How long a peer may take for each step of a goodbye, unless it takes what was written before.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// The time that a peer is given, as long as it goes on taking what is there for it.
#[derive(Debug)]
pub struct Patience {
    until: time::Instant,
    /// When the wait ends, unless the peer takes something until then.
    next: time::Instant,
}

impl Patience {
    /// `most`: how long in all.
    pub fn new(most: Duration) -> Self {
        let now = time::Instant::now();
        Self { until: now + most.max(CLOSE_WITHIN), next: now + CLOSE_WITHIN }
    }

    /// None: the peer had its time.
    pub(super) async fn wait<C: Carrier, T>(
        &mut self,
        carrier: &mut C,
        mut poll: impl FnMut(&mut C, &mut Context<'_>) -> Poll<T>,
    ) -> Option<T> {
        loop {
            let before = left(carrier);
            let step = poll_fn(|cx| poll(carrier, cx));
            if let Ok(done) = time::timeout_at(self.next.min(self.until), step).await {
                return Some(done);
            }
            if left(carrier) >= before || self.next >= self.until {
                return None;
            }
            self.next = time::Instant::now() + CLOSE_WITHIN;
        }
    }
}

/// Bytes that the peer has still to take.
fn left<C: Carrier>(carrier: &C) -> usize {
    carrier.waiting() + carrier.untaken()
}
