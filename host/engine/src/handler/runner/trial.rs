//! Whether it is the state that breaks a plugin, or the events: events that went well before are tried on it.
//!
//! A peer that sends what traps again and again must not make a plugin lose its state; and a state at which everything traps must not
//! be brought back again and again.

use super::Runner;
use crate::{
    call::instance::Instance,
    error::PluginError,
    guest::bindings::plugin::StartReason,
    handler::keeping::{Newer, checkpoint::Checkpoint, journal::Journal},
};
use tokio::time::Instant;

/// What the samples say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Good,
    Bad,
    /// There is nothing that could be tried.
    Unknown,
}

impl Runner {
    /// After traps right upon each other: lets go what nothing goes well on, what came last first. An error: nothing could be
    /// tried, and it is tried again.
    pub(super) async fn judge(&mut self) -> Result<(), PluginError> {
        let Some(keeping) = self.keeping.as_mut().filter(|keeping| keeping.suspected) else {
            return Ok(());
        };
        keeping.take_samples(Newer::Last);
        let began = Instant::now();
        while self.has_state() {
            let verdict = self.try_samples().await?;
            if verdict == Verdict::Good {
                break;
            }
            self.let_go();
            if verdict == Verdict::Unknown {
                break;
            }
        }
        self.restarts.took(Instant::now(), began.elapsed());
        if let Some(keeping) = &mut self.keeping {
            keeping.suspected = false;
            keeping.trial.begins();
        }
        Ok(())
    }

    /// Whether there is anything that could be brought back.
    fn has_state(&self) -> bool {
        self.keeping.as_ref().is_some_and(|keeping| {
            keeping.current.is_some() || keeping.journal.as_ref().is_some_and(|it| it.len() > 0)
        })
    }

    /// What came last of the state is no good.
    fn let_go(&mut self) {
        let Some(keeping) = &mut self.keeping else { return };
        match keeping.journal.take().filter(|journal| journal.len() > 0) {
            Some(_) => {
                let why = "it failed at everything that went well before".to_owned();
                keeping.unrepeated = Some(why);
            }
            None => self.put_aside("the plugin failed again and again right after it was loaded"),
        }
    }

    /// Tries events that went well before on the state as it would be brought back. Most of them have to go well.
    async fn try_samples(&mut self) -> Result<Verdict, PluginError> {
        let samples: Vec<_> = self.keeping.iter().flat_map(|keeping| &keeping.samples).collect();
        let samples: Vec<_> = samples.into_iter().map(|event| event.another()).collect();
        let (mut instance, mut bad) = (None::<Instance>, 0);
        for sample in &samples {
            let tried = match instance.take() {
                Some(instance) => Some(instance),
                None => self.as_it_was().await?,
            };
            // What cannot be brought back at all is found out by who tries to.
            let Some(mut tried) = tried else { return Ok(Verdict::Good) };
            match self.tell_again(&mut tried, std::slice::from_ref(sample), &[]).await {
                Ok(_) => instance = Some(tried),
                Err(_) => bad += 1,
            }
        }
        Ok(match samples.len() {
            0 => Verdict::Unknown,
            all if bad * 2 > all => Verdict::Bad,
            _ => Verdict::Good,
        })
    }

    /// An instance with the state, of which nothing is heard.
    async fn as_it_was(&mut self) -> Result<Option<Instance>, PluginError> {
        let Some(keeping) = &mut self.keeping else { return Ok(None) };
        let (checkpoint, reason) = (keeping.current.clone(), keeping.began);
        let journal = keeping.journal.take();
        let instance = self.brought_back(checkpoint.as_ref(), journal.as_ref(), reason).await;
        if let Some(keeping) = &mut self.keeping {
            keeping.journal = journal;
        }
        instance
    }

    /// None: it could not be brought there.
    async fn brought_back(
        &mut self,
        checkpoint: Option<&Checkpoint>,
        journal: Option<&Journal>,
        reason: StartReason,
    ) -> Result<Option<Instance>, PluginError> {
        let mut fresh = self.fresh(reason).await?;
        fresh.goes_through(true);
        if let Some(checkpoint) = checkpoint
            && fresh.load(&self.generation, &self.parts(checkpoint)).await.is_err()
        {
            return Ok(None);
        }
        if let Some(journal) = journal {
            fresh.tape().play(journal.answers.clone());
            if self.go_through(&mut fresh, journal, Instant::now()).await.is_err() {
                return Ok(None);
            }
        }
        Ok(Some(fresh))
    }
}
