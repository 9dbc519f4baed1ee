//! How each sink is doing, said as a signal.

use crate::Telemetry;

impl Telemetry {
    /// Says one signal for each sink, of the namespace `tengen::accounts` and the id `tengen.sink.account`: the figures that
    /// [`Telemetry::sinks`] shows, as its data. To be called now and then.
    ///
    /// These signals are counted as all others are. They are as many as there are sinks, whatever the figures are, so they
    /// never cause more of themselves.
    pub fn say_accounts(&self) {
        for (sink, account) in self.stats().sinks {
            tracing::info!(
                name: "tengen.sink.account",
                target: "tengen::accounts",
                {
                    sink,
                    health = account.health,
                    breaker = account.breaker,
                    offered = account.offered,
                    accepted = account.accepted,
                    processed = account.processed,
                    dropped = account.dropped.total(),
                    queued = account.queued,
                    in_flight = account.in_flight,
                    spilled = account.spilled,
                    errors = account.errors,
                    accepted_per_s = account.accepted_per_s,
                    processed_per_s = account.processed_per_s,
                    oldest_ms = account.oldest_ms,
                    p99_us = account.latency.p99_us,
                },
                "how a sink is doing"
            );
        }
    }
}
