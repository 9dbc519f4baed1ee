//! What plugins can have done: a file or folder for each capability, and its lines in the list here.
//!
//! A capability carries its effects out, on the connections of the plugin's own endpoints (`Step::own`) and as far as its grant
//! goes, and says what has become of them. What it keeps beyond that (timers) and tells plugins later goes through the inbox.

mod close;
mod publish;
mod push;
mod reply;
mod subscription;
pub(super) mod timers;

use super::step::Step;
use std::fmt;
use tengen_core::{
    effect::{Content, Effect, Kind},
    handler::Work,
};
use tengen_wire::{
    fault::{Fault, FaultId},
    id::{Channel, EventId, Handle},
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

/// The key by which a plugin hears of an effect; only made into text when it is refused.
#[derive(Debug)]
pub(super) enum Key {
    Text(Option<String>),
    /// Subscriptions have the name of their channel.
    Channel(Channel),
}

impl Key {
    pub(super) fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => text,
            Self::Channel(channel) => Some(channel.to_string()),
        }
    }
}

/// What is sent, whoever gets it.
#[derive(Debug)]
struct Said {
    id: EventId,
    content: Content,
    /// Who is left out.
    except: Option<Handle>,
}

/// Carries an effect out that the event at this place of the batch caused, or begins to.
pub(super) fn carry_out(
    step: &mut Step<'_>,
    by: u32,
    what: Effect,
    work: &mut Work,
) -> (Key, Carried) {
    let none = Key::Text(None);
    match what {
        Effect::Reply { reply_to, value } => (none, reply::give(step, by, reply_to, value, work)),
        Effect::Push { to, except, id, content, key } => {
            (Key::Text(key), push::begin(step, by, to, Said { id, content, except }))
        }
        Effect::Publish { channel, id, content, except, keep, key } => {
            let said = Said { id, content, except };
            (Key::Text(key), publish::begin(step, by, channel, said, keep))
        }
        Effect::Subscribe { connection, channel } => {
            let done = subscription::begin(step, connection, &channel);
            (Key::Channel(channel), done)
        }
        Effect::Unsubscribe { connection, channel } => {
            let done = subscription::end(step, connection, &channel);
            (Key::Channel(channel), done)
        }
        Effect::Close { connection, code, reason } => {
            (none, close::close(step, connection, code, reason))
        }
        Effect::SetTimer { connection, key, after } => {
            let done = timers::set(step, connection, &key, after);
            (Key::Text(Some(key)), done)
        }
        Effect::CancelTimer { connection, key } => {
            let done = timers::cancel(step, connection, &key);
            (Key::Text(Some(key)), done)
        }
        Effect::Unsupported { name, key, .. } => (Key::Text(key), Err(not_offered(&name))),
    }
}

fn not_offered(what: &str) -> Fault {
    Fault::new(FaultId::Unsupported, format!("this version of the gateway does not offer {what}"))
}
