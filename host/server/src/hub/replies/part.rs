//! One table of replies that are waited for.
//!
//! A reply's number counts up within its table, and says which table in its low bits.

use super::{
    Bounds, Ended, Expected, Said,
    lease::{Lease, Pool},
    too_late, unanswered,
};
use crate::hub::numbered::Numbered;
use foldhash::fast::RandomState;
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tengen_wire::{
    fault::{Fault, FaultId},
    id::PluginName,
};

/// Bits of a number that say which table it is of.
const BITS: u32 = 6;
/// Tables: several times as many as there are workers on most machines, so that two seldom meet.
pub(super) const PARTS: u32 = 1 << BITS;

/// The table of a number, or of a connection's handle.
pub(super) fn of(number: u32) -> usize {
    (number % PARTS) as usize
}

/// What a plugin has of one table.
#[derive(Debug)]
struct Share {
    plugin: PluginName,
    lease: Lease,
    pool: Arc<Pool>,
}

/// How many are waited for of each plugin.
#[derive(Debug, Default)]
struct Shares {
    /// A name's place in the list; there are no more names than plugins.
    places: HashMap<PluginName, usize, RandomState>,
    list: Vec<Share>,
    /// Who was looked up last: mostly the next one too.
    last: usize,
}

impl Shares {
    fn place(&mut self, plugin: &PluginName, bounds: &Bounds) -> usize {
        if self.list.get(self.last).is_none_or(|share| share.plugin != *plugin) {
            let known = self.places.get(plugin).copied();
            self.last = known.unwrap_or_else(|| self.add(plugin, bounds));
        }
        self.last
    }

    fn add(&mut self, plugin: &PluginName, bounds: &Bounds) -> usize {
        let place = self.list.len();
        self.places.insert(plugin.clone(), place);
        let (plugin, pool) = (plugin.clone(), bounds.of(plugin));
        self.list.push(Share { plugin, lease: Lease::default(), pool });
        place
    }
}

/// Numbered in the order in which they were asked, which is that of their deadlines, since all wait equally long. A number
/// comes again only after 67 million others of its table.
#[derive(Debug)]
pub(super) struct Part {
    waiting: Numbered<Box<Expected>>,
    shares: Shares,
    lease: Lease,
    /// Its place among the tables: the low bits of its numbers.
    own: u32,
}

impl Part {
    pub(super) fn new(own: u32) -> Self {
        let waiting = Numbered::new(u32::BITS - BITS);
        Self { waiting, shares: Shares::default(), lease: Lease::default(), own }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn expect(
        &mut self,
        mut expected: Box<Expected>,
        plugin: &PluginName,
        bounds: &Bounds,
    ) -> Result<u32, Box<Ended>> {
        expected.share = self.shares.place(plugin, bounds);
        let number = (self.waiting.next() << BITS) | self.own;
        if let Err(why) = self.take_place(number, &expected, bounds) {
            return Err(Box::new(Ended { expected, why }));
        }
        expected.deciding = 1 + expected.others.len();
        self.waiting.push(expected);
        Ok(number)
    }

    fn take_place(
        &mut self,
        number: u32,
        expected: &Expected,
        bounds: &Bounds,
    ) -> Result<(), Fault> {
        let Self { waiting, shares, lease, .. } = self;
        let Some(share) = shares.list.get_mut(expected.share) else { return Err(overloaded()) };
        if waiting.is_full() || !share.lease.take(&share.pool) {
            return Err(overloaded());
        }
        if !lease.take(&bounds.all) {
            share.lease.give_back(&share.pool);
            return Err(overloaded());
        }
        if !expected.link.replies.add(number) {
            share.lease.give_back(&share.pool);
            lease.give_back(&bounds.all);
            let message = "the connection waits for as many replies as it may: wait for some before asking more";
            return Err(Fault::new(FaultId::LimitReached, message));
        }
        Ok(())
    }

    /// Takes a reply out, if this plugin was asked for it.
    pub(super) fn take(
        &mut self,
        number: u32,
        plugin: &PluginName,
        bounds: &Bounds,
    ) -> Option<Box<Expected>> {
        if !self.was_asked(self.waiting.get(number >> BITS)?, plugin) {
            return None;
        }
        self.remove(number, bounds)
    }

    pub(super) fn decided(
        &mut self,
        number: u32,
        plugin: &PluginName,
        said: Said<'_>,
        bounds: &Bounds,
    ) -> Option<Ended> {
        if !self.was_asked(self.waiting.get(number >> BITS)?, plugin) {
            return None;
        }
        let expected = self.waiting.get_mut(number >> BITS)?;
        expected.deciding = expected.deciding.saturating_sub(1);
        match said {
            Said::Nothing => {}
            Said::Later => expected.later = true,
            Said::Failed(_) if expected.failed.is_some() => {}
            Said::Failed(why) => expected.failed = Some(Box::new(why.clone())),
        }
        if expected.deciding > 0 || expected.later {
            return None;
        }
        let mut expected = self.remove(number, bounds)?;
        let why = expected.failed.take().map_or_else(unanswered, |failed| *failed);
        Some(Ended { expected, why })
    }

    pub(super) fn pass_on(&mut self, number: u32, from: &PluginName, to: Vec<PluginName>) {
        let asked = self.waiting.get(number >> BITS).is_some_and(|of| self.was_asked(of, from));
        if asked && let Some(expected) = self.waiting.get_mut(number >> BITS) {
            expected.deciding = expected.deciding.saturating_sub(1) + to.len();
            // Its share keeps the count: that of one who does not decide is none that others have to fear.
            expected.others.extend(to);
        }
    }

    /// Takes out those whose time is up, until there are `most`.
    pub(super) fn expire(
        &mut self,
        now: Instant,
        most: usize,
        bounds: &Bounds,
        expired: &mut Vec<Ended>,
    ) {
        while expired.len() < most
            && let Some((number, mut expected)) =
                self.waiting.pop_if(|expected| expected.deadline.is_none_or(|end| end <= now))
        {
            self.release((number << BITS) | self.own, &expected, bounds);
            let why = match (expected.failed.take(), expected.deciding) {
                (Some(failed), _) => *failed,
                (None, 0) => unanswered(),
                (None, _) => too_late(),
            };
            expired.push(Ended { expected, why });
        }
    }

    pub(super) fn remove(&mut self, number: u32, bounds: &Bounds) -> Option<Box<Expected>> {
        let expected = self.waiting.remove(number >> BITS)?;
        self.release(number, &expected, bounds);
        Some(expected)
    }

    /// Its connection, its plugin and everybody may have one more.
    fn release(&mut self, number: u32, expected: &Expected, bounds: &Bounds) {
        expected.link.replies.remove(number);
        self.lease.give_back(&bounds.all);
        if let Some(share) = self.shares.list.get_mut(expected.share) {
            share.lease.give_back(&share.pool);
        }
    }

    fn was_asked(&self, expected: &Expected, plugin: &PluginName) -> bool {
        let share = self.shares.list.get(expected.share);
        share.is_some_and(|share| share.plugin == *plugin) || expected.others.contains(plugin)
    }
}

fn overloaded() -> Fault {
    let message = "too many replies are waited for; try again";
    Fault::new(FaultId::Overloaded, message).retry_after(Duration::from_secs(1))
}
