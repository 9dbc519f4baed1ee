//! What ends an HTTP connection whatever it is doing: its times, its place that others need, and the end of the gateway.

use super::{Ended, Rules, places::Place, watch::Watch};
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::time::{self, Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Looked at beside whatever a connection does.
pub(super) struct Vigil<'a> {
    watch: &'a Watch,
    rules: Rules,
    pub(super) place: Option<Place>,
    evicted: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    stopped: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    timer: Pin<Box<Sleep>>,
    /// When it is cut off.
    end: Option<Instant>,
}

impl<'a> Vigil<'a> {
    pub(super) fn new(
        watch: &'a Watch,
        place: Place,
        rules: Rules,
        stop: &CancellationToken,
    ) -> Self {
        let evicted = Some(Box::pin(place.evicted()));
        let stopped = Some(Box::pin(stop.clone().cancelled_owned()));
        let timer = Box::pin(time::sleep_until(Instant::now() + rules.times.head));
        Self { watch, rules, place: Some(place), evicted, stopped, timer, end: None }
    }

    /// True once: when the gateway ends, and only what is under way is finished.
    pub(super) fn stops(&mut self, cx: &mut Context<'_>) -> bool {
        let stopped = self.stopped.as_mut();
        let stops = stopped.is_some_and(|stopped| stopped.as_mut().poll(cx).is_ready());
        if stops {
            self.stopped = None;
            self.end = Some(Instant::now() + self.rules.times.head);
        }
        stops
    }

    /// Whether the gateway ends.
    pub(super) fn has_stopped(&self) -> bool {
        self.stopped.is_none()
    }

    /// Ready when it is over. To be asked after what is done at the moment.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        if let Some(wrong) = self.watch.wrong() {
            return Poll::Ready(wrong.into());
        }
        if self.watch.is_stream() {
            // It is counted among the connections, and lasts as long as the session says.
            (self.place, self.evicted, self.end) = (None, None, None);
            if self.watch.poll_ended(cx).is_ready() {
                return Poll::Ready(Ended::Done);
            }
        }
        let evicted = self.evicted.as_mut();
        if evicted.is_some_and(|evicted| evicted.as_mut().poll(cx).is_ready()) {
            return Poll::Ready(Ended::Evicted);
        }
        let now = Instant::now();
        match (self.watch.next(now), self.end) {
            (Err(late), _) => Poll::Ready(late.into()),
            (Ok(_), Some(end)) if now >= end => Poll::Ready(Ended::CutOff),
            (Ok(next), end) => {
                wake_at(self.timer.as_mut(), end.map_or(next, |end| end.min(next)), cx);
                Poll::Pending
            }
        }
    }
}

/// Has the task woken then, and not earlier set times.
fn wake_at(mut timer: Pin<&mut Sleep>, next: Instant, cx: &mut Context<'_>) {
    if timer.deadline() != next {
        timer.as_mut().reset(next);
    }
    if timer.poll(cx).is_ready() {
        cx.waker().wake_by_ref();
    }
}
