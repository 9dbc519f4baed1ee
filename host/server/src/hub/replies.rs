//! Replies that callers wait for: a number for the handlers, a callback for the peer, a deadline for both.
//!
//! A place ends with its reply, with the failure of whoever was asked, with its connection, or with `limits.reply`.
//! Nobody can have so many of them that others get none: a connection has 256, a plugin a quarter of all.

use super::{Link, numbered::Numbered};
use foldhash::fast::RandomState;
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tengen_wire::{
    envelope::Callback,
    fault::{Fault, FaultId},
    id::{EventId, PluginName},
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
    failed: Option<Box<Fault>>,
    /// To whose share it counts, as [`Shares`] knows it.
    share: usize,
    /// None before its place is taken.
    deadline: Option<Instant>,
}

impl Expected {
    /// A reply that one handler was asked for.
    pub fn new(link: Arc<Link>, callback: Callback, event: EventId, plugin: PluginName) -> Self {
        Self {
            link,
            callback,
            event,
            plugin,
            others: Vec::new(),
            deciding: 1,
            failed: None,
            share: 0,
            deadline: None,
        }
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
pub(super) struct Numbers(Mutex<VecDeque<u32>>);

impl Numbers {
    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those that are left at the connection's end.
    pub(super) fn take(&self) -> VecDeque<u32> {
        std::mem::take(&mut *self.lock())
    }

    /// False when there would be too many.
    fn add(&self, number: u32) -> bool {
        let mut numbers = self.lock();
        let has_room = numbers.len() < OF_A_CONNECTION;
        if has_room {
            numbers.push_back(number);
        }
        has_room
    }

    fn remove(&self, number: u32) {
        let mut numbers = self.lock();
        // Most are answered in the order in which they were asked.
        if let Some(place) = numbers.iter().position(|other| *other == number) {
            numbers.remove(place);
        }
        if numbers.is_empty() && numbers.capacity() > 64 {
            *numbers = VecDeque::new();
        }
    }
}

/// How many are waited for of each plugin.
#[derive(Debug, Default)]
struct Shares {
    /// A name's place among the counts; there are no more names than plugins.
    places: HashMap<PluginName, usize, RandomState>,
    /// Who was looked up last: mostly the next one too.
    last: Option<(PluginName, usize)>,
    counts: Vec<usize>,
}

impl Shares {
    fn place(&mut self, plugin: &PluginName) -> usize {
        if let Some((last, place)) = &self.last
            && last == plugin
        {
            return *place;
        }
        let place = self.places.get(plugin).copied().unwrap_or_else(|| self.add(plugin));
        self.last = Some((plugin.clone(), place));
        place
    }

    fn add(&mut self, plugin: &PluginName) -> usize {
        self.places.insert(plugin.clone(), self.counts.len());
        self.counts.push(0);
        self.counts.len() - 1
    }

    fn count(&self, place: usize) -> usize {
        self.counts.get(place).copied().unwrap_or(0)
    }

    fn set(&mut self, place: usize, count: usize) {
        if let Some(known) = self.counts.get_mut(place) {
            *known = count;
        }
    }
}

/// Numbered in the order in which they were asked, which is that of their deadlines, since all wait equally long. A number
/// comes again only after four billion others.
#[derive(Debug)]
pub(super) struct Replies {
    waiting: Numbered<Box<Expected>>,
    shares: Shares,
    patience: Duration,
}

impl Replies {
    pub(super) fn new(patience: Duration) -> Self {
        Self { waiting: Numbered::new(), shares: Shares::default(), patience }
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
        expected.share = self.shares.place(&expected.plugin);
        let number = self.waiting.next();
        if let Err(why) = self.take_place(number, &expected) {
            return Err(Box::new(Ended { expected, why }));
        }
        expected.deciding = 1 + expected.others.len();
        expected.deadline = Some(now + self.patience);
        self.waiting.push(expected);
        Ok(number)
    }

    fn take_place(&mut self, number: u32, expected: &Expected) -> Result<(), Fault> {
        let of_plugin = self.shares.count(expected.share);
        if self.is_full() || of_plugin >= OF_A_PLUGIN {
            let message = "too many replies are waited for; try again";
            return Err(
                Fault::new(FaultId::Overloaded, message).retry_after(Duration::from_secs(1))
            );
        }
        if !expected.link.replies.add(number) {
            let message = "the connection waits for as many replies as it may: wait for some before asking more";
            return Err(Fault::new(FaultId::LimitReached, message));
        }
        self.shares.set(expected.share, of_plugin + 1);
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.waiting.len() >= CAPACITY || self.waiting.is_full()
    }

    /// Takes a reply out, if this plugin was asked for it.
    pub(super) fn take(&mut self, number: u32, plugin: &PluginName) -> Option<Box<Expected>> {
        if !self.waiting.get(number)?.was_asked(plugin) {
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
        let expected = self.waiting.get_mut(number)?;
        if !expected.was_asked(plugin) {
            return None;
        }
        expected.deciding = expected.deciding.saturating_sub(1);
        if expected.failed.is_none() {
            expected.failed = failed.cloned().map(Box::new);
        }
        if expected.deciding > 0 || expected.failed.is_none() {
            return None;
        }
        let mut expected = self.remove(number)?;
        let why = *expected.failed.take()?;
        Some(Ended { expected, why })
    }

    /// A plugin has failed at the event, and these have it now instead; none: others have it already. What is returned has
    /// failed, as of [`Replies::decided`].
    pub(super) fn pass_on(&mut self, number: u32, from: &PluginName, to: Vec<PluginName>) {
        let Some(expected) = self.waiting.get_mut(number) else { return };
        if !expected.was_asked(from) {
            return;
        }
        expected.deciding = expected.deciding.saturating_sub(1) + to.len();
        // Its share keeps the count: that of one who does not decide is none that others have to fear.
        expected.others.extend(to);
    }

    /// Takes out those whose time is up, at most so many at a time.
    pub(super) fn expire(&mut self, now: Instant, most: usize) -> Vec<Ended> {
        let mut expired = Vec::new();
        while expired.len() < most
            && let Some((number, mut expected)) =
                self.waiting.pop_if(|expected| expected.deadline.is_none_or(|end| end <= now))
        {
            self.release(number, &expected);
            let why = match (expected.failed.take(), expected.deciding) {
                (Some(failed), _) => *failed,
                (None, 0) => unanswered(),
                (None, _) => too_late(),
            };
            expired.push(Ended { expected, why });
        }
        expired
    }

    /// A connection has ended, and nobody waits for its replies any more.
    pub(super) fn forget(&mut self, numbers: impl IntoIterator<Item = u32>) {
        for number in numbers {
            self.remove(number);
        }
    }

    fn remove(&mut self, number: u32) -> Option<Box<Expected>> {
        let expected = self.waiting.remove(number)?;
        self.release(number, &expected);
        Some(expected)
    }

    /// Its connection and its plugin may have one more.
    fn release(&mut self, number: u32, expected: &Expected) {
        expected.link.replies.remove(number);
        let left = self.shares.count(expected.share).saturating_sub(1);
        self.shares.set(expected.share, left);
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
