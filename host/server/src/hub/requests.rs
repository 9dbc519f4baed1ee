//! Requests that the gateway answers itself: events of clients in `tengen/`, and their dialects' own words for them.

use super::{
    Expected, Hub, Link,
    fanout::Publishing,
    publications::UnderWay,
    send::{Asleep, Deliveries, Kind, Letter},
};
use serde_json::json;
use std::sync::Arc;
use tengen_core::{
    broker::{Position, Published},
    event::Permit,
    meter::Happened,
    rules::{Forbidden, Wish},
};
use tengen_wire::{
    dialect::{self, Arrived, Asked, Publish, Request},
    fault::{Fault, FaultId},
    id::Channel,
    payload::Payload,
};

impl Hub {
    /// Carries out a client's request. `permit`: its place, for what takes longer than this.
    pub(crate) fn request(
        &self,
        link: &Arc<Link>,
        asked: Asked,
        arrived: Arrived,
        permit: Option<Permit>,
    ) {
        let request = dialect::request(link.wire, asked, &arrived);
        let done = request.and_then(|request| match request {
            Request::Subscribe { channel, has_position } => {
                self.let_in(link, &arrived, &channel, has_position)
            }
            Request::Unsubscribe { channel } => self.let_out(link, &arrived, &channel),
            Request::Publish(what) => self.publish_for(link, &arrived, what, permit),
            Request::Answer(answer) => self.take_answer(link, &arrived, answer, permit),
            Request::Subscriptions => {
                let channels: Vec<_> =
                    link.subscriptions().iter().map(ToString::to_string).collect();
                self.respond(link, &arrived, &Payload::json(&json!({ "channels": channels })))
            }
        });
        if let Err(why) = done {
            self.count_request(asked, &why);
            self.send_fault(link, &why, Some(&arrived.id), arrived.callback.as_ref());
        }
    }

    /// It was refused.
    pub(super) fn count_request(&self, asked: Asked, why: &Fault) {
        self.meter.note(Happened::RequestRefused(asked, why.id));
    }

    /// A client that has the subscription needs nobody's leave, and is told where it is; others are subscribed if they may be.
    fn let_in(
        &self,
        link: &Arc<Link>,
        arrived: &Arrived,
        channel: &Channel,
        has_position: bool,
    ) -> Result<(), Fault> {
        let tell = |Position { epoch, offset }: Position| {
            link.tell_subscription(channel);
            let position = json!({
                "channel": channel.as_str(),
                "epoch": &*epoch,
                "offset": offset,
                "recoverable": false,
                // Without a history nothing that was missed comes back.
                "recovered": has_position.then_some(false),
                "publications": [],
            });
            // All its values have a form in every format: it can be said.
            let _told = self.respond(link, arrived, &Payload::json(&position));
        };
        match self.allow(link, Wish::Subscribe, channel) {
            Ok(()) => self.subscribe_told(link, channel, tell),
            Err(_) if self.at_position(link, channel, tell) => Ok(()),
            Err(why) => Err(why),
        }
    }

    fn let_out(&self, link: &Arc<Link>, arrived: &Arrived, channel: &Channel) -> Result<(), Fault> {
        if !self.unsubscribe(link, channel) {
            return Err(Fault::new(FaultId::NotFound, format!("not subscribed to `{channel}`")));
        }
        self.respond(link, arrived, &Payload::json(&json!({ "channel": channel.as_str() })))
    }

    fn publish_for(
        &self,
        link: &Arc<Link>,
        arrived: &Arrived,
        what: Publish,
        permit: Option<Permit>,
    ) -> Result<(), Fault> {
        let Publish { channel, id, data, echo } = what;
        self.allow(link, Wish::Publish, &channel)?;
        let at = Published { offset: 0, prev: 0 };
        let from = Some(Arc::clone(&link.facts));
        let kind = Kind::Publication { channel: channel.clone(), id, at, from };
        let except = (!echo).then_some(link.facts.handle);
        let letter = Letter { kind, content: data, except, span: None };
        let mut deliveries = Deliveries::new(self, Asleep::default());
        let begun = Publishing::begin(&channel, letter, &mut deliveries);
        drop(deliveries);
        if let Some(Position { epoch, offset }) = begun.position {
            let place = json!({ "channel": channel.as_str(), "epoch": &*epoch, "offset": offset });
            self.respond(link, arrived, &Payload::json(&place))?;
        }
        match begun.left {
            Ok(None) => {}
            Ok(Some(publishing)) => {
                let link = Arc::clone(link);
                self.publications.add(UnderWay { publishing, link, permit });
            }
            Err(why) => self.fell_short(link, &why),
        }
        Ok(())
    }

    /// Whether the configuration lets a client do this.
    fn allow(&self, link: &Link, wish: Wish, channel: &Channel) -> Result<(), Fault> {
        let user = link.facts.user.as_ref().map(|user| user.id.as_str());
        self.rules.judge(wish, channel, user).map_err(|forbidden| {
            let message = match forbidden {
                Forbidden::Everybody => format!(
                    "clients may not do this on `{channel}`: no policy allows it; ask through an event of the application"
                ),
                Forbidden::Anonymous => {
                    format!("only users may do this on `{channel}`: come back as one")
                }
                Forbidden::Others => format!("`{channel}` is another user's"),
            };
            Fault::new(FaultId::NotAllowed, message)
        })
    }

    /// Answers whoever waits for an answer.
    pub(super) fn respond(
        &self,
        link: &Arc<Link>,
        arrived: &Arrived,
        value: &Payload,
    ) -> Result<(), Fault> {
        let Some(callback) = arrived.callback.clone() else { return Ok(()) };
        let expected = Expected::new(Arc::clone(link), callback, arrived.id.clone());
        self.answer(&expected, value, None, &mut Deliveries::new(self, Asleep::default()))
    }
}
