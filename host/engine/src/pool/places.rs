//! Places for calls: so many at one time, so many that wait for one, and a number that a reload may change.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};
use tengen_wire::fault::{Fault, FaultId};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

/// Requests that may wait for a place, for each place there is.
const WAITING: usize = 256;
/// How long a request waits for a place.
const WAIT: Duration = Duration::from_secs(5);

/// The places of one role of one plugin.
#[derive(Debug)]
pub(super) struct Places {
    free: Semaphore,
    number: AtomicUsize,
    /// Places that go as soon as the calls on them have ended.
    surplus: AtomicUsize,
    waiting: AtomicUsize,
}

/// A place for one call.
#[derive(Debug)]
pub(super) struct Place<'a> {
    places: &'a Places,
    permit: Option<SemaphorePermit<'a>>,
}

impl Places {
    pub(super) fn new(number: usize) -> Self {
        let (surplus, waiting) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { free: Semaphore::new(number), number: AtomicUsize::new(number), surplus, waiting }
    }

    pub(super) fn number(&self) -> usize {
        self.number.load(Ordering::Relaxed)
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.free.is_closed()
    }

    /// No place is given any more.
    pub(super) fn close(&self) {
        self.free.close();
    }

    /// From now on there are so many. Called by one at a time; calls that are under way end in their places.
    pub(super) fn resize(&self, number: usize) {
        let before = self.number.swap(number, Ordering::Relaxed);
        match number.checked_sub(before) {
            Some(more) => self.free.add_permits(more - self.pay(more)),
            None => {
                let fewer = before - number;
                let left = fewer - self.free.forget_permits(fewer);
                self.surplus.fetch_add(left, Ordering::Relaxed);
            }
        }
    }

    /// Takes so many from the surplus; returns how many there were of them.
    fn pay(&self, most: usize) -> usize {
        let less = |surplus: usize| (surplus > 0).then(|| surplus - surplus.min(most));
        let before = self.surplus.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        before.map_or(0, |before| before.min(most))
    }

    /// Waits its turn, bounded in number and in time.
    pub(super) async fn take(&self) -> Result<Place<'_>, Fault> {
        let busy =
            || Fault::new(FaultId::Overloaded, "the plugin has no free instance").retry_after(WAIT);
        if let Ok(permit) = self.free.try_acquire() {
            return Ok(self.place(permit));
        }
        let _counted = Counted::one(&self.waiting);
        if self.waiting() > self.number().saturating_mul(WAITING) {
            return Err(busy());
        }
        match timeout(WAIT, self.free.acquire()).await {
            Ok(Ok(permit)) => Ok(self.place(permit)),
            Ok(Err(_)) => {
                Err(Fault::new(FaultId::PluginUnavailable, "the plugin has been stopped"))
            }
            Err(_) => Err(busy()),
        }
    }

    fn place<'a>(&'a self, permit: SemaphorePermit<'a>) -> Place<'a> {
        Place { places: self, permit: Some(permit) }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take()
            && self.places.pay(1) == 1
        {
            permit.forget();
        }
    }
}

/// One more, for as long as this lives.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn one(counter: &'a AtomicUsize) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(counter)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn places_that_are_taken_go_when_their_calls_end_and_more_can_be_had_at_once() {
        let places = Places::new(3);
        let (one, two) = (places.take().await.expect("free"), places.take().await.expect("free"));
        places.resize(1);
        drop(one);
        assert!(places.take().await.is_err(), "two are taken of one");
        drop(two);
        let one = places.take().await.expect("the one that is left");
        assert!(places.take().await.is_err(), "there is one");
        places.resize(3);
        let more = (places.take().await.expect("more"), places.take().await.expect("more"));
        assert!(places.take().await.is_err(), "there are three");
        places.resize(1);
        places.resize(2);
        drop((one, more));
        let two = (places.take().await.expect("free"), places.take().await.expect("free"));
        assert!(places.take().await.is_err(), "there are two");
        drop(two);
    }
}
