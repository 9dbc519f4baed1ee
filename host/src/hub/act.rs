//! Effects: what handlers decided, carried out.
//!
//! Everything a plugin names is checked here: it touches the connections of its own endpoints, the channels and users it
//! was granted, and nothing else.

use super::{
    Counters, Hub, Link, Rights,
    send::{Broadcast, Deliveries, Kind, count},
};
use crate::{
    close::{self, Reason},
    effect::{Caused, Content, Effect, Failure, Outcome, Target},
    event::{Connection, Event, Occurrence},
    fault::{Fault, FaultId},
    handler::Actor,
    id::{Channel, EventId, Handle, PluginName, UserId},
    payload::Payload,
    trace::{self, Span, Start},
};
use std::{sync::Arc, time::SystemTime};

/// One call's outcome while it is carried out.
struct Act<'a> {
    hub: &'a Hub,
    plugin: &'a PluginName,
    rights: &'a Rights,
    events: &'a [Event],
    deliveries: Deliveries<'a>,
    refused: Vec<Event>,
}

impl Actor for Hub {
    fn act(&self, plugin: &PluginName, events: &[Event], outcome: Outcome) -> Vec<Event> {
        let rights = self.rights.load();
        let nothing = Rights::default();
        let rights = rights.get(plugin).unwrap_or(&nothing);
        let deliveries = Deliveries::new(self);
        let mut act = Act { hub: self, plugin, rights, events, deliveries, refused: Vec::new() };
        let Outcome { effects, failures } = outcome;
        for Caused { by, what } in effects {
            if !failures.iter().any(|failure| failure.by == by) {
                act.effect(by, what);
            }
        }
        for failure in failures {
            act.failure(&failure);
        }
        act.refused
    }

    fn connections_of(&self, plugin: &PluginName) -> Vec<Arc<Connection>> {
        self.owned_by(plugin)
    }
}

impl<'a> Act<'a> {
    fn effect(&mut self, by: u32, what: Effect) {
        let key = match &what {
            Effect::Push { key, .. }
            | Effect::Publish { key, .. }
            | Effect::Unsupported { key, .. } => key.clone(),
            _ => None,
        };
        if let Err(why) = self.carry_out(by, what) {
            self.refuse(by, key, why);
        }
    }

    fn carry_out(&mut self, by: u32, what: Effect) -> Result<(), Fault> {
        match what {
            Effect::Reply { reply_to, value } => self.reply(by, reply_to, value),
            Effect::Push { to, except, id, content, .. } => {
                self.push(by, &to, except, &id, &content)
            }
            Effect::Publish { channel, id, content, except, keep: _, .. } => {
                self.publish(by, &channel, &id, &content, except)
            }
            Effect::Subscribe { connection, channel } => self.subscribe(connection, &channel),
            Effect::Unsubscribe { connection, channel } => {
                let link = self.own(connection)?;
                self.hub.unsubscribe(&link, &channel);
                Ok(())
            }
            Effect::Close { connection, code, reason } => self.close(connection, code, reason),
            Effect::SetTimer { .. } | Effect::CancelTimer { .. } => Err(not_offered("timers")),
            Effect::Unsupported { kind, .. } => Err(not_offered(&kind)),
        }
    }

    fn reply(
        &mut self,
        by: u32,
        reply_to: u32,
        value: Result<Content, Fault>,
    ) -> Result<(), Fault> {
        let Some(expected) = self.hub.take_reply(reply_to, self.plugin) else {
            Counters::add(&self.hub.counters.stray_replies, 1);
            return Err(Fault::new(FaultId::NotFound, "nobody waits for this reply any more"));
        };
        match value {
            Ok(content) => {
                let content = self.payload(&content)?;
                let span = self.send_span(by, &expected.event).map(Arc::new);
                self.hub.answer(&expected, content, span, &mut self.deliveries);
            }
            Err(why) => self.hub.answer_fault(&expected, &why),
        }
        Ok(())
    }

    fn push(
        &mut self,
        by: u32,
        to: &Target,
        except: Option<Handle>,
        id: &EventId,
        content: &Content,
    ) -> Result<(), Fault> {
        let content = self.payload(content)?;
        let receivers = self.receivers(by, to)?;
        let mut span = self.send_span(by, id);
        if let Some(span) = &mut span {
            span.set("messaging.batch.message_count", count(receivers.len()));
        }
        let mut broadcast = Broadcast::new(Kind::Push { id }, content, span.map(Arc::new));
        for link in receivers.iter().filter(|link| Some(link.facts.handle) != except) {
            broadcast.deliver(&mut self.deliveries, link);
        }
        broadcast.outcome().map(drop)
    }

    fn publish(
        &mut self,
        by: u32,
        channel: &Channel,
        id: &EventId,
        content: &Content,
        except: Option<Handle>,
    ) -> Result<(), Fault> {
        self.granted(channel)?;
        let content = self.payload(content)?;
        let span = self.send_span(by, id);
        self.hub.publish(channel, id, content, except, span, &mut self.deliveries).map(drop)
    }

    fn subscribe(&mut self, connection: Handle, channel: &Channel) -> Result<(), Fault> {
        self.granted(channel)?;
        let link = self.own(connection)?;
        if self.hub.subscribe(&link, channel) {
            return Ok(());
        }
        Err(Fault::new(
            FaultId::LimitReached,
            "the connection has as many subscriptions as it may have",
        ))
    }

    fn close(&mut self, connection: Handle, code: u16, reason: String) -> Result<(), Fault> {
        let link = self.own(connection)?;
        if !close::plugin_may_close_with(code) || reason.len() > close::REASON_MAX {
            let message =
                "a plugin closes with 1000 or 3000 to 4999, and a reason of at most 123 bytes";
            return Err(Fault::new(FaultId::NotAllowed, message));
        }
        link.close(Reason::Plugin { code, reason });
        Ok(())
    }

    /// Everybody a push is meant for. Users and channels reach over endpoints, hence their grants.
    fn receivers(&self, by: u32, to: &Target) -> Result<Vec<Arc<Link>>, Fault> {
        match to {
            Target::Connection(handle) => Ok(vec![self.own(*handle)?]),
            // Those that have gone meanwhile are nobody's fault; a foreign one refuses the whole push.
            Target::Connections(handles) => {
                let links = handles.iter().filter_map(|handle| self.hub.link(*handle));
                links.map(|link| self.owned(link)).collect()
            }
            Target::User(user) => self.of_users(std::slice::from_ref(user)),
            Target::Users(users) => self.of_users(users),
            Target::Channel(channel) => {
                self.granted(channel)?;
                let Some(members) = self.hub.read_tables().channels.members(channel) else {
                    return Ok(Vec::new());
                };
                let members = members.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                Ok(members.subscribers.values().cloned().collect())
            }
            Target::Endpoint => self.of_endpoint(by),
        }
    }

    fn of_users(&self, users: &[UserId]) -> Result<Vec<Arc<Link>>, Fault> {
        if let Some(user) = users.iter().find(|user| !self.rights.grants.may_push_to(user)) {
            let message = format!("pushing to the user `{user}` needs `grant.push`");
            return Err(Fault::new(FaultId::NotAllowed, message));
        }
        let mut links = Vec::new();
        for user in users {
            links.extend(self.hub.read_tables().of_user(user).cloned());
        }
        Ok(links)
    }

    fn of_endpoint(&self, by: u32) -> Result<Vec<Arc<Link>>, Fault> {
        if !self.rights.grants.endpoint {
            return Err(Fault::new(
                FaultId::NotAllowed,
                "pushing to a whole endpoint needs `grant.endpoint`",
            ));
        }
        let cause = self.events.get(by as usize).and_then(|event| event.connection.as_ref());
        let Some(cause) = cause else {
            return Err(Fault::new(FaultId::NotFound, "the causing event came from no connection"));
        };
        Ok(self.hub.all(|link| link.facts.endpoint_index == cause.endpoint_index))
    }

    fn own(&self, handle: Handle) -> Result<Arc<Link>, Fault> {
        match self.hub.link(handle) {
            Some(link) => self.owned(link),
            None => Err(Fault::new(FaultId::Closed, "the connection has ended")),
        }
    }

    fn owned(&self, link: Arc<Link>) -> Result<Arc<Link>, Fault> {
        if self.rights.owns(&link) {
            return Ok(link);
        }
        Err(Fault::new(
            FaultId::NotAllowed,
            "the connection belongs to an endpoint that is not routed to this plugin",
        ))
    }

    fn granted(&self, channel: &Channel) -> Result<(), Fault> {
        if self.rights.grants.may_publish(channel) {
            return Ok(());
        }
        Err(Fault::new(
            FaultId::NotAllowed,
            format!("the channel `{channel}` needs `grant.publish`"),
        ))
    }

    fn payload<'c>(&self, content: &'c Content) -> Result<&'c Payload, Fault>
    where
        'a: 'c,
    {
        match content {
            Content::Payload(payload) => Ok(payload),
            Content::OfEvent(place) => {
                match self.events.get(*place as usize).map(|event| &event.what) {
                    Some(Occurrence::Message(message)) => Ok(&message.payload),
                    _ => Err(Fault::new(
                        FaultId::NotFound,
                        "`of-event` names no message of this batch",
                    )),
                }
            }
        }
    }

    /// The delivery's span, when the causing event is recorded. It ends with the last write.
    fn send_span(&self, by: u32, target: &str) -> Option<Span> {
        let cause = self.events.get(by as usize)?;
        let parent = cause.span.context().filter(|context| context.sampled)?;
        let start = Start {
            operation: "send",
            target,
            kind: trace::Kind::Producer,
            parent: Some(parent),
            link: None,
            at: None,
        };
        let mut span = self.hub.tracer.start(start);
        span.set("messaging.system", "tengen");
        span.set("messaging.operation.name", "send");
        Some(span)
    }

    fn failure(&mut self, failure: &Failure) {
        let Some(event) = self.events.get(failure.by as usize) else { return };
        self.tell_sender(event, &failure.why);
        if let Some(code) = failure.close
            && close::plugin_may_close_with(code)
            && let Some(link) =
                event.connection.as_ref().and_then(|connection| self.hub.link(connection.handle))
        {
            link.close(Reason::Plugin { code, reason: failure.why.id.word().to_owned() });
        }
    }

    /// A failed message is answered; without a callback its error is pushed. Other occurrences have no sender.
    fn tell_sender(&self, event: &Event, why: &Fault) {
        let Occurrence::Message(message) = &event.what else { return };
        match message.reply_to {
            Some(number) => {
                if let Some(expected) = self.hub.take_reply(number, self.plugin) {
                    self.hub.answer_fault(&expected, why);
                }
            }
            None => {
                if let Some(link) =
                    event.connection.as_ref().and_then(|facts| self.hub.link(facts.handle))
                {
                    self.hub.send_fault(&link, why, Some(&message.id), None);
                }
            }
        }
    }

    fn refuse(&mut self, by: u32, key: Option<String>, why: Fault) {
        Counters::add(&self.hub.counters.refused_effects, 1);
        tracing::debug!(plugin = %self.plugin, why = %why.message, "effect refused");
        let Some(key) = key else { return };
        let connection = self.events.get(by as usize).and_then(|event| event.connection.clone());
        self.refused.push(Event {
            connection,
            seq: 0,
            at: SystemTime::now(),
            what: Occurrence::Refused { key, why },
            span: Span::none(),
            permit: None,
        });
    }
}

fn not_offered(what: &str) -> Fault {
    Fault::new(FaultId::Unsupported, format!("this version of the gateway does not offer {what}"))
}
