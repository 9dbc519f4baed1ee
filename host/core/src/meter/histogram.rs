//! How long things take: counts by ranges of time.

use crate::count::{Apart, PARTS, place};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
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

/// The range that a time is in: its upper end belongs to it.
fn range(nanos: u64) -> usize {
    BOUNDS.partition_point(|bound| *bound < nanos)
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// For what few write at the same time: who drives a plugin's instance, which only one does.
#[derive(Debug, Default)]
pub struct Histogram {
    ranges: [AtomicU64; RANGES],
    /// 584 years of it.
    nanos: AtomicU64,
}

impl Histogram {
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
    pub fn record(&mut self, time: Duration) {
        let nanos = nanos(time);
        if let Some(range) = self.ranges.get_mut(range(nanos)) {
            *range += 1;
        }
        self.nanos = self.nanos.saturating_add(nanos);
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
}

impl Reading {
    pub fn count(&self) -> u64 {
        self.ranges.iter().sum()
    }

    /// All times together, in seconds.
    pub fn seconds(&self) -> f64 {
        seconds(self.nanos)
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

    #[test]
    fn a_time_of_centuries_is_counted_and_nothing_overflows() {
        let (histogram, mut gathered) = (Histogram::default(), Gathered::default());
        gathered.record(Duration::MAX);
        gathered.record(Duration::MAX);
        histogram.add(&gathered);
        assert_eq!(filled(&histogram.read()), [(f64::INFINITY, 2)]);
    }

    proptest! {
        #[test]
        fn a_batch_leaves_what_its_events_would_leave_one_by_one(
            times in proptest::collection::vec(0_u64..20_000_000_000, 0..100),
        ) {
            let (one_by_one, together) = (Histogram::default(), Histogram::default());
            let mut gathered = Gathered::default();
            for time in times {
                one_by_one.record(Duration::from_nanos(time));
                gathered.record(Duration::from_nanos(time));
            }
            together.add(&gathered);
            prop_assert_eq!(one_by_one.read(), together.read());
        }
    }
}
