//! Connections in channels: who is in, as the channels and the connections themselves know it.

use super::{
    Hub, Link,
    link::{Forgotten, Noted, Since},
};
use serde_json::json;
use std::sync::Arc;
use tengen_core::{
    broker::Position,
    effect::{Kind, Tally},
    event::Connection,
    roster::Member,
};
use tengen_wire::{
    fault::{Fault, FaultId},
    id::{Channel, EventId, Handle, is_name},
    payload::Payload,
};

/// Why a connection does not come into a channel.
enum NotNew {
    Already,
    Refused(Fault),
}

impl NotNew {
    /// To be subscribed already is as good as to be subscribed.
    fn or_fine(self) -> Result<(), Fault> {
        match self {
            Self::Already => Ok(()),
            Self::Refused(why) => Err(why),
        }
    }
}

/// What a channel takes of memory, at most, with its name, its numbers and a first member.
const CHANNEL: usize = 1024;

/// A channel's part of what is held of memory: it counts with the connection that was the first in it, as long as the channel is
/// there. Peers choose names, and each new one is another channel.
#[derive(Debug)]
pub(super) struct Share {
    first: Arc<Connection>,
    bytes: usize,
}

impl Share {
    fn of(link: &Link, channel: &Channel) -> Self {
        let (first, bytes) = (Arc::clone(&link.facts), CHANNEL + channel.len());
        first.waiting.channels.add(&first.waiting.holding, bytes);
        Self { first, bytes }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let waiting = &self.first.waiting;
        waiting.channels.subtract(&waiting.holding, self.bytes);
    }
}

/// A connection in a channel.
#[derive(Debug, Clone)]
pub(super) struct Subscriber {
    pub(super) handle: Handle,
    /// Which of the connection's subscriptions it is: it knows whether that has ended.
    pub(super) since: Since,
    pub(super) link: Arc<Link>,
}

impl Member for Subscriber {
    fn handle(&self) -> Handle {
        self.handle
    }
}

impl Hub {
    /// How many channels have subscribers.
    pub fn channels(&self) -> usize {
        self.channels.len()
    }

    /// Subscribes a connection to the channels that it begins with: those of its admission, and its user's own.
    pub(super) fn begin_subscribed(&self, link: &Arc<Link>) {
        let user = link.facts.user.as_ref();
        let personal = user.into_iter().flat_map(|user| self.rules.personal(&user.id));
        let mut left_out = 0;
        for channel in link.take_initial_channels().into_iter().chain(personal) {
            let is_subscribed = is_name(&channel) && self.subscribe(link, &channel).is_ok();
            left_out += u64::from(!is_subscribed);
        }
        if left_out > 0 {
            self.left_out(link, left_out);
        }
    }

    /// Channels that a connection came in with and that it did not get: over the limit, or longer than a name may be.
    fn left_out(&self, link: &Link, count: u64) {
        let message =
            "a connection begins with more channels than `limits.per_connection.subscriptions`";
        let why = Fault::new(FaultId::LimitReached, message);
        if self.meter.refused(&Tally { kind: Kind::Subscribe, why, count }) {
            tracing::warn!(connection = %link.facts.id, count, "{message}, or with a name of more than 256 bytes: raise the limit, have the authenticator name fewer, or name `personal` channels shorter. Further ones are only counted");
        }
    }

    /// Subscribes a connection: it gets what is published from here on. Twice is as good as once.
    pub(crate) fn subscribe(&self, link: &Arc<Link>, channel: &Channel) -> Result<(), Fault> {
        let take = || self.take(link, channel);
        let joined = self.channels.join(channel, take, || self.is_first(link, channel));
        if joined.is_ok() {
            self.note_member(link, channel);
        }
        joined.or_else(NotNew::or_fine)
    }

    /// The same for who is told where it begins, before all that follows that. Who is subscribed already is told where it is.
    pub(super) fn subscribe_told(
        &self,
        link: &Arc<Link>,
        channel: &Channel,
        tell: impl Fn(Position),
    ) -> Result<(), Fault> {
        loop {
            if self.at_position(link, channel, &tell) {
                return Ok(());
            }
            let take = || self.take(link, channel);
            let is_first = || self.is_first(link, channel);
            match self.channels.join_told(channel, take, is_first, &tell) {
                // A plugin was faster.
                Err(NotNew::Already) => {}
                Err(NotNew::Refused(why)) => return Err(why),
                Ok(()) => {
                    self.note_member(link, channel);
                    return Ok(());
                }
            }
        }
    }

    fn is_first(&self, link: &Link, channel: &Channel) -> Share {
        self.note_change(channel, true);
        Share::of(link, channel)
    }

    fn take(&self, link: &Arc<Link>, channel: &Channel) -> Result<Subscriber, NotNew> {
        match link.note_subscription(channel, self.limits.subscriptions) {
            Noted::New(since) => {
                Ok(Subscriber { handle: link.facts.handle, since, link: Arc::clone(link) })
            }
            Noted::Already => Err(NotNew::Already),
            Noted::Full => Err(NotNew::Refused(Fault::new(
                FaultId::LimitReached,
                "the connection has as many subscriptions as it may have (`limits.per_connection.subscriptions`)",
            ))),
            Noted::Over => {
                Err(NotNew::Refused(Fault::new(FaultId::Closed, "the connection has ended")))
            }
        }
    }

    /// Ends a subscription; false when there was none, which a peer may ask for as often as it likes.
    pub(crate) fn unsubscribe(&self, link: &Arc<Link>, channel: &Channel) -> bool {
        let ended = link.forget_subscription(channel);
        ended.is_some_and(|Forgotten { since, .. }| {
            self.leave(link, channel, since);
            self.note_member(link, channel);
            true
        })
    }

    /// Ends a subscription for the application: a client that knows of it is told. One that is not there is no fault.
    pub(super) fn put_out(&self, link: &Arc<Link>, channel: &Channel) {
        let Some(Forgotten { since, was_known }) = link.forget_subscription(channel) else {
            return;
        };
        self.leave(link, channel, since);
        self.note_member(link, channel);
        if was_known {
            let why = json!({ "channel": channel.as_str(), "reason": "application" });
            self.push_to(link, &EventId::from("tengen/unsubscribed"), &Payload::json(&why));
        }
    }

    /// Ends all subscriptions of a connection that is gone.
    pub(super) fn leave_all(&self, link: &Link) {
        for (channel, since) in link.end_subscriptions() {
            self.leave(link, &channel, since);
        }
    }

    /// The connection knows of it already: what is under way to it in the channel is not delivered any more.
    fn leave(&self, link: &Link, channel: &Channel, since: Since) {
        let is_it = |member: &Subscriber| member.since == since;
        let is_last = || self.note_change(channel, false);
        self.channels.leave(channel, link.facts.handle, is_it, is_last);
    }
}
