//! Everybody who is connected, and everything that is done to them.
//!
//! The hub owns the tables of connections, users and pending replies; channels own themselves (`crate::channels`). It decides
//! nothing: handlers do, and `act` has their effects carried out, each by its capability (`capabilities`).

mod account;
mod act;
mod budget;
mod capabilities;
mod clock;
mod directory;
mod fanout;
mod frames;
mod gauges;
mod here;
mod inbox;
mod link;
mod news;
mod notable;
mod numbered;
mod occupancy;
mod publications;
mod relief;
mod replies;
mod requests;
mod send;
mod signals;
mod step;
mod subscriptions;
mod tables;
mod tags;
mod users;
mod writers;

pub use account::{Account, Unclaimed};
pub use capabilities::fetch::Requesting;
pub use clock::ToldTime;
pub use here::Reception;
pub use link::{Left, Link, Rest, Shortcut};
pub use replies::{Ended, Expected};

use crate::channels::Channels;
use arc_swap::ArcSwap;
use capabilities::{ask::Questions, fetch::Fetches, timers::Timers};
use directory::Directory;
use fanout::FanOuts;
use foldhash::fast::RandomState;
use inbox::Inbox;
use news::Newsroom;
use occupancy::Occupancy;
use publications::Publications;
use replies::Replies;
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};
use subscriptions::{Share, Subscriber};
use tables::Tables;
use tags::Tags;
use tengen_core::{
    broker::{Broker, memory::Memory},
    budget::Budget,
    event::Connection,
    handler::{Handler, Newcomer},
    intake::Intake,
    meter::{Happened, Totals},
    often::Often,
    rules::Rules,
    store::Store,
    trace::Tracer,
};
use tengen_settings::{Grants, Limits, RequestLimits};
use tengen_wire::{
    close::Reason,
    fault::FaultId,
    id::{EndpointIndex, Handle, PluginName},
};
use writers::Writers;

/// Callers that are told in one go that nobody answered.
const EXPIRED_AT_ONCE: usize = 1024;

/// One of so many parts of the budget is for bodies of whom nobody knows yet: they cannot bring about that others are closed.
const UNCLAIMED: usize = 8;

/// What a plugin may touch: its grants, and the endpoints whose connections are its own.
#[derive(Debug, Clone, Default)]
pub struct Rights {
    pub grants: Grants,
    /// By endpoint index: the paths of those whose connections are its own.
    pub endpoints: Vec<Option<Arc<str>>>,
    /// What its requests to servers may take.
    pub requests: RequestLimits,
}

/// Why the hub does not take a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unwelcome {
    /// `limits.connections` is reached.
    Full,
    /// `limits.memory` is nearly used up.
    Memory,
    Draining,
}

/// The rights of all plugins, as they were when somebody looked.
type AllRights = arc_swap::Guard<Arc<HashMap<PluginName, Rights, RandomState>>>;

#[derive(Debug)]
pub struct Hub {
    tables: RwLock<Tables>,
    links: Arc<Directory>,
    channels: Channels<Subscriber, FanOuts, Share>,
    replies: Replies,
    rights: ArcSwap<HashMap<PluginName, Rights, RandomState>>,
    /// Of a plugin that has none.
    nobodys: Rights,
    limits: Limits,
    tracer: Arc<dyn Tracer>,
    writers: Writers,
    inbox: Inbox,
    timers: Timers,
    fetches: Fetches,
    questions: Questions,
    occupancy: Occupancy,
    news: Newsroom,
    tags: Tags,
    publications: Publications,
    rules: Rules,
    budget: Arc<Budget>,
    /// What of it may be held of whom nobody knows yet.
    unclaimed: Arc<Budget>,
    /// Who takes in signals of clients; none: nobody does.
    intake: Option<Arc<dyn Intake>>,
    /// Where plugins put values by key; none: nowhere.
    store: Option<Arc<dyn Store>>,
    /// What happens, and is counted.
    pub meter: Totals,
    /// What single peers make happen again and again, and an operator should look at once.
    pub notable: Often,
}

impl Hub {
    pub fn new(limits: Limits, tracer: Arc<dyn Tracer>) -> Self {
        let links = Arc::<Directory>::default();
        Self {
            tables: RwLock::new(Tables::new(Arc::clone(&links))),
            links,
            channels: Channels::new(Arc::new(Memory::new(""))),
            replies: Replies::new(limits.reply),
            rights: ArcSwap::default(),
            nobodys: Rights::default(),
            limits,
            tracer,
            writers: Writers::default(),
            inbox: Inbox::default(),
            timers: Timers::default(),
            fetches: Fetches::default(),
            questions: Questions::default(),
            occupancy: Occupancy::default(),
            news: Newsroom::default(),
            tags: Tags::default(),
            publications: Publications::default(),
            rules: Rules::default(),
            budget: Arc::new(Budget::new(limits.memory.bytes())),
            unclaimed: Arc::new(Budget::new(limits.memory.bytes() / UNCLAIMED)),
            intake: None,
            store: None,
            meter: Totals::default(),
            notable: Often::default(),
        }
    }

    /// The same, with somebody else to number publications; without, each hub counts for itself, in memory. Before anybody
    /// subscribes.
    pub fn with_broker(self, broker: Arc<dyn Broker>) -> Self {
        Self { channels: Channels::new(broker), ..self }
    }

    /// The same, where clients may do something by themselves on channels.
    pub fn with_rules(self, rules: Rules) -> Self {
        Self { rules, ..self }
    }

    /// The same, where clients' signals go there, of those that may send some.
    pub fn with_intake(self, intake: Arc<dyn Intake>) -> Self {
        Self { intake: Some(intake), ..self }
    }

    /// The same, where plugins may put values by key.
    pub fn with_store(self, store: Arc<dyn Store>) -> Self {
        Self { store: Some(store), ..self }
    }

    /// The same, where plugins may send requests to servers; without, every such effect is refused.
    pub fn with_requesting(self, requesting: Requesting) -> Self {
        Self { fetches: Fetches::by(requesting), ..self }
    }

    /// The same, for who tells the time: timers and questions are due by that, and are told with all that there is to tell
    /// where [`Hub::tell_now`] is called.
    pub fn with_told_time(self, time: &ToldTime) -> Self {
        Self { timers: Timers::told(time), questions: Questions::told(time), ..self }
    }

    /// Tells plugins, at once, what tasks tell them in a gateway: who has come and gone, which timers and questions are due. Returns
    /// how long after the beginning the next one of these is; none: nothing is due later.
    pub fn tell_now(&self) -> Option<Duration> {
        self.tell_occupancy_now();
        self.tell_news_now();
        let next = self.fire().into_iter().chain(self.give_up_questions()).min();
        next.map(Duration::from_millis)
    }

    /// What the hub goes by: `connections` may be less than the file says, where the system has no more to give.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What each plugin may touch from now on.
    pub fn set_rights(&self, rights: HashMap<PluginName, Rights>) {
        self.rights.store(Arc::new(rights.into_iter().collect()));
    }

    /// Who hears of what no connection's task brings: the handlers of the plugins that run. What others have set for
    /// themselves is forgotten.
    pub fn set_handlers(&self, handlers: HashMap<PluginName, Arc<dyn Handler>>) {
        let running: HashSet<_> = handlers.keys().cloned().collect();
        let is_new = |plugin: &PluginName| self.inbox.of(plugin).is_none();
        let mut is_less = false;
        self.inbox.each(|plugin, _| is_less |= !running.contains(plugin));
        let new: Vec<_> = running.iter().filter(|plugin| is_new(plugin)).collect();
        self.inbox.set(handlers);
        self.meter.note(Happened::TimersForgotten(self.timers.keep(&running)));
        self.meter.note(Happened::AskEnded("forgotten", self.questions.keep(&running)));
        self.occupancy.keep(&running);
        self.news.keep(&running);
        if is_less {
            self.keep_data(&running);
        }
        // What changes from here on is noted; what was before is not known to them.
        new.into_iter().for_each(|plugin| self.tell_all(plugin, Newcomer::NEW));
    }

    /// A handle for a connection that is about to open, and a place for its socket until [`Hub::gone`]. Fails when there
    /// is no room.
    pub fn reserve(&self) -> Result<Handle, Unwelcome> {
        if self.budget.is_over_mark() {
            self.meter.note(Happened::RefusedForMemory);
            return Err(Unwelcome::Memory);
        }
        self.write_tables().reserve(self.limits.connections.get())
    }

    /// Gives a handle back whose connection never opened.
    pub fn release(&self, handle: Handle) {
        self.write_tables().release(handle);
    }

    /// The socket of a connection is gone, after the connection itself or without one.
    pub fn gone(&self) {
        self.write_tables().gone();
    }

    /// Room among the sockets of connections for one that waits beside its connection, until [`Hub::gone_beside`]. False:
    /// there is none, or no more is taken in.
    pub fn seat_beside(&self) -> bool {
        self.write_tables().seat_beside(self.limits.connections.get())
    }

    /// A socket that waited beside its connection does not any more.
    pub fn gone_beside(&self) {
        self.write_tables().gone_beside();
    }

    /// The connection is open: pushes reach it from now on.
    pub fn open(&self, link: &Arc<Link>) {
        link.facts.waiting.holding.enter(&self.budget);
        self.write_tables().insert(Arc::clone(link));
        self.meter.note(Happened::Opened);
        self.note_user(link);
        self.begin_subscribed(link);
    }

    /// The connection is gone: its subscriptions and pending replies end.
    pub fn close(&self, link: &Arc<Link>, reason: &Reason) {
        self.write_tables().remove(link);
        self.timers.end(link.facts.handle);
        self.fetches.end(link.facts.handle);
        self.end_questions(link.facts.handle);
        self.leave_all(link);
        self.end_members(link);
        self.end_missed(link.facts.handle);
        self.note_user(link);
        self.meter.note(Happened::Ended(reason));
        let lost = link.lost();
        self.meter.note(Happened::Dropped(lost));
        link.facts.waiting.holding.leave();
        self.end_data(link);
        let unanswered = link.replies.take();
        if !unanswered.is_empty() {
            self.replies.forget(unanswered);
        }
    }

    pub fn link(&self, handle: Handle) -> Option<Arc<Link>> {
        self.links.get(handle)
    }

    /// How many connections are open or about to open.
    pub fn len(&self) -> usize {
        self.read_tables().len()
    }

    /// How many sockets there are of connections that have ended: they say goodbye.
    pub fn closing(&self) -> usize {
        self.read_tables().closing()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// No more connections; the open ones are returned, to be sent away.
    pub fn begin_drain(&self) -> Vec<Arc<Link>> {
        self.write_tables().draining = true;
        self.links.all(|_| true)
    }

    /// Closes what is still open, at the end of a drain.
    pub fn close_all(&self, reason: &Reason) -> usize {
        let links = self.links.all(|_| true);
        for link in &links {
            link.close(reason.clone());
        }
        links.len()
    }

    /// The open connections that these plugins own.
    fn owned_by(&self, plugin: &PluginName) -> Vec<Arc<Connection>> {
        let rights = self.rights.load();
        let Some(rights) = rights.get(plugin) else { return Vec::new() };
        let owned = self.links.all(|link| rights.owns(link));
        owned.iter().map(|link| Arc::clone(&link.facts)).collect()
    }

    /// Answers callers whose handler did not, with `timeout` or `unanswered`. To be called every second or so, and again
    /// at once, after others had their turn, when this says that there may be more.
    pub fn expire_replies(&self, now: Instant) -> bool {
        let expired = self.replies.expire(now, EXPIRED_AT_ONCE);
        for Ended { expected, why } in &expired {
            match why.id {
                FaultId::Timeout => self.meter.note(Happened::TimedOut),
                FaultId::Unanswered => self.meter.note(Happened::Unanswered),
                _ => {}
            }
            self.answer_fault(expected, why);
        }
        expired.len() == EXPIRED_AT_ONCE
    }

    /// Replies that callers wait for.
    pub fn open_replies(&self) -> usize {
        self.replies.len()
    }

    /// Writes to connections whose tasks sleep, until it is dropped. As many at a time as the runtime has workers.
    pub async fn write_for_others(&self) {
        self.writers.run().await;
    }

    fn read_tables(&self) -> std::sync::RwLockReadGuard<'_, Tables> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_tables(&self) -> std::sync::RwLockWriteGuard<'_, Tables> {
        self.tables.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rights {
    fn owns(&self, link: &Link) -> bool {
        self.owns_endpoint(link.facts.endpoint_index)
    }

    fn owns_endpoint(&self, index: EndpointIndex) -> bool {
        self.endpoints.get(usize::from(index.0)).is_some_and(Option::is_some)
    }
}

#[cfg(test)]
mod tests;
