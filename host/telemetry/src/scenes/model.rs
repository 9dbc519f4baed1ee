//! Accounts add up whatever happens: random load, failures, changes, disks that fill up, and an end at a random moment,
//! after which another run finds what the first has left.
//!
//! 50 seeds; `TENGEN_SEEDS` says how many, `TENGEN_SEED` which one.

use crate::{
    attached::Attached,
    encode::{Encoder, Format},
    filter::Filter,
    pipe::Pipe,
    station::{Station, Traits},
    writer::Output,
};
use std::{
    io,
    num::NonZeroUsize,
    path::Path,
    sync::Arc,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};
use tengen_core::sink::{Level, Signal};
use tengen_settings::{self as settings, FullSink, Rule, SinkKind, Spill};

/// Numbers that follow from a seed.
#[derive(Clone)]
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }
}

/// Takes all, a part, nothing, or fails; counts the whole lines that it has.
struct Moody {
    dice: Dice,
    lines: Arc<AtomicU64>,
}

impl Output for Moody {
    fn prepare(&mut self, _: usize) -> io::Result<()> {
        match self.dice.one_in(20) {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.dice.one_in(10) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if self.dice.one_in(5) {
            thread::yield_now();
        }
        let most = if self.dice.one_in(4) {
            self.dice.below(bytes.len() as u64) + 1
        } else {
            bytes.len() as u64
        };
        let taken = &bytes[..most as usize];
        let ends = taken.iter().filter(|byte| **byte == b'\n').count();
        self.lines.fetch_add(ends as u64, Ordering::Relaxed);
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes all.
struct Calm(Arc<AtomicU64>);

impl Output for Calm {
    fn prepare(&mut self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let ends = bytes.iter().filter(|byte| **byte == b'\n').count();
        self.0.fetch_add(ends as u64, Ordering::Relaxed);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn settings(dice: &mut Dice, place: usize, folder: &Path) -> settings::Sink {
    let full = FullSink::ALL[dice.below(3) as usize];
    let at_least_one = |number| NonZeroUsize::new(number as usize).unwrap_or(NonZeroUsize::MIN);
    let rules = match dice.one_in(3) {
        true => vec![Rule { drop: Some("a*".into()), ..Rule::none() }],
        false => Vec::new(),
    };
    let level = dice.one_in(2).then(|| "warn".to_owned());
    let sample = if dice.one_in(3) { 0.5 } else { 1.0 };
    let size = at_least_one(5_000 + dice.below(100_000));
    let spill = Spill { size, ..Spill::new(folder.join(place.to_string())) };
    settings::Sink {
        name: Some(format!("sink-{place}")),
        spill: dice.one_in(2).then_some(spill),
        buffer: at_least_one(dice.below(64)),
        bytes: at_least_one(1000 + dice.below(100_000)),
        when_full: full,
        wait: Duration::from_micros(dice.below(500)),
        batch: at_least_one(dice.below(32)),
        delay: Duration::from_micros(dice.below(300)),
        synchronous: dice.one_in(6),
        filter: settings::Filter { level, sample, ..settings::Filter::default() },
        rules,
        ..settings::Sink::new(SinkKind::File)
    }
}

fn speak(pipe: &Pipe, mut dice: Dice, over: &AtomicBool) -> u64 {
    let mut said = 0;
    while said < 400 && !over.load(Ordering::Relaxed) {
        let level = Level::ALL[dice.below(6) as usize];
        let id = ["a", "b", "c", ""][dice.below(4) as usize];
        let text = "x".repeat(dice.below(300) as usize);
        pipe.put(Signal { id: id.into(), ..Signal::new(level, "model", text) }, None);
        said += 1;
    }
    said
}

#[track_caller]
fn adds_up(seed: u64, station: &Station) {
    let stats = station.stats();
    let rest = stats.dropped.total() + stats.queued + stats.in_flight + stats.spilled;
    assert_eq!(stats.accepted, stats.processed + rest, "seed {seed}: {stats:?}");
}

/// What a run has left on the disk is delivered by the next, once.
fn check_next_run(seed: u64, of: &settings::Sink, left: u64) {
    let pipe = Arc::<Pipe>::default();
    let station = Station::new(Traits::of(of), Filter::default());
    let lines = Arc::<AtomicU64>::default();
    let calm = Calm(Arc::clone(&lines));
    let sink = Attached::stream(&pipe, &station, of, calm, Encoder(Format::Json)).unwrap();
    assert!(station.drain(Duration::from_secs(30)), "seed {seed}: {:?}", station.stats());
    let stats = station.stats();
    adds_up(seed, &station);
    let found = stats.spill.as_ref().map_or(0, |spill| spill.recovered);
    assert_eq!((stats.accepted, found), (left, left), "seed {seed}: {stats:?}");
    // A rule is carried out once more, and drops nothing that it had let pass.
    assert_eq!(stats.processed, left, "seed {seed}: {stats:?}");
    assert_eq!(lines.load(Ordering::Relaxed), left, "seed {seed}: {stats:?}");
    drop(sink);
}

/// A sink, the lines that its output was given, and its settings.
type Sunk = (Attached, Arc<AtomicU64>, settings::Sink);

fn filter(dice: &mut Dice) -> Filter {
    let filter = settings::Filter {
        sample: if dice.one_in(2) { 0.7 } else { 1.0 },
        limit: dice.one_in(2).then(|| settings::Rate::per_minute(200)),
        ..settings::Filter::default()
    };
    Filter::new(&filter, "debug").unwrap()
}

fn sunk(dice: &mut Dice, pipe: &Arc<Pipe>, place: usize, folder: &Path) -> Sunk {
    let of = settings(dice, place, folder);
    let station = Station::new(Traits::of(&of), Filter::new(&of.filter, "trace").unwrap());
    let lines = Arc::<AtomicU64>::default();
    let moody = Moody { dice: Dice(dice.below(u64::MAX)), lines: Arc::clone(&lines) };
    let encoder = Encoder(Format::Json);
    (Attached::stream(pipe, &station, &of, moody, encoder).unwrap(), lines, of)
}

/// While others say something: sinks are paused, go on, and get other filters, and each account adds up at every moment.
fn disturb(seed: u64, dice: &mut Dice, pipe: &Pipe, sinks: &[Sunk]) {
    for _ in 0..dice.below(40) {
        let (sink, ..) = &sinks[dice.below(sinks.len() as u64) as usize];
        match dice.below(4) {
            0 => sink.station().pause(true),
            1 => sink.station().pause(false),
            2 => pipe.set_filter_of(sink.station(), Filter::of_level("test", "info").unwrap()),
            _ => adds_up(seed, sink.station()),
        }
    }
}

/// How much was said by three, while the sinks are disturbed, or end `early`.
fn say(seed: u64, dice: &mut Dice, pipe: &Arc<Pipe>, sinks: &[Sunk], early: bool) -> u64 {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let speakers: Vec<_> = (0..3)
            .map(|_| {
                let (dice, pipe, over) = (Dice(dice.below(u64::MAX)), pipe, &over);
                scope.spawn(move || speak(pipe, dice, over))
            })
            .collect();
        disturb(seed, dice, pipe, sinks);
        if early {
            end(sinks, Duration::from_millis(dice.below(30)));
            over.store(true, Ordering::Relaxed);
        }
        speakers.into_iter().map(|speaker| speaker.join().unwrap()).sum()
    })
}

fn check(seed: u64) {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) + 1);
    let folder = tempfile::tempdir().unwrap();
    let pipe = Arc::<Pipe>::default();
    pipe.set_filter(filter(&mut dice));
    let sinks: Vec<_> = (0..=dice.below(4) as usize)
        .map(|place| sunk(&mut dice, &pipe, place, folder.path()))
        .collect();
    let early = dice.one_in(2);
    let said = say(seed, &mut dice, &pipe, &sinks, early);
    // For a disk that others use as well, too.
    end(&sinks, Duration::from_secs(4));
    let all = pipe.stats();
    let sum = all.filtered + all.sampled_out + all.limited + all.accepted;
    assert_eq!((all.created, all.created), (said, sum), "seed {seed}");
    for one in &sinks {
        check_end(seed, one, (!early).then_some(all.accepted));
    }
}

/// What became of a sink's signals. `offered`: how many there were, if it was there until all was said.
fn check_end(seed: u64, (sink, lines, of): &Sunk, offered: Option<u64>) {
    // The end waits no longer than it may; a thread that had no processor meanwhile counts what it has a moment later.
    let is_over = of.spill.is_some() || sink.station().drain(Duration::from_secs(20));
    assert!(is_over, "seed {seed}");
    let stats = sink.station().stats();
    adds_up(seed, sink.station());
    assert_eq!((stats.queued, stats.in_flight), (0, 0), "seed {seed}: {stats:?}");
    let passed_over = stats.filtered + stats.sampled_out + stats.limited + stats.withheld;
    assert_eq!(stats.offered, passed_over + stats.accepted, "seed {seed}: {stats:?}");
    assert_eq!(stats.offered, offered.unwrap_or(stats.offered), "seed {seed}: {stats:?}");
    assert!(lines.load(Ordering::Relaxed) >= stats.processed, "seed {seed}: {stats:?}");
    if offered.is_some() && of.spill.is_some() && !of.synchronous {
        check_next_run(seed, of, stats.spilled);
    }
}

/// Ends all of them, within so long.
fn end(sinks: &[Sunk], within: Duration) {
    let until = Instant::now() + within;
    let ends: Vec<_> = sinks.iter().map(|(sink, ..)| sink.stop(until)).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(futures_util::future::join_all(ends));
}

#[test]
fn accounts_add_up_whatever_happens() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    match number("TENGEN_SEED") {
        Some(seed) => check(seed),
        None => (0..number("TENGEN_SEEDS").unwrap_or(50)).for_each(check),
    }
}
