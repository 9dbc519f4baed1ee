//! What a plugin can do about one event.

mod data;
mod sent;
mod stored;

pub use sent::Sent;

use crate::{
    Action, Answer, Content, Decision, Done, Effect, Failed, Fault, Handle, IntoContent, Request,
    Result, Target,
    effects::{Asking, Close, Fetching, Membership, Publish, Push, Reply, Timer, TimerName},
};
use std::time::Duration;

/// One event's view of the batch: collects what is decided about the event.
///
/// Nothing happens before the call returns. The reply is sent first, then effects are carried out in the order in which
/// they were asked for; those of an event that fails are discarded.
#[derive(Debug)]
pub struct Context {
    effects: Vec<Effect>,
    answer: Answer,
    by: u32,
    connection: Option<Handle>,
    seq: u32,
    at_ms: f64,
    reply_to: Option<u32>,
    close_if_failed: Option<u16>,
}

impl Context {
    pub(crate) fn new(by: u32, connection: Option<Handle>, seq: u32, at_ms: f64) -> Self {
        let (effects, answer) = (Vec::new(), Answer::Nothing);
        Self { effects, answer, by, connection, seq, at_ms, reply_to: None, close_if_failed: None }
    }

    pub(crate) fn waits_for(&mut self, reply_to: Option<u32>) {
        self.reply_to = reply_to;
    }

    /// What was decided: a failure discards the event's effects.
    pub(crate) fn decision(self, decided: Result) -> Decision {
        let Self { effects, answer, close_if_failed: close, .. } = self;
        match decided {
            Ok(()) => Decision::Done(Done { answer, effects, more: Vec::new() }),
            Err(why) => Decision::Failed(Failed { why, close, more: Vec::new() }),
        }
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
        self.reply_to.is_some() && matches!(self.answer, Answer::Nothing)
    }

    /// The event's own payload as content, as its sender sent it: the gateway sends on the bytes that it already has, and
    /// nothing is lost by the encoding that the plugin asked for. Only a message has one.
    pub fn of_event(&self) -> Content {
        Content::OfEvent(self.by)
    }

    /// Replies to the event's sender, before any effect of the event is carried out. Does nothing when it waits for no
    /// reply; a second reply is a fault.
    pub fn reply(&mut self, content: impl IntoContent) -> Result {
        if self.reply_to.is_none() {
            return Ok(());
        }
        let content = content.into_content()?;
        self.answer(Answer::Given(content))
    }

    /// Replies with a fault and lets the event's effects stand. To discard them, return the fault as `Err`.
    pub fn reply_fault(&mut self, why: Fault) -> Result {
        self.answer(Answer::Fault(why))
    }

    /// Says that the reply comes with another event, by [`Context::reply_to`]. Returns the number to reply to; none when
    /// nobody waits. A sender that is neither answered nor told to wait is told `unanswered` at once.
    pub fn reply_later(&mut self) -> Result<Option<u32>> {
        self.answer(Answer::Later).map(|()| self.reply_to)
    }

    /// Answers a message of an earlier event, by the number that [`Context::reply_later`] gave; at its place among the
    /// effects.
    pub fn reply_to(&mut self, reply_to: u32, value: Result<impl IntoContent>) -> Result<Sent<'_>> {
        let value = match value {
            Ok(content) => Ok(content.into_content()?),
            Err(why) => Err(why),
        };
        Ok(self.effect(Action::Reply(Reply { reply_to, value })))
    }

    fn answer(&mut self, answer: Answer) -> Result {
        match (self.reply_to, &self.answer) {
            (None, _) => {}
            (Some(_), Answer::Nothing) => self.answer = answer,
            _ => return Err(Fault::new("plugin-failed", "the event was answered twice")),
        }
        Ok(())
    }

    /// Pushes an event to a connection, several, a user, a channel's subscribers, or an endpoint.
    pub fn push(
        &mut self,
        to: impl Into<Target>,
        id: impl Into<String>,
        content: impl IntoContent,
    ) -> Result<Sent<'_>> {
        let content = content.into_content()?;
        let push = Push { to: to.into(), exclude: None, id: id.into(), content };
        Ok(self.effect(Action::Push(push)))
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
        let publish = Publish { channel, id, content, exclude: None, keep: false };
        Ok(self.effect(Action::Publish(publish)))
    }

    /// Subscribes a connection to a channel, which needs the grant `publish` for it; ends with the connection at the
    /// latest. When it is refused, [`Handler::refused`](crate::Handler::refused) has the channel's name as its key.
    pub fn subscribe(&mut self, connection: Handle, channel: impl Into<String>) {
        let channel = channel.into();
        let key = channel.clone();
        self.effect(Action::Subscribe(Membership { connection, channel })).key(key);
    }

    /// Ends a connection's subscription to a channel; its name is the key, as of [`Context::subscribe`].
    pub fn unsubscribe(&mut self, connection: Handle, channel: impl Into<String>) {
        let channel = channel.into();
        let key = channel.clone();
        self.effect(Action::Unsubscribe(Membership { connection, channel })).key(key);
    }

    /// Closes a connection, after what is queued for it: 1000, or 3000 to 4999.
    pub fn close(&mut self, connection: Handle, code: u16, reason: impl Into<String>) {
        self.effect(Action::Close(Close { connection, code, reason: reason.into() }));
    }

    /// Sets a timer of the event's connection, or of the plugin when the event has none. The same key replaces.
    ///
    /// Shorter than 10 ms counts as 10 ms; at most 16 of a connection and 1,024 of the plugin's own. Timers live in the
    /// gateway: they survive reloads and traps, and fire once. When it is refused,
    /// [`Handler::refused`](crate::Handler::refused) has the timer's key.
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
        let (key, after_ms) = (key.into(), u32::try_from(after.as_millis()).unwrap_or(u32::MAX));
        let timer = Timer { connection, key: key.clone(), after_ms };
        self.effect(Action::SetTimer(timer)).key(key);
    }

    /// Cancels a timer of the event's connection or, when the event has none, of the plugin; one that is not there is no
    /// fault.
    pub fn cancel_timer(&mut self, key: impl Into<String>) {
        self.cancel_timer_of(self.connection, key);
    }

    /// As [`Context::cancel_timer`], of another connection, or (`None`) of the plugin itself.
    pub fn cancel_timer_of(&mut self, connection: Option<Handle>, key: impl Into<String>) {
        let key = key.into();
        let name = TimerName { connection, key: key.clone() };
        self.effect(Action::CancelTimer(name)).key(key);
    }

    /// Sends a request to somebody else's server, which the grant `http` has to name; how it ends comes to
    /// [`Handler::fetched`](crate::Handler::fetched), under this name. When it is refused, because the grant does not have the
    /// server or 64 requests are under way, [`Handler::refused`](crate::Handler::refused) has the name as its key.
    pub fn fetch(&mut self, name: impl Into<String>, request: Request) -> Sent<'_> {
        let name = name.into();
        self.effect(Action::Fetch(Fetching { name: name.clone(), request })).key(name)
    }

    /// Asks the client of a connection; what comes of it comes to [`Handler::answered`](crate::Handler::answered), under this
    /// name: its answer, its own fault, `timeout` (after 30 s, or [`Sent::timeout`]), or `closed`. When the question is refused,
    /// because one of this name is open, 16 are, or the connection has ended, [`Handler::refused`](crate::Handler::refused) has the name
    /// as its key.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tengen_plugin::{Answered, Context, Handle, Handler, Message, Plugin, Result, StartReason};
    ///
    /// struct Shop;
    ///
    /// impl Plugin for Shop {
    ///     fn start(_: StartReason) -> Result<Self, String> {
    ///         Ok(Self)
    ///     }
    /// }
    ///
    /// impl Handler for Shop {
    ///     fn message(&mut self, ctx: &mut Context, from: Handle, message: Message) -> Result {
    ///         ctx.ask(from, "sure", "shop/sure", &message.json::<u32>()?)?.timeout(Duration::from_secs(60));
    ///         Ok(())
    ///     }
    ///
    ///     fn answered(&mut self, ctx: &mut Context, of: Option<Handle>, answered: Answered) -> Result {
    ///         let is_sure = answered.json().unwrap_or(false);
    ///         if let Some(connection) = of {
    ///             ctx.push(connection, if is_sure { "shop/sold" } else { "shop/kept" }, &())?;
    ///         }
    ///         Ok(())
    ///     }
    /// }
    ///
    /// # use tengen_plugin::testing;
    /// let mut shop = Shop;
    /// let asked = testing::handle(&mut shop, vec![testing::message(7, "shop/buy", &1)]);
    /// assert_eq!(testing::asks_json(&asked, "shop/sure"), [1]);
    /// let said = testing::handle(&mut shop, vec![testing::answered(Some(7), "sure", Ok(true.into()))]);
    /// assert_eq!(testing::pushes_json(&said, "shop/sold").len(), 1);
    /// ```
    pub fn ask(
        &mut self,
        connection: Handle,
        name: impl Into<String>,
        id: impl Into<String>,
        content: impl IntoContent,
    ) -> Result<Sent<'_>> {
        let (name, content) = (name.into(), content.into_content()?);
        let key = name.clone();
        let asking = Asking { connection, name, id: id.into(), content, timeout_ms: None };
        Ok(self.effect(Action::Ask(asking)).key(key))
    }

    /// If the event fails, its connection is closed with this code as well: 1000, or 3000 to 4999. For any other, 1011 is
    /// sent instead.
    pub fn close_if_failed(&mut self, code: u16) {
        self.close_if_failed = Some(code);
    }

    /// Adds anything that can be done, as it stands in the interface.
    pub fn effect(&mut self, what: Action) -> Sent<'_> {
        self.effects.push(Effect { what, key: None, more: Vec::new() });
        Sent { effect: self.effects.last_mut() }
    }
}
