//! What follows when a call breaks: whose events run again, who is blamed, and when the instance is replaced.

use super::{Runner, second, this_second};
use crate::{
    breaker::{Blame, Consequence, Phase},
    error::{CallError, PluginError},
    handler::{
        keeping::known::Missing,
        line::weight,
        onward,
        queue::{Batch, Closed},
    },
    quarantine::{Broken, Seen},
    shared::{At, State},
};
use std::{
    collections::HashMap,
    fmt::Display,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tengen_core::{
    event::{Event, Occurrence},
    meter::PluginHappened,
    often::Times,
};
use tengen_wire::{
    fault::{Fault, FaultId},
    id::Handle,
};
use tokio::time::Instant;

impl Runner {
    /// The instance is gone. An event that broke it alone has failed; others are tried again, one by one.
    pub(super) async fn broke(&mut self, batch: &mut Batch, error: CallError) {
        self.lose();
        let failure = match error {
            CallError::TooMuch { .. } => {
                Fault::new(FaultId::LimitReached, "the event caused more than the plugin may")
            }
            _ => Fault::new(FaultId::PluginFailed, "the plugin failed"),
        };
        let others = batch.events.iter().filter(|event| !is_adoption(event)).count();
        let again = batch.events.len() > 1;
        let error = PluginError::Call { function: "handle", source: error };
        let why = error.explain();
        self.shared.failed_at("the instance is replaced", &error, At::of(&batch.events));
        if again {
            if others > 0 {
                self.caution.broke(others, heaviest(&batch.events));
            }
            self.queue.retry(batch.events.drain(..));
            return self.restart().await;
        }
        if let [event] = batch.events.as_slice() {
            self.quarantine(event, &why);
        }
        self.failed_for_good(batch, &failure).await;
    }

    /// Writes an event down that broke the plugin, where its operator wants that.
    fn quarantine(&self, event: &Event, why: &str) {
        let Some(folder) = self.generation.settings.quarantine.clone() else { return };
        // One at a time: they are as large as the state is.
        if self.in_quarantine.swap(true, Ordering::Relaxed) {
            let plugin = &self.shared.name;
            tracing::warn!(%plugin, event = event.word(), "an event that broke the plugin is not put in quarantine: another one is being written");
            return;
        }
        let is_written = Arc::clone(&self.in_quarantine);
        let checkpoint = self.keeping.as_ref().and_then(|keeping| keeping.current.as_ref());
        let broken = Broken {
            plugin: self.shared.name.to_string(),
            revision: self.generation.compiled.hash.short(),
            version: self.generation.about.version.to_string(),
            why: why.to_owned(),
            state: checkpoint.map(|checkpoint| (Arc::clone(&checkpoint.state), checkpoint.at)),
            event: Seen::of(event),
        };
        let shared = Arc::clone(&self.shared);
        self.shared.tasks.spawn_blocking(move || {
            let plugin = &shared.name;
            let put = broken.put(&folder);
            is_written.store(false, Ordering::Relaxed);
            match put {
                Ok(file) => tracing::info!(%plugin, file = %file.display(), "the event that broke the plugin is in quarantine"),
                Err(error) => {
                    shared.note(&format!("the event that broke the plugin cannot be put in quarantine: {error}"));
                }
            }
        });
    }

    /// The events of a call that broke the instance, and that no other call is made for.
    async fn failed_for_good(&mut self, batch: &mut Batch, failure: &Fault) {
        let alone = batch.events.len() == 1;
        // Those that go on have failed here as well.
        let goes_on = batch.events.iter().filter(|event| event.goes_on()).count() as u64;
        self.shared.counters.note(PluginHappened::Failed(failure.id, goes_on));
        if !alone {
            self.caution.failed();
        }
        let consequence = match (alone, batch.events.first()) {
            (true, Some(event)) => self.blame(event, batch.alone),
            _ => Consequence::default(),
        };
        let shunned = match (alone, batch.events.first()) {
            (true, Some(event)) => self.shunned(event, consequence),
            _ => None,
        };
        if let ([event], Some(keeping)) = (batch.events.as_slice(), &mut self.keeping)
            && let (Occurrence::Closed(_), Some(connection)) = (&event.what, &event.connection)
        {
            // It is not told of that end again.
            keeping.known.forget(connection.handle);
        }
        let left = shunned.map(|handle| self.queue.shun(handle)).unwrap_or_default();
        let broken = onward::broken(std::mem::take(&mut batch.events), failure);
        self.give_up(broken, failure).await;
        self.give_up(left, &Fault::new(FaultId::PluginFailed, "the plugin failed")).await;
        match consequence.opened {
            Some(pause) => self.leave_out(pause).await,
            None => self.restart().await,
        }
    }

    /// This event broke the instance, and nobody else can have.
    fn blame(&mut self, event: &Event, alone: bool) -> Consequence {
        if alone {
            self.caution.ran_alone(true);
        }
        let mut consequence = self.breaker.broke(this_second(), blame(event));
        consequence.shun |= consequence.times >= self.restarts.patience();
        consequence
    }

    /// The connection that is to be left alone after its event broke the instance.
    fn shunned(&self, event: &Event, consequence: Consequence) -> Option<Handle> {
        let connection = event.connection.as_ref()?;
        if consequence.shun {
            self.shared.counters.note(PluginHappened::Shunned);
            self.tell_of_shunned(
                &connection.id,
                "a connection's events broke the plugin too often: it is left alone for a while",
            );
        }
        let shunned = consequence.shun || is_adoption(event);
        shunned.then_some(connection.handle)
    }

    /// Connections can be shunned one after the other: all are counted, few told.
    fn tell_of_shunned(&self, connection: &dyn Display, why: &'static str) {
        match self.shared.counters.notable.count("shunned", Instant::now().into_std()) {
            Some(Times { untold, .. }) => {
                tracing::warn!(plugin = %self.shared.name, %connection, untold, "{why}");
            }
            None => tracing::debug!(plugin = %self.shared.name, %connection, "{why}"),
        }
    }

    /// The plugin keeps failing: no calls for a while.
    async fn leave_out(&mut self, pause: Duration) {
        self.shared.changed(Phase::Open, Some(pause));
        self.rest(pause).await;
    }

    /// Events went well. Returns who is suspected, as of [`Caution::ran_alone`].
    pub(super) fn passed(&mut self, batch: &Batch) -> Option<Handle> {
        let first = batch.events.first()?;
        // Hearing of a connection is no work that would show whether a plugin works again.
        let counts = !is_adoption(first);
        let events = u32::try_from(batch.events.len()).unwrap_or(u32::MAX);
        if counts && self.breaker.passed(second(first.at), events) {
            self.shared.changed(Phase::Closed, None);
        }
        self.caution.went_well();
        if batch.alone { self.caution.ran_alone(false) } else { None }
    }

    /// The call for these events failed for all of them, and the instance lives.
    pub(super) fn failed(&mut self, batch: &Batch) -> Option<Handle> {
        if batch.alone {
            return self.caution.ran_alone(false);
        }
        if batch.events.len() > 1 {
            self.caution.failed();
        }
        None
    }

    /// None of a batch's events broke the instance that the batch broke. Who sent most of it is to blame: what broke is
    /// their sum.
    pub(super) async fn suspect(&mut self, suspect: Handle) {
        let consequence = self.breaker.broke(this_second(), Some(suspect.0.into()));
        if consequence.shun || consequence.times >= self.restarts.patience() {
            self.shared.counters.note(PluginHappened::Shunned);
            self.tell_of_shunned(&suspect.0, "a connection's events broke the plugin together too often: it is left alone for a while");
            let left = self.queue.shun(suspect);
            self.give_up(left, &Fault::new(FaultId::PluginFailed, "the plugin failed")).await;
        }
        if let Some(pause) = consequence.opened {
            self.lose();
            self.leave_out(pause).await;
        }
    }

    /// A fresh instance of the same version; or a pause, in which events are answered `plugin-unavailable`.
    pub(in crate::handler) async fn restart(&mut self) {
        if let Some(pause) = self.restarts.wait(Instant::now()) {
            tracing::error!(plugin = %self.shared.name, ?pause, "the plugin breaks too often for the many connections that each new instance hears of: it rests for a while");
            return self.rest(pause).await;
        }
        self.shared.counters.note(PluginHappened::Restarted);
        if self.breaker.try_again() {
            self.shared.changed(Phase::HalfOpen, None);
        }
        match Box::pin(self.revive()).await {
            Ok((instance, missing)) => {
                self.instance = Some(instance);
                self.growth.begins(&self.instance);
                let told = self.up(missing, false);
                self.restarts.adopted(Instant::now(), told);
            }
            Err(error) => {
                self.shared.failed("the plugin cannot be started again", &error);
                let pause = self.pause.next();
                self.rest(pause).await;
            }
        }
    }

    /// No instance runs for a while: events are answered `plugin-unavailable`.
    pub(super) async fn rest(&mut self, pause: Duration) {
        self.shared.set_state(State::Unavailable);
        self.rested();
        self.down_until = Some(Instant::now() + pause);
        self.caution.give_up();
        let closed = Closed::Unavailable(pause);
        let left = self.queue.close(closed);
        self.give_up(left, &closed.fault()).await;
    }

    /// What happens now, nobody is told of.
    fn rested(&mut self) {
        if let Some(keeping) = &mut self.keeping {
            keeping.rested = true;
        }
    }

    /// Returns of how many connections it is told.
    pub(super) fn up(&mut self, missing: Missing, forgive: bool) -> usize {
        self.awake();
        self.adopt(missing, forgive)
    }

    /// An instance runs.
    pub(super) fn awake(&mut self) {
        self.down_until = None;
        self.pause.reset();
        self.shared.set_state(State::Running);
    }

    /// The instance is new: it hears before anything else of the open connections that it does not know.
    pub(super) fn adopt(&self, missing: Missing, forgive: bool) -> usize {
        self.queue.begin_adoption();
        self.queue.open();
        let (is_as_it_was, knows) = (missing.is_complete, missing.knows);
        let told = self.queue.adopt(self.shared.connections(), missing, forgive);
        if !is_as_it_was {
            self.shared.begins_anew(knows);
        }
        told
    }

    /// The gateway itself failed at this batch, half way: nobody knows what of it was done. Its events have failed, and
    /// what else they touched begins anew.
    pub(in crate::handler) async fn recover(&mut self, batch: &mut Batch) {
        self.lose();
        self.shared.counters.note(PluginHappened::Panicked);
        self.shared.note("the gateway failed at events of this plugin, which is a fault of the gateway: please report it; the instance is replaced");
        let consequence = match batch.events.as_slice() {
            [event] => self.blame(event, batch.alone),
            _ => Consequence::default(),
        };
        if batch.events.len() > 1 {
            self.caution.failed();
        }
        self.give_up(
            std::mem::take(&mut batch.events),
            &Fault::new(FaultId::PluginFailed, "the gateway failed at the event"),
        )
        .await;
        match consequence.opened {
            Some(pause) => self.leave_out(pause).await,
            None => self.restart().await,
        }
    }

    /// Even that failed: what waits is let go without a word, and an instance is tried after a while.
    pub(in crate::handler) fn lie_down(&mut self, batch: &mut Batch) {
        batch.events.clear();
        let pause = self.pause.next();
        self.lose();
        self.rested();
        self.caution.give_up();
        self.shared.set_state(State::Unavailable);
        self.down_until = Some(Instant::now() + pause);
        self.queue.close(Closed::Unavailable(pause));
    }
}

fn is_adoption(event: &Event) -> bool {
    matches!(event.what, Occurrence::Adopted)
}

/// Who sent at least half of what these events weigh.
fn heaviest(events: &[Event]) -> Option<Handle> {
    let mut weights = HashMap::<Handle, usize>::new();
    for event in events {
        let Some(connection) = &event.connection else { continue };
        *weights.entry(connection.handle).or_default() += weight(event);
    }
    let all = events.iter().map(weight).sum::<usize>();
    let (handle, most) = weights.into_iter().max_by_key(|(_, weight)| *weight)?;
    (most.saturating_mul(2) >= all).then_some(handle)
}

/// Whose event it is.
fn blame(event: &Event) -> Blame {
    event.connection.as_ref().map(|connection| connection.handle.0.into())
}
