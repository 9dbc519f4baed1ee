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
    sending::{Answer, Client, Room, Trouble},
    station::Station,
    with_causes,
};
use futures_util::future::BoxFuture;
use prost::Message as _;
use records::Sheet;
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
    room: Room,
    /// For one delivery; none: for ever.
    timeout: Option<Duration>,
}

impl Collector {
    fn open(plan: &Plan, node: &str) -> Result<Self, String> {
        let client = Client::open(&plan.collector).map_err(|error| with_causes(&error))?;
        let sheet = Sheet::new(&plan.resource(node), plan.limits);
        Ok(Self { client, sheet, room: Room::default(), timeout: plan.timeout })
    }

    /// How many were taken, from the first: as many as one request holds, or half of that where it is more than they take.
    async fn send(&self, signals: &[Arc<Signal>], lost: u32) -> Result<usize, Refusal> {
        loop {
            let page = self.sheet.page(signals, lost, self.room.bytes());
            let (count, bytes) = (page.signals, page.request.encoded_len());
            return match self.client.send(page.request).await {
                Answer::Taken { rejected: 0, said } if said.is_empty() => {
                    self.room.fits();
                    Ok(count)
                }
                Answer::Taken { rejected: 0, said } => {
                    Err(Refusal::Partly { taken: count, refused: 0, why: said })
                }
                Answer::Taken { rejected, said } => {
                    let refused = usize::try_from(rejected).unwrap_or(usize::MAX).min(count);
                    let why = format!("{refused} of {count} records were refused: {said}");
                    Err(Refusal::Partly { taken: count, refused, why })
                }
                Answer::Later { after, trouble } => {
                    Err(Refusal::Unavailable { why: told(&trouble), after })
                }
                Answer::TooLarge(_) if count > 1 => {
                    self.room.is_too_small_for(bytes);
                    continue;
                }
                Answer::TooLarge(trouble) => Err(Refusal::TooLarge(told(&trouble))),
                // Of those that were sent, and of no others.
                Answer::Refused(trouble) => {
                    Err(Refusal::Partly { taken: count, refused: count, why: told(&trouble) })
                }
            };
        }
    }

    async fn send_in_time(&self, signals: &[Arc<Signal>], lost: u32) -> Result<usize, Refusal> {
        let Some(timeout) = self.timeout else { return self.send(signals, lost).await };
        let late = || Refusal::Unavailable { why: told(&late(timeout)), after: None };
        time::timeout(timeout, self.send(signals, lost)).await.unwrap_or_else(|_| Err(late()))
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
        Box::pin(self.send_in_time(signals, dropped_before))
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
