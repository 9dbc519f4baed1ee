//! A sink gets everything in order, or it is counted why not.

mod losses;

use super::*;
use crate::{
    filter::Filter,
    station::{OPENS, PAUSE, Traits},
    stats::SinkStats,
};
use futures_util::future::BoxFuture;
use std::{collections::VecDeque, sync::Mutex};
use tengen_core::{sink::Level, testing::somebody_listens};
use tracing_subscriber::layer::SubscriberExt;

/// What is in the log.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What takes care of a sink in these tests.
struct Delivery {
    station: Arc<Station>,
    done: watch::Receiver<()>,
}

impl Delivery {
    fn with(settings: &settings::Sink, sink: Arc<dyn Sink>, messages: &[&str]) -> Self {
        let station = Station::new(Traits::of(settings), Filter::default());
        messages.iter().for_each(|message| offer(&station, message));
        let done = start(&station, &sink, settings, &TaskTracker::new());
        Self { station, done }
    }

    async fn stop(mut self, within: Duration) -> SinkStats {
        self.station.close(time::Instant::now().into_std() + within);
        while self.done.changed().await.is_ok() {}
        self.station.stats()
    }
}

fn offer(station: &Station, message: &str) {
    let signal = Arc::new(Signal::new(Level::Info, "test", message.to_owned()));
    let weight = signal.weight();
    station.take_in(&signal, weight, true);
}

/// Answers as scripted, then takes everything.
#[derive(Debug, Default)]
struct Scripted {
    script: Mutex<VecDeque<Answer>>,
    taken: Mutex<Vec<String>>,
    dropped_before: Mutex<Vec<u32>>,
    flushes: AtomicU64,
}

#[derive(Debug)]
enum Answer {
    Take(usize),
    Refuse(Refusal),
    Hang,
    Panic,
}

impl Sink for Scripted {
    fn deliver<'a>(
        &'a self,
        signals: &'a [Arc<Signal>],
        dropped_before: u32,
    ) -> BoxFuture<'a, Result<usize, Refusal>> {
        Box::pin(async move {
            let answer =
                self.script.lock().unwrap().pop_front().unwrap_or(Answer::Take(usize::MAX));
            let taken = match answer {
                Answer::Take(count) => count.min(signals.len()),
                Answer::Refuse(refusal) => return Err(refusal),
                Answer::Hang => std::future::pending().await,
                Answer::Panic => panic!("as scripted"),
            };
            self.taken
                .lock()
                .unwrap()
                .extend(signals[..taken].iter().map(|signal| signal.message.to_string()));
            self.dropped_before.lock().unwrap().push(dropped_before);
            Ok(taken)
        })
    }

    fn flush(&self) -> BoxFuture<'_, Result<(), String>> {
        self.flushes.fetch_add(1, Ordering::Relaxed);
        Box::pin(async { Ok(()) })
    }
}

/// Offers these records to a sink with such a script and buffer, and ends it within a minute.
async fn deliver(
    script: impl Into<VecDeque<Answer>>,
    buffer: usize,
    messages: &[&str],
) -> (Arc<Scripted>, SinkStats) {
    let sink = Arc::new(Scripted { script: Mutex::new(script.into()), ..Scripted::default() });
    let settings = settings::Sink {
        buffer: NonZeroUsize::new(buffer).unwrap(),
        ..settings::Sink::of_plugin("test")
    };
    let delivery = Delivery::with(&settings, sink.clone(), messages);
    let stats = delivery.stop(Duration::from_secs(60)).await;
    assert_eq!(
        stats.accepted,
        stats.processed + stats.dropped.total() + stats.queued + stats.in_flight
    );
    (sink, stats)
}

fn taken(sink: &Scripted) -> Vec<String> {
    sink.taken.lock().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn the_end_drains_the_queue_and_flushes_once() {
    let (sink, stats) = deliver([], 8, &["a", "b", "c"]).await;
    assert_eq!(taken(&sink), ["a", "b", "c"]);
    assert_eq!(sink.flushes.load(Ordering::Relaxed), 1);
    assert_eq!((stats.accepted, stats.processed, stats.queued, stats.in_flight), (3, 3, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_a_sink_does_not_take_is_offered_again() {
    let (sink, stats) = deliver([Answer::Take(1), Answer::Take(1)], 8, &["a", "b", "c"]).await;
    assert_eq!(taken(&sink), ["a", "b", "c"]);
    assert_eq!((stats.processed, stats.errors), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn a_sink_is_told_what_it_missed_once() {
    let (sink, stats) = deliver([Answer::Take(1)], 2, &["a", "b", "c", "d", "e"]).await;
    assert_eq!(taken(&sink), ["a", "b"]);
    assert_eq!(*sink.dropped_before.lock().unwrap(), [3, 0]);
    assert_eq!(stats.dropped.queue_full, 3);
}

// A brother of the spans' queue, which was bounded in spans only.
#[tokio::test(start_paused = true)]
async fn what_waits_for_a_sink_is_bounded_in_bytes() {
    let large = "x".repeat(1 << 20);
    let (sink, stats) = deliver([], 100, &[&*large; 20]).await;
    assert_eq!((stats.processed, stats.dropped.queue_full), (7, 13), "8 MiB are for all of it");
    assert_eq!(taken(&sink).len(), 7);
    let settings = settings::Sink {
        buffer: NonZeroUsize::new(100).unwrap(),
        ..settings::Sink::of_plugin("test")
    };
    let station = Station::new(Traits::of(&settings), Filter::default());
    (0..7).for_each(|_| offer(&station, &large));
    let Next::Deliver(batch) = station.next(NonZeroUsize::new(7).unwrap()) else {
        panic!("there are 7")
    };
    offer(&station, &large);
    assert_eq!(station.stats().dropped.queue_full, 1, "what is under way waits, too");
    station.delivered(&batch.signals);
    station.release(&batch);
    offer(&station, &large);
    assert_eq!(station.stats().dropped.queue_full, 1);
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_is_not_ready_is_asked_later() {
    let pause = Duration::from_secs(5);
    let begun = time::Instant::now();
    let (sink, stats) = deliver([Answer::Refuse(Refusal::RetryAfter(pause))], 8, &["a"]).await;
    assert_eq!(begun.elapsed().as_secs(), 5);
    assert_eq!(taken(&sink), ["a"]);
    assert_eq!((stats.retries, stats.errors), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_refused_batch_is_lost_and_the_next_is_not() {
    let (sink, stats) = deliver([Answer::Refuse(Refusal::Drop("no".into()))], 8, &["a"]).await;
    assert!(taken(&sink).is_empty());
    assert_eq!((stats.dropped.sink_error, stats.errors), (1, 1));
    assert_eq!(stats.last_error.as_deref(), Some("no"));
    assert!(!stats.gone);
}

#[tokio::test(start_paused = true)]
async fn a_panic_costs_the_batch_and_not_the_sink() {
    let (_, stats) = deliver([Answer::Panic], 8, &["a"]).await;
    assert_eq!((stats.dropped.sink_error, stats.gone), (1, false));
    assert_eq!(stats.last_error.as_deref(), Some("the sink panicked"));
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_gives_itself_up_gets_nothing_more_not_even_a_flush() {
    let (sink, stats) =
        deliver([Answer::Refuse(Refusal::Fatal("broken".into()))], 8, &["a", "b"]).await;
    assert!(taken(&sink).is_empty());
    assert_eq!((stats.dropped.sink_error, stats.gone), (2, true));
    assert_eq!(sink.flushes.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_takes_nothing_is_given_up_after_a_few_attempts() {
    let (_, stats) =
        deliver((0..5).map(|_| Answer::Take(0)).collect::<VecDeque<_>>(), 8, &["a"]).await;
    assert_eq!((stats.errors, stats.dropped.sink_error), (u64::from(ATTEMPTS), 1));
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_hangs_is_tried_again() {
    let begun = time::Instant::now();
    let (sink, stats) = deliver([Answer::Hang], 8, &["a"]).await;
    assert_eq!(begun.elapsed(), PATIENCE + PAUSE);
    assert_eq!(taken(&sink), ["a"]);
    assert_eq!(stats.errors, 1);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_holds_against_a_sink_that_always_hangs() {
    let begun = time::Instant::now();
    let (_, stats) =
        deliver((0..99).map(|_| Answer::Hang).collect::<VecDeque<_>>(), 8, &["a", "b"]).await;
    assert!(begun.elapsed() <= Duration::from_secs(61), "{:?}", begun.elapsed());
    // Attempts of ten seconds each, so the batch is given up at 50 s or cut at 60 s.
    assert_eq!(stats.dropped.total(), 2);
    assert_eq!((stats.queued, stats.in_flight), (0, 0));
}

// A failure was told only if it was worded in another way than the one before, so that one that lasts, and began
// within a minute of another, was never in the log.
#[tokio::test(start_paused = true)]
async fn a_failure_that_lasts_is_in_the_log_with_what_it_costs() {
    somebody_listens();
    let lines = Lines::default();
    let of_layer = lines.clone();
    let layer = tracing_subscriber::fmt::layer().with_ansi(false);
    let layer = layer.with_writer(move || of_layer.clone());
    let _log = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    let script: VecDeque<_> = [Answer::Refuse(Refusal::Drop("no".into()))]
        .into_iter()
        .chain((0..6).map(|_| Answer::Hang))
        .collect();
    let sink = Arc::new(Scripted { script: Mutex::new(script), ..Scripted::default() });
    let settings = settings::Sink {
        buffer: NonZeroUsize::new(1000).unwrap(),
        ..settings::Sink::of_plugin("test")
    };
    let delivery = Delivery::with(&settings, sink, &["a"; 3 * 256]);
    let stats = delivery.stop(Duration::from_secs(600)).await;

    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let told: Vec<_> = text.lines().filter(|line| line.contains("a sink failed")).collect();
    let [first, second] = told[..] else { panic!("{text}") };
    assert!(first.ends_with(r#"sink="test" error="no" untold=0 lost=256"#), "{first}");
    let end = r#"sink="test" error="no answer within 10s" untold=5 lost=512"#;
    assert!(second.ends_with(end), "{second}");
    assert_eq!(stats.dropped.sink_error, 512);
}

// A plugin that trapped on every batch was handed the next at once, until it had broken on all that waited.
#[tokio::test(start_paused = true)]
async fn a_sink_that_keeps_failing_is_left_alone_and_goes_on_by_itself() {
    let script: VecDeque<_> = (0..7).map(|_| Answer::Refuse(Refusal::Drop("no".into()))).collect();
    let sink = Arc::new(Scripted { script: Mutex::new(script), ..Scripted::default() });
    let settings = settings::Sink { batch: NonZeroUsize::MIN, ..settings::Sink::of_plugin("test") };
    let begun = time::Instant::now();
    let delivery = Delivery::with(&settings, sink.clone(), &["a"; 10]);
    time::sleep(Duration::from_secs(1)).await;
    let stats = delivery.station.stats();
    assert_eq!((stats.breaker, stats.breaker_openings), ("open", 1));
    let waiting = stats.queued + stats.in_flight;
    assert_eq!((stats.errors, waiting), (u64::from(OPENS), 5), "the others wait");
    assert!(stats.advice.unwrap().contains("failed 5 times in a row (no)"));
    while delivery.station.stats().processed < 3 {
        time::sleep(Duration::from_millis(100)).await;
    }
    let pauses = PAUSE * (16 + 32 + 64);
    assert!((pauses..pauses + PAUSE * 2).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    let stats = delivery.stop(Duration::from_secs(1)).await;
    assert_eq!((stats.breaker, stats.dropped.sink_error), ("closed", 7));
}

#[tokio::test(start_paused = true)]
async fn a_long_pause_ends_when_the_end_begins() {
    let script = [Answer::Refuse(Refusal::RetryAfter(Duration::from_secs(25)))];
    let sink = Arc::new(Scripted { script: Mutex::new(script.into()), ..Scripted::default() });
    let delivery = Delivery::with(&settings::Sink::of_plugin("test"), sink.clone(), &["a"]);
    while delivery.station.stats().retries == 0 {
        time::sleep(Duration::from_millis(1)).await;
    }
    let stats = delivery.stop(Duration::from_secs(5)).await;
    assert_eq!((stats.processed, stats.dropped.total()), (1, 0));
}

fn unavailable(after: Option<Duration>) -> Answer {
    Answer::Refuse(Refusal::Unavailable { why: "away".into(), after })
}

#[tokio::test(start_paused = true)]
async fn who_cannot_be_reached_is_asked_until_they_take_it_and_nothing_is_given_up() {
    let script: VecDeque<_> = (0..3 * ATTEMPTS).map(|_| unavailable(None)).collect();
    let sink = Arc::new(Scripted { script: Mutex::new(script), ..Scripted::default() });
    let delivery = Delivery::with(&settings::Sink::of_plugin("test"), sink.clone(), &["a", "b"]);
    while delivery.station.stats().breaker != "open" {
        time::sleep(Duration::from_millis(50)).await;
    }
    let stats = delivery.station.stats();
    assert!(stats.advice.unwrap().contains("(away)"));
    while delivery.station.stats().processed == 0 {
        time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(taken(&sink), ["a", "b"]);
    let stats = delivery.stop(Duration::from_secs(1)).await;
    let tries = u64::from(3 * ATTEMPTS);
    assert_eq!((stats.dropped.total(), stats.errors, stats.retries), (0, tries, tries));
    assert_eq!((stats.breaker, stats.breaker_openings), ("closed", 1));
}

#[tokio::test(start_paused = true)]
async fn who_says_when_to_come_back_is_asked_then() {
    let sink = Arc::new(Scripted {
        script: Mutex::new([unavailable(Some(Duration::from_secs(20)))].into()),
        ..Scripted::default()
    });
    let begun = time::Instant::now();
    let delivery = Delivery::with(&settings::Sink::of_plugin("test"), sink, &["a"]);
    while delivery.station.stats().processed == 0 {
        time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(begun.elapsed().as_secs(), 20);
}

#[tokio::test(start_paused = true)]
async fn at_the_end_who_cannot_be_reached_is_asked_again_soon_and_not_past_the_deadline() {
    let script: VecDeque<_> = (0..20).map(|_| unavailable(None)).collect();
    let (sink, stats) = deliver(script, 8, &["a"]).await;
    assert_eq!((taken(&sink), stats.processed), (vec!["a".to_owned()], 1));
    let begun = time::Instant::now();
    let script: VecDeque<_> = (0..10_000).map(|_| unavailable(None)).collect();
    let (_, stats) = deliver(script, 8, &["a"]).await;
    assert_eq!((begun.elapsed().as_secs(), stats.dropped.shutdown), (60, 1));
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_of_a_batch_is_counted_and_the_rest_is_delivered() {
    let partly = Refusal::Partly { taken: 3, refused: 2, why: "too old".into() };
    let (sink, stats) = deliver([Answer::Refuse(partly)], 8, &["a", "b", "c", "d"]).await;
    assert_eq!(taken(&sink), ["d"], "the first three are done with");
    assert_eq!((stats.processed, stats.dropped.refused, stats.errors), (2, 2, 1));
    assert_eq!(stats.last_error.as_deref(), Some("too old"));
    assert_eq!((stats.health, stats.breaker_openings), ("healthy", 0));
    let odd = Refusal::Partly { taken: 99, refused: 99, why: String::new() };
    let (_, stats) = deliver([Answer::Refuse(odd)], 8, &["a"]).await;
    assert_eq!((stats.processed, stats.dropped.refused), (0, 1), "no more than there were");
}
