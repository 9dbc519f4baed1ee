//! Ended spans on their way to the exporter: a bounded queue, batches, and a reason for each loss.
//!
//! The SDK's own batch processor tells nobody how many spans it dropped, and calls its end a success even when the
//! last batch was lost; this one counts every span exactly once.

mod aside;

pub(super) use aside::Aside;

use super::{
    plan::Batching,
    queue::Queue,
    stats::{SpanStats, SpansDropped},
    tracer::STATE_LIMIT,
    traces::{Export, Sent},
};
use opentelemetry::{
    Context, KeyValue, Value,
    trace::{Link, SpanContext, TraceState},
};
use opentelemetry_proto::tonic::trace::v1::Span as Written;
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{Span, SpanData, SpanProcessor},
};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tengen_core::often::{Often, Times};
use tokio::{sync::watch, time};

/// How often losses are logged, at most.
const COMPLAIN_EVERY: Duration = Duration::from_secs(10);

/// What may wait for the collector together, in flight or not: spans are small or large by what peers send.
const WAITING_BYTES: usize = 32 << 20;
/// One export. Collectors take 4 MiB over gRPC, unless told otherwise, and a span is smaller on the wire than here.
const BATCH_BYTES: usize = 3 << 20;

/// When to have ended; none: not yet.
pub(super) type Stop = watch::Receiver<Option<Instant>>;

/// What the processor, the exporting thread and the statistics share.
#[derive(Debug)]
pub(super) struct Spans {
    queue: Queue<SpanData>,
    batching: Batching,
    /// What is queued and in flight takes up.
    bytes: AtomicUsize,
    closed: AtomicBool,
    ended: AtomicU64,
    exported: AtomicU64,
    in_flight: AtomicU64,
    queue_full: AtomicU64,
    export_failed: AtomicU64,
    refused: AtomicU64,
    too_large: AtomicU64,
    /// Those that nobody took and that found no room on the disk,
    spill_full: AtomicU64,
    /// or that it did not take, or does not give back.
    spill_failed: AtomicU64,
    shutdown: AtomicU64,
    last_error: Mutex<Option<String>>,
    /// What is on the disk, where there is one.
    aside: Mutex<Option<aside::Seen>>,
    /// What of the collector's remarks the log is told.
    often: Often,
}

impl Spans {
    pub(super) fn new(batching: Batching) -> Self {
        Self {
            queue: Queue::new(batching.queue),
            batching,
            bytes: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            ended: AtomicU64::new(0),
            exported: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            queue_full: AtomicU64::new(0),
            export_failed: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            too_large: AtomicU64::new(0),
            spill_full: AtomicU64::new(0),
            spill_failed: AtomicU64::new(0),
            shutdown: AtomicU64::new(0),
            aside: Mutex::new(None),
            last_error: Mutex::new(None),
            often: Often::default(),
        }
    }

    fn end(&self, span: SpanData) {
        add(&self.ended, 1);
        if self.closed.load(Ordering::Relaxed) {
            return add(&self.shutdown, 1);
        }
        let weight = weight(&span);
        let before = self.bytes.fetch_add(weight, Ordering::Relaxed);
        let waiting = match before + weight <= WAITING_BYTES {
            true => self.queue.push(span).ok(),
            false => None,
        };
        let Some(waiting) = waiting else {
            self.bytes.fetch_sub(weight, Ordering::Relaxed);
            return add(&self.queue_full, 1);
        };
        let fills_a_batch = before / BATCH_BYTES != (before + weight) / BATCH_BYTES;
        if fills_a_batch || waiting % self.batching.most == 0 {
            self.queue.wake();
        }
    }

    /// The next spans to export, and what they take up.
    fn batch(&self) -> (Vec<SpanData>, usize) {
        let mut bytes = 0;
        let batch = self.queue.take_while(self.batching.most.get(), |span| {
            bytes += weight(span);
            bytes < BATCH_BYTES
        });
        (batch, bytes)
    }

    /// From here on, spans that end are lost, and counted.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    fn dropped(&self) -> SpansDropped {
        SpansDropped {
            queue_full: read(&self.queue_full),
            export_failed: read(&self.export_failed),
            refused: read(&self.refused),
            too_large: read(&self.too_large),
            spill_full: read(&self.spill_full),
            spill_failed: read(&self.spill_failed),
            shutdown: read(&self.shutdown),
        }
    }

    /// The counts; without the exporter's address and the late traces, which are not known here.
    pub(super) fn stats(&self) -> SpanStats {
        let seen = self.aside.lock().unwrap_or_else(PoisonError::into_inner).clone();
        SpanStats {
            spilled: seen.as_ref().map_or(0, |seen| seen.spans),
            spill: seen.map(|seen| seen.spill),
            endpoint: String::new(),
            protocol: "",
            late: 0,
            late_over_limit: 0,
            ended: read(&self.ended),
            exported: read(&self.exported),
            queued: self.queue.len() as u64,
            in_flight: read(&self.in_flight),
            bytes: self.bytes.load(Ordering::Relaxed) as u64,
            dropped: self.dropped(),
            last_error: self.last_error(),
        }
    }

    fn last_error(&self) -> Option<String> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The collector took all, and says something of it.
    fn remark(&self, said: &str) {
        if let Some(Times { untold, .. }) = self.often.count("said", Instant::now()) {
            tracing::warn!(said, untold, "the collector took the spans, and says this of them");
        }
    }

    /// Now and then.
    fn complain_of_disk(&self, error: &std::io::Error) {
        if let Some(Times { untold, .. }) = self.often.count("disk", Instant::now()) {
            tracing::warn!(%error, untold, "spans cannot be brought to the disk, or back");
        }
    }

    fn failed(&self, why: String) {
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
    }

    fn lost(&self, spans: usize, by: &AtomicU64, error: String) {
        add(by, spans as u64);
        self.failed(error);
    }
}

/// What a span takes up, about: itself, and all that it holds.
fn weight(span: &SpanData) -> usize {
    let attributes = span.attributes.capacity() * size_of::<KeyValue>();
    let text = |pair: &KeyValue| match &pair.value {
        Value::String(text) => text.as_str().len(),
        _ => 0,
    };
    let texts: usize = span.attributes.iter().map(text).sum();
    let link = |link: &Link| size_of::<Link>() + state(&link.span_context);
    let links: usize = span.links.iter().map(link).sum();
    size_of::<SpanData>() + span.name.len() + attributes + texts + links + state(&span.span_context)
}

/// A `tracestate`, where there is one: as much as it can be.
fn state(context: &SpanContext) -> usize {
    match *context.trace_state() == TraceState::default() {
        true => 0,
        false => STATE_LIMIT,
    }
}

fn add(count: &AtomicU64, more: u64) {
    count.fetch_add(more, Ordering::Relaxed);
}

fn read(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

/// The SDK's end of the queue.
#[derive(Debug)]
pub(super) struct Processor(pub(super) Arc<Spans>);

impl SpanProcessor for Processor {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.0.end(span);
    }

    /// Never called: what ends the gateway drains the queue itself, under its deadline.
    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        self.0.close();
        Ok(())
    }
}

/// The exporter's end of the queue.
pub(super) struct Outlet<E> {
    pub(super) spans: Arc<Spans>,
    pub(super) exporter: E,
    pub(super) stop: Stop,
    /// Where spans wait that nobody takes; none: they are lost.
    pub(super) aside: Option<Aside>,
}

impl<E: Export> Outlet<E> {
    /// Exports until told to stop, then what is left, as long as the deadline allows.
    pub(super) async fn run(mut self) {
        let mut complaint = Complaint::default();
        self.open_aside();
        while self.stop.borrow().is_none() {
            let every = self.spans.batching.every;
            tokio::select! {
                changed = self.stop.changed() => if changed.is_err() { break },
                () = self.spans.queue.woken() => {}
                () = time::sleep(every) => {}
            }
            // What comes in meanwhile waits for the next round, so that a trickle does not make tiny batches.
            let mut due = self.spans.queue.len();
            while due > 0 && self.stop.borrow().is_none() {
                due = due.saturating_sub(self.export().await);
            }
            self.open_aside();
            self.recover().await;
            complaint.voice(self.spans.dropped(), self.spans.last_error());
        }
        while self.export().await > 0 {}
        if let Some(aside) = self.aside.take() {
            aside.finish(&self.spans);
        }
    }

    fn open_aside(&mut self) {
        if let Some(aside) = &mut self.aside {
            aside.open(&self.spans);
        }
    }

    /// Exports what is on the disk, as long as it is taken and nothing else waits for long.
    async fn recover(&mut self) {
        while self.stop.borrow().is_none()
            && self.spans.queue.len() < self.spans.batching.most.get()
            && let Some(aside) = self.aside.as_mut().filter(|aside| !aside.is_away())
        {
            let those = aside.take(&self.spans);
            if those.is_empty() {
                break;
            }
            self.deliver(&those).await;
        }
    }

    /// Exports one batch and says how many spans it had.
    async fn export(&mut self) -> usize {
        let (batch, bytes) = self.spans.batch();
        let size = batch.len();
        if size == 0 {
            return 0;
        }
        let batch: Vec<Written> = batch.into_iter().map(Into::into).collect();
        self.spans.in_flight.store(size as u64, Ordering::Relaxed);
        match &mut self.aside {
            Some(aside) if aside.is_away() => {
                aside.keep(&batch, &self.spans);
                self.spans.in_flight.store(0, Ordering::Relaxed);
            }
            _ => self.deliver(&batch).await,
        }
        self.spans.bytes.fetch_sub(bytes, Ordering::Relaxed);
        size
    }

    /// Sends these; what nobody takes goes to the disk, or is lost.
    async fn deliver(&mut self, those: &[Written]) {
        self.spans.in_flight.store(those.len() as u64, Ordering::Relaxed);
        let (mut rest, keeps) = (those, self.aside.is_some());
        let timeout = self.spans.batching.export_timeout;
        let given_up = async {
            match timeout {
                Some(timeout) => time::sleep(timeout).await,
                None => std::future::pending().await,
            }
        };
        let end = tokio::select! {
            biased;
            () = expired_for(self.stop.clone(), keeps) => End::OutOfTime,
            end = self.hand_over(&mut rest) => end,
            () = given_up => {
                End::Failed(format!("no answer within {:?}", timeout.unwrap_or_default()))
            }
        };
        self.end(rest, end);
        self.spans.in_flight.store(0, Ordering::Relaxed);
    }

    fn end(&mut self, rest: &[Written], end: End) {
        let spans = &self.spans;
        match (end, &mut self.aside) {
            (End::Done, None) => {}
            (End::Done, Some(aside)) => aside.reached(),
            (End::OutOfTime, None) => add(&spans.shutdown, rest.len() as u64),
            (End::OutOfTime, Some(aside)) => {
                aside.leave();
                aside.keep(rest, spans);
            }
            (End::Failed(why), None) => spans.lost(rest.len(), &spans.export_failed, why),
            (End::Failed(why), Some(aside)) => {
                aside.missed(&why);
                aside.keep(rest, spans);
                spans.failed(why);
            }
        }
    }

    /// Takes out of these what is done with, until nothing is left or nobody takes more.
    async fn hand_over(&self, rest: &mut &[Written]) -> End {
        let spans = &self.spans;
        while !rest.is_empty() {
            let count = match self.exporter.export(rest).await {
                Sent::Done { count, refused, said } => {
                    let (count, refused) = (count.clamp(1, rest.len()), refused.min(count));
                    add(&spans.exported, (count - refused) as u64);
                    match refused {
                        0 if said.is_empty() => {}
                        0 => spans.remark(&said),
                        _ => spans.lost(refused, &spans.refused, said),
                    }
                    count
                }
                Sent::TooLarge(why) => {
                    spans.lost(1, &spans.too_large, why);
                    1
                }
                Sent::Unavailable(why) => return End::Failed(why),
            };
            let (_, left) = rest.split_at_checked(count).unwrap_or_default();
            *rest = left;
            spans.in_flight.store(left.len() as u64, Ordering::Relaxed);
        }
        End::Done
    }
}

/// Waits until exports have to have ended: at the deadline, or where the disk is to have what is left, a while before.
async fn expired_for(mut stop: Stop, keeps: bool) {
    if !keeps {
        return expired(stop).await;
    }
    let deadline = stop.wait_for(Option::is_some).await.ok().and_then(|deadline| *deadline);
    if let Some(deadline) = deadline {
        time::sleep_until(Aside::before(deadline).into()).await;
    }
}

/// How an export ended.
enum End {
    Done,
    /// Nobody takes what is left.
    Failed(String),
    OutOfTime,
}

/// Waits until the moment by which all has to have ended, if there will be one.
pub(super) async fn expired(mut stop: Stop) {
    let deadline = stop.wait_for(Option::is_some).await.ok().and_then(|deadline| *deadline);
    // Without one, nobody is left who could say when: whoever owned us is gone.
    if let Some(deadline) = deadline {
        time::sleep_until(deadline.into()).await;
    }
}

/// Says in the log that spans are being lost, but not at every one.
#[derive(Default)]
struct Complaint {
    told: SpansDropped,
    at: Option<Instant>,
}

impl Complaint {
    fn voice(&mut self, dropped: SpansDropped, last_error: Option<String>) {
        if dropped == self.told || self.at.is_some_and(|at| at.elapsed() < COMPLAIN_EVERY) {
            return;
        }
        tracing::warn!(
            lost = dropped.total() - self.told.total(),
            queue_full = dropped.queue_full,
            export_failed = dropped.export_failed,
            refused = dropped.refused,
            too_large = dropped.too_large,
            last_error = last_error.as_deref().unwrap_or("none"),
            "spans are lost on the way to the collector"
        );
        self.told = dropped;
        self.at = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests;
