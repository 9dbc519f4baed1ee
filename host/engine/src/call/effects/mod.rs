//! From what a guest returned to the gateway's effects: checked, counted, bounded; nothing in it is trusted.

mod capabilities;
mod words;

pub(super) use capabilities::say;
pub(super) use words::fault;

use super::numbering::Numbering;
use crate::guest::bindings::handling::types as wit;
use capabilities::{Wish, take};
use std::vec;
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
use words::{not_to_be_closed_with, said};

/// The code of a connection that a plugin closes with a code that is not its own.
const INTERNAL: u16 = 1011;

/// What a guest decided, as far as it may be carried out.
#[derive(Debug, Default)]
pub(crate) struct Decided {
    pub(crate) outcome: Outcome,
    /// Effects that were not taken over.
    pub(crate) refused: Vec<Refused>,
}

/// Effects and failures that are checked in one go.
const AT_ONCE: usize = 4096;

/// Whether an outcome is so large that others have their turn while it is checked.
pub(crate) fn is_large(wanted: &wit::Outcome) -> bool {
    wanted.effects.len() + wanted.failures.len() > AT_ONCE
}

/// Checks a call's outcome. `numbering` says which event of the batch each of the guest's is.
pub(crate) fn decide(
    wanted: wit::Outcome,
    events: &[Event],
    numbering: &Numbering,
    limits: &settings::Plugin,
) -> Decided {
    let mut reader = Reader::new(events, numbering, limits);
    for failure in wanted.failures {
        reader.failure(failure);
    }
    reader.decided.outcome.effects.reserve(wanted.effects.len());
    for caused in wanted.effects {
        take(&mut reader, caused);
    }
    reader.decided
}

/// As [`decide`], for an outcome that [`is_large`]: between two steps others have their turn.
pub(crate) struct Steps<'a> {
    reader: Reader<'a>,
    failures: vec::IntoIter<wit::Failure>,
    effects: vec::IntoIter<wit::Caused>,
}

impl<'a> Steps<'a> {
    pub(crate) fn new(
        wanted: wit::Outcome,
        events: &'a [Event],
        numbering: &'a Numbering,
        limits: &'a settings::Plugin,
    ) -> Self {
        Self {
            reader: Reader::new(events, numbering, limits),
            failures: wanted.failures.into_iter(),
            effects: wanted.effects.into_iter(),
        }
    }

    /// Checks some more of it; what is decided, once nothing is left.
    pub(crate) fn step(&mut self) -> Option<Decided> {
        let Self { reader, failures, effects } = self;
        let before = failures.len();
        failures.by_ref().take(AT_ONCE).for_each(|failure| reader.failure(failure));
        let left = AT_ONCE.saturating_sub(before);
        effects.by_ref().take(left).for_each(|caused| take(reader, caused));
        let is_over = failures.len() + effects.len() == 0;
        is_over.then(|| std::mem::take(&mut reader.decided))
    }
}

/// What one event's effects have taken so far.
#[derive(Debug, Clone, Copy, Default)]
struct Spent {
    effects: usize,
    bytes: usize,
    over: bool,
}

struct Reader<'a> {
    events: &'a [Event],
    numbering: &'a Numbering,
    limits: &'a settings::Plugin,
    /// By the number that the guest knows an event by; as long as the highest one that caused something.
    spent: Vec<Spent>,
    /// By the place in the batch; empty as long as none failed.
    failed: Vec<bool>,
    decided: Decided,
}

/// An effect that is not taken over: its key, and why.
type Refusal = (Option<String>, Fault);

impl<'a> Reader<'a> {
    fn new(events: &'a [Event], numbering: &'a Numbering, limits: &'a settings::Plugin) -> Self {
        let (spent, failed) = (Vec::new(), Vec::new());
        Self { events, numbering, limits, spent, failed, decided: Decided::default() }
    }

    fn place(&self, by: u32) -> Option<u32> {
        self.numbering.of(by, self.events.len())
    }

    fn failure(&mut self, failure: wit::Failure) {
        let Some(by) = self.place(failure.by) else {
            return self.refuse(None, Kind::Failure, (None, no_such_event(failure.by)));
        };
        let mut close = failure.close;
        if let Some(code) = failure.close
            && !plugin_may_close_with(code)
        {
            // The connection is to end, whatever the number: refusing that would let it stay.
            close = Some(INTERNAL);
            let message =
                format!("{}: closed with {INTERNAL} instead", not_to_be_closed_with(code));
            let why = Fault::new(FaultId::NotAllowed, message);
            self.refuse(Some(by), Kind::Failure, (None, why));
        }
        if !self.fail(Failure { by, why: said(failure.why), close }) {
            let why = Fault::new(FaultId::Malformed, "the event is said to have failed twice");
            self.refuse(Some(by), Kind::Failure, (None, why));
        }
    }

    /// An event fails once; false when it has already.
    fn fail(&mut self, failure: Failure) -> bool {
        if self.failed.is_empty() {
            self.failed.resize(self.events.len(), false);
        }
        let failed = usize::try_from(failure.by).ok().and_then(|by| self.failed.get_mut(by));
        let Some(failed) = failed.filter(|failed| !**failed) else { return false };
        *failed = true;
        self.decided.outcome.failures.push(failure);
        true
    }

    fn refuse(&mut self, by: Option<u32>, kind: Kind, (key, why): Refusal) {
        self.decided.refused.push(Refused { by, kind, key, why });
    }

    fn wish<W: Wish>(&mut self, asked: u32, wish: W) {
        let kind = W::KIND;
        let Some(by) = self.place(asked) else {
            return self.refuse(None, kind, (wish.key(), no_such_event(asked)));
        };
        if !self.within(asked, wish.size()) {
            return self.over(by, asked);
        }
        match wish.read(self, by) {
            Ok(what) => self.decided.outcome.effects.push(Caused { by, what }),
            Err(refusal) => self.refuse(Some(by), kind, refusal),
        }
    }

    /// Whether one more effect of this size is within what one event may cause.
    fn within(&mut self, by: u32, size: usize) -> bool {
        let Ok(by) = usize::try_from(by) else { return false };
        if by >= self.spent.len() {
            // Events that caused nothing so far have spent nothing. `by` is one of the batch's.
            self.spent.resize(by + 1, Spent::default());
        }
        let Some(spent) = self.spent.get_mut(by) else { return false };
        spent.effects += 1;
        spent.bytes = spent.bytes.saturating_add(size);
        spent.effects <= self.limits.effects_per_event && spent.bytes <= self.limits.effect_bytes
    }

    /// The event caused too much: it fails, once, and what else it caused is passed over.
    fn over(&mut self, by: u32, asked: u32) {
        let Some(spent) = usize::try_from(asked).ok().and_then(|asked| self.spent.get_mut(asked))
        else {
            return;
        };
        if std::mem::replace(&mut spent.over, true) {
            return;
        }
        let message = format!(
            "the event caused more than {} effects or {} bytes of them",
            self.limits.effects_per_event, self.limits.effect_bytes
        );
        self.fail(Failure { by, why: Fault::new(FaultId::LimitReached, message), close: None });
    }

    fn content(&self, content: wit::Content) -> Result<Content, Fault> {
        match content {
            wit::Content::Payload(payload) => {
                Ok(Content::Payload(Payload::new(payload.encoding.into(), payload.body)))
            }
            wit::Content::OfEvent(asked) => {
                let place = self.place(asked).ok_or_else(|| no_such_event(asked))?;
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

fn no_such_event(by: u32) -> Fault {
    Fault::new(FaultId::Malformed, format!("the batch has no event {by}"))
}

#[cfg(test)]
mod tests;
