//! What an HTTP connection is at: waiting for a head or being answered, since when, and until when it may be.

use super::{
    head::{Head, Limits, Seen, Wrong},
    places::Ticket,
};
use crate::hub::Shortcut;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};
use tengen_core::pace::Pace;
use tokio::time::Instant;

/// How far apart it is noted how much a peer has taken that takes all.
const MARKS_APART: Duration = Duration::from_secs(10);

/// While an answer is a stream there is nothing to look at.
const STREAM_LOOK: Duration = Duration::from_secs(3600);

/// How long what may take.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// A request's head, from its first byte, or from the connection's begin.
    pub head: Duration,
    /// An answer of which nothing is written: we are waited for then, and not the peer.
    pub answer: Duration,
    /// Nothing, between an answer and the next request. None: one request for each connection.
    pub keep_alive: Option<Duration>,
}

/// Whose time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Late {
    /// Nothing was asked for.
    Silent,
    /// There is nothing more to ask.
    Idle,
    /// A part of a head came, and no more.
    Head,
    /// An answer is not taken.
    Reader,
    /// An answer is not made.
    Answer,
}

/// Shared by the parts of one HTTP connection, all of which run in its task.
#[derive(Debug)]
pub(super) struct Watch {
    limits: Limits,
    times: Times,
    ticket: Ticket,
    /// What the kernel says of the socket.
    kernel: Arc<dyn Shortcut>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    doing: Doing,
    head: Head,
    /// What follows is no head: frames, or the body of a request.
    headless: bool,
    /// Bytes of a body that are still to come, before the next head.
    body_left: u64,
    /// Whether the connection becomes something else.
    switching: bool,
    wrong: Option<Wrong>,
    written: u64,
    /// When something was written last.
    moved: Instant,
    /// Whether the peer does not take what is there for it.
    blocked: bool,
    /// Whether an answer was given that is not written to its end: for the places it is still given.
    unsent: bool,
    /// How much had been written when the answer was begun.
    written_before: u64,
    /// When the last answer was begun.
    answer_since: Instant,
    /// Whether the places know that no whole head is there.
    waits: bool,
    pace: Pace,
    /// When it was noted last how much the peer had taken.
    marked: Instant,
}

#[derive(Debug, Clone, Copy)]
enum Doing {
    /// Waits for a whole head. `begun`: since its first byte.
    Head {
        since: Instant,
        begun: Option<Instant>,
        is_first: bool,
    },
    Answer {
        since: Instant,
    },
    /// The answer lasts as long as somebody else says.
    Stream,
}

impl Watch {
    pub(super) fn new(
        (limits, times): (Limits, Times),
        ticket: Ticket,
        kernel: Arc<dyn Shortcut>,
        now: Instant,
    ) -> Self {
        let state = State {
            doing: Doing::Head { since: now, begun: None, is_first: true },
            head: Head::default(),
            headless: false,
            body_left: 0,
            switching: false,
            wrong: None,
            written: 0,
            moved: now,
            blocked: false,
            unsent: false,
            written_before: 0,
            answer_since: now,
            waits: false,
            pace: Pace::new(times.head),
            marked: now,
        };
        Self { limits, times, ticket, kernel, state: Mutex::new(state) }
    }

    /// How many of the bytes that came in are hyper's: up to the end of a head. None: they are nobody's, as
    /// [`Watch::wrong`] says.
    pub(super) fn read(&self, bytes: &[u8], now: Instant) -> Option<usize> {
        let mut state = self.state();
        if state.headless || bytes.is_empty() {
            return Some(bytes.len());
        }
        if state.body_left > 0 {
            let most = usize::try_from(state.body_left).unwrap_or(usize::MAX).min(bytes.len());
            state.body_left -= most as u64;
            if state.body_left == 0 {
                drop(state);
                self.ticket.answers(now);
            }
            return Some(most);
        }
        if let Doing::Head { begun, .. } = &mut state.doing {
            begun.get_or_insert(now);
        }
        match state.head.feed(bytes, self.limits) {
            Seen::Part => Some(bytes.len()),
            Seen::Whole(length) => Some(length),
            Seen::Wrong(wrong) => {
                state.wrong = Some(wrong);
                None
            }
        }
    }

    /// Whether nothing more is read.
    pub(super) fn is_wrong(&self) -> bool {
        self.state().wrong.is_some()
    }

    /// Why nothing more is read, once whatever was asked before is answered.
    pub(super) fn wrong(&self) -> Option<Wrong> {
        let state = self.state();
        state.wrong.filter(|_| state.is_open())
    }

    /// There is nothing to read just now.
    pub(super) fn idles(&self) {
        self.waits(self.state());
    }

    /// Tells the places once that a head is waited for.
    fn waits(&self, mut state: MutexGuard<'_, State>) {
        // Not while an answer is on its way to the peer.
        let waits = matches!(state.doing, Doing::Head { .. }) && !state.unsent;
        if waits && !std::mem::replace(&mut state.waits, true) {
            drop(state);
            self.ticket.waits();
        }
    }

    /// Something was written, or nothing could be.
    pub(super) fn wrote(&self, bytes: Option<usize>, now: Instant) {
        let mut state = self.state();
        state.blocked = bytes.is_none();
        if let Some(bytes) = bytes.filter(|bytes| *bytes > 0) {
            state.written += bytes as u64;
            state.moved = now;
        }
        let after_answer = matches!(state.doing, Doing::Head { is_first: false, .. });
        match (state.blocked, state.unsent) {
            // hyper has all of the answer, and the peer has not: it is not read until it takes that.
            (true, false) if after_answer => {
                state.unsent = true;
                let since = state.answer_since;
                drop(state);
                self.ticket.answers(since);
            }
            (false, true) => {
                (state.unsent, state.waits) = (false, false);
                drop(state);
                self.ticket.answered(now);
            }
            _ => {}
        }
    }

    /// Behind the head that is whole come so many bytes of a body, and then the next head.
    pub(super) fn expects_body(&self, length: u64) {
        self.state().body_left = length;
    }

    /// An answer is there. What is left of a body then is read by nobody, and no head is looked for behind it.
    pub(super) fn leaves_body(&self) -> bool {
        let mut state = self.state();
        state.headless |= std::mem::take(&mut state.body_left) > 0;
        state.headless
    }

    /// A head is whole. `headless`: no further one comes behind it.
    pub(super) fn answers(&self, headless: bool, now: Instant) {
        let mut state = self.state();
        state.headless |= headless;
        state.doing = Doing::Answer { since: now };
        (state.answer_since, state.written_before) = (now, state.written);
        // A request is whole with its body: until then its place is the next one's if somebody comes.
        let is_whole = state.body_left == 0;
        drop(state);
        match is_whole {
            true => self.ticket.answers(now),
            false => self.ticket.waits(),
        }
    }

    /// The answer is a 101: whoever takes the socket over sends it with the first words of its own.
    pub(super) fn switches(&self) {
        self.state().switching = true;
    }

    pub(super) fn is_switching(&self) -> bool {
        self.state().switching
    }

    /// The answer is a stream: it is somebody else's to end it, and to look at whether it is taken.
    pub(super) fn streams(&self) {
        self.state().doing = Doing::Stream;
    }

    pub(super) fn is_stream(&self) -> bool {
        matches!(self.state().doing, Doing::Stream)
    }

    /// Ready when a peer that gets a stream has gone.
    pub(super) fn poll_ended(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.kernel.poll_ended(cx)
    }

    /// Its answer is given.
    pub(super) fn answered(&self, now: Instant) {
        let mut state = self.state();
        let begun = state.head.has_begun().then_some(now);
        state.doing = Doing::Head { since: now, begun, is_first: false };
        state.waits = false;
        drop(state);
        self.ticket.answered(now);
    }

    /// Whether half a request came in, or a whole one of whose answer nothing has been written: what we say of it ourselves
    /// gets between no others.
    pub(super) fn is_to_be_told(&self) -> bool {
        let state = self.state();
        match state.doing {
            Doing::Head { begun, .. } => begun.is_some() && !state.blocked && !state.headless,
            Doing::Answer { .. } => state.written == state.written_before && !state.blocked,
            Doing::Stream => false,
        }
    }

    /// Whether there may be bytes that nobody reads, since they are no head.
    pub(super) fn is_headless(&self) -> bool {
        self.state().headless
    }

    /// When it is to be asked again; Err: somebody's time is over.
    pub(super) fn next(&self, now: Instant) -> Result<Instant, Late> {
        let mut state = self.state();
        if let Doing::Stream = state.doing {
            return Ok(now + STREAM_LOOK);
        }
        // While the peer has something to take, its pace decides: the kernel lets us write again only when it has taken much.
        if let Some(slow) = state.slow_at(now, &*self.kernel)? {
            return Ok(slow);
        }
        let (end, late) = state.end(&self.times);
        if now >= end { Err(late) } else { Ok(end) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether nothing is being answered, and all of what was has left.
    fn is_open(&self) -> bool {
        matches!(self.doing, Doing::Head { .. }) && !self.blocked
    }

    /// When the time for what is done is over, and whose it is. Not while the peer does not take what is there for it.
    fn end(&self, times: &Times) -> (Instant, Late) {
        // Nothing is read before what was answered has left.
        let left = |since: Instant| since.max(self.moved);
        match self.doing {
            Doing::Head { begun: Some(begun), .. } => (left(begun) + times.head, Late::Head),
            Doing::Head { since, is_first: true, .. } => (since + times.head, Late::Silent),
            Doing::Head { since, .. } => {
                (left(since) + times.keep_alive.unwrap_or(times.head), Late::Idle)
            }
            Doing::Answer { since } => (since.max(self.moved) + times.answer, Late::Answer),
            Doing::Stream => (self.moved + STREAM_LOOK, Late::Answer),
        }
    }

    /// When a peer that does not take everything is looked at next.
    fn slow_at(&mut self, now: Instant, kernel: &dyn Shortcut) -> Result<Option<Instant>, Late> {
        // What the kernel holds for it, it has not taken.
        let taken = || self.written.saturating_sub(kernel.untaken() as u64);
        let instant = now.into_std();
        if !self.blocked {
            if now >= self.marked + MARKS_APART {
                self.pace.mark(instant, taken());
                self.marked = now;
            }
            self.pace.clear();
            return Ok(None);
        }
        let taken = taken();
        self.pace.stuck(instant, taken);
        if self.pace.is_too_slow(instant, taken) {
            return Err(Late::Reader);
        }
        Ok(self.pace.next().map(Into::into))
    }
}

#[cfg(test)]
mod tests;
