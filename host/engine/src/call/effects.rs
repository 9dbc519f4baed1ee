//! From what a guest returned to the gateway's effects: checked, counted, bounded; nothing in it is trusted.

use super::numbering::Numbering;
use crate::{
    guest::bindings::handling::types::{self as wit, Effect as Wanted},
    text::plain,
};
use std::{time::Duration, vec};
use tengen_core::{
    effect::{Caused, Content, Effect, Failure, Kind, Outcome, Refused, Target},
    event::{Event, Occurrence},
};
use tengen_settings as settings;
use tengen_wire::{
    close::{REASON_MAX, plugin_may_close_with},
    fault::{Fault, FaultId},
    id::{Channel, EventId, Handle, NAME_MAX, NAME_RULE, UserId, is_name},
    payload::Payload,
};

/// The longest message of a fault that a plugin sends, in bytes.
const MESSAGE_MAX: usize = 1024;
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
        reader.effect(caused);
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
        effects.by_ref().take(left).for_each(|caused| reader.effect(caused));
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

    fn effect(&mut self, caused: wit::Caused) {
        let kind = kind_of(&caused.what);
        let Some(by) = self.place(caused.by) else {
            return self.refuse(None, kind, (key_of(caused.what), no_such_event(caused.by)));
        };
        if !self.within(caused.by, size(&caused.what)) {
            return self.over(by, caused.by);
        }
        match self.read(by, caused.what) {
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

    fn read(&mut self, by: u32, wanted: Wanted) -> Result<Effect, Refusal> {
        Ok(match wanted {
            Wanted::Reply(reply) => self.reply(by, reply),
            Wanted::Push(push) => return self.push(push),
            Wanted::Publish(publish) => return self.publish(publish),
            Wanted::Subscribe(membership) => Effect::Subscribe {
                connection: Handle(membership.connection),
                channel: channel(membership.channel)?,
            },
            Wanted::Unsubscribe(membership) => Effect::Unsubscribe {
                connection: Handle(membership.connection),
                channel: channel(membership.channel)?,
            },
            Wanted::Close(close) => return self::close(close),
            Wanted::SetTimer(timer) => Effect::SetTimer {
                connection: timer.connection.map(Handle),
                key: timer_key(timer.key)?,
                after: Duration::from_millis(timer.after_ms.into()),
            },
            Wanted::CancelTimer(timer) => Effect::CancelTimer {
                connection: timer.connection.map(Handle),
                key: timer_key(timer.key)?,
            },
            Wanted::Ask(ask) => unsupported(Kind::Ask, Some(ask.key)),
            Wanted::Put(put) => unsupported(Kind::Put, Some(put.key)),
            Wanted::Fetch(request) => unsupported(Kind::Fetch, Some(request.key)),
            Wanted::Other((name, _)) => {
                let (kind, name) = (Kind::Other, plain(&name, NAME_MAX));
                Effect::Unsupported { kind, name, key: None }
            }
        })
    }

    /// The caller is told in any case: of a reply that cannot be sent, that the plugin failed.
    fn reply(&mut self, by: u32, reply: wit::Reply) -> Effect {
        let value = match reply.value {
            Ok(content) => self.content(content).map_err(|why| {
                self.refuse(Some(by), Kind::Reply, (None, why));
                Fault::new(FaultId::PluginFailed, "the plugin answered with what it does not have")
            }),
            Err(why) => Err(said(why)),
        };
        Effect::Reply { reply_to: reply.reply_to, value }
    }

    fn push(&self, push: wit::Push) -> Result<Effect, Refusal> {
        let parts = (|| Ok((target(push.to)?, event_id(&push.id)?, self.content(push.content)?)))();
        match parts {
            Ok((to, id, content)) => {
                Ok(Effect::Push { to, except: push.except.map(Handle), id, content, key: push.key })
            }
            Err(why) => Err((push.key, why)),
        }
    }

    fn publish(&self, publish: wit::Publish) -> Result<Effect, Refusal> {
        let wit::Publish { except, keep, key, .. } = publish;
        let parts = (|| {
            Ok((named(publish.channel)?, event_id(&publish.id)?, self.content(publish.content)?))
        })();
        match parts {
            Ok((channel, id, content)) => Ok(Effect::Publish {
                channel: Channel::new(channel),
                id,
                content,
                except: except.map(Handle),
                keep,
                key,
            }),
            Err(why) => Err((key, why)),
        }
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

fn unsupported(kind: Kind, key: Option<String>) -> Effect {
    Effect::Unsupported { kind, name: kind.word().to_owned(), key }
}

fn target(target: wit::Target) -> Result<Target, Fault> {
    Ok(match target {
        wit::Target::Connection(handle) => Target::Connection(Handle(handle)),
        wit::Target::Connections(handles) => {
            Target::Connections(handles.into_iter().map(Handle).collect())
        }
        wit::Target::User(user) => Target::User(UserId::new(named(user)?)),
        wit::Target::Users(users) => Target::Users(
            users.into_iter().map(|user| named(user).map(UserId::new)).collect::<Result<_, _>>()?,
        ),
        wit::Target::Channel(channel) => Target::Channel(Channel::new(named(channel)?)),
        wit::Target::Endpoint => Target::Endpoint,
    })
}

fn event_id(text: &str) -> Result<EventId, Fault> {
    let id = EventId::parse(text).ok_or_else(|| {
        Fault::new(
            FaultId::Malformed,
            format!("`{}` is no event id (`ns/name`)", plain(text, NAME_MAX)),
        )
    })?;
    if id.is_reserved() {
        return Err(Fault::new(
            FaultId::NotAllowed,
            format!("`{id}` lies in a namespace of the gateway"),
        ));
    }
    Ok(id)
}

/// A name of a channel, a user or a key: not empty, bounded, with nothing unseen.
fn named(text: String) -> Result<String, Fault> {
    if !is_name(&text) {
        let message = format!("`{}` is no name: {NAME_RULE}", plain(&text, 64));
        return Err(Fault::new(FaultId::Malformed, message));
    }
    Ok(text)
}

/// The channel of a subscription, whose name is its key as well.
fn channel(text: String) -> Result<Channel, Refusal> {
    named(text).map(Channel::new).map_err(unkeyed)
}

fn timer_key(text: String) -> Result<String, Refusal> {
    named(text).map_err(unkeyed)
}

/// What names it is no name, so nobody could tell by it what was refused.
fn unkeyed(why: Fault) -> Refusal {
    (None, why)
}

fn close(close: wit::Close) -> Result<Effect, Refusal> {
    let wit::Close { connection, code, mut reason } = close;
    if !plugin_may_close_with(code) {
        return Err((None, Fault::new(FaultId::NotAllowed, not_to_be_closed_with(code))));
    }
    let end = (0..=REASON_MAX.min(reason.len()))
        .rev()
        .find(|end| reason.is_char_boundary(*end))
        .unwrap_or(0);
    reason.truncate(end);
    Ok(Effect::Close { connection: Handle(connection), code, reason })
}

fn not_to_be_closed_with(code: u16) -> String {
    format!("a plugin may close with 1000 and 3000 to 4999, not with {code}")
}

fn said(why: wit::FaultResult) -> Fault {
    fault(&why.id, &why.message, why.retry_after_ms)
}

/// A guest's fault: a word of the registry is one, any other id is the plugin's own.
pub(super) fn fault(id: &str, message: &str, retry_after_ms: Option<u32>) -> Fault {
    let message = plain(message, MESSAGE_MAX);
    let read = match FaultId::from_word(id) {
        Some(id) => Fault::new(id, message),
        None => Fault::application(plain(id, NAME_MAX), message),
    };
    Fault { retry_after: retry_after_ms.map(|ms| Duration::from_millis(ms.into())), ..read }
}

fn no_such_event(by: u32) -> Fault {
    Fault::new(FaultId::Malformed, format!("the batch has no event {by}"))
}

/// The key by which a guest hears that an effect was refused.
fn key_of(wanted: Wanted) -> Option<String> {
    match wanted {
        Wanted::Push(push) => push.key,
        Wanted::Publish(publish) => publish.key,
        Wanted::Ask(ask) => Some(ask.key),
        Wanted::Put(put) => Some(put.key),
        Wanted::Fetch(request) => Some(request.key),
        Wanted::Subscribe(membership) | Wanted::Unsubscribe(membership) => Some(membership.channel),
        Wanted::Reply(_) | Wanted::Close(_) => None,
        Wanted::SetTimer(timer) => Some(timer.key),
        Wanted::CancelTimer(timer) => Some(timer.key),
        Wanted::Other(_) => None,
    }
}

fn kind_of(wanted: &Wanted) -> Kind {
    match wanted {
        Wanted::Reply(_) => Kind::Reply,
        Wanted::Push(_) => Kind::Push,
        Wanted::Publish(_) => Kind::Publish,
        Wanted::Ask(_) => Kind::Ask,
        Wanted::Subscribe(_) => Kind::Subscribe,
        Wanted::Unsubscribe(_) => Kind::Unsubscribe,
        Wanted::Close(_) => Kind::Close,
        Wanted::SetTimer(_) => Kind::SetTimer,
        Wanted::CancelTimer(_) => Kind::CancelTimer,
        Wanted::Put(_) => Kind::Put,
        Wanted::Fetch(_) => Kind::Fetch,
        Wanted::Other(_) => Kind::Other,
    }
}

/// What an effect counts against `effect_bytes`: what it carries.
fn size(wanted: &Wanted) -> usize {
    let content = |content: &wit::Content| match content {
        wit::Content::Payload(payload) => payload.body.len(),
        wit::Content::OfEvent(_) => 0,
    };
    let to = |target: &wit::Target| match target {
        wit::Target::Connection(_) | wit::Target::Endpoint => 0,
        wit::Target::Connections(handles) => handles.len() * 4,
        wit::Target::User(name) | wit::Target::Channel(name) => name.len(),
        // Each of them is looked up, however short its name is.
        wit::Target::Users(users) => {
            users.iter().map(|user| user.len() + size_of::<String>()).sum()
        }
    };
    let key = |key: &Option<String>| key.as_ref().map_or(0, String::len);
    match wanted {
        Wanted::Reply(reply) => reply.value.as_ref().map_or_else(|why| why.message.len(), content),
        Wanted::Push(push) => {
            content(&push.content) + to(&push.to) + push.id.len() + key(&push.key)
        }
        Wanted::Publish(publish) => {
            let names = publish.channel.len() + publish.id.len();
            content(&publish.content) + names + key(&publish.key)
        }
        Wanted::Ask(ask) => content(&ask.content) + ask.id.len(),
        Wanted::Subscribe(membership) | Wanted::Unsubscribe(membership) => membership.channel.len(),
        Wanted::Close(close) => close.reason.len(),
        Wanted::SetTimer(timer) => timer.key.len(),
        Wanted::CancelTimer(timer) => timer.key.len(),
        Wanted::Put(put) => put.value.as_ref().map_or(0, Vec::len) + put.key.len(),
        Wanted::Fetch(request) => request.body.len() + request.url.len(),
        Wanted::Other((kind, body)) => kind.len() + body.len(),
    }
}

#[cfg(test)]
#[path = "effects_tests.rs"]
mod tests;
