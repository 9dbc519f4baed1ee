//! What a sink is told of losses, what it says of them, and where what it does not want stays.

use super::*;
use crate::station::Errand;
use std::{path::Path, sync::OnceLock};
use tengen_settings::Spill;
use tokio::{sync::Barrier, task::yield_now};

const SOON: Duration = Duration::from_secs(30);

/// Its first two deliveries wait for each other.
#[derive(Debug)]
struct Together {
    barrier: Barrier,
    told: Mutex<Vec<u32>>,
}

impl Sink for Together {
    fn deliver<'a>(
        &'a self,
        signals: &'a [Arc<Signal>],
        dropped_before: u32,
    ) -> BoxFuture<'a, Result<usize, Refusal>> {
        Box::pin(async move {
            self.told.lock().unwrap().push(dropped_before);
            self.barrier.wait().await;
            Ok(signals.len())
        })
    }

    fn flush(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }
}

// Each of several workers said the same losses once more.
#[tokio::test(start_paused = true)]
async fn workers_tell_a_loss_once_between_them() {
    let sink = Arc::new(Together { barrier: Barrier::new(2), told: Mutex::default() });
    let settings = settings::Sink {
        workers: NonZeroUsize::new(2).unwrap(),
        batch: NonZeroUsize::MIN,
        buffer: NonZeroUsize::new(2).unwrap(),
        ..settings::Sink::of_plugin("test")
    };
    let delivery = Delivery::with(&settings, sink.clone(), &["a", "b", "c", "d", "e"]);
    let stats = delivery.stop(SOON).await;
    assert_eq!((stats.processed, stats.dropped.queue_full), (2, 3));
    let mut told = sink.told.lock().unwrap().clone();
    told.sort_unstable();
    assert_eq!(told, [0, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_loss_that_nobody_took_is_told_with_the_next_try() {
    let refused = Answer::Refuse(Refusal::RetryAfter(Duration::from_millis(1)));
    let all = Refusal::Partly { taken: 1, refused: 1, why: "no".into() };
    let (sink, _) = deliver([refused, Answer::Refuse(all)], 2, &["a", "b", "c"]).await;
    // One found no room, and one was refused.
    assert_eq!(
        (taken(&sink), sink.dropped_before.lock().unwrap().clone()),
        (vec!["b".into()], vec![2])
    );
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_which_all_is_refused_is_a_failure() {
    let all = Refusal::Partly { taken: 2, refused: 2, why: "too old".into() };
    let (sink, stats) = deliver([Answer::Refuse(all)], 8, &["a", "b"]).await;
    assert!(taken(&sink).is_empty());
    assert_eq!((stats.processed, stats.dropped.refused, stats.errors), (0, 2, 1));
    let script: VecDeque<_> = (0..OPENS)
        .map(|_| Answer::Refuse(Refusal::Partly { taken: 1, refused: 1, why: "no".into() }))
        .collect();
    let (_, stats) = deliver(script, 8, &["a", "b", "c", "d", "e"]).await;
    assert_eq!((stats.breaker_openings, stats.health), (1, "failing"));
}

#[tokio::test(start_paused = true)]
async fn what_is_said_of_a_batch_that_was_taken_is_no_failure() {
    let said = Refusal::Partly { taken: 2, refused: 0, why: "attribute x is deprecated".into() };
    let (_, stats) = deliver([Answer::Refuse(said)], 8, &["a", "b"]).await;
    assert_eq!((stats.processed, stats.errors, stats.dropped.total()), (2, 0, 0));
    assert_eq!((stats.last_error, stats.health), (None, "healthy"));
}

#[tokio::test(start_paused = true)]
async fn a_signal_that_is_too_large_alone_is_lost_alone() {
    let (sink, stats) =
        deliver([Answer::Refuse(Refusal::TooLarge("4 MiB".into()))], 8, &["a", "b"]).await;
    assert_eq!((taken(&sink), stats.dropped.too_large), (vec!["b".to_owned()], 1));
    assert_eq!((stats.health, stats.last_error.as_deref()), ("healthy", Some("4 MiB")));
}

/// While it is asked first the end begins, and it wants to be asked much later.
#[derive(Debug, Default)]
struct Ends(OnceLock<Arc<Station>>, AtomicU64);

impl Sink for Ends {
    fn deliver<'a>(
        &'a self,
        signals: &'a [Arc<Signal>],
        _: u32,
    ) -> BoxFuture<'a, Result<usize, Refusal>> {
        Box::pin(async move {
            if self.1.fetch_add(1, Ordering::Relaxed) > 0 {
                return Ok(signals.len());
            }
            self.0.get().unwrap().close(time::Instant::now().into_std() + SOON);
            Err(Refusal::RetryAfter(SOON / 2))
        })
    }

    fn flush(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }
}

// An end that began before the pause did was taken for one that had long begun.
#[tokio::test(start_paused = true)]
async fn an_end_that_begins_during_an_attempt_is_followed_by_another_at_once() {
    let (sink, begun) = (Arc::new(Ends::default()), time::Instant::now());
    let mut delivery = Delivery::with(&settings::Sink::of_plugin("test"), sink.clone(), &["a"]);
    sink.0.set(Arc::clone(&delivery.station)).unwrap();
    while delivery.done.changed().await.is_ok() {}
    assert_eq!(delivery.station.stats().processed, 1);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

/// Not faster than the disk takes it.
async fn say(station: &Station, numbers: std::ops::Range<u32>) {
    for number in numbers {
        until(station, |station| station.has_put_away()).await;
        offer(station, &number.to_string());
    }
}

async fn until(station: &Station, what: impl Fn(&Station) -> bool) {
    let begun = Instant::now();
    while !what(station) {
        assert!(begun.elapsed() < SOON, "{:?}", station.stats());
        yield_now().await;
    }
}

/// One run of a sink with a disk: says these before it begins and those when `then` holds.
async fn run(
    folder: &Path,
    script: Vec<Answer>,
    [before, after]: [std::ops::Range<u32>; 2],
    then: impl Fn(&SinkStats) -> bool,
) -> (Arc<Scripted>, SinkStats) {
    let settings = settings::Sink {
        buffer: NonZeroUsize::new(8).unwrap(),
        spill: Some(Spill::new(folder.join("spill"))),
        ..settings::Sink::of_plugin("test")
    };
    let sink = Arc::new(Scripted { script: Mutex::new(script.into()), ..Scripted::default() });
    let station = Station::new(Traits::of(&settings), Filter::default());
    let mut kept = crate::spill::start(&station, settings.spill.as_ref().unwrap()).unwrap();
    say(&station, before).await;
    let to: Arc<dyn Sink> = sink.clone();
    let done = start(&station, &to, &settings, &TaskTracker::new());
    until(&station, |station| then(&station.stats())).await;
    say(&station, after).await;
    let delivery = Delivery { station: Arc::clone(&station), done };
    delivery.stop(SOON).await;
    station.keep_the_rest();
    while kept.changed().await.is_ok() {}
    let stats = station.stats();
    let rest = stats.dropped.total() + stats.queued + stats.in_flight + stats.spilled;
    assert_eq!(stats.accepted, stats.processed + rest, "{stats:?}");
    (sink, stats)
}

// It went on reading its disk, and lost what it read.
#[tokio::test]
async fn what_a_sink_that_is_gone_has_on_its_disk_stays_for_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let fatal = vec![Answer::Refuse(Refusal::Fatal("broken".into()))];
    let (sink, stats) = run(folder.path(), fatal, [0..100, 100..120], |stats| stats.gone).await;
    assert!(taken(&sink).is_empty());
    assert_eq!((stats.spilled, stats.dropped.total()), (120, 0), "{stats:?}");
    let (sink, stats) =
        run(folder.path(), Vec::new(), [0..0, 0..0], |stats| stats.processed == 120).await;
    assert_eq!((stats.spilled, stats.dropped.total()), (0, 0));
    assert_eq!(taken(&sink), (0..120).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[test]
fn a_sink_that_is_gone_has_nothing_read_from_its_disk_and_what_comes_goes_there() {
    let spill = Some(Spill::new("unused"));
    let settings = settings::Sink { spill, ..settings::Sink::of_plugin("test") };
    let station = Station::new(Traits::of(&settings), Filter::default());
    station.settled(Some((5, 0)), 100);
    station.give_up();
    offer(&station, "later");
    let errand = station.errand(true, None);
    assert!(matches!(&errand, Errand::Write(signals) if signals.len() == 1), "{errand:?}");
}
