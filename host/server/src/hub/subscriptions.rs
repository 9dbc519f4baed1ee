//! Connections in channels: who is in, as the channels and the connections themselves know it.

use super::{
    Hub, Link,
    link::{Noted, Since},
};
use std::sync::Arc;
use tengen_core::roster::Member;
use tengen_wire::{
    fault::{Fault, FaultId},
    id::{Channel, Handle},
};

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

    /// Subscribes a connection: it gets what is published from here on. Twice is as good as once.
    pub(crate) fn subscribe(&self, link: &Arc<Link>, channel: &Channel) -> Result<(), Fault> {
        let handle = link.facts.handle;
        let take = || match link.note_subscription(channel, self.limits.subscriptions) {
            Noted::New(since) => Ok(Subscriber { handle, since, link: Arc::clone(link) }),
            noted => Err(noted),
        };
        match self.channels.join(channel, take, || self.note_change(channel, true)) {
            Ok(()) | Err(Noted::New(_) | Noted::Already) => Ok(()),
            Err(Noted::Full) => Err(Fault::new(
                FaultId::LimitReached,
                "the connection has as many subscriptions as it may have (`limits.per_connection.subscriptions`)",
            )),
            Err(Noted::Over) => Err(Fault::new(FaultId::Closed, "the connection has ended")),
        }
    }

    /// Ends a subscription; false when there was none, which a peer may ask for as often as it likes.
    pub(crate) fn unsubscribe(&self, link: &Link, channel: &Channel) -> bool {
        let since = link.forget_subscription(channel);
        since.is_some_and(|since| {
            self.leave(link, channel, since);
            true
        })
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
