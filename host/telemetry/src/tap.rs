//! Where sinks tap the log: every record is offered to every attached sink's queue.
//!
//! The log is installed once, before there are sinks, and they come and go; so the layer in the log asks a list that
//! can change under it. While no sink is attached that costs one atomic load per record.

use super::{
    queue::Queue,
    record,
    stats::{SignalsDropped, SinkStats},
};
use arc_swap::ArcSwap;
use std::{
    num::NonZeroUsize,
    sync::{
        Arc, LazyLock, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};
use tengen_core::{
    often::Often,
    sink::{Signal, Value},
};
use tracing::{Event, Subscriber, span};
use tracing_subscriber::{layer::Context, registry::LookupSpan};

static TAPS: LazyLock<ArcSwap<Vec<Arc<Tap>>>> = LazyLock::new(ArcSwap::default);
/// What may wait for one sink: records are small or large by what plugins and peers say.
const WAITING_BYTES: usize = 8 << 20;

static ATTACHED: AtomicUsize = AtomicUsize::new(0);

tokio::task_local! {
    /// Set while a sink is being served: what is logged meanwhile goes to no sink.
    pub(super) static SERVING: ();
}

/// One sink's queue, and what became of the records that came to it.
#[derive(Debug)]
pub(super) struct Tap {
    pub(super) name: Arc<str>,
    pub(super) queue: Queue<Signal>,
    /// What is queued, and has been taken and not released yet, takes up.
    bytes: AtomicUsize,
    pub(super) counts: Counts,
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) accepted: AtomicU64,
    pub(super) processed: AtomicU64,
    pub(super) in_flight: AtomicU64,
    pub(super) queue_full: AtomicU64,
    pub(super) sink_error: AtomicU64,
    pub(super) shutdown: AtomicU64,
    pub(super) errors: AtomicU64,
    pub(super) retries: AtomicU64,
    pub(super) gone: AtomicBool,
    pub(super) last_error: Mutex<Option<String>>,
    /// Which of its failures the log is told of.
    pub(super) failures: Often,
}

impl Counts {
    pub(super) fn dropped(&self) -> SignalsDropped {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        SignalsDropped {
            queue_full: read(&self.queue_full),
            sink_error: read(&self.sink_error),
            shutdown: read(&self.shutdown),
        }
    }
}

impl Tap {
    pub(super) fn new(name: Arc<str>, buffer: NonZeroUsize) -> Arc<Self> {
        let (queue, bytes) = (Queue::new(buffer), AtomicUsize::new(0));
        Arc::new(Self { name, queue, bytes, counts: Counts::default() })
    }

    /// Puts it on the list: records come from now on.
    pub(super) fn attach(self: &Arc<Self>) {
        TAPS.rcu(|taps| taps.iter().chain([self]).cloned().collect::<Vec<_>>());
        ATTACHED.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes it off the list; a second time does nothing.
    pub(super) fn detach(self: &Arc<Self>) {
        let others = |taps: &Arc<Vec<Arc<Self>>>| -> Vec<_> {
            taps.iter().filter(|tap| !Arc::ptr_eq(tap, self)).cloned().collect()
        };
        let before = TAPS.rcu(others);
        if before.iter().any(|tap| Arc::ptr_eq(tap, self)) {
            ATTACHED.fetch_sub(1, Ordering::Relaxed);
        }
    }

    pub(super) fn offer(&self, signal: Signal) {
        self.counts.accepted.fetch_add(1, Ordering::Relaxed);
        let weight = weight(&signal);
        let before = self.bytes.fetch_add(weight, Ordering::Relaxed);
        if before + weight > WAITING_BYTES || self.queue.send(signal).is_err() {
            self.bytes.fetch_sub(weight, Ordering::Relaxed);
            self.counts.queue_full.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes up to `most` records; they count as waiting until they are released.
    pub(super) fn take(&self, most: usize) -> Vec<Signal> {
        self.queue.take(most)
    }

    /// These need to be kept no longer.
    pub(super) fn release(&self, signals: &[Signal]) {
        self.bytes.fetch_sub(signals.iter().map(weight).sum(), Ordering::Relaxed);
    }

    pub(super) fn stats(&self) -> SinkStats {
        let counts = &self.counts;
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        SinkStats {
            accepted: read(&counts.accepted),
            processed: read(&counts.processed),
            queued: self.queue.len() as u64,
            in_flight: read(&counts.in_flight),
            dropped: counts.dropped(),
            errors: read(&counts.errors),
            retries: read(&counts.retries),
            last_error: counts.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            gone: counts.gone.load(Ordering::Relaxed),
        }
    }
}

/// What a record takes up, about.
fn weight(signal: &Signal) -> usize {
    let of_value = |value: &Value| match value {
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => 0,
    };
    let datum = |(name, value): &(String, Value)| {
        size_of::<(String, Value)>() + name.len() + of_value(value)
    };
    let data: usize = signal.data.iter().map(datum).sum();
    let texts = [&signal.namespace, &signal.id, &signal.message, &signal.location, &signal.user];
    let ids = [&signal.trace_id, &signal.span_id, &signal.connection];
    let texts: usize = texts.into_iter().chain(ids).chain(&signal.error).map(String::len).sum();
    size_of::<Signal>() + data + texts
}

/// The layer that offers records to the sinks. Part of the installed log; a test puts it into a subscriber of its own.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Layer;

impl<S: Subscriber + for<'a> LookupSpan<'a>> tracing_subscriber::Layer<S> for Layer {
    fn on_new_span(
        &self,
        attributes: &span::Attributes<'_>,
        id: &span::Id,
        context: Context<'_, S>,
    ) {
        if let Some(span) = context.span(id) {
            record::remember(&span, attributes);
        }
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            record::learn(&span, values);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if ATTACHED.load(Ordering::Relaxed) == 0 || feeds_back(event.metadata().target()) {
            return;
        }
        if SERVING.try_with(|()| ()).is_ok() {
            return;
        }
        let taps = TAPS.load();
        let signal = record::signal(event, context.event_scope(event));
        if record::plugin(&signal).is_some_and(|plugin| taps.iter().any(|tap| *tap.name == *plugin))
        {
            return;
        }
        if let Some((last, others)) = taps.split_last() {
            for tap in others {
                tap.offer(signal.clone());
            }
            last.offer(signal);
        }
    }
}

/// Whether records of this target come from the sending of records: from us, or from what a client is made of.
fn feeds_back(target: &str) -> bool {
    const SOURCES: [&str; 6] =
        ["tengen::telemetry", "hyper", "h2", "tonic", "reqwest", "opentelemetry"];
    SOURCES.iter().any(|source| {
        target
            .strip_prefix(source)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '_']))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sending_itself_logs_is_not_sent() {
        for target in [
            "tengen::telemetry::processor",
            "hyper::proto",
            "hyper_util",
            "h2",
            "opentelemetry_sdk",
        ] {
            assert!(feeds_back(target), "{target}");
        }
        for target in ["tengen::hub", "h2o", "hyperspace", "plugin"] {
            assert!(!feeds_back(target), "{target}");
        }
    }
}
