//! What a plugin can do about one event.

use crate::{
    Caused, Content, Effect, Failure, Fault, Handle, IntoContent, Result, Target,
    effects::{Close, Membership, Publish, Push, Reply, Timer, TimerName},
};
use std::time::Duration;

/// One event's view of the batch: collects the effects that the event causes.
///
/// Nothing happens before the call returns. Effects are carried out in the order in which they were asked for; those
/// of an event that fails are discarded.
#[derive(Debug)]
pub struct Context<'a> {
    effects: &'a mut Vec<Caused>,
    by: u32,
    connection: Option<Handle>,
    seq: u32,
    at_ms: f64,
    waiting: Waiting,
    close_if_failed: Option<u16>,
}

/// Whether the event's sender waits for a reply.
#[derive(Debug, Clone, Copy)]
enum Waiting {
    No,
    For(u32),
    Answered,
}

impl<'a> Context<'a> {
    pub(crate) fn new(
        effects: &'a mut Vec<Caused>,
        by: u32,
        connection: Option<Handle>,
        seq: u32,
        at_ms: f64,
    ) -> Self {
        Self { effects, by, connection, seq, at_ms, waiting: Waiting::No, close_if_failed: None }
    }

    pub(crate) fn waits_for(&mut self, reply_to: Option<u32>) {
        self.waiting = reply_to.map_or(Waiting::No, Waiting::For);
    }

    /// Discards the event's effects and says why.
    pub(crate) fn fail(self, since: usize, why: Fault) -> Failure {
        self.effects.truncate(since);
        Failure { by: self.by, why, close: self.close_if_failed }
    }

    /// The connection that the event is about; none for what happens to no single connection.
    pub fn connection(&self) -> Option<Handle> {
        self.connection
    }

    /// The event's number among those of its connection, from 1.
    pub fn seq(&self) -> u32 {
        self.seq
    }

    /// When the event happened, in milliseconds since the Unix epoch.
    pub fn at_ms(&self) -> f64 {
        self.at_ms
    }

    /// Whether the sender waits for a reply that has not been given yet.
    pub fn is_awaited(&self) -> bool {
        matches!(self.waiting, Waiting::For(_))
    }

    /// The event's own payload as content, as its sender sent it: the gateway sends on the bytes that it already has, and
    /// nothing is lost by the encoding that the plugin asked for. Only a message has one.
    pub fn of_event(&self) -> Content {
        Content::OfEvent(self.by)
    }

    /// Replies to the event's sender. Does nothing when it waits for no reply; a second reply is a fault.
    pub fn reply(&mut self, content: impl IntoContent) -> Result {
        match self.waiting {
            Waiting::No => Ok(()),
            Waiting::Answered => Err(Fault::new("plugin-failed", "the event was answered twice")),
            Waiting::For(reply_to) => {
                let value = Ok(content.into_content()?);
                self.waiting = Waiting::Answered;
                self.effect(Effect::Reply(Reply { reply_to, value }));
                Ok(())
            }
        }
    }

    /// Replies with a fault and lets the event's other effects stand. To discard them, return the fault as `Err`.
    pub fn reply_fault(&mut self, why: Fault) -> Result {
        match self.waiting {
            Waiting::No => Ok(()),
            Waiting::Answered => Err(Fault::new("plugin-failed", "the event was answered twice")),
            Waiting::For(reply_to) => {
                self.waiting = Waiting::Answered;
                self.effect(Effect::Reply(Reply { reply_to, value: Err(why) }));
                Ok(())
            }
        }
    }

    /// Pushes an event to a connection, several, a user, a channel's subscribers, or an endpoint.
    pub fn push(
        &mut self,
        to: impl Into<Target>,
        id: impl Into<String>,
        content: impl IntoContent,
    ) -> Result<Sent<'_>> {
        let content = content.into_content()?;
        let push = Push { to: to.into(), except: None, id: id.into(), content, key: None };
        Ok(self.effect(Effect::Push(push)))
    }

    /// Publishes on a channel: every subscriber gets a `tengen/publication` with this id and content.
    pub fn publish(
        &mut self,
        channel: impl Into<String>,
        id: impl Into<String>,
        content: impl IntoContent,
    ) -> Result<Sent<'_>> {
        let content = content.into_content()?;
        let (channel, id) = (channel.into(), id.into());
        Ok(self.effect(Effect::Publish(Publish {
            channel,
            id,
            content,
            except: None,
            keep: false,
            key: None,
        })))
    }

    /// Subscribes a connection to a channel, which needs the grant `publish` for it; ends with the connection at the
    /// latest. When it is refused, [`Handler::refused`](crate::Handler::refused) has the channel's name as its key.
    pub fn subscribe(&mut self, connection: Handle, channel: impl Into<String>) {
        self.effect(Effect::Subscribe(Membership { connection, channel: channel.into() }));
    }

    /// Ends a connection's subscription to a channel.
    pub fn unsubscribe(&mut self, connection: Handle, channel: impl Into<String>) {
        self.effect(Effect::Unsubscribe(Membership { connection, channel: channel.into() }));
    }

    /// Closes a connection, after what is queued for it: 1000, or 3000 to 4999.
    pub fn close(&mut self, connection: Handle, code: u16, reason: impl Into<String>) {
        self.effect(Effect::Close(Close { connection, code, reason: reason.into() }));
    }

    /// Sets a timer of the event's connection, or of the plugin when the event has none. The same key replaces.
    ///
    /// Shorter than 10 ms counts as 10 ms; at most 16 of a connection and 1,024 of the plugin's own. Timers live in the
    /// gateway: they survive reloads and traps, and fire once.
    pub fn set_timer(&mut self, key: impl Into<String>, after: Duration) {
        self.set_timer_of(self.connection, key, after);
    }

    /// As [`Context::set_timer`], for another connection, or (`None`) for the plugin itself.
    pub fn set_timer_of(
        &mut self,
        connection: Option<Handle>,
        key: impl Into<String>,
        after: Duration,
    ) {
        let after_ms = u32::try_from(after.as_millis()).unwrap_or(u32::MAX);
        self.effect(Effect::SetTimer(Timer { connection, key: key.into(), after_ms }));
    }

    /// Cancels a timer of the event's connection or, when the event has none, of the plugin; one that is not there is no
    /// fault.
    pub fn cancel_timer(&mut self, key: impl Into<String>) {
        self.cancel_timer_of(self.connection, key);
    }

    /// As [`Context::cancel_timer`], of another connection, or (`None`) of the plugin itself.
    pub fn cancel_timer_of(&mut self, connection: Option<Handle>, key: impl Into<String>) {
        self.effect(Effect::CancelTimer(TimerName { connection, key: key.into() }));
    }

    /// If the event fails, its connection is closed with this code as well: 1000, or 3000 to 4999. For any other, 1011 is
    /// sent instead.
    pub fn close_if_failed(&mut self, code: u16) {
        self.close_if_failed = Some(code);
    }

    /// Adds any effect as it stands in the interface.
    pub fn effect(&mut self, what: Effect) -> Sent<'_> {
        self.effects.push(Caused { by: self.by, what });
        Sent { effect: self.effects.last_mut().map(|caused| &mut caused.what) }
    }
}

/// A push or a publication that has just been asked for, to be refined. What a kind of effect does not have is left.
#[derive(Debug)]
pub struct Sent<'a> {
    effect: Option<&'a mut Effect>,
}

impl Sent<'_> {
    /// Leaves this connection out.
    pub fn except(mut self, connection: Handle) -> Self {
        match self.effect.as_deref_mut() {
            Some(Effect::Push(push)) => push.except = Some(connection),
            Some(Effect::Publish(publish)) => publish.except = Some(connection),
            _ => {}
        }
        self
    }

    /// Names the effect, to be told in [`Handler::refused`](crate::Handler::refused) when it was not carried out.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        match self.effect.as_deref_mut() {
            Some(Effect::Push(push)) => push.key = Some(key.into()),
            Some(Effect::Publish(publish)) => publish.key = Some(key.into()),
            _ => {}
        }
        self
    }

    /// Keeps the publication in the channel's history. No channel has one in this version: the publication is delivered,
    /// and counted as refused; with a key, [`Handler::refused`](crate::Handler::refused) says so.
    pub fn keep(mut self) -> Self {
        if let Some(Effect::Publish(publish)) = self.effect.as_deref_mut() {
            publish.keep = true;
        }
        self
    }
}
