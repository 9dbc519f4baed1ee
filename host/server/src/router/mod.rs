//! From a connection's frame to the handlers it is routed to.

mod echo;
mod onward;
mod source;

pub use echo::Echo;
pub use source::Source;

use crate::hub::{Ended, Expected, Hub, Link};
use arc_swap::{ArcSwap, Guard};
use std::{
    cell::Cell,
    sync::Arc,
    time::{Instant, SystemTime},
};
use tengen_core::{
    event::{self, Closing, Event, Message, Occurrence, Permit},
    handler::{Declined, Handler, Wants},
    meter::Happened,
    routes::Routes,
    trace::{Kind, Span, Start, Tracer},
};
use tengen_settings::{Limits, Traceparent};
use tengen_wire::{
    dialect::{Arrived, Asked},
    fault::{Fault, FaultId},
    id::PluginName,
};

/// What a route leads to.
#[derive(Debug, Clone)]
pub struct Destination {
    pub plugin: PluginName,
    pub handler: Arc<dyn Handler>,
}

/// Routes events. The table can be replaced while everything runs.
#[derive(Debug)]
pub struct Router {
    routes: ArcSwap<Routes<Destination>>,
    hub: Arc<Hub>,
    tracer: Arc<dyn Tracer>,
    limits: Limits,
}

/// Where events lead, as it was when it was asked for. Held for a turn: no longer, and nothing is counted for it that others
/// count as well.
pub type Table = Guard<Arc<Routes<Destination>>>;

/// The events that one turn of a connection brings: when they came in, by both clocks, asked once for all of them; where they
/// lead, which is the same for all of them; and the handlers that they were offered to. These decide in [`Turn::settle`], about
/// all of them together: whoever begins a turn settles it.
#[derive(Debug)]
pub struct Turn<'r> {
    instant: Instant,
    /// By the time of day; unknown until an event needs it.
    time: Option<SystemTime>,
    table: &'r Routes<Destination>,
    /// Lent by the table: handlers are shared by all connections, and so are the counts of who holds them.
    asked: [Option<&'r Arc<dyn Handler>>; 2],
}

impl<'r> Turn<'r> {
    /// `instant`: when the turn began.
    pub fn at(instant: Instant, table: &'r Table) -> Self {
        Self { instant, time: None, table, asked: [None; 2] }
    }

    /// When it began.
    pub fn instant(&self) -> Instant {
        self.instant
    }

    /// Has everything decided that was offered. What is offered from here on needs another call.
    pub fn settle(&mut self) {
        for asked in &mut self.asked {
            if let Some(handler) = asked.take() {
                handler.settle();
            }
        }
        self.time = None;
    }

    fn time(&mut self) -> SystemTime {
        *self.time.get_or_insert_with(SystemTime::now)
    }

    fn ask(&mut self, handler: &'r Arc<dyn Handler>) {
        for place in &mut self.asked {
            match place {
                Some(asked) if Arc::ptr_eq(asked, handler) => return,
                Some(_) => {}
                None => {
                    *place = Some(handler);
                    return;
                }
            }
        }
        // Events of one turn that go to many plugins are rare: these decide one by one.
        handler.settle();
    }
}

#[cfg(debug_assertions)]
impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let settled = self.asked.iter().all(Option::is_none);
        debug_assert!(settled || std::thread::panicking(), "a turn ends without a decision");
    }
}

impl Router {
    pub fn new(hub: Arc<Hub>, tracer: Arc<dyn Tracer>, limits: Limits) -> Self {
        Self { routes: ArcSwap::default(), hub, tracer, limits }
    }

    pub fn set_routes(&self, routes: Routes<Destination>) {
        self.routes.store(Arc::new(routes));
    }

    /// For one turn.
    pub fn table(&self) -> Table {
        self.routes.load()
    }

    /// A connection has opened: everybody who may get its events hears of it first.
    pub fn opened(&self, source: &mut Source) {
        self.tell_owners(source, || Occurrence::Opened);
    }

    /// A connection has ended: the last that its handlers hear of it.
    pub fn closed(&self, source: &mut Source, closing: &Closing) {
        self.tell_owners(source, || Occurrence::Closed(closing.clone()));
    }

    /// A connection was closed because memory is short: what waits of it is given up.
    pub fn forget(&self, source: &mut Source) {
        let mut forgotten = self.give_up(source);
        for owner in self.routes.load().owners(source.link.facts.endpoint_index) {
            forgotten += owner.handler.forget(source.link.facts.handle);
        }
        self.hub.meter.note(Happened::GivenUp(forgotten));
    }

    /// Takes one event from a peer to its handlers, or answers why not. They decide at the end of the turn.
    pub fn route(&self, source: &mut Source, arrived: Arrived, turn: &mut Turn<'_>) {
        self.hub.meter.note(Happened::Received);
        if let Some(asked) = source.link.asked(&arrived.id) {
            return self.ask(source, asked, arrived, turn.instant);
        }
        let seq = source.next_seq();
        self.let_in(source, arrived, seq, turn);
    }

    /// Tries again with an event whose connection's share had no place for it.
    fn route_again(&self, source: &mut Source, arrived: Arrived, seq: u32, turn: &mut Turn) {
        match source.link.asked(&arrived.id) {
            Some(asked) => self.ask(source, asked, arrived, turn.instant),
            None => self.let_in(source, arrived, seq, turn),
        }
    }

    /// Has the hub carry out what is asked of the gateway itself. What may take longer needs a place, as events do.
    fn ask(&self, source: &mut Source, asked: Asked, arrived: Arrived, now: Instant) {
        let permit = match asked {
            Asked::Publish | Asked::Answer => {
                let permit = self.permit(&source.link, &arrived);
                if permit.is_none() {
                    return self.is_full(source, arrived, 0);
                }
                permit
            }
            Asked::Telemetry => {
                let mut span = self.process_span(&source.link, &arrived);
                return self.hub.take_signals(&source.link, &arrived, &mut span, now);
            }
            _ => None,
        };
        self.hub.request(&source.link, asked, arrived, permit);
    }

    fn permit(&self, link: &Link, arrived: &Arrived) -> Option<Permit> {
        let Limits { waiting_events, waiting_bytes, .. } = self.limits;
        Permit::take(&link.facts, arrived.payload.body.len(), waiting_events, waiting_bytes)
    }

    /// Takes one event to its handlers, if its connection's share has a place for it.
    fn let_in(&self, source: &mut Source, arrived: Arrived, seq: u32, turn: &mut Turn<'_>) {
        let routes = turn.table;
        let (id, link) = (&arrived.id, &source.link);
        // Whether somebody passes the event on who fails at it.
        let or_else = Cell::new(false);
        let wants = |to: &Destination| {
            let wants = to.handler.wants(id);
            or_else.set(or_else.get() || wants == Wants::OrElse);
            wants != Wants::No
        };
        let (mut first, mut others) = (None, Vec::new());
        routes.matching(link.facts.endpoint_index, id, wants, |to| match first {
            None => first = Some(to),
            Some(_) => others.push(to),
        });
        let Some(first) = first else { return self.unrouted(source, &arrived) };
        let Some(mut permit) = self.permit(link, &arrived) else {
            return self.is_full(source, arrived, seq);
        };
        permit.arrived = Some(turn.instant);
        let Some(reply_to) = self.expect(link, &arrived, first, &others, turn.instant) else {
            return;
        };
        let (or_else, declined) = (or_else.get().then_some(routes), Vec::new());
        let mut delivery = Delivery { router: self, link, seq, turn, reply_to, or_else, declined };
        let mut destination = first;
        // All but the last get copies: the payload is shared, the rest is small.
        for next in others {
            delivery.hand_over(destination, arrived.clone(), permit.another());
            destination = next;
        }
        delivery.hand_over(destination, arrived, permit);
        let declined = delivery.declined;
        if !declined.is_empty() {
            self.declined(source, declined);
        }
    }

    fn unrouted(&self, source: &Source, arrived: &Arrived) {
        self.hub.meter.note(Happened::Unrouted);
        let message = format!("nothing handles the event `{}`", arrived.id);
        let why = Fault::new(FaultId::UnknownEvent, message);
        self.tell_refused(&source.link, arrived, why.id);
        self.hub.send_fault(&source.link, &why, Some(&arrived.id), arrived.callback.as_ref());
    }

    /// The number of the reply that the sender waits for, if it waits for one; none: the event was refused.
    fn expect(
        &self,
        link: &Arc<Link>,
        arrived: &Arrived,
        first: &Destination,
        others: &[&Destination],
        now: Instant,
    ) -> Option<Option<u32>> {
        let Some(callback) = arrived.callback.clone() else { return Some(None) };
        let (id, last) = (arrived.id.clone(), others.last().copied().unwrap_or(first));
        let mut expected = Expected::new(Arc::clone(link), callback, id);
        if let [before @ .., _] = others {
            let asked = std::iter::once(&first).chain(before).map(|to| to.plugin.clone());
            expected.others = asked.collect();
        }
        match self.hub.expect_reply(Box::new(expected), &last.plugin, now) {
            Ok(number) => Some(Some(number)),
            Err(refused) => {
                let Ended { expected, why } = *refused;
                self.hub.meter.note(Happened::Declined(why.id));
                self.tell_refused(link, arrived, why.id);
                self.hub.send_fault(link, &why, Some(&arrived.id), Some(&expected.callback));
                None
            }
        }
    }

    fn tell_owners(&self, source: &mut Source, what: impl Fn() -> Occurrence) {
        let seq = source.next_seq();
        for owner in self.routes.load().owners(source.link.facts.endpoint_index) {
            let event = Event {
                connection: Some(Arc::clone(&source.link.facts)),
                seq,
                at: SystemTime::now(),
                what: what(),
                span: Span::none(),
                permit: None,
            };
            if let Err(declined) = owner.handler.offer(event) {
                if declined.why.id == FaultId::Overloaded {
                    owner.handler.lost(FaultId::Overloaded);
                }
                self.hub.note_unheard(&owner.plugin, &source.link, &declined.why);
            }
            owner.handler.settle();
        }
    }

    /// The event's span: a trace of its own, linked to what its sender gave, or, where the endpoint has it so, below that;
    /// linked to the upgrade either way.
    fn process_span(&self, link: &Link, arrived: &Arrived) -> Span {
        let of_peer = link.traceparent() == Traceparent::Parent;
        let peer = arrived.traceparent.as_deref().and_then(|traceparent| {
            self.tracer.extract(traceparent, arrived.tracestate.as_deref())
        });
        let parent = peer.as_ref().filter(|_| of_peer);
        let mut span = self.tracer.start(Start { parent, ..start(link, arrived) });
        if let Some(peer) = peer.filter(|_| !of_peer) {
            span.link(&peer);
        }
        describe(&mut span, link, arrived);
        span
    }

    /// Tells the trace of an event that no handler gets.
    fn tell_refused(&self, link: &Link, arrived: &Arrived, why: FaultId) {
        let mut span = self.process_span(link, arrived);
        if span.is_left_out() && self.tracer.slow().is_some() {
            self.tracer.recall(&mut span, start(link, arrived));
            describe(&mut span, link, arrived);
        }
        span.fail(why.word());
    }
}

/// The span of an event that has just arrived.
fn start<'a>(link: &'a Link, arrived: &'a Arrived) -> Start<'a> {
    Start {
        operation: event::PROCESS,
        target: &arrived.id,
        kind: Kind::Consumer,
        parent: None,
        link: link.facts.upgrade.as_ref(),
        at: None,
    }
}

fn describe(span: &mut Span, link: &Link, arrived: &Arrived) {
    if !span.is_recording() {
        return;
    }
    event::describe(span, &link.facts, &arrived.id, arrived.payload.body.len());
    // As it was written, where that is text: a callback of MessagePack begins with its length.
    let callback = arrived.callback.as_ref().map(|callback| &*callback.0);
    if let Some(callback) = callback.and_then(|callback| std::str::from_utf8(callback).ok()) {
        span.set("messaging.message.conversation_id", callback.to_owned());
    }
}

/// One event on its way to all who match.
struct Delivery<'a, 'r> {
    router: &'a Router,
    link: &'a Arc<Link>,
    seq: u32,
    turn: &'a mut Turn<'r>,
    /// The reply that the sender waits for: one number for all who are asked.
    reply_to: Option<u32>,
    /// If some of them pass it on who fail at it: to whom else it is routed.
    or_else: Option<&'r Routes<Destination>>,
    /// Who did not take it.
    declined: Vec<(Destination, Box<Declined>)>,
}

impl<'r> Delivery<'_, 'r> {
    fn hand_over(&mut self, to: &'r Destination, arrived: Arrived, mut permit: Permit) {
        if let Some(routes) = self.or_else
            && to.handler.wants(&arrived.id) == Wants::OrElse
        {
            let of = (self.link.facts.endpoint_index, &arrived.id);
            permit.onward = onward::next(&self.router.hub, routes, &to.plugin, of);
        }
        let span = self.router.process_span(self.link, &arrived);
        let (Arrived { id, payload, .. }, reply_to) = (arrived, self.reply_to);
        let event = Event {
            connection: Some(Arc::clone(&self.link.facts)),
            seq: self.seq,
            at: self.turn.time(),
            what: Occurrence::Message(Message { id, payload, reply_to }),
            span,
            permit: Some(permit),
        };
        match to.handler.offer(event) {
            Ok(()) => self.turn.ask(&to.handler),
            Err(declined) => self.declined.push((to.clone(), declined)),
        }
    }
}

#[cfg(test)]
mod tests;
