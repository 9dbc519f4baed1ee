//! From the gateway's events to the interface's records, which lend what they can of them.

use super::{
    contents,
    effects::{ask, fetch, say},
    numbering::Numbering,
};
use crate::guest::bindings::handling::types::{self as wit, Occurrence as Said};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tengen_core::{
    capability::ask::Answered,
    event::{Connection, Event, Message, Occurrence, OwnData, User},
};
use tengen_wire::{
    fault::{Fault, FaultId},
    id::{Channel, PluginName},
    payload::{self, Encoding, Payload},
};
use tokio_util::task::TaskTracker;

/// What records of one event cannot lend from it, because it has to be made first.
#[derive(Debug)]
pub(crate) enum Made<'a> {
    Nothing,
    /// The message's payload in the guest's encoding.
    Payload(Payload),
    Connection(Box<MadeConnection<'a>>),
    /// Names of channels.
    Names(Vec<&'a str>),
    /// A response's headers.
    Headers(fetch::Headers<'a>),
    /// Why an answer cannot be said: it is told instead.
    Fault(Fault),
    /// The event cannot be said in the guest's encoding.
    Unsaid(Fault),
}

#[derive(Debug)]
pub(crate) struct MadeConnection<'a> {
    id: String,
    peer: String,
    more: Vec<wit::AttributeParam<'a>>,
    claims: Vec<wit::AttributeParam<'a>>,
    attributes: Vec<wit::AttributeParam<'a>>,
    tags: Vec<&'a str>,
}

/// What the plugin keeps with the connection that an event tells of; none: nothing.
pub(crate) type Kept = Option<Arc<OwnData>>;

/// What the plugin keeps at the moment with connections whose beginnings it is about to hear, by the places of their events.
/// Empty: nothing with any of them.
pub(crate) fn kept(events: &[Event], plugin: &PluginName) -> Vec<Kept> {
    let of = |event: &Event| match &event.what {
        Occurrence::Opened | Occurrence::Adopted => event.connection.as_ref()?.data.of(plugin),
        _ => None,
    };
    let Some(first) = events.iter().position(|event| of(event).is_some()) else {
        return Vec::new();
    };
    let before = std::iter::repeat_n(None, first);
    before.chain(events.iter().skip(first).map(of)).collect()
}

/// A batch as the guest gets it, and which event of the whole batch each record is.
pub(crate) struct Told<'a> {
    pub(crate) records: Vec<wit::Event<'a>>,
    pub(crate) numbering: Numbering,
    /// Events that cannot be said in the guest's encoding.
    pub(crate) unsaid: Vec<(u32, Fault)>,
}

/// Makes what [`tell`] cannot lend; nothing at all for a batch of messages in the guest's encoding.
pub(crate) fn prepare<'a>(
    events: &'a [Event],
    kept: &'a [Kept],
    encoding: Encoding,
) -> Vec<Made<'a>> {
    let is_lent = |event: &Event| match &event.what {
        Occurrence::Message(message) => is_as_wanted(&message.payload, encoding),
        Occurrence::Answered(answered) => {
            answered.value.as_ref().map_or(true, |payload| is_as_wanted(payload, encoding))
        }
        Occurrence::Opened
        | Occurrence::Adopted
        | Occurrence::Fetched(_)
        | Occurrence::Subscribed(_)
        | Occurrence::Unsubscribed(_) => false,
        _ => true,
    };
    if events.iter().all(is_lent) {
        return Vec::new();
    }
    events.iter().zip(each(kept)).map(|(event, kept)| make(event, kept, encoding)).collect()
}

/// What is kept, for as many events as there are.
fn each(kept: &[Kept]) -> impl Iterator<Item = Option<&OwnData>> {
    kept.iter().map(Option::as_deref).chain(std::iter::repeat(None))
}

/// As [`prepare`]; off the workers where much is to be converted.
pub(crate) async fn prepare_anywhere<'a>(
    events: &'a [Event],
    kept: &'a [Kept],
    encoding: Encoding,
    tasks: &TaskTracker,
) -> Vec<Made<'a>> {
    let unlike =
        |event: &'a Event| event.payload().filter(|payload| !is_as_wanted(payload, encoding));
    let bytes: usize = events.iter().filter_map(unlike).map(|payload| payload.body.len()).sum();
    if bytes <= contents::AT_ONCE {
        return prepare(events, kept, encoding);
    }
    let payloads = events.iter().map(|event| unlike(event).cloned()).collect();
    // Rare, and large: in the future of every call, it would be moved with it.
    let converted = Box::pin(contents::converted(payloads, encoding, tasks)).await;
    let all = events.iter().zip(each(kept)).zip(converted);
    let made = all.map(|((event, kept), converted)| match converted {
        Some(converted) => said_in(&event.what, converted),
        None => make(event, kept, encoding),
    });
    made.collect()
}

/// Whether a payload goes to a guest that wants this encoding as it is.
fn is_as_wanted(payload: &Payload, encoding: Encoding) -> bool {
    payload.encoding == encoding || payload.encoding.is_opaque()
}

fn make<'a>(event: &'a Event, kept: Option<&'a OwnData>, encoding: Encoding) -> Made<'a> {
    match &event.what {
        // Text and bytes of raw endpoints are nobody's format: they stay what they are.
        Occurrence::Message(message) if !is_as_wanted(&message.payload, encoding) => {
            said_in(&event.what, payload::transcode(&message.payload, encoding))
        }
        Occurrence::Answered(answered) => match &answered.value {
            Ok(payload) if !is_as_wanted(payload, encoding) => {
                said_in(&event.what, payload::transcode(payload, encoding))
            }
            _ => Made::Nothing,
        },
        Occurrence::Opened | Occurrence::Adopted => match &event.connection {
            Some(connection) => Made::Connection(Box::new(MadeConnection {
                id: connection.id.to_string(),
                peer: connection.peer.to_string(),
                more: attributes(&connection.more),
                claims: connection
                    .user
                    .as_ref()
                    .map_or(Vec::new(), |user| attributes(&user.claims)),
                attributes: kept.map_or(Vec::new(), |kept| attributes(kept.attributes())),
                tags: kept.iter().flat_map(|kept| kept.tags()).map(|tag| tag.as_str()).collect(),
            })),
            None => Made::Nothing,
        },
        Occurrence::Fetched(fetched) => Made::Headers(fetch::headers(fetched)),
        Occurrence::Subscribed(channels) => Made::Names(names(channels)),
        Occurrence::Unsubscribed(left) => Made::Names(names(&left.channels)),
        _ => Made::Nothing,
    }
}

fn names(channels: &[Channel]) -> Vec<&str> {
    channels.iter().map(Channel::as_str).collect()
}

/// What a conversion comes to for the guest.
fn said_in<'a>(what: &Occurrence, converted: Result<Payload, Fault>) -> Made<'a> {
    match converted {
        Ok(payload) => Made::Payload(payload),
        // It has no form in the guest's encoding: it goes as it came, and fails only who reads it.
        Err(why) if why.id == FaultId::Unsupported => Made::Nothing,
        // Whoever asked hears that the question is over.
        Err(why) if matches!(what, Occurrence::Answered(_)) => Made::Fault(why),
        Err(why) => Made::Unsaid(why),
    }
}

/// Says a batch in the guest's encoding. `made` is what [`prepare`] made of it.
pub(crate) fn tell<'a>(events: &'a [Event], made: &'a [Made<'a>]) -> Told<'a> {
    let mut records = Vec::with_capacity(events.len());
    let mut unsaid = Vec::new();
    let mut made = made.iter();
    for (place, event) in (0..).zip(events) {
        match record(event, made.next().unwrap_or(&Made::Nothing)) {
            Ok(record) => records.push(record),
            Err(why) => unsaid.push((place, why)),
        }
    }
    let numbering = match unsaid.is_empty() {
        true => Numbering::Same,
        false => {
            // Both in order: each unsaid one is come by once.
            let mut others = unsaid.iter().map(|(place, _)| *place).peekable();
            let is_said = |place: &u32| others.next_if_eq(place).is_none();
            Numbering::Some((0..).take(events.len()).filter(is_said).collect())
        }
    };
    Told { records, numbering, unsaid }
}

fn record<'a>(event: &'a Event, made: &'a Made<'a>) -> Result<wit::Event<'a>, Fault> {
    let what = match (&event.what, made) {
        (_, Made::Unsaid(why)) => return Err(why.clone()),
        (Occurrence::Opened, made) => Said::Opened(connection(event, made)?),
        (Occurrence::Adopted, made) => Said::Adopted(connection(event, made)?),
        (Occurrence::Message(said), Made::Payload(payload)) => {
            Said::Message(message(said, payload)?)
        }
        (Occurrence::Message(said), _) => Said::Message(message(said, &said.payload)?),
        (Occurrence::Fetched(fetched), Made::Headers(headers)) => {
            Said::Fetched(fetch::fetched(fetched, headers))
        }
        (Occurrence::Subscribed(_), Made::Names(names)) => Said::Subscribed(names),
        (Occurrence::Unsubscribed(_), Made::Names(names)) => Said::Unsubscribed(names),
        (Occurrence::Answered(answered), made) => {
            Said::Answered(ask::answered(answered, answer(answered, made)?))
        }
        (other, _) => say(other).ok_or_else(unprepared)?,
    };
    let connection = event.connection.as_ref().map(|connection| connection.handle.0);
    Ok(wit::Event { connection, seq: event.seq, at_ms: millis(event.at), what, more: &[] })
}

/// Never: what [`prepare`] makes something for has its own arm.
fn unprepared() -> Fault {
    Fault::new(FaultId::Malformed, "an event that nothing was made for")
}

/// What a client answered, or why the guest gets no answer.
fn answer<'a>(
    answered: &'a Answered,
    made: &'a Made<'a>,
) -> Result<Result<wit::PayloadParam<'a>, &'a Fault>, Fault> {
    Ok(match (&answered.value, made) {
        (Err(why), _) | (_, Made::Fault(why)) => Err(why),
        (Ok(_), Made::Payload(payload)) | (Ok(payload), _) => Ok(said(payload)?),
    })
}

fn said(payload: &Payload) -> Result<wit::PayloadParam<'_>, Fault> {
    let Some(encoding) = encoding(payload.encoding) else {
        let word = payload.encoding.word();
        let why =
            format!("no plugin can read `{word}`, and this value has no form in another format");
        return Err(Fault::new(FaultId::Unsupported, why));
    };
    Ok(wit::PayloadParam { encoding, body: body(payload) })
}

fn message<'a>(message: &'a Message, payload: &'a Payload) -> Result<wit::Message<'a>, Fault> {
    let payload = said(payload)?;
    let Message { id, reply_to, .. } = message;
    Ok(wit::Message { id: id.as_str(), payload, reply_to: *reply_to, more: &[] })
}

/// Text as text: as bytes, guests that are interpreted read it a byte at a time. What is no UTF-8 although it should be is
/// bytes, and the guest that reads it as text finds out.
fn body(payload: &Payload) -> wit::BodyParam<'_> {
    match payload.encoding.is_text().then(|| std::str::from_utf8(&payload.body)) {
        Some(Ok(text)) => wit::BodyParam::Text(text),
        _ => wit::BodyParam::Bytes(&payload.body),
    }
}

fn connection<'a>(event: &'a Event, made: &'a Made<'a>) -> Result<wit::Connection<'a>, Fault> {
    let (Some(connection), Made::Connection(made)) = (&event.connection, made) else {
        return Err(Fault::new(FaultId::Malformed, "an event about a connection names none"));
    };
    let connection: &Connection = connection;
    Ok(wit::Connection {
        handle: connection.handle.0,
        id: &made.id,
        user: connection.user.as_ref().map(|known| user(known, &made.claims)),
        endpoint: &connection.endpoint,
        peer: Some(&made.peer),
        dialect: connection.dialect,
        attributes: &made.attributes,
        tags: &made.tags,
        more: &made.more,
    })
}

fn user<'a>(user: &'a User, claims: &'a [wit::AttributeParam<'a>]) -> wit::User<'a> {
    let expires_at_ms = user.expires_at.map(millis);
    wit::User { id: user.id.as_str(), claims, expires_at_ms, more: &[] }
}

fn attributes(pairs: &[(String, String)]) -> Vec<wit::AttributeParam<'_>> {
    pairs.iter().map(|(key, value)| wit::AttributeParam { key, value }).collect()
}

fn millis(at: SystemTime) -> f64 {
    at.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64() * 1000.0)
}

/// The interface's word for an encoding; none where its version does not have it, which is closed for ever.
fn encoding(encoding: Encoding) -> Option<wit::Encoding> {
    use wit::Encoding::{Binary, Edn, Json, Msgpack, Text, Transit};
    [Json, Edn, Transit, Msgpack, Text, Binary]
        .into_iter()
        .find(|said| Encoding::from(*said) == encoding)
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
