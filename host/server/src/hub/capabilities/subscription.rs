//! Putting connections into channels, and taking them out: the grant is `publish`.

use super::{Carried, Fate};
use crate::hub::step::Step;
use tengen_wire::id::{Channel, Handle};

pub(super) fn begin(step: &mut Step<'_>, connection: Handle, channel: &Channel) -> Carried {
    step.granted(channel)?;
    let link = step.own(connection)?;
    step.hub.subscribe(&link, channel).map(|()| Fate::Done)
}

pub(super) fn end(step: &mut Step<'_>, connection: Handle, channel: &Channel) -> Carried {
    let link = step.own(connection)?;
    // One that is not there is no fault.
    let _was_there = step.hub.unsubscribe(&link, channel);
    Ok(Fate::Done)
}
