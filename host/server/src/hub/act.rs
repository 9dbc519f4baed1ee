//! Effects: what handlers decided, carried out, in steps where it is much.

use super::{
    AllRights, Hub, Link, Rights,
    budget::Budget,
    fanout::{Publishing, Pushing},
    reach::Gathering,
    send::{Asleep, Deliveries, Kind, Letter},
};
use std::{cell::OnceCell, sync::Arc};
use tengen_core::{
    effect::{self, Caused, Content, Effect, Failure, Refused, Target},
    event::{Connection, Event, Occurrence},
    handler::{Actor, Progress, Work},
    meter::Happened,
    trace::{self, Span, Start},
};
use tengen_wire::{
    close::{self, Reason},
    fault::{Fault, FaultId},
    id::{Channel, EventId, Handle, PluginName},
    payload::Payload,
};

/// A part of one call's outcome while it is carried out.
pub(super) struct Step<'a> {
    pub(super) hub: &'a Hub,
    pub(super) plugin: &'a PluginName,
    pub(super) rights: Entitled<'a>,
    pub(super) events: &'a [Event],
    pub(super) deliveries: Deliveries<'a>,
    /// The effect that is under way.
    begun: Option<Box<Begun>>,
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

/// What one step of an outcome leaves to the next.
#[derive(Debug, Default)]
struct Paused {
    begun: Option<Box<Begun>>,
    asleep: Asleep,
}

/// An effect that takes more than one step.
#[derive(Debug)]
struct Begun {
    cause: Cause,
    what: Stage,
}

/// What it takes to say that an effect was refused.
#[derive(Debug)]
struct Cause {
    by: u32,
    kind: effect::Kind,
    key: Key,
    /// Whether it is a publication that is to be kept.
    keep: bool,
}

/// The key by which a plugin hears of an effect; only made into text when it is refused.
#[derive(Debug)]
enum Key {
    Text(Option<String>),
    /// Subscriptions have the name of their channel.
    Channel(Channel),
}

/// How far a push or a publication has got.
#[derive(Debug)]
enum Stage {
    Gathering(Gathering, Letter),
    Pushing(Pushing),
    Publishing(Publishing),
}

/// Done; refused; or begun.
type Done = Result<Option<Stage>, Fault>;

impl Actor for Hub {
    fn act(&self, plugin: &PluginName, events: &[Event], work: &mut Work) -> Progress {
        let all = OnceCell::new();
        let rights = Entitled { hub: self, plugin, all: &all, known: OnceCell::new() };
        let paused = work.paused.take().and_then(|paused| paused.downcast::<Paused>().ok());
        let Paused { begun, asleep } = paused.map_or_else(Paused::default, |paused| *paused);
        let (deliveries, budget) = (Deliveries::new(self, asleep), Budget::new());
        Step { hub: self, plugin, rights, events, deliveries, begun, budget }.carry_on(work)
    }

    fn connections_of(&self, plugin: &PluginName) -> Vec<Arc<Connection>> {
        self.owned_by(plugin)
    }
}

impl Step<'_> {
    fn carry_on(mut self, work: &mut Work) -> Progress {
        loop {
            if let Some(begun) = self.begun.take() {
                self.go_on(*begun, work);
            } else if let Some(Caused { by, what }) = work.effects.next() {
                if !work.has_failed(by) {
                    self.effect(by, what, work);
                }
                self.spend(1);
            } else if let Some(failure) = work.failures.next() {
                self.failure(&failure, work);
                self.spend(1);
            } else {
                self.leave_unanswered(work);
                self.hub.count_refused(work);
                return Progress::Done;
            }
            self.account();
            if self.is_over() && !(self.begun.is_none() && work.is_done()) {
                let (begun, asleep) = (self.begun, self.deliveries.pause());
                work.paused = Some(Box::new(Paused { begun, asleep }));
                return Progress::More;
            }
        }
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

    fn effect(&mut self, by: u32, what: Effect, work: &mut Work) {
        let (kind, none) = (what.kind(), Key::Text(None));
        let mut keeps = false;
        self.deliveries.next_message();
        let (key, done) = match what {
            Effect::Reply { reply_to, value } => {
                (none, self.reply(by, reply_to, value, work).map(|()| None))
            }
            Effect::Push { to, except, id, content, key } => {
                (Key::Text(key), self.push(by, to, except, id, content))
            }
            Effect::Publish { channel, id, content, except, keep, key } => {
                keeps = keep;
                (Key::Text(key), self.publish(by, channel, id, content, except))
            }
            Effect::Subscribe { connection, channel } => {
                let done = self.subscribe(connection, &channel);
                (Key::Channel(channel), done.map(|()| None))
            }
            Effect::Unsubscribe { connection, channel } => {
                let done = self.own(connection);
                let done = done.map(|link| self.hub.unsubscribe(&link, &channel));
                (Key::Channel(channel), done.map(|_| None))
            }
            Effect::Close { connection, code, reason } => {
                (none, self.close(connection, code, reason).map(|()| None))
            }
            Effect::SetTimer { connection, key, after } => {
                let done = self.set_timer(connection, &key, after);
                (Key::Text(Some(key)), done.map(|()| None))
            }
            Effect::CancelTimer { connection, key } => {
                let done = self.cancel_timer(connection, &key);
                (Key::Text(Some(key)), done.map(|()| None))
            }
            Effect::Unsupported { name, key, .. } => (Key::Text(key), Err(not_offered(&name))),
        };
        self.note(Cause { by, kind, key, keep: keeps }, done, work);
    }

    fn go_on(&mut self, begun: Begun, work: &mut Work) {
        let Begun { cause, what } = begun;
        let done = match what {
            Stage::Gathering(gathering, letter) => self.gather(gathering, letter),
            Stage::Pushing(pushing) => self.deliver(pushing),
            Stage::Publishing(publishing) => match publishing.go_on(self) {
                None => Ok(Some(Stage::Publishing(publishing))),
                Some(end) => end.map(|()| None),
            },
        };
        self.note(cause, done, work);
    }

    fn note(&mut self, cause: Cause, done: Done, work: &mut Work) {
        let Cause { by, kind, .. } = cause;
        match done {
            Ok(Some(what)) => self.begun = Some(Box::new(Begun { cause, what })),
            Ok(None) if cause.keep => {
                let (kind, key) = (effect::Kind::Keep, cause.key.text());
                work.refuse(Refused { by: Some(by), kind, key, why: not_kept() });
            }
            Ok(None) => {}
            Err(why) => work.refuse(Refused { by: Some(by), kind, key: cause.key.text(), why }),
        }
    }

    fn reply(
        &mut self,
        by: u32,
        reply_to: u32,
        value: Result<Content, Fault>,
        work: &mut Work,
    ) -> Result<(), Fault> {
        let Some(expected) = self.hub.take_reply(reply_to, self.plugin) else {
            self.hub.meter.note(Happened::Stray);
            return Err(Fault::new(FaultId::NotFound, "nobody waits for this reply any more"));
        };
        let own = self.event(by).and_then(Event::reply_to);
        work.settled += usize::from(own == Some(reply_to));
        let content = match value {
            Ok(content) => self.payload(content),
            Err(why) => {
                self.hub.answer_fault(&expected, &why);
                return Ok(());
            }
        };
        let answered = content.and_then(|content| {
            let span = self.send_span(by, &expected.event).map(Arc::new);
            self.hub.answer(&expected, &content, span, &mut self.deliveries)
        });
        // The caller waits for nothing else.
        answered.inspect_err(|why| self.hub.answer_fault(&expected, why))
    }

    fn push(
        &mut self,
        by: u32,
        to: Target,
        except: Option<Handle>,
        id: EventId,
        content: Content,
    ) -> Done {
        let content = self.payload(content)?;
        if let Target::Channel(channel) = &to {
            self.granted(channel)?;
            let span = self.send_span(by, &id);
            return self
                .fan_out(channel, Letter { kind: Kind::Push { id }, content, except, span });
        }
        let gathering = Gathering::begin(self, by, to)?;
        let span = self.send_span(by, &id);
        self.gather(gathering, Letter { kind: Kind::Push { id }, content, except, span })
    }

    /// Finds whom it is for, then delivers.
    fn gather(&mut self, gathering: Gathering, letter: Letter) -> Done {
        let links = match gathering.go_on(self) {
            Err(gathering) => return Ok(Some(Stage::Gathering(gathering, letter))),
            Ok(links) => links?,
        };
        self.deliver(Pushing { broadcast: letter.to(links.len()), left: links.into_iter() })
    }

    fn deliver(&mut self, mut pushing: Pushing) -> Done {
        match pushing.go_on(self) {
            true => pushing.broadcast.end().map(|()| None),
            false => Ok(Some(Stage::Pushing(pushing))),
        }
    }

    fn publish(
        &mut self,
        by: u32,
        channel: Channel,
        id: EventId,
        content: Content,
        except: Option<Handle>,
    ) -> Done {
        self.granted(&channel)?;
        let content = self.payload(content)?;
        let mut span = self.send_span(by, &id);
        if let Some(span) = &mut span {
            span.set("messaging.destination.name", channel.to_string());
        }
        let kind = Kind::Publication { channel: channel.clone(), id, offset: 0 };
        self.fan_out(&channel, Letter { kind, content, except, span })
    }

    /// Sends to all subscribers of a channel, which may be none.
    fn fan_out(&mut self, channel: &Channel, letter: Letter) -> Done {
        let Some(members) = self.hub.read_tables().channels.members(channel) else {
            return Ok(None);
        };
        let begun = Publishing::begin(members, letter, &mut self.deliveries)?;
        Ok(begun.map(Stage::Publishing))
    }

    fn subscribe(&mut self, connection: Handle, channel: &Channel) -> Result<(), Fault> {
        self.granted(channel)?;
        let link = self.own(connection)?;
        if self.hub.subscribe(&link, channel) {
            return Ok(());
        }
        Err(Fault::new(
            FaultId::LimitReached,
            "the connection has as many subscriptions as it may have (`limits.per_connection.subscriptions`)",
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

    fn event(&self, by: u32) -> Option<&Event> {
        self.events.get(usize::try_from(by).ok()?)
    }

    fn link_of(&self, event: &Event) -> Option<Arc<Link>> {
        event.connection.as_ref().and_then(|connection| self.hub.link(connection.handle))
    }

    fn payload(&self, content: Content) -> Result<Payload, Fault> {
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
    fn send_span(&self, by: u32, target: &str) -> Option<Span> {
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

    fn failure(&mut self, failure: &Failure, work: &mut Work) {
        let Some(event) = self.event(failure.by) else { return };
        work.settled += usize::from(event.reply_to().is_some());
        self.tell_sender(event, &failure.why);
        if let Some(code) = failure.close
            && let Some(link) = self.link_of(event)
        {
            link.close(Reason::Plugin { code, reason: failure.why.id.word().to_owned() });
        }
    }

    /// A failed message is answered; without a callback its error is pushed. Other occurrences have no sender.
    fn tell_sender(&self, event: &Event, why: &Fault) {
        let Occurrence::Message(message) = &event.what else { return };
        match message.reply_to {
            Some(number) => self.hub.decided(number, self.plugin, Some(why)),
            None => {
                if let Some(link) = self.link_of(event) {
                    self.hub.send_fault(&link, why, Some(&message.id), None);
                }
            }
        }
    }

    /// The batch is decided: senders that got no reply will be told so, unless one comes in time after all.
    fn leave_unanswered(&self, work: &Work) {
        let asked = self.events.iter().filter(|event| event.reply_to().is_some()).count();
        if asked <= work.settled {
            return;
        }
        for (by, event) in (0..).zip(self.events) {
            if let Some(number) = event.reply_to()
                && !work.has_failed(by)
            {
                self.hub.decided(number, self.plugin, None);
            }
        }
    }
}

impl Key {
    fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => text,
            Self::Channel(channel) => Some(channel.to_string()),
        }
    }
}

fn not_offered(what: &str) -> Fault {
    Fault::new(FaultId::Unsupported, format!("this version of the gateway does not offer {what}"))
}

fn not_kept() -> Fault {
    let message = "published, but not kept: this version of the gateway keeps no history";
    Fault::new(FaultId::Unsupported, message)
}
