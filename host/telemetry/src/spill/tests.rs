//! What finds no room waits on the disk and comes back in order, also in another run.

use super::*;
use crate::{
    attached::Attached,
    encode::{Encoder, Format},
    filter::Filter,
    pipe::Pipe,
    station::Traits,
    stats::SinkStats,
    writer::Output,
};
use std::{
    fs,
    num::NonZeroUsize,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};
use tengen_core::sink::Level;
use tengen_settings::{self as settings, Rule, SinkKind};

const SOON: Duration = Duration::from_secs(30);

/// Takes all, or nothing while it is shut.
#[derive(Clone, Default)]
struct Door {
    taken: Arc<Mutex<Vec<u8>>>,
    is_shut: Arc<AtomicBool>,
}

impl Output for Door {
    fn prepare(&mut self, _: usize) -> io::Result<()> {
        match self.is_shut.load(Ordering::Relaxed) {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.taken.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Sink {
    door: Door,
    pipe: Arc<Pipe>,
    attached: Attached,
}

impl Sink {
    fn new(settings: &settings::Sink, is_shut: bool) -> Self {
        let (pipe, door) = (Arc::<Pipe>::default(), Door::default());
        pipe.set_filter(Filter::of_level("test", "trace").unwrap());
        door.is_shut.store(is_shut, Ordering::Relaxed);
        let station = Station::new(Traits::of(settings), Filter::default());
        let attached =
            Attached::stream(&pipe, &station, settings, door.clone(), Encoder(Format::Json));
        Self { door, pipe, attached: attached.unwrap() }
    }

    /// Not faster than the disk takes it.
    fn say(&self, messages: impl IntoIterator<Item = u64>) {
        for number in messages {
            self.wait_for(|_| self.attached.station().has_put_away());
            self.pipe.put(Signal::new(Level::Info, "test", number.to_string()), None);
        }
    }

    #[track_caller]
    fn stats(&self) -> SinkStats {
        let stats = self.attached.station().stats();
        let rest = stats.dropped.total() + stats.queued + stats.in_flight + stats.spilled;
        assert_eq!(stats.accepted, stats.processed + rest, "{stats:?}");
        stats
    }

    #[track_caller]
    fn wait_for(&self, what: impl Fn(&SinkStats) -> bool) -> SinkStats {
        let begun = Instant::now();
        loop {
            let stats = self.stats();
            if what(&stats) {
                return stats;
            }
            assert!(begun.elapsed() < SOON, "{stats:?}");
            thread::yield_now();
        }
    }

    fn open(&self) {
        self.door.is_shut.store(false, Ordering::Relaxed);
    }

    fn heard(&self) -> Vec<u64> {
        let text = String::from_utf8(self.door.taken.lock().unwrap().clone()).unwrap();
        let number = |line: &str| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["message"].as_str().unwrap().parse().ok()
        };
        text.lines().filter_map(number).collect()
    }

    #[track_caller]
    fn end(&self, within: Duration) -> SinkStats {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { self.attached.stop(Instant::now() + within).await });
        let stats = self.stats();
        assert_eq!((stats.queued, stats.in_flight), (0, 0), "{stats:?}");
        stats
    }
}

fn spilling(folder: &Path) -> settings::Sink {
    let size = NonZeroUsize::new(1 << 20).unwrap();
    settings::Sink {
        buffer: NonZeroUsize::new(8).unwrap(),
        batch: NonZeroUsize::new(4).unwrap(),
        spill: Some(Spill { size, ..Spill::new(folder.join("spill")) }),
        ..settings::Sink::new(SinkKind::File)
    }
}

fn files(folder: &Path) -> usize {
    let entries = fs::read_dir(folder.join("spill")).unwrap();
    entries.filter(|entry| entry.as_ref().unwrap().path().extension().is_some()).count()
}

#[test]
fn what_finds_no_room_comes_back_from_the_disk_in_order_and_nothing_is_left_there() {
    let folder = tempfile::tempdir().unwrap();
    let sink = Sink::new(&spilling(folder.path()), true);
    sink.say(0..1000);
    let stats = sink.wait_for(|stats| stats.spilled > 900);
    assert_eq!(stats.dropped.total(), 0, "{stats:?}");
    assert!(stats.spill.unwrap().bytes > 0);
    sink.open();
    sink.say(1000..1500);
    let stats = sink.wait_for(|stats| stats.processed == 1500);
    assert_eq!(sink.heard(), (0..1500).collect::<Vec<_>>());
    assert_eq!((stats.spilled, files(folder.path())), (0, 0));
    sink.end(SOON);
}

#[test]
fn what_is_left_at_the_end_is_there_for_the_next_run_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let settings = spilling(folder.path());
    let first = Sink::new(&settings, true);
    first.say(0..300);
    let stats = first.end(Duration::from_millis(200));
    assert_eq!((stats.spilled, stats.dropped.total(), stats.processed), (300, 0, 0), "{stats:?}");
    drop(first);
    let second = Sink::new(&settings, false);
    second.say(300..310);
    let stats = second.wait_for(|stats| stats.processed == 310);
    assert_eq!((stats.accepted, stats.offered), (310, 10));
    assert_eq!(stats.spill.unwrap().recovered, 300);
    assert_eq!(second.heard(), (0..310).collect::<Vec<_>>());
    second.end(SOON);
    assert_eq!(files(folder.path()), 0);
}

#[test]
fn an_end_in_the_midst_of_reading_back_gives_the_next_run_only_what_was_not_delivered() {
    let folder = tempfile::tempdir().unwrap();
    let settings = spilling(folder.path());
    let first = Sink::new(&settings, true);
    first.say(0..300);
    first.open();
    first.wait_for(|stats| stats.processed > 20);
    first.door.is_shut.store(true, Ordering::Relaxed);
    let stats = first.end(Duration::from_millis(200));
    assert_eq!(stats.processed + stats.spilled, 300, "{stats:?}");
    let mut heard = first.heard();
    drop(first);
    let second = Sink::new(&settings, false);
    second.wait_for(|more| more.processed == stats.spilled);
    heard.extend(second.heard());
    assert_eq!(heard, (0..300).collect::<Vec<_>>(), "none twice, none missing");
}

#[test]
fn over_its_budget_a_disk_takes_no_more_or_gives_up_the_oldest_as_it_is_told() {
    for when_full in [FullSink::DropNewest, FullSink::DropOldest] {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings::Sink { when_full, ..spilling(folder.path()) };
        let size = NonZeroUsize::new(8 << 10).unwrap();
        settings.spill = settings.spill.map(|spill| Spill { size, ..spill });
        let sink = Sink::new(&settings, true);
        sink.say(0..400);
        let stats = sink.stats();
        assert!(stats.spill.as_ref().unwrap().bytes <= 8 << 10, "{stats:?}");
        let lost = stats.dropped;
        match when_full {
            FullSink::DropNewest => assert_eq!(lost.total(), lost.spill_full + lost.queue_full),
            _ => assert_eq!(lost.total(), lost.displaced),
        }
        assert!(lost.total() > 100, "{stats:?}");
        sink.open();
        let stats = sink.wait_for(|stats| stats.spilled + stats.queued + stats.in_flight == 0);
        let heard = sink.heard();
        assert!(heard.is_sorted() && heard.len() as u64 == stats.processed, "{heard:?}");
        // What was in the queue stays; behind it, the oldest is missing or the newest.
        let gap = heard.windows(2).position(|two| two[0] + 1 != two[1]);
        let in_queue = settings.buffer.get() + settings.batch.get();
        assert!(gap.is_none_or(|place| place < in_queue), "{gap:?} in {heard:?}");
        let last = heard.last().copied();
        assert_eq!(last == Some(399), when_full == FullSink::DropOldest, "{last:?}");
    }
}

#[test]
fn a_tail_that_was_cut_or_changed_is_told_and_costs_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let settings = spilling(folder.path());
    let first = Sink::new(&settings, true);
    first.say(0..3);
    first.end(Duration::from_millis(200));
    drop(first);
    let name = |number: u64| folder.path().join(format!("spill/{number:016x}.spill"));
    let mut text = fs::read(name(1 << 32)).unwrap();
    // Another file behind it, whose last record is cut, and a third whose last is changed.
    fs::write(name((1 << 32) + 1), &text[..text.len() - 5]).unwrap();
    *text.last_mut().unwrap() ^= 1;
    fs::write(name((1 << 32) + 2), &text).unwrap();
    fs::write(name((1 << 32) + 3), b"nonsense and more").unwrap();
    let second = Sink::new(&settings, false);
    let stats = second.wait_for(|stats| stats.processed == 7);
    let spill = stats.spill.unwrap();
    assert_eq!(spill.recovered, 7);
    assert!(spill.damaged > 100, "{spill:?}");
    assert_eq!(second.heard(), [0, 1, 2, 0, 1, 0, 1]);
    assert_eq!(files(folder.path()), 0);
}

#[test]
fn a_disk_that_cannot_be_written_costs_only_what_finds_no_room_and_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    // A file where the folder is to be.
    fs::write(folder.path().join("spill"), b"").unwrap();
    let sink = Sink::new(&spilling(folder.path()), true);
    sink.wait_for(|stats| stats.spill.as_ref().is_some_and(|spill| spill.errors > 0));
    sink.say(0..100);
    let stats = sink.stats();
    assert!(stats.dropped.spill_failed > 50, "{stats:?}");
    assert_eq!(stats.dropped.total(), stats.dropped.spill_failed);
    assert!(stats.advice.unwrap().contains("cannot spill to its disk"));
    fs::remove_file(folder.path().join("spill")).unwrap();
    sink.wait_for(|stats| stats.spilled > 0);
    sink.open();
    let stats = sink.wait_for(|stats| stats.queued + stats.in_flight + stats.spilled == 0);
    assert_eq!(stats.processed + stats.dropped.total(), 100);
    assert!(sink.heard().is_sorted());
}

#[test]
fn a_folder_has_one_gateway_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let settings = spilling(folder.path());
    let first = Sink::new(&settings, true);
    first.say(0..20);
    first.wait_for(|stats| stats.spilled > 0);
    let second = Sink::new(&settings, false);
    let is_told = |stats: &SinkStats| {
        let error = stats.spill.as_ref().and_then(|spill| spill.error.clone());
        error.is_some_and(|error| error.contains("another gateway spills there"))
    };
    second.wait_for(is_told);
    second.say(100..105);
    second.wait_for(|stats| stats.processed == 5);
    assert_eq!(second.heard(), [100, 101, 102, 103, 104], "it works without");
}

#[test]
fn what_a_rule_hides_is_not_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let rules = vec![Rule { redact: Some("message".into()), ..Rule::none() }];
    let sink = Sink::new(&settings::Sink { rules, ..spilling(folder.path()) }, true);
    sink.say(7_000_000..7_000_050);
    sink.wait_for(|stats| stats.spilled > 20);
    sink.end(Duration::from_millis(100));
    for entry in fs::read_dir(folder.path().join("spill")).unwrap() {
        let text = fs::read(entry.unwrap().path()).unwrap();
        assert!(!String::from_utf8_lossy(&text).contains("70000"), "it is there");
    }
}

#[cfg(unix)]
#[test]
fn its_files_are_for_nobody_elses_eyes() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let sink = Sink::new(&spilling(folder.path()), true);
    sink.say(0..50);
    sink.wait_for(|stats| stats.spilled > 0);
    for entry in fs::read_dir(folder.path().join("spill")).unwrap() {
        assert_eq!(entry.unwrap().metadata().unwrap().permissions().mode() & 0o077, 0);
    }
}
