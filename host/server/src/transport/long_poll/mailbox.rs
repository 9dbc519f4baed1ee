//! What a session's task has for its client, and what the client's requests have for the task.

use crate::{
    hub::{Account, Hub, Shortcut},
    transport::Untaken,
};
use bytes::Bytes;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll, Waker},
};
use tengen_core::meter::Happened;
use tengen_wire::{
    close::Reason,
    payload::{Encoding, Frame},
    transport::long_poll::{Word, said, together},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

/// Messages that wait for the session's task.
const POSTS: usize = 4;
/// Requests whose messages find no place among them, and wait for one.
const WAITING: usize = 8;
/// Requests that wait at one time for what their messages are answered.
const ASKED: usize = 16;
/// Bytes that may wait for a poll before no more is taken.
const BYTES_MAX: usize = 64 << 10;

/// Between a session's task and its client's requests.
#[derive(Debug)]
pub(super) struct Mailbox {
    state: Mutex<State>,
    format: Encoding,
    hub: Arc<Hub>,
    /// Places of messages that wait for the task.
    pub(super) places: Arc<Semaphore>,
    /// The right to wait for such a place.
    pub(super) waiting: Semaphore,
}

#[derive(Debug)]
pub(super) struct State {
    /// Frames for the next poll.
    down: VecDeque<Bytes>,
    /// Bytes of them.
    waiting: usize,
    /// Bytes that polls have taken.
    total: u64,
    pub(super) poll: Poller,
    /// Polls and greetings so far: who has not the last number was followed by another.
    pub(super) number: u64,
    /// The answer that a poll has taken last.
    sent: Option<Sent>,
    posts: VecDeque<Post>,
    /// Requests whose messages are not answered yet.
    pub(super) asked: Vec<Asked>,
    /// The last of their numbers.
    last: u32,
    task: Option<Waker>,
    heard: bool,
    /// Its client never polled, and others have its place.
    crowded_out: bool,
    /// What polls are answered from the end on.
    pub(super) over: Option<Bytes>,
}

/// Whether a poll waits.
#[derive(Debug)]
pub(super) enum Poller {
    Waits(Option<Waker>),
    /// None does, since then.
    Gone(Instant),
}

/// An answer that hyper has.
#[derive(Debug)]
struct Sent {
    kernel: Weak<dyn Shortcut>,
    /// How much will have been written to the socket, at least, when it has left.
    until: u64,
    frames: usize,
    /// It was looked at, and had not got to the client yet.
    late: bool,
}

impl Sent {
    fn is_on_its_way(&self) -> bool {
        let kernel = self.kernel.upgrade();
        kernel.is_some_and(|kernel| kernel.written() < self.until || kernel.untaken() > 0)
    }
}

/// A message on its way to the task.
#[derive(Debug)]
struct Post {
    number: u32,
    frame: Frame,
    account: Account,
    /// Free again when the task has taken it.
    place: OwnedSemaphorePermit,
}

/// A request that waits for an answer to its message.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) number: u32,
    pub(super) said: Option<Bytes>,
    pub(super) reader: Option<Waker>,
}

impl Mailbox {
    pub(super) fn new(format: Encoding, hub: Arc<Hub>) -> Self {
        let state = State {
            down: VecDeque::new(),
            waiting: 0,
            total: 0,
            poll: Poller::Gone(Instant::now()),
            number: 0,
            sent: None,
            posts: VecDeque::new(),
            asked: Vec::new(),
            last: 0,
            task: None,
            heard: false,
            crowded_out: false,
            over: None,
        };
        Self {
            state: Mutex::new(state),
            format,
            hub,
            places: Arc::new(Semaphore::new(POSTS)),
            waiting: Semaphore::new(WAITING),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Such an answer in the session's format.
    pub(super) fn word(&self, word: Word) -> Bytes {
        said(self.format, word)
    }

    /// So many frames are lost.
    pub(super) fn lose(&self, frames: usize) {
        if frames > 0 {
            self.hub.meter.note(Happened::Dropped(frames as u64));
        }
    }

    /// A poll or a greeting begins: the one before it is followed. Returns its number; none: the session is over.
    pub(super) fn begin_poll(&self, poll: Poller) -> Option<u64> {
        let mut state = self.state();
        if state.over.is_some() {
            return None;
        }
        // Its client asks again and has not got what it was answered long ago: it has given that up.
        let given_up = |sent: &Sent| sent.late && sent.is_on_its_way();
        let lost = state.sent.take().filter(given_up).map_or(0, |sent| sent.frames);
        state.number += 1;
        let number = state.number;
        if let Poller::Waits(Some(reader)) = std::mem::replace(&mut state.poll, poll) {
            reader.wake();
        }
        state.heard = true;
        state.wake_task();
        drop(state);
        self.lose(lost);
        Some(number)
    }

    /// What a poll is answered that is there at this moment; none: nothing waits. `kernel`: of its socket.
    pub(super) fn take(&self, state: &mut State, kernel: &Arc<dyn Shortcut>) -> Option<Bytes> {
        if state.down.is_empty() {
            return None;
        }
        let (answer, frames) = together(self.format, state.down.make_contiguous());
        let bytes: usize = state.down.drain(..frames).map(|frame| frame.len()).sum();
        if state.down.is_empty() {
            state.down = VecDeque::new();
        }
        state.waiting -= bytes;
        state.total += bytes as u64;
        let until = kernel.written() + answer.len() as u64;
        state.sent = Some(Sent { kernel: Arc::downgrade(kernel), until, frames, late: false });
        Some(answer)
    }

    /// What will never be taken.
    pub(super) fn give_up(&self, state: &mut State) {
        let lost = std::mem::take(&mut state.down).len();
        state.waiting = 0;
        self.lose(lost);
    }

    /// Whether no more requests may wait for what they are answered.
    pub(super) fn is_asked_enough(&self) -> bool {
        self.state().asked.len() >= ASKED
    }

    /// The session is over, or about to be.
    pub(super) fn is_over(&self) -> bool {
        self.state().over.is_some()
    }

    /// Hands a message to the task. Returns the number of its request.
    pub(super) fn post(
        &self,
        frame: Frame,
        account: Account,
        place: OwnedSemaphorePermit,
    ) -> Result<u32, Untaken> {
        let mut state = self.state();
        if self.places.is_closed() {
            return Err(Untaken::Ended);
        }
        if state.asked.len() >= ASKED {
            return Err(Untaken::Busy);
        }
        state.last = state.last.wrapping_add(1);
        let number = state.last;
        state.asked.push(Asked { number, said: None, reader: None });
        state.posts.push_back(Post { number, frame, account, place });
        state.heard = true;
        state.wake_task();
        Ok(number)
    }

    /// For the task: the next message, and the number of its request. Whoever gets the frame counts it from here on.
    pub(super) fn receive(&self) -> Option<(u32, Frame)> {
        let mut state = self.state();
        let Post { number, frame, account, place } = state.posts.pop_front()?;
        if state.posts.is_empty() {
            state.posts = VecDeque::new();
        }
        drop(state);
        drop((account, place));
        Some((number, frame))
    }

    /// A message wants no reply.
    pub(super) fn take_note(&self, number: u32) {
        let taken = self.word(Word::Taken);
        let _gone = self.state().answer(number, taken);
    }

    /// A reply, which nobody may wait for any more.
    pub(super) fn answer(&self, number: u32, said: Bytes) {
        let bytes = said.len() as u64;
        let is_there = {
            let mut state = self.state();
            state.total += bytes;
            state.answer(number, said)
        };
        self.lose(usize::from(!is_there));
    }

    /// A frame for the next poll. A poll that waits is woken when the turn has no more for it.
    pub(super) fn push(&self, frame: Bytes) {
        let mut state = self.state();
        state.waiting += frame.len();
        state.down.push_back(frame);
    }

    pub(super) fn has_room(&self) -> bool {
        self.state().waiting < BYTES_MAX
    }

    pub(super) fn waiting(&self) -> usize {
        self.state().waiting
    }

    pub(super) fn total(&self) -> u64 {
        self.state().total
    }

    /// Bytes of memory: what waits for a poll, and replies that were not fetched.
    pub(super) fn held(&self) -> usize {
        let state = self.state();
        let replies = state.asked.iter().filter_map(|asked| asked.said.as_ref());
        state.waiting + replies.map(Bytes::len).sum::<usize>()
    }

    /// The session ends at once, whatever waits for its client.
    pub(super) fn crowd_out(&self) {
        let mut state = self.state();
        state.crowded_out = true;
        state.wake_task();
    }

    /// Ready when polls have taken all there is, or none is waited for any more. The task is woken for it, and so is a poll that
    /// waits.
    pub(super) fn poll_empty(&self, cx: &Context<'_>) -> Poll<Result<(), Reason>> {
        let mut state = self.state();
        if state.crowded_out {
            return Poll::Ready(Err(Reason::Unpolled));
        }
        if state.waiting == 0 {
            return Poll::Ready(Ok(()));
        }
        state.remember(cx);
        if let Poller::Waits(reader) = &mut state.poll
            && let Some(reader) = reader.take()
        {
            reader.wake();
        }
        Poll::Pending
    }

    /// Since when no poll waits. The task is woken when that changes, and when a message comes.
    pub(super) fn poll_gone(&self, cx: &Context<'_>) -> Option<Instant> {
        let mut state = self.state();
        state.remember(cx);
        match state.poll {
            Poller::Gone(since) => Some(since),
            Poller::Waits(_) => None,
        }
    }

    /// Whether the client's time begins anew, since its last answer has not got to it yet: as long as its connection lasts.
    pub(super) fn excuse(&self, now: Instant) -> bool {
        let mut state = self.state();
        let Some(sent) = &mut state.sent else { return false };
        let excused = sent.is_on_its_way();
        let is_cut = !excused && sent.late && sent.kernel.strong_count() == 0;
        let lost = if is_cut { sent.frames } else { 0 };
        sent.late |= excused;
        if excused && matches!(state.poll, Poller::Gone(_)) {
            state.poll = Poller::Gone(now);
        }
        drop(state);
        self.lose(lost);
        excused
    }

    pub(super) fn take_heard(&self) -> bool {
        let mut state = self.state();
        std::mem::take(&mut state.heard) || matches!(state.poll, Poller::Waits(_))
    }

    /// No more messages are taken; those that wait are let go of.
    pub(super) fn close(&self) {
        self.places.close();
        let posts = std::mem::take(&mut self.state().posts);
        drop(posts);
    }

    /// The session is over: polls are answered this from now on, and nobody is replied to any more.
    pub(super) fn end(&self, last: Bytes) {
        self.close();
        let mut state = self.state();
        if state.over.is_some() {
            return;
        }
        state.over = Some(last);
        let failed = self.word(Word::Failed);
        for asked in &mut state.asked {
            asked.said.get_or_insert_with(|| failed.clone());
            asked.wake();
        }
        if let Poller::Gone(_) = state.poll {
            return self.give_up(&mut state);
        }
        // It takes what there is.
        if let Poller::Waits(reader) = &mut state.poll
            && let Some(reader) = reader.take()
        {
            reader.wake();
        }
    }
}

impl State {
    /// No poll waits any more.
    pub(super) fn poll_ends(&mut self) {
        self.poll = Poller::Gone(Instant::now());
        self.wake_task();
    }

    /// A request does not wait any more. Returns how many answers it leaves behind.
    pub(super) fn forget(&mut self, number: u32) -> usize {
        let Some(place) = self.asked.iter().position(|asked| asked.number == number) else {
            return 0;
        };
        let left = usize::from(self.asked.swap_remove(place).said.is_some());
        if self.asked.is_empty() {
            self.asked = Vec::new();
        }
        left
    }

    /// False: nobody waits for it.
    fn answer(&mut self, number: u32, said: Bytes) -> bool {
        let Some(asked) = self.asked.iter_mut().find(|asked| asked.number == number) else {
            return false;
        };
        asked.said = Some(said);
        asked.wake();
        true
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

impl Asked {
    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}
