//! Ended spans on their way to the exporter: a bounded queue, batches, and a reason for each loss.
//!
//! The SDK's own batch processor tells nobody how many spans it dropped, and calls its end a success even when the
//! last batch was lost; this one counts every span exactly once.

use super::{
    plan::Batching,
    queue::Queue,
    stats::{SpanStats, SpansDropped},
    tracer::STATE_LIMIT,
};
use opentelemetry::{
    Context, KeyValue, Value,
    trace::{Link, SpanContext, TraceState},
};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{Span, SpanData, SpanExporter, SpanProcessor},
};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
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
    shutdown: AtomicU64,
    last_error: Mutex<Option<String>>,
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
            shutdown: AtomicU64::new(0),
            last_error: Mutex::new(None),
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
            shutdown: read(&self.shutdown),
        }
    }

    /// The counts; without the exporter's address and the late traces, which are not known here.
    pub(super) fn stats(&self) -> SpanStats {
        SpanStats {
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

    fn failed(&self, error: String, spans: u64) {
        add(&self.export_failed, spans);
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
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
}

impl<E: SpanExporter> Outlet<E> {
    /// Exports until told to stop, then what is left, as long as the deadline allows.
    pub(super) async fn run(mut self) {
        let mut complaint = Complaint::default();
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
            complaint.voice(self.spans.dropped(), self.spans.last_error());
        }
        while self.export().await > 0 {}
    }

    /// Exports one batch and says how many spans it had.
    async fn export(&mut self) -> usize {
        let (batch, bytes) = self.spans.batch();
        let (size, count) = (batch.len(), batch.len() as u64);
        if size == 0 {
            return 0;
        }
        self.spans.in_flight.store(count, Ordering::Relaxed);
        let deadline = expired(self.stop.clone());
        let timeout = self.spans.batching.export_timeout;
        let given_up = async {
            match timeout {
                Some(timeout) => time::sleep(timeout).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = deadline => add(&self.spans.shutdown, count),
            answer = self.exporter.export(batch) => match answer {
                Ok(()) => add(&self.spans.exported, count),
                Err(error) => self.spans.failed(error.to_string(), count),
            },
            () = given_up => {
                let timeout = timeout.unwrap_or_default();
                self.spans.failed(format!("no answer within {timeout:?}"), count);
            }
        }
        self.spans.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.spans.in_flight.store(0, Ordering::Relaxed);
        size
    }
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
            last_error = last_error.as_deref().unwrap_or("none"),
            "spans are lost on the way to the collector"
        );
        self.told = dropped;
        self.at = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests;
