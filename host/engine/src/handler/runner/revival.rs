//! A fresh instance in the place of one that broke, with as much of its state as can be had.
//!
//! The best is to be where it was: the state as it was saved last, and then the same events with the same answers once more,
//! whose decisions are thrown away. If that does not come to the same, or there is no journal, what was saved last has to do, and
//! the instance hears of what has changed since. A state on which nothing goes well is put aside, for the one before it.

use super::Runner;
use crate::{
    call::{
        effects,
        events::{Kept, prepare_anywhere, tell},
        instance::Instance,
        whose::Whose,
    },
    error::PluginError,
    guest::bindings::plugin::StartReason,
    handler::keeping::{
        Keeping,
        checkpoint::Checkpoint,
        journal::{Journal, TIME},
        known::Missing,
    },
    kept::Revived,
    text::plain,
};
use tengen_core::{event::Event, meter::PluginHappened};
use tokio::time::Instant;

/// Going through the journal again may take so many times what it took at first.
const PATIENCE: u32 = 4;

impl Runner {
    /// The instance is gone, or broken. What it was answered is kept for the next.
    pub(super) fn lose(&mut self) {
        let instance = self.instance.take();
        self.call = None;
        let Some(keeping) = &mut self.keeping else { return };
        if let Some(instance) = &instance {
            keeping.clock.get_or_insert(instance.tape().began());
        }
        keeping.suspected |= keeping.trial.trapped(Instant::now());
        let (Some(journal), Some(instance)) = (&mut keeping.journal, instance) else { return };
        match instance.tape().is_lost() {
            true => keeping.journal = None,
            false => journal.answers = instance.tape().take(journal.answered()),
        }
    }

    /// A fresh instance, and what it has missed. What it is answered from here on is recorded.
    pub(super) async fn revive(&mut self) -> Result<(Instance, Missing), PluginError> {
        let (instance, mut missing) = self.find_way().await?;
        if let Some(keeping) = &mut self.keeping {
            match missing.is_complete {
                true => instance.tape().record_on(keeping.bound),
                false => instance.tape().record_anew(keeping.bound),
            }
            missing.is_complete &= !std::mem::take(&mut keeping.rested);
        }
        Ok((instance, missing))
    }

    async fn find_way(&mut self) -> Result<(Instance, Missing), PluginError> {
        if self.keeping.is_none() {
            let instance = Instance::start(&self.generation, StartReason::RestartAfterTrap).await?;
            return Ok((instance, Missing::default()));
        }
        self.judge().await?;
        if let Some(instance) = self.gone_through().await? {
            let missing = self.keeping.as_ref().map(|keeping| keeping.known.all());
            return Ok((instance, missing.unwrap_or_default()));
        }
        while let Some(checkpoint) = self.saved_state() {
            let age = u32::try_from(checkpoint.age().as_millis()).unwrap_or(u32::MAX);
            let mut instance = self.fresh(StartReason::Restored(age)).await?;
            match instance.load(&self.generation, &self.parts(&checkpoint)).await {
                Ok(()) => return Ok((instance, self.goes_back(&checkpoint, age))),
                Err(error) => {
                    self.shared.failed("what the plugin saved cannot be loaded", &error);
                    self.put_aside("it cannot be loaded");
                }
            }
        }
        let instance = Instance::start(&self.generation, StartReason::RestartAfterTrap).await?;
        Ok((instance, self.begins_with_nothing()))
    }

    /// An instance that begins. Its clock goes on where that of the first one was.
    pub(super) async fn fresh(&mut self, reason: StartReason) -> Result<Instance, PluginError> {
        let instance = Instance::start(&self.generation, reason).await?;
        if let Some(clock) = self.keeping.as_ref().and_then(|keeping| keeping.clock) {
            instance.tape().goes_on_from(clock);
        }
        Ok(instance)
    }

    /// Why it could not be told once more what it had been told.
    fn why_unrepeated(&mut self) -> String {
        let why = self.keeping.as_mut().and_then(Keeping::why_unrepeated);
        why.unwrap_or_else(|| "it had been told too much since to be told again".to_owned())
    }

    fn saved_state(&self) -> Option<Checkpoint> {
        self.keeping.as_ref()?.current.clone()
    }

    /// The instance has what was saved, and is told what has happened since.
    fn goes_back(&mut self, checkpoint: &Checkpoint, told: u32) -> Missing {
        let age = checkpoint.age();
        self.shared.counters.note(PluginHappened::StateRestored);
        let why = self.why_unrepeated();
        let untold = self.keeping.as_ref().map_or(0, |keeping| keeping.known.untold());
        let more = match untold {
            0 => String::new(),
            untold => format!("; of what came since for it, {untold} are not told again"),
        };
        self.shared.note(&format!(
            "the plugin has the state of {} ms ago: what it decided since has been done, and is not known to it ({why}){more}",
            age.as_millis(),
        ));
        self.show_revival(Revived::Restored(age));
        let Some(keeping) = &mut self.keeping else { return Missing::default() };
        keeping.begin_journal();
        keeping.began = StartReason::Restored(told);
        keeping.trial.loaded(Instant::now());
        keeping.known.go_back()
    }

    fn begins_with_nothing(&mut self) -> Missing {
        self.shared.lost_state();
        let why = self.why_unrepeated();
        self.shared.note(&format!("the plugin begins with nothing: its state is gone ({why})"));
        self.show_revival(Revived::Empty);
        let Some(keeping) = &mut self.keeping else { return Missing::default() };
        keeping.begin_journal();
        keeping.began = StartReason::RestartAfterTrap;
        (keeping.trial, keeping.clock) = (Default::default(), None);
        keeping.known.nothing()
    }

    /// The state that was saved last is no good: the one before it is, or none.
    pub(super) fn put_aside(&mut self, why: &str) {
        let Some(keeping) = &mut self.keeping else { return };
        if let Some(bad) = keeping.put_aside() {
            self.tell_of_bad(&bad, why);
        }
    }

    pub(super) fn tell_of_bad(&self, bad: &Checkpoint, why: &str) {
        let Some(keeping) = &self.keeping else { return };
        let next = match &keeping.current {
            Some(before) => format!("the one of {} ms ago is tried", before.age().as_millis()),
            None => "there is none before it".to_owned(),
        };
        self.shared.counters.note(PluginHappened::StatePutAside);
        self.shared.note(&format!(
            "the plugin's state of {} ms ago, of {} bytes, is put aside, for {why}: {next}",
            bad.age().as_millis(),
            bad.state.size()
        ));
    }

    /// An instance that is where the one before it was; none if that cannot be had.
    async fn gone_through(&mut self) -> Result<Option<Instance>, PluginError> {
        let Some(keeping) = &mut self.keeping else { return Ok(None) };
        let Some(mut journal) = keeping.journal.take() else { return Ok(None) };
        let (checkpoint, reason) = (keeping.current.clone(), keeping.began);
        let began = Instant::now();
        let begun = self.fresh(reason).await;
        let mut instance = match begun {
            Ok(instance) => instance,
            Err(error) => {
                // It is tried again, with the same.
                if let Some(keeping) = &mut self.keeping {
                    keeping.journal = Some(journal);
                }
                return Err(error);
            }
        };
        if let Some(checkpoint) = &checkpoint
            && instance.load(&self.generation, &self.parts(checkpoint)).await.is_err()
        {
            // It is loaded once more without the journal, and says what is wrong.
            return Ok(None);
        }
        instance.tape().play(std::mem::take(&mut journal.answers));
        instance.goes_through(true);
        let went = self.go_through(&mut instance, &journal, Instant::now()).await;
        instance.goes_through(false);
        let (calls, took_ms) = (journal.len(), began.elapsed().as_millis());
        let plugin = &self.shared.name;
        if let Err(why) = went {
            tracing::warn!(%plugin, calls, took_ms, "what the plugin was told could not be told again: {why}");
            if let Some(keeping) = &mut self.keeping {
                keeping.unrepeated = Some(why);
            }
            return Ok(None);
        }
        self.shared.counters.note(PluginHappened::StateRecovered);
        tracing::info!(%plugin, calls, took_ms, "the plugin has its state back: it was told once more what it had been told since that was saved");
        self.show_revival(Revived::Recovered);
        self.restarts.took(Instant::now(), began.elapsed());
        if let Some(keeping) = &mut self.keeping {
            keeping.trial.loaded(Instant::now());
            keeping.journal = Some(journal);
        }
        Ok(Some(instance))
    }

    /// Goes through the journal's calls, and says where it comes to something else than it did.
    pub(super) async fn go_through(
        &mut self,
        instance: &mut Instance,
        journal: &Journal,
        began: Instant,
    ) -> Result<(), String> {
        for number in 0..journal.len() {
            let Some((call, which)) = journal.call(number) else { break };
            let kept = journal.kept(&which);
            let events = journal.events(which);
            let decided = self.tell_again(instance, &events, &kept).await?;
            let digest = match decided {
                Ok(decided) => journal.digest(&decided),
                Err(message) => journal.digest_of(&message),
            };
            if digest != call.digest {
                let word = events.first().map_or("nothing", Event::word);
                return Err(format!("it decided otherwise at `{}`", plain(word, 128)));
            }
            if !instance.tape().is_at(call.answers) {
                return Err("it asked the gateway for other things".to_owned());
            }
            if began.elapsed() > TIME * PATIENCE {
                return Err("it took too long".to_owned());
            }
        }
        Ok(())
    }

    /// Tells events once more. Nothing of what is decided is done.
    pub(super) async fn tell_again(
        &mut self,
        instance: &mut Instance,
        events: &[Event],
        kept: &[Kept],
    ) -> Result<Result<effects::Decided, String>, String> {
        let encoding = self.generation.about.encoding;
        let made = prepare_anywhere(events, kept, encoding, &self.shared.tasks).await;
        let told = tell(events, &made);
        let allowance = self.generation.allowance(told.records.len());
        let answer = instance.handle(allowance, &told.records, Whose::NOBODY).await;
        let answer = answer
            .map_err(|error| PluginError::Call { function: "handle", source: error }.explain())?;
        let limits = &self.generation.settings;
        let answer = answer.and_then(|decisions| super::whole(decisions, told.records.len()));
        Ok(answer.map(|decisions| effects::decide(decisions, events, &told.numbering, limits)))
    }
}
