//! The hub's end of one connection: its facts, its outbox, and what it was told to do.

mod direct;

pub use direct::{Rest, Shortcut};

use super::replies::Numbers;
use crate::{
    close::Reason,
    envelope::Wire,
    event::Connection,
    id::{Channel, EndpointIndex, UserId},
    outbox::{Counts, Item, Offered, Outbox},
    payload::Frame,
    settings,
};
use direct::Direct;
use std::{
    ops::ControlFlow,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Waker,
};

/// Shared between the connection's task, which empties the outbox, and everybody who fills it.
#[derive(Debug)]
pub struct Link {
    pub facts: Arc<Connection>,
    pub wire: Wire,
    /// Sente's name for the client instance: a new connection of the same one replaces the old.
    client: OnceLock<String>,
    state: Mutex<State>,
    /// Replies that its peer waits for.
    pub(super) replies: Numbers,
    /// Whether it was told to go: `leaving` or `closing` of the state, for those who only ask that.
    ending: AtomicBool,
}

#[derive(Debug)]
struct State {
    outbox: Outbox,
    /// Set once: write what is queued, close, and take nothing more.
    closing: Option<Reason>,
    /// Read no more; close when nothing waits for a decision.
    leaving: bool,
    subscriptions: Vec<Channel>,
    initial: Vec<Channel>,
    direct: Direct,
    /// The connection's task.
    waker: Option<Waker>,
    /// Whether it has to be woken. Not while it runs: what it causes itself needs no other turn.
    asleep: bool,
}

/// One client instance, as Sente's clients name themselves.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Client {
    endpoint: EndpointIndex,
    user: Option<UserId>,
    name: String,
}

/// What the connection's task has to do when it has taken what it could.
#[derive(Debug)]
pub enum Left {
    Nothing,
    /// There is more to take.
    More,
    /// The outbox is empty, and the connection is to be closed.
    Close(Reason),
}

impl Link {
    /// `initial`: channels to subscribe when the connection opens.
    pub fn new(
        facts: Arc<Connection>,
        wire: Wire,
        outbox: settings::Outbox,
        initial: Vec<Channel>,
    ) -> Self {
        let state = State {
            outbox: Outbox::new(outbox),
            closing: None,
            leaving: false,
            subscriptions: Vec::new(),
            initial,
            direct: Direct::default(),
            waker: None,
            asleep: false,
        };
        Self {
            facts,
            wire,
            client: OnceLock::new(),
            state: Mutex::new(state),
            replies: Numbers::default(),
            ending: AtomicBool::new(false),
        }
    }

    /// Names the client instance behind the connection; before it opens, once.
    pub fn set_client(&self, client: String) {
        self.client.get_or_init(|| client);
    }

    /// The client instance, as it may be replaced: by the same user, on the same endpoint, under the same name.
    pub(super) fn client(&self) -> Option<Client> {
        let user = self.facts.user.as_ref().map(|user| user.id.clone());
        let name = self.client.get()?.clone();
        Some(Client { endpoint: self.facts.endpoint_index, user, name })
    }

    /// Queues a data frame. A connection that is closing takes none.
    pub fn send(&self, item: Item) -> Offered {
        let mut state = self.state();
        let offered = self.offer(&mut state, item);
        state.wake();
        offered
    }

    fn offer(&self, state: &mut State, item: Item) -> Offered {
        if state.closing.is_some() {
            return Offered::Dropped;
        }
        let offered = state.outbox.offer(item);
        if offered == Offered::Full {
            state.closing = Some(Reason::SlowConsumer);
            self.ending.store(true, Ordering::Relaxed);
        }
        offered
    }

    /// The task writes what is queued.
    pub(super) fn write_itself(&self) {
        let mut state = self.state();
        state.direct.release();
        state.wake();
    }

    /// Queues a control frame, ahead of all data; false when too many wait.
    pub fn send_control(&self, frame: Frame) -> bool {
        let mut state = self.state();
        let taken = state.outbox.offer_control(frame);
        state.wake();
        taken
    }

    /// Ends the connection after what is queued. The first reason stands.
    pub fn close(&self, reason: Reason) {
        let mut state = self.state();
        state.closing.get_or_insert(reason);
        self.ending.store(true, Ordering::Relaxed);
        state.wake();
    }

    /// Ends the connection once nothing of it waits for a decision: part of a drain.
    pub fn send_away(&self) {
        let mut state = self.state();
        state.leaving = true;
        self.ending.store(true, Ordering::Relaxed);
        state.wake();
    }

    /// Hands out what is queued, control before data, until `take` breaks. Called by the connection's task alone.
    pub fn drain(&self, mut take: impl FnMut(Item) -> ControlFlow<()>) -> Left {
        let mut state = self.state();
        while let Some(item) = state.outbox.pop() {
            if take(item).is_break() {
                return Left::More;
            }
        }
        if let Some(reason) = &state.closing {
            return Left::Close(reason.clone());
        }
        if state.leaving && self.facts.waiting.events() == 0 {
            return Left::Close(Reason::Drained);
        }
        Left::Nothing
    }

    /// Whether it was told to go.
    pub fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    /// The task's turn begins: nobody needs to wake it. What comes back has to be written before anything else.
    pub fn begin_turn(&self) -> Option<Rest> {
        let mut state = self.state();
        state.asleep = false;
        state.direct.take_rest()
    }

    /// The task's turn ends: whoever has something for it wakes it from now on. True: somebody had already, and there
    /// has to be another turn.
    ///
    /// `clear`: nothing that was handed out waits to be written, so others may write.
    pub fn end_turn(&self, waker: &Waker, clear: bool) -> bool {
        let mut state = self.state();
        state.asleep = true;
        state.direct.clear = clear;
        if !state.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            state.waker = Some(waker.clone());
        }
        !state.outbox.is_empty() || state.closing.is_some()
    }

    pub fn counts(&self) -> Counts {
        self.state().outbox.counts()
    }

    pub fn depth(&self) -> usize {
        self.state().outbox.depth()
    }

    pub fn subscriptions(&self) -> Vec<Channel> {
        self.state().subscriptions.clone()
    }

    /// Frames that will never be written, now that the connection is gone.
    pub(super) fn lost(&self) -> u64 {
        let mut state = self.state();
        let depth = state.outbox.depth() as u64;
        state.closing.get_or_insert(Reason::Lost);
        state.direct.end();
        while state.outbox.pop().is_some() {}
        depth
    }

    pub(super) fn take_initial_channels(&self) -> Vec<Channel> {
        std::mem::take(&mut self.state().initial)
    }

    pub(super) fn take_subscriptions(&self) -> Vec<Channel> {
        std::mem::take(&mut self.state().subscriptions)
    }

    /// False when there would be more than `max`. Noting one twice is noting it once.
    pub(super) fn note_subscription(&self, channel: &Channel, max: usize) -> bool {
        let mut state = self.state();
        if state.subscriptions.contains(channel) {
            return true;
        }
        let room = state.subscriptions.len() < max;
        if room {
            state.subscriptions.push(channel.clone());
        }
        room
    }

    pub(super) fn forget_subscription(&self, channel: &Channel) {
        self.state().subscriptions.retain(|other| other != channel);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Wakes the connection's task if it sleeps, once.
    fn wake(&mut self) {
        if std::mem::take(&mut self.asleep)
            && let Some(waker) = &self.waker
        {
            waker.wake_by_ref();
        }
    }
}
