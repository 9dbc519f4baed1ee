//! A bounded queue that never makes its producers wait.

use crossbeam_queue::SegQueue;
use std::{
    num::NonZeroUsize,
    sync::atomic::{AtomicUsize, Ordering},
};
use tokio::sync::Notify;

/// Many producers, one consumer. A full queue refuses the newest item.
///
/// It takes memory by segments as it fills, so that a large bound costs nothing while the consumer keeps up.
#[derive(Debug)]
pub(super) struct Queue<T> {
    items: SegQueue<T>,
    /// Never less than the number of items.
    len: AtomicUsize,
    limit: NonZeroUsize,
    wake: Notify,
}

impl<T> Queue<T> {
    pub(super) fn new(limit: NonZeroUsize) -> Self {
        Self { items: SegQueue::new(), len: AtomicUsize::new(0), limit, wake: Notify::new() }
    }

    /// Appends an item and says how many there are now; hands it back when the queue is full. Wakes nobody.
    pub(super) fn push(&self, item: T) -> Result<usize, T> {
        let before = self.len.fetch_add(1, Ordering::Relaxed);
        if before >= self.limit.get() {
            self.len.fetch_sub(1, Ordering::Relaxed);
            return Err(item);
        }
        self.items.push(item);
        Ok(before + 1)
    }

    /// Wakes the consumer whether or not there is something for it.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Waits for [`Queue::wake`].
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Takes up to `most` items, and no more after one for which the answer is no.
    pub(super) fn take_while(&self, most: usize, mut more: impl FnMut(&T) -> bool) -> Vec<T> {
        let mut taken = Vec::with_capacity(most.min(self.len()));
        while taken.len() < most
            && let Some(item) = self.items.pop()
        {
            self.len.fetch_sub(1, Ordering::Relaxed);
            let goes_on = more(&item);
            taken.push(item);
            if !goes_on {
                break;
            }
        }
        taken
    }

    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(limit: usize) -> Queue<usize> {
        Queue::new(NonZeroUsize::new(limit).unwrap())
    }

    #[test]
    fn a_full_queue_refuses_the_newest_and_keeps_the_order() {
        let queue = queue(2);
        assert_eq!(queue.push(1), Ok(1));
        assert_eq!(queue.push(2), Ok(2));
        assert_eq!(queue.push(3), Err(3));
        assert_eq!(queue.take_while(1, |_| true), [1]);
        assert_eq!(queue.push(4), Ok(2));
        assert_eq!(queue.take_while(9, |_| true), [2, 4]);
        assert_eq!(queue.len(), 0);
    }
}
