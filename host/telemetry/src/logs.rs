//! Logs by OTLP: a sink whose signals become records, and go to a collector.
//!
//! It waits, retries, spills and ends as sinks do ([`crate::delivery`]), on a thread and a runtime of its own: a collector
//! that is slow takes nothing from the gateway's workers. Whatever keeps the collector from taking a batch for now is no
//! reason to give that up: it is offered again until it is taken, and meanwhile the queue and the disk hold what they may.

mod plan;
mod records;

pub(super) use plan::Plan;

use crate::{
    delivery,
    exporter::FOR_EVER,
    sending::{Answer, Client, Trouble},
    station::Station,
    with_causes,
};
use futures_util::future::BoxFuture;
use records::{Page, Sheet};
use std::{fmt, io, sync::Arc, thread, time::Duration};
use tengen_core::sink::{Refusal, Signal, Sink};
use tengen_settings as settings;
use tokio::{runtime, sync::watch, time};
use tokio_util::task::TaskTracker;

/// How much longer than its own limit a delivery is waited for: it ends by that.
const MARGIN: Duration = Duration::from_secs(1);

/// Delivers until the station is closed and empty; the receiver is closed then.
pub(super) fn start(
    station: &Arc<Station>,
    settings: &settings::Sink,
    plan: Result<Plan, String>,
    node: &str,
) -> io::Result<watch::Receiver<()>> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let (alive, done) = watch::channel(());
    let (of_thread, settings, node) = (Arc::clone(station), settings.clone(), node.to_owned());
    let name = format!("sink {}", station.name());
    thread::Builder::new().name(name).spawn(move || {
        let _alive = alive;
        runtime.block_on(async {
            // In here: a channel belongs to the runtime in which it is made, and files are read.
            let sink: Arc<dyn Sink> = match plan.and_then(|plan| Collector::open(&plan, &node)) {
                Ok(collector) => Arc::new(collector),
                Err(why) => Arc::new(Unreachable(why)),
            };
            let tasks = TaskTracker::new();
            drop(delivery::start(&of_thread, &sink, &settings, &tasks));
            tasks.close();
            tasks.wait().await;
        });
    })?;
    Ok(done)
}

/// A collector as a sink.
struct Collector {
    client: Client,
    sheet: Sheet,
    /// For one request; none: for ever.
    timeout: Option<Duration>,
}

impl Collector {
    fn open(plan: &Plan, node: &str) -> Result<Self, String> {
        let client = Client::open(&plan.collector).map_err(|error| with_causes(&error))?;
        let sheet = Sheet::new(&plan.resource(node), plan.limits);
        Ok(Self { client, sheet, timeout: plan.timeout })
    }

    /// How many were taken, from the first: as many as one request holds.
    async fn send(&self, page: Page) -> Result<usize, Refusal> {
        let Page { request, signals } = page;
        let answer = match self.timeout {
            None => self.client.send(request).await,
            Some(timeout) => match time::timeout(timeout, self.client.send(request)).await {
                Ok(answer) => answer,
                Err(_) => Answer::Later { after: None, trouble: late(timeout) },
            },
        };
        match answer {
            Answer::Taken { rejected: 0, said } if said.is_empty() => Ok(signals),
            Answer::Taken { rejected, said } => {
                let refused = usize::try_from(rejected).unwrap_or(usize::MAX).min(signals);
                let why = format!("{refused} of {signals} records were refused: {said}");
                Err(Refusal::Partly { taken: signals, refused, why })
            }
            Answer::Later { after, trouble } => {
                Err(Refusal::Unavailable { why: told(&trouble), after })
            }
            Answer::Refused(trouble) => Err(Refusal::Drop(told(&trouble))),
        }
    }
}

fn late(timeout: Duration) -> Trouble {
    Trouble {
        why: format!("no answer within {timeout:?}"),
        remedy: "is the collector overloaded? `OTEL_EXPORTER_OTLP_LOGS_TIMEOUT` gives it more time",
    }
}

fn told(Trouble { why, remedy }: &Trouble) -> String {
    format!("{why}; {remedy}")
}

impl fmt::Debug for Collector {
    /// Without its address and headers, which may have secrets in them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Collector")
    }
}

impl Sink for Collector {
    fn deliver<'a>(
        &'a self,
        signals: &'a [Arc<Signal>],
        dropped_before: u32,
    ) -> BoxFuture<'a, Result<usize, Refusal>> {
        Box::pin(self.send(self.sheet.page(signals, dropped_before)))
    }

    fn patience(&self) -> Duration {
        self.timeout.map_or(FOR_EVER, |timeout| timeout + MARGIN)
    }

    fn flush(&self) -> BoxFuture<'_, Result<(), String>> {
        // Nothing is held back.
        Box::pin(async { Ok(()) })
    }
}

/// In place of a collector that cannot be sent to, for this reason: the sink gives itself up, for everybody to see.
#[derive(Debug)]
struct Unreachable(String);

impl Sink for Unreachable {
    fn deliver<'a>(
        &'a self,
        _: &'a [Arc<Signal>],
        _: u32,
    ) -> BoxFuture<'a, Result<usize, Refusal>> {
        Box::pin(async { Err(Refusal::Fatal(format!("no logs are sent: {}", self.0))) })
    }

    fn flush(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }
}

#[cfg(test)]
mod tests;
