//! Requests to other people's servers: the grant is `http`. How they end is told through the inbox.
//!
//! A request has its place, of its plugin's and of all, from when its effect is accepted until nobody has its end any more: so what
//! waits to be told is bounded, and nothing that was accepted is lost because there is no room. An end whose plugin has no room,
//! or does not run, is kept and tried again.
//!
//! **Invariant:** nothing of a connection is told after its end. An end is offered under the lock of its connection's part, and
//! with the connection only if that is open; whoever ends a connection passes that lock before its handlers hear of the end.

use super::{Carried, CarryOut, Fate};
use crate::hub::{Hub, step::Step};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, SystemTime},
};
use tengen_core::{
    capability::fetch::{Fetch, Fetched},
    event::{Connection, Event, Occurrence},
    handler::Work,
    meter::Happened,
    outgoing::{AT_ONCE, Asker, Begun, Outgoing},
    trace::{self, Span, Start},
};
use tengen_wire::{
    fault::{Fault, FaultId},
    id::{Handle, PluginName},
};
use tokio::{sync::mpsc, time::sleep};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

const PARTS: usize = 16;
/// How soon an end that found no room is tried again.
const AGAIN: Duration = Duration::from_millis(20);

/// Who carries requests out, and whose tasks they are.
#[derive(Debug)]
pub struct Requesting {
    pub client: Arc<dyn Outgoing>,
    pub tasks: TaskTracker,
    /// Ends those that are under way: nobody is told.
    pub stop: CancellationToken,
}

#[derive(Debug)]
pub(in crate::hub) struct Fetches {
    by: Option<Requesting>,
    ends: mpsc::Sender<End>,
    /// Taken by who tells of them.
    to_tell: Mutex<Option<mpsc::Receiver<End>>>,
    parts: [Mutex<()>; PARTS],
}

/// How a request ended, and whom to tell.
#[derive(Debug)]
struct End {
    plugin: PluginName,
    /// Which of its instances asked.
    instance: u16,
    /// Of the event that caused it. Its handle may be another's by now.
    connection: Option<Weak<Connection>>,
    fetched: Fetched,
}

impl Default for Fetches {
    fn default() -> Self {
        // Each end holds its request's place, of which there are no more.
        let (ends, to_tell) = mpsc::channel(AT_ONCE);
        Self { by: None, ends, to_tell: Mutex::new(Some(to_tell)), parts: Default::default() }
    }
}

impl Fetches {
    pub(in crate::hub) fn by(requesting: Requesting) -> Self {
        Self { by: Some(requesting), ..Self::default() }
    }

    /// A connection has ended, and can be found no more: who tells something of it right now has done so when this returns.
    pub(in crate::hub) fn end(&self, connection: Handle) {
        drop(self.part(connection));
    }

    fn part(&self, connection: Handle) -> MutexGuard<'_, ()> {
        let [first, ..] = &self.parts;
        let part = self.parts.get(connection.0 as usize % PARTS).unwrap_or(first);
        part.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hub {
    /// Tells plugins how their requests ended, until it is dropped. Only the first caller does.
    pub async fn run_fetched(&self) {
        let taken = self.fetches.to_tell.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut to_tell) = taken else { return };
        let mut kept: Vec<End> = Vec::new();
        loop {
            tokio::select! {
                end = to_tell.recv() => kept.extend(end.and_then(|end| self.tell_fetched(end))),
                () = sleep(AGAIN), if !kept.is_empty() => {
                    kept = kept.into_iter().filter_map(|end| self.tell_fetched(end)).collect();
                }
            }
        }
    }

    /// Offers an end to its plugin. Some: it has to be tried again.
    fn tell_fetched(&self, end: End) -> Option<End> {
        let Some(handler) = self.inbox.of(&end.plugin) else {
            self.meter.note(Happened::AnswerForgotten);
            return None;
        };
        let connection = end.connection.as_ref().and_then(Weak::upgrade);
        let part = connection.as_ref().map(|connection| self.fetches.part(connection.handle));
        let event = Event {
            connection: connection.filter(|it| self.is_open(it)),
            seq: 0,
            at: SystemTime::now(),
            what: Occurrence::Fetched(end.fetched.clone()),
            span: Span::none(),
            permit: None,
        };
        let offered = handler.offer_to(end.instance, event);
        // What is decided may end connections.
        drop(part);
        match offered {
            Ok(()) => {
                handler.settle();
                None
            }
            Err(_) => {
                self.meter.note(Happened::AnswerPutOff);
                Some(end)
            }
        }
    }

    fn is_open(&self, connection: &Arc<Connection>) -> bool {
        self.links.get(connection.handle).is_some_and(|link| Arc::ptr_eq(&link.facts, connection))
    }
}

impl CarryOut for Fetch {
    fn carry_out(self, step: &mut Step<'_>, by: u32, work: &mut Work) -> Carried {
        let hub = step.hub;
        let instance = work.by.instance;
        let Some(Requesting { client, tasks, stop }) = &hub.fetches.by else {
            return Err(Fault::new(FaultId::Unsupported, "this gateway asks no servers"));
        };
        let span = step.fetch_span(by, &self.request.method);
        let parent = step.event(by).and_then(|event| event.span.context());
        let rights = step.rights.get();
        let asker =
            Asker { plugin: step.plugin, hosts: &rights.grants.http, limits: rights.requests };
        let trace = span.context().or(parent);
        let Begun { server, exchange } = client.begin(asker, self.request, trace)?;
        let event = step.event(by);
        let connection = event.and_then(|event| event.connection.as_ref()).map(Arc::downgrade);
        let (plugin, name, ends) = (step.plugin.clone(), self.name, hub.fetches.ends.clone());
        let stop = stop.clone();
        tasks.spawn(async move {
            let mut span = span;
            span.set("server.address", server);
            let Some(ended) = stop.run_until_cancelled(exchange).await else { return };
            match &ended.value {
                Ok(answer) => span.set("http.response.status_code", i64::from(answer.status)),
                Err(why) => span.fail(why.id.word()),
            }
            let value = ended.value.map(Arc::new);
            let fetched = Fetched { name, value, place: Arc::new(ended.place) };
            // Has room: it holds its place.
            let _told = ends.try_send(End { plugin, instance, connection, fetched }).is_ok();
        });
        Ok(Fate::Done)
    }
}

impl Step<'_> {
    /// The request's span, when the causing event is recorded. It ends with the answer's last byte.
    fn fetch_span(&self, by: u32, method: &str) -> Span {
        let parent = self.event(by).and_then(|event| event.span.context());
        let Some(parent) = parent.filter(|context| context.sampled) else { return Span::none() };
        let mut span = self.hub.tracer.start(Start {
            operation: "fetch",
            target: "",
            kind: trace::Kind::Client,
            parent: Some(parent),
            link: None,
            at: None,
        });
        span.set("tengen.plugin.name", self.plugin.to_string());
        span.set("http.request.method", method.chars().take(32).collect::<String>());
        span
    }
}
