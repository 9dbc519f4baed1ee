//! Replies that callers wait for: a number for the handlers, a callback for the peer, a deadline for both.
//!
//! A place ends with its reply, with the failure of whoever was asked, with its connection, or with `limits.reply`.
//! Nobody can have so many of them that others get none: a connection has 256, a plugin a quarter of all.
//!
//! There are many tables, see `part`: which one is told by a reply's number and by its connection.

mod lease;
mod part;

use super::Link;
use lease::Pool;
use part::Part;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tengen_core::count::Apart;
use tengen_wire::{
    dialect::Callback,
    fault::{Fault, FaultId},
    id::{EventId, PluginName},
};

/// Replies that may be waited for at one time.
pub(super) const CAPACITY: usize = 1 << 20;
/// Of one plugin: one that never answers leaves room for the others.
pub(super) const OF_A_PLUGIN: usize = CAPACITY / 4;

/// A reply that somebody waits for.
#[derive(Debug, Clone)]
pub struct Expected {
    pub link: Arc<Link>,
    pub callback: Callback,
    pub event: EventId,
    /// Further handlers that were asked, beside the one to whose share it counts. The first reply wins, a failure counts
    /// when nobody else decides any more.
    pub others: Vec<PluginName>,
    /// How many of those who were asked have not decided yet.
    deciding: usize,
    /// Why the first of those failed who did.
    failed: Option<Box<Fault>>,
    /// Whether somebody said that the reply comes later.
    later: bool,
    /// The handler that was asked, of several the last one, as [`Part`] knows it: to its share it counts.
    share: usize,
    /// None before its place is taken.
    deadline: Option<Instant>,
}

impl Expected {
    /// A reply that one handler is asked for.
    pub fn new(link: Arc<Link>, callback: Callback, event: EventId) -> Self {
        Self {
            link,
            callback,
            event,
            others: Vec::new(),
            deciding: 1,
            failed: None,
            later: false,
            share: 0,
            deadline: None,
        }
    }
}

/// What a plugin that gives no reply now says instead.
#[derive(Debug, Clone, Copy)]
pub(super) enum Said<'a> {
    /// There is none.
    Nothing,
    /// It comes with another event's decision.
    Later,
    Failed(&'a Fault),
}

/// A caller that gets no reply, and why.
#[derive(Debug)]
pub struct Ended {
    pub expected: Box<Expected>,
    pub why: Fault,
}

/// Replies that are waited for, in as many tables as [`part::PARTS`]: all of one connection in one of them. Connections that
/// are served by different workers share nothing but the bounds.
#[derive(Debug)]
pub(super) struct Replies {
    parts: Box<[Apart<Mutex<Part>>]>,
    bounds: Bounds,
    patience: Duration,
}

/// What all tables share, and seldom look at.
#[derive(Debug)]
struct Bounds {
    all: Pool,
    plugins: Mutex<HashMap<PluginName, Arc<Pool>>>,
}

impl Bounds {
    fn of(&self, plugin: &PluginName) -> Arc<Pool> {
        let mut plugins = self.plugins.lock().unwrap_or_else(PoisonError::into_inner);
        let pool = plugins.entry(plugin.clone());
        Arc::clone(pool.or_insert_with(|| Arc::new(Pool::new(OF_A_PLUGIN))))
    }
}

impl Replies {
    pub(super) fn new(patience: Duration) -> Self {
        let parts = (0..part::PARTS).map(|number| Apart(Mutex::new(Part::new(number)))).collect();
        let bounds = Bounds { all: Pool::new(CAPACITY), plugins: Mutex::default() };
        Self { parts, bounds, patience }
    }

    pub(super) fn len(&self) -> usize {
        self.each().map(|part| part.len()).sum()
    }

    /// The number by which the handlers answer; what was expected comes back when too many wait. `plugin`: who is asked,
    /// the last one of several.
    pub(super) fn expect(
        &self,
        mut expected: Box<Expected>,
        plugin: &PluginName,
        now: Instant,
    ) -> Result<u32, Box<Ended>> {
        expected.deadline = Some(now + self.patience);
        let number = expected.link.facts.handle.0;
        match self.part(number) {
            Some(mut part) => part.expect(expected, plugin, &self.bounds),
            None => Err(Box::new(Ended { expected, why: too_late() })),
        }
    }

    /// Takes a reply out, if this plugin was asked for it.
    pub(super) fn take(&self, number: u32, plugin: &PluginName) -> Option<Box<Expected>> {
        self.part(number)?.take(number, plugin, &self.bounds)
    }

    /// A plugin has decided about the event, and has given no reply. What is returned gets none: nobody is at it any more, and
    /// nobody is to reply later.
    pub(super) fn decided(
        &self,
        number: u32,
        plugin: &PluginName,
        said: Said<'_>,
    ) -> Option<Ended> {
        self.part(number)?.decided(number, plugin, said, &self.bounds)
    }

    /// A plugin has failed at the event, and these have it now instead; none: others have it already. What is returned has
    /// failed, as of [`Replies::decided`].
    pub(super) fn pass_on(&self, number: u32, from: &PluginName, to: Vec<PluginName>) {
        if let Some(mut part) = self.part(number) {
            part.pass_on(number, from, to);
        }
    }

    /// Takes out those whose time is up, at most so many at a time.
    pub(super) fn expire(&self, now: Instant, most: usize) -> Vec<Ended> {
        let mut expired = Vec::new();
        self.each().for_each(|mut part| part.expire(now, most, &self.bounds, &mut expired));
        expired
    }

    /// A connection has ended, and nobody waits for its replies any more.
    pub(super) fn forget(&self, numbers: impl IntoIterator<Item = u32>) {
        for number in numbers {
            if let Some(mut part) = self.part(number) {
                part.remove(number, &self.bounds);
            }
        }
    }

    /// The table of this reply, or of the connection with this handle.
    fn part(&self, number: u32) -> Option<MutexGuard<'_, Part>> {
        self.parts.get(part::of(number)).map(|Apart(part)| lock(part))
    }

    fn each(&self) -> impl Iterator<Item = MutexGuard<'_, Part>> {
        self.parts.iter().map(|Apart(part)| lock(part))
    }
}

fn lock(part: &Mutex<Part>) -> MutexGuard<'_, Part> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}

fn too_late() -> Fault {
    let message = "nothing answered in time; send the event again if it may be done twice";
    Fault::new(FaultId::Timeout, message)
}

/// The plugin was done with the event in time: sending it again would do it again.
fn unanswered() -> Fault {
    let message = "the event was handled, and no reply was given; expect none for it";
    Fault::new(FaultId::Unanswered, message)
}
