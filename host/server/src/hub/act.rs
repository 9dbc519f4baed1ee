//! Effects: what handlers decided, carried out, in steps where it is much.

use super::{
    Hub,
    fanout::{Publishing, Pushing},
    reach::Gathering,
    send::{Asleep, Kind, Letter},
    step::Step,
};
use std::{cell::OnceCell, sync::Arc};
use tengen_core::{
    broker::Published,
    effect::{self, Caused, Content, Effect, Failure, Refused, Target},
    event::{Connection, Event, Occurrence},
    handler::{Actor, Progress, Work},
    meter::Happened,
};
use tengen_wire::{
    close::{self, Reason},
    fault::{Fault, FaultId},
    id::{Channel, EventId, Handle, PluginName},
};

/// A step, and the effect that is under way in it.
struct Carrying<'a> {
    step: Step<'a>,
    begun: Option<Box<Begun>>,
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
        let paused = work.paused.take().and_then(|paused| paused.downcast::<Paused>().ok());
        let Paused { begun, asleep } = paused.map_or_else(Paused::default, |paused| *paused);
        let step = Step::begin(self, plugin, events, &all, asleep);
        Carrying { step, begun }.carry_on(work)
    }

    fn connections_of(&self, plugin: &PluginName) -> Vec<Arc<Connection>> {
        self.owned_by(plugin)
    }

    fn begins_anew(&self, plugin: &PluginName) {
        self.tell_occupied(plugin);
    }
}

impl Carrying<'_> {
    fn carry_on(mut self, work: &mut Work) -> Progress {
        loop {
            if let Some(begun) = self.begun.take() {
                self.go_on(*begun, work);
            } else if let Some(Caused { by, what }) = work.effects.next() {
                if !work.has_failed(by) {
                    self.effect(by, what, work);
                }
                self.step.spend(1);
            } else if let Some(failure) = work.failures.next() {
                self.step.failure(&failure, work);
                self.step.spend(1);
            } else {
                self.step.leave_unanswered(work);
                self.step.hub.count_refused(work);
                return Progress::Done;
            }
            self.step.account();
            if self.step.is_over() && !(self.begun.is_none() && work.is_done()) {
                let (begun, asleep) = (self.begun, self.step.deliveries.pause());
                work.paused = Some(Box::new(Paused { begun, asleep }));
                return Progress::More;
            }
        }
    }

    fn effect(&mut self, by: u32, what: Effect, work: &mut Work) {
        let (kind, none) = (what.kind(), Key::Text(None));
        let mut keeps = false;
        let step = &mut self.step;
        step.deliveries.next_message();
        let (key, done) = match what {
            Effect::Reply { reply_to, value } => {
                (none, step.reply(by, reply_to, value, work).map(|()| None))
            }
            Effect::Push { to, except, id, content, key } => {
                (Key::Text(key), step.push(by, to, except, id, content))
            }
            Effect::Publish { channel, id, content, except, keep, key } => {
                keeps = keep;
                (Key::Text(key), step.publish(by, channel, id, content, except))
            }
            Effect::Subscribe { connection, channel } => {
                let done = step.subscribe(connection, &channel);
                (Key::Channel(channel), done.map(|()| None))
            }
            Effect::Unsubscribe { connection, channel } => {
                let done = step.own(connection);
                let done = done.map(|link| step.hub.unsubscribe(&link, &channel));
                (Key::Channel(channel), done.map(|_| None))
            }
            Effect::Close { connection, code, reason } => {
                (none, step.close(connection, code, reason).map(|()| None))
            }
            Effect::SetTimer { connection, key, after } => {
                let done = step.set_timer(connection, &key, after);
                (Key::Text(Some(key)), done.map(|()| None))
            }
            Effect::CancelTimer { connection, key } => {
                let done = step.cancel_timer(connection, &key);
                (Key::Text(Some(key)), done.map(|()| None))
            }
            Effect::Unsupported { name, key, .. } => (Key::Text(key), Err(not_offered(&name))),
        };
        self.note(Cause { by, kind, key, keep: keeps }, done, work);
    }

    fn go_on(&mut self, begun: Begun, work: &mut Work) {
        let Begun { cause, what } = begun;
        let done = match what {
            Stage::Gathering(gathering, letter) => self.step.gather(gathering, letter),
            Stage::Pushing(pushing) => self.step.deliver(pushing),
            Stage::Publishing(publishing) => match publishing.go_on(&mut self.step) {
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
}

impl Step<'_> {
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
        let at = Published { offset: 0, prev: 0 };
        let kind = Kind::Publication { channel: channel.clone(), id, at };
        self.fan_out(&channel, Letter { kind, content, except, span })
    }

    /// Sends to all subscribers of a channel, which may be none.
    fn fan_out(&mut self, channel: &Channel, letter: Letter) -> Done {
        let begun = Publishing::begin(channel, letter, &mut self.deliveries)?;
        Ok(begun.map(Stage::Publishing))
    }

    fn subscribe(&mut self, connection: Handle, channel: &Channel) -> Result<(), Fault> {
        self.granted(channel)?;
        let link = self.own(connection)?;
        self.hub.subscribe(&link, channel)
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
