//! Runs batches of events through a handler's instance, and replaces the instance when it fails or is outdated.
//!
//! The instance and its calls are in here; who drives it, and when, is somebody else's (see `driver`).

pub(super) mod change;
mod keep;
mod recovery;
mod revival;
mod trial;

use self::keep::{Call, Growth};
use super::{
    caution::Caution,
    inline::Visited,
    keeping::{Keeping, checkpoint::Checkpoint, known::Missing},
    line::Share,
    onward,
    queue::{Batch, Closed, Queue},
    restarts::Restarts,
    spans::{Called, Calls},
};
use crate::{
    breaker::{Backoff, Breaker, Phase, seed},
    call::{
        contents,
        effects::{self, Decided},
        events::{self, Told},
        generation::Generation,
        instance::{Instance, STOP},
        numbering::Numbering,
        parts::Parts,
        saved::Saved,
        whose::Whose,
    },
    error::{CallError, PluginError},
    guest::bindings::{handling::types, plugin::StartReason},
    kept::KeptState,
    shared::{At, Each, State},
    text::lines,
};
use std::{
    sync::{Arc, atomic::AtomicBool},
    time::{SystemTime, UNIX_EPOCH},
};
use tengen_core::{
    effect::{Failure, Outcome, Refused},
    event::{Event, Occurrence},
    handler::{Deciding, Progress, Work},
    meter::{Broken, Gathered, PluginHappened},
    often::Times,
    trace::Span,
};
use tengen_wire::{
    fault::{Fault, FaultId},
    id::Handle,
};
use tokio::time::Instant;

/// A handler's instance, and what a batch needs beside it.
#[derive(Debug)]
pub(crate) struct Runner {
    pub(super) shared: Arc<Each>,
    pub(super) queue: Arc<Queue>,
    generation: Arc<Generation>,
    /// None while it cannot be started, or is left out of the path.
    instance: Option<Instance>,
    /// When to try the start again.
    down_until: Option<Instant>,
    /// Between two starts that failed.
    pause: Backoff,
    breaker: Breaker,
    caution: Caution<Handle>,
    restarts: Restarts,
    /// When the last call began and how long it took, until that is noted of its events.
    called: Option<Called>,
    /// Whether it is a visitor who drives.
    pub(super) visited: Visited,
    /// What of the instance outlives it; none: its version has no state.
    keeping: Option<Keeping>,
    growth: Growth,
    /// The last call, if it went well, until its events are kept.
    call: Option<Call>,
    /// When the last call ended.
    last_ended: Option<Instant>,
    /// An event that broke it is being written down.
    in_quarantine: Arc<AtomicBool>,
}

/// A version that is ready to take over.
#[derive(Debug)]
pub(crate) struct Next {
    pub(crate) generation: Arc<Generation>,
    pub(crate) instance: Instance,
    /// Whether it can take over the old one's state.
    pub(crate) takes_state: bool,
}

impl Runner {
    pub(crate) fn new(shared: Arc<Each>, queue: Arc<Queue>, instance: Instance) -> Self {
        let runner = Self::unaware(shared, queue, instance);
        runner.adopt(Missing::default(), false);
        runner
    }

    /// The same, for an instance that is told of the open connections by somebody else.
    pub(super) fn unaware(shared: Arc<Each>, queue: Arc<Queue>, instance: Instance) -> Self {
        let generation = shared.current.load_full();
        let keeping = Keeping::new(&generation, StartReason::First, Instant::now());
        let mut runner = Self {
            shared,
            queue,
            generation,
            instance: Some(instance),
            down_until: None,
            pause: Backoff::new(seed()),
            breaker: Breaker::new(seed()),
            caution: Caution::default(),
            restarts: Restarts::new(Instant::now()),
            called: None,
            visited: Visited::default(),
            keeping: None,
            growth: Growth::default(),
            call: None,
            last_ended: None,
            in_quarantine: Arc::default(),
        };
        runner.begin_keeping(keeping);
        runner
    }

    /// The most that goes into one call now.
    pub(super) fn share(&self) -> Share {
        let events = match self.breaker.phase() {
            Phase::HalfOpen => 1,
            _ => self.caution.most(self.generation.about.max_batch),
        };
        Share { events, weight: self.generation.settings.batch_bytes() }
    }

    /// While no instance runs: when to call [`Runner::restart`].
    pub(super) fn down_until(&self) -> Option<Instant> {
        self.down_until
    }

    /// Runs one batch; leaves it empty.
    pub(super) async fn run(&mut self, batch: &mut Batch) {
        let encoding = self.generation.about.encoding;
        let kept = events::kept(&batch.events, &self.shared.name);
        let made =
            events::prepare_anywhere(&batch.events, &kept, encoding, &self.shared.tasks).await;
        let told = events::tell(&batch.events, &made);
        let mut decided = Decided::default();
        let mut suspect = None;
        self.call = None;
        if !told.records.is_empty() {
            let mut spans = self.calls().spans(&batch.events, &told);
            let answer = self.call(&told, &batch.events).await;
            match answer {
                Ok(Ok(decisions)) => {
                    suspect = self.passed(batch);
                    let (events, numbering) = (&batch.events, &told.numbering);
                    let limits = &self.generation.settings;
                    decided = match effects::is_large(&decisions) {
                        false => effects::decide(decisions, events, numbering, limits),
                        true => Box::pin(self.decide_in_steps(decisions, events, numbering)).await,
                    };
                    self.note_decided(&batch.events, &decided);
                    decided = contents::read(decided, &self.shared.tasks).await;
                }
                Ok(Err(message)) => {
                    self.fail(&mut spans, "plugin-error");
                    self.shared.counters.note(PluginHappened::Broke(Broken::Returned));
                    let why = format!("`handle` returned an error: {}", lines(&message, 1024));
                    self.shared.note_at(&why, At::of(&batch.events));
                    self.note_returned(&batch.events, &message);
                    // What it did to its state is done: running any of them again would do it twice.
                    suspect = self.failed(batch);
                    let records = (0..).take(told.records.len());
                    let said = records.filter_map(|by| told.numbering.of(by, batch.events.len()));
                    decided.outcome.failures = said.map(returned_an_error).collect();
                }
                Err(error) => {
                    self.fail(&mut spans, error.error_type());
                    drop(spans);
                    // Large and rare: in the future of every call, it would be moved with it.
                    return Box::pin(self.broke(batch, error)).await;
                }
            }
        }
        if told.records.is_empty() && batch.alone {
            suspect = self.caution.ran_alone(false);
        }
        let unsaid = told.unsaid.into_iter().map(|(by, why)| Failure { by, why, close: None });
        decided.outcome.failures.extend(unsaid);
        if let Some(call) = &mut self.call {
            call.kept = kept;
        }
        self.conclude(batch, decided).await;
        if let Some(suspect) = suspect {
            Box::pin(self.suspect(suspect)).await;
        }
    }

    /// Others have their turn while a large outcome is checked.
    async fn decide_in_steps(
        &mut self,
        decisions: Vec<types::Decision>,
        events: &[Event],
        numbering: &Numbering,
    ) -> Decided {
        let limits = Arc::clone(&self.generation);
        let mut steps = effects::Steps::new(decisions, events, numbering, &limits.settings);
        loop {
            if let Some(decided) = steps.step() {
                return decided;
            }
            self.visited.others_first().await;
        }
    }

    async fn call(
        &mut self,
        told: &Told<'_>,
        events: &[Event],
    ) -> Result<Result<Vec<types::Decision>, String>, CallError> {
        let counters = &self.shared.counters;
        counters.note(PluginHappened::Called);
        counters.note(PluginHappened::Told(told.records.len() as u64));
        let allowance = self.generation.allowance(told.records.len());
        let Some(instance) = &mut self.instance else { return Ok(Err("no instance runs".into())) };
        let began = Instant::now();
        let about = Whose { events, numbering: &told.numbering };
        let answer = instance.handle(allowance, &told.records, about).await;
        let answer = answer.map(|decided| whole(decided?, told.records.len()));
        let took = began.elapsed();
        counters.meter.call_took(took);
        self.last_ended = Some(began + took);
        self.called = Some(Called { began, took, records: told.records.len(), error: None });
        if instance.lacked_memory() && answer.is_ok() {
            let settings = &self.generation.settings;
            self.shared.note(&format!(
                "memory was refused to the plugin: raise `plugin.{}.memory`, now {} bytes",
                self.shared.name,
                settings.memory()
            ));
        }
        answer
    }

    /// Between two calls: the next version takes over, or this one goes on and the reason is returned. Returns whether the
    /// state went along.
    pub(super) async fn swap(&mut self, mut next: Next) -> Result<bool, PluginError> {
        // A version that does not run has no state to give: the new one begins afresh.
        let handed_over = next.takes_state && self.instance.is_some();
        let mut state = None;
        if handed_over {
            let began = Instant::now();
            let saved = Arc::new(self.save().await?);
            let Deciding { instance, of } = self.shared.deciding();
            next.instance.load(&next.generation, &Parts::own(&saved, instance, of)).await?;
            let took = began.elapsed();
            self.shared.keeps(KeptState::new(SystemTime::now(), saved.size(), took, 0));
            state = Some(Checkpoint { state: saved, at: SystemTime::now(), took });
        }
        self.exchange(next, handed_over, state);
        Ok(handed_over)
    }

    /// Puts the next version in the place of this one. `told`: it knows of the open connections.
    fn exchange(&mut self, next: Next, told: bool, state: Option<Checkpoint>) {
        let old = self.instance.replace(next.instance);
        let allowance = self.generation.lifecycle();
        self.shared.current.store(Arc::clone(&next.generation));
        self.generation = next.generation;
        self.breaker.reset();
        self.shared.changed(Phase::Closed, None);
        self.growth = Growth::default();
        let (before, now) = (self.keeping.take(), Instant::now());
        self.begin_keeping(match state {
            Some(state) => Keeping::handed_over(&self.generation, state, before, now),
            None if told => Keeping::unsaved(&self.generation, self.queue.known(), now),
            None => Keeping::new(&self.generation, StartReason::Reload, now),
        });
        if told {
            self.queue.forgive();
            self.awake();
        } else {
            self.up(Missing::default(), true);
        }
        if let Some(old) = old {
            self.shared.retire(old, allowance);
        }
    }

    /// The instance's state. An instance that is lost at it is replaced: nothing can be got out of a guest that has trapped,
    /// so its state is gone, and that is what is said.
    pub(super) async fn save(&mut self) -> Result<Saved, PluginError> {
        let Some(instance) = &mut self.instance else {
            return Err(PluginError::NotRunning { why: "it could not be started again" });
        };
        instance.tape().pause();
        let error = match instance.save(&self.generation).await {
            Err(error @ PluginError::Call { .. }) => error,
            other => {
                if let Some(keeping) = &self.keeping {
                    instance.tape().record_on(keeping.bound);
                }
                return other;
            }
        };
        self.lose_at_saving();
        self.shared.counters.note(PluginHappened::Failed(FaultId::PluginFailed, 1));
        self.restart().await;
        let state = match self.instance {
            Some(_) => self.shared.last_revival(),
            None => None,
        };
        Err(PluginError::StateLost { state, source: Box::new(error) })
    }

    /// The end: what still waits is answered, and the guest told.
    pub(super) async fn finish(mut self) {
        self.shared.set_state(State::Stopped);
        let left = self.queue.close(Closed::Stopped);
        self.give_up(left, &Closed::Stopped.fault()).await;
        if let Some(instance) = self.instance.take() {
            let mut allowance = self.generation.lifecycle();
            allowance.wall = allowance.wall.min(STOP);
            if let Err(error) = instance.stop(allowance).await {
                tracing::warn!(plugin = %self.shared.name, "the plugin did not stop well: {}", error.explain());
            }
        }
    }

    /// Answers events that no instance will see.
    async fn give_up(&mut self, events: Vec<Event>, why: &Fault) {
        if events.is_empty() {
            return;
        }
        let failures = (0..)
            .zip(&events)
            .map(|(by, _)| Failure { by, why: why.clone(), close: None })
            .collect();
        let mut batch = Batch { events, alone: false };
        let outcome = Outcome::failed(failures);
        self.conclude(&mut batch, Decided { outcome, refused: Vec::new() }).await;
    }

    /// Has what was decided carried out, and puts what was refused in front of the instance.
    async fn conclude(&mut self, batch: &mut Batch, decided: Decided) {
        if let Some(work) = self.begin_work(batch, decided) {
            // Large and rare: in the future of every call, it would be moved with it.
            Box::pin(self.carry_on(&batch.events, work)).await;
        }
        self.keep(batch);
    }

    /// How long events of clients waited for the call that decided about them, and how old they were after it.
    fn note_ages(&self, events: &[Event], called: &Called) {
        let Called { began, took, .. } = *called;
        let arrived = events.iter().filter_map(|event| event.permit.as_ref()?.arrived);
        let [waited, decided] = Gathered::ages(arrived, began.into_std(), took);
        let meter = &self.shared.counters.meter;
        meter.waited(&waited);
        meter.decided(&decided);
    }

    fn calls(&self) -> Calls<'_> {
        Calls { shared: &self.shared, generation: &self.generation }
    }

    /// The call went wrong.
    fn fail(&mut self, spans: &mut [Span], error_type: &'static str) {
        if let Some(called) = &mut self.called {
            called.error = Some(error_type);
        }
        spans.iter_mut().for_each(|span| span.fail(error_type));
    }

    /// What is left when others are to have their turn.
    fn begin_work(&mut self, batch: &mut Batch, decided: Decided) -> Option<Work> {
        let Decided { mut outcome, refused } = decided;
        let called = self.called.take();
        let timed = called.clone().unwrap_or_else(Called::none);
        self.note_ages(&batch.events, &timed);
        for failure in &outcome.failures {
            self.shared.counters.note(PluginHappened::Failed(failure.why.id, 1));
            let place = usize::try_from(failure.by).unwrap_or(usize::MAX);
            if let Some(event) = batch.events.get_mut(place) {
                event.span.fail(failure.why.id.word());
            }
        }
        onward::taken(&mut batch.events, &mut outcome).into_iter().for_each(onward::Failed::go_on);
        self.calls().recall(&mut batch.events, &outcome.failures, called.as_ref());
        if let Some(called) = &called {
            self.calls().show(&batch.events, called);
        }
        let mut work = Work::new(outcome, batch.events.len());
        work.by = self.shared.deciding();
        refused.into_iter().for_each(|refused| work.refuse(refused));
        let (actor, name) = (&self.shared.actor, &self.shared.name);
        if actor.act(name, &batch.events, &mut work) == Progress::More {
            return Some(work);
        }
        self.refused(work, &batch.events);
        None
    }

    /// Goes on with an outcome that is not carried out at once: others have their turn between its steps, and the next
    /// call comes after its end. That is the task's work: a visitor has others to serve.
    async fn carry_on(&mut self, events: &[Event], mut work: Work) {
        let shared = Arc::clone(&self.shared);
        while {
            self.visited.others_first().await;
            shared.actor.act(&shared.name, events, &mut work) == Progress::More
        } {}
        self.refused(work, events);
    }

    /// Counts what was not carried out, tells the operator of the first of each kind, and the plugin of what had a key.
    fn refused(&self, mut work: Work, events: &[Event]) {
        for tally in work.tallies() {
            if self.shared.counters.meter.refused(tally) {
                tally.tell(&self.shared.name);
            }
        }
        let told = work.take_told();
        let news = told.into_iter().filter_map(|refused| news(refused, events)).collect::<Vec<_>>();
        if news.is_empty() {
            return;
        }
        let dropped = self.queue.tell(news);
        if dropped > 0
            && let Some(Times { untold, .. }) =
                self.shared.counters.notable.count("untold", Instant::now().into_std())
        {
            tracing::warn!(plugin = %self.shared.name, dropped, untold, "the plugin is not told of all refused effects");
        }
    }
}

/// As many decisions as there were events, or an error that says how many there are.
fn whole(decisions: Vec<types::Decision>, events: usize) -> Result<Vec<types::Decision>, String> {
    match decisions.len() {
        count if count == events => Ok(decisions),
        count => Err(format!("there are {count} decisions for {events} events")),
    }
}

/// What a plugin hears of an effect that was refused; nothing of one that such news itself caused: a guest that answers
/// every refusal with another refused effect would keep itself busy for ever.
fn news(refused: Refused, events: &[Event]) -> Option<Event> {
    let Refused { by, key, why, .. } = refused;
    let cause = by.and_then(|by| events.get(usize::try_from(by).ok()?));
    if cause.is_some_and(|cause| matches!(cause.what, Occurrence::Refused { .. })) {
        return None;
    }
    Some(Event {
        connection: cause.and_then(|event| event.connection.clone()),
        seq: 0,
        at: SystemTime::now(),
        what: Occurrence::Refused { key: key?, why },
        span: Span::none(),
        permit: None,
    })
}

fn returned_an_error(by: u32) -> Failure {
    let why = Fault::new(FaultId::PluginFailed, "the plugin returned an error");
    Failure { by, why, close: None }
}

/// The breaker's time. Events bring theirs along, so what goes well costs no look at a clock.
fn second(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The breaker's time for what has just gone wrong.
fn this_second() -> u64 {
    second(SystemTime::now())
}
