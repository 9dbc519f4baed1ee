//! Large messages, of which few are worked on at one time.
//!
//! To check a message of a megabyte and to hand it over keeps a worker for a millisecond or two, and to take in a part of one
//! keeps it for a tenth of that, mostly in the kernel, which looks for fresh memory. A few hundred peers that send one at the
//! same moment would keep everybody else waiting behind all of them. They form two lines instead, one for messages that are
//! whole and one for those on their way: each such turn begins when one before has ended, and whoever else is ready goes in
//! between.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tengen_wire::{payload::Frame, websocket::Unfinished};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// From this size on a message is large.
const LARGE: usize = 64 << 10;
/// Of a message on its way so much of which has come, more is believed to come. As much as one read: a burst of small messages
/// never leaves so many bytes untaken, since nothing more is read while a whole one is there.
const BEGUN: usize = 16 << 10;

/// The lines of all connections of a gateway.
#[derive(Debug, Clone)]
pub struct Line {
    whole: Arc<Semaphore>,
    on_their_way: Arc<Semaphore>,
}

/// The right to work on one large message, or to read a part of one; given back when it is dropped.
pub(super) type Place = OwnedSemaphorePermit;

/// A frame that can be worked on now, with its place if it is large.
#[derive(Debug)]
pub(super) struct Entered {
    pub(super) frame: Frame,
    pub(super) place: Option<Place>,
}

type Turn = Pin<Box<dyn Future<Output = Result<Place, AcquireError>> + Send>>;

/// Somebody who waits for a place, first come, first served.
#[derive(Default)]
pub(super) enum Wait {
    #[default]
    Absent,
    InLine(Turn),
    /// The place is there for the next turn.
    Next(Option<Place>),
}

/// A message that stands in the line.
pub(super) struct InLine {
    frame: Frame,
    wait: Wait,
    line: Arc<Semaphore>,
}

impl Line {
    /// Half of the runtime's workers are at whole messages at most, and one of them always may be. All of them may read; the
    /// line sees to it that no more such turns than workers are ready at one time.
    pub fn for_workers(workers: usize) -> Self {
        Self {
            whole: Arc::new(Semaphore::new((workers / 2).max(1))),
            on_their_way: Arc::new(Semaphore::new(workers.max(1))),
        }
    }

    /// Err: where the frame stands in the line. Small ones need no place.
    pub(super) fn enter(&self, frame: Frame) -> Result<Entered, Box<InLine>> {
        if frame.body.len() < LARGE {
            return Ok(Entered { frame, place: None });
        }
        match Arc::clone(&self.whole).try_acquire_owned() {
            Ok(place) => Ok(Entered { frame, place: Some(place) }),
            Err(_) => Err(Box::new(InLine {
                frame,
                wait: Wait::default(),
                line: Arc::clone(&self.whole),
            })),
        }
    }

    /// Ready when the socket may be read. Where little has come of a message no place is needed.
    pub(super) fn poll_read(
        &self,
        unfinished: Option<Unfinished>,
        wait: &mut Wait,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Place>> {
        match unfinished {
            Some(message) if message.bytes >= BEGUN => wait.poll(&self.on_their_way, cx),
            _ => {
                wait.step_aside();
                Poll::Ready(None)
            }
        }
    }
}

impl Wait {
    fn poll(&mut self, line: &Arc<Semaphore>, cx: &mut Context<'_>) -> Poll<Option<Place>> {
        if let Self::Absent = self {
            *self = match Arc::clone(line).try_acquire_owned() {
                Ok(place) => Self::Next(Some(place)),
                Err(_) => Self::InLine(Box::pin(Arc::clone(line).acquire_owned())),
            };
        }
        let place = match self {
            // Nobody closes the line: without a place it would be nobody's loss.
            Self::InLine(turn) => ready!(turn.as_mut().poll(cx)).ok(),
            Self::Next(place) => place.take(),
            Self::Absent => None,
        };
        *self = Self::Absent;
        Poll::Ready(place)
    }

    /// Gives a place back and waits for another one behind all who are in the line; woken when it is there. It is asked for at
    /// the end of a turn and not at the beginning of the next: a place that lasts no longer than a turn is free whenever one
    /// begins, and hundreds of turns would be ready in a row without ever meeting in the line.
    pub(super) fn again(&mut self, place: Place, cx: &mut Context<'_>) {
        let line = Arc::clone(place.semaphore());
        drop(place);
        if let Poll::Ready(place) = self.poll(&line, cx) {
            *self = Self::Next(place);
            cx.waker().wake_by_ref();
        }
    }

    /// Nobody looks at it for a while: others go first, so that no place is kept for who does not use it.
    pub(super) fn step_aside(&mut self) {
        *self = Self::Absent;
    }
}

impl fmt::Debug for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "Absent",
            Self::InLine(_) => "InLine",
            Self::Next(_) => "Next",
        })
    }
}

impl InLine {
    pub(super) fn bytes(&self) -> usize {
        self.frame.body.len()
    }

    /// Ready when it is the message's turn; the frame comes out once.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Entered> {
        let place = ready!(self.wait.poll(&self.line, cx));
        let empty = Frame { text: self.frame.text, body: bytes::Bytes::new() };
        Poll::Ready(Entered { frame: std::mem::replace(&mut self.frame, empty), place })
    }

    pub(super) fn step_aside(&mut self) {
        self.wait.step_aside();
    }
}

impl fmt::Debug for InLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InLine").field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}
