//! What guests can ask for: a file for each capability, and its lines in the list here.

mod close;
mod publish;
mod push;
mod reply;
mod subscription;
mod timers;
mod unsupported;

use super::{Reader, Refusal};
use crate::guest::bindings::handling::types::{self as wit, Effect as Wanted};
use tengen_core::effect::{Effect, Kind};

/// An effect as a guest says it.
pub(super) trait Wish {
    /// The key by which the guest hears that it was refused.
    fn key(self) -> Option<String>;

    /// What it counts against `effect_bytes`: what it carries.
    fn size(&self) -> usize;

    /// What of it is taken over; nothing in it is trusted. `by`: the place of the event that caused it.
    fn read(self, reader: &mut Reader<'_>, by: u32) -> Result<Effect, Refusal>;
}

/// Takes over what a guest wants, as far as it may be carried out.
pub(super) fn take(reader: &mut Reader<'_>, caused: wit::Caused) {
    let by = caused.by;
    match caused.what {
        Wanted::Reply(wish) => reader.wish(Kind::Reply, by, wish),
        Wanted::Push(wish) => reader.wish(Kind::Push, by, wish),
        Wanted::Publish(wish) => reader.wish(Kind::Publish, by, wish),
        Wanted::Subscribe(who) => reader.wish(Kind::Subscribe, by, subscription::Begin(who)),
        Wanted::Unsubscribe(who) => reader.wish(Kind::Unsubscribe, by, subscription::End(who)),
        Wanted::Close(wish) => reader.wish(Kind::Close, by, wish),
        Wanted::SetTimer(wish) => reader.wish(Kind::SetTimer, by, wish),
        Wanted::CancelTimer(wish) => reader.wish(Kind::CancelTimer, by, wish),
        Wanted::Ask(wish) => reader.wish(Kind::Ask, by, wish),
        Wanted::Put(wish) => reader.wish(Kind::Put, by, wish),
        Wanted::Fetch(wish) => reader.wish(Kind::Fetch, by, wish),
        Wanted::Other(wish) => reader.wish(Kind::Other, by, wish),
    }
}

/// What a content carries of its own.
fn content_size(content: &wit::Content) -> usize {
    match content {
        wit::Content::Payload(payload) => payload.body.len(),
        wit::Content::OfEvent(_) => 0,
    }
}
