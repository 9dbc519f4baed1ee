//! Effects: what handlers decided, carried out, in steps where it is much.

use super::{
    Hub,
    capabilities::{Carried, Fate, Stage, carry_out},
    replies::Said,
    send::Asleep,
    step::Step,
};
use std::{cell::OnceCell, sync::Arc};
use tengen_core::{
    effect::{Caused, Failure, Kind, Refused},
    event::{Connection, Event, Occurrence},
    handler::{Actor, Newcomer, Progress, Work},
};
use tengen_wire::{close::Reason, fault::Fault, id::PluginName};

/// A step, and the effect that is under way in it.
struct Carrying<'a> {
    step: Step<'a>,
    begun: Option<Box<Begun>>,
}

/// What one step of an outcome leaves to the next.
#[derive(Debug, Default)]
struct Paused {
    begun: Option<Box<Begun>>,
    asleep: Asleep,
}

/// An effect that takes more than one step.
#[derive(Debug)]
struct Begun {
    cause: Cause,
    what: Box<dyn Stage>,
}

/// What it takes to say that an effect was refused.
#[derive(Debug)]
struct Cause {
    by: u32,
    kind: Kind,
    key: Option<String>,
}

impl Actor for Hub {
    fn act(&self, plugin: &PluginName, events: &[Event], work: &mut Work) -> Progress {
        let all = OnceCell::new();
        let paused = work.paused.take().and_then(|paused| paused.downcast::<Paused>().ok());
        let Paused { begun, asleep } = paused.map_or_else(Paused::default, |paused| *paused);
        let step = Step::begin(self, plugin, events, &all, asleep);
        Carrying { step, begun }.carry_on(work)
    }

    fn connections_of(&self, plugin: &PluginName) -> Vec<Arc<Connection>> {
        self.owned_by(plugin)
    }

    fn begins_anew(&self, plugin: &PluginName, who: Newcomer<'_>) {
        self.tell_all(plugin, who);
    }
}

impl Carrying<'_> {
    fn carry_on(mut self, work: &mut Work) -> Progress {
        loop {
            if let Some(begun) = self.begun.take() {
                self.go_on(*begun, work);
            } else if let Some(caused) = work.effects.next() {
                if !work.has_failed(caused.by) {
                    self.effect(caused, work);
                }
                self.step.spend(1);
            } else if let Some(failure) = work.failures.next() {
                self.step.failure(&failure, work);
                self.step.spend(1);
            } else {
                self.step.leave_unanswered(work);
                self.step.hub.count_refused(work);
                return Progress::Done;
            }
            self.step.account();
            if self.step.is_over() && !(self.begun.is_none() && work.is_done()) {
                let (begun, asleep) = (self.begun, self.step.deliveries.pause());
                work.paused = Some(Box::new(Paused { begun, asleep }));
                return Progress::More;
            }
        }
    }

    fn effect(&mut self, Caused { by, what, key }: Caused, work: &mut Work) {
        let kind = what.kind();
        self.step.deliveries.next_message();
        let carried = carry_out(&mut self.step, by, what, work);
        self.note(Cause { by, kind, key }, carried, work);
    }

    fn go_on(&mut self, begun: Begun, work: &mut Work) {
        let Begun { cause, what } = begun;
        let carried = what.go_on(&mut self.step);
        self.note(cause, carried, work);
    }

    fn note(&mut self, cause: Cause, carried: Carried, work: &mut Work) {
        let (kind, why) = match carried {
            Ok(Fate::Done) => return,
            Ok(Fate::UnderWay(what)) => {
                self.begun = Some(Box::new(Begun { cause, what }));
                return;
            }
            Ok(Fate::AllBut(kind, why)) => (kind, why),
            Err(why) => (cause.kind, why),
        };
        work.refuse(Refused { by: Some(cause.by), kind, key: cause.key, why });
    }
}

impl Step<'_> {
    fn failure(&mut self, failure: &Failure, work: &mut Work) {
        let Some(event) = self.event(failure.by) else { return };
        work.settled += usize::from(event.reply_to().is_some());
        self.tell_sender(event, &failure.why);
        if let Some(code) = failure.close
            && let Some(link) = self.link_of(event)
        {
            link.close(Reason::Plugin { code, reason: failure.why.id.word().to_owned() });
        }
    }

    /// A failed message is answered; without a callback its error is pushed. Other occurrences have no sender.
    fn tell_sender(&self, event: &Event, why: &Fault) {
        let Occurrence::Message(message) = &event.what else { return };
        match message.reply_to {
            Some(number) => self.hub.decided(number, self.plugin, Said::Failed(why)),
            None => {
                if let Some(link) = self.link_of(event) {
                    self.hub.send_fault(&link, why, Some(&message.id), None);
                }
            }
        }
    }

    /// The batch is decided: senders that got no reply are told so, unless one is to come later.
    fn leave_unanswered(&self, work: &Work) {
        let asked = self.events.iter().filter(|event| event.reply_to().is_some()).count();
        if asked <= work.settled {
            return;
        }
        for (by, event) in (0..).zip(self.events) {
            if let Some(number) = event.reply_to()
                && !work.has_failed(by)
            {
                let said = if work.is_later(by) { Said::Later } else { Said::Nothing };
                self.hub.decided(number, self.plugin, said);
            }
        }
    }
}
