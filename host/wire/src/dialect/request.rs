//! What clients ask of the gateway itself: events in `tengen/`, and dialects' own words for the same.

use super::{
    Answer, Arrived, answer,
    fields::{fields, keyword, text, truth, value},
};
use crate::{
    fault::{Fault, FaultId},
    format::{Encoding, Format, in_format, no_format},
    id::{Channel, EventId, NAME_RULE, is_name, is_reserved},
    list::listed,
    payload::Payload,
};
use bytes::Bytes;

listed! {
    /// A kind of request.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Asked {
        Subscribe,
        Unsubscribe,
        Publish,
        Subscriptions,
        History,
        Presence,
        PresenceInfo,
        Refresh,
        /// Signals. They are no request that is read here: who takes them in reads them.
        Telemetry,
        Answer,
        /// There is no such request.
        Unknown,
    }
}

impl Asked {
    /// The word behind `tengen/`, and the label in metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Subscribe => "subscribe",
            Self::Unsubscribe => "unsubscribe",
            Self::Publish => "publish",
            Self::Subscriptions => "subscriptions",
            Self::History => "history",
            Self::Presence => "presence",
            Self::PresenceInfo => "presence-info",
            Self::Refresh => "refresh",
            Self::Telemetry => "telemetry",
            Self::Answer => "answer",
            Self::Unknown => "unknown",
        }
    }

    /// The kind of an event in the gateway's namespaces; none: it is in another one.
    pub(super) fn of(id: &str) -> Option<Self> {
        if !is_reserved(id) {
            return None;
        }
        let own = id.strip_prefix("tengen/");
        let known = own.and_then(|word| Self::ALL.into_iter().find(|asked| asked.word() == word));
        known.or(Some(Self::Unknown))
    }
}

/// A request that can be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Hear what is published on a channel.
    Subscribe {
        channel: Channel,
        /// The client was there before, and says how far it got.
        has_position: bool,
    },
    Unsubscribe {
        channel: Channel,
    },
    Publish(Publish),
    /// Which channels the connection is subscribed to.
    Subscriptions,
    /// What the client says to a question.
    Answer(Answer),
}

/// What a client publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    pub channel: Channel,
    pub id: EventId,
    /// As it was sent: in the wire's own format.
    pub data: Payload,
    /// Whether the client wants it itself, if it is subscribed.
    pub echo: bool,
}

/// Reads a request in `tengen/`.
pub(super) fn read(format: Encoding, asked: Asked, arrived: &Arrived) -> Result<Request, Fault> {
    match asked {
        Asked::Subscriptions => Ok(Request::Subscriptions),
        Asked::Unknown => {
            let why = format!("the gateway has no event `{}`", arrived.id);
            Err(Fault::new(FaultId::UnknownEvent, why))
        }
        Asked::Subscribe | Asked::Unsubscribe | Asked::Publish => {
            in_format!(format, F => known::<F>(asked, &arrived.payload), _ => Err(no_format(format)))
        }
        Asked::Answer => {
            let data = &arrived.payload;
            in_format!(format, F => answer::read::<F>(data).map(Request::Answer), _ => Err(no_format(format)))
        }
        _ => Err(not_offered(&format!("`{}`", arrived.id))),
    }
}

fn known<F: Format>(asked: Asked, data: &Payload) -> Result<Request, Fault> {
    let names = ["channel", "id", "data", "echo", "since", "presence", "once"];
    let Some([channel, id, data, echo, since, presence, once]) = fields::<F, _>(data, names) else {
        return Err(no_channel());
    };
    let channel = channel.as_ref().and_then(text::<F>).filter(|name| is_name(name));
    let channel = Channel::from(channel.ok_or_else(no_channel)?);
    match asked {
        Asked::Unsubscribe => Ok(Request::Unsubscribe { channel }),
        Asked::Publish => {
            if once.is_some() {
                return Err(not_offered("`once`"));
            }
            let echo = truth::<F>("echo", echo.as_ref())?.unwrap_or(true);
            let (id, data) = (event_id::<F>(id.as_ref())?, value::<F>(data));
            Ok(Request::Publish(Publish { channel, id, data, echo }))
        }
        _ => {
            if truth::<F>("presence", presence.as_ref())? == Some(true) {
                return Err(not_offered("`presence`"));
            }
            Ok(Request::Subscribe { channel, has_position: since.is_some() })
        }
    }
}

fn not_offered(what: &str) -> Fault {
    Fault::new(FaultId::Unsupported, format!("this version of the gateway does not offer {what}"))
}

fn no_channel() -> Fault {
    let why = format!("the data must be a map with the text `channel`: {NAME_RULE}");
    Fault::new(FaultId::Malformed, why)
}

fn event_id<F: Format>(value: Option<&Bytes>) -> Result<EventId, Fault> {
    let said = value.and_then(|value| keyword::<F>(value).or_else(|| text::<F>(value)));
    let Some(id) = said.as_deref().and_then(EventId::parse) else {
        let why = "`id` must be the id of what is published: `ns/name`, at most 128 bytes, without white space";
        return Err(Fault::new(FaultId::Malformed, why));
    };
    if id.is_reserved() {
        let why =
            format!("`{id}` is the gateway's own: name what you publish in a namespace of yours");
        return Err(Fault::new(FaultId::NotAllowed, why));
    }
    Ok(id)
}
