//! The stateless roles: a few instances, made on demand, any of which will do.
//!
//! Who calls waits for one of the `places`, passes the `guard`, which leaves the plugin alone when it keeps failing, and
//! takes an instance that is idle or a new one. After a call that broke, the instance is dropped, its place is free.

mod guard;
mod places;

use crate::{
    breaker::{Blame, Phase},
    call::{
        admission::{Said, verdict},
        generation::Generation,
        instance::{Instance, STOP},
    },
    error::{CallError, PluginError},
    guest::bindings::{
        authenticator as wit, plugin::StartReason, signal_types, telemetry_sink, types,
    },
    shared::Shared,
    text::plain,
};
use futures_util::{FutureExt as _, future::BoxFuture};
use guard::{Guard, Pass, blame};
use places::{Place, Places};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, UNIX_EPOCH},
};
use tengen_core::{
    authenticator::{Authenticator, Upgrade, Verdict, Wrong},
    meter::PluginHappened,
    sink::{Level, Refusal, Signal, Sink, Value},
};
use tengen_wire::fault::{Fault, FaultId};

/// Instances of one plugin in one stateless role.
#[derive(Debug)]
pub(super) struct Pool {
    shared: Arc<Shared>,
    idle: Mutex<Vec<(u64, Instance)>>,
    places: Places,
    guard: Guard,
    /// The mistakes of this version that were said in the log.
    said: Said,
}

/// An instance for one call. Without [`Pool::give_back`] it is dropped, as one that failed must be.
struct Taken<'a> {
    instance: Instance,
    generation: Arc<Generation>,
    pass: Pass<'a>,
    began: Instant,
    _place: Place<'a>,
}

impl Pool {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let places = Places::new(shared.current.load().settings.instances.get());
        let (idle, guard) = (Mutex::default(), Guard::new(Instant::now()));
        Self { shared, idle, places, guard, said: Said::default() }
    }

    /// Whether calls are made, or the plugin is left out because it keeps failing.
    pub(super) fn phase(&self) -> Phase {
        self.guard.phase()
    }

    /// Another version has taken over: nothing is held against it, it has as many places as it says, and what was kept
    /// of the one before it ends, but for the instances that have a call in hand.
    pub(super) fn renew(&self, instance: Option<Instance>) {
        self.guard.reset();
        self.said.forget();
        let current = self.shared.current.load();
        self.places.resize(current.settings.instances.get());
        let outdated = std::mem::take(&mut *self.lock());
        outdated.into_iter().for_each(|(_, instance)| self.retire(instance));
        if let Some(instance) = instance {
            self.put(current.number, instance);
        }
    }

    /// Keeps an instance for the next request, unless it is one too many, or of a version that is gone.
    pub(super) fn put(&self, generation: u64, instance: Instance) {
        let mut idle = self.lock();
        // Looked at under the lock: `renew` empties under it what there was before the version changed.
        let keeps = generation == self.shared.current.load().number
            && idle.len() < self.places.number()
            && !self.places.is_closed();
        if keeps {
            idle.push((generation, instance));
        } else {
            drop(idle);
            self.retire(instance);
        }
    }

    pub(super) fn waiting(&self) -> usize {
        self.places.waiting()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(u64, Instance)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a call may be made now.
    fn admit(&self) -> Result<Pass<'_>, Fault> {
        let (pass, changed) = self.guard.admit(Instant::now()).map_err(|wait| {
            Fault::new(FaultId::PluginUnavailable, "the plugin keeps failing; try again")
                .retry_after(wait)
        })?;
        if changed {
            self.shared.tell(Phase::HalfOpen, None);
        }
        Ok(pass)
    }

    async fn take(&self, blame: Blame) -> Result<Taken<'_>, Fault> {
        let place = self.places.take().await?;
        let pass = self.admit()?;
        let generation = self.shared.current.load_full();
        let idle = self.lock().pop();
        let instance = match idle {
            Some((number, instance)) if number == generation.number => instance,
            other => {
                if let Some((_, outdated)) = other {
                    self.retire(outdated);
                }
                match Instance::start(&generation, StartReason::Scale).await {
                    Ok(instance) => instance,
                    Err(error) => {
                        self.shared.failed("no instance can be started", &error);
                        self.broke(pass, blame);
                        let message = "the plugin does not run; try again";
                        return Err(Fault::new(FaultId::PluginUnavailable, message));
                    }
                }
            }
        };
        self.shared.counters.note(PluginHappened::Called);
        Ok(Taken { instance, generation, pass, began: Instant::now(), _place: place })
    }

    fn broke(&self, pass: Pass<'_>, blame: Blame) {
        if let Some(pause) = pass.broke(Instant::now(), blame) {
            self.shared.tell(Phase::Open, Some(pause));
        }
    }

    fn give_back(&self, taken: Taken<'_>) {
        self.shared.counters.meter.call_took(taken.began.elapsed());
        if taken.pass.passed(Instant::now()) {
            self.shared.tell(Phase::Closed, None);
        }
        self.put(taken.generation.number, taken.instance);
    }

    fn retire(&self, instance: Instance) {
        self.shared.retire(instance, self.shared.current.load().lifecycle());
    }

    /// What a failed call is answered; the instance is gone with it.
    fn failed(
        &self,
        function: &'static str,
        source: CallError,
        taken: Taken<'_>,
        blame: Blame,
    ) -> Fault {
        self.shared.counters.meter.call_took(taken.began.elapsed());
        self.broke(taken.pass, blame);
        let overran = source.kind().is_overrun();
        let why = if overran { FaultId::Timeout } else { FaultId::PluginFailed };
        self.shared.counters.note(PluginHappened::Failed(why, 1));
        self.shared.failed("the instance is replaced", &PluginError::Call { function, source });
        match overran {
            true => Fault::new(FaultId::Timeout, "the plugin took too long"),
            false => Fault::new(FaultId::PluginFailed, "the plugin failed"),
        }
    }

    /// No more calls; idle instances are told.
    pub(super) async fn stop(&self) {
        self.places.close();
        let idle = std::mem::take(&mut *self.lock());
        let mut allowance = self.shared.current.load().lifecycle();
        allowance.wall = allowance.wall.min(STOP);
        for (_, instance) in idle {
            if let Err(error) = instance.stop(allowance).await {
                tracing::warn!(plugin = %self.shared.name, "the plugin did not stop well: {}", error.explain());
            }
        }
    }

    async fn authenticate_once(&self, upgrade: Upgrade) -> Result<Verdict, Fault> {
        let blame = blame(upgrade.peer.ip());
        let mut taken = self.take(blame).await?;
        let (trace, asking) = (upgrade.trace.clone(), taken.generation.asking());
        let said = taken.instance.authenticate(asking, &request(upgrade), trace).await;
        let said = match said {
            Ok(said) => said,
            Err(error) => return Err(self.failed("authenticate", error, taken, blame)),
        };
        let generation = Arc::clone(&taken.generation);
        self.give_back(taken);
        let Some(said) = said else {
            return Err(Fault::new(FaultId::PluginUnavailable, "the plugin is no authenticator"));
        };
        verdict(said, &generation.settings.grant).map_err(|wrong| {
            self.blame(&wrong);
            wrong.fault()
        })
    }

    async fn deliver_once(
        &self,
        signals: &[Arc<Signal>],
        dropped_before: u32,
    ) -> Result<usize, Refusal> {
        let later =
            |why: Fault| Refusal::RetryAfter(why.retry_after.unwrap_or(Duration::from_millis(250)));
        let mut taken = self.take(None).await.map_err(later)?;
        let records: Vec<_> = signals.iter().map(|signal| record(signal)).collect();
        let delivered = taken
            .instance
            .deliver(taken.generation.allowance(signals.len()), &records, dropped_before)
            .await;
        match delivered {
            Ok(delivered) => {
                self.give_back(taken);
                delivered
                    .map(|count| usize::try_from(count).unwrap_or(usize::MAX).min(signals.len()))
                    .map_err(refusal)
            }
            // A batch that broke an instance is not tried again.
            Err(error) => Err(Refusal::Drop(self.failed("deliver", error, taken, None).message)),
        }
    }

    async fn flush_once(&self) -> Result<(), String> {
        let mut taken = self.take(None).await.map_err(|fault| fault.message)?;
        match taken.instance.flush(taken.generation.lifecycle()).await {
            Ok(flushed) => {
                self.give_back(taken);
                flushed.map_err(|message| plain(&message, 1024))
            }
            Err(error) => Err(self.failed("flush", error, taken, None).message),
        }
    }
}

impl Authenticator for Pool {
    fn authenticate(&self, upgrade: Upgrade) -> BoxFuture<'_, Result<Verdict, Fault>> {
        self.authenticate_once(upgrade).boxed()
    }

    /// The first mistake of a kind is a warning, the others are counts.
    fn blame(&self, wrong: &Wrong) {
        self.shared.counters.note(PluginHappened::Failed(wrong.fault().id, 1));
        self.shared.counters.note(PluginHappened::Unusable(wrong.mistake.word()));
        let plugin = &self.shared.name;
        if self.said.is_first(wrong.mistake) {
            tracing::warn!(%plugin, mistake = wrong.mistake.word(), "the authenticator's answer cannot be used, the upgrade is refused: {}", wrong.why);
        } else {
            tracing::debug!(%plugin, mistake = wrong.mistake.word(), "{}", wrong.why);
        }
        self.shared.remember(&wrong.why, None);
    }
}

impl Sink for Pool {
    fn deliver<'a>(
        &'a self,
        signals: &'a [Arc<Signal>],
        dropped_before: u32,
    ) -> BoxFuture<'a, Result<usize, Refusal>> {
        self.deliver_once(signals, dropped_before).boxed()
    }

    fn flush(&self) -> BoxFuture<'_, Result<(), String>> {
        self.flush_once().boxed()
    }
}

fn request(upgrade: Upgrade) -> wit::Upgrade {
    wit::Upgrade {
        endpoint: upgrade.endpoint,
        path: upgrade.path,
        query: Some(upgrade.query).filter(|query| !query.is_empty()),
        peer: Some(upgrade.peer.to_string()),
        headers: upgrade.headers,
        subprotocols: upgrade.subprotocols,
        more: attributes(upgrade.more),
    }
}

fn attributes(pairs: Vec<(String, String)>) -> Vec<types::Attribute> {
    pairs.into_iter().map(|(key, value)| types::Attribute { key, value }).collect()
}

fn record(signal: &Signal) -> telemetry_sink::Signal {
    let since = signal.at.duration_since(UNIX_EPOCH).unwrap_or_default();
    telemetry_sink::Signal {
        at_s: u32::try_from(since.as_secs()).unwrap_or(u32::MAX),
        at_ns: since.subsec_nanos(),
        level: level(signal.level),
        namespace: signal.namespace.to_string(),
        id: text(&signal.id),
        message: signal.message.to_string(),
        data: signal
            .data
            .iter()
            .map(|(key, value)| (key.to_string(), self::value(value)))
            .collect(),
        error: signal.error.as_ref().map(ToString::to_string),
        causes: signal.error.as_ref().map(|error| error.causes.clone()).unwrap_or_default(),
        location: text(&signal.location.to_string()),
        trace_id: text(&signal.trace_id),
        span_id: text(&signal.span_id),
        connection: text(&signal.connection),
        user: text(&signal.user),
        parent: text(&signal.parent),
        took_ms: signal.took.map(|took| took.as_secs_f64() * 1e3),
        more: Vec::new(),
    }
}

/// What is not known is none.
fn text(of: &str) -> Option<String> {
    (!of.is_empty()).then(|| of.to_owned())
}

fn level(level: Level) -> signal_types::Level {
    match level {
        Level::Trace => signal_types::Level::Trace,
        Level::Debug => signal_types::Level::Debug,
        Level::Info => signal_types::Level::Info,
        Level::Warn => signal_types::Level::Warn,
        Level::Error => signal_types::Level::Error,
        Level::Fatal => signal_types::Level::Fatal,
    }
}

fn value(value: &Value) -> signal_types::Value {
    match value {
        Value::Text(text) => signal_types::Value::Text(text.clone()),
        Value::Integer(number) => signal_types::Value::Integer(*number),
        Value::Float(number) => signal_types::Value::Number(*number),
        Value::Boolean(truth) => signal_types::Value::Boolean(*truth),
        Value::Bytes(bytes) => signal_types::Value::Bytes(bytes.clone()),
    }
}

fn refusal(refusal: telemetry_sink::Refusal) -> Refusal {
    match refusal {
        telemetry_sink::Refusal::RetryAfterMs(ms) => {
            Refusal::RetryAfter(Duration::from_millis(ms.into()))
        }
        telemetry_sink::Refusal::Discard(why) => Refusal::Drop(plain(&why, 1024)),
        telemetry_sink::Refusal::Fatal(why) => Refusal::Fatal(plain(&why, 1024)),
    }
}
