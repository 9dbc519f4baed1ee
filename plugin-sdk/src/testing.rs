//! Calls a plugin without a gateway, for its unit tests: events in, an outcome back.
//!
//! ```
//! # use tengen_plugin::{Context, Handle, Handler, Message, Plugin, Result, StartReason, testing};
//! # struct Hello;
//! # impl Plugin for Hello { fn start(_: StartReason) -> Result<Self, String> { Ok(Self) } }
//! # impl Handler for Hello {
//! #     fn message(&mut self, ctx: &mut Context, _: Handle, _: Message) -> Result { ctx.reply("hello") }
//! # }
//! let mut plugin = testing::start::<Hello>();
//! let outcome = testing::handle(&mut plugin, vec![testing::request(1, 7, "any/thing", "data")]);
//! assert_eq!(testing::reply_json(&outcome, 7), Some("hello".into()));
//! ```
//!
//! - **Handles** are numbers of the test's own choice: nothing is opened for them and nothing checked. A gateway tells of
//!   each with `opened` or `adopted` before its other events, and uses it again only after `closed`; `reply_to` is a number
//!   that no other open request has.
//! - **Times** stand still: an event happened at 0 ms since the Unix epoch unless [`at`] says otherwise, timers never come due
//!   by themselves, and the clocks of the standard library are the machine's (in a gateway, they are coarse). Take the time
//!   from [`Context::at_ms`](crate::Context::at_ms), and a test can choose it.
//! - **Numbers**: an event is its connection's first (`seq` 1); set the field for another.
//! - **Signals** go nowhere unless the test [`listen`]s, configuration is what [`set_config`] has set on this thread, and effects are not carried out:
//!   grants and limits are the gateway's to check.

use crate::{
    Action, Answer, Answered, Body, Closing, Connection, Content, Decision, Done, Effect, Event,
    Failed, Fault, Fetched, Handle, Handler, Message, Occurrence, Payload, Plugin, Response,
    StartReason, Upgrade, handler,
};
use serde::Serialize;
use serde_json::Value;

/// Starts a plugin as a gateway does the first time. Panics with the plugin's reason if it refuses.
#[expect(clippy::panic, reason = "this module is for tests")]
pub fn start<P: Plugin>() -> P {
    match P::start(StartReason::First) {
        Ok(plugin) => plugin,
        Err(why) => panic!("the plugin does not start: {why}"),
    }
}

/// What a handler decided about a batch, and which numbers it was asked to reply to.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// One for each event, in order.
    pub decisions: Vec<Decision>,
    reply_tos: Vec<Option<u32>>,
}

impl Outcome {
    /// What is to be done, over all events that did not fail.
    pub fn actions(&self) -> impl Iterator<Item = &Action> {
        self.effects().map(|effect| &effect.what)
    }

    /// As [`Outcome::actions`], with their keys.
    pub fn effects(&self) -> impl Iterator<Item = &Effect> {
        let effects = self.decisions.iter().map(|decision| match decision {
            Decision::Done(done) => done.effects.as_slice(),
            Decision::Failed(_) => &[],
        });
        effects.flatten()
    }

    /// The events that failed, with their places in the batch.
    pub fn failures(&self) -> impl Iterator<Item = (usize, &Failed)> {
        let failed = self.decisions.iter().enumerate();
        failed.filter_map(|(place, decision)| match decision {
            Decision::Failed(failed) => Some((place, failed)),
            Decision::Done(_) => None,
        })
    }

    /// What the sender that waits at this number is told at once, or by an effect; none: it is told nothing, or later.
    pub fn reply(&self, reply_to: u32) -> Option<Result<&Content, &Fault>> {
        let asked = self.reply_tos.iter().zip(&self.decisions);
        let own = asked.filter(|(asked, _)| **asked == Some(reply_to));
        let own = own.filter_map(|(_, decision)| match decision {
            Decision::Done(Done { answer: Answer::Given(content), .. }) => Some(Ok(content)),
            Decision::Done(Done { answer: Answer::Fault(why), .. }) => Some(Err(why)),
            Decision::Failed(failed) => Some(Err(&failed.why)),
            Decision::Done(_) => None,
        });
        let later = self.actions().filter_map(|action| match action {
            Action::Reply(reply) if reply.reply_to == reply_to => Some(reply.value.as_ref()),
            _ => None,
        });
        own.chain(later).next()
    }
}

/// Hands a batch of events to a handler.
pub fn handle<H: Handler>(plugin: &mut H, events: Vec<Event>) -> Outcome {
    let reply_to = |event: &Event| match &event.what {
        Occurrence::Message(message) => message.reply_to,
        _ => None,
    };
    let reply_tos = events.iter().map(reply_to).collect();
    Outcome { decisions: handler::dispatch(plugin, events), reply_tos }
}

/// What `config` answers from here on, on this thread.
#[cfg(not(target_family = "wasm"))]
pub fn set_config(values: &[(&str, &str)]) {
    let values = values.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
    crate::config::source::VALUES.set(values);
}

/// What stands in buckets from here on, on this thread, by bucket, key and value, with versions from 1 on. These buckets are
/// granted, and no others.
#[cfg(not(target_family = "wasm"))]
pub fn set_kv(values: &[(&str, &str, &[u8])]) {
    let mut buckets = std::collections::BTreeMap::<String, std::collections::BTreeMap<_, _>>::new();
    for (version, (bucket, key, value)) in (1_u32..).zip(values) {
        let (key, value) = ((*key).to_owned(), value.to_vec());
        let entry = crate::kv::Entry {
            key: key.clone(),
            value,
            version: version.to_string(),
            more: Vec::new(),
        };
        buckets.entry((*bucket).to_owned()).or_default().insert(key, entry);
    }
    crate::kv::source::VALUES.set(buckets);
}

/// Who is here from here on, on this thread, and in which channels; the plugin is granted to see it.
#[cfg(not(target_family = "wasm"))]
pub fn set_directory(here: Vec<(crate::directory::Present, Vec<String>)>) {
    crate::directory::source::HERE.set(Some(here));
}

/// A connection on `/ws` that has no tags, for [`set_directory`].
pub fn present(handle: Handle, user: Option<&str>) -> crate::directory::Present {
    crate::directory::Present {
        handle,
        user: user.map(str::to_owned),
        endpoint: "/ws".to_owned(),
        tags: Vec::new(),
        more: Vec::new(),
    }
}

/// From here on, this answers what [`fetch`](crate::fetch()) asks on this thread.
#[cfg(not(target_family = "wasm"))]
pub fn answer_requests(server: impl FnMut(&crate::Request) -> crate::Result<Response> + 'static) {
    crate::fetch::source::SERVER.set(Some(Box::new(server)));
}

/// What a server answers, with this text and no headers.
pub fn response(status: u16, text: &str) -> Response {
    let body = Body::Text(text.to_owned());
    Response { status, headers: Vec::new(), body, more: Vec::new() }
}

/// A request of this name has ended.
pub fn fetched(connection: Option<Handle>, name: &str, value: crate::Result<Response>) -> Event {
    let fetched = Fetched { name: name.to_owned(), value, more: Vec::new() };
    event(connection, Occurrence::Fetched(fetched))
}

/// A question of this name is over.
#[expect(clippy::panic, reason = "this module is for tests")]
pub fn answered(connection: Option<Handle>, name: &str, value: crate::Result<Value>) -> Event {
    let payload = |value| Payload::from_json(&value).unwrap_or_else(|why| panic!("{why}"));
    let answered = Answered { name: name.to_owned(), value: value.map(payload), more: Vec::new() };
    event(connection, Occurrence::Answered(answered))
}

/// From here on, what is said on this thread is kept for [`heard`].
#[cfg(not(target_family = "wasm"))]
pub fn listen() {
    crate::signals::target::HEARD.set(Some(Vec::new()));
}

/// What was said on this thread since [`listen`], or since this was asked last.
#[cfg(not(target_family = "wasm"))]
pub fn heard() -> Vec<crate::signals::Said> {
    crate::signals::target::HEARD
        .with_borrow_mut(|heard| heard.as_mut().map(std::mem::take))
        .unwrap_or_default()
}

/// Any event, its connection's first, at the time 0; `connection` is none for what happens to no single one.
pub fn event(connection: Option<Handle>, what: Occurrence) -> Event {
    Event { connection, seq: 1, at_ms: 0.0, what, more: Vec::new() }
}

/// The event at another time, in milliseconds since the Unix epoch.
#[must_use]
pub fn at(event: Event, at_ms: f64) -> Event {
    Event { at_ms, ..event }
}

/// An anonymous connection was opened on `/ws`.
pub fn opened(connection: Handle) -> Event {
    event(Some(connection), Occurrence::Opened(self::connection(connection)))
}

/// The connection was open before this instance began, as this says it.
pub fn adopted(connection: Connection) -> Event {
    event(Some(connection.handle), Occurrence::Adopted(connection))
}

/// The facts of an anonymous connection on `/ws`, from 127.0.0.1; its id is made of the handle.
pub fn connection(handle: Handle) -> Connection {
    Connection {
        handle,
        id: format!("00000000-0000-7000-8000-{handle:012}"),
        user: None,
        endpoint: "/ws".to_owned(),
        peer: Some("127.0.0.1:50000".to_owned()),
        dialect: "tengen".to_owned(),
        attributes: Vec::new(),
        tags: Vec::new(),
        more: Vec::new(),
    }
}

/// A client sent an event and waits for no reply.
pub fn message<T: Serialize + ?Sized>(connection: Handle, id: &str, data: &T) -> Event {
    sent(connection, id, data, None)
}

/// A client sent an event and waits for a reply.
pub fn request<T: Serialize + ?Sized>(
    connection: Handle,
    reply_to: u32,
    id: &str,
    data: &T,
) -> Event {
    sent(connection, id, data, Some(reply_to))
}

#[expect(clippy::panic, reason = "this module is for tests")]
fn sent<T: Serialize + ?Sized>(
    connection: Handle,
    id: &str,
    data: &T,
    reply_to: Option<u32>,
) -> Event {
    let payload = Payload::from_json(data).unwrap_or_else(|why| panic!("{why}"));
    let message = Message { id: id.to_owned(), payload, reply_to, more: Vec::new() };
    event(Some(connection), Occurrence::Message(message))
}

/// A connection was closed by its peer.
pub fn closed(connection: Handle) -> Event {
    let closing = Closing { code: 1000, reason: String::new(), clean: true, more: Vec::new() };
    event(Some(connection), Occurrence::Closed(closing))
}

/// An upgrade request with no headers, for authenticators.
pub fn upgrade(path: &str, query: &str) -> Upgrade {
    Upgrade {
        endpoint: path.to_owned(),
        path: path.to_owned(),
        query: (!query.is_empty()).then(|| query.to_owned()),
        peer: Some("127.0.0.1:50000".to_owned()),
        headers: Vec::new(),
        subprotocols: vec!["tengen.v1.json".to_owned()],
        more: Vec::new(),
    }
}

/// The JSON that a content holds. Panics when it holds another encoding or the event's own payload.
#[expect(clippy::panic, reason = "this module is for tests")]
pub fn content_json(content: &Content) -> Value {
    match content {
        Content::Payload(payload) => payload.json().unwrap_or_else(|why| panic!("{why}")),
        Content::OfEvent(by) => panic!("the content is the payload of event {by}"),
    }
}

/// The JSON that a request was answered with, if it was and not with a fault.
pub fn reply_json(outcome: &Outcome, reply_to: u32) -> Option<Value> {
    outcome.reply(reply_to)?.ok().map(content_json)
}

/// The pushes of an event id, as JSON, in order.
pub fn pushes_json(outcome: &Outcome, id: &str) -> Vec<Value> {
    let pushes = outcome.actions().filter_map(|action| match action {
        Action::Push(push) if push.id == id => Some(content_json(&push.content)),
        _ => None,
    });
    pushes.collect()
}

/// What was asked under an event id, as JSON, in order.
pub fn asks_json(outcome: &Outcome, id: &str) -> Vec<Value> {
    let asks = outcome.actions().filter_map(|action| match action {
        Action::Ask(ask) if ask.id == id => Some(content_json(&ask.content)),
        _ => None,
    });
    asks.collect()
}
