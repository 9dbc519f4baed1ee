//! A part of one call's outcome while it is carried out: on whose behalf, what it may touch, and how much is left of it.

use super::{
    AllRights, Hub, Link, Rights,
    budget::Budget,
    send::{Asleep, Deliveries},
};
use std::{
    cell::OnceCell,
    sync::{Arc, LazyLock},
};
use tengen_core::{
    effect::Content,
    event::{Event, Occurrence},
    trace::{self, Span, Start},
};
use tengen_wire::{
    fault::{Fault, FaultId},
    id::{Channel, Handle, PluginName},
    payload::Payload,
};

pub(super) struct Step<'a> {
    pub(super) hub: &'a Hub,
    pub(super) plugin: &'a PluginName,
    pub(super) rights: Entitled<'a>,
    pub(super) events: &'a [Event],
    pub(super) deliveries: Deliveries<'a>,
    budget: Budget,
}

/// What the plugin may do: looked up by the first effect that needs to know, and most outcomes have none.
pub(super) struct Entitled<'a> {
    hub: &'a Hub,
    plugin: &'a PluginName,
    all: &'a OnceCell<AllRights>,
    known: OnceCell<&'a Rights>,
}

impl Entitled<'_> {
    pub(super) fn get(&self) -> &Rights {
        self.known.get_or_init(|| {
            let all = self.all.get_or_init(|| self.hub.rights.load());
            all.get(self.plugin).unwrap_or(&self.hub.nobodys)
        })
    }
}

impl<'a> Step<'a> {
    /// `asleep`: what the step before this one has left to be written.
    pub(super) fn begin(
        hub: &'a Hub,
        plugin: &'a PluginName,
        events: &'a [Event],
        all: &'a OnceCell<AllRights>,
        asleep: Asleep,
    ) -> Self {
        let rights = Entitled { hub, plugin, all, known: OnceCell::new() };
        let deliveries = Deliveries::new(hub, asleep);
        Self { hub, plugin, rights, events, deliveries, budget: Budget::new() }
    }

    /// For what clients have brought about: it touches no more than its channel.
    pub(super) fn of_clients(hub: &'a Hub, all: &'a OnceCell<AllRights>) -> Self {
        static NOBODY: LazyLock<PluginName> = LazyLock::new(|| PluginName::from(""));
        Self::begin(hub, &NOBODY, &[], all, Asleep::default())
    }

    pub(super) fn is_over(&self) -> bool {
        self.budget.is_spent()
    }

    pub(super) fn spend(&mut self, deliveries: usize) {
        self.budget.spend(deliveries);
    }

    /// Counts what was delivered against the step's budget.
    pub(super) fn account(&mut self) {
        let made = self.deliveries.take_made();
        if made > 0 {
            self.budget.spend(made);
        }
    }

    pub(super) fn event(&self, by: u32) -> Option<&Event> {
        self.events.get(usize::try_from(by).ok()?)
    }

    pub(super) fn link_of(&self, event: &Event) -> Option<Arc<Link>> {
        event.connection.as_ref().and_then(|connection| self.hub.link(connection.handle))
    }

    pub(super) fn payload(&self, content: Content) -> Result<Payload, Fault> {
        match content {
            Content::Payload(payload) => Ok(payload),
            Content::OfEvent(place) => match self.event(place).map(|event| &event.what) {
                Some(Occurrence::Message(message)) => Ok(message.payload.clone()),
                _ => {
                    Err(Fault::new(FaultId::NotFound, "`of-event` names no message of this batch"))
                }
            },
        }
    }

    /// The delivery's span, when the causing event is recorded. It ends with the last write.
    pub(super) fn send_span(&self, by: u32, target: &str) -> Option<Span> {
        let parent = self.event(by)?.span.context().filter(|context| context.sampled)?;
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

    pub(super) fn own(&self, handle: Handle) -> Result<Arc<Link>, Fault> {
        match self.hub.link(handle) {
            Some(link) => self.owned(link),
            None => Err(Fault::new(FaultId::Closed, "the connection has ended")),
        }
    }

    pub(super) fn owned(&self, link: Arc<Link>) -> Result<Arc<Link>, Fault> {
        if self.rights.get().owns(&link) {
            return Ok(link);
        }
        Err(Fault::new(
            FaultId::NotAllowed,
            "the connection belongs to an endpoint that is not routed to this plugin",
        ))
    }

    pub(super) fn granted(&self, channel: &Channel) -> Result<(), Fault> {
        if self.rights.get().grants.may_publish(channel) {
            return Ok(());
        }
        Err(Fault::new(
            FaultId::NotAllowed,
            format!("the channel `{channel}` needs `grant.publish`"),
        ))
    }
}
