//! Metrics by OTLP: the whole table of what is counted, read every now and then and sent to a collector.
//!
//! A thread and a runtime of its own, as the spans have: whoever counts is never waited for, and never waits. An export
//! that fails loses nothing but its moment, because each says how much there has been from the beginning.

mod halves;
mod outlet;
mod plan;
mod points;

pub(super) use plan::Plan;

use super::{otlp::until_done, sending::Client, stats::MetricStats, with_causes};
use outlet::{Counts, Outlet};
use points::Sheet;
use std::{
    sync::Arc,
    thread,
    time::{Instant, SystemTime},
};
use tengen_core::meter::Samples;
use tokio::{runtime, sync::watch};

/// Reads everything that is counted; none: there is nobody any more whose metrics they would be.
pub(super) type Read = Box<dyn Fn() -> Option<Samples> + Send>;

/// Metrics that are exported.
#[derive(Debug)]
pub(super) struct Metrics {
    counts: Arc<Counts>,
    plan: Plan,
    stop: watch::Sender<Option<Instant>>,
    /// Closed when the thread has ended.
    done: watch::Receiver<()>,
}

impl Metrics {
    /// Starts the thread. What keeps it from exporting is in the log and in the counts: nobody waits for it.
    pub(super) fn start(plan: Plan, node: &str, since: SystemTime, read: Read) -> Self {
        let counts = Arc::new(Counts::default());
        let (stop, stopped) = watch::channel(None);
        let (alive, done) = watch::channel(());
        let sheet = Sheet::new(&plan.resource(node), since, plan.exemplars);
        let thread = {
            let (counts, plan) = (Arc::clone(&counts), plan.clone());
            move || {
                let _alive = alive;
                match open(&plan) {
                    Ok((runtime, client)) => {
                        let (stop, said) = (stopped, String::new());
                        let outlet = Outlet { read, sheet, client, plan, counts, stop, said };
                        runtime.block_on(outlet.run());
                    }
                    Err(error) => counts.broke(with_causes(&error)),
                }
            }
        };
        if let Err(error) = thread::Builder::new().name("tengen-metrics".into()).spawn(thread) {
            counts.broke(with_causes(&super::TelemetryError::Thread(error)));
        }
        Self { counts, plan, stop, done }
    }

    pub(super) fn stats(&self) -> MetricStats {
        MetricStats {
            endpoint: self.plan.collector.endpoint.shown().to_owned(),
            protocol: self.plan.collector.protocol.word(),
            every_ms: u64::try_from(self.plan.every.as_millis()).unwrap_or(u64::MAX),
            ..self.counts.stats()
        }
    }

    /// Why nothing is exported, if the exporter did not even begin.
    pub(super) fn failure(&self) -> Option<String> {
        self.counts.broken()
    }

    /// Exports a last time, until the deadline at most, and ends the thread.
    pub(super) async fn shutdown(&self, deadline: Instant) {
        self.stop.send_replace(Some(deadline));
        until_done(&self.done, deadline).await;
    }
}

impl Drop for Metrics {
    /// Without a shutdown nobody waits for the thread: it ends at once.
    fn drop(&mut self) {
        self.stop.send_if_modified(|stop| {
            stop.is_none().then(|| *stop = Some(Instant::now())).is_some()
        });
    }
}

fn open(plan: &Plan) -> Result<(runtime::Runtime, Client), super::TelemetryError> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(super::TelemetryError::Thread)?;
    // The gRPC channel belongs to the runtime in which it is made.
    let inside = runtime.enter();
    let client = Client::open(&plan.collector)?;
    drop(inside);
    Ok((runtime, client))
}
