//! Ended spans on their way to the exporter: a bounded queue, batches, and a reason for each loss.
//!
//! The SDK's own batch processor tells nobody how many spans it dropped, and calls its end a success even when the
//! last batch was lost; this one counts every span exactly once.

use super::{
    plan::Batching,
    queue::Queue,
    stats::{SpanStats, SpansDropped},
};
use opentelemetry::Context;
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{Span, SpanData, SpanExporter, SpanProcessor},
};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{sync::watch, time};

/// How often losses are logged, at most.
const COMPLAIN_EVERY: Duration = Duration::from_secs(10);

/// When to have ended; none: not yet.
pub(super) type Stop = watch::Receiver<Option<Instant>>;

/// What the processor, the exporting thread and the statistics share.
#[derive(Debug)]
pub(super) struct Spans {
    queue: Queue<SpanData>,
    batching: Batching,
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
        match self.queue.push(span) {
            Ok(waiting) if waiting % self.batching.most == 0 => self.queue.wake(),
            Ok(_) => {}
            Err(_) => add(&self.queue_full, 1),
        }
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

    /// The counts; without the exporter's address, which is not known here.
    pub(super) fn stats(&self) -> SpanStats {
        SpanStats {
            endpoint: String::new(),
            protocol: "",
            ended: read(&self.ended),
            exported: read(&self.exported),
            queued: self.queue.len() as u64,
            in_flight: read(&self.in_flight),
            dropped: self.dropped(),
            last_error: self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    fn failed(&self, error: String, spans: u64) {
        add(&self.export_failed, spans);
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
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
            complaint.voice(self.spans.dropped());
        }
        while self.export().await > 0 {}
    }

    /// Exports one batch and says how many spans it had.
    async fn export(&mut self) -> usize {
        let batch = self.spans.queue.take(self.spans.batching.most.get());
        let (size, count) = (batch.len(), batch.len() as u64);
        if size == 0 {
            return 0;
        }
        self.spans.in_flight.store(count, Ordering::Relaxed);
        let deadline = expired(self.stop.clone());
        let timeout = self.spans.batching.export_timeout;
        tokio::select! {
            biased;
            () = deadline => add(&self.spans.shutdown, count),
            answer = time::timeout(timeout, self.exporter.export(batch)) => match answer {
                Ok(Ok(())) => add(&self.spans.exported, count),
                Ok(Err(error)) => self.spans.failed(error.to_string(), count),
                Err(_) => self.spans.failed(format!("no answer within {timeout:?}"), count),
            },
        }
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
    fn voice(&mut self, dropped: SpansDropped) {
        if dropped == self.told || self.at.is_some_and(|at| at.elapsed() < COMPLAIN_EVERY) {
            return;
        }
        tracing::warn!(
            lost = dropped.total() - self.told.total(),
            queue_full = dropped.queue_full,
            export_failed = dropped.export_failed,
            "spans are lost on the way to the collector"
        );
        self.told = dropped;
        self.at = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests;
