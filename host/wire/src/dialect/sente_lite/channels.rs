//! What its clients call channels: subscriptions, publications, and what comes of them.
//!
//! A channel is any value to them. Here it is a text, or a keyword: that is the channel of its name with a colon before it, and
//! is written as a keyword wherever it goes.

use super::two;
use crate::{
    dialect::{
        Arrived, Callback, Publication, fields,
        request::{Asked, Publish, Request},
    },
    fault::{Fault, FaultId},
    format::{
        Format,
        walk::{Inside, Walk as _},
        writer::Writer,
    },
    id::{Channel, EventId, NAME_RULE, is_name},
    payload::{Frame, embeddable},
};
use bytes::Bytes;

const SUBSCRIBE: &str = "sente-lite/subscribe";
const UNSUBSCRIBE: &str = "sente-lite/unsubscribe";
const PUBLISH: &str = "sente-lite/publish";
/// What its clients publish has no id of theirs.
const MESSAGE: &str = "sente-lite/channel-msg";

/// The longest name of a channel that comes back, as it is written.
const WRITTEN_MAX: usize = 256;

pub(super) fn asked(id: &str) -> Option<Asked> {
    match id {
        SUBSCRIBE => Some(Asked::Subscribe),
        UNSUBSCRIBE => Some(Asked::Unsubscribe),
        PUBLISH => Some(Asked::Publish),
        _ => None,
    }
}

/// Whether the place of a callback has the channel.
pub(super) fn names_channel(event: &str) -> bool {
    matches!(event, SUBSCRIBE | UNSUBSCRIBE)
}

pub(super) fn request<F: Format>(asked: Asked, arrived: &Arrived) -> Result<Request, Fault> {
    let names = ["channel-id", "data", "exclude-sender?"];
    let Some([channel, data, exclude]) = fields::fields::<F, _>(&arrived.payload, names) else {
        return Err(no_channel());
    };
    let channel = channel.as_ref().and_then(name::<F>).ok_or_else(no_channel)?;
    Ok(match asked {
        Asked::Subscribe => Request::Subscribe { channel, has_position: false },
        Asked::Unsubscribe => Request::Unsubscribe { channel },
        _ => {
            let excluded = fields::truth::<F>("exclude-sender?", exclude.as_ref())?;
            let (id, data) = (EventId::from(MESSAGE), fields::value::<F>(data));
            Request::Publish(Publish { channel, id, data, echo: !excluded.unwrap_or(false) })
        }
    })
}

fn no_channel() -> Fault {
    let why = format!("`:channel-id` must be a text or a keyword: {NAME_RULE}");
    Fault::new(FaultId::Malformed, why)
}

fn name<F: Format>(written: &Bytes) -> Option<Channel> {
    let keyword = || fields::keyword::<F>(written).map(|name| format!(":{name}"));
    let name = fields::text::<F>(written).or_else(keyword)?;
    is_name(&name).then(|| Channel::from(name))
}

/// The value of `:channel-id` in a map, as it is written; its absence is nil, as on sente-lite's servers, and so is what is too
/// long for a name.
pub(super) fn written<F: Format>(data: &[u8]) -> Option<Callback> {
    let nil = Some(Callback(F::NIL.into()));
    let mut walk = F::walk(data).ok()?;
    if !walk.enter(Inside::Map).ok()? {
        return nil;
    }
    let mut first = true;
    while walk.more(Inside::Map, first).ok()? {
        first = false;
        let key = walk.name().ok()?;
        if key.is_none() {
            walk.skip().ok()?;
        }
        walk.to_value().ok()?;
        let value = walk.skip().ok()?;
        if key.as_deref() == Some("channel-id") {
            let apart = walk.apart();
            let written = apart.as_deref().or(data.get(value))?;
            return if written.len() <= WRITTEN_MAX { Some(Callback(written.into())) } else { nil };
        }
    }
    nil
}

/// What came of a subscription, or of its end.
pub(super) fn subscribed<F: Format>(channel: &Callback, failed: Option<(&str, &Fault)>) -> Frame {
    two::<F>(|event| {
        event.name("sente-lite/subscribed");
        event.map(if failed.is_some() { 4 } else { 2 }, |map| {
            map.key("channel-id").value(&channel.0);
            map.key("success");
            let Some((of, why)) = failed else { return map.boolean(true) };
            // As its servers have it.
            match of {
                UNSUBSCRIBE => map.nil(),
                _ => map.boolean(false),
            }
            map.key("error").name(reason(of, why.id));
            map.key("message").string(&why.message);
        });
    })
}

/// Its own words for why.
fn reason(of: &str, why: FaultId) -> &'static str {
    match (of, why) {
        (_, FaultId::LimitReached) => "max-subscriptions-per-conn",
        (UNSUBSCRIBE, FaultId::NotFound) => "not-subscribed",
        _ => "channel-not-found",
    }
}

/// What its clients call a message of a channel. A plugin that publishes has no connection to name.
pub(super) fn message<F: Format>(what: &Publication<'_>) -> Result<Frame, Fault> {
    let data = embeddable(what.content, F::ENCODING)?;
    let from = what.from.map(|from| match from.user {
        Some(user) => user.to_string(),
        None => from.connection.to_string(),
    });
    let named = what.id.as_str() != MESSAGE;
    let count = 2 + usize::from(from.is_some()) + usize::from(named);
    Ok(two::<F>(|event| {
        event.name(MESSAGE);
        event.map(count, |map| {
            channel(map.key("channel-id"), what.channel);
            map.key("data").value(&data);
            if let Some(from) = &from {
                map.key("from").string(from);
            }
            if named {
                map.key("id").name_or_string(what.id);
            }
        });
    }))
}

fn channel<F: Format>(map: &mut Writer<'_, F>, channel: &str) {
    match channel.strip_prefix(':').filter(|name| F::is_name(name)) {
        Some(name) => map.name(name),
        None => map.string(channel),
    }
}
