//! Replies that callers wait for: a number for the handlers, a callback for the peer, a deadline for both.
//!
//! A place ends with its reply, with the failure of whoever was asked, with its connection, or with `limits.reply`.
//! Nobody can have so many of them that others get none: a connection has 256, a plugin a quarter of all.

use super::Link;
use crate::{
    envelope::Callback,
    fault::{Fault, FaultId},
    id::{EventId, PluginName},
};
use foldhash::fast::RandomState;
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Replies that may be waited for at one time.
pub(super) const CAPACITY: usize = 1 << 20;
/// Of one plugin: one that never answers leaves room for the others.
pub(super) const OF_A_PLUGIN: usize = CAPACITY / 4;
/// Of one connection: a client that asks without end uses up its own places.
pub(super) const OF_A_CONNECTION: usize = 256;

/// A reply that somebody waits for.
#[derive(Debug, Clone)]
pub struct Expected {
    pub link: Arc<Link>,
    pub callback: Callback,
    pub event: EventId,
    /// The handler that was asked; of several the last one, to whose share it counts.
    pub plugin: PluginName,
    /// Further handlers that were asked. The first reply wins, a failure counts when nobody else decides any more.
    pub others: Vec<PluginName>,
    /// How many of those who were asked have not decided yet.
    deciding: usize,
    /// Why the first of those failed who did.
    failed: Option<Fault>,
}

impl Expected {
    /// A reply that one handler was asked for.
    pub fn new(link: Arc<Link>, callback: Callback, event: EventId, plugin: PluginName) -> Self {
        Self { link, callback, event, plugin, others: Vec::new(), deciding: 1, failed: None }
    }

    fn was_asked(&self, plugin: &PluginName) -> bool {
        self.plugin == *plugin || self.others.contains(plugin)
    }
}

/// A caller that gets no reply, and why.
#[derive(Debug)]
pub struct Ended {
    pub expected: Box<Expected>,
    pub why: Fault,
}

/// The numbers of one connection's replies; looked at under the lock of [`Replies`] only, but for its end.
#[derive(Debug, Default)]
pub(super) struct Numbers(Mutex<Vec<u32>>);

impl Numbers {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those that are left at the connection's end.
    pub(super) fn take(&self) -> Vec<u32> {
        std::mem::take(&mut *self.lock())
    }

    fn remove(&self, number: u32) {
        let mut numbers = self.lock();
        // Most are answered in the order in which they were asked.
        if let Some(place) = numbers.iter().position(|other| *other == number) {
            numbers.remove(place);
        }
        if numbers.is_empty() && numbers.capacity() > 16 {
            *numbers = Vec::new();
        }
    }
}

/// Counted up, so that a number comes again only after four billion others.
#[derive(Debug)]
pub(super) struct Replies {
    last: u32,
    waiting: HashMap<u32, Box<Expected>, RandomState>,
    of_plugins: HashMap<PluginName, usize, RandomState>,
    /// In the order of their deadlines, since all wait equally long.
    deadlines: VecDeque<(Instant, u32)>,
    patience: Duration,
}

impl Replies {
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            last: 0,
            waiting: HashMap::default(),
            of_plugins: HashMap::default(),
            deadlines: VecDeque::new(),
            patience,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The number by which the handlers answer; what was expected comes back when too many wait.
    pub(super) fn expect(
        &mut self,
        mut expected: Box<Expected>,
        now: Instant,
    ) -> Result<u32, Box<Ended>> {
        if let Err(why) = self.has_room(&expected) {
            return Err(Box::new(Ended { expected, why }));
        }
        expected.deciding = 1 + expected.others.len();
        let number = self.next();
        expected.link.replies.lock().push(number);
        match self.of_plugins.get_mut(&expected.plugin) {
            Some(count) => *count += 1,
            None => drop(self.of_plugins.insert(expected.plugin.clone(), 1)),
        }
        self.waiting.insert(number, expected);
        if self.deadlines.len() > 2 * self.waiting.len() + 1024 {
            self.forget_answered();
        }
        self.deadlines.push_back((now + self.patience, number));
        Ok(number)
    }

    fn has_room(&self, expected: &Expected) -> Result<(), Fault> {
        if expected.link.replies.lock().len() >= OF_A_CONNECTION {
            let message = "the connection waits for as many replies as it may: wait for some before asking more";
            return Err(Fault::new(FaultId::LimitReached, message));
        }
        let of_plugin = self.of_plugins.get(&expected.plugin).copied().unwrap_or(0);
        if self.waiting.len() >= CAPACITY || of_plugin >= OF_A_PLUGIN {
            let message = "too many replies are waited for; try again";
            return Err(
                Fault::new(FaultId::Overloaded, message).retry_after(Duration::from_secs(1))
            );
        }
        Ok(())
    }

    fn next(&mut self) -> u32 {
        loop {
            self.last = self.last.wrapping_add(1);
            if !self.waiting.contains_key(&self.last) {
                return self.last;
            }
        }
    }

    /// Takes a reply out, if this plugin was asked for it.
    pub(super) fn take(&mut self, number: u32, plugin: &PluginName) -> Option<Box<Expected>> {
        if !self.waiting.get(&number)?.was_asked(plugin) {
            return None;
        }
        self.remove(number)
    }

    /// A plugin has decided about the event, by a failure or without a reply. What is returned has failed: of those who
    /// decided somebody did, and nobody else is at it.
    ///
    /// A plugin that decided without a reply may still give one, from another event's call.
    pub(super) fn decided(
        &mut self,
        number: u32,
        plugin: &PluginName,
        failed: Option<&Fault>,
    ) -> Option<Ended> {
        let expected = self.waiting.get_mut(&number)?;
        if !expected.was_asked(plugin) {
            return None;
        }
        expected.deciding = expected.deciding.saturating_sub(1);
        if expected.failed.is_none() {
            expected.failed = failed.cloned();
        }
        if expected.deciding > 0 || expected.failed.is_none() {
            return None;
        }
        let mut expected = self.remove(number)?;
        let why = expected.failed.take()?;
        Some(Ended { expected, why })
    }

    /// Takes out those whose time is up, at most so many at a time.
    pub(super) fn expire(&mut self, now: Instant, most: usize) -> Vec<Ended> {
        let mut expired = Vec::new();
        while expired.len() < most
            && let Some((_, number)) = self.deadlines.pop_front_if(|(deadline, _)| *deadline <= now)
        {
            expired.extend(self.remove(number).map(|mut expected| {
                let failed = expected.failed.take();
                let why = failed.unwrap_or_else(|| match expected.deciding {
                    0 => unanswered(),
                    _ => too_late(),
                });
                Ended { expected, why }
            }));
        }
        expired
    }

    /// A connection has ended, and nobody waits for its replies any more.
    pub(super) fn forget(&mut self, numbers: &[u32]) {
        for number in numbers {
            self.remove(*number);
        }
    }

    fn remove(&mut self, number: u32) -> Option<Box<Expected>> {
        let expected = self.waiting.remove(&number)?;
        expected.link.replies.remove(number);
        if let Some(count) = self.of_plugins.get_mut(&expected.plugin) {
            *count = count.saturating_sub(1);
        }
        Some(expected)
    }

    /// Deadlines of answered replies are left in place when they are answered; here they go, so that the queue stays
    /// in proportion to what is really waited for.
    fn forget_answered(&mut self) {
        let waiting = &self.waiting;
        self.deadlines.retain(|(_, number)| waiting.contains_key(number));
    }
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
