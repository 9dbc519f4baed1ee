//! Publishing on channels: the grant is `publish`.

use super::{Carried, CarryOut, Fate, Said, Stage};
use crate::hub::{
    fanout::Publishing,
    send::{Kind, Letter},
    step::Step,
};
use tengen_core::{broker::Published, capability::publish::Publish, effect, handler::Work};
use tengen_wire::{
    fault::{Fault, FaultId},
    id::Channel,
};

impl CarryOut for Publish {
    fn carry_out(self, step: &mut Step<'_>, by: u32, _: &mut Work) -> Carried {
        let Self { channel, id, content, except, keep } = self;
        begin(step, by, channel, Said { id, content, except }, keep)
    }
}

fn begin(step: &mut Step<'_>, by: u32, channel: Channel, said: Said, keep: bool) -> Carried {
    let Said { id, content, except } = said;
    step.granted(&channel)?;
    let content = step.payload(content)?;
    let mut span = step.send_span(by, &id);
    if let Some(span) = &mut span {
        span.set("messaging.destination.name", channel.to_string());
    }
    let at = Published { offset: 0, prev: 0 };
    let kind = Kind::Publication { channel: channel.clone(), id, at, from: None };
    fan_out(step, &channel, Letter { kind, content, except, span }, keep)
}

/// Sends to all subscribers of a channel, which may be none. `keep`: its history is to have it.
pub(super) fn fan_out(
    step: &mut Step<'_>,
    channel: &Channel,
    letter: Letter,
    keep: bool,
) -> Carried {
    Ok(match Publishing::begin(channel, letter, &mut step.deliveries).left? {
        None => delivered(keep),
        Some(publishing) => Fate::UnderWay(Box::new(OnItsWay { publishing, keep })),
    })
}

#[derive(Debug)]
struct OnItsWay {
    publishing: Publishing,
    keep: bool,
}

impl Stage for OnItsWay {
    fn go_on(self: Box<Self>, step: &mut Step<'_>) -> Carried {
        match self.publishing.go_on(step) {
            None => Ok(Fate::UnderWay(self)),
            Some(end) => end.map(|()| delivered(self.keep)),
        }
    }
}

fn delivered(keep: bool) -> Fate {
    if !keep {
        return Fate::Done;
    }
    let message = "published, but not kept: this version of the gateway keeps no history";
    Fate::AllBut(effect::Kind::Keep, Fault::new(FaultId::Unsupported, message))
}
