//! Calls a plugin through the engine, without sockets: an event offered, and the effect that comes out.
//!
//! Or a sink, handed batches of signals.
//!
//! A program of its own, because it is the one part of the bench that holds the gateway's code. Prints one sample a
//! line, in microseconds per event.

mod sink;

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use std::{
    net::SocketAddr,
    num::NonZeroUsize,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};
use tengen_core::{
    capability::reply::Reply,
    effect::Effect,
    event::{Connection, Data, Event, Message, Occurrence, Permit, Waiting},
    handler::{Actor, Handler, Progress, Work},
    trace::{NoTracer, Span},
};
use tengen_engine::{Engine, EngineLimits, Plugin, PluginParts};
use tengen_settings as settings;
use tengen_wire::{
    id::{ConnectionId, EndpointIndex, EventId, Handle, PluginName},
    payload::{Encoding, Payload},
};
use tokio::{sync::Notify, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The gateway's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SAMPLES: usize = 15;
const WAITING_MAX: usize = 8192;
const PATIENCE: Duration = Duration::from_secs(60);

/// `tengen-bench-call FILE BATCH EVENTS`: so many events a sample, so many offered together: what one turn of a connection does.
/// A fourth argument: its state is saved every so many seconds. With `sink:BATCH` signals instead, so many in a delivery.
fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (file, batch, events, every) = match arguments.as_slice() {
        [file, batch, events] => (file, batch, events, None),
        [file, batch, events, every] => (file, batch, events, Some(every)),
        _ => bail!("FILE, BATCH and EVENTS are needed"),
    };
    let every = every.map(|text| text.parse()).transpose()?.map(Duration::from_secs);
    let (file, events) = (Path::new(file), events.parse()?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match batch.strip_prefix("sink:") {
        Some(batch) => runtime.block_on(sink::measure(file, batch.parse()?, events)),
        None => runtime.block_on(measure(file, batch.parse()?, events, every)),
    }
}

#[expect(clippy::print_stdout, reason = "its samples are what this program is for")]
async fn measure(file: &Path, batch: usize, events: usize, every: Option<Duration>) -> Result<()> {
    let done = Arc::new(Done::default());
    let stop = CancellationToken::new();
    let mut settings = settings::Plugin::new(file);
    settings.state.every = every.unwrap_or(settings.state.every);
    let plugin = load(settings, "echo", Arc::clone(&done) as Arc<dyn Actor>, &stop).await?;
    let handler = plugin.handler().context("the plugin is no handler")?;
    let calls = Calls { handler, done, connection: connection() };
    calls.run(events, batch).await?;
    for _ in 0..SAMPLES {
        let run = timeout(PATIENCE, calls.run(events, batch)).await;
        let took = run.context("the plugin does not answer")??;
        println!("{}", took.as_secs_f64() * 1e6 / events as f64);
    }
    plugin.stop(Duration::from_secs(1)).await;
    stop.cancel();
    Ok(())
}

async fn load(
    settings: settings::Plugin,
    name: &str,
    actor: Arc<dyn Actor>,
    stop: &CancellationToken,
) -> Result<Arc<Plugin>> {
    let parts = PluginParts {
        engine: Engine::new(EngineLimits::default())?,
        name: PluginName::new(name),
        settings,
        actor,
        tracer: Arc::new(NoTracer),
        tasks: TaskTracker::new(),
        stop: stop.clone(),
        waiting_events: NonZeroUsize::new(WAITING_MAX).context("zero")?,
    };
    Ok(Plugin::load(parts).await?)
}

struct Calls {
    handler: Arc<dyn Handler>,
    done: Arc<Done>,
    connection: Arc<Connection>,
}

impl Calls {
    /// Offers events, `batch` at a time, and waits for the effects of each batch before the next.
    async fn run(&self, events: usize, batch: usize) -> Result<Duration> {
        let payload = Bytes::from(format!("\"{}\"", "x".repeat(62)));
        let id = EventId::new("bench/echo");
        let mut awaited = self.done.effects.load(Ordering::Relaxed);
        let mut reply_to = 0;
        // A connection asks once for all that it reads in one turn; what a clock costs is no part of a call.
        let at = SystemTime::now();
        let began = Instant::now();
        for _ in 0..events / batch {
            for _ in 0..batch {
                reply_to += 1;
                let event = self.event(&id, &payload, reply_to, at)?;
                ensure!(self.handler.offer(event).is_ok(), "the plugin declined an event");
            }
            self.handler.settle();
            awaited += batch;
            while self.done.effects.load(Ordering::Relaxed) < awaited {
                self.done.acted.notified().await;
            }
        }
        Ok(began.elapsed())
    }

    fn event(&self, id: &EventId, payload: &Bytes, reply_to: u32, at: SystemTime) -> Result<Event> {
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
            at,
            what: Occurrence::Message(message),
            span: Span::none(),
            permit: Some(permit),
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
        data: Data::default(),
    })
}

/// Counts replies and does nothing with them.
#[derive(Debug, Default)]
struct Done {
    effects: AtomicUsize,
    acted: Notify,
}

impl Actor for Done {
    fn act(&self, _: &PluginName, _: &[Event], work: &mut Work) -> Progress {
        let replies = work
            .effects
            .by_ref()
            .filter(|caused| matches!(caused.what, Effect::Reply(Reply { .. })));
        self.effects.fetch_add(replies.count(), Ordering::Relaxed);
        self.acted.notify_one();
        Progress::Done
    }

    fn connections_of(&self, _: &PluginName) -> Vec<Arc<Connection>> {
        Vec::new()
    }
}
