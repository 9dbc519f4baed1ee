//! How long things take: counts by ranges of time.

use super::exemplar::{ByRange, Exemplar, Exemplars};
use crate::count::{Apart, PARTS, place};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// The upper ends of the ranges, in nanoseconds; what takes longer than the last is in one more. A plugin's call takes some
/// 10 µs and a peer at the other end of the world 300 ms, so all have the same ranges.
pub const BOUNDS: [u64; 19] = [
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];
const RANGES: usize = BOUNDS.len() + 1;

/// By how many bits a number has: how many bounds are below the smallest of them.
#[expect(clippy::indexing_slicing, reason = "the compiler carries it out, and says if it is wrong")]
const BELOW: [u8; 65] = {
    let (mut below, mut bits) = ([0; 65], 1);
    while bits <= 64 {
        let (smallest, mut count) = (1 << (bits - 1), 0);
        while count < BOUNDS.len() && BOUNDS[count] < smallest {
            count += 1;
        }
        below[bits] = count as u8;
        bits += 1;
    }
    below
};

/// The range that a time is in: its upper end belongs to it. Every bound is at least twice the one before it, so of all
/// numbers of so many bits one bound at most is in their midst: one comparison decides.
fn range(nanos: u64) -> usize {
    let bits = 64 - nanos.leading_zeros() as usize;
    let below = BELOW.get(bits).copied().map_or(0, usize::from);
    below + usize::from(BOUNDS.get(below).is_some_and(|bound| *bound < nanos))
}

fn nanos(time: Duration) -> u64 {
    let whole = time.as_secs().saturating_mul(1_000_000_000);
    whole.saturating_add(time.subsec_nanos().into())
}

/// For what few write at the same time: who drives a plugin's instance, which only one does.
#[derive(Debug, Default)]
pub struct Histogram {
    ranges: [AtomicU64; RANGES],
    /// 584 years of it.
    nanos: AtomicU64,
    exemplars: Exemplars,
}

impl Histogram {
    /// Keeps the trace in which something took so long, which is counted beside this.
    pub fn show(&self, exemplar: Exemplar) {
        self.exemplars.put(range(nanos(exemplar.time)), exemplar);
    }

    pub fn record(&self, time: Duration) {
        let nanos = nanos(time);
        if let Some(range) = self.ranges.get(range(nanos)) {
            range.fetch_add(1, Ordering::Relaxed);
        }
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// The times of a whole batch.
    pub fn add(&self, gathered: &Gathered) {
        for (range, count) in self.ranges.iter().zip(gathered.ranges) {
            if count > 0 {
                range.fetch_add(count.into(), Ordering::Relaxed);
            }
        }
        if gathered.nanos > 0 {
            self.nanos.fetch_add(gathered.nanos, Ordering::Relaxed);
        }
    }

    pub fn read(&self) -> Reading {
        let mut reading = Reading::default();
        self.read_into(&mut reading);
        reading
    }

    fn read_into(&self, reading: &mut Reading) {
        for (sum, range) in reading.ranges.iter_mut().zip(&self.ranges) {
            *sum += range.load(Ordering::Relaxed);
        }
        reading.nanos = reading.nanos.wrapping_add(self.nanos.load(Ordering::Relaxed));
        self.exemplars.read_into(&mut reading.exemplars);
    }
}

/// The times of one batch, put together before anything is written that others look at: most events of a batch are in one
/// or two ranges, so a batch writes two or three numbers, not two for each event.
#[derive(Debug, Default)]
pub struct Gathered {
    ranges: [u32; RANGES],
    nanos: u64,
}

impl Gathered {
    /// How old what came at these times was at `began`, and so long after that. Many of a batch came at one time, in one
    /// turn of a connection.
    pub fn ages(
        arrived: impl IntoIterator<Item = Instant>,
        began: Instant,
        took: Duration,
    ) -> [Self; 2] {
        let (mut waited, mut decided) = (Self::default(), Self::default());
        let took = nanos(took);
        let mut note = |arrived: Instant, events: u32| {
            let before = nanos(began.saturating_duration_since(arrived));
            waited.record(before, events);
            decided.record(before.saturating_add(took), events);
        };
        let (mut last, mut events) = (began, 0);
        for arrived in arrived {
            if arrived != last && events > 0 {
                note(last, std::mem::take(&mut events));
            }
            (last, events) = (arrived, events + 1);
        }
        if events > 0 {
            note(last, events);
        }
        [waited, decided]
    }

    /// These times.
    pub fn of(times: impl IntoIterator<Item = Duration>) -> Self {
        let mut gathered = Self::default();
        times.into_iter().for_each(|time| gathered.record(nanos(time), 1));
        gathered
    }

    fn record(&mut self, nanos: u64, times: u32) {
        if let Some(range) = self.ranges.get_mut(range(nanos)) {
            *range += times;
        }
        self.nanos = self.nanos.saturating_add(nanos.saturating_mul(times.into()));
    }
}

/// For what all workers write: each to a part of its own, as in [`Count`](crate::count::Count).
#[derive(Debug)]
pub struct Spread(Box<[Apart<Histogram>]>);

impl Default for Spread {
    fn default() -> Self {
        Self((0..PARTS).map(|_| Apart::default()).collect())
    }
}

impl Spread {
    pub fn record(&self, time: Duration) {
        if let Some(Apart(part)) = self.0.get(place()) {
            part.record(time);
        }
    }

    /// See [`Histogram::show`].
    pub fn show(&self, exemplar: Exemplar) {
        if let Some(Apart(part)) = self.0.get(place()) {
            part.show(exemplar);
        }
    }

    pub fn read(&self) -> Reading {
        let mut reading = Reading::default();
        self.0.iter().for_each(|Apart(part)| part.read_into(&mut reading));
        reading
    }
}

/// What a histogram held when it was read. Others may have written meanwhile: the sum may be a few times ahead.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    ranges: [u64; RANGES],
    nanos: u64,
    exemplars: ByRange,
}

impl Reading {
    pub fn count(&self) -> u64 {
        self.ranges.iter().sum()
    }

    /// All times together, in seconds.
    pub fn seconds(&self) -> f64 {
        seconds(self.nanos)
    }

    /// The end of the range within which this share of all times is, 0 to 1. None where nothing was recorded, or where it is
    /// the range without an end.
    pub fn within(&self, share: f64) -> Option<Duration> {
        let wanted = (self.count() as f64 * share).ceil().max(1.0);
        let mut so_far = 0;
        let reached = self.ranges.iter().position(|count| {
            so_far += count;
            so_far as f64 >= wanted
        });
        reached.and_then(|range| BOUNDS.get(range)).map(|bound| Duration::from_nanos(*bound))
    }

    /// Traces that show some of these times: one for a range at most, by the place of the range.
    pub fn exemplars(&self) -> impl Iterator<Item = (usize, &Exemplar)> {
        self.exemplars.iter().map(|(range, exemplar)| (*range, exemplar))
    }

    /// How many are in each range, with its upper end in seconds; the last has none.
    pub fn ranges(&self) -> impl Iterator<Item = (f64, u64)> {
        let ends = BOUNDS.iter().map(|bound| seconds(*bound)).chain([f64::INFINITY]);
        ends.zip(self.ranges)
    }
}

/// Divided, not multiplied: so 10,000 ns are 0.00001 s, and nothing beside it.
fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What no range has.
    fn filled(reading: &Reading) -> Vec<(f64, u64)> {
        reading.ranges().filter(|(_, count)| *count > 0).collect()
    }

    #[test]
    fn a_time_is_in_the_first_range_that_ends_with_it_or_later() {
        let histogram = Histogram::default();
        for nanos in [0, 10_000, 10_001, 1_000_000, 10_000_000_000, 10_000_000_001] {
            histogram.record(Duration::from_nanos(nanos));
        }
        let reading = histogram.read();
        let expected = [(0.00001, 2), (0.000025, 1), (0.001, 1), (10.0, 1), (f64::INFINITY, 1)];
        assert_eq!(filled(&reading), expected);
        assert_eq!((reading.count(), reading.seconds()), (6, 20.001_020_002));
    }

    #[test]
    fn a_share_of_the_times_is_within_the_end_of_its_range() {
        let histogram = Histogram::default();
        assert_eq!(histogram.read().within(0.5), None, "nothing was recorded");
        let millis = |millis| Duration::from_millis(millis);
        histogram.add(&Gathered::of((1..=100).map(millis)));
        let reading = histogram.read();
        let within = [0.0, 0.5, 0.51, 0.99, 1.0].map(|share| reading.within(share));
        assert_eq!(within, [1, 50, 100, 100, 100].map(|end| Some(millis(end))));
        histogram.record(Duration::from_secs(3600));
        assert_eq!(histogram.read().within(1.0), None, "it has no end");
    }

    #[test]
    fn the_times_of_all_threads_add_up() {
        let spread = Spread::default();
        std::thread::scope(|scope| {
            for millis in 1..=8 {
                let spread = &spread;
                scope.spawn(move || {
                    (0..100).for_each(|_| spread.record(Duration::from_millis(millis)));
                });
            }
        });
        let reading = spread.read();
        assert_eq!((reading.count(), reading.seconds()), (800, 3.6));
        assert_eq!(filled(&reading), [(0.001, 100), (0.0025, 100), (0.005, 300), (0.01, 300)]);
    }

    /// Its span says when it was.
    fn exemplar(millis: u64, seconds: u64) -> Exemplar {
        let at = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        Exemplar { trace_id: 1, span_id: seconds, time: Duration::from_millis(millis), at }
    }

    #[test]
    fn of_each_range_the_last_trace_is_kept_whatever_there_were() {
        let histogram = Histogram::default();
        for at in 0..1000 {
            histogram.show(exemplar(at % 3, at));
        }
        let reading = histogram.read();
        let kept: Vec<_> = reading.exemplars().map(|(range, it)| (range, it.span_id)).collect();
        assert_eq!(kept, [(0, 999), (6, 997), (7, 998)]);
        assert_eq!(reading.count(), 0, "they are counted beside it");
    }

    #[test]
    fn a_time_of_centuries_is_counted_and_nothing_overflows() {
        let (histogram, mut gathered) = (Histogram::default(), Gathered::default());
        gathered.record(nanos(Duration::MAX), 1);
        gathered.record(nanos(Duration::MAX), 1);
        histogram.add(&gathered);
        assert_eq!(filled(&histogram.read()), [(f64::INFINITY, 2)]);
    }

    #[test]
    fn what_came_later_than_now_is_not_old() {
        let (histogram, now) = (Histogram::default(), Instant::now());
        let came = [now + Duration::from_secs(1), now, now];
        let [waited, decided] = Gathered::ages(came, now, Duration::from_millis(3));
        histogram.add(&waited);
        assert_eq!(filled(&histogram.read()), [(0.00001, 3)]);
        histogram.add(&decided);
        assert_eq!(filled(&histogram.read()), [(0.00001, 3), (0.005, 3)]);
    }

    proptest! {
        #[test]
        fn the_range_of_a_time_is_found_as_a_search_would(nanos: u64, shift in 0_u32..64) {
            let nanos = nanos >> shift;
            let beside = [nanos, nanos.saturating_sub(1), nanos.saturating_add(1)];
            for nanos in beside.into_iter().chain(BOUNDS).chain(BOUNDS.map(|bound| bound + 1)) {
                prop_assert_eq!(range(nanos), BOUNDS.partition_point(|bound| *bound < nanos));
            }
        }

        #[test]
        fn a_batch_leaves_what_its_events_would_leave_one_by_one(
            times in proptest::collection::vec(0_u64..20_000_000_000, 0..100),
        ) {
            let (one_by_one, together) = (Histogram::default(), Histogram::default());
            let start = Instant::now();
            let now = start + Duration::from_secs(20);
            // Some came together.
            let times = times.into_iter().flat_map(|time| [time; 2]).map(Duration::from_nanos);
            times.clone().for_each(|time| one_by_one.record(time));
            let [waited, _] = Gathered::ages(times.map(|time| now - time), now, Duration::ZERO);
            together.add(&waited);
            prop_assert_eq!(one_by_one.read(), together.read());
        }
    }
}
