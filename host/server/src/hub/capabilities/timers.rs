//! Timers: set and cancelled by plugins' effects, and told to them when they are due.
//!
//! They lie in parts by their connection, each under a lock of its own; one task looks after all of them. A timer whose
//! plugin has no room, or does not run, stays and is tried again: it fires once, and is not lost.
//!
//! **Invariant:** nothing of a connection is told after its end. A timer is offered under the lock of its part, and only if
//! its connection is open; whoever ends a connection takes its timers out under the same lock before its handlers hear of
//! the end.

use super::{Carried, CarryOut, Fate};
use crate::hub::{
    Hub,
    clock::{Clock, ToldTime, millis},
    step::Step,
};
use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};
use tengen_core::{
    capability::timers::{CancelTimer, SetTimer},
    event::{Event, Occurrence},
    handler::{Deciding, Handler, Work},
    meter::Happened,
    timers::{Due, Full, Owner, Timers as Set},
    trace::Span,
};
use tengen_wire::{
    fault::{Fault, FaultId},
    id::{Handle, PluginName},
};
use tokio::{sync::Notify, time::sleep_until};

const PARTS: usize = 16;
/// The shortest time.
const SHORTEST: Duration = Duration::from_millis(10);
/// How soon one that found no room is tried again, unless the plugin says when.
const AGAIN: Duration = Duration::from_millis(20);
/// Nobody waits so long for anything.
const FAR: Duration = Duration::from_secs(3600);

#[derive(Debug)]
pub(in crate::hub) struct Timers {
    clock: Clock,
    parts: Box<[Mutex<Set>; PARTS]>,
    /// Whose timers they are, by their numbers; a number is never another's. What a plugin's instance other than the first
    /// has of its own has a number of its own.
    names: Mutex<Vec<(PluginName, u16)>>,
    /// When the task wakes, in milliseconds since the beginning.
    wakes: AtomicU64,
    earlier: Notify,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            clock: Clock::default(),
            parts: Default::default(),
            names: Mutex::default(),
            wakes: AtomicU64::new(u64::MAX),
            earlier: Notify::new(),
        }
    }
}

impl Timers {
    /// Those of a hub whose time is told.
    pub(in crate::hub) fn told(time: &ToldTime) -> Self {
        Self { clock: Clock::told(time), ..Self::default() }
    }

    /// `is_there` is asked under the lock: who ends a connection comes to its timers later.
    fn set(
        &self,
        owner: Owner,
        key: &str,
        after: Duration,
        is_there: impl FnOnce() -> bool,
    ) -> Result<(), Fault> {
        let at = self.now().saturating_add(millis(after.max(SHORTEST)));
        let mut part = self.part(owner);
        if !is_there() {
            return Err(Fault::new(FaultId::Closed, "the connection is gone"));
        }
        part.set(owner, key, at).map_err(|Full { most }| {
            let whose = if owner.connection.is_some() {
                "a connection has"
            } else {
                "a plugin has of its own"
            };
            Fault::new(FaultId::LimitReached, format!("{whose} {most} timers at most"))
        })?;
        drop(part);
        if at < self.wakes.load(Ordering::Relaxed) {
            self.earlier.notify_one();
        }
        Ok(())
    }

    /// A connection has ended, and with it what any plugin has of it.
    pub(in crate::hub) fn end(&self, connection: Handle) {
        let plugins = lock(&self.names).len();
        if plugins == 0 {
            return;
        }
        let mut part = self.part(Owner { plugin: 0, connection: Some(connection) });
        if part.is_empty() {
            return;
        }
        for plugin in (0..plugins).filter_map(|number| u16::try_from(number).ok()) {
            part.end(Owner { plugin, connection: Some(connection) });
        }
    }

    /// What other plugins than these have set is forgotten; how many timers that are.
    pub(in crate::hub) fn keep(&self, running: &HashSet<PluginName>) -> u64 {
        let names = lock(&self.names).clone();
        let gone = names.iter().enumerate().filter(|(_, (name, _))| !running.contains(name));
        gone.map(|(number, (plugin, _))| self.forget(number, plugin)).sum()
    }

    fn forget(&self, number: usize, plugin: &PluginName) -> u64 {
        let Ok(number) = u16::try_from(number) else { return 0 };
        let timers = self.parts.iter().map(|part| lock(part).forget(number) as u64).sum();
        if timers > 0 {
            tracing::warn!(%plugin, timers, "the plugin has left the configuration, and its timers with it");
        }
        timers
    }

    pub(in crate::hub) fn waiting(&self) -> usize {
        self.parts.iter().map(|part| lock(part).len()).sum()
    }

    fn number_of(&self, plugin: &PluginName, instance: u16) -> Option<u16> {
        let mut names = lock(&self.names);
        let known = names.iter().position(|(name, of)| name == plugin && *of == instance);
        let number = known.unwrap_or_else(|| {
            names.push((plugin.clone(), instance));
            names.len() - 1
        });
        u16::try_from(number).ok()
    }

    fn name_of(&self, number: u16) -> Option<(PluginName, u16)> {
        lock(&self.names).get(usize::from(number)).cloned()
    }

    /// Cancels what instances have set under this key that are no more, and of which this one has what was theirs.
    fn cancel_inherited(&self, plugin: &PluginName, by: Deciding, key: &str) {
        let inherited = |(name, instance): &(PluginName, u16)| {
            name == plugin && *instance >= by.of && by.inherits(*instance)
        };
        let names = lock(&self.names);
        let found = (0_u16..).zip(&*names).filter(|(_, of)| inherited(of));
        let numbers: Vec<_> = found.map(|(number, _)| number).collect();
        drop(names);
        for plugin in numbers {
            let owner = Owner { plugin, connection: None };
            self.part(owner).cancel(owner, key);
        }
    }

    /// A connection's timers are in one part, whichever plugin's they are.
    fn part(&self, owner: Owner) -> MutexGuard<'_, Set> {
        let number = owner.connection.map_or(u32::from(owner.plugin), |handle| handle.0);
        let place = number as usize % PARTS;
        let [first, ..] = &*self.parts;
        lock(self.parts.get(place).unwrap_or(first))
    }

    fn now(&self) -> u64 {
        self.clock.now()
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    /// Tells plugins of their timers, until it is dropped.
    pub async fn run_timers(&self) {
        let timers = &self.timers;
        loop {
            let next = self.fire();
            let wakes = next.unwrap_or_else(|| timers.now() + millis(FAR));
            timers.wakes.store(wakes, Ordering::Relaxed);
            // One that was set since then may be due earlier.
            let next = timers.parts.iter().filter_map(|part| lock(part).next()).min();
            if next.is_some_and(|next| next < wakes) {
                continue;
            }
            tokio::select! {
                () = sleep_until(timers.clock.at(wakes)) => {}
                () = timers.earlier.notified() => {}
            }
        }
    }

    /// Offers what is due, part by part. Returns when the next one is.
    pub(in crate::hub) fn fire(&self) -> Option<u64> {
        let now = self.timers.now();
        let mut next = None;
        for part in &*self.timers.parts {
            let mut told: Vec<Arc<dyn Handler>> = Vec::new();
            let mut set = lock(part);
            while let Some(due) = set.pop(now) {
                if let Some(handler) = self.offer_timer(&mut set, due, now)
                    && !told.iter().any(|known| Arc::ptr_eq(known, &handler))
                {
                    told.push(handler);
                }
            }
            next = next.into_iter().chain(set.next()).min();
            // What is decided may set timers.
            drop(set);
            told.iter().for_each(|handler| handler.settle());
        }
        next
    }

    /// The handler that took it; none: it is nobody's any more, or is tried again.
    fn offer_timer(&self, set: &mut Set, due: Due, now: u64) -> Option<Arc<dyn Handler>> {
        let Due { owner, key } = due;
        let connection = match owner.connection {
            Some(handle) => Some(Arc::clone(&self.links.get(handle)?.facts)),
            None => None,
        };
        let (plugin, instance) = self.timers.name_of(owner.plugin)?;
        let handler = self.inbox.of(&plugin)?;
        let event = Event {
            connection,
            seq: 0,
            at: SystemTime::now(),
            what: Occurrence::Timer(key.to_string()),
            span: Span::none(),
            permit: None,
        };
        match handler.offer_to(instance, event) {
            Ok(()) => {
                self.meter.note(Happened::TimerFired);
                Some(handler)
            }
            Err(declined) => {
                self.meter.note(Happened::TimerPutOff);
                let again = declined.why.retry_after.unwrap_or(AGAIN).max(AGAIN);
                // It was there just now, so there is room for it.
                let _kept = set.set(owner, &key, now + millis(again)).is_ok();
                None
            }
        }
    }
}

impl CarryOut for SetTimer {
    fn carry_out(self, step: &mut Step<'_>, _: u32, work: &mut Work) -> Carried {
        set(step, self.connection, (&self.key, self.after), work.by)
    }
}

impl CarryOut for CancelTimer {
    fn carry_out(self, step: &mut Step<'_>, _: u32, work: &mut Work) -> Carried {
        cancel(step, self.connection, &self.key, work.by)
    }
}

fn set(
    step: &Step<'_>,
    connection: Option<Handle>,
    (key, after): (&str, Duration),
    by: Deciding,
) -> Carried {
    let owner = owner(step, connection, key, by)?;
    let is_there = || connection.is_none_or(|handle| step.hub.links.contains(handle));
    step.hub.timers.set(owner, key, after, is_there).map(|()| Fate::Done)
}

fn cancel(step: &Step<'_>, connection: Option<Handle>, key: &str, by: Deciding) -> Carried {
    let owner = owner(step, connection, key, by)?;
    // One that is not there is no fault.
    let _was_there = step.hub.timers.part(owner).cancel(owner, key);
    Ok(Fate::Done)
}

/// Whose timer is to be changed. A connection's is the plugin's, whichever instance says so; the plugin's own is its
/// instance's, and takes the place of what that has inherited under the key.
fn owner(
    step: &Step<'_>,
    connection: Option<Handle>,
    key: &str,
    by: Deciding,
) -> Result<Owner, Fault> {
    let timers = &step.hub.timers;
    let instance = match connection {
        Some(handle) => step.own(handle).map(|_| 0)?,
        None => {
            timers.cancel_inherited(step.plugin, by, key);
            by.instance
        }
    };
    let plugin = timers
        .number_of(step.plugin, instance)
        .ok_or_else(|| Fault::new(FaultId::LimitReached, "too many plugins have had timers"))?;
    Ok(Owner { plugin, connection })
}
