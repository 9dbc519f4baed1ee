//! Putting connections into channels, and taking them out: the grant is `publish`.

use super::{Carried, CarryOut, Fate};
use crate::hub::step::Step;
use tengen_core::{
    capability::subscription::{Subscribe, Unsubscribe},
    handler::Work,
};
use tengen_wire::id::{Channel, Handle};

impl CarryOut for Subscribe {
    fn carry_out(self, step: &mut Step<'_>, _: u32, _: &mut Work) -> Carried {
        begin(step, self.connection, &self.channel)
    }
}

impl CarryOut for Unsubscribe {
    fn carry_out(self, step: &mut Step<'_>, _: u32, _: &mut Work) -> Carried {
        end(step, self.connection, &self.channel)
    }
}

fn begin(step: &Step<'_>, connection: Handle, channel: &Channel) -> Carried {
    step.granted(channel)?;
    let link = step.own(connection)?;
    step.hub.subscribe(&link, channel).map(|()| Fate::Done)
}

fn end(step: &Step<'_>, connection: Handle, channel: &Channel) -> Carried {
    let link = step.own(connection)?;
    step.hub.put_out(&link, channel);
    Ok(Fate::Done)
}
