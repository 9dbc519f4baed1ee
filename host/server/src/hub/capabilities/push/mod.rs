//! Sending events to connections: by their handles, by their users, their tags, an endpoint or a channel, each as granted.

mod reach;

use super::{Carried, CarryOut, Fate, Said, Stage, publish};
use crate::hub::{
    fanout::Pushing,
    send::{Kind, Letter},
    step::Step,
};
use reach::Gathering;
use tengen_core::{
    capability::push::{Push, Target},
    handler::Work,
};

impl CarryOut for Push {
    fn carry_out(self, step: &mut Step<'_>, by: u32, _: &mut Work) -> Carried {
        let Self { to, except, id, content } = self;
        begin(step, by, to, Said { id, content, except })
    }
}

fn begin(step: &mut Step<'_>, by: u32, to: Target, said: Said) -> Carried {
    let Said { id, content, except } = said;
    let content = step.payload(content)?;
    if let Target::Channel(channel) = &to {
        step.granted(channel)?;
        let span = step.send_span(by, &id);
        let letter = Letter { kind: Kind::Push { id }, content, except, span };
        return publish::fan_out(step, channel, letter, false);
    }
    let gathering = Gathering::begin(step, to)?;
    let span = step.send_span(by, &id);
    let letter = Letter { kind: Kind::Push { id }, content, except, span };
    find(gathering, letter, step)
}

/// Whom it is for is looked up.
#[derive(Debug)]
struct Finding {
    gathering: Gathering,
    letter: Letter,
}

impl Stage for Finding {
    fn go_on(self: Box<Self>, step: &mut Step<'_>) -> Carried {
        let Self { gathering, letter } = *self;
        find(gathering, letter, step)
    }
}

/// Finds whom it is for, then delivers.
fn find(gathering: Gathering, letter: Letter, step: &mut Step<'_>) -> Carried {
    let links = match gathering.go_on(step) {
        Err(gathering) => return Ok(Fate::UnderWay(Box::new(Finding { gathering, letter }))),
        Ok(links) => links?,
    };
    deliver(Pushing { broadcast: letter.to(links.len()), left: links.into_iter() }, step)
}

impl Stage for Pushing {
    fn go_on(self: Box<Self>, step: &mut Step<'_>) -> Carried {
        deliver(*self, step)
    }
}

fn deliver(mut pushing: Pushing, step: &mut Step<'_>) -> Carried {
    match pushing.deliver(step) {
        true => pushing.broadcast.end().map(|()| Fate::Done),
        false => Ok(Fate::UnderWay(Box::new(pushing))),
    }
}
