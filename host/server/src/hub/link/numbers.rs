//! The replies that one connection's peer waits for, by their numbers.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Of one connection: a client that asks without end uses up its own places.
pub(in crate::hub) const OF_A_CONNECTION: usize = 256;

/// The numbers of one connection's replies; looked at under the lock of their table only, but for its end.
#[derive(Debug, Default)]
pub(in crate::hub) struct Numbers(Mutex<VecDeque<u32>>);

impl Numbers {
    fn lock(&self) -> MutexGuard<'_, VecDeque<u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those that are left at the connection's end.
    pub(in crate::hub) fn take(&self) -> VecDeque<u32> {
        std::mem::take(&mut *self.lock())
    }

    /// False when there would be too many.
    pub(in crate::hub) fn add(&self, number: u32) -> bool {
        let mut numbers = self.lock();
        let has_room = numbers.len() < OF_A_CONNECTION;
        if has_room {
            numbers.push_back(number);
        }
        has_room
    }

    pub(in crate::hub) fn remove(&self, number: u32) {
        let mut numbers = self.lock();
        // Most are answered in the order in which they were asked.
        if let Some(place) = numbers.iter().position(|other| *other == number) {
            numbers.remove(place);
        }
        if numbers.is_empty() && numbers.capacity() > 64 {
            *numbers = VecDeque::new();
        }
    }
}
