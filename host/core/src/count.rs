//! A count that all workers add to for each event.
//!
//! One number that several processors write travels between their caches with each addition, which takes longer than the
//! addition by far. So each thread adds to a part of its own, and whoever wants the count adds the parts up.

use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

/// Threads that have a part of their own; with more, some share theirs, which costs time and nothing else.
pub(crate) const PARTS: usize = 32;

/// Alone in what processors hand to each other: 128 bytes, since many of them fetch lines of 64 in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Apart<T>(pub T);

/// How often something happened.
#[derive(Debug, Default)]
pub struct Count([Apart<AtomicU64>; PARTS]);

impl Count {
    pub fn add(&self, by: u64) {
        if let Some(Apart(part)) = self.0.get(place()) {
            part.fetch_add(by, Ordering::Relaxed);
        }
    }

    /// What was added before; not what others add meanwhile.
    pub fn get(&self) -> u64 {
        self.0.iter().map(|Apart(part)| part.load(Ordering::Relaxed)).fold(0, u64::wrapping_add)
    }
}

/// The part of this thread: given in turn, the first time it counts anything.
pub(crate) fn place() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static PLACE: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    let place = PLACE.get();
    if place < PARTS {
        return place;
    }
    let place = NEXT.fetch_add(1, Ordering::Relaxed) % PARTS;
    PLACE.set(place);
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_more_threads_than_there_are_parts_add_up() {
        let count = Count::default();
        std::thread::scope(|scope| {
            for by in 1..=100 {
                let count = &count;
                scope.spawn(move || (0..by).for_each(|_| count.add(by)));
            }
        });
        assert_eq!(count.get(), (1..=100).map(|by| by * by).sum::<u64>());
    }

    #[test]
    fn no_two_parts_are_in_one_line_of_a_cache() {
        assert_eq!(size_of::<Count>(), 128 * PARTS);
    }
}
