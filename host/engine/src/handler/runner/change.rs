//! A change that concerns all instances of a handler: each gives its state up between two calls, and waits for what becomes
//! of all of them.

use super::{Next, Runner};
use crate::{call::saved::Saved, error::PluginError, handler::keeping::Keeping};
use std::ops::ControlFlow;
use tokio::{sync::oneshot, time::Instant};

/// What becomes of an instance that waits. Nothing, where the change came to nothing: it goes on as if nothing had been.
#[derive(Debug)]
pub(in crate::handler) enum Verdict {
    /// Another one takes its place. `told`: that one knows of the open connections.
    Swap { next: Box<Next>, told: bool },
    /// It begins: it has just come.
    Begin,
    /// Nobody takes its place.
    End,
}

impl Runner {
    /// The state for those who come after; none where none is wanted, or no instance runs that could have one.
    pub(in crate::handler) async fn give_up_state(
        &mut self,
        wanted: bool,
    ) -> Result<Option<Saved>, PluginError> {
        match wanted && self.instance.is_some() {
            true => self.save().await.map(Some),
            false => Ok(None),
        }
    }

    /// Waits for what becomes of it. Break: it ends.
    pub(in crate::handler) async fn obey(
        &mut self,
        verdict: oneshot::Receiver<Verdict>,
    ) -> ControlFlow<()> {
        match verdict.await {
            Ok(Verdict::Swap { next, told }) => self.exchange(*next, told, None),
            Ok(Verdict::End) => {
                if let Some(instance) = self.instance.take() {
                    self.shared.retire(instance, self.generation.lifecycle());
                }
                return ControlFlow::Break(());
            }
            Ok(Verdict::Begin) => {
                let now = Instant::now();
                let keeping = Keeping::unsaved(&self.generation, self.queue.known(), now);
                self.begin_keeping(keeping);
            }
            Err(_) => {}
        }
        ControlFlow::Continue(())
    }

    /// Says how much memory its instance has.
    pub(in crate::handler) fn note_memory(&self) {
        self.shared.holds(self.instance.as_ref().map_or(0, |instance| instance.memory().0));
    }
}
