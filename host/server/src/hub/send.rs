//! Delivery: one message, encoded at most once per wire and transport, to any number of outboxes.

use super::{
    Ended, Expected, Hub, Link, budget, frames::Frames, replies::Said, subscriptions::Subscriber,
};
use std::{
    sync::Arc,
    time::{self, Duration},
};
use tengen_core::{
    broker::Published,
    effect::{Failure, Outcome},
    event::Connection,
    handler::{Actor, Declined, Progress, Work},
    meter::Happened,
    outbox::{Item, Offered},
    trace::{Span, TraceContext},
};
use tengen_wire::{
    dialect::{self, Publication, Publisher, Wire},
    fault::{Fault, FaultId},
    id::{Channel, EventId, Handle, PluginName},
    payload::{self, Frame, Payload},
};
use tokio::time::Instant;

/// What is sent, before it has a wire.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    Push {
        id: EventId,
    },
    /// Its number comes with the channel, see [`Letter::number`].
    Publication {
        channel: Channel,
        id: EventId,
        at: Published,
        /// The client that publishes it; none: a plugin does.
        from: Option<Arc<Connection>>,
    },
}

/// A message of which nobody has got anything yet.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) kind: Kind,
    pub(super) content: Payload,
    /// Who is left out.
    pub(super) except: Option<Handle>,
    pub(super) span: Option<Span>,
}

impl Letter {
    /// Sends it to so many.
    pub(super) fn to(self, receivers: usize) -> Broadcast {
        let Self { kind, content, except, mut span } = self;
        if let Some(span) = &mut span {
            let count = i64::try_from(receivers).unwrap_or(i64::MAX);
            span.set("messaging.batch.message_count", count);
        }
        Broadcast {
            kind,
            content,
            except,
            span: span.map(Arc::new),
            converted: None,
            frames: Frames::default(),
            reached: 0,
            left_out: 0,
            fault: None,
        }
    }

    pub(super) fn is_publication(&self) -> bool {
        matches!(self.kind, Kind::Publication { .. })
    }

    /// Whether it is a publication of a client's.
    pub(super) fn is_clients(&self) -> bool {
        matches!(self.kind, Kind::Publication { from: Some(_), .. })
    }

    /// Gives a publication its number.
    pub(super) fn number(&mut self, published: Published) {
        if let Kind::Publication { at, .. } = &mut self.kind {
            *at = published;
        }
    }
}

/// A message on its way to many: the bytes of each wire over each transport are made when the first receiver comes up, and
/// shared by the others.
#[derive(Debug)]
pub(super) struct Broadcast {
    kind: Kind,
    content: Payload,
    except: Option<Handle>,
    span: Option<Arc<Span>>,
    /// The content in formats that are not its own: each is made once, however many wires speak it.
    converted: Option<Box<Converted>>,
    frames: Frames,
    /// Whose outboxes took it.
    reached: u32,
    /// Whose formats cannot hold it.
    left_out: u32,
    fault: Option<Fault>,
}

impl Broadcast {
    /// Queues the message for one receiver.
    pub(super) fn deliver(&mut self, deliveries: &mut Deliveries<'_>, link: &Arc<Link>) {
        if let Some(item) = self.item(deliveries, link.facts.handle, link)
            && deliveries.queue(link, item)
        {
            self.reached += 1;
        }
    }

    /// Queues the message for a member of a channel, unless that has left since it was found.
    pub(super) fn deliver_in(
        &mut self,
        channel: &Channel,
        deliveries: &mut Deliveries<'_>,
        member: &Subscriber,
    ) {
        if let Some(item) = self.item(deliveries, member.handle, &member.link)
            && deliveries.queue_in(channel, member, item)
        {
            self.reached += 1;
        }
    }

    /// What one receiver gets; none if it is left out.
    fn item(
        &mut self,
        deliveries: &mut Deliveries<'_>,
        handle: Handle,
        link: &Arc<Link>,
    ) -> Option<Item> {
        deliveries.made += 1;
        if Some(handle) == self.except {
            return None;
        }
        let context = self.span.as_ref().and_then(|span| span.context());
        let frame = self.frames.of(link.lane(), || {
            deliveries.made += budget::encoding(self.content.body.len());
            let content = in_format_of(link.wire, &self.content, &mut self.converted);
            match content.and_then(|content| encode(link.wire, &self.kind, &content, context)) {
                Ok(frame) => Some(link.frame(frame)),
                Err(fault) => {
                    self.fault.get_or_insert(fault);
                    None
                }
            }
        });
        let Some(frame) = frame else {
            self.left_out += 1;
            deliveries.hub.meter.note(Happened::Unsupported);
            return None;
        };
        let channel = match &self.kind {
            Kind::Publication { channel, .. } => Some(channel.clone()),
            Kind::Push { .. } => None,
        };
        Some(Item { frame: frame.clone(), channel, span: self.span.clone() })
    }

    /// Where it stands in its channel, if it is a publication.
    pub(super) fn published(&self) -> Option<Published> {
        match &self.kind {
            Kind::Publication { at, .. } => Some(*at),
            Kind::Push { .. } => None,
        }
    }

    /// Why it did not reach all: there is a format that cannot hold it.
    pub(super) fn end(self) -> Result<(), Fault> {
        let Some(fault) = self.fault else { return Ok(()) };
        if self.reached == 0 {
            return Err(fault);
        }
        let (left_out, message) = (self.left_out, &fault.message);
        let all = self.reached.saturating_add(left_out);
        let message = format!("{left_out} of {all} receivers did not get it: {message}");
        Err(Fault { message, ..fault })
    }
}

/// Connections whose tasks sleep, and for which a writer is to write. If none does, they write themselves.
#[derive(Debug, Default)]
pub(super) struct Asleep {
    links: Vec<Arc<Link>>,
    /// Messages that were queued since somebody wrote: each has so many waiting at most.
    messages: usize,
    /// When others first had their turn meanwhile.
    since: Option<Instant>,
}

impl Asleep {
    const MESSAGES_MAX: usize = 64;
    const TIME_MAX: Duration = Duration::from_millis(10);

    /// Whether more may be queued before anything is written.
    fn may_wait(&mut self) -> bool {
        let now = Instant::now();
        let waited = now.saturating_duration_since(*self.since.get_or_insert(now));
        self.messages < Self::MESSAGES_MAX && waited < Self::TIME_MAX
    }
}

impl Drop for Asleep {
    fn drop(&mut self) {
        self.links.iter().for_each(|link| link.write_itself());
    }
}

/// Frames that are queued together. When this is dropped, they are on their way.
#[derive(Debug)]
pub(super) struct Deliveries<'a> {
    hub: &'a Hub,
    asleep: Asleep,
    /// How many were made, and what took as long, since somebody asked.
    made: usize,
}

impl<'a> Deliveries<'a> {
    /// `asleep`: who waits for a writer already.
    pub(super) fn new(hub: &'a Hub, asleep: Asleep) -> Self {
        Self { hub, asleep, made: 0 }
    }

    pub(super) fn take_made(&mut self) -> usize {
        std::mem::take(&mut self.made)
    }

    /// What follows is another message.
    pub(super) fn next_message(&mut self) {
        self.asleep.messages += 1;
    }

    /// Others have their turn, and more will be queued: whoever gets several messages gets them in one write, if that is
    /// soon.
    pub(super) fn pause(mut self) -> Asleep {
        match self.asleep.may_wait() {
            true => std::mem::take(&mut self.asleep),
            false => Asleep::default(),
        }
    }

    pub(super) fn hub(&self) -> &'a Hub {
        self.hub
    }

    /// Queues one item and counts what was lost by it. True when the connection will get it.
    pub(super) fn queue(&mut self, link: &Arc<Link>, item: Item) -> bool {
        self.queued(link, link.send_later(item))
    }

    /// The same, for a member of a channel; false as well if it has left.
    fn queue_in(&mut self, channel: &Channel, member: &Subscriber, item: Item) -> bool {
        let Subscriber { since, link, .. } = member;
        let sent = link.send_to_member(channel, *since, item);
        sent.is_some_and(|sent| self.queued(link, sent))
    }

    fn queued(&mut self, link: &Arc<Link>, (offered, to_be_written): (Offered, bool)) -> bool {
        if to_be_written {
            self.asleep.links.push(Arc::clone(link));
        }
        self.hub.count_offered(link, offered)
    }
}

impl Drop for Deliveries<'_> {
    fn drop(&mut self) {
        self.hub.writers.write(std::mem::take(&mut self.asleep.links));
    }
}

/// A payload in other formats than its own. Apart from the message, because most messages need none.
#[derive(Debug, Default)]
struct Converted(Vec<Payload>);

/// The content as it can stand in frames of this wire.
fn in_format_of(
    wire: Wire,
    content: &Payload,
    converted: &mut Option<Box<Converted>>,
) -> Result<Payload, Fault> {
    if wire.takes(content.encoding) {
        return Ok(content.clone());
    }
    let Converted(known) = &mut **converted.get_or_insert_default();
    if let Some(known) = known.iter().find(|known| known.encoding == wire.format) {
        return Ok(known.clone());
    }
    let payload = payload::transcode(content, wire.format)?;
    known.push(payload.clone());
    Ok(payload)
}

fn encode(
    wire: Wire,
    kind: &Kind,
    content: &Payload,
    context: Option<&TraceContext>,
) -> Result<Frame, Fault> {
    match kind {
        Kind::Push { id } => dialect::push(wire, id, content, context),
        Kind::Publication { channel, id, at: Published { offset, prev }, from } => {
            let (offset, prev) = (*offset, *prev);
            let from = from.as_ref().map(|from| Publisher {
                user: from.user.as_ref().map(|user| &user.id),
                connection: from.id,
            });
            let what = Publication { channel, id, content, offset, prev, from };
            dialect::publication(wire, &what, context)
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
                self.meter.note(Happened::Delivered);
                true
            }
            Offered::Displaced(older) => {
                self.meter.note(Happened::Delivered);
                self.meter.note(Happened::Dropped(u64::from(older)));
                self.note_missed(link, older);
                true
            }
            Offered::Dropped => {
                self.meter.note(Happened::Dropped(1));
                self.note_missed(link, 1);
                false
            }
            Offered::Full => {
                self.meter.note(Happened::Dropped(1));
                self.meter.note(Happened::ReadTooSlowly);
                self.note_slow_consumer(link);
                false
            }
        }
    }

    /// Pushes to one connection what the gateway itself has to say.
    pub(crate) fn push_to(&self, link: &Link, id: &EventId, content: &Payload) {
        match dialect::push(link.wire, id, content, None) {
            Ok(frame) => {
                self.queue(link, Item { frame: link.frame(frame), channel: None, span: None });
            }
            Err(fault) => self.note_unencoded(id, &fault),
        }
    }

    /// A number by which handlers may answer; what was expected comes back when too many callers wait. `plugin`:
    /// who is asked, the last one of several.
    pub(crate) fn expect_reply(
        &self,
        expected: Box<Expected>,
        plugin: &PluginName,
        now: time::Instant,
    ) -> Result<u32, Box<Ended>> {
        self.replies.expect(expected, plugin, now)
    }

    /// Answers the sender of an event that a handler did not take.
    pub(crate) fn decline(&self, plugin: &PluginName, declined: Box<Declined>) {
        let Declined { mut event, why } = *declined;
        self.meter.note(Happened::Declined(why.id));
        let at = event.at;
        event.recall(&*self.tracer, at);
        event.span.fail(why.id.word());
        let failure = Failure { by: 0, why, close: None };
        let mut work = Work::new(Outcome::failed(vec![failure]), 1);
        while self.act(plugin, std::slice::from_ref(&event), &mut work) == Progress::More {}
    }

    /// Counts what of an outcome was not carried out.
    pub(super) fn count_refused(&self, work: &Work) {
        for tally in work.tallies() {
            self.meter.refused(tally);
        }
    }

    /// Takes out what a handler was asked for, once.
    pub(super) fn take_reply(&self, number: u32, plugin: &PluginName) -> Option<Box<Expected>> {
        self.replies.take(number, plugin)
    }

    /// A handler is done with an event whose sender waits for a reply, and gave none; or failed.
    pub(super) fn decided(&self, number: u32, plugin: &PluginName, said: Said<'_>) {
        let ended = self.replies.decided(number, plugin, said);
        if let Some(Ended { expected, why }) = ended {
            if why.id == FaultId::Unanswered {
                self.meter.note(Happened::Unanswered);
            }
            self.answer_fault(&expected, &why);
        }
    }

    /// A handler has failed at an event that these have now instead; none: others have it already.
    pub(crate) fn pass_reply_on(&self, number: u32, from: &PluginName, to: Vec<PluginName>) {
        self.replies.pass_on(number, from, to);
    }

    /// Answers a caller with a value; not with one that the caller's format cannot hold.
    pub(super) fn answer(
        &self,
        expected: &Expected,
        content: &Payload,
        span: Option<Arc<Span>>,
        deliveries: &mut Deliveries<'_>,
    ) -> Result<(), Fault> {
        let link = &expected.link;
        deliveries.made += budget::encoding(content.body.len());
        let context = span.as_ref().and_then(|span| span.context());
        let frame =
            dialect::reply(link.wire, &expected.event, &expected.callback, content, context)
                .inspect_err(|_| self.meter.note(Happened::Unsupported))?;
        self.meter.note(Happened::Replied);
        deliveries.queue(link, Item { frame: link.frame(frame), channel: None, span });
        Ok(())
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
        callback: Option<&dialect::Callback>,
    ) {
        for frame in dialect::error(link.wire, why, event, callback) {
            self.queue(link, Item { frame: link.frame(frame), channel: None, span: None });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tengen_wire::payload::Encoding;

    #[test]
    fn a_payload_is_converted_once_for_each_format() {
        let content = Payload::new(Encoding::Edn, "{:text \"hi\"}");
        let mut converted = None;
        let mut known: Vec<(Encoding, *const u8)> = vec![(Encoding::Edn, content.body.as_ptr())];
        for wire in Wire::ALL {
            let payload = in_format_of(wire, &content, &mut converted).expect("all can hold it");
            let made = (payload.encoding, payload.body.as_ptr());
            match known.iter().find(|(encoding, _)| *encoding == made.0) {
                Some(before) => assert_eq!(*before, made, "the same bytes for {wire:?}"),
                None => known.push(made),
            }
        }
        let spoken = Encoding::ALL.into_iter().filter(|encoding| encoding.is_spoken()).count();
        assert_eq!(known.len(), spoken, "{known:?}");
        assert_eq!(converted.map(|made| made.0.len()), Some(spoken - 1), "EDN is its own");
    }

    #[test]
    fn what_a_format_cannot_hold_fails_for_that_format_alone() {
        // Transit has all that EDN has; nobody else knows an extension of MessagePack.
        let edn = Payload::new(Encoding::Edn, "{[1] 2}");
        let msgpack = Payload::new(Encoding::Msgpack, &b"\xd4\x05\0"[..]);
        for (content, other) in [(edn, Some(Encoding::Transit)), (msgpack, None)] {
            let mut converted = None;
            for wire in Wire::ALL {
                let made = in_format_of(wire, &content, &mut converted).map_err(|why| why.id);
                let can = wire.takes(content.encoding) || Some(wire.format) == other;
                assert_eq!(made.is_ok(), can, "{wire:?}: {made:?}");
            }
        }
    }
}
