//! Large messages, of which few are worked on at one time.
//!
//! To check a message of a megabyte and to hand it over keeps a worker for a millisecond or two. A few hundred peers that
//! send one at the same moment would keep everybody else waiting behind all of them. They form a line instead: each turn
//! with a large message begins when the one before has ended, and whoever else is ready goes in between.

use crate::payload::Frame;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// From this size on a message is large.
const LARGE: usize = 64 << 10;

/// The line of all connections of a gateway.
#[derive(Debug, Clone)]
pub struct Line(Arc<Semaphore>);

/// The right to work on one large message, given back when it is dropped.
pub(super) type Place = OwnedSemaphorePermit;

/// A frame that can be worked on now, with its place if it is large.
#[derive(Debug)]
pub(super) struct Entered {
    pub(super) frame: Frame,
    pub(super) place: Option<Place>,
}

type Turn = Pin<Box<dyn Future<Output = Result<Place, AcquireError>> + Send>>;

/// A message that stands in the line.
pub(super) struct InLine {
    frame: Frame,
    /// None while nobody waits for it.
    turn: Option<Turn>,
    line: Arc<Semaphore>,
}

impl Line {
    /// Half of the runtime's workers are at large messages at most, and one of them always may be.
    pub fn for_workers(workers: usize) -> Self {
        Self(Arc::new(Semaphore::new((workers / 2).max(1))))
    }

    /// Err: where the frame stands in the line. Small ones need no place.
    pub(super) fn enter(&self, frame: Frame) -> Result<Entered, Box<InLine>> {
        if frame.body.len() < LARGE {
            return Ok(Entered { frame, place: None });
        }
        match Arc::clone(&self.0).try_acquire_owned() {
            Ok(place) => Ok(Entered { frame, place: Some(place) }),
            Err(_) => Err(Box::new(InLine { frame, turn: None, line: Arc::clone(&self.0) })),
        }
    }
}

impl InLine {
    pub(super) fn bytes(&self) -> usize {
        self.frame.body.len()
    }

    /// Ready when it is the message's turn; the frame comes out once.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Entered> {
        let Self { frame, turn, line } = self;
        let line = || Box::pin(Arc::clone(line).acquire_owned()) as Turn;
        let place = ready!(turn.get_or_insert_with(line).as_mut().poll(cx));
        let empty = Frame { text: frame.text, body: bytes::Bytes::new() };
        // Nobody closes the line: without a place it would be nobody's loss.
        Poll::Ready(Entered { frame: std::mem::replace(frame, empty), place: place.ok() })
    }

    /// Nobody looks at it for a while: others go first, so that no place is kept for who does not use it.
    pub(super) fn step_aside(&mut self) {
        self.turn = None;
    }
}

impl fmt::Debug for InLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InLine").field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}
