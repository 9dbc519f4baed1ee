//! What can be read of the hub at any time.

use super::Hub;
use tengen_core::meter::{Metric, Samples};

impl Hub {
    /// What has happened, and how much there is now. Nothing here takes longer the more connections there are: the tables'
    /// lock is held for three lengths, once.
    pub fn collect(&self, into: &mut Samples) {
        self.meter.collect(into);
        let tables = self.read_tables();
        let lengths = [
            (Metric::OpenConnections, tables.len()),
            (Metric::ClosingConnections, tables.closing()),
            (Metric::OnlineUsers, tables.users()),
        ];
        drop(tables);
        for (metric, value) in lengths.into_iter().chain([
            (Metric::Channels, self.channels()),
            (Metric::ConnectionsLimit, self.limits.connections.get()),
            (Metric::HeldMemory, self.budget.held()),
            (Metric::MemoryLimit, self.budget.limit()),
            (Metric::WaitingRequests, self.replies.len()),
            (Metric::WaitingTimers, self.timers.waiting()),
            (Metric::OpenAsks, self.questions.open()),
        ]) {
            into.add(metric, &[], value);
        }
        for (what, count) in self.notable.counts() {
            into.add(Metric::NotableThings, &[what], count);
        }
    }
}
