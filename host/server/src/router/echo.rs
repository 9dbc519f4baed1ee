//! The built-in handler of a gateway without plugins.

use std::sync::Arc;
use tengen_core::{
    capability::{
        push::{Push, Target},
        reply::Reply,
    },
    effect::{Caused, Content, Effect, Failure, Outcome},
    event::{Event, Occurrence},
    handler::{Actor, Declined, Handler, Progress, Work},
};
use tengen_wire::id::PluginName;

/// Answers an event that has a callback with its own data, and pushes any other back to its sender.
#[derive(Debug)]
pub struct Echo {
    pub name: PluginName,
    pub actor: Arc<dyn Actor>,
}

impl Echo {
    /// One effect or failure is no work for more than a step.
    fn act(&self, event: &Event, outcome: Outcome) -> Work {
        let mut work = Work::new(outcome, 1);
        while self.actor.act(&self.name, std::slice::from_ref(event), &mut work) == Progress::More {
        }
        work
    }
}

impl Handler for Echo {
    fn offer(&self, event: Event) -> Result<(), Box<Declined>> {
        let (Occurrence::Message(message), Some(connection)) = (&event.what, &event.connection)
        else {
            return Ok(());
        };
        let what = match message.reply_to {
            Some(reply_to) => Effect::Reply(Reply { reply_to, value: Ok(Content::OfEvent(0)) }),
            None => Effect::Push(Push {
                to: Target::Connection(connection.handle),
                except: None,
                id: message.id.clone(),
                content: Content::OfEvent(0),
            }),
        };
        let work = self.act(&event, Outcome::of(vec![Caused::new(0, what)]));
        // An echo that cannot come back is told to its sender; who was answered knows already.
        if let Some(refused) = work.tallies().first() {
            let failure = Failure { by: 0, why: refused.why.clone(), close: None };
            self.act(&event, Outcome::failed(vec![failure]));
        }
        Ok(())
    }
}
