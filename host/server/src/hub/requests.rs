//! Requests that the gateway answers itself: `tengen/*` events from clients.

use super::{
    Expected, Hub, Link,
    send::{Asleep, Deliveries},
};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::json;
use std::sync::Arc;
use tengen_core::broker::Position;
use tengen_wire::{
    dialect::Arrived,
    fault::{Fault, FaultId},
    id::{Channel, NAME_RULE, is_name},
    payload::{Encoding, Payload},
};

#[derive(Deserialize)]
struct Named {
    channel: String,
    /// Where a client was that has been there before.
    #[serde(default)]
    since: Option<IgnoredAny>,
}

impl Hub {
    /// Carries out a client's `tengen/*` request.
    pub(crate) fn request(&self, link: &Arc<Link>, arrived: Arrived) {
        if &*arrived.id != "tengen/subscribe" || !self.tell_position(link, &arrived) {
            self.respond(link, &arrived, self.answer_request(link, &arrived));
        }
    }

    /// A client asks for a subscription that it has: nobody has to allow that, and it is told where it is, before all that
    /// comes after that. False: it has none, or did not say of what.
    fn tell_position(&self, link: &Arc<Link>, arrived: &Arrived) -> bool {
        let Ok(Named { channel, since }) = named(&arrived.payload) else { return false };
        let channel = Channel::from(channel);
        self.at_position(link, &channel, |Position { epoch, offset }| {
            let position = json!({
                "channel": channel.as_str(),
                "epoch": &*epoch,
                "offset": offset,
                "recoverable": false,
                // Without a history nothing that was missed comes back.
                "recovered": since.map(|_| false),
                "publications": [],
            });
            self.respond(link, arrived, Ok(Payload::json(&position)));
        })
    }

    fn respond(&self, link: &Arc<Link>, arrived: &Arrived, result: Result<Payload, Fault>) {
        let Arrived { id, callback, .. } = arrived;
        let answered = result.and_then(|value| {
            let Some(callback) = callback.clone() else { return Ok(()) };
            let expected = Expected::new(Arc::clone(link), callback, id.clone());
            self.answer(&expected, &value, None, &mut Deliveries::new(self, Asleep::default()))
        });
        if let Err(why) = answered {
            self.send_fault(link, &why, Some(id), callback.as_ref());
        }
    }

    fn answer_request(&self, link: &Arc<Link>, arrived: &Arrived) -> Result<Payload, Fault> {
        match &*arrived.id {
            "tengen/subscriptions" => {
                let channels: Vec<_> =
                    link.subscriptions().iter().map(ToString::to_string).collect();
                Ok(Payload::json(&json!({ "channels": channels })))
            }
            "tengen/unsubscribe" => {
                let channel = Channel::from(named(&arrived.payload)?.channel);
                if !self.unsubscribe(link, &channel) {
                    return Err(Fault::new(
                        FaultId::NotFound,
                        format!("not subscribed to `{channel}`"),
                    ));
                }
                Ok(Payload::json(&json!({ "channel": channel.as_str() })))
            }
            "tengen/subscribe" | "tengen/publish" => {
                let channel = named(&arrived.payload)?.channel;
                let message = format!(
                    "clients may not do this on `{channel}`: no policy allows it; ask through an event of the application"
                );
                Err(Fault::new(FaultId::NotAllowed, message))
            }
            "tengen/history" | "tengen/presence" | "tengen/refresh" | "tengen/telemetry"
            | "tengen/answer" => Err(Fault::new(
                FaultId::Unsupported,
                format!("this version of the gateway does not offer `{}`", arrived.id),
            )),
            _ => Err(Fault::new(
                FaultId::UnknownEvent,
                format!("the gateway has no event `{}`", arrived.id),
            )),
        }
    }
}

fn named(payload: &Payload) -> Result<Named, Fault> {
    let payload = tengen_wire::payload::transcode(payload, Encoding::Json)?;
    let named: Result<Named, _> = serde_json::from_slice(&payload.body);
    // The name comes back in what is answered: nobody is made to carry more of it than a name may have.
    named.ok().filter(|named| is_name(&named.channel)).ok_or_else(|| {
        Fault::new(
            FaultId::Malformed,
            format!("the data must be a map with the text `channel`: {NAME_RULE}"),
        )
    })
}
