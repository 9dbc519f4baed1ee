//! Questions that are open, and ends of questions whose plugin does not run.
//!
//! They lie in parts by their connection, each under a lock of its own; one task looks after the time of all of them. A question
//! holds one of its plugin's places from when it is asked until nobody has its end any more. So what waits to be told is bounded,
//! and a plugin's queue takes it whatever else waits there; only one whose plugin does not run is kept, and tried again.
//!
//! **Invariant:** an end is told once, and nothing of a connection is told after its end. Whoever takes a question out of its part
//! tells of it under that part's lock; whoever ends a connection takes its questions out under the same lock before
//! its handlers hear of the end.

use crate::hub::{
    Hub, Link,
    clock::{Clock, ToldTime, millis},
};
use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};
use tengen_core::{
    asks::{Asks, Full, OF_A_CONNECTION, Open},
    capability::{ask::Answered, fetch::Place},
    event::{Connection, Event, Occurrence, Permit},
    handler::Handler,
    meter::Happened,
    trace::Span,
};
use tengen_wire::{
    fault::{Fault, FaultId},
    id::{Handle, PluginName},
    payload::Payload,
};
use tokio::{
    sync::{Notify, Semaphore},
    time::sleep_until,
};

const PARTS: usize = 16;
/// The most that a plugin has open, or has not been told the end of.
pub(super) const OF_A_PLUGIN: usize = 1 << 16;
/// How soon a plugin that does not run is tried again, unless it says when.
const AGAIN: Duration = Duration::from_millis(20);
/// Nobody waits so long for anything.
const FAR: Duration = Duration::from_secs(3600);

#[derive(Debug)]
pub(in crate::hub) struct Questions {
    clock: Clock,
    parts: Box<[Mutex<Part>; PARTS]>,
    /// How many more each plugin may have.
    places: Mutex<HashMap<PluginName, Arc<Semaphore>>>,
    last_key: AtomicU64,
    /// When the task wakes, in milliseconds since the beginning.
    wakes: AtomicU64,
    earlier: Notify,
}

#[derive(Debug, Default)]
struct Part {
    open: Asks<Held>,
    kept: Vec<Kept>,
}

/// What goes with a question.
#[derive(Debug)]
struct Held {
    connection: Arc<Connection>,
    timeout: Duration,
    place: Arc<Place>,
}

/// An end whose plugin does not run, and when it is tried again.
#[derive(Debug)]
struct Kept {
    plugin: PluginName,
    event: Event,
    at: u64,
}

/// What is asked, beside its words.
pub(super) struct Asked<'a> {
    pub(super) key: u64,
    pub(super) plugin: &'a PluginName,
    pub(super) name: String,
    pub(super) timeout: Duration,
}

impl Default for Questions {
    fn default() -> Self {
        Self {
            clock: Clock::default(),
            parts: Box::default(),
            places: Mutex::default(),
            last_key: AtomicU64::new(0),
            wakes: AtomicU64::new(u64::MAX),
            earlier: Notify::new(),
        }
    }
}

impl Questions {
    /// Those of a hub whose time is told.
    pub(in crate::hub) fn told(time: &ToldTime) -> Self {
        Self { clock: Clock::told(time), ..Self::default() }
    }

    /// One that no question has had.
    pub(super) fn next_key(&self) -> u64 {
        self.last_key.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Notes a question that is about to be sent. `is_there` is asked under the lock: who ends a connection comes to its questions
    /// later.
    pub(super) fn ask(
        &self,
        link: &Link,
        asked: Asked<'_>,
        is_there: impl FnOnce() -> bool,
    ) -> Result<(), Fault> {
        let Asked { key, plugin, name, timeout } = asked;
        let place = self.place(plugin)?;
        let at = self.now().saturating_add(millis(timeout));
        let held = Held { connection: Arc::clone(&link.facts), timeout, place };
        let question = Open { key, plugin: plugin.clone(), name, at, held };
        let mut part = self.part(link.facts.handle);
        if !is_there() {
            return Err(Fault::new(FaultId::Closed, "the connection has ended"));
        }
        part.open.open(link.facts.handle, question).map_err(full)?;
        drop(part);
        self.wake_by(at);
        Ok(())
    }

    /// Whether a connection has an open one of this key.
    pub(super) fn has(&self, of: Handle, key: u64) -> bool {
        self.part(of).open.has(of, key)
    }

    /// A question was not sent. False: it is over already, and its end told.
    pub(super) fn take_back(&self, link: &Link, key: u64) -> bool {
        self.part(link.facts.handle).open.take(link.facts.handle, key).is_some()
    }

    fn place(&self, plugin: &PluginName) -> Result<Arc<Place>, Fault> {
        let mut places = lock(&self.places);
        let of = match places.get(plugin) {
            Some(of) => Arc::clone(of),
            None => {
                let of = Arc::new(Semaphore::new(OF_A_PLUGIN));
                places.insert(plugin.clone(), Arc::clone(&of));
                of
            }
        };
        drop(places);
        let place = of.try_acquire_owned().map_err(|_| {
            let why = format!(
                "a plugin has {OF_A_PLUGIN} questions at most that it has not been told the end of"
            );
            Fault::new(FaultId::LimitReached, why)
        })?;
        Ok(Arc::new(Place::new(place)))
    }

    /// What other plugins than these have asked is forgotten; how many questions that are.
    pub(in crate::hub) fn keep(&self, running: &HashSet<PluginName>) -> u64 {
        let is_gone = |plugin: &PluginName| !running.contains(plugin);
        let mut questions = 0;
        for part in &*self.parts {
            let mut part = lock(part);
            questions += part.open.forget(is_gone) as u64;
            part.kept.retain(|kept| !is_gone(&kept.plugin));
        }
        lock(&self.places).retain(|plugin, _| !is_gone(plugin));
        if questions > 0 {
            tracing::warn!(
                questions,
                "plugins have left the configuration, and their open questions to clients with them"
            );
        }
        questions
    }

    pub(in crate::hub) fn open(&self) -> usize {
        self.parts.iter().map(|part| lock(part).open.len()).sum()
    }

    fn wake_by(&self, at: u64) {
        if at < self.wakes.load(Ordering::Relaxed) {
            self.earlier.notify_one();
        }
    }

    fn part(&self, connection: Handle) -> MutexGuard<'_, Part> {
        let [first, ..] = &*self.parts;
        lock(self.parts.get(connection.0 as usize % PARTS).unwrap_or(first))
    }

    fn now(&self) -> u64 {
        self.clock.now()
    }
}

impl Part {
    fn next(&self) -> Option<u64> {
        let kept = self.kept.iter().map(|kept| kept.at).min();
        self.open.next().into_iter().chain(kept).min()
    }
}

/// Handlers that have to decide about what they were told.
#[derive(Debug, Default)]
struct Told(Vec<Arc<dyn Handler>>);

impl Told {
    fn add(&mut self, handler: &Arc<dyn Handler>) {
        if !self.0.iter().any(|known| Arc::ptr_eq(known, handler)) {
            self.0.push(Arc::clone(handler));
        }
    }

    /// To be called without the part's lock: what is decided may ask.
    fn settle(self) {
        self.0.iter().for_each(|handler| handler.settle());
    }
}

impl Hub {
    /// Gives up questions whose time is over, until it is dropped.
    pub async fn run_questions(&self) {
        let questions = &self.questions;
        loop {
            let next = self.give_up_questions();
            let wakes = next.unwrap_or_else(|| questions.now() + millis(FAR));
            questions.wakes.store(wakes, Ordering::Relaxed);
            // One that was asked since then may be over earlier.
            let next = questions.parts.iter().filter_map(|part| lock(part).next()).min();
            if next.is_some_and(|next| next < wakes) {
                continue;
            }
            tokio::select! {
                () = sleep_until(questions.clock.at(wakes)) => {}
                () = questions.earlier.notified() => {}
            }
        }
    }

    /// A client has answered. False: the question is not open.
    pub(super) fn end_question(
        &self,
        of: Handle,
        key: u64,
        value: Result<Payload, Fault>,
        permit: Option<Permit>,
    ) -> bool {
        let mut told = Told::default();
        let mut part = self.questions.part(of);
        let Some(question) = part.open.take(of, key) else { return false };
        let outcome = if value.is_ok() { "answered" } else { "fault" };
        self.end(&mut part, &mut told, question, (outcome, value, permit));
        drop(part);
        told.settle();
        true
    }

    /// A connection has ended, and can be found no more: its plugins hear what came of their questions before they hear of that.
    pub(in crate::hub) fn end_questions(&self, of: Handle) {
        let mut told = Told::default();
        let mut part = self.questions.part(of);
        let is_its = |event: &Event| event.connection.as_ref().is_some_and(|it| it.handle == of);
        for Kept { plugin, event, .. } in
            part.kept.extract_if(.., |kept| is_its(&kept.event)).collect::<Vec<_>>()
        {
            self.tell(&mut part, &mut told, plugin, event);
        }
        for question in part.open.end(of) {
            let why =
                Fault::new(FaultId::Closed, "the connection ended before its client answered");
            self.end(&mut part, &mut told, question, ("closed", Err(why), None));
        }
        // Who does not run now does not hear of the end either.
        for kept in part.kept.iter_mut().filter(|kept| is_its(&kept.event)) {
            kept.event.connection = None;
        }
        drop(part);
        told.settle();
    }

    /// Ends what is over, and tries again with what was kept, part by part. Returns when there is more to do.
    pub(in crate::hub) fn give_up_questions(&self) -> Option<u64> {
        let now = self.questions.now();
        let mut next = None;
        for part in &*self.questions.parts {
            let mut told = Told::default();
            let mut part = lock(part);
            while let Some((_, question)) = part.open.pop(now) {
                let after = question.held.timeout.as_millis();
                let why = format!("the client did not answer within {after} ms");
                let why = Fault::new(FaultId::Timeout, why);
                self.end(&mut part, &mut told, question, ("timeout", Err(why), None));
            }
            let again: Vec<_> = part.kept.extract_if(.., |kept| kept.at <= now).collect();
            for Kept { plugin, event, .. } in again {
                self.tell(&mut part, &mut told, plugin, event);
            }
            next = next.into_iter().chain(part.next()).min();
            drop(part);
            told.settle();
        }
        next
    }

    /// A question that was taken out is over: its plugin is told what came of it.
    fn end(
        &self,
        part: &mut Part,
        told: &mut Told,
        question: Open<Held>,
        (outcome, value, permit): (&'static str, Result<Payload, Fault>, Option<Permit>),
    ) {
        let Open { plugin, name, held: Held { connection, place, .. }, .. } = question;
        self.meter.note(Happened::AskEnded(outcome, 1));
        let event = Event {
            connection: Some(connection),
            seq: 0,
            at: SystemTime::now(),
            what: Occurrence::Answered(Answered { name, value, place }),
            span: Span::none(),
            permit,
        };
        self.tell(part, told, plugin, event);
    }

    /// Offers an end to its plugin; one that does not run is told when it does, and one that is gone never.
    fn tell(&self, part: &mut Part, told: &mut Told, plugin: PluginName, event: Event) {
        let Some(handler) = self.inbox.of(&plugin) else { return };
        match handler.offer(event) {
            Ok(()) => told.add(&handler),
            Err(declined) => {
                let again = declined.why.retry_after.unwrap_or(AGAIN).max(AGAIN);
                let at = self.questions.now() + millis(again);
                part.kept.push(Kept { plugin, event: declined.event, at });
                self.questions.wake_by(at);
            }
        }
    }
}

fn full(why: Full) -> Fault {
    match why {
        Full::Many => Fault::new(
            FaultId::LimitReached,
            format!("a connection has {OF_A_CONNECTION} open questions at most"),
        ),
        Full::Named => Fault::new(
            FaultId::Conflict,
            "the plugin has asked this connection a question of that name, which is open",
        ),
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
