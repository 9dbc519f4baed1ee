//! What plugins can have done: a file or folder for each capability, and its lines in the list here.
//!
//! A capability carries its effects out, on the connections of the plugin's own endpoints (`Step::own`) and as far as its grant
//! goes, and says what has become of them. What it keeps beyond that (timers) and tells plugins later goes through the inbox.

pub(super) mod ask;
mod close;
mod data;
pub(super) mod fetch;
mod key_value;
mod publish;
mod push;
mod reply;
mod subscription;
pub(super) mod timers;
mod unsupported;

use super::step::Step;
use std::fmt;
use tengen_core::{
    effect::{Content, Effect, Kind},
    handler::Work,
};
use tengen_wire::{
    fault::Fault,
    id::{EventId, Handle},
};

/// How far an effect has got, that is not refused.
#[derive(Debug)]
pub(super) enum Fate {
    Done,
    /// It is done, but for a part of this kind.
    AllBut(Kind, Fault),
    /// It takes more than one step.
    UnderWay(Box<dyn Stage>),
}

/// What has become of an effect; Err: it is refused.
pub(super) type Carried = Result<Fate, Fault>;

/// What is left of an effect.
pub(super) trait Stage: fmt::Debug + Send {
    /// Goes on with it, until it is done or the step is over.
    fn go_on(self: Box<Self>, step: &mut Step<'_>) -> Carried;
}

/// What is sent, whoever gets it.
#[derive(Debug)]
struct Said {
    id: EventId,
    content: Content,
    /// Who is left out.
    except: Option<Handle>,
}

/// An effect that this gateway carries out, or refuses with its reason.
trait CarryOut {
    /// Does it, or begins to, for the event at this place of the batch.
    fn carry_out(self, step: &mut Step<'_>, by: u32, work: &mut Work) -> Carried;
}

/// Carries an effect out that the event at this place of the batch caused, or begins to.
pub(super) fn carry_out(step: &mut Step<'_>, by: u32, what: Effect, work: &mut Work) -> Carried {
    match what {
        Effect::Reply(it) => it.carry_out(step, by, work),
        Effect::Push(it) => it.carry_out(step, by, work),
        Effect::Publish(it) => it.carry_out(step, by, work),
        Effect::Subscribe(it) => it.carry_out(step, by, work),
        Effect::Unsubscribe(it) => it.carry_out(step, by, work),
        Effect::Close(it) => it.carry_out(step, by, work),
        Effect::SetTimer(it) => it.carry_out(step, by, work),
        Effect::CancelTimer(it) => it.carry_out(step, by, work),
        Effect::Put(it) => it.carry_out(step, by, work),
        Effect::Fetch(it) => it.carry_out(step, by, work),
        Effect::Ask(it) => it.carry_out(step, by, work),
        Effect::SetData(it) => it.carry_out(step, by, work),
        Effect::Other(it) => it.carry_out(step, by, work),
    }
}
