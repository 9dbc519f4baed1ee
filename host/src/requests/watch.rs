//! What an HTTP connection is at: waiting for a head or being answered, since when, and until when it may be.

use super::{
    head::{Head, Limits, Seen, Wrong},
    places::Ticket,
};
use crate::{hub::Shortcut, pace::Pace};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// How far apart it is noted how much a peer has taken that takes all.
const MARKS_APART: Duration = Duration::from_secs(10);

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

    /// A head is whole. `headless`: no further one comes behind it.
    pub(super) fn answers(&self, headless: bool, now: Instant) {
        let mut state = self.state();
        state.headless |= headless;
        state.doing = Doing::Answer { since: now };
        (state.answer_since, state.written_before) = (now, state.written);
        drop(state);
        self.ticket.answers(now);
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
        }
    }

    /// Whether nothing of a request has come, and all that was asked before is answered.
    pub(super) fn is_silent(&self) -> bool {
        let state = self.state();
        state.is_open() && matches!(state.doing, Doing::Head { begun: None, .. })
    }

    /// Whether there may be bytes that nobody reads, since they are no head.
    pub(super) fn is_headless(&self) -> bool {
        self.state().headless
    }

    /// When it is to be asked again; Err: somebody's time is over.
    pub(super) fn next(&self, now: Instant) -> Result<Instant, Late> {
        let mut state = self.state();
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
mod tests {
    use super::*;
    use crate::requests::places::Places;
    use futures_util::FutureExt;

    const SECOND: Duration = Duration::from_secs(1);

    fn rules() -> (Limits, Times) {
        let limits = Limits { bytes: 100, lines: 5 };
        let times = Times { head: SECOND * 10, answer: SECOND * 60, keep_alive: Some(SECOND * 75) };
        (limits, times)
    }

    fn watch(start: Instant) -> Watch {
        watch_of(start, Arc::new(Empty))
    }

    fn watch_of(start: Instant, kernel: Arc<dyn Shortcut>) -> Watch {
        let places = Places::new(1, None);
        let place = places.take([127, 0, 0, 1].into()).now_or_never().unwrap().unwrap();
        Watch::new(rules(), place.ticket(), kernel, start)
    }

    /// A kernel that holds nothing for the peer.
    #[derive(Debug)]
    struct Empty;

    impl Shortcut for Empty {
        fn try_write(&self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::WouldBlock.into())
        }
    }

    #[track_caller]
    fn ends(watch: &Watch, from: Instant, late: Late, seconds: u32) {
        let end = from + SECOND * seconds;
        assert!(watch.next(end - SECOND / 1000).is_ok(), "too early");
        assert_eq!(watch.next(end), Err(late));
    }

    #[test]
    fn silence_a_head_and_a_pause_have_each_their_time() {
        let start = Instant::now();
        let watch = watch(start);
        ends(&watch, start, Late::Silent, 10);
        let first = start + SECOND * 9;
        assert_eq!(watch.read(b"GET / HT", first), Some(8));
        ends(&watch, first, Late::Head, 10);
        // A byte now and then buys no time.
        assert_eq!(watch.read(b"TP", first + SECOND * 9), Some(2));
        ends(&watch, first, Late::Head, 10);
        assert_eq!(watch.read(b"/1.1\r\n\r\nGET", first), Some(8));
        watch.answers(false, first);
        watch.answered(first);
        ends(&watch, first, Late::Idle, 75);
        let next = first + SECOND * 74;
        assert_eq!(watch.read(b"G", next), Some(1));
        ends(&watch, next, Late::Head, 10);
    }

    #[test]
    fn a_head_that_came_during_an_answer_has_its_time_after_it() {
        let start = Instant::now();
        let watch = watch(start);
        watch.answers(false, start);
        assert_eq!(watch.read(b"GET /", start), Some(5));
        let later = start + SECOND * 30;
        watch.answered(later);
        ends(&watch, later, Late::Head, 10);
    }

    #[test]
    fn an_answer_goes_on_while_the_peer_takes_it() {
        let start = Instant::now();
        let watch = watch(start);
        watch.answers(false, start);
        // 1 KiB a second for ten minutes.
        for second in 0..600 {
            let now = start + SECOND * second;
            watch.wrote(Some(1024), now);
            watch.wrote(None, now);
            assert!(watch.next(now + SECOND / 2).is_ok(), "after {second} s");
        }
        let stopped = start + SECOND * 600;
        let late = (0..120).find(|more| watch.next(stopped + SECOND * *more).is_err());
        assert!(late.is_some(), "who takes nothing any more goes");
        assert_eq!(watch.next(stopped + SECOND * 120), Err(Late::Reader));
    }

    /// A kernel that took a megabyte at once and gives it to the peer at 2 KiB a second.
    #[derive(Debug)]
    struct Full(Instant);

    impl Shortcut for Full {
        fn try_write(&self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::WouldBlock.into())
        }

        fn untaken(&self) -> usize {
            let taken = self.0.elapsed().as_secs() * (2 << 10);
            (1_usize << 20).saturating_sub(usize::try_from(taken).unwrap())
        }
    }

    // Systems say that a socket can be written to again when a third of its buffer is free: that takes minutes here.
    #[tokio::test(start_paused = true)]
    async fn who_takes_what_the_system_holds_is_not_cut_off_because_nothing_is_written() {
        let start = Instant::now();
        let watch = watch_of(start, Arc::new(Full(start)));
        for answered in [false, true] {
            watch.answers(false, start);
            watch.wrote(Some(1 << 20), start);
            if answered {
                watch.answered(start);
            }
            watch.wrote(None, start);
            for _ in 0..200 {
                tokio::time::advance(SECOND).await;
                let now = Instant::now();
                assert!(watch.next(now).is_ok(), "after {:?}, {answered}", now - start);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_has_not_left_is_still_given_and_its_pause_begins_when_it_has() {
        let start = Instant::now();
        let places = Places::new(1, None);
        let place = places.take([127, 0, 0, 1].into()).now_or_never().unwrap().unwrap();
        let watch = Watch::new(rules(), place.ticket(), Arc::new(Empty), start);
        watch.answers(false, start);
        watch.wrote(Some(1 << 16), start);
        watch.answered(start);
        watch.wrote(None, start);
        watch.idles();
        tokio::time::advance(SECOND).await;
        assert!(places.take([127, 0, 0, 1].into()).now_or_never().is_none());
        assert!(place.evicted().now_or_never().is_none(), "it does not wait for a head");
        let later = start + SECOND * 30;
        watch.wrote(Some(1), later);
        ends(&watch, later, Late::Idle, 75);
    }

    #[test]
    fn a_request_of_whose_answer_nothing_was_written_can_be_told_something_else() {
        let start = Instant::now();
        let watch = watch(start);
        assert!(!watch.is_to_be_told() && watch.is_silent());
        watch.answers(true, start);
        assert!(watch.is_to_be_told() && !watch.is_silent());
        watch.wrote(Some(1), start);
        assert!(!watch.is_to_be_told());
    }

    #[test]
    fn an_answer_that_nobody_makes_ends() {
        let start = Instant::now();
        let watch = watch(start);
        watch.answers(false, start);
        ends(&watch, start, Late::Answer, 60);
    }

    #[test]
    fn what_is_wrong_is_told_when_all_else_is_answered() {
        let start = Instant::now();
        let watch = watch(start);
        watch.answers(false, start);
        assert_eq!(watch.read(b"GET / HTTP/1.1\n", start), None);
        assert!(watch.is_wrong());
        assert_eq!(watch.wrong(), None, "an answer is under way");
        watch.wrote(None, start);
        watch.answered(start);
        assert_eq!(watch.wrong(), None, "it has not left");
        watch.wrote(Some(10), start);
        assert_eq!(watch.wrong(), Some(Wrong::BareLineFeed));
    }

    #[test]
    fn what_is_no_head_is_not_looked_at() {
        let start = Instant::now();
        let watch = watch(start);
        watch.answers(true, start);
        let frame = b"\x81\x85\n\n\n\n\n\n\n\n\n";
        assert_eq!(watch.read(frame, start), Some(frame.len()));
        watch.wrote(Some(1), start);
        watch.answered(start);
        assert!(!watch.is_to_be_told());
    }
}
