//! Counts of outgoing requests, whoever sent them.

use super::{Exemplar, Metric, Samples, Spread};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use tengen_wire::fault::{self, FaultId};

/// How requests have ended.
#[derive(Debug, Default)]
pub struct OutgoingTotals {
    answered: AtomicU64,
    failed: fault::Counts,
    sent: AtomicU64,
    received: AtomicU64,
    times: Spread,
}

impl OutgoingTotals {
    /// A request with a body of so many bytes has ended after so long, with a body of so many.
    pub fn ended(&self, sent: usize, received: Result<usize, FaultId>, time: Duration) {
        self.sent.fetch_add(sent as u64, Ordering::Relaxed);
        self.times.record(time);
        match received {
            Ok(bytes) => {
                self.answered.fetch_add(1, Ordering::Relaxed);
                self.received.fetch_add(bytes as u64, Ordering::Relaxed);
            }
            Err(why) => {
                self.failed.add(why, 1);
            }
        }
    }

    /// A trace that shows how long one took.
    pub fn show(&self, exemplar: Exemplar) {
        self.times.show(exemplar);
    }

    /// All of it, as it is now, with how many have a place.
    pub fn collect(&self, under_way: usize, into: &mut Samples) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        into.add(Metric::OutgoingRequests, &["answered"], read(&self.answered));
        for (why, count) in self.failed.all() {
            into.add(Metric::OutgoingRequests, &[why], count);
        }
        into.add(Metric::OutgoingUnderWay, &[], under_way);
        into.add(Metric::OutgoingTime, &[], self.times.read());
        into.add(Metric::OutgoingSent, &[], read(&self.sent));
        into.add(Metric::OutgoingReceived, &[], read(&self.received));
    }
}
