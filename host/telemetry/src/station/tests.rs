//! What waits for a sink, and what gives way.

use super::*;
use crate::stats::SinkStats;
use recent::{BYTES as RECENT_BYTES, COUNT as RECENT};
use rules::Rules;
use std::{
    num::NonZeroUsize,
    thread,
    time::{Duration, SystemTime},
};
use tengen_core::sink::Level;
use tengen_settings::{self as settings, FullSink};

const ONE: NonZeroUsize = NonZeroUsize::MIN;
const MANY: NonZeroUsize = NonZeroUsize::new(1000).unwrap();

fn station(when_full: FullSink, buffer: usize) -> Arc<Station> {
    let buffer = NonZeroUsize::new(buffer).unwrap();
    let traits = Traits { when_full, buffer, ..Traits::new("test", "file") };
    Station::new(traits, Filter::default())
}

fn offer(station: &Station, message: &str) {
    let signal = Arc::new(Signal::new(Level::Info, "test", message.to_owned()));
    station.take_in(&signal, signal.weight(), true);
}

fn taken(station: &Station) -> Vec<String> {
    let Next::Deliver(batch) = station.next(MANY) else { return Vec::new() };
    station.delivered(&batch.signals);
    station.release(&batch);
    batch.signals.iter().map(|signal| signal.message.to_string()).collect()
}

#[track_caller]
fn adds_up(station: &Station) -> SinkStats {
    let stats = station.stats();
    let kept_out = stats.filtered + stats.sampled_out + stats.limited + stats.withheld;
    assert_eq!(stats.offered, kept_out + stats.accepted, "{stats:?}");
    let rest = stats.dropped.total() + stats.queued + stats.in_flight;
    assert_eq!(stats.accepted, stats.processed + rest, "{stats:?}");
    stats
}

#[test]
fn a_full_queue_loses_the_newest_or_the_oldest_as_it_is_told() {
    for (when_full, kept) in
        [(FullSink::DropNewest, ["a", "b"]), (FullSink::DropOldest, ["c", "d"])]
    {
        let station = station(when_full, 2);
        ["a", "b", "c", "d"].iter().for_each(|message| offer(&station, message));
        assert_eq!(adds_up(&station).queued, 2);
        assert_eq!(taken(&station), kept);
        let stats = adds_up(&station);
        assert_eq!((stats.processed, stats.dropped.total(), stats.queued), (2, 2, 0));
    }
}

#[test]
fn bytes_are_bounded_with_what_is_under_way() {
    let traits =
        Traits { bytes: NonZeroUsize::new(20_000).unwrap(), ..Traits::new("test", "file") };
    let station = Station::new(traits, Filter::default());
    let large = "x".repeat(8000);
    (0..3).for_each(|_| offer(&station, &large));
    let Next::Deliver(batch) = station.next(ONE) else { panic!("two are there") };
    offer(&station, &large);
    assert_eq!(adds_up(&station).dropped.queue_full, 2);
    station.delivered(&batch.signals);
    station.release(&batch);
    offer(&station, &large);
    assert_eq!((adds_up(&station).queued, station.stats().bytes < 20_000), (2, true));
}

#[test]
fn who_may_wait_waits_for_room_and_not_for_ever() {
    let buffer = ONE;
    let traits = Traits {
        when_full: FullSink::Block,
        buffer,
        wait: Duration::from_millis(20),
        ..Traits::new("test", "file")
    };
    let station = Station::new(traits, Filter::default());
    offer(&station, "a");
    let begun = Instant::now();
    offer(&station, "b");
    assert!(begun.elapsed() >= Duration::from_millis(20));
    assert_eq!(adds_up(&station).dropped.queue_full, 1);
    let patient = Traits {
        when_full: FullSink::Block,
        buffer,
        wait: Duration::from_secs(60),
        ..Traits::new("test", "file")
    };
    let station = Station::new(patient, Filter::default());
    offer(&station, "a");
    thread::scope(|scope| {
        let waits = scope.spawn(|| offer(&station, "b"));
        while station.lock().blocked == 0 {
            thread::yield_now();
        }
        assert_eq!(taken(&station), ["a"]);
        waits.join().unwrap();
    });
    assert_eq!(taken(&station), ["b"]);
    assert_eq!(adds_up(&station).dropped.total(), 0);
}

#[tokio::test]
async fn who_serves_connections_waits_for_no_sink() {
    let traits = Traits {
        when_full: FullSink::Block,
        buffer: ONE,
        wait: Duration::from_secs(20),
        ..Traits::new("test", "file")
    };
    let station = Station::new(traits, Filter::default());
    offer(&station, "a");
    let began = std::time::Instant::now();
    offer(&station, "b");
    assert!(began.elapsed() < Duration::from_secs(20), "it waited");
    assert_eq!(adds_up(&station).dropped.queue_full, 1);
}

#[test]
fn a_paused_sink_keeps_what_it_may_and_goes_on() {
    let station = station(FullSink::DropNewest, 2);
    station.pause(true);
    ["a", "b", "c"].iter().for_each(|message| offer(&station, message));
    assert!(matches!(station.next(MANY), Next::Wait));
    let stats = adds_up(&station);
    assert_eq!((stats.health, stats.queued, stats.dropped.queue_full), ("paused", 2, 1));
    station.pause(false);
    assert_eq!(taken(&station), ["a", "b"]);
}

#[test]
fn the_end_hands_out_what_is_queued_and_takes_no_more() {
    let station = station(FullSink::DropNewest, 8);
    offer(&station, "a");
    station.pause(true);
    station.close(Instant::now());
    offer(&station, "late");
    assert_eq!(taken(&station), ["a"], "paused or not");
    assert!(matches!(station.next(MANY), Next::End));
    assert_eq!(adds_up(&station).dropped.shutdown, 1);
}

#[test]
fn what_nobody_delivers_is_lost_and_counted() {
    let station = station(FullSink::DropNewest, 8);
    ["a", "b", "c"].iter().for_each(|message| offer(&station, message));
    let Next::Deliver(_stuck) = station.next(ONE) else { panic!("it is there") };
    station.close(Instant::now());
    station.abandon();
    let stats = adds_up(&station);
    assert_eq!((stats.dropped.shutdown, stats.in_flight, stats.queued), (2, 1, 0));
}

#[test]
fn what_a_rule_drops_is_counted_and_no_loss() {
    let rule = settings::Rule { drop: Some("a*".into()), ..settings::Rule::none() };
    let traits = Traits { rules: Rules::new(&[rule]), ..Traits::new("test", "file") };
    let station = Station::new(traits, Filter::default());
    for id in ["ab", "b", "a"] {
        let signal = Signal { id: id.into(), ..Signal::new(Level::Info, "test", id) };
        station.take_in(&Arc::new(signal), 1, true);
    }
    assert_eq!(taken(&station), ["b"]);
    assert_eq!((adds_up(&station).dropped.rule, station.lost()), (2, 0));
}

#[test]
fn the_last_that_were_delivered_are_kept_within_bounds() {
    let station = station(FullSink::DropNewest, 1000);
    (0..600).for_each(|number| offer(&station, &number.to_string()));
    taken(&station);
    let recent: Vec<_> = station.recent().iter().map(|signal| signal.message.to_string()).collect();
    assert_eq!((recent.len(), recent[0].as_str()), (RECENT, "344"));
    let large = "x".repeat(RECENT_BYTES / 4);
    (0..9).for_each(|_| offer(&station, &large));
    taken(&station);
    assert_eq!(station.recent().len(), 3);
}

#[test]
fn many_who_say_something_lose_nothing_and_wake_who_delivers() {
    const EACH: usize = 20_000;
    let station = station(FullSink::Block, 64);
    let delivered = thread::scope(|scope| {
        let deliver = scope.spawn(|| {
            let mut count = 0;
            while let Some(batch) = station.wait_for(MANY, Duration::ZERO) {
                count += batch.signals.len();
                station.delivered(&batch.signals);
                station.release(&batch);
            }
            count
        });
        let speakers: Vec<_> =
            (0..3).map(|_| scope.spawn(|| (0..EACH).for_each(|_| offer(&station, "x")))).collect();
        speakers.into_iter().for_each(|speaker| speaker.join().unwrap());
        station.close(Instant::now());
        deliver.join().unwrap()
    });
    let stats = adds_up(&station);
    assert_eq!((stats.accepted, stats.queued), (3 * EACH as u64, 0));
    assert_eq!(delivered as u64 + stats.dropped.total(), 3 * EACH as u64);
}

/// Whether those who wait are woken by so many signals, one after the other.
fn wakes(station: &Station, signals: usize) -> bool {
    let mut woken = std::pin::pin!(station.wake.notified());
    woken.as_mut().enable();
    (0..signals).for_each(|_| offer(station, "x"));
    woken.as_mut().enable()
}

#[test]
fn who_lingers_is_woken_by_a_whole_batch_and_who_sleeps_by_the_first_signal() {
    let batch = NonZeroUsize::new(4).unwrap();
    let station = station(FullSink::DropNewest, 100);
    let Next::Linger(_) = station.next_soon(batch) else { panic!("there is nothing") };
    assert!(!wakes(&station, 3));
    assert!(wakes(&station, 1));
    assert_eq!(taken(&station).len(), 4);
    assert!(matches!(station.next(batch), Next::Wait));
    assert!(wakes(&station, 1));
    adds_up(&station);
}

#[test]
fn who_has_lingered_and_sleeps_is_woken_by_the_first_signal() {
    let station = station(FullSink::DropNewest, 100);
    let Next::Linger(since) = station.next_soon(MANY) else { panic!("there is nothing") };
    station.look(since);
    assert!(matches!(station.next(MANY), Next::Wait));
    assert!(wakes(&station, 1));
    // It was woken before it said that it looks: nobody lingers who does not.
    let Next::Deliver(_) = station.next_soon(MANY) else { panic!("one is there") };
    let Next::Linger(since) = station.next_soon(MANY) else { panic!("there is nothing") };
    station.pause(false);
    station.look(since);
    assert!(matches!(station.next(MANY), Next::Wait));
    assert!(wakes(&station, 1));
}

#[test]
fn who_lingers_is_woken_while_there_is_room() {
    let few = station(FullSink::DropNewest, 2);
    let Next::Linger(_) = few.next_soon(MANY) else { panic!("there is nothing") };
    assert!(wakes(&few, 1));
    let bytes = NonZeroUsize::new(20_000).unwrap();
    let small = Station::new(Traits { bytes, ..Traits::new("test", "file") }, Filter::default());
    let Next::Linger(_) = small.next_soon(MANY) else { panic!("there is nothing") };
    let mut woken = std::pin::pin!(small.wake.notified());
    woken.as_mut().enable();
    offer(&small, &"x".repeat(12_000));
    assert!(woken.as_mut().enable());
}

#[test]
fn a_filter_that_asks_each_signal_is_asked_from_when_it_is_set() {
    let station = station(FullSink::DropNewest, 100);
    let of = settings::Filter { sample: 0.0, ..settings::Filter::default() };
    offer(&station, "a");
    station.set_filter(Filter::new(&of, "trace").unwrap());
    offer(&station, "b");
    station.set_filter(Filter::default());
    offer(&station, "c");
    assert_eq!((adds_up(&station).sampled_out, taken(&station)), (1, vec!["a".into(), "c".into()]));
}

#[test]
fn what_it_takes_from_when_a_signal_is_said_to_when_it_is_delivered_is_counted_by_ranges() {
    let station = station(FullSink::DropNewest, 1000);
    let old = SystemTime::now() - Duration::from_millis(300);
    for at in [old; 99] {
        let signal = Arc::new(Signal { at, ..Signal::new(Level::Info, "test", "x") });
        station.take_in(&signal, signal.weight(), true);
    }
    let latency = station.stats().latency;
    assert_eq!((latency.count, latency.p50_us), (0, None));
    taken(&station);
    let latency = station.stats().latency;
    assert_eq!((latency.count, latency.p50_us, latency.p99_us), (99, Some(500_000), Some(500_000)));
}

#[test]
fn while_something_is_on_the_disk_what_comes_goes_behind_it_though_the_queue_has_room() {
    let traits = Traits { spills: true, ..Traits::new("test", "file") };
    let station = Station::new(traits, Filter::default());
    station.settled(Some((1, 0)), 100);
    offer(&station, "newer");
    assert!(!matches!(station.next(MANY), Next::Deliver(_)), "it would be before what is older");
    station.read_back(vec![Signal::new(Level::Info, "test", "older")], 0, (0, 0));
    station.keep_the_rest();
    let Errand::End(before, behind) = station.errand(true, None) else { panic!("it is over") };
    let texts = before.iter().chain(&behind).map(|signal| &*signal.message);
    assert_eq!(texts.collect::<Vec<_>>(), ["older", "newer"]);
}

#[test]
fn how_old_signals_were_is_shown_by_a_trace_that_is_recorded() {
    let station = station(FullSink::DropNewest, 1000);
    let trace = |trace_id: &str, sampled| {
        let at = SystemTime::now();
        let (trace_id, span_id) = (trace_id.to_owned(), "0f".to_owned());
        Signal { at, trace_id, span_id, sampled, ..Signal::new(Level::Info, "test", "x") }
    };
    for signal in [trace("0a", true), trace("0b", false), trace("odd", true)] {
        let signal = Arc::new(signal);
        station.take_in(&signal, signal.weight(), true);
        taken(&station);
    }
    let times = station.stats().latency.times;
    let shown: Vec<_> = times.exemplars().map(|(_, it)| (it.trace_id, it.span_id)).collect();
    assert!(!shown.is_empty() && shown.iter().all(|it| *it == (0x0a, 0x0f)), "{shown:?}");
}
