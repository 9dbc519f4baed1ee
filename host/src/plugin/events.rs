//! From the gateway's events to the interface's records.

use super::bindings::types::{self as wit, Occurrence as Said};
use crate::{
    codec,
    event::{Connection, Event, Message, Occurrence, User},
    fault::{Fault, FaultId},
    id::Channel,
    payload::{Encoding, Payload},
};
use std::time::{SystemTime, UNIX_EPOCH};

/// A batch as the guest gets it, and which event of the whole batch each record is.
pub(super) struct Told {
    pub(super) records: Vec<wit::Event>,
    /// The place in the whole batch of each record.
    pub(super) places: Vec<u32>,
    /// Events that cannot be said in the guest's encoding.
    pub(super) unsaid: Vec<(u32, Fault)>,
}

/// Says a batch in the guest's encoding.
pub(super) fn tell(events: &[Event], encoding: Encoding) -> Told {
    let mut told = Told {
        records: Vec::with_capacity(events.len()),
        places: Vec::with_capacity(events.len()),
        unsaid: Vec::new(),
    };
    for (place, event) in (0..).zip(events) {
        match record(event, encoding) {
            Ok(record) => {
                told.records.push(record);
                told.places.push(place);
            }
            Err(why) => told.unsaid.push((place, why)),
        }
    }
    told
}

fn record(event: &Event, encoding: Encoding) -> Result<wit::Event, Fault> {
    let what = match &event.what {
        Occurrence::Opened => Said::Opened(connection(event)?),
        Occurrence::Adopted => Said::Adopted(connection(event)?),
        Occurrence::Message(message) => Said::Message(self::message(message, encoding)?),
        Occurrence::Closed(closing) => Said::Closed(wit::Closing {
            code: closing.code,
            reason: closing.reason.clone(),
            clean: closing.clean,
        }),
        Occurrence::Subscribed(channel) => Said::Subscribed(name(channel)),
        Occurrence::Unsubscribed(channel) => Said::Unsubscribed(name(channel)),
        Occurrence::UserOnline(user) => Said::UserOnline(user.as_str().into()),
        Occurrence::UserOffline(user) => Said::UserOffline(user.as_str().into()),
        Occurrence::Timer(key) => Said::Timer(key.clone()),
        Occurrence::Refused { key, why } => {
            Said::Refused(wit::Refused { key: key.clone(), why: fault(why) })
        }
        Occurrence::Lost(count) => Said::Lost(*count),
    };
    let handle = event.connection.as_ref().map(|connection| connection.handle.0);
    Ok(wit::Event { connection: handle, seq: event.seq, at_ms: millis(event.at), what })
}

fn name(channel: &Channel) -> String {
    channel.as_str().into()
}

fn message(message: &Message, to: Encoding) -> Result<wit::Message, Fault> {
    Ok(wit::Message {
        id: message.id.as_str().into(),
        payload: payload(&message.payload, to)?,
        reply_to: message.reply_to,
    })
}

fn payload(payload: &Payload, to: Encoding) -> Result<wit::Payload, Fault> {
    if payload.encoding == to {
        return Ok(wit::Payload { encoding: encoding(to), body: payload.body.to_vec() });
    }
    let payload = codec::transcode(payload, to)?;
    Ok(wit::Payload { encoding: encoding(payload.encoding), body: payload.body.into() })
}

fn connection(event: &Event) -> Result<wit::Connection, Fault> {
    let connection: &Connection = event
        .connection
        .as_ref()
        .ok_or_else(|| Fault::new(FaultId::Malformed, "an event about a connection names none"))?;
    Ok(wit::Connection {
        handle: connection.handle.0,
        id: connection.id.to_string(),
        user: connection.user.as_ref().map(user),
        endpoint: connection.endpoint.to_string(),
        peer: connection.peer.to_string(),
        dialect: connection.dialect.into(),
        more: attributes(&connection.more),
    })
}

fn user(user: &User) -> wit::User {
    wit::User {
        id: user.id.as_str().into(),
        claims: attributes(&user.claims),
        expires_at_ms: user.expires_at.map(millis),
    }
}

pub(super) fn attributes(pairs: &[(String, String)]) -> Vec<wit::Attribute> {
    pairs
        .iter()
        .map(|(key, value)| wit::Attribute { key: key.clone(), value: value.clone() })
        .collect()
}

/// A plugin's own fault keeps its own id; the gateway's have the registry's word.
fn fault(fault: &Fault) -> wit::Fault {
    wit::Fault {
        id: fault.code.clone().unwrap_or_else(|| fault.id.word().into()),
        message: fault.message.clone(),
        retry_after_ms: fault
            .retry_after
            .map(|wait| u32::try_from(wait.as_millis()).unwrap_or(u32::MAX)),
    }
}

fn millis(at: SystemTime) -> f64 {
    at.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64() * 1000.0)
}

fn encoding(encoding: Encoding) -> wit::Encoding {
    match encoding {
        Encoding::Json => wit::Encoding::Json,
        Encoding::Edn => wit::Encoding::Edn,
        Encoding::Transit => wit::Encoding::Transit,
        Encoding::Msgpack => wit::Encoding::Msgpack,
        Encoding::Text => wit::Encoding::Text,
        Encoding::Binary => wit::Encoding::Binary,
    }
}
