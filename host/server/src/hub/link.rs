//! The hub's end of one connection: its facts, its outbox, and what it was told to do.

mod direct;
pub(super) mod numbers;
mod signals;
mod subscriptions;

pub use direct::{Rest, Shortcut};
pub(super) use signals::Right;
pub(super) use subscriptions::{Forgotten, Noted, Since};

use direct::Direct;
use numbers::Numbers;
use std::{
    net::IpAddr,
    ops::ControlFlow,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Waker,
    time::Instant,
};
use subscriptions::Subscriptions;
use tengen_core::{
    budget::Gauge,
    event::{Below, Connection},
    outbox::{Item, Offered, Outbox},
};
use tengen_settings as settings;
use tengen_wire::{
    close::Reason,
    dialect::{self, Asked, Wire},
    id::{Channel, EndpointIndex, UserId},
    payload::Frame,
    transport::{Framed, Transport},
};

/// Who has so much waiting lags behind.
const BEHIND: usize = 16 << 10;

/// Shared between the connection's task, which empties the outbox, and everybody who fills it.
#[derive(Debug)]
pub struct Link {
    pub facts: Arc<Connection>,
    pub wire: Wire,
    pub transport: Transport,
    /// Sente's name for the client instance.
    client: OnceLock<Box<str>>,
    /// When its authentication ends, by tokio's clock.
    ends: Option<Instant>,
    /// What the trace contexts in its events are for our spans.
    traceparent: settings::Traceparent,
    /// What it may send of signals.
    signals: Option<Box<Right>>,
    state: Mutex<State>,
    /// Replies that its peer waits for.
    pub(super) replies: Numbers,
    /// Whether its phase is another than [`Phase::Open`], for those who only ask that.
    ending: AtomicBool,
    /// A newer connection of the same client instance is there.
    superseded: AtomicBool,
    /// The task has not asked the peer yet whether it lives, and is to.
    probe: AtomicBool,
    spoken: AtomicBool,
    /// All its handlers have heard that it is there.
    begun: AtomicBool,
}

#[derive(Debug)]
struct State {
    outbox: Outbox,
    phase: Phase,
    subscriptions: Subscriptions,
    initial: Box<[Channel]>,
    direct: Direct,
    /// What of the outbox counts with all that the connection holds.
    gauge: Gauge,
    /// The connection's task.
    waker: Option<Waker>,
    /// Whether it has to be woken. Not while it runs: what it causes itself needs no other turn.
    asleep: bool,
}

/// How far a connection is on its way out. It only goes on.
#[derive(Debug)]
enum Phase {
    Open,
    /// It is read no more, and closes when nothing of it waits for a decision.
    Leaving,
    /// What is queued is written, and nothing more is taken. The reason is in a box, since most connections wait for long.
    Closing(Box<Reason>),
}

/// One client instance, as Sente's clients name themselves.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Client {
    endpoint: EndpointIndex,
    who: Who,
    name: String,
}

/// Who a name counts for: anybody can say any name, so it means something only beside what is known otherwise.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Who {
    User(UserId),
    /// Nobody vouches for an anonymous client: it is the same one only if it comes from the same address.
    Anonymous(IpAddr),
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
            phase: Phase::Open,
            subscriptions: Subscriptions::default(),
            initial: initial.into(),
            direct: Direct::default(),
            gauge: Gauge::default(),
            waker: None,
            asleep: false,
        };
        Self {
            facts,
            wire,
            transport: Transport::WebSocket,
            client: OnceLock::new(),
            ends: None,
            traceparent: settings::Traceparent::default(),
            signals: None,
            state: Mutex::new(state),
            replies: Numbers::default(),
            ending: AtomicBool::new(false),
            superseded: AtomicBool::new(false),
            probe: AtomicBool::new(false),
            spoken: AtomicBool::new(false),
            begun: AtomicBool::new(false),
        }
    }

    /// The peer has sent a message.
    pub fn speaks(&self) {
        self.spoken.store(true, Ordering::Relaxed);
    }

    /// Whether the peer has ever sent a message, a ping of its dialect among them.
    pub fn has_spoken(&self) -> bool {
        self.spoken.load(Ordering::Relaxed)
    }

    /// All its handlers have heard that it is there.
    pub(super) fn has_begun(&self) {
        self.begun.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_begun(&self) -> bool {
        self.begun.load(Ordering::SeqCst)
    }

    /// The same, to be ended at this time by tokio's clock, which does not jump.
    pub fn ending_at(self, ends: Option<Instant>) -> Self {
        Self { ends, ..self }
    }

    /// The same, over this transport; without, it is WebSocket.
    pub fn over(self, transport: Transport) -> Self {
        Self { transport, ..self }
    }

    /// A frame as the connection's transport writes it.
    pub fn frame(&self, frame: Frame) -> Framed {
        self.transport.frame(frame)
    }

    /// What is the same for all with this number: how frames look for them.
    pub(super) fn lane(&self) -> usize {
        self.transport.lane(self.wire)
    }

    /// The same, on an endpoint that takes its clients' trace contexts for this.
    pub fn taking(self, traceparent: settings::Traceparent) -> Self {
        Self { traceparent, ..self }
    }

    /// What the trace contexts in its events are for our spans.
    pub fn traceparent(&self) -> settings::Traceparent {
        self.traceparent
    }

    /// The same, on an endpoint whose clients may send so much of signals; none: they may not.
    pub fn sending(self, signals: Option<settings::ClientSignals>) -> Self {
        let right = signals.map(|limits| Box::new(Right::new(limits, self.wire.dialect)));
        Self { signals: right, ..self }
    }

    /// What it may send of signals, if it may.
    pub(super) fn may_send_signals(&self) -> Option<&Right> {
        self.signals.as_deref()
    }

    /// What an event of this id asks of the gateway itself; none: it is for plugins.
    pub fn asked(&self, id: &str) -> Option<Asked> {
        let is_batch = || self.signals.as_ref().is_some_and(|right| right.names(id));
        dialect::asked(self.wire.dialect, id).or_else(|| is_batch().then_some(Asked::Telemetry))
    }

    /// When the authentication ends, and the connection with it.
    pub fn ends(&self) -> Option<Instant> {
        self.ends
    }

    /// Names the client instance behind the connection; before it opens, once.
    pub fn set_client(&self, client: String) {
        self.client.get_or_init(|| client.into());
    }

    /// The client instance, as it may come back: as the same user, on the same endpoint, under the same name.
    pub(super) fn client(&self) -> Option<Client> {
        let name = self.client.get()?.to_string();
        let who = match &self.facts.user {
            Some(user) => Who::User(user.id.clone()),
            None => Who::Anonymous(self.facts.peer.ip().to_canonical()),
        };
        Some(Client { endpoint: self.facts.endpoint_index, who, name })
    }

    /// The same client has come back on another connection: this one is pinged at once, and lives if it answers.
    pub(super) fn supersede(&self) {
        let mut state = self.state();
        self.superseded.store(true, Ordering::Relaxed);
        self.probe.store(true, Ordering::Relaxed);
        state.wake();
    }

    /// Whether the peer is to be asked now if it lives; once true.
    pub fn take_probe(&self) -> bool {
        self.probe.load(Ordering::Relaxed) && self.probe.swap(false, Ordering::Relaxed)
    }

    /// Whether the same client has come back on another connection.
    pub fn is_superseded(&self) -> bool {
        self.superseded.load(Ordering::Relaxed)
    }

    /// Queues a data frame. A connection that is closing takes none.
    pub fn send(&self, item: Item) -> Offered {
        let mut state = self.state();
        let offered = self.offer(&mut state, item);
        state.wake();
        offered
    }

    fn offer(&self, state: &mut State, item: Item) -> Offered {
        if let Phase::Closing(_) = state.phase {
            return Offered::Dropped;
        }
        // When all memory is used up, who lags behind gets nothing more.
        let tight = state.outbox.bytes() >= BEHIND && self.facts.waiting.holding.is_budget_full();
        let offered = if tight { state.outbox.refuse() } else { state.outbox.offer(item) };
        if !state.direct.is_clear() {
            // It will lie there for a while. Elsewhere it is written at once, or counted if it is not.
            self.count(state);
        }
        if offered == Offered::Full {
            self.begin_closing(state, Reason::SlowConsumer);
        }
        offered
    }

    /// Counts what is queued.
    fn count(&self, state: &mut State) {
        state.gauge.set(&self.facts.waiting.holding, state.outbox.held());
    }

    /// Ends the connection at once, because memory is short: what is queued for it is given up. Returns how many frames.
    pub(super) fn shed(&self) -> u64 {
        let mut state = self.state();
        // Whatever it was told before: it is not waited for.
        self.begin_closing(&mut state, Reason::Memory);
        let lost = state.outbox.give_up();
        self.count(&mut state);
        state.wake();
        lost
    }

    /// Whether `shed` ended it: nothing more is to be written.
    pub fn is_shed(&self) -> bool {
        self.is_closing_for(&Reason::Memory)
    }

    /// The task writes what is queued.
    pub(super) fn write_itself(&self) {
        let mut state = self.state();
        state.direct.release();
        state.wake();
    }

    /// Queues a control frame, ahead of all data; false when too many wait.
    pub fn send_control(&self, frame: Framed) -> bool {
        let mut state = self.state();
        let taken = state.outbox.offer_control(frame);
        state.wake();
        taken
    }

    /// Ends the connection after what is queued. The first reason stands.
    pub fn close(&self, reason: Reason) {
        let mut state = self.state();
        if state.closing_for().is_none() {
            self.begin_closing(&mut state, reason);
        }
        state.wake();
    }

    /// Ends the connection once nothing of it waits for a decision: part of a drain.
    pub fn send_away(&self) {
        let mut state = self.state();
        if let Phase::Open = state.phase {
            state.phase = Phase::Leaving;
            self.ending.store(true, Ordering::Relaxed);
        }
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
        match &state.phase {
            Phase::Closing(reason) => Left::Close((**reason).clone()),
            Phase::Leaving if self.facts.waiting.events() == 0 => Left::Close(Reason::Drained),
            Phase::Leaving | Phase::Open => Left::Nothing,
        }
    }

    /// Whether it is leaving and nothing of it waits for a decision any more. If something does, `task` is woken when
    /// nothing does.
    pub fn is_done(&self, task: &Waker) -> bool {
        let nothing = Below { events: 1, bytes: usize::MAX };
        matches!(self.state().phase, Phase::Leaving) && self.facts.waiting.is_below(nothing, task)
    }

    /// Whether it was told to go.
    pub fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    /// Whether it is ending because its peer reads too slowly.
    pub fn is_given_up(&self) -> bool {
        self.is_closing_for(&Reason::SlowConsumer)
    }

    fn is_closing_for(&self, why: &Reason) -> bool {
        self.is_ending() && self.state().closing_for().is_some_and(|reason| reason == why)
    }

    fn begin_closing(&self, state: &mut State, reason: Reason) {
        state.phase = Phase::Closing(Box::new(reason));
        self.ending.store(true, Ordering::Relaxed);
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
        state.direct.handed_out(clear);
        self.count(&mut state);
        if !state.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            state.waker = Some(waker.clone());
        }
        !state.outbox.is_empty()
            || state.closing_for().is_some()
            || self.probe.load(Ordering::Relaxed)
    }

    pub fn depth(&self) -> usize {
        self.state().outbox.depth()
    }

    pub fn subscriptions(&self) -> Vec<Channel> {
        self.state().subscriptions.channels()
    }

    /// Frames that will never be written, now that the connection is gone.
    pub(super) fn lost(&self) -> u64 {
        let mut state = self.state();
        let depth = state.outbox.depth() as u64;
        if state.closing_for().is_none() {
            self.begin_closing(&mut state, Reason::Lost);
        }
        state.direct.end();
        state.outbox.give_up();
        self.count(&mut state);
        depth
    }

    pub(super) fn take_initial_channels(&self) -> Vec<Channel> {
        std::mem::take(&mut self.state().initial).into()
    }

    /// All subscriptions end, and none begins any more.
    pub(super) fn end_subscriptions(&self) -> Vec<(Channel, Since)> {
        self.state().subscriptions.end()
    }

    /// Takes a note of a subscription; there may be `max`.
    pub(super) fn note_subscription(&self, channel: &Channel, max: usize) -> Noted {
        self.state().subscriptions.note(channel, max)
    }

    /// The client is told of a subscription, and will hear of its end.
    pub(super) fn tell_subscription(&self, channel: &Channel) {
        self.state().subscriptions.tell(channel);
    }

    /// Which one it was; none when there was none.
    pub(super) fn forget_subscription(&self, channel: &Channel) -> Option<Forgotten> {
        self.state().subscriptions.forget(channel)
    }

    pub(super) fn is_subscribed(&self, channel: &Channel) -> bool {
        self.state().subscriptions.contains(channel)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Why it is closing, if it is.
    fn closing_for(&self) -> Option<&Reason> {
        match &self.phase {
            Phase::Closing(reason) => Some(reason),
            Phase::Open | Phase::Leaving => None,
        }
    }

    /// Wakes the connection's task if it sleeps, once.
    fn wake(&mut self) {
        if std::mem::take(&mut self.asleep)
            && let Some(waker) = &self.waker
        {
            waker.wake_by_ref();
        }
    }
}
