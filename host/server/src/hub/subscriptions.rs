//! Connections in channels: who is in, as the channels and the connections themselves know it.

use super::{
    Hub, Link,
    link::{Noted, Since},
};
use std::sync::Arc;
use tengen_core::{
    broker::Position,
    effect::{Kind, Tally},
    roster::Member,
};
use tengen_wire::{
    fault::{Fault, FaultId},
    id::{Channel, Handle, is_name},
};

/// Why a connection does not come into a channel.
enum NotNew {
    Already,
    Refused(Fault),
}

impl NotNew {
    /// To be subscribed already is as good as to be subscribed.
    fn is_fine(self) -> Result<(), Fault> {
        match self {
            Self::Already => Ok(()),
            Self::Refused(why) => Err(why),
        }
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
        let joined = self.channels.join(channel, take, || self.note_change(channel, true));
        joined.or_else(NotNew::is_fine)
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
            let is_first = || self.note_change(channel, true);
            match self.channels.join_told(channel, take, is_first, &tell) {
                // A plugin was faster.
                Err(NotNew::Already) => {}
                Err(NotNew::Refused(why)) => return Err(why),
                Ok(()) => return Ok(()),
            }
        }
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
