//! How guests say what they want, and how they are told what happened: a file for each capability, and its lines in the list
//! here.

pub(in crate::call) mod ask;
mod close;
mod data;
pub(in crate::call) mod fetch;
mod key_value;
mod publish;
mod push;
mod reply;
mod subscription;
mod timers;
mod unsupported;

use super::words::told;
use super::{Cause, Manner, Reader};
use crate::guest::bindings::handling::types::{self as wit, Action as Wanted, Occurrence as Said};
use tengen_core::capability::{Effect, Kind, Occurrence};
use tengen_wire::fault::Fault;

/// An effect as a guest says it.
pub(super) trait Wish {
    const KIND: Kind;

    /// What it counts against `effect_bytes`: what it carries.
    fn size(&self) -> usize;

    /// What of it is taken over; nothing in it is trusted. `by`: the place of the event that caused it.
    fn read(self, reader: &mut Reader<'_>, by: u32) -> Result<Effect, Fault>;
}

/// Takes over what a guest wants, as far as it may be carried out.
pub(super) fn take(reader: &mut Reader<'_>, by: &mut Cause, how: Manner, what: Wanted) {
    match what {
        Wanted::Reply(wish) => reader.wish(by, how, wish),
        Wanted::Push(wish) => reader.wish(by, how, wish),
        Wanted::Publish(wish) => reader.wish(by, how, wish),
        Wanted::Subscribe(who) => reader.wish(by, how, subscription::Begin(who)),
        Wanted::Unsubscribe(who) => reader.wish(by, how, subscription::End(who)),
        Wanted::Close(wish) => reader.wish(by, how, wish),
        Wanted::SetTimer(wish) => reader.wish(by, how, wish),
        Wanted::CancelTimer(wish) => reader.wish(by, how, wish),
        Wanted::Put(wish) => reader.wish(by, how, wish),
        Wanted::Fetch(wish) => reader.wish(by, how, wish),
        Wanted::Ask(wish) => reader.wish(by, how, wish),
        Wanted::SetData(wish) => reader.wish(by, how, wish),
        Wanted::Other(wish) => reader.wish(by, how, wish),
    }
}

/// What happened, as a guest is told of it. None: it is said with what was made for that before, see `call/events`.
pub(in crate::call) fn say(what: &Occurrence) -> Option<Said<'_>> {
    Some(match what {
        Occurrence::Opened
        | Occurrence::Adopted
        | Occurrence::Message(_)
        | Occurrence::Fetched(_)
        | Occurrence::Answered(_)
        | Occurrence::Subscribed(_)
        | Occurrence::Unsubscribed(_) => return None,
        Occurrence::Closed(closing) => Said::Closed(close::closed(closing)),
        Occurrence::Timer(key) => Said::Timer(key),
        Occurrence::ChannelOccupied(channel) => Said::ChannelOccupied(channel.as_str()),
        Occurrence::ChannelVacated(channel) => Said::ChannelVacated(channel.as_str()),
        Occurrence::UserOnline(user) => Said::UserOnline(user.as_str()),
        Occurrence::UserOffline(user) => Said::UserOffline(user.as_str()),
        Occurrence::Missed(missed) => Said::Missed(missed.count),
        Occurrence::Refused { key, why } => {
            Said::Refused(wit::Refused { key, why: told(why), more: &[] })
        }
    })
}

/// What a content carries of its own.
fn content_size(content: &wit::Content) -> usize {
    match content {
        wit::Content::Payload(payload) => match &payload.body {
            wit::BodyResult::Text(text) => text.len(),
            wit::BodyResult::Bytes(bytes) => bytes.len(),
        },
        wit::Content::OfEvent(_) => 0,
    }
}
