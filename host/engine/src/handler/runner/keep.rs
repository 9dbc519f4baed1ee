//! Between two calls: what is kept of them, and when the state is saved.

use super::Runner;
use crate::{
    call::{effects::Decided, events::Kept, instance::Instance, parts::Parts},
    error::PluginError,
    guest::bindings::plugin::StartReason,
    handler::{
        keeping::{
            Keeping,
            checkpoint::Checkpoint,
            journal::{Ended, Journal, is_work},
        },
        queue::Batch,
    },
    kept::{KeptState, Revived},
};
use std::{sync::Arc, time::SystemTime};
use tengen_core::{
    event::{Event, Occurrence},
    handler::Deciding,
    meter::PluginHappened,
};
use tokio::time::Instant;

/// A guest that has grown at so many checkpoints in a row grows by them.
const GROWN: u32 = 4;

/// What a call was that has ended well, until its events are kept.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) ended: Ended,
    /// The numbers by which those events may be answered that may go on to somebody else, who then answers them.
    pub(super) replies: Vec<(usize, Option<u32>)>,
    /// What was kept with the connections of its events.
    pub(super) kept: Vec<Kept>,
}

/// How much memory an instance has had.
#[derive(Debug, Default)]
pub(super) struct Growth {
    /// When it began, or had been told that it has too much.
    base: usize,
    /// Checkpoints in a row at which it has grown.
    at_checkpoints: u32,
    /// The operator knows that it is near its limit.
    told: bool,
}

impl Growth {
    /// From here on, what an instance has more is growth.
    pub(super) fn begins(&mut self, instance: &Option<Instance>) {
        let base = instance.as_ref().map_or(0, |instance| instance.memory().0);
        *self = Self { base, at_checkpoints: 0, told: self.told };
    }
}

impl Runner {
    /// For an instance that has just begun, with what is in `keeping`.
    pub(super) fn begin_keeping(&mut self, keeping: Option<Keeping>) {
        self.keeping = keeping;
        self.growth.begins(&self.instance);
        let Some(instance) = &self.instance else { return };
        if let Some(keeping) = &self.keeping {
            instance.tape().record_anew(keeping.bound);
        }
    }

    /// When the state is to be saved, as far as is known now.
    pub(in crate::handler) fn save_due(&self) -> Option<Instant> {
        self.keeping.as_ref()?.schedule.due().filter(|_| self.instance.is_some())
    }

    /// When the last call ended.
    pub(in crate::handler) fn last_ended(&self) -> Option<Instant> {
        self.last_ended
    }

    /// Notes what was decided, before anything of it is done.
    pub(super) fn note_decided(&mut self, events: &[Event], decided: &Decided) {
        if let Some(journal) = self.journal() {
            let (digest, fails) = (journal.digest(decided), !decided.outcome.failures.is_empty());
            self.note_call(events, digest, fails);
        } else if self.keeping.is_some() {
            self.note_call(events, 0, false);
        }
    }

    /// Notes that the call returned an error.
    pub(super) fn note_returned(&mut self, events: &[Event], message: &str) {
        if self.keeping.is_some() {
            let digest = self.journal().map_or(0, |journal| journal.digest_of(message));
            self.note_call(events, digest, true);
        }
    }

    fn journal(&self) -> Option<&Journal> {
        self.keeping.as_ref()?.journal.as_ref()
    }

    /// What of a call that went well has to be looked at before its outcome is carried out.
    fn note_call(&mut self, events: &[Event], digest: u64, fails: bool) {
        let took = self.called.as_ref().map_or_else(Default::default, |called| called.took);
        let goes_on = |(place, event): (usize, &Event)| {
            let reply_to = event.message().map(|message| message.reply_to)?;
            event.goes_on().then_some((place, reply_to))
        };
        let replies = match fails {
            true => events.iter().enumerate().filter_map(goes_on).collect(),
            false => Vec::new(),
        };
        self.call = Some(Call { ended: Ended { digest, took }, replies, kept: Vec::new() });
    }

    /// The events of a batch that is done are kept, if they were told to an instance whose state is, and forgotten else.
    pub(super) fn keep(&mut self, batch: &mut Batch) {
        if let (Some(call), Some(keeping), Some(instance)) =
            (self.call.take(), &mut self.keeping, &self.instance)
        {
            for (place, reply_to) in call.replies {
                if let Some(Occurrence::Message(message)) =
                    batch.events.get_mut(place).map(|event| &mut event.what)
                {
                    message.reply_to = reply_to;
                }
            }
            keeping.told(&batch.events);
            keeping.schedule.decided();
            if keeping.trial.is_open() && batch.events.iter().any(is_work) {
                keeping.trial.went_well();
            }
            if let Some(journal) = &mut keeping.journal {
                match journal.has_room() {
                    true if journal.add(
                        &mut batch.events,
                        call.kept,
                        call.ended,
                        instance.tape(),
                    ) => {}
                    true => keeping.schedule.want(),
                    false => keeping.journal = None,
                }
            }
        }
        self.watch_memory();
        batch.events.clear();
    }

    /// Near its limit, an instance is replaced by one that has only its state, if it has grown much since it began; who has it
    /// all from the beginning, needs it.
    fn watch_memory(&mut self) {
        let Some(instance) = &self.instance else { return };
        let (used, limit) = instance.memory();
        if used < limit / 4 * 3 {
            return;
        }
        let grown = used.saturating_sub(self.growth.base) >= limit / 4;
        match &mut self.keeping {
            // Saved, it can be replaced.
            Some(keeping) if grown && keeping.schedule.is_on() => keeping.schedule.want(),
            _ if !self.growth.told => {
                self.growth.told = true;
                let plugin = &self.shared.name;
                tracing::warn!(%plugin, used, limit, "the plugin needs three quarters of its memory and more: raise `plugin.{plugin}.memory`");
            }
            _ => {}
        }
    }

    /// Saves the state, to be loaded after a trap.
    pub(in crate::handler) async fn checkpoint(&mut self) {
        let began = Instant::now();
        let before = self.instance.as_ref().map_or(0, |instance| instance.memory().0);
        let Some(instance) = &mut self.instance else { return };
        instance.tape().pause();
        let saved = instance.save(&self.generation).await;
        let now = Instant::now();
        let took = now.duration_since(began);
        let Some(keeping) = &mut self.keeping else { return };
        let state = match saved {
            Ok(state) => Arc::new(state),
            Err(error) => return self.not_saved(error, now, took).await,
        };
        self.shared.counters.note(PluginHappened::Checkpointed);
        let at = SystemTime::now();
        keeping.saved(Checkpoint { state: Arc::clone(&state), at, took }, now);
        instance.tape().record_anew(keeping.bound);
        let (used, limit) = instance.memory();
        let growth = used.saturating_sub(before);
        self.growth.at_checkpoints = if growth > 0 { self.growth.at_checkpoints + 1 } else { 0 };
        let kept = KeptState::new(at, state.size(), took, growth);
        self.shared.keeps(kept);
        let grows = self.growth.at_checkpoints >= GROWN;
        let is_near = used >= limit / 4 * 3;
        if (is_near && used.saturating_sub(self.growth.base) >= limit / 4) || grows {
            let why = if grows {
                "it grows with each saving of its state"
            } else {
                "it has grown near its limit"
            };
            self.recycle(why).await;
        }
    }

    async fn not_saved(&mut self, error: PluginError, now: Instant, took: std::time::Duration) {
        let Some(keeping) = &mut self.keeping else { return };
        let was_last = keeping.schedule.failed(now, took);
        if let (Some(instance), Some(keeping)) = (&self.instance, &self.keeping) {
            instance.tape().record_on(keeping.bound);
        }
        self.shared.counters.note(PluginHappened::CheckpointFailed);
        let more = match was_last {
            true => "its state is not saved any more until it is reloaded",
            false => "it is tried again",
        };
        self.shared
            .failed(&format!("the plugin's state is not saved for after a trap, {more}"), &error);
        if matches!(error, PluginError::Call { .. }) {
            self.lose_at_saving();
            self.restart().await;
        }
    }

    /// The call that was to save the state has broken the instance.
    pub(super) fn lose_at_saving(&mut self) {
        self.lose();
        if let Some(bad) = self.keeping.as_mut().and_then(Keeping::save_broke) {
            self.tell_of_bad(&bad, "what came of it could not be saved again and again");
        }
    }

    /// An instance that has only the state, as it was just saved, in the place of one that has grown.
    async fn recycle(&mut self, why: &'static str) {
        let Some(checkpoint) = self.keeping.as_ref().and_then(|keeping| keeping.current.clone())
        else {
            return;
        };
        let plugin = self.shared.name.clone();
        match self.loaded(&checkpoint, StartReason::Restored(0)).await {
            Ok(fresh) => {
                let old = self.instance.replace(fresh);
                let mut keeping = self.keeping.take();
                if let Some(keeping) = &mut keeping {
                    keeping.began = StartReason::Restored(0);
                }
                self.begin_keeping(keeping);
                let allowance = self.generation.lifecycle();
                if let Some(old) = old {
                    self.shared.retire(old, allowance);
                }
                self.shared.counters.note(PluginHappened::Recycled);
                tracing::info!(%plugin, "the plugin's instance was replaced by one with its state: {why}");
            }
            Err(error) => {
                self.growth.base = self.instance.as_ref().map_or(0, |instance| instance.memory().0);
                self.growth.at_checkpoints = 0;
                self.shared
                    .failed("the plugin's instance has grown and cannot be replaced", &error);
            }
        }
    }

    /// A state as its own instance's.
    pub(super) fn parts<'a>(&self, checkpoint: &'a Checkpoint) -> Parts<'a> {
        let Deciding { instance, of } = self.shared.deciding();
        Parts::own(&checkpoint.state, instance, of)
    }

    /// A fresh instance with this state, that has been told nothing since.
    pub(super) async fn loaded(
        &mut self,
        checkpoint: &Checkpoint,
        reason: StartReason,
    ) -> Result<Instance, PluginError> {
        if let (Some(instance), Some(keeping)) = (&self.instance, &mut self.keeping) {
            keeping.clock.get_or_insert(instance.tape().began());
        }
        let mut instance = self.fresh(reason).await?;
        instance.load(&self.generation, &self.parts(checkpoint)).await?;
        Ok(instance)
    }

    /// Shows what became of the state of the instance before.
    pub(super) fn show_revival(&self, how: Revived) {
        self.shared.revived(how);
    }
}
