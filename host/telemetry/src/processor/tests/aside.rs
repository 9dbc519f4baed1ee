//! Spans of which nobody takes any for now wait on the disk.

use super::*;
use std::{path::Path, sync::atomic::AtomicBool};
use tengen_settings::SpanSpill;

/// Takes nothing while it is away, and then all.
#[derive(Debug, Clone, Default)]
struct Collector {
    is_away: Arc<AtomicBool>,
    hangs: Arc<AtomicBool>,
    taken: Arc<AtomicU64>,
    tries: Arc<AtomicU64>,
    names: Arc<Mutex<Vec<String>>>,
}

impl Export for Collector {
    async fn export(&self, spans: &[Written]) -> Sent {
        add(&self.tries, 1);
        if self.is_away.load(Ordering::Relaxed) {
            return Sent::Unavailable("away".into());
        }
        if self.hangs.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        add(&self.taken, spans.len() as u64);
        self.names.lock().unwrap().extend(spans.iter().map(|span| span.name.clone()));
        Sent::Done { count: spans.len(), refused: 0, said: String::new() }
    }
}

struct Run {
    spans: Arc<Spans>,
    stop: watch::Sender<Option<Instant>>,
    outlet: Outlet<Collector>,
}

fn run(folder: &Path, size: usize, collector: &Collector) -> Run {
    let count = |number| NonZeroUsize::new(number).unwrap();
    let batching = Batching {
        queue: count(65_536),
        most: count(2048),
        every: Duration::from_secs(1),
        export_timeout: Some(Duration::from_secs(30)),
    };
    let spans = Arc::new(Spans::new(batching));
    let (stop, stopped) = watch::channel(None);
    let spill = SpanSpill { size: count(size), ..SpanSpill::new(folder.join("spans")) };
    let outlet = Outlet {
        spans: Arc::clone(&spans),
        exporter: collector.clone(),
        stop: stopped,
        aside: Some(Aside::new(spill)),
    };
    Run { spans, stop, outlet }
}

#[track_caller]
fn stats(spans: &Spans) -> SpanStats {
    let stats = spans.stats();
    let rest = stats.queued + stats.in_flight + stats.spilled;
    assert_eq!(stats.ended, stats.exported + stats.dropped.total() + rest, "{stats:?}");
    stats
}

fn named(number: usize) -> SpanData {
    SpanData { name: number.to_string().into(), ..span() }
}

// 1,000 events a second, of which one in ten is traced, with four spans each.
#[tokio::test(start_paused = true)]
async fn a_collector_that_is_away_for_ten_minutes_costs_no_span() {
    const PER_TICK: usize = 40;
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::default();
    let Run { spans, stop, outlet } = run(folder.path(), 256 << 20, &collector);
    let load = async {
        let mut ticks = time::interval(Duration::from_millis(100));
        for tick in 0..6200 {
            ticks.tick().await;
            collector.is_away.store((100..6100).contains(&tick), Ordering::Relaxed);
            (0..PER_TICK).for_each(|one| spans.end(named(tick * PER_TICK + one)));
            if tick == 6000 {
                let stats = stats(&spans);
                assert!(stats.spilled > 200_000 && stats.dropped.total() == 0, "{stats:?}");
            }
        }
        while stats(&spans).spilled > 0 {
            ticks.tick().await;
        }
        stop.send_replace(Some((time::Instant::now() + Duration::from_secs(60)).into_std()));
    };
    tokio::join!(outlet.run(), load);
    let (stats, all) = (stats(&spans), 6200 * PER_TICK);
    assert_eq!((stats.exported, stats.dropped.total(), stats.spilled), (all as u64, 0, 0));
    let mut numbers: Vec<usize> =
        collector.names.lock().unwrap().iter().map(|name| name.parse().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..all).collect::<Vec<_>>(), "each once");
    let tries = collector.tries.load(Ordering::Relaxed);
    assert!(tries < 3000, "it is not asked for each of them: {tries}");
}

#[tokio::test(start_paused = true)]
async fn what_nobody_took_before_the_end_is_there_for_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::default();
    collector.is_away.store(true, Ordering::Relaxed);
    let Run { spans, stop, outlet } = run(folder.path(), 1 << 20, &collector);
    (0..3000).for_each(|number| spans.end(named(number)));
    stop.send_replace(in_a_minute());
    outlet.run().await;
    let first = stats(&spans);
    assert_eq!((first.spilled, first.dropped.total(), first.queued), (3000, 0, 0));
    assert_eq!(first.last_error.as_deref(), Some("away"));

    collector.is_away.store(false, Ordering::Relaxed);
    let Run { spans, stop, outlet } = run(folder.path(), 1 << 20, &collector);
    let until = async {
        while stats(&spans).exported < 3000 {
            time::sleep(Duration::from_millis(100)).await;
        }
        stop.send_replace(in_a_minute());
    };
    tokio::join!(outlet.run(), until);
    let second = stats(&spans);
    assert_eq!((second.exported, second.spilled, second.spill.unwrap().recovered), (3000, 0, 3000));
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_at_the_deadline_is_there_for_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::default();
    collector.hangs.store(true, Ordering::Relaxed);
    let Run { spans, stop, outlet } = run(folder.path(), 1 << 20, &collector);
    (0..5000).for_each(|number| spans.end(named(number)));
    let begun = time::Instant::now();
    stop.send_replace(Some((begun + Duration::from_secs(8)).into_std()));
    outlet.run().await;
    let took = begun.elapsed();
    assert!(
        took < Duration::from_secs(8),
        "before the deadline there is time for the disk: {took:?}"
    );
    let stats = stats(&spans);
    assert_eq!((stats.spilled, stats.dropped.total(), stats.queued), (5000, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_is_full_or_cannot_be_written_costs_what_finds_no_room_and_it_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::default();
    collector.is_away.store(true, Ordering::Relaxed);
    let Run { spans, stop, outlet } = run(folder.path(), 64 << 10, &collector);
    (0..3000).for_each(|number| spans.end(named(number)));
    stop.send_replace(in_a_minute());
    outlet.run().await;
    let full = stats(&spans);
    assert!(full.spilled > 100 && full.dropped.spill_full == 3000 - full.spilled, "{full:?}");
    assert!(full.spill.unwrap().bytes <= 64 << 10);

    let taken = folder.path().join("file");
    std::fs::write(&taken, "").unwrap();
    let Run { spans, stop, outlet } = run(&taken, 64 << 10, &collector);
    spans.end(span());
    stop.send_replace(in_a_minute());
    outlet.run().await;
    let broken = stats(&spans);
    assert_eq!((broken.spilled, broken.dropped.spill_failed), (0, 1));
    assert!(broken.spill.unwrap().error.is_some());
}
