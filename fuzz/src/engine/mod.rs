//! What comes back from a guest, as records and as bytes of its memory.

mod effects;
#[path = "../../../host/engine/src/tests/guests.rs"]
mod guests;
mod lift;

pub use effects::effects;
pub use lift::{lift, prepare};

use tengen_core::capability::{
    ask::Ask,
    close::Close,
    data::SetData,
    fetch::Fetch,
    key_value::Put,
    publish::Publish,
    push::{Push, Target},
    reply::Reply,
    subscription::{Subscribe, Unsubscribe},
    timers::{CancelTimer, SetTimer},
    unsupported::Other,
};
use tengen_core::effect::{Content, Effect};
use tengen_engine::fuzzing::Taken;
use tengen_settings::Plugin;
use tengen_wire::{
    close::{REASON_MAX, plugin_may_close_with},
    fault::Fault,
    id::EventId,
};

/// The longest text of a guest's that is passed on: a fault's message, with control characters written out and an
/// ellipsis.
const TEXT_MAX: usize = 1024 + 16;
/// The longest name of a channel, a user or a key.
const NAME_MAX: usize = 256;

fn settings() -> Plugin {
    Plugin { effects_per_event: 64, effect_bytes: 4096, ..Plugin::new("fuzzed.wasm") }
}

/// Nothing that is carried out names an event that is not there, is longer than its limit, or lies in our namespaces.
fn is_bounded(taken: &Taken, events: u32, settings: &Plugin) {
    let outcome = &taken.outcome;
    for event in 0..events {
        let caused = outcome.effects.iter().filter(|caused| caused.by == event);
        let (count, bytes) = caused.fold((0, 0), |(count, bytes), caused| {
            (count + 1, bytes + payload(&caused.what).map_or(0, |body| body))
        });
        assert!(count <= settings.effects_per_event, "{count} effects");
        assert!(bytes <= settings.effect_bytes, "{bytes} bytes");
    }
    for caused in &outcome.effects {
        assert!(caused.by < events);
        effect(&caused.what, events);
        caused.key.iter().for_each(|key| name(key));
    }
    for failure in &outcome.failures {
        assert!(failure.by < events);
        assert!(failure.close.is_none_or(|code| code == 1011 || plugin_may_close_with(code)));
        fault(&failure.why);
    }
    assert!(taken.refused.iter().flatten().all(|by| *by < events));
}

fn payload(effect: &Effect) -> Option<usize> {
    match effect.content()? {
        Content::Payload(payload) => Some(payload.body.len()),
        Content::OfEvent(_) => None,
    }
}

fn effect(effect: &Effect, events: u32) {
    match effect {
        Effect::Reply(Reply { value, .. }) => match value {
            Ok(content) => self::content(content, events),
            Err(why) => fault(why),
        },
        Effect::Push(Push { to, id, content, .. }) => {
            target(to);
            event_id(id);
            self::content(content, events);
        }
        Effect::Publish(Publish { channel, id, content, .. }) => {
            name(channel);
            event_id(id);
            self::content(content, events);
        }
        Effect::Subscribe(Subscribe { channel, .. })
        | Effect::Unsubscribe(Unsubscribe { channel, .. }) => name(channel),
        Effect::Close(Close { code, reason, .. }) => {
            assert!(plugin_may_close_with(*code) && reason.len() <= REASON_MAX, "{code} {reason}");
        }
        Effect::SetTimer(SetTimer { key, .. }) | Effect::CancelTimer(CancelTimer { key, .. }) => {
            name(key)
        }
        Effect::Put(Put { bucket, key, .. }) => {
            name(bucket);
            name(key);
        }
        Effect::Ask(Ask { name, id, content, .. }) => {
            self::name(name);
            event_id(id);
            self::content(content, events);
        }
        Effect::SetData(SetData { change, .. }) => {
            change.set.iter().for_each(|(key, _)| name(key));
            change.unset.iter().for_each(|key| name(key));
            change.tag.iter().chain(&change.untag).for_each(|tag| name(tag));
        }
        // What it asks for is held against the grant by whoever carries it out.
        Effect::Fetch(Fetch { name, .. }) => self::name(name),
        Effect::Other(Other { name }) => assert!(name.len() <= NAME_MAX + 16, "{name}"),
    }
}

/// An event's bytes can be sent on only where there are some: the places of messages are even.
fn content(content: &Content, events: u32) {
    if let Content::OfEvent(place) = content {
        assert!(*place < events && place % 2 == 0, "event {place} has no payload");
    }
}

fn target(target: &Target) {
    match target {
        Target::User(user) => name(user),
        Target::Users(users) => users.iter().for_each(|user| name(user)),
        Target::Channel(channel) => name(channel),
        Target::Tagged(tag) => name(tag),
        Target::Connection(_) | Target::Connections(_) | Target::Endpoint(_) => {}
    }
}

fn name(name: &str) {
    assert!(
        (1..=NAME_MAX).contains(&name.len()) && !name.chars().any(char::is_control),
        "{name:?}"
    );
}

fn event_id(id: &EventId) {
    assert!(EventId::parse(id).is_some() && !id.is_reserved(), "{id:?}");
}

fn fault(fault: &Fault) {
    let texts = [Some(&fault.message), fault.code.as_ref()];
    for text in texts.into_iter().flatten() {
        assert!(text.len() <= TEXT_MAX && !text.chars().any(char::is_control), "{text:?}");
    }
}
