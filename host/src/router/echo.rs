//! The built-in handler of a gateway without plugins.

use crate::{
    effect::{Caused, Content, Effect, Outcome, Target},
    event::{Event, Occurrence},
    handler::{Actor, Declined, Handler},
    id::PluginName,
};
use std::sync::Arc;

/// Answers an event that has a callback with its own data, and pushes any other back to its sender.
#[derive(Debug)]
pub struct Echo {
    pub name: PluginName,
    pub actor: Arc<dyn Actor>,
}

impl Handler for Echo {
    fn offer(&self, event: Event) -> Result<(), Box<Declined>> {
        let (Occurrence::Message(message), Some(connection)) = (&event.what, &event.connection)
        else {
            return Ok(());
        };
        let what = match message.reply_to {
            Some(reply_to) => Effect::Reply { reply_to, value: Ok(Content::OfEvent(0)) },
            None => Effect::Push {
                to: Target::Connection(connection.handle),
                except: None,
                id: message.id.clone(),
                content: Content::OfEvent(0),
                key: None,
            },
        };
        let outcome = Outcome { effects: vec![Caused { by: 0, what }], failures: Vec::new() };
        self.actor.act(&self.name, std::slice::from_ref(&event), outcome);
        Ok(())
    }
}
