//! Everybody who is connected, and everything that is done to them.
//!
//! The hub owns the tables of connections, users, channels and pending replies. It decides nothing: handlers do, and
//! `act` carries their effects out.

mod act;
mod link;
mod replies;
mod requests;
mod send;
mod tables;
mod writers;

pub use link::{Left, Link, Rest, Shortcut};
pub use replies::Expected;

use crate::{
    close::Reason,
    event::Connection,
    id::{Channel, Handle, PluginName},
    settings::{Grants, Limits},
    trace::Tracer,
};
use arc_swap::ArcSwap;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};
use tables::Tables;
use writers::Writers;

/// What a plugin may touch: its grants, and the endpoints whose connections are its own.
#[derive(Debug, Clone, Default)]
pub struct Rights {
    pub grants: Grants,
    /// By endpoint index.
    pub endpoints: Vec<bool>,
}

/// Why the hub does not take a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unwelcome {
    /// `limits.connections` is reached.
    Full,
    Draining,
}

/// Losses and totals, each by its reason.
#[derive(Debug, Default)]
pub struct Counters {
    pub opened: AtomicU64,
    /// Upgrades that were refused.
    pub rejected: AtomicU64,
    /// HTTP connections that ended in the middle: not HTTP, too slow, or gone.
    pub failed_requests: AtomicU64,
    /// Connections that ended, by [`Reason::kind`].
    pub ended: [AtomicU64; Reason::KINDS.len()],
    pub events: AtomicU64,
    pub replies: AtomicU64,
    pub delivered: AtomicU64,
    /// Frames that an outbox did not take or gave up.
    pub outbox_dropped: AtomicU64,
    /// Connections closed because they read too slowly.
    pub slow_consumers: AtomicU64,
    /// Effects that were not carried out.
    pub refused_effects: AtomicU64,
    /// Replies to nothing: unknown, too late, or given twice.
    pub stray_replies: AtomicU64,
    /// Callers that waited in vain.
    pub reply_timeouts: AtomicU64,
    /// Payloads that a receiver's format cannot hold.
    pub unsupported: AtomicU64,
    pub malformed: AtomicU64,
    pub overloaded: AtomicU64,
    pub unrouted: AtomicU64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, by: u64) {
        counter.fetch_add(by, Ordering::Relaxed);
    }

    fn count_end(&self, reason: &Reason) {
        if let Some(counter) = self.ended.get(reason.kind()) {
            Self::add(counter, 1);
        }
    }
}

#[derive(Debug)]
pub struct Hub {
    tables: RwLock<Tables>,
    replies: Mutex<replies::Replies>,
    rights: ArcSwap<HashMap<PluginName, Rights>>,
    limits: Limits,
    tracer: Arc<dyn Tracer>,
    writers: Writers,
    pub counters: Counters,
}

impl Hub {
    pub fn new(limits: Limits, tracer: Arc<dyn Tracer>) -> Self {
        Self {
            tables: RwLock::default(),
            replies: Mutex::new(replies::Replies::new(limits.reply)),
            rights: ArcSwap::default(),
            limits,
            tracer,
            writers: Writers::default(),
            counters: Counters::default(),
        }
    }

    /// What the hub goes by: `connections` may be less than the file says, where the system has no more to give.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What each plugin may touch from now on.
    pub fn set_rights(&self, rights: HashMap<PluginName, Rights>) {
        self.rights.store(Arc::new(rights));
    }

    /// A handle for a connection that is about to open. Fails when there is no room.
    pub fn reserve(&self) -> Result<Handle, Unwelcome> {
        self.write_tables().reserve(self.limits.connections.get())
    }

    /// Gives a handle back whose connection never opened.
    pub fn release(&self, handle: Handle) {
        self.write_tables().release(handle);
    }

    /// The connection is open: pushes reach it from now on.
    pub fn open(&self, link: &Arc<Link>) {
        self.write_tables().insert(Arc::clone(link));
        Counters::add(&self.counters.opened, 1);
        for channel in link.take_initial_channels() {
            if !self.subscribe(link, &channel) {
                tracing::warn!(connection = %link.facts.id, %channel, "a connection begins without a subscription: `limits.per_connection.subscriptions` is reached");
            }
        }
    }

    /// The connection is gone: its subscriptions and pending replies end.
    pub fn close(&self, link: &Arc<Link>, reason: &Reason) {
        let left = self.write_tables().remove(link);
        for membership in left {
            membership.settle(link);
        }
        self.counters.count_end(reason);
        let lost = link.lost();
        Counters::add(&self.counters.outbox_dropped, lost);
    }

    pub fn link(&self, handle: Handle) -> Option<Arc<Link>> {
        self.read_tables().link(handle)
    }

    /// How many connections are open or about to open.
    pub fn len(&self) -> usize {
        self.read_tables().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn channels(&self) -> usize {
        self.read_tables().channels.len()
    }

    /// Subscribes a connection; false when it has too many subscriptions already.
    pub(crate) fn subscribe(&self, link: &Arc<Link>, channel: &Channel) -> bool {
        let max = self.limits.subscriptions;
        let (subscribed, membership) = self.write_tables().subscribe(link, channel, max);
        if let Some(membership) = membership {
            membership.settle(link);
        }
        subscribed
    }

    /// Ends a subscription; false when there was none, which a peer may ask for as often as it likes.
    pub(crate) fn unsubscribe(&self, link: &Arc<Link>, channel: &Channel) -> bool {
        if !link.is_subscribed(channel) {
            return false;
        }
        let membership = self.write_tables().unsubscribe(link, channel);
        membership.is_some_and(|membership| {
            membership.settle(link);
            true
        })
    }

    /// No more connections; the open ones are returned, to be sent away.
    pub fn begin_drain(&self) -> Vec<Arc<Link>> {
        self.write_tables().draining = true;
        self.all(|_| true)
    }

    /// Closes what is still open, at the end of a drain.
    pub fn close_all(&self, reason: &Reason) -> usize {
        let links = self.all(|_| true);
        for link in &links {
            link.close(reason.clone());
        }
        links.len()
    }

    /// The open connections that these plugins own.
    fn owned_by(&self, plugin: &PluginName) -> Vec<Arc<Connection>> {
        let rights = self.rights.load();
        let Some(rights) = rights.get(plugin) else { return Vec::new() };
        let owned = self.all(|link| rights.owns(link));
        owned.iter().map(|link| Arc::clone(&link.facts)).collect()
    }

    /// The open connections of this kind. Others open and close meanwhile: they are not kept waiting for all of these.
    fn all(&self, is_wanted: impl Fn(&Link) -> bool) -> Vec<Arc<Link>> {
        let mut found = Vec::new();
        for number in 0..tables::SHARDS {
            let tables = self.read_tables();
            found.extend(tables.shard(number).filter(|link| is_wanted(link)).cloned());
        }
        found
    }

    /// Answers callers whose handler did not, with `timeout`. To be called every second or so.
    pub fn expire_replies(&self, now: Instant) {
        let expired = self.replies().expire(now);
        for expected in expired {
            Counters::add(&self.counters.reply_timeouts, 1);
            self.answer_fault(&expected, &replies::too_late());
        }
    }

    /// Writes to connections whose tasks sleep, until it is dropped. As many at a time as the runtime has workers.
    pub async fn write_for_others(&self) {
        self.writers.run().await;
    }

    fn replies(&self) -> std::sync::MutexGuard<'_, replies::Replies> {
        self.replies.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.endpoints.get(usize::from(link.facts.endpoint_index.0)).copied().unwrap_or(false)
    }
}

#[cfg(test)]
mod tests;
