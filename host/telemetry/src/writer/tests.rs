//! Streams and files that take nothing, little, or only later.

use super::*;
use crate::{
    encode::Format,
    filter::Filter,
    station::Traits,
    stats::SinkStats,
    writer::{file::Growing, stream::Stream},
};
use std::{
    fs::{self, File},
    io::Read,
    path::Path,
};
use tengen_core::sink::Level;
use tengen_settings::Rotation;

const PACE: Pace = Pace { batch: NonZeroUsize::new(16).unwrap(), delay: Duration::ZERO };
const SOON: Duration = Duration::from_secs(30);

struct Sink {
    station: Arc<Station>,
    done: watch::Receiver<()>,
}

impl Sink {
    fn start(output: impl Output + 'static, buffer: usize) -> Self {
        let buffer = NonZeroUsize::new(buffer).unwrap();
        let station =
            Station::new(Traits { buffer, ..Traits::new("test", "file") }, Filter::default());
        let done = start(Arc::clone(&station), output, Encoder(Format::Json), PACE).unwrap();
        Self { station, done }
    }

    fn file(path: &Path, rotation: Option<Rotation>) -> Self {
        Self::start(Growing::new(path.to_owned(), rotation), 10_000)
    }

    fn say(&self, message: &str) {
        let signal = Arc::new(Signal::new(Level::Info, "test", message.to_owned()));
        self.station.take_in(&signal, signal.weight(), true);
    }

    #[track_caller]
    fn end(mut self, within: Duration) -> SinkStats {
        self.station.close(Instant::now() + within);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let late = within + Duration::from_secs(1);
            let ended =
                tokio::time::timeout(late, async { while self.done.changed().await.is_ok() {} });
            ended.await.unwrap_or_default();
        });
        self.station.abandon();
        let stats = self.station.stats();
        let rest = stats.dropped.total() + stats.queued + stats.in_flight;
        assert_eq!(stats.accepted, stats.processed + rest, "{stats:?}");
        stats
    }
}

fn messages(text: &str) -> Vec<String> {
    let message = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(line["message"].as_str()?.to_owned())
    };
    text.lines().filter_map(message).collect()
}

/// Answers as it is told, then takes all.
struct Scripted<A> {
    taken: Arc<Mutex<Vec<u8>>>,
    answer: A,
}

impl<A: FnMut(&[u8]) -> io::Result<usize> + Send> Output for Scripted<A> {
    fn prepare(&mut self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = (self.answer)(bytes)?;
        self.taken.lock().unwrap().extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_is_said_is_in_the_file_in_order_when_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    let sink = Sink::file(&path, None);
    (0..1000).for_each(|number| sink.say(&number.to_string()));
    let stats = sink.end(SOON);
    assert_eq!((stats.processed, stats.dropped.total()), (1000, 0));
    let expected: Vec<_> = (0..1000).map(|number| number.to_string()).collect();
    assert_eq!(messages(&fs::read_to_string(&path).unwrap()), expected);
}

#[test]
fn a_full_disk_costs_what_finds_no_room_and_keeps_the_rest() {
    let sink = Sink::start(Growing::new("/dev/full".into(), None), 8);
    sink.say("first");
    while sink.station.stats().errors == 0 {
        thread::yield_now();
    }
    (0..100).for_each(|_| sink.say("x"));
    let stats = sink.station.stats();
    assert_eq!((stats.queued, stats.dropped.queue_full, stats.processed), (8, 92, 0));
    assert!(stats.last_error.unwrap().contains("No space left"));
    while sink.station.stats().health != "failing" {
        thread::yield_now();
    }
    let advice = sink.station.stats().advice.unwrap();
    assert!(advice.contains("fails (No space left"), "{advice}");
    let stats = sink.end(Duration::from_millis(50));
    assert_eq!((stats.dropped.queue_full, stats.dropped.shutdown), (92, 9));
}

#[test]
fn a_disk_that_has_room_again_gets_all_that_waited_and_hears_what_is_missing() {
    let (taken, mut refusals) = (Arc::default(), 4);
    let answer = move |bytes: &[u8]| match refusals {
        0 => Ok(bytes.len()),
        _ => {
            refusals -= 1;
            Err(io::ErrorKind::StorageFull.into())
        }
    };
    let sink = Sink::start(Scripted { taken: Arc::clone(&taken), answer }, 4);
    sink.say("a");
    while sink.station.stats().errors == 0 {
        thread::yield_now();
    }
    ["b", "c", "d", "e", "lost"].iter().for_each(|message| sink.say(message));
    let stats = sink.end(SOON);
    assert_eq!((stats.processed, stats.dropped.queue_full, stats.errors), (5, 1, 4));
    let text = String::from_utf8(taken.lock().unwrap().clone()).unwrap();
    let messages = messages(&text);
    let told = messages.iter().filter(|message| message.contains("lines were lost")).count();
    assert_eq!(told, 1, "{text}");
    let rest: Vec<_> = messages.iter().filter(|message| message.len() == 1).collect();
    assert_eq!(rest, ["a", "b", "c", "d", "e"]);
}

#[test]
fn a_line_that_was_cut_is_written_again_on_a_line_of_its_own() {
    let (taken, mut calls) = (Arc::default(), 0);
    let answer = move |bytes: &[u8]| {
        calls += 1;
        match calls {
            1 => Ok(10),
            2 => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(bytes.len()),
        }
    };
    let sink = Sink::start(Scripted { taken: Arc::clone(&taken), answer }, 4);
    sink.say("whole");
    assert_eq!(sink.end(SOON).processed, 1);
    let text = String::from_utf8(taken.lock().unwrap().clone()).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!((lines.len(), lines[0].len()), (2, 10), "{text}");
    assert_eq!(messages(lines[1]), ["whole"]);
}

#[test]
fn a_file_that_may_not_be_written_is_opened_when_it_may() {
    let folder = tempfile::tempdir().unwrap();
    // Not by its mode: who runs the tests may write everywhere.
    let path = folder.path().join("later/log.jsonl");
    let sink = Sink::file(&path, None);
    sink.say("patience");
    while sink.station.stats().errors == 0 {
        thread::yield_now();
    }
    fs::create_dir(path.parent().unwrap()).unwrap();
    let stats = sink.end(SOON);
    assert_eq!((stats.processed, stats.dropped.total()), (1, 0));
    assert_eq!(messages(&fs::read_to_string(&path).unwrap()), ["patience"]);
}

#[test]
fn a_pipe_that_nobody_reads_holds_up_nobody_and_loses_nothing_that_found_room() {
    let (mut reader, writer) = io::pipe().unwrap();
    let sink = Sink::start(Stream(writer), 2000);
    let text = "x".repeat(200);
    sink.say(&text);
    assert!(sink.station.drain(SOON));
    // Once it is stuck in a write, which may take whoever serves it a while, only room is missing.
    let stats = loop {
        sink.say(&text);
        let stats = sink.station.stats();
        if stats.in_flight > 0 && stats.dropped.queue_full > 0 && stats.queued == 2000 {
            break stats;
        }
    };
    assert!(stats.processed > 0, "{stats:?}");
    assert_eq!(stats.health, "behind");
    let read = thread::spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).map(|_| text)
    });
    let stats = sink.end(SOON);
    assert_eq!(stats.accepted, stats.processed + stats.dropped.queue_full);
    let lines = messages(&read.join().unwrap().unwrap());
    let whole = lines.iter().filter(|message| message.len() == 200).count();
    assert_eq!(whole as u64, stats.processed);
    assert_eq!(lines.len() - whole, 1, "one line says what is missing");
}

#[test]
fn the_end_waits_no_longer_for_a_pipe_that_nobody_reads_than_it_may() {
    let (_reader, writer) = io::pipe().unwrap();
    let sink = Sink::start(Stream(writer), 100);
    (0..100).for_each(|_| sink.say(&"x".repeat(8000)));
    let begun = Instant::now();
    let stats = sink.end(Duration::from_millis(100));
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert!(stats.dropped.shutdown > 0 && stats.in_flight > 0, "{stats:?}");
}

#[test]
fn a_file_gives_way_before_it_is_too_large_and_so_many_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    let rotation = Rotation {
        size: NonZeroUsize::new(4000).unwrap(),
        keep: NonZeroUsize::new(2).unwrap(),
        ..Rotation::new()
    };
    let sink = Sink::file(&path, Some(rotation));
    for number in 0..300 {
        sink.say(&number.to_string());
        if number % 10 == 0 {
            assert!(sink.station.drain(SOON));
        }
    }
    assert_eq!(sink.end(SOON).processed, 300);
    let mut names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["log.jsonl", "log.jsonl.1.gz", "log.jsonl.2.gz"]);
    assert!(fs::metadata(&path).unwrap().len() <= 4000);
    let mut told = Vec::new();
    for old in ["log.jsonl.2.gz", "log.jsonl.1.gz"] {
        let mut text = String::new();
        let file = File::open(folder.path().join(old)).unwrap();
        flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
        assert!(text.len() <= 4000);
        told.extend(messages(&text));
    }
    told.extend(messages(&fs::read_to_string(&path).unwrap()));
    let expected: Vec<_> = (300 - told.len()..300).map(|number| number.to_string()).collect();
    assert_eq!(told, expected, "nothing is missing among those that are kept");
}

#[test]
fn a_file_gives_way_after_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    fs::write(&path, "{\"message\":\"old\"}\n").unwrap();
    let hour = Duration::from_secs(3600);
    let file = File::options().append(true).open(&path).unwrap();
    file.set_modified(std::time::SystemTime::now() - hour).unwrap();
    let rotation = Rotation { every: Some(hour), compress: false, ..Rotation::new() };
    let sink = Sink::file(&path, Some(rotation));
    sink.say("new");
    sink.end(SOON);
    assert_eq!(messages(&fs::read_to_string(&path).unwrap()), ["new"]);
    let old = fs::read_to_string(folder.path().join("log.jsonl.1")).unwrap();
    assert_eq!(messages(&old), ["old"]);
}

#[test]
fn a_synchronous_sink_has_written_when_it_was_said() {
    let taken = Arc::<Mutex<Vec<u8>>>::default();
    let station = Station::new(Traits::new("test", "file"), Filter::default());
    let mut calls = 0;
    let answer = move |bytes: &[u8]| {
        calls += 1;
        if calls == 2 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(bytes.len()) }
    };
    at_once(&station, Scripted { taken: Arc::clone(&taken), answer }, Encoder(Format::Json));
    let sink = Sink { station, done: watch::channel(()).1 };
    sink.say("a");
    assert_eq!(messages(&String::from_utf8(taken.lock().unwrap().clone()).unwrap()), ["a"]);
    sink.say("lost");
    sink.say("c");
    let stats = sink.station.stats();
    assert_eq!((stats.processed, stats.dropped.sink_error, stats.queued), (2, 1, 0));
    assert!(String::from_utf8(taken.lock().unwrap().clone()).unwrap().contains("lines were lost"));
}
