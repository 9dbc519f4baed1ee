//! What a session's task has for its peer, and the stream that takes it.

use crate::hub::Shortcut;
use bytes::Bytes;
use hyper::body::Frame;
use std::{
    any::Any,
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};
use tengen_wire::transport::Framed;
use tokio::time::Instant;

/// Whatever is given back when a session and all of its streams are gone.
pub type Held = Arc<dyn Any + Send + Sync>;

/// What may wait for the stream before no more is taken.
const WAITING_MAX: usize = 64 << 10;

/// Between a session's task and its stream, of which there is one at a time: a newer one takes the older one's place.
#[derive(Debug)]
pub(super) struct Pipe(Mutex<State>);

#[derive(Debug)]
struct State {
    pieces: VecDeque<Bytes>,
    waiting: usize,
    /// Bytes that streams have taken.
    total: u64,
    /// Of these, what was taken when somebody last asked whether the peer has it.
    seen: u64,
    stream: Flow,
    /// Streams so far; the last one's number.
    number: u64,
    task: Option<Waker>,
    over: bool,
}

/// Whether somebody takes what there is.
#[derive(Debug)]
enum Flow {
    /// The stream waits for more, or is about to look.
    Open(Open),
    /// There is none, since then.
    Lost(Instant),
}

#[derive(Debug)]
struct Open {
    reader: Option<Waker>,
    kernel: Arc<dyn Shortcut>,
    /// Bytes that hyper has taken of this stream, as it writes them: each piece has its length before it.
    given: u64,
    /// Bytes that were written to the socket before.
    before: u64,
}

impl Open {
    fn new(kernel: Arc<dyn Shortcut>) -> Self {
        Self { reader: None, given: 0, before: kernel.written(), kernel }
    }

    /// What hyper holds: the answer's head aside, which nobody counts.
    fn kept(&self) -> usize {
        let written = self.kernel.written().saturating_sub(self.before);
        usize::try_from(self.given.saturating_sub(written)).unwrap_or(usize::MAX)
    }

    fn give(&mut self, bytes: usize) {
        // RFC 9112 section 7.1: the length in hexadecimal digits, and two ends of lines.
        let digits = (usize::BITS - bytes.leading_zeros()).div_ceil(4).max(1);
        self.given += bytes as u64 + u64::from(digits) + 4;
    }
}

impl Pipe {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State {
            pieces: VecDeque::new(),
            waiting: 0,
            total: 0,
            seen: 0,
            stream: Flow::Lost(Instant::now()),
            number: 0,
            task: None,
            over: false,
        }))
    }

    /// A stream that takes what there is from now on, `first` before all of it. None: the session is over.
    pub(super) fn attach(
        self: &Arc<Self>,
        first: Option<Framed>,
        kernel: Arc<dyn Shortcut>,
        place: Held,
    ) -> Option<Body> {
        let mut state = self.state();
        if state.over {
            return None;
        }
        if let Some(first) = first {
            state.put_first(first);
        }
        let before = std::mem::replace(&mut state.stream, Flow::Open(Open::new(kernel)));
        before.wake();
        state.number += 1;
        state.wake_task();
        Some(Body { pipe: Arc::clone(self), number: state.number, _place: place })
    }

    pub(super) fn push(&self, frame: Framed) {
        let mut state = self.state();
        state.waiting += frame.len();
        if !frame.head().is_empty() {
            state.pieces.push_back(Bytes::copy_from_slice(frame.head()));
        }
        state.pieces.push_back(frame.body);
        state.stream.wake_to_read();
    }

    pub(super) fn has_room(&self) -> bool {
        self.state().waiting < WAITING_MAX
    }

    pub(super) fn waiting(&self) -> usize {
        self.state().waiting
    }

    pub(super) fn total(&self) -> u64 {
        self.state().total
    }

    /// Ready when the stream has taken all there is. The task is woken for it.
    pub(super) fn poll_empty(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if state.waiting == 0 {
            return Poll::Ready(());
        }
        state.remember(cx);
        Poll::Pending
    }

    /// Since when there has been no stream. The task is woken when that changes.
    pub(super) fn poll_lost(&self, cx: &Context<'_>) -> Option<Instant> {
        let mut state = self.state();
        state.remember(cx);
        match state.stream {
            Flow::Lost(since) => Some(since),
            Flow::Open(_) => None,
        }
    }

    pub(super) fn is_lost(&self) -> bool {
        matches!(self.state().stream, Flow::Lost(_))
    }

    /// Whether something was written since this was asked last, and the peer's system has all of it.
    pub(super) fn is_taken(&self) -> bool {
        let mut state = self.state();
        if state.seen == state.total || state.waiting > 0 || state.stream.untaken() > 0 {
            return false;
        }
        state.seen = state.total;
        true
    }

    /// Bytes that the stream has and the peer's system has not.
    pub(super) fn untaken(&self) -> usize {
        self.state().stream.untaken()
    }

    /// Bytes of memory: what waits for the stream, and what waits in it for the kernel.
    pub(super) fn held(&self) -> usize {
        let state = self.state();
        state.waiting + state.stream.kept()
    }

    /// The stream ends when it has taken what there is, and there will be no other.
    pub(super) fn end(&self) {
        let mut state = self.state();
        state.over = true;
        state.stream.wake_to_read();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn put_first(&mut self, frame: Framed) {
        self.waiting += frame.len();
        self.pieces.push_front(frame.body.clone());
        if !frame.head().is_empty() {
            self.pieces.push_front(Bytes::copy_from_slice(frame.head()));
        }
    }

    fn remember(&mut self, cx: &Context<'_>) {
        if !self.task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
            self.task = Some(cx.waker().clone());
        }
    }

    fn wake_task(&self) {
        if let Some(task) = &self.task {
            task.wake_by_ref();
        }
    }
}

impl Flow {
    fn untaken(&self) -> usize {
        match self {
            Self::Open(open) => open.kept() + open.kernel.untaken(),
            Self::Lost(_) => 0,
        }
    }

    fn kept(&self) -> usize {
        match self {
            Self::Open(open) => open.kept(),
            Self::Lost(_) => 0,
        }
    }

    fn wake_to_read(&mut self) {
        if let Self::Open(Open { reader, .. }) = self
            && let Some(reader) = reader.take()
        {
            reader.wake();
        }
    }

    /// Another stream is there: this one finds its end.
    fn wake(self) {
        if let Self::Open(Open { reader: Some(reader), .. }) = self {
            reader.wake();
        }
    }
}

/// The stream: the body of an answer.
pub struct Body {
    pipe: Arc<Pipe>,
    number: u64,
    /// What is kept for as long as there is a socket.
    _place: Held,
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Body {
    /// The next piece; none: the stream has ended.
    pub fn poll_next(&mut self, cx: &Context<'_>) -> Poll<Option<Frame<Bytes>>> {
        let mut state = self.pipe.state();
        if state.number != self.number {
            return Poll::Ready(None);
        }
        if let Some(piece) = state.pieces.pop_front() {
            state.waiting -= piece.len();
            state.total += piece.len() as u64;
            if let Flow::Open(open) = &mut state.stream {
                open.give(piece.len());
            }
            state.wake_task();
            return Poll::Ready(Some(Frame::data(piece)));
        }
        if state.over {
            return Poll::Ready(None);
        }
        if let Flow::Open(Open { reader, .. }) = &mut state.stream {
            *reader = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        let mut state = self.pipe.state();
        if state.number == self.number {
            state.stream = Flow::Lost(Instant::now());
            state.wake_task();
        }
    }
}
