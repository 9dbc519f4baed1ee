//! Answering messages.

use super::{Carried, CarryOut, Fate};
use crate::hub::step::Step;
use std::sync::Arc;
use tengen_core::{
    capability::reply::Reply, effect::Content, event::Event, handler::Work, meter::Happened,
};
use tengen_wire::fault::{Fault, FaultId};

impl CarryOut for Reply {
    fn carry_out(self, step: &mut Step<'_>, by: u32, work: &mut Work) -> Carried {
        give(step, by, self.reply_to, self.value, work)
    }
}

fn give(
    step: &mut Step<'_>,
    by: u32,
    reply_to: u32,
    value: Result<Content, Fault>,
    work: &mut Work,
) -> Carried {
    let Some(expected) = step.hub.take_reply(reply_to, step.plugin) else {
        step.hub.meter.note(Happened::Stray);
        return Err(Fault::new(FaultId::NotFound, "nobody waits for this reply any more"));
    };
    let own = step.event(by).and_then(Event::reply_to);
    work.settled += usize::from(own == Some(reply_to));
    let content = match value {
        Ok(content) => step.payload(content),
        Err(why) => {
            step.hub.answer_fault(&expected, &why);
            return Ok(Fate::Done);
        }
    };
    let answered = content.and_then(|content| {
        let span = step.send_span(by, &expected.event).map(Arc::new);
        step.hub.answer(&expected, &content, span, &mut step.deliveries)
    });
    // The caller waits for nothing else.
    answered.inspect_err(|why| step.hub.answer_fault(&expected, why)).map(|()| Fate::Done)
}
