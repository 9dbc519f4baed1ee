//! Plugins as the gateway uses them, with components from the SDK and a pretended hub.

use anyhow::{Context, Result, bail, ensure};
use std::{
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};
use support::guests;
use tengen_core::{
    authenticator::{Upgrade, Verdict},
    capability::reply::Reply,
    effect::{Content, Effect},
    event::{Connection, Data, Event, Message, Occurrence, Waiting},
    handler::{Actor, Handler, Progress, Work},
    sink::{Level, Refusal, Signal},
    trace::{NoTracer, Span},
};
use tengen_engine::{
    Engine, EngineLimits, FileChange, Phase, Plugin, PluginParts, Reloaded, Role, Watch,
};
use tengen_settings as settings;
use tengen_wire::{
    fault::FaultId,
    id::{ConnectionId, EndpointIndex, EventId, Handle, PluginName},
    payload::{Encoding, Payload},
};
use tokio::{sync::mpsc, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

const PATIENCE: Duration = Duration::from_secs(60);

/// The hub's place: passes on what is replied, and keeps the open connections.
#[derive(Debug)]
struct Hub {
    replies: mpsc::Sender<(u32, std::result::Result<String, FaultId>)>,
    open: Mutex<Vec<Arc<Connection>>>,
}

impl Actor for Hub {
    fn act(&self, _: &PluginName, events: &[Event], work: &mut Work) -> Progress {
        let outcome = work.take();
        let reply_of =
            |by: u32| events.get(by as usize).and_then(Event::reply_to).unwrap_or_default();
        let failures =
            outcome.failures.iter().map(|failure| (reply_of(failure.by), Err(failure.why.id)));
        let effects = outcome.effects.iter().filter_map(|caused| match &caused.what {
            Effect::Reply(Reply { reply_to, value: Ok(content) }) => {
                let body = match content {
                    Content::Payload(payload) => payload.body.clone(),
                    Content::OfEvent(by) => match &events.get(*by as usize)?.what {
                        Occurrence::Message(message) => message.payload.body.clone(),
                        _ => return None,
                    },
                };
                Some((*reply_to, Ok(String::from_utf8_lossy(&body).into_owned())))
            }
            _ => None,
        });
        for reply in failures.chain(effects) {
            self.replies.try_send(reply).expect("the test reads along");
        }
        Progress::Done
    }

    fn connections_of(&self, _: &PluginName) -> Vec<Arc<Connection>> {
        self.open.lock().expect("not poisoned").clone()
    }
}

struct Running {
    plugin: Arc<Plugin>,
    peer: Arc<Connection>,
    replies: mpsc::Receiver<(u32, std::result::Result<String, FaultId>)>,
    file: PathBuf,
    _folder: tempfile::TempDir,
}

async fn run(name: &str, change: impl FnOnce(&mut settings::Plugin)) -> Result<Running> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("guest.wasm");
    guests::install(name, &file)?;
    let (sender, replies) = mpsc::channel(1 << 16);
    let peer = connection();
    let hub = Hub { replies: sender, open: Mutex::new(vec![Arc::clone(&peer)]) };
    let mut settings = settings::Plugin::new(&file);
    change(&mut settings);
    let plugin = Plugin::load(PluginParts {
        engine: Engine::new(EngineLimits { instances: 16, ..EngineLimits::default() })?,
        name: PluginName::from("guest"),
        settings,
        actor: Arc::new(hub),
        tracer: Arc::new(NoTracer),
        tasks: TaskTracker::new(),
        stop: CancellationToken::new(),
        waiting_events: NonZeroUsize::new(8192).context("not zero")?,
    })
    .await?;
    Ok(Running { plugin, peer, replies, file, _folder: folder })
}

impl Running {
    fn handler(&self) -> Result<Arc<dyn Handler>> {
        self.plugin.handler().context("it is a handler")
    }

    fn send(&self, id: &str, body: &str, reply_to: u32) -> Result<()> {
        let payload = Payload::new(Encoding::Json, body.as_bytes().to_vec());
        let what = Occurrence::Message(Message {
            id: EventId::from(id),
            payload,
            reply_to: Some(reply_to),
        });
        let event = Event {
            connection: Some(Arc::clone(&self.peer)),
            seq: reply_to,
            at: SystemTime::now(),
            what,
            span: Span::none(),
            permit: None,
        };
        let handler = self.handler()?;
        if let Err(declined) = handler.offer(event) {
            bail!("declined: {:?}", declined.why);
        }
        handler.settle();
        Ok(())
    }

    async fn reply(&mut self) -> Result<(u32, std::result::Result<String, FaultId>)> {
        timeout(PATIENCE, self.replies.recv()).await?.context("the plugin runs")
    }

    async fn ask(&mut self, id: &str, body: &str) -> Result<std::result::Result<String, FaultId>> {
        self.send(id, body, 1)?;
        Ok(self.reply().await?.1)
    }
}

fn connection() -> Arc<Connection> {
    Arc::new(Connection {
        handle: Handle(1),
        id: ConnectionId::from_bytes([1; 16]),
        user: None,
        endpoint: "/ws".into(),
        endpoint_index: EndpointIndex(0),
        peer: ([127, 0, 0, 1], 1).into(),
        dialect: "tengen",
        more: Vec::new(),
        upgrade: None,
        waiting: Waiting::default(),
        data: Data::default(),
    })
}

/// The same component with a note at its end: other bytes that do the same.
fn renew(file: &Path, note: u8) -> Result<()> {
    let mut bytes = fs::read(file)?;
    bytes.extend([0, 3, 1, b'n', note]);
    let beside = file.with_extension("part");
    fs::write(&beside, bytes)?;
    Ok(fs::rename(beside, file)?)
}

#[tokio::test]
async fn a_component_without_the_sdk_answers() -> Result<()> {
    let mut running = run("handler_echo", |_| {}).await?;
    for number in 1..=200 {
        running.send("echo/this", &number.to_string(), number)?;
    }
    for number in 1..=200 {
        ensure!(running.reply().await? == (number, Ok(number.to_string())));
    }
    Ok(())
}

#[tokio::test]
async fn versions_change_under_load_and_every_event_is_answered_once_and_never_by_an_older_one()
-> Result<()> {
    const ROUNDS: u32 = 20;
    const EVENTS: u32 = 200;
    let mut running = run("handler_version_a", |_| {}).await?;
    let mut watch = Watch::new([running.file.clone()], None)?;
    let mut versions = vec!["handler_version_a"];
    let mut sent = 0;
    for round in 0..ROUNDS {
        let next = if round % 2 == 0 { "handler_version_b" } else { "handler_version_a" };
        guests::install(next, &running.file)?;
        versions.push(next);
        let plugin = Arc::clone(&running.plugin);
        let reloaded = async {
            let change = timeout(PATIENCE, watch.next()).await?;
            ensure!(change == FileChange::Written(running.file.clone()), "{change:?}");
            let reloaded = plugin.reload(None).await?;
            ensure!(matches!(reloaded, Reloaded::Replaced { .. }), "{reloaded:?}");
            Ok(())
        };
        let load = async {
            for _ in 0..EVENTS {
                sent += 1;
                running.send("version/ask", &sent.to_string(), sent)?;
                tokio::task::yield_now().await;
            }
            Ok(())
        };
        tokio::try_join!(reloaded, load)?;
    }
    let mut at = 0;
    for number in 1..=ROUNDS * EVENTS {
        let (reply_to, reply) = running.reply().await?;
        ensure!(reply_to == number, "{reply_to} came in the place of {number}");
        let reply = reply.map_err(|fault| anyhow::anyhow!("{number} failed: {fault:?}"))?;
        // The versions alternate, so the answering one is this one or the next in the list.
        while !reply.contains(versions.get(at).context("an older version answered")?) {
            at += 1;
        }
    }
    ensure!(running.replies.try_recv().is_err(), "an event was answered twice");
    ensure!(running.plugin.status().generation == u64::from(ROUNDS) + 1);
    Ok(())
}

#[tokio::test]
async fn a_snapshot_goes_from_version_to_version() -> Result<()> {
    let mut running = run("handler_counts", |_| {}).await?;
    ensure!(running.ask("count/up", "null").await? == Ok("1".to_owned()));
    renew(&running.file, 1)?;
    let reloaded = running.plugin.reload(None).await?;
    ensure!(matches!(reloaded, Reloaded::Replaced { handed_over: true, .. }), "{reloaded:?}");
    ensure!(running.ask("count/up", "null").await? == Ok("2".to_owned()));

    let mut refusing = settings::Plugin::clone(&running.plugin.settings());
    refusing.config.insert("refuse".into(), "yes".into());
    let refused = running.plugin.reload(Some(refusing)).await.err().context("it does not load")?;
    ensure!(refused.explain().contains("does not want the count"), "{}", refused.explain());
    ensure!(running.ask("count/up", "null").await? == Ok("3".to_owned()), "the old one goes on");

    ensure!(running.ask("count/trap", "null").await? == Err(FaultId::PluginFailed));
    ensure!(running.ask("count/up", "null").await? == Ok("4".to_owned()), "a trap costs one event");
    Ok(())
}

#[tokio::test]
async fn one_component_has_every_role_that_it_exports() -> Result<()> {
    let mut running =
        run("every_role", |settings| settings.deadline = Duration::from_millis(20)).await?;
    ensure!(running.plugin.status().roles == [Role::Handler, Role::Authenticator, Role::Sink]);
    ensure!(running.ask("any/thing", "1").await? == Ok("\"handled\"".to_owned()));

    let authenticator = running.plugin.authenticator().context("it is an authenticator")?;
    let ask = |query: &str| authenticator.authenticate(upgrade(query));
    ensure!(matches!(ask("").await, Ok(Verdict::Allow(admission)) if admission.user.is_none()));
    let Ok(Verdict::Allow(admission)) = ask("ann").await else { bail!("ann is let in") };
    let user = admission.user.context("with her name")?;
    ensure!(
        &*user.id == "ann"
            && user.expires_at == Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1500))
    );
    let denied = ask("deny").await;
    ensure!(
        matches!(&denied, Ok(Verdict::Deny { status: 401, why }) if why.code.as_deref() == Some("no-token")),
        "{denied:?}"
    );
    for (query, fault) in
        [("trap", FaultId::PluginFailed), ("spin", FaultId::Timeout), ("odd", FaultId::Unsupported)]
    {
        let answer = ask(query).await;
        ensure!(matches!(&answer, Err(why) if why.id == fault), "{query}: {answer:?}");
    }
    ensure!(ask("").await.is_ok(), "a fresh instance answers");

    let sink = running.plugin.sink().context("it is a sink")?;
    ensure!(sink.deliver(&[signal("a"), signal("b")], 0).await == Ok(2));
    ensure!(
        sink.deliver(&[signal("a")], 250).await
            == Err(Refusal::RetryAfter(Duration::from_millis(250)))
    );
    ensure!(sink.flush().await == Err("2 taken".to_owned()));
    ensure!(matches!(sink.deliver(&[signal("trap")], 0).await, Err(Refusal::Drop(_))));
    ensure!(sink.deliver(&[signal("a")], 0).await == Ok(1), "a fresh instance takes on");
    Ok(())
}

#[tokio::test]
async fn an_authenticator_that_keeps_failing_is_left_out_unless_one_address_is_to_blame()
-> Result<()> {
    let running = run("every_role", |_| {}).await?;
    let authenticator = running.plugin.authenticator().context("it is an authenticator")?;
    let ask = |query: &str, host: u8| {
        let peer = ([10, 0, 0, host], 1).into();
        authenticator.authenticate(Upgrade { peer, ..upgrade(query) })
    };
    for _ in 0..20 {
        ensure!(matches!(ask("trap", 1).await, Err(why) if why.id == FaultId::PluginFailed));
    }
    ensure!(ask("", 1).await.is_ok(), "one address alone costs nobody the plugin");
    for host in 2..=22 {
        if ask("trap", host).await.is_err_and(|why| why.id == FaultId::PluginUnavailable) {
            break;
        }
    }
    let status = running.plugin.status();
    ensure!((status.breaker, status.breaker_opened) == (Phase::Open, 1), "{status:?}");
    let refused = ask("", 1).await.err().context("it is left out")?;
    ensure!(refused.id == FaultId::PluginUnavailable && refused.retry_after.is_some());
    let comes_back = async { while ask("", 1).await.is_err() {} };
    timeout(PATIENCE, comes_back).await?;
    ensure!(ask("", 1).await.is_ok() && ask("", 1).await.is_ok());
    ensure!(running.plugin.status().breaker == Phase::Closed);
    Ok(())
}

fn upgrade(query: &str) -> Upgrade {
    Upgrade {
        endpoint: "/ws".into(),
        path: "/ws".into(),
        query: query.into(),
        peer: ([127, 0, 0, 1], 1).into(),
        headers: Vec::new(),
        subprotocols: Vec::new(),
        more: Vec::new(),
        trace: None,
    }
}

fn signal(id: &str) -> Arc<Signal> {
    Arc::new(Signal { id: id.to_owned().into(), ..Signal::new(Level::Info, "test", "") })
}
