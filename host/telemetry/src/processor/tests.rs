//! Every span that ends is counted once, whatever the exporter does.

mod aside;

use super::*;
use opentelemetry::{
    InstrumentationScope,
    trace::{SpanContext, SpanId, SpanKind, Status},
};
use opentelemetry_sdk::trace::{SpanEvents, SpanLinks};
use std::{num::NonZeroUsize, thread, time::SystemTime};

impl Spans {
    /// All that is queued.
    pub(crate) fn take(&self) -> Vec<SpanData> {
        self.queue.take_while(usize::MAX, |_| true)
    }
}

fn span() -> SpanData {
    SpanData {
        span_context: SpanContext::empty_context(),
        parent_span_id: SpanId::INVALID,
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name: "x".into(),
        start_time: SystemTime::UNIX_EPOCH,
        end_time: SystemTime::UNIX_EPOCH,
        attributes: Vec::new(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: InstrumentationScope::default(),
    }
}

/// Remembers the size of each batch, then does as told.
#[derive(Debug)]
struct Scripted {
    batches: Arc<Mutex<Vec<usize>>>,
    answer: Answer,
}

#[derive(Debug, Clone, Copy)]
enum Answer {
    Take,
    /// So many are done with, of which so many were refused.
    Partly(usize, usize),
    TooLarge,
    Refuse,
    Hang,
    /// Takes them after so long.
    After(Duration),
}

impl Export for Scripted {
    async fn export(&self, spans: &[Written]) -> Sent {
        self.batches.lock().unwrap().push(spans.len());
        let (count, said) = (spans.len(), String::new());
        match self.answer {
            Answer::Take => Sent::Done { count, refused: 0, said },
            Answer::Partly(count, refused) => Sent::Done { count, refused, said: "no".into() },
            Answer::TooLarge => Sent::TooLarge("large".into()),
            Answer::Refuse => Sent::Unavailable("refused".into()),
            Answer::Hang => std::future::pending().await,
            Answer::After(time) => {
                time::sleep(time).await;
                Sent::Done { count, refused: 0, said }
            }
        }
    }
}

struct Fixture {
    spans: Arc<Spans>,
    batches: Arc<Mutex<Vec<usize>>>,
    stop: watch::Sender<Option<Instant>>,
    outlet: Outlet<Scripted>,
}

fn fixture(queue: usize, most: usize, answer: Answer) -> Fixture {
    let count = |number| NonZeroUsize::new(number).unwrap();
    let batching = Batching {
        queue: count(queue),
        most: count(most),
        every: Duration::from_secs(3600),
        export_timeout: Some(Duration::from_secs(30)),
    };
    let spans = Arc::new(Spans::new(batching));
    let batches = Arc::default();
    let (stop, stopped) = watch::channel(None);
    let exporter = Scripted { batches: Arc::clone(&batches), answer };
    Fixture {
        spans: spans.clone(),
        batches,
        stop,
        outlet: Outlet { spans, exporter, stop: stopped, aside: None },
    }
}

fn at_once() -> Option<Instant> {
    Some(Instant::now())
}

fn in_a_minute() -> Option<Instant> {
    Some(Instant::now() + Duration::from_secs(60))
}

#[tokio::test(start_paused = true)]
async fn what_is_queued_at_the_end_is_exported_in_batches() {
    let Fixture { spans, batches, stop, outlet } = fixture(100, 4, Answer::Take);
    (0..10).for_each(|_| spans.end(span()));
    stop.send_replace(in_a_minute());
    outlet.run().await;
    assert_eq!(*batches.lock().unwrap(), [4, 4, 2]);
    let stats = spans.stats();
    assert_eq!((stats.ended, stats.exported, stats.queued, stats.dropped.total()), (10, 10, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_full_batch_is_exported_before_its_time() {
    let Fixture { spans, batches, stop, outlet } = fixture(100, 4, Answer::Take);
    let filled = async {
        (0..4).for_each(|_| spans.end(span()));
        while spans.stats().exported < 4 {
            tokio::task::yield_now().await;
        }
        stop.send_replace(at_once());
    };
    tokio::join!(outlet.run(), filled);
    assert_eq!(*batches.lock().unwrap(), [4]);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_drops_the_newest_and_counts_it() {
    let Fixture { spans, stop, outlet, .. } = fixture(3, 2, Answer::Take);
    (0..5).for_each(|_| spans.end(span()));
    assert_eq!(spans.stats().dropped.queue_full, 2);
    stop.send_replace(in_a_minute());
    outlet.run().await;
    assert_eq!(spans.stats().exported, 3);
}

#[tokio::test(start_paused = true)]
async fn a_refused_batch_is_counted_with_its_error() {
    let Fixture { spans, stop, outlet, .. } = fixture(9, 2, Answer::Refuse);
    (0..3).for_each(|_| spans.end(span()));
    stop.send_replace(in_a_minute());
    outlet.run().await;
    let stats = spans.stats();
    assert_eq!((stats.exported, stats.dropped.export_failed), (0, 3));
    assert!(stats.last_error.unwrap().contains("refused"));
}

#[tokio::test(start_paused = true)]
async fn an_export_that_hangs_is_given_up_at_the_deadline_and_the_rest_with_it() {
    let Fixture { spans, batches, stop, outlet } = fixture(9, 2, Answer::Hang);
    (0..5).for_each(|_| spans.end(span()));
    let begun = time::Instant::now();
    stop.send_replace(Some(Instant::from(begun) + Duration::from_secs(7)));
    outlet.run().await;
    assert_eq!(begun.elapsed().as_secs(), 7);
    assert_eq!(batches.lock().unwrap().len(), 1, "the rest is not even tried");
    let stats = spans.stats();
    assert_eq!((stats.dropped.shutdown, stats.in_flight, stats.queued), (5, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_export_that_hangs_is_given_up_after_its_timeout() {
    let Fixture { spans, stop, outlet, .. } = fixture(9, 2, Answer::Hang);
    (0..4).for_each(|_| spans.end(span()));
    let begun = time::Instant::now();
    stop.send_replace(Some(Instant::from(begun) + Duration::from_secs(3600)));
    outlet.run().await;
    assert_eq!(begun.elapsed().as_secs(), 60, "two batches, 30 seconds each");
    let stats = spans.stats();
    assert_eq!(stats.dropped.export_failed, 4);
    assert_eq!(stats.last_error.as_deref(), Some("no answer within 30s"));
}

// Zero counted everything as lost.
#[tokio::test(start_paused = true)]
async fn without_a_timeout_an_export_may_take_as_long_as_it_does() {
    let Fixture { spans, stop, mut outlet, .. } =
        fixture(9, 2, Answer::After(Duration::from_secs(7200)));
    let batching = Batching { export_timeout: None, ..spans.batching };
    let spans = Arc::new(Spans::new(batching));
    outlet.spans = spans.clone();
    (0..2).for_each(|_| spans.end(span()));
    stop.send_replace(Some(Instant::from(time::Instant::now()) + Duration::from_secs(8000)));
    outlet.run().await;
    let stats = spans.stats();
    assert_eq!((stats.exported, stats.dropped.total()), (2, 0), "{stats:?}");
}

fn heavy(bytes: usize) -> SpanData {
    SpanData { attributes: vec![KeyValue::new("text", "x".repeat(bytes))], ..span() }
}

// What waited was bounded in spans only.
#[tokio::test(start_paused = true)]
async fn what_waits_is_bounded_in_bytes_until_it_has_been_exported() {
    let Fixture { spans, batches, stop, outlet } = fixture(1000, 900, Answer::Hang);
    let filled = async {
        (0..100).for_each(|_| spans.end(heavy(1 << 20)));
        let stats = spans.stats();
        assert!(stats.queued <= 32 && stats.bytes <= WAITING_BYTES as u64, "{stats:?}");
        assert_eq!(stats.dropped.queue_full, 100 - stats.queued);
        while batches.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        let before = spans.stats();
        assert_eq!(before.bytes, stats.bytes, "what is under way waits, too");
        spans.end(heavy(1 << 20));
        assert_eq!(spans.stats().dropped.queue_full, before.dropped.queue_full + 1);
        stop.send_replace(at_once());
    };
    tokio::join!(outlet.run(), filled);
    assert_eq!(spans.stats().bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_bounded_in_bytes() {
    let Fixture { spans, batches, stop, outlet } = fixture(1000, 900, Answer::Take);
    (0..10).for_each(|_| spans.end(heavy(1 << 20)));
    stop.send_replace(in_a_minute());
    outlet.run().await;
    assert_eq!(*batches.lock().unwrap(), [3, 3, 3, 1]);
    let stats = spans.stats();
    assert_eq!((stats.exported, stats.bytes), (10, 0));
}

#[test]
fn spans_that_end_after_the_end_are_counted() {
    let Fixture { spans, .. } = fixture(9, 2, Answer::Take);
    Processor(spans.clone()).shutdown().unwrap();
    spans.end(span());
    assert_eq!(spans.stats().dropped.shutdown, 1);
}

#[test]
fn with_many_producers_the_counts_still_add_up() {
    const EACH: u64 = 5000;
    let Fixture { spans, stop, outlet, .. } = fixture(64, 16, Answer::Take);
    let exporting = thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(outlet.run());
    });
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| (0..EACH).for_each(|_| spans.end(span())));
        }
    });
    stop.send_replace(in_a_minute());
    exporting.join().unwrap();
    let stats = spans.stats();
    assert_eq!(stats.ended, 3 * EACH);
    assert_eq!(stats.exported + stats.dropped.queue_full, 3 * EACH, "{stats:?}");
    assert_eq!((stats.queued, stats.in_flight), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_of_a_batch_is_counted_and_the_rest_goes_on() {
    let Fixture { spans, batches, stop, outlet } = fixture(100, 10, Answer::Partly(4, 1));
    (0..10).for_each(|_| spans.end(span()));
    stop.send_replace(in_a_minute());
    outlet.run().await;
    assert_eq!(*batches.lock().unwrap(), [10, 6, 2]);
    let stats = spans.stats();
    assert_eq!((stats.exported, stats.dropped.refused, stats.dropped.total()), (7, 3, 3));
    assert_eq!(stats.last_error.as_deref(), Some("no"));
}

#[tokio::test(start_paused = true)]
async fn what_a_collector_says_of_spans_that_it_took_is_no_failure() {
    let Fixture { spans, stop, outlet, .. } = fixture(100, 10, Answer::Partly(10, 0));
    (0..10).for_each(|_| spans.end(span()));
    stop.send_replace(in_a_minute());
    outlet.run().await;
    let stats = spans.stats();
    assert_eq!((stats.exported, stats.dropped.total(), stats.last_error), (10, 0, None));
}

#[tokio::test(start_paused = true)]
async fn a_span_that_is_too_large_alone_is_counted_as_that() {
    let Fixture { spans, batches, stop, outlet } = fixture(100, 10, Answer::TooLarge);
    (0..3).for_each(|_| spans.end(span()));
    stop.send_replace(in_a_minute());
    outlet.run().await;
    assert_eq!(*batches.lock().unwrap(), [3, 2, 1]);
    assert_eq!((spans.stats().dropped.too_large, spans.stats().exported), (3, 0));
}
