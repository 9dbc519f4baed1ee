//! A bounded queue that never makes its producers wait.

use crossbeam_queue::SegQueue;
use std::{
    num::NonZeroUsize,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence},
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
    /// Whether the consumer sleeps: only then does a producer pay for waking it.
    asleep: AtomicBool,
    wake: Notify,
}

impl<T> Queue<T> {
    pub(super) fn new(limit: NonZeroUsize) -> Self {
        Self {
            items: SegQueue::new(),
            len: AtomicUsize::new(0),
            limit,
            asleep: AtomicBool::new(false),
            wake: Notify::new(),
        }
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

    /// Like `push`, and wakes the consumer if it sleeps in [`Queue::filled`].
    pub(super) fn send(&self, item: T) -> Result<(), T> {
        self.push(item)?;
        // Pairs with the fence in `filled`: either we see that it sleeps, or it sees the item.
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::Relaxed) {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Wakes the consumer whether or not there is something for it.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Waits for [`Queue::wake`].
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Waits until there is an item. Only for the one consumer.
    pub(super) async fn filled(&self) {
        loop {
            self.asleep.store(true, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            if !self.items.is_empty() {
                self.asleep.store(false, Ordering::Relaxed);
                return;
            }
            self.wake.notified().await;
        }
    }

    /// Takes up to `most` items, in the order in which they came.
    pub(super) fn take(&self, most: usize) -> Vec<T> {
        self.take_while(most, |_| true)
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
    use std::{sync::Arc, thread};

    fn queue(limit: usize) -> Queue<usize> {
        Queue::new(NonZeroUsize::new(limit).unwrap())
    }

    #[test]
    fn a_full_queue_refuses_the_newest_and_keeps_the_order() {
        let queue = queue(2);
        assert_eq!(queue.push(1), Ok(1));
        assert_eq!(queue.push(2), Ok(2));
        assert_eq!(queue.push(3), Err(3));
        assert_eq!(queue.take(1), [1]);
        assert_eq!(queue.push(4), Ok(2));
        assert_eq!(queue.take(9), [2, 4]);
        assert_eq!(queue.len(), 0);
    }

    #[tokio::test]
    async fn a_sleeping_consumer_misses_no_item_of_many_producers() {
        const EACH: usize = 20_000;
        let queue = Arc::new(queue(64));
        let producers: Vec<_> = (0..2)
            .map(|_| {
                let queue = queue.clone();
                thread::spawn(move || (0..EACH).filter(|&item| queue.send(item).is_ok()).count())
            })
            .collect();
        let mut seen = 0;
        while !producers.iter().all(thread::JoinHandle::is_finished) {
            tokio::select! {
                () = queue.filled() => seen += queue.take(8).len(),
                () = tokio::task::yield_now() => {}
            }
        }
        seen += queue.take(usize::MAX).len();
        let sent: usize = producers.into_iter().map(|producer| producer.join().unwrap()).sum();
        assert_eq!(seen, sent);
    }
}
