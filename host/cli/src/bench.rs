//! `tengen plugin bench`: what a call of a plugin costs on the gateway's engine, without sockets.

use super::{
    Env, Exit, Io,
    serve::user_cache,
    subject::{self, Named, Subject},
};
use clap::Args;
use serde_json::json;
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};
use tengen_core::{
    event::{Connection, Data, Event, Message, Occurrence, Permit, Waiting},
    handler::{Actor, Handler, Progress, Wants, Work},
    trace::{NoTracer, Span},
};
use tengen_engine::{Compiler, Engine, EngineLimits, EngineParts, Plugin, PluginParts};
use tengen_telemetry::secrets;
use tengen_wire::{
    id::{ConnectionId, EndpointIndex, EventId, Handle, PluginName},
    payload::{Encoding, Payload},
};
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// So many events are offered together.
const BATCHES: [usize; 2] = [1, 64];
/// Of each, calls before it is measured,
const WARM_UP: usize = 200;
/// and those that are: no more than so many,
const MOST: usize = 20_000;
/// nor for longer, but a few in any case.
const LONGEST: Duration = Duration::from_secs(2);
const FEWEST: usize = 20;
/// How long a call may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the plugin has to end.
const ENDS_WITHIN: Duration = Duration::from_secs(2);
/// Bytes that may wait: those of all events of a batch.
const WAITING: usize = 1 << 30;

const AFTER: &str = "\
The event comes from one connection, which has opened before. It is decided and what is decided is not carried out: nobody gets anything,
keys have no values, and the plugin's state is what so many events make of it. Times are by the clock, from the offer to the decision.";

/// What is measured.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(super) struct Bench {
    /// A component, or a folder with a tengen.toml
    #[arg(value_name = "PLUGIN.wasm|DIR")]
    what: PathBuf,
    /// The event's id, such as room/say
    event: String,
    /// Its data as JSON
    #[arg(default_value = "null")]
    data: String,
    /// The configuration file, for what the plugin is given
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Which of the configuration's plugins, where it has several
    #[arg(short, long, value_name = "NAME")]
    plugin: Option<String>,
    /// Print JSON, for programs: times in microseconds
    #[arg(long)]
    json: bool,
}

/// What calls of so many events took, from the shortest to the longest.
#[derive(Debug, PartialEq)]
struct Took {
    batch: usize,
    calls: Vec<Duration>,
}

impl Took {
    /// The time that this share of the calls does not exceed, in microseconds.
    fn share(&self, of_100: usize) -> f64 {
        let place = (self.calls.len() * of_100).div_ceil(100).saturating_sub(1);
        self.calls.get(place).map_or(0.0, |took| took.as_secs_f64() * 1e6)
    }
}

pub(super) async fn run(args: &Bench, io: &mut Io) -> Exit {
    let (subject, id) = match prepare(args, &io.env) {
        Ok(prepared) => prepared,
        Err(why) => {
            io.note(format_args!("error: {why}"));
            return Exit::Wrong;
        }
    };
    subject.keep_secrets(&io.env);
    let payload = Payload::new(Encoding::Json, args.data.clone().into_bytes());
    let compiler = io.compiler.clone();
    let measured = Box::pin(measure(&subject, compiler, &io.env, &(id, payload))).await;
    match measured {
        Ok((version, all)) => {
            tell(args, &version, &all, io);
            Exit::Ok
        }
        Err(why) => {
            io.note(format_args!("error: {}", secrets::hide(&why)));
            Exit::Failed
        }
    }
}

fn prepare(args: &Bench, env: &Env) -> Result<(Subject, EventId), String> {
    let id = EventId::parse(&args.event);
    let id = id.ok_or_else(|| format!("`{}` is not an event id", args.event))?;
    serde_json::from_str::<serde::de::IgnoredAny>(&args.data)
        .map_err(|why| format!("the data is not JSON: {why}"))?;
    let (config, plugin) = (args.config.as_deref(), args.plugin.as_deref());
    Ok((subject::find(&Named { what: &args.what, config, plugin }, env)?, id))
}

fn tell(args: &Bench, version: &str, all: &[Took], io: &mut Io) {
    if args.json {
        let each = all.iter().map(|took| {
            json!({
                "events": took.batch, "calls": took.calls.len(),
                "median-us": took.share(50), "p99-us": took.share(99),
            })
        });
        return io.say(
            json!({ "plugin": version, "event": args.event, "calls": each.collect::<Vec<_>>() }),
        );
    }
    io.say(format_args!("{version}, {}: a call of", args.event));
    for took in all {
        let (median, p99, calls) = (took.share(50), took.share(99), took.calls.len());
        let events =
            if took.batch == 1 { "1 event  ".into() } else { format!("{} events", took.batch) };
        let each = median / took.batch as f64;
        io.say(format_args!(
            "  {events}  median {median:8.1} µs   99 of 100 within {p99:8.1} µs   {each:6.1} µs an event   ({calls} calls)"
        ));
    }
}

/// The plugin's name and version, and what the calls took.
async fn measure(
    subject: &Subject,
    compiler: Compiler,
    env: &Env,
    what: &(EventId, Payload),
) -> Result<(String, Vec<Took>), String> {
    let Subject { settings, plugin: name, .. } = subject;
    let engine = Engine::new(EngineParts {
        limits: EngineLimits::default(),
        wanted: Some(settings.instances()),
        compiler,
        cache: settings.server.cache.folder(user_cache(env)),
        ..EngineParts::default()
    });
    let own = settings.plugins.get(name).cloned().ok_or("the configuration has no such plugin")?;
    let (done, stop) = (Arc::<Done>::default(), CancellationToken::new());
    let plugin = Plugin::load(PluginParts {
        engine: engine.map_err(|why| why.explain())?,
        name: name.clone(),
        settings: tengen_settings::Plugin { quarantine: None, ..own },
        actor: Arc::clone(&done) as Arc<dyn Actor>,
        tracer: Arc::new(NoTracer),
        tasks: TaskTracker::new(),
        stop: stop.clone(),
        waiting_events: settings.limits.plugin_waiting_events,
    });
    let plugin = plugin.await.map_err(|why| why.explain())?;
    let all = all(&plugin, &done, what).await;
    let version = format!("{name} {}", plugin.status().version);
    plugin.stop(ENDS_WITHIN).await;
    stop.cancel();
    Ok((version, all?))
}

async fn all(
    plugin: &Plugin,
    done: &Arc<Done>,
    what: &(EventId, Payload),
) -> Result<Vec<Took>, String> {
    let handler = plugin.handler().ok_or("the plugin is no handler")?;
    let mut calls = Calls { handler, done: Arc::clone(done), connection: connection(), seq: 0 };
    if calls.handler.wants(what.0.as_str()) == Wants::No {
        return Err(format!("the plugin does not want `{}`", what.0.as_str()));
    }
    calls.opened()?;
    plugin.settled().await.map_err(|why| why.explain())?;
    // What fails at once is not tried again and again.
    calls.call(1, what).await?;
    went_well(plugin, done)?;
    let mut all = Vec::new();
    for batch in BATCHES {
        let took = calls.measure(batch, what).await;
        went_well(plugin, done)?;
        all.push(took?);
    }
    Ok(all)
}

/// What an event costs at which a plugin fails is of no use to anybody.
fn went_well(plugin: &Plugin, done: &Done) -> Result<(), String> {
    let status = plugin.status();
    if status.failed_calls.values().sum::<u64>() > 0 {
        let why = status.last_error.map_or_else(String::new, |last| last.message);
        return Err(format!("a call broke: {why}"));
    }
    match done.failure() {
        Some(why) => Err(format!("the plugin fails at this event: {why}")),
        None => Ok(()),
    }
}

struct Calls {
    handler: Arc<dyn Handler>,
    done: Arc<Done>,
    connection: Arc<Connection>,
    seq: u32,
}

impl Calls {
    /// The connection opens.
    fn opened(&mut self) -> Result<(), String> {
        let event = self.event(Occurrence::Opened, 0)?;
        self.offer(event)?;
        self.handler.settle();
        Ok(())
    }

    async fn measure(&mut self, batch: usize, what: &(EventId, Payload)) -> Result<Took, String> {
        for _ in 0..WARM_UP.div_ceil(batch) {
            self.call(batch, what).await?;
        }
        let (began, mut calls) = (Instant::now(), Vec::new());
        while calls.len() < FEWEST || (calls.len() < MOST && began.elapsed() < LONGEST) {
            calls.push(self.call(batch, what).await?);
        }
        calls.sort_unstable();
        Ok(Took { batch, calls })
    }

    /// Offers so many events, and waits until all of them are decided.
    async fn call(&mut self, batch: usize, what: &(EventId, Payload)) -> Result<Duration, String> {
        let awaited = self.done.events.load(Ordering::Relaxed) + batch;
        let began = Instant::now();
        for _ in 0..batch {
            let (id, payload) = what.clone();
            let size = payload.body.len();
            let message = Message { id, payload, reply_to: Some(self.seq + 1) };
            let event = self.event(Occurrence::Message(message), size)?;
            self.offer(event)?;
        }
        self.handler.settle();
        let decided = async {
            while self.done.events.load(Ordering::Relaxed) < awaited {
                self.done.acted.notified().await;
            }
        };
        let in_time = timeout(PATIENCE, decided).await;
        in_time.map_err(|_| format!("the plugin did not decide within {PATIENCE:?}"))?;
        Ok(began.elapsed())
    }

    fn offer(&self, event: Event) -> Result<(), String> {
        let declined = |why: &str| format!("the plugin does not take the event: {why}");
        self.handler.offer(event).map_err(|it| declined(&it.why.message))
    }

    fn event(&mut self, what: Occurrence, bytes: usize) -> Result<Event, String> {
        self.seq += 1;
        let permit = Permit::take(&self.connection, bytes, u32::MAX, WAITING);
        Ok(Event {
            connection: Some(Arc::clone(&self.connection)),
            seq: self.seq,
            at: SystemTime::now(),
            what,
            span: Span::none(),
            permit: Some(permit.ok_or("the events are too large to wait together")?),
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
        peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)),
        dialect: "tengen",
        more: Vec::new(),
        upgrade: None,
        waiting: Waiting::default(),
        data: Data::default(),
    })
}

/// Counts what is decided, and does nothing with it.
#[derive(Debug, Default)]
struct Done {
    events: AtomicUsize,
    acted: Notify,
    failure: std::sync::Mutex<Option<String>>,
}

impl Done {
    /// Why the plugin failed at an event, the first time.
    fn failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

impl Actor for Done {
    fn act(&self, _: &PluginName, events: &[Event], work: &mut Work) -> Progress {
        work.effects.by_ref().for_each(drop);
        if let Some(failure) = work.failures.next() {
            let mut first = self.failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            first.get_or_insert_with(|| {
                format!("{}: {}", failure.why.id.word(), failure.why.message)
            });
        }
        self.events.fetch_add(events.len(), Ordering::Relaxed);
        self.acted.notify_one();
        Progress::Done
    }

    fn connections_of(&self, _: &PluginName) -> Vec<Arc<Connection>> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_calls_are_taken_from_those_that_were() {
        let calls = (1..=200).map(Duration::from_micros).collect();
        let took = Took { batch: 1, calls };
        assert_eq!((took.share(50), took.share(99)), (100.0, 198.0));
        let one = Took { batch: 1, calls: vec![Duration::from_micros(7)] };
        assert_eq!((one.share(50), one.share(99)), (7.0, 7.0));
        assert_eq!(Took { batch: 1, calls: vec![] }.share(50), 0.0);
    }
}
