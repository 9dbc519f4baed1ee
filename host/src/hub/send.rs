//! Delivery: one message, encoded at most once per wire, to any number of outboxes.

use super::{Counters, Ended, Expected, Hub, Link};
use crate::{
    effect::{Failure, Outcome},
    envelope::{self, Publication, Wire},
    fault::Fault,
    handler::{Actor, Declined},
    id::{Channel, EventId, Handle, PluginName},
    outbox::{Item, Offered},
    payload::{Frame, Payload},
    trace::{Span, TraceContext},
};
use std::{
    sync::{Arc, PoisonError},
    time::Instant,
};

/// What is sent, before it has a wire.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind<'a> {
    Push { id: &'a EventId },
    Publication { channel: &'a Channel, id: &'a EventId, offset: u64 },
}

/// A message on its way to many: each wire's frame is made when its first receiver comes up, and shared by the others.
#[derive(Debug)]
pub(super) struct Broadcast<'a> {
    kind: Kind<'a>,
    content: &'a Payload,
    span: Option<Arc<Span>>,
    frames: [Option<Option<Frame>>; Wire::ALL.len()],
    pub(super) reached: u32,
    fault: Option<Fault>,
}

impl<'a> Broadcast<'a> {
    pub(super) fn new(kind: Kind<'a>, content: &'a Payload, span: Option<Arc<Span>>) -> Self {
        Self {
            kind,
            content,
            span,
            frames: [const { None }; Wire::ALL.len()],
            reached: 0,
            fault: None,
        }
    }

    /// Queues the message for one receiver.
    pub(super) fn deliver(&mut self, deliveries: &mut Deliveries<'_>, link: &Arc<Link>) {
        let context = self.span.as_ref().and_then(|span| span.context());
        let Some(place) = self.frames.get_mut(link.wire.index()) else { return };
        let frame = place.get_or_insert_with(|| {
            match encode(link.wire, self.kind, self.content, context) {
                Ok(frame) => Some(frame),
                Err(fault) => {
                    self.fault.get_or_insert(fault);
                    None
                }
            }
        });
        let Some(frame) = frame else {
            Counters::add(&deliveries.hub.counters.unsupported, 1);
            return;
        };
        let channel = match self.kind {
            Kind::Publication { channel, .. } => Some(channel.clone()),
            Kind::Push { .. } => None,
        };
        let item = Item { frame: frame.clone(), channel, span: self.span.clone() };
        if deliveries.queue(link, item) {
            self.reached += 1;
        }
    }

    /// How many outboxes took it; or why nobody's format could hold it.
    pub(super) fn outcome(self) -> Result<u32, Fault> {
        match self.fault {
            Some(fault) if self.reached == 0 => Err(fault),
            _ => Ok(self.reached),
        }
    }
}

/// Frames that are queued together. When this is dropped, they are on their way.
#[derive(Debug)]
pub(super) struct Deliveries<'a> {
    hub: &'a Hub,
    /// Connections whose tasks sleep, and for which a writer is to write.
    asleep: Vec<Arc<Link>>,
}

impl<'a> Deliveries<'a> {
    pub(super) fn new(hub: &'a Hub) -> Self {
        Self { hub, asleep: Vec::new() }
    }

    /// Queues one item and counts what was lost by it. True when the connection will get it.
    fn queue(&mut self, link: &Arc<Link>, item: Item) -> bool {
        let (offered, to_be_written) = link.send_later(item);
        if to_be_written {
            self.asleep.push(Arc::clone(link));
        }
        self.hub.count_offered(link, offered)
    }
}

impl Drop for Deliveries<'_> {
    fn drop(&mut self) {
        self.hub.writers.write(std::mem::take(&mut self.asleep));
    }
}

/// A number of receivers as a span's attribute.
pub(super) fn count(receivers: usize) -> i64 {
    i64::try_from(receivers).unwrap_or(i64::MAX)
}

fn encode(
    wire: Wire,
    kind: Kind<'_>,
    content: &Payload,
    context: Option<&TraceContext>,
) -> Result<Frame, Fault> {
    match kind {
        Kind::Push { id } => envelope::push(wire, id, content, context),
        Kind::Publication { channel, id, offset } => {
            envelope::publication(wire, &Publication { channel, id, content, offset }, context)
        }
    }
}

impl Hub {
    /// Queues one item and counts what was lost by it. True when the connection will get it.
    pub(super) fn queue(&self, link: &Link, item: Item) -> bool {
        self.count_offered(link, link.send(item))
    }

    fn count_offered(&self, link: &Link, offered: Offered) -> bool {
        match offered {
            Offered::Queued => {
                Counters::add(&self.counters.delivered, 1);
                true
            }
            Offered::Displaced(older) => {
                Counters::add(&self.counters.delivered, 1);
                Counters::add(&self.counters.outbox_dropped, u64::from(older));
                true
            }
            Offered::Dropped => {
                Counters::add(&self.counters.outbox_dropped, 1);
                false
            }
            Offered::Full => {
                Counters::add(&self.counters.outbox_dropped, 1);
                Counters::add(&self.counters.slow_consumers, 1);
                tracing::warn!(connection = %link.facts.id, depth = link.depth(), "outbox is full, closing the slow connection");
                false
            }
        }
    }

    /// Pushes to one connection what the gateway itself has to say.
    pub(crate) fn push_to(&self, link: &Link, id: &EventId, content: &Payload) {
        match envelope::push(link.wire, id, content, None) {
            Ok(frame) => {
                self.queue(link, Item { frame, channel: None, span: None });
            }
            Err(fault) => {
                tracing::warn!(event = %id, why = %fault.message, "the gateway's own event could not be encoded")
            }
        }
    }

    /// Publishes to a channel: offsets and deliveries are one order for all subscribers. The offset, and how many
    /// outboxes took it; none when the channel has no subscriber.
    pub(super) fn publish(
        &self,
        channel: &Channel,
        id: &EventId,
        content: &Payload,
        except: Option<Handle>,
        mut span: Option<Span>,
        deliveries: &mut Deliveries<'_>,
    ) -> Result<u32, Fault> {
        let Some(members) = self.read_tables().channels.members(channel) else { return Ok(0) };
        let mut members = members.lock().unwrap_or_else(PoisonError::into_inner);
        members.offset += 1;
        let kind = Kind::Publication { channel, id, offset: members.offset };
        if let Some(span) = &mut span {
            span.set("messaging.destination.name", channel.to_string());
            span.set("messaging.batch.message_count", count(members.subscribers.len()));
        }
        let mut broadcast = Broadcast::new(kind, content, span.map(Arc::new));
        for (handle, link) in &members.subscribers {
            if Some(*handle) != except {
                broadcast.deliver(deliveries, link);
            }
        }
        broadcast.outcome()
    }

    /// A number by which handlers may answer; what was expected comes back when too many callers wait.
    pub(crate) fn expect_reply(
        &self,
        expected: Box<Expected>,
        now: Instant,
    ) -> Result<u32, Box<Ended>> {
        self.replies().expect(expected, now)
    }

    /// Answers the sender of an event that a handler did not take.
    pub(crate) fn decline(&self, plugin: &PluginName, declined: Box<Declined>) {
        Counters::add(&self.counters.overloaded, 1);
        let Declined { mut event, why } = *declined;
        event.span.fail(why.id.word());
        let failure = Failure { by: 0, why, close: None };
        self.act(plugin, &[event], Outcome { effects: Vec::new(), failures: vec![failure] });
    }

    /// Takes out what a handler was asked for, once.
    pub(super) fn take_reply(&self, number: u32, plugin: &PluginName) -> Option<Box<Expected>> {
        self.replies().take(number, plugin)
    }

    /// A handler is done with an event whose sender waits for a reply, and gave none; or failed.
    pub(super) fn decided(&self, number: u32, plugin: &PluginName, failed: Option<&Fault>) {
        let ended = self.replies().decided(number, plugin, failed);
        if let Some(Ended { expected, why }) = ended {
            self.answer_fault(&expected, &why);
        }
    }

    /// A handler has failed at an event that these have now instead; none: others have it already.
    pub(crate) fn pass_reply_on(&self, number: u32, from: &PluginName, to: Vec<PluginName>) {
        self.replies().pass_on(number, from, to);
    }

    /// Answers a caller with a value. A value that the caller's format cannot hold becomes the fault that says so.
    pub(super) fn answer(
        &self,
        expected: &Expected,
        content: &Payload,
        span: Option<Arc<Span>>,
        deliveries: &mut Deliveries<'_>,
    ) {
        let link = &expected.link;
        let context = span.as_ref().and_then(|span| span.context());
        match envelope::reply(link.wire, &expected.callback, content, context) {
            Ok(frame) => {
                Counters::add(&self.counters.replies, 1);
                deliveries.queue(link, Item { frame, channel: None, span });
            }
            Err(fault) => {
                Counters::add(&self.counters.unsupported, 1);
                self.send_fault(link, &fault, Some(&expected.event), Some(&expected.callback));
            }
        }
    }

    /// Answers a caller whose event failed.
    pub(super) fn answer_fault(&self, expected: &Expected, why: &Fault) {
        self.send_fault(&expected.link, why, Some(&expected.event), Some(&expected.callback));
    }

    /// Tells a peer that something of its failed: by its callback, or as `tengen/error`.
    pub(crate) fn send_fault(
        &self,
        link: &Link,
        why: &Fault,
        event: Option<&str>,
        callback: Option<&envelope::Callback>,
    ) {
        if let Some(frame) = envelope::error(link.wire, why, event, callback) {
            self.queue(link, Item { frame, channel: None, span: None });
        }
    }
}
