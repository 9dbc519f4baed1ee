//! What a plugin can do about one event.

use crate::{
    Action, Answer, Attribute, Content, Decision, Done, Effect, Failed, Fault, Handle, IntoContent,
    Request, Result, Target,
    effects::{
        Asking, Close, DataChange, Expected, Fetching, Membership, Publish, Push, Put, Reply,
        Timer, TimerName,
    },
};
use serde::Serialize;
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

    /// Puts a value at a key of a bucket, which needs the grant `kv` for it: [`kv`](crate::kv) reads it from the next call on.
    pub fn put(
        &mut self,
        bucket: impl Into<String>,
        key: impl Into<String>,
        value: impl Into<Vec<u8>>,
    ) -> Sent<'_> {
        self.put_or_remove(bucket.into(), key.into(), Some(value.into()))
    }

    /// As [`Context::put`], with the value as JSON.
    pub fn put_json<T: Serialize + ?Sized>(
        &mut self,
        bucket: impl Into<String>,
        key: impl Into<String>,
        value: &T,
    ) -> Result<Sent<'_>> {
        let value = serde_json::to_vec(value)?;
        Ok(self.put(bucket, key, value))
    }

    /// Takes away what stands at a key of a bucket; that nothing does is no fault.
    pub fn remove(&mut self, bucket: impl Into<String>, key: impl Into<String>) -> Sent<'_> {
        self.put_or_remove(bucket.into(), key.into(), None)
    }

    fn put_or_remove(&mut self, bucket: String, key: String, value: Option<Vec<u8>>) -> Sent<'_> {
        self.effect(Action::Put(Put { bucket, key, value, compare: None }))
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
    /// use tengen_plugin::{Answered, Context, Handle, Handler, Message, Result};
    ///
    /// #[derive(Default)]
    /// struct Shop;
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

    /// Keeps a text with a connection, by name. It is among the `attributes` of the connection whenever the plugin hears of it
    /// anew, after a trap or a reload too, and ends with the connection. No other plugin sees it. At most 64 of a connection,
    /// and 4,096 bytes of them; more is refused with `limit-reached`.
    pub fn set_attribute(
        &mut self,
        connection: Handle,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Sent<'_> {
        let attribute = Attribute { key: name.into(), value: value.into() };
        self.set_data(DataChange { set: vec![attribute], ..change(connection) })
    }

    /// Takes away what is kept with a connection by this name; that nothing is, is no fault.
    pub fn remove_attribute(&mut self, connection: Handle, name: impl Into<String>) -> Sent<'_> {
        self.set_data(DataChange { unset: vec![name.into()], ..change(connection) })
    }

    /// Gives a connection a tag, by which [`Target::Tagged`] reaches it from then on, together with all others that this plugin
    /// has given it: over traps and reloads, until the connection ends. At most 16 of a connection; more are refused with
    /// `limit-reached`.
    ///
    /// ```
    /// use tengen_plugin::{Connection, Context, Result, Target};
    ///
    /// fn opened(ctx: &mut Context, connection: Connection) -> Result {
    ///     ctx.tag(connection.handle, "waiting");
    ///     ctx.push(Target::Tagged("waiting".into()), "game/one-more", "")?;
    ///     Ok(())
    /// }
    /// ```
    pub fn tag(&mut self, connection: Handle, tag: impl Into<String>) -> Sent<'_> {
        self.set_data(DataChange { tag: vec![tag.into()], ..change(connection) })
    }

    /// Takes a tag away from a connection; one that it does not have is no fault.
    pub fn untag(&mut self, connection: Handle, tag: impl Into<String>) -> Sent<'_> {
        self.set_data(DataChange { untag: vec![tag.into()], ..change(connection) })
    }

    /// Changes several attributes and tags at once: all of it is done, or nothing.
    pub fn set_data(&mut self, change: DataChange) -> Sent<'_> {
        self.effect(Action::SetData(change))
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

/// A change of nothing.
fn change(connection: Handle) -> DataChange {
    let (unset, tag, untag) = Default::default();
    DataChange { connection, set: Vec::new(), unset, tag, untag }
}

/// An effect that has just been asked for, to be refined. What a kind of effect does not have is left.
#[derive(Debug)]
pub struct Sent<'a> {
    effect: Option<&'a mut Effect>,
}

impl Sent<'_> {
    /// Leaves this connection out: of a push, or a publication.
    pub fn except(mut self, connection: Handle) -> Self {
        match self.effect.as_deref_mut().map(|effect| &mut effect.what) {
            Some(Action::Push(push)) => push.exclude = Some(connection),
            Some(Action::Publish(publish)) => publish.exclude = Some(connection),
            _ => {}
        }
        self
    }

    /// Names the effect, to be told in [`Handler::refused`](crate::Handler::refused) when it was not carried out.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        if let Some(effect) = self.effect.as_deref_mut() {
            effect.key = Some(key.into());
        }
        self
    }

    /// How long a question waits for its answer: 10 ms to ten minutes, less and more count as these.
    pub fn timeout(mut self, after: Duration) -> Self {
        if let Some(Action::Ask(ask)) = self.effect.as_deref_mut().map(|effect| &mut effect.what) {
            ask.timeout_ms = Some(u32::try_from(after.as_millis()).unwrap_or(u32::MAX));
        }
        self
    }

    /// Puts a value, or takes one away, only where nothing stands: otherwise it is refused with `conflict`.
    pub fn if_absent(self) -> Self {
        self.compare(Expected::Absent)
    }

    /// Puts a value, or takes one away, only where the entry of this version stands: otherwise it is refused with `conflict`.
    pub fn if_version(self, version: impl Into<String>) -> Self {
        self.compare(Expected::Version(version.into()))
    }

    fn compare(mut self, expected: Expected) -> Self {
        if let Some(Action::Put(put)) = self.effect.as_deref_mut().map(|of| &mut of.what) {
            put.compare = Some(expected);
        }
        self
    }

    /// Keeps the publication in the channel's history. No channel has one in this version: the publication is delivered,
    /// and counted as refused; with a key, [`Handler::refused`](crate::Handler::refused) says so.
    pub fn keep(mut self) -> Self {
        if let Some(Action::Publish(publish)) = self.effect.as_deref_mut().map(|of| &mut of.what) {
            publish.keep = true;
        }
        self
    }
}
