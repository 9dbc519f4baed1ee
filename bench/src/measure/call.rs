//! What a plugin's call costs without sockets: an event offered to the engine, and the effect that comes out.

use crate::{
    bench::{Bench, say},
    report::{Report, Unit},
    statistics::median,
    verdict::Limits,
};
use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use std::{
    net::SocketAddr,
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};
use tengen::{
    effect::{Effect, Outcome},
    event::{Connection, Event, Message, Occurrence, Permit, Waiting},
    handler::{Actor, Handler},
    id::{ConnectionId, EndpointIndex, EventId, Handle, PluginName},
    payload::{Encoding, Payload},
    plugin::{Engine, EngineLimits, Parts, Plugin},
    settings,
    trace::{NoTracer, Span},
};
use tokio::task::yield_now;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Events offered together, with the limits of the time for each.
const BATCHES: [(usize, &str, Limits); 2] =
    [(1, "alone", Limits::new(1.2, 0.8)), (64, "in a batch of 64", Limits::new(0.6, 0.35))];

const SAMPLES: usize = 15;
const WAITING_MAX: usize = 8192;

pub(super) async fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    say("call");
    let done = Arc::new(Done::default());
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let plugin = Plugin::load(Parts {
        engine: Engine::new(EngineLimits::default())?,
        name: PluginName::new("echo"),
        settings: settings::Plugin::new(bench.guest("echo")?),
        actor: Arc::clone(&done) as Arc<dyn Actor>,
        tracer: Arc::new(NoTracer),
        tasks: tasks.clone(),
        stop: stop.clone(),
        waiting_events: NonZeroUsize::new(WAITING_MAX).context("zero")?,
    });
    let plugin = plugin.await?;
    let calls = Calls {
        handler: plugin.handler().context("`echo` is no handler")?,
        done,
        connection: connection(),
    };
    let events = if bench.plan.smoke { 640 } else { 64_000 };
    for (batch, what, limits) in BATCHES {
        calls.run(events, batch).await?;
        let mut each = Vec::new();
        for _ in 0..SAMPLES {
            each.push(calls.run(events, batch).await?.as_secs_f64() * 1e6 / events as f64);
        }
        let measure = format!("plugin call, 64 B event in, one reply out, {what}");
        let value = median(&each).unwrap_or(f64::NAN);
        let range = each.iter().copied().fold(f64::INFINITY, f64::min);
        let how = format!("per event, by the clock; the best of {SAMPLES} samples {range:.2} µs");
        report.judge(&measure, value, Unit::Microseconds, limits, how);
    }
    plugin.stop(Duration::from_secs(1)).await;
    stop.cancel();
    Ok(())
}

struct Calls {
    handler: Arc<dyn Handler>,
    done: Arc<Done>,
    connection: Arc<Connection>,
}

impl Calls {
    /// Offers events, `batch` at a time, and waits for the effects of each batch before the next.
    async fn run(&self, events: usize, batch: usize) -> Result<Duration> {
        let payload = Bytes::from(crate::load::text_of(64));
        let id = EventId::new("bench/echo");
        let mut awaited = self.done.effects.load(Ordering::Relaxed);
        let mut reply_to = 0;
        let began = Instant::now();
        for _ in 0..events / batch {
            for _ in 0..batch {
                reply_to += 1;
                let event = self.event(&id, &payload, reply_to)?;
                ensure!(self.handler.offer(event).is_ok(), "the plugin declined an event");
            }
            awaited += batch;
            let mut turns = 0;
            while self.done.effects.load(Ordering::Relaxed) < awaited {
                turns += 1;
                ensure!(turns < 1_000_000, "the plugin does not answer");
                yield_now().await;
            }
        }
        Ok(began.elapsed())
    }

    fn event(&self, id: &EventId, payload: &Bytes, reply_to: u32) -> Result<Event> {
        let permit = Permit::take(&self.connection, payload.len(), 64, 1 << 20)
            .context("too many events wait")?;
        let message = Message {
            id: id.clone(),
            payload: Payload::new(Encoding::Json, payload.clone()),
            reply_to: Some(reply_to),
        };
        Ok(Event {
            connection: Some(Arc::clone(&self.connection)),
            seq: reply_to,
            at: SystemTime::now(),
            what: Occurrence::Message(message),
            span: Span::none(),
            permit: Some(Arc::new(permit)),
        })
    }
}

fn connection() -> Arc<Connection> {
    Arc::new(Connection {
        handle: Handle(1),
        id: ConnectionId::from_bytes([1; 16]),
        user: None,
        endpoint: "/ws".into(),
        endpoint_index: EndpointIndex(0),
        peer: SocketAddr::from(([127, 0, 0, 1], 1)),
        dialect: "tengen",
        more: Vec::new(),
        upgrade: None,
        waiting: Waiting::default(),
    })
}

/// Counts replies and does nothing with them.
#[derive(Debug, Default)]
struct Done {
    effects: AtomicUsize,
}

impl Actor for Done {
    fn act(&self, _: &PluginName, _: &[Event], outcome: Outcome) -> Vec<Event> {
        let replies =
            outcome.effects.iter().filter(|caused| matches!(caused.what, Effect::Reply { .. }));
        self.effects.fetch_add(replies.count(), Ordering::Relaxed);
        Vec::new()
    }

    fn connections_of(&self, _: &PluginName) -> Vec<Arc<Connection>> {
        Vec::new()
    }
}
