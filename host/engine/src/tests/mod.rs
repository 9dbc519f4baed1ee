//! The engine with real components and a pretended gateway around it.

mod breaker;
mod cache;
mod calls;
mod clock;
mod compile;
mod cost;
mod failing;
mod files;
mod folders;
mod guests;
mod hand_over;
mod hostile;
mod imports;
mod lifecycle;
mod limits;
mod load;
mod many;
mod reload;
mod roles;
mod said;
mod space;
mod steps;

use super::{
    Compiler, Engine, EngineLimits, EngineParts, Health, Phase, Plugin, PluginError, PluginParts,
    State, Status,
};
use guests::Guest;
use std::{
    num::NonZeroUsize,
    path::PathBuf,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};
use tengen_core::{
    capability::{close::Close, reply::Reply, timers::CancelTimer},
    effect::{Effect, Outcome},
    event::{Connection, Event, Message, Occurrence},
    handler::{Actor, Handler, Progress, Work},
    testing::somebody_listens,
    trace::{NoTracer, Span},
};
use tengen_settings as settings;
use tengen_wire::{
    fault::{Fault, FaultId},
    id::{EventId, PluginName},
    payload::{Encoding, Payload},
};
use tokio::{sync::mpsc, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// One engine for all tests, as in a gateway.
fn engine() -> Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    somebody_listens();
    ENGINE
        .get_or_init(|| {
            Engine::new(EngineLimits { instances: 64, ..Default::default() }).expect("an engine")
        })
        .clone()
}

/// What one call came to, in words: `r7` a reply to 7, `f:timeout` a failure, and the events of the batch.
#[derive(Debug, PartialEq, Eq)]
struct Acted {
    events: Vec<String>,
    decided: Vec<String>,
}

/// Stands for the hub: writes down what is decided.
#[derive(Debug)]
struct Recorder {
    acted: mpsc::Sender<Acted>,
    open: Mutex<Vec<Arc<Connection>>>,
    /// As long as it is set, what is decided takes another step.
    held: AtomicBool,
    steps: AtomicUsize,
}

impl Actor for Recorder {
    fn act(&self, _: &PluginName, events: &[Event], work: &mut Work) -> Progress {
        self.steps.fetch_add(1, Ordering::Relaxed);
        if self.held.load(Ordering::Relaxed) {
            return Progress::More;
        }
        let outcome = work.take();
        if outcome == Outcome::default() {
            return Progress::Done;
        }
        let effects = outcome.effects.iter().map(|caused| match &caused.what {
            Effect::Reply(Reply { reply_to, value: Ok(_) }) => format!("r{reply_to}"),
            Effect::Close(Close { code, .. }) => format!("close {code}"),
            Effect::CancelTimer(CancelTimer { key, .. }) => format!("cancel {key}"),
            other => format!("{other:?}"),
        });
        let failures =
            outcome.failures.iter().map(|failure| format!("f:{}", failure.why.id.word()));
        let acted = Acted {
            events: events.iter().map(shorthand).collect(),
            decided: effects.chain(failures).collect(),
        };
        self.acted.try_send(acted).expect("the test reads along");
        Progress::Done
    }

    fn connections_of(&self, _: &PluginName) -> Vec<Arc<Connection>> {
        self.open.lock().expect("not poisoned").clone()
    }
}

fn shorthand(event: &Event) -> String {
    let handle = event.connection.as_ref().map_or(0, |connection| connection.handle.0);
    let letter = match event.what {
        Occurrence::Opened => 'o',
        Occurrence::Adopted => 'a',
        Occurrence::Closed(_) => 'c',
        Occurrence::Message(_) => 'm',
        Occurrence::Refused { .. } => 'R',
        _ => '?',
    };
    format!("{letter}{handle}")
}

/// A running plugin and what it decides.
struct Running {
    plugin: Arc<Plugin>,
    handler: Arc<dyn Handler>,
    acted: mpsc::Receiver<Acted>,
    recorder: Arc<Recorder>,
    file: PathBuf,
    _folder: tempfile::TempDir,
    tasks: TaskTracker,
}

async fn load(
    component: &[u8],
    change: impl FnOnce(&mut settings::Plugin),
) -> Result<Running, PluginError> {
    load_in(engine(), component, change).await
}

async fn load_in(
    engine: Engine,
    component: &[u8],
    change: impl FnOnce(&mut settings::Plugin),
) -> Result<Running, PluginError> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("guest.wasm");
    std::fs::write(&file, component).expect("written");
    let (sender, acted) = mpsc::channel(8192);
    let recorder = Arc::new(Recorder {
        acted: sender,
        open: Mutex::default(),
        held: AtomicBool::new(false),
        steps: AtomicUsize::new(0),
    });
    let tasks = TaskTracker::new();
    let mut settings = settings::Plugin::new(&file);
    change(&mut settings);
    let plugin = Plugin::load(PluginParts {
        engine,
        name: PluginName::from("guest"),
        settings,
        actor: Arc::clone(&recorder) as Arc<dyn Actor>,
        tracer: Arc::new(NoTracer),
        tasks: tasks.clone(),
        stop: CancellationToken::new(),
        waiting_events: NonZeroUsize::new(1000).expect("not zero"),
    })
    .await?;
    let handler = plugin.handler().expect("it is a handler");
    Ok(Running { plugin, handler, acted, recorder, file, _folder: folder, tasks })
}

async fn run(guest: &Guest) -> Running {
    // A deadline that a busy machine does not run over by itself.
    let patient = |settings: &mut settings::Plugin| settings.deadline = Duration::from_millis(300);
    load(&guest.component(), patient).await.expect("the guest runs")
}

impl Running {
    fn offer(&self, event: Event) {
        self.try_offer(event).expect("the event is taken");
    }

    /// The fault with which the event is declined, if it is.
    fn try_offer(&self, event: Event) -> Result<(), Fault> {
        self.handler.offer(event).map_err(|declined| declined.why)?;
        self.handler.settle();
        Ok(())
    }

    /// What is decided next.
    async fn next(&mut self) -> Acted {
        timeout(Duration::from_secs(30), self.acted.recv())
            .await
            .expect("in time")
            .expect("the plugin runs")
    }

    /// The next decision about messages; what is decided about other events is passed over.
    async fn decided(&mut self) -> Vec<String> {
        self.next().await.decided
    }

    fn status(&self) -> Status {
        self.plugin.status()
    }
}

fn connection(handle: u32) -> Arc<Connection> {
    Arc::new(Connection {
        more: vec![("client-id".into(), "c".into())],
        ..Connection::anybody(handle)
    })
}

fn event(connection: &Arc<Connection>, what: Occurrence) -> Event {
    Event {
        connection: Some(Arc::clone(connection)),
        seq: 1,
        at: SystemTime::now(),
        what,
        span: Span::none(),
        permit: None,
    }
}

fn message(connection: &Arc<Connection>, id: &str, body: &str, reply_to: u32) -> Event {
    let payload = Payload::new(Encoding::Json, body.as_bytes().to_vec());
    event(
        connection,
        Occurrence::Message(Message { id: EventId::from(id), payload, reply_to: Some(reply_to) }),
    )
}

/// Waits until the plugin's own numbers say so.
async fn wait(running: &Running, ready: impl Fn(&Status) -> bool) {
    let seen = async {
        while !ready(&running.status()) {
            tokio::task::yield_now().await;
        }
    };
    let in_time = timeout(Duration::from_secs(30), seen).await;
    in_time.unwrap_or_else(|_| panic!("it stays so: {:?}", running.status()));
}

/// The id of the fault with which an event is declined.
fn declined(running: &Running, event: Event) -> FaultId {
    running.try_offer(event).expect_err("it is declined").id
}
