//! From what a guest returned to the gateway's effects: checked, counted, bounded; nothing in it is trusted.

mod capabilities;
mod words;

pub(super) use capabilities::{ask, fetch, say};
pub(super) use words::fault;

use super::numbering::Numbering;
use crate::guest::bindings::handling::types as wit;
use capabilities::{Wish, take};
use std::{iter::Enumerate, vec};
use tengen_core::{
    effect::{Caused, Content, Failure, Kind, Outcome, Refused},
    event::{Event, Occurrence},
};
use tengen_settings as settings;
use tengen_wire::{
    close::plugin_may_close_with,
    fault::{Fault, FaultId},
    payload::Payload,
};
use words::{named, not_to_be_closed_with, said, unknown};

/// The code of a connection that a plugin closes with a code that is not its own.
const INTERNAL: u16 = 1011;

/// What a guest decided, as far as it may be carried out.
#[derive(Debug, Default)]
pub(crate) struct Decided {
    pub(crate) outcome: Outcome,
    /// Effects that were not taken over.
    pub(crate) refused: Vec<Refused>,
}

/// Effects and decisions that are checked in one go.
const AT_ONCE: usize = 4096;

/// Whether decisions are so many that others have their turn while they are checked.
pub(crate) fn is_large(wanted: &[wit::Decision]) -> bool {
    let effects = |decision: &wit::Decision| match decision {
        wit::Decision::Done(done) => done.effects.len(),
        wit::Decision::Failed(_) => 0,
    };
    wanted.iter().map(effects).sum::<usize>() + wanted.len() > AT_ONCE
}

/// Checks a call's decisions, one for each record. `numbering` says which event of the batch each of the guest's is.
pub(crate) fn decide(
    wanted: Vec<wit::Decision>,
    events: &[Event],
    numbering: &Numbering,
    limits: &settings::Plugin,
) -> Decided {
    let mut steps = Steps::new(wanted, events, numbering, limits);
    loop {
        if let Some(decided) = steps.step() {
            return decided;
        }
    }
}

/// As [`decide`], for decisions that are [large](is_large): between two steps others have their turn.
pub(crate) struct Steps<'a> {
    reader: Reader<'a>,
    decisions: Enumerate<vec::IntoIter<wit::Decision>>,
    /// The event in hand, and what is left of its effects.
    current: Option<(Cause, vec::IntoIter<wit::Effect>)>,
}

impl<'a> Steps<'a> {
    pub(crate) fn new(
        wanted: Vec<wit::Decision>,
        events: &'a [Event],
        numbering: &'a Numbering,
        limits: &'a settings::Plugin,
    ) -> Self {
        let reader = Reader { events, numbering, limits, decided: Decided::default() };
        Self { reader, decisions: wanted.into_iter().enumerate(), current: None }
    }

    /// Checks some more of it; what is decided, once nothing is left.
    pub(crate) fn step(&mut self) -> Option<Decided> {
        for _ in 0..AT_ONCE {
            if let Some((cause, effects)) = &mut self.current {
                match effects.next() {
                    Some(effect) if !cause.over => self.reader.effect(cause, effect),
                    _ => self.current = None,
                }
                continue;
            }
            let Some((record, decision)) = self.decisions.next() else {
                return Some(std::mem::take(&mut self.reader.decided));
            };
            self.current = self.reader.decision(record, decision);
        }
        None
    }
}

/// An event, and what it has caused so far.
#[derive(Debug, Clone, Copy)]
struct Cause {
    /// Its place in the batch.
    by: u32,
    effects: usize,
    bytes: usize,
    /// It has caused too much, and failed.
    over: bool,
}

struct Reader<'a> {
    events: &'a [Event],
    numbering: &'a Numbering,
    limits: &'a settings::Plugin,
    decided: Decided,
}

impl Reader<'_> {
    /// What of a decision is not its effects; those are left.
    fn decision(
        &mut self,
        record: usize,
        decision: wit::Decision,
    ) -> Option<(Cause, vec::IntoIter<wit::Effect>)> {
        let record = u32::try_from(record).ok()?;
        let by = self.numbering.of(record, self.events.len())?;
        match decision {
            wit::Decision::Failed(failed) => {
                self.failure(by, failed);
                None
            }
            wit::Decision::Done(wit::Done { answer, effects, more }) => {
                self.known(by, Kind::Decision, &more);
                let mut cause = Cause { by, effects: 0, bytes: 0, over: false };
                self.answer(&mut cause, answer);
                Some((cause, effects.into_iter()))
            }
        }
    }

    fn failure(&mut self, by: u32, failed: wit::Failed) {
        let wit::Failed { why, mut close, more } = failed;
        self.known(by, Kind::Failure, &more);
        if let Some(code) = close
            && !plugin_may_close_with(code)
        {
            // The connection is to end, whatever the number: refusing that would let it stay.
            close = Some(INTERNAL);
            let message =
                format!("{}: closed with {INTERNAL} instead", not_to_be_closed_with(code));
            let why = Fault::new(FaultId::NotAllowed, message);
            self.refuse(by, Kind::Failure, None, why);
        }
        self.decided.outcome.failures.push(Failure { by, why: said(why), close });
    }

    /// What a plugin says beyond what this version knows is not silently left undone.
    fn known(&mut self, by: u32, kind: Kind, more: &[wit::AttributeResult]) {
        if let Some(why) = unknown(more) {
            self.refuse(by, kind, None, why);
        }
    }

    /// The reply of the event's own message. Where nobody waits for one, there is nothing to do.
    fn answer(&mut self, cause: &mut Cause, answer: wit::Answer) {
        let place = usize::try_from(cause.by).ok();
        let event = place.and_then(|place| self.events.get(place));
        let Some(reply_to) = event.and_then(Event::reply_to) else { return };
        let value = match answer {
            wit::Answer::Nothing => return,
            wit::Answer::Later => return self.decided.outcome.later.push(cause.by),
            wit::Answer::Given(content) => Ok(content),
            wit::Answer::Fault(why) => Err(why),
        };
        self.wish(cause, (None, Vec::new()), wit::Reply { reply_to, value });
    }

    fn effect(&mut self, cause: &mut Cause, effect: wit::Effect) {
        let wit::Effect { what, key, more } = effect;
        take(self, cause, (key, more), what);
    }

    fn refuse(&mut self, by: u32, kind: Kind, key: Option<String>, why: Fault) {
        self.decided.refused.push(Refused { by: Some(by), kind, key, why });
    }

    fn wish<W: Wish>(&mut self, cause: &mut Cause, (key, more): Manner, wish: W) {
        let kind = W::KIND;
        let size = wish.size() + key.as_ref().map_or(0, String::len);
        if !self.within(cause, size) {
            return self.over(cause);
        }
        let by = cause.by;
        let key = match key.map(named).transpose() {
            Ok(key) => key,
            Err(why) => return self.refuse(by, kind, None, why),
        };
        let read = unknown(&more).map_or_else(|| wish.read(self, by), Err);
        match read {
            Ok(what) => self.decided.outcome.effects.push(Caused { by, what, key }),
            Err(why) => self.refuse(by, kind, key, why),
        }
    }

    /// Whether one more effect of this size is within what one event may cause.
    fn within(&self, cause: &mut Cause, size: usize) -> bool {
        cause.effects += 1;
        cause.bytes = cause.bytes.saturating_add(size);
        cause.effects <= self.limits.effects_per_event && cause.bytes <= self.limits.effect_bytes
    }

    /// The event caused too much: it fails, and what else it caused is passed over.
    fn over(&mut self, cause: &mut Cause) {
        cause.over = true;
        let message = format!(
            "the event caused more than {} effects or {} bytes of them",
            self.limits.effects_per_event, self.limits.effect_bytes
        );
        let (by, why) = (cause.by, Fault::new(FaultId::LimitReached, message));
        self.decided.outcome.failures.push(Failure { by, why, close: None });
    }

    fn content(&self, content: wit::Content) -> Result<Content, Fault> {
        match content {
            wit::Content::Payload(payload) => Ok(Content::Payload(written(payload))),
            wit::Content::OfEvent(asked) => {
                let place = self.numbering.of(asked, self.events.len());
                let place = place.ok_or_else(|| no_such_event(asked))?;
                match usize::try_from(place)
                    .ok()
                    .and_then(|place| self.events.get(place))
                    .map(|event| &event.what)
                {
                    Some(Occurrence::Message(_)) => Ok(Content::OfEvent(place)),
                    _ => Err(Fault::new(
                        FaultId::Malformed,
                        "`of-event` names an event that has no payload",
                    )),
                }
            }
        }
    }
}

/// How an effect is to be done, beside what it is: its key, and further wishes.
type Manner = (Option<String>, Vec<wit::AttributeResult>);

/// What a guest has written, in whichever form.
fn written(payload: wit::PayloadResult) -> Payload {
    let encoding = payload.encoding.into();
    match payload.body {
        wit::BodyResult::Text(text) => Payload::new(encoding, text),
        wit::BodyResult::Bytes(bytes) => Payload::new(encoding, bytes),
    }
}

fn no_such_event(by: u32) -> Fault {
    Fault::new(FaultId::Malformed, format!("the batch has no event {by}"))
}

#[cfg(test)]
mod tests;
