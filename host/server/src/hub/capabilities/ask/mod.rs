//! Questions to clients, on connections of the plugin's own endpoints; and what comes of them.
//!
//! A question is over once: with its client's answer, with its time, or with its connection, whichever comes first
//! (`questions`). What a client says to a question that is not open is its own mistake, and told to nobody else.

mod questions;

pub(in crate::hub) use questions::Questions;

use super::{Carried, CarryOut, Fate};
use crate::hub::{Hub, Link, budget, step::Step};
use questions::Asked;
use std::{sync::Arc, time::Duration};
use tengen_core::{capability::ask::Ask, event::Permit, handler::Work, outbox::Item};
use tengen_wire::{
    dialect::{self, Answer, Arrived, Question},
    fault::{Fault, FaultId},
    id::Handle,
    payload::Payload,
};

/// The shortest time, the usual one, and the longest.
const SHORTEST: Duration = Duration::from_millis(10);
const USUAL: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_secs(600);

impl CarryOut for Ask {
    fn carry_out(self, step: &mut Step<'_>, by: u32, _: &mut Work) -> Carried {
        let Self { connection, name, id, content, timeout } = self;
        let link = step.own(connection)?;
        let content = step.payload(content)?;
        let timeout = timeout.unwrap_or(USUAL).clamp(SHORTEST, LONGEST);
        let questions = &step.hub.questions;
        let key = questions.next_key();
        step.spend(budget::encoding(content.body.len()));
        let span = step.send_span(by, &id).map(Arc::new);
        let context = span.as_ref().and_then(|span| span.context());
        let what = Question { key, id: &id, content: &content, timeout };
        let frame = dialect::ask(link.wire, &what, context)?;
        let asked = Asked { key, plugin: step.plugin, name, timeout };
        questions.ask(&link, asked, || step.hub.links.contains(connection))?;
        // It may be answered before this returns.
        let item = Item { frame: link.frame(frame), channel: None, span };
        if step.deliveries.queue(&link, item) || !questions.take_back(&link, key) {
            return Ok(Fate::Done);
        }
        Err(match link.is_ending() {
            true => Fault::new(FaultId::Closed, "the connection is about to end"),
            false => Fault::new(FaultId::Overloaded, "the connection's outbox takes no more"),
        })
    }
}

impl Hub {
    /// Whether a connection has a question of this key, as clients are told it, that is not over.
    pub(crate) fn is_asked(&self, connection: Handle, key: &str) -> bool {
        key.parse().is_ok_and(|key| self.questions.has(connection, key))
    }

    /// A client answers what it was asked. `permit`: the place of what it says, as long as that waits.
    pub(in crate::hub) fn take_answer(
        &self,
        link: &Arc<Link>,
        arrived: &Arrived,
        answer: Answer,
        permit: Option<Permit>,
    ) -> Result<(), Fault> {
        let Answer { key, value } = answer;
        if !self.end_question(link.facts.handle, key, value, permit) {
            let why = format!(
                "this connection was asked nothing under the key `{key}`, has answered that, or its time is over"
            );
            return Err(Fault::new(FaultId::NotFound, why));
        }
        self.respond(link, arrived, &Payload::json(&serde_json::Value::Null))
    }
}
