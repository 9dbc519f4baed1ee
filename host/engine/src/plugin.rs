//! One plugin of the configuration: its version now, its roles, and the way to its next version.

use crate::{
    call::{
        generation::Generation,
        instance::{Instance, STOP},
        parts::Parts,
    },
    compile::compiled::{Compiled, Role, words},
    counters::Counters,
    engine::Engine,
    error::PluginError,
    guest::bindings::plugin::StartReason,
    handler::{runner::Next, seats::Seats},
    pool::Pool,
    prepare::{GenerationParts, component, dismiss, rehearse},
    shared::{Deal, Shared, Status},
};
use serde::Serialize;
use std::{
    num::NonZeroUsize,
    sync::Arc,
    time::{Duration, Instant},
};
use tengen_core::{
    authenticator::Authenticator,
    handler::{Actor, Handler},
    meter::{PluginHappened, Samples},
    sink::Sink,
    trace::Tracer,
};
use tengen_settings as settings;
use tengen_wire::id::PluginName;
use tokio::{
    sync::{Mutex, MutexGuard, Semaphore},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Reloads of one plugin that may wait for their turn,
const TURNS: usize = 8;
/// and how long each waits.
const TURN: Duration = Duration::from_secs(60);

/// What a plugin is built from.
#[derive(Debug)]
pub struct PluginParts {
    pub engine: Engine,
    pub name: PluginName,
    pub settings: settings::Plugin,
    /// Carries out what its handler decides.
    pub actor: Arc<dyn Actor>,
    pub tracer: Arc<dyn Tracer>,
    /// Owns the handler's tasks.
    pub tasks: TaskTracker,
    /// Ends them at once; [`Plugin::stop`] ends them in good order.
    pub stop: CancellationToken,
    /// Events that may wait for an instance of its handler.
    pub waiting_events: NonZeroUsize,
}

/// One named plugin.
#[derive(Debug)]
pub struct Plugin {
    engine: Engine,
    shared: Arc<Shared>,
    handler: Option<Arc<Seats>>,
    authenticator: Option<Arc<Pool>>,
    sink: Option<Arc<Pool>>,
    /// Reloads are one at a time,
    reloading: Mutex<()>,
    /// and so many wait for their turn.
    turns: Semaphore,
}

/// What a reload came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum Reloaded {
    /// The same bytes under the same settings: nothing happened.
    Unchanged,
    Replaced {
        generation: u64,
        version: String,
        revision: String,
        /// Whether the state went from the old version to the new one.
        handed_over: bool,
        /// From reading the file to the swap, in milliseconds.
        took_ms: u64,
    },
}

impl Plugin {
    /// Reads, compiles, checks and starts a plugin.
    pub async fn load(parts: PluginParts) -> Result<Arc<Self>, PluginError> {
        let PluginParts { engine, name, settings, actor, tracer, tasks, stop, waiting_events } =
            parts;
        let compiled = component(&engine, &settings.file).await?;
        let roles = compiled.roles();
        let counters = Arc::<Counters>::default();
        let settings = Arc::new(settings);
        let parts = GenerationParts { number: 1, plugin: name, compiled, settings, counters };
        let (generation, instance) = rehearse(parts, StartReason::First, |_| true).await?;
        let shared = Arc::new(Shared::new(Arc::clone(&generation), actor, tracer, tasks));
        let mut first = Some(instance);
        let handler = match first.take_if(|_| roles.contains(&Role::Handler)) {
            Some(instance) => {
                let others = others(&generation).await?;
                let seats =
                    Seats::new(Arc::clone(&shared), (instance, others), waiting_events, stop);
                Some(Arc::new(seats))
            }
            None => None,
        };
        let mut pool = |role| {
            roles.contains(&role).then(|| {
                let pool = Pool::new(Arc::clone(&shared));
                if let Some(instance) = first.take() {
                    pool.put(1, instance);
                }
                Arc::new(pool)
            })
        };
        let (authenticator, sink) = (pool(Role::Authenticator), pool(Role::Sink));
        Ok(Arc::new(Self {
            engine,
            shared,
            handler,
            authenticator,
            sink,
            reloading: Mutex::new(()),
            turns: Semaphore::new(TURNS),
        }))
    }

    /// Where events for it are offered, if it is a handler.
    pub fn handler(&self) -> Option<Arc<dyn Handler>> {
        self.handler.clone().map(|seats| seats as Arc<dyn Handler>)
    }

    pub fn authenticator(&self) -> Option<Arc<dyn Authenticator>> {
        self.authenticator.clone().map(|pool| pool as Arc<dyn Authenticator>)
    }

    pub fn sink(&self) -> Option<Arc<dyn Sink>> {
        self.sink.clone().map(|pool| pool as Arc<dyn Sink>)
    }

    /// Waits until its handler has decided about all that was offered to it, and about what followed from that: no call is under
    /// way then, and nothing waits. For who tries a plugin out step by step; where events keep coming it may take for ever.
    ///
    /// Err: the plugin has been stopped, or a call takes longer than its allowance.
    pub async fn settled(&self) -> Result<(), PluginError> {
        match &self.handler {
            Some(seats) => seats.rest().await,
            None => Ok(()),
        }
    }

    pub fn name(&self) -> &PluginName {
        &self.shared.name
    }

    /// The settings that the running version was given.
    pub fn settings(&self) -> Arc<settings::Plugin> {
        Arc::clone(&self.shared.current.load().said)
    }

    pub fn status(&self) -> Status {
        let waiting = self.handler.as_ref().map_or(0, |seats| seats.waiting());
        let pools = || [&self.authenticator, &self.sink].into_iter().flatten();
        let waiting = waiting + pools().map(|pool| pool.waiting()).sum::<usize>();
        let each = self.handler.as_ref().map(|seats| seats.status()).unwrap_or_default();
        let mut status = self.shared.status(waiting, each);
        status.breaker = pools().map(|pool| pool.phase()).fold(status.breaker, Ord::max);
        status
    }

    /// What there is to count of it, in metrics: what its status shows, and how long things took.
    pub fn collect(&self, into: &mut Samples) {
        self.status().collect(into);
        self.shared.counters.meter.collect_times(self.name(), into);
    }

    /// Brings in what the file holds now, and new settings if given. Any failure leaves the old version serving; the
    /// reason is returned, logged, and shown in the status.
    pub async fn reload(
        &self,
        settings: Option<settings::Plugin>,
    ) -> Result<Reloaded, PluginError> {
        let _only = self.turn().await?;
        let reloaded = self.replace(settings).await;
        match &reloaded {
            Ok(Reloaded::Unchanged) => {}
            Ok(Reloaded::Replaced { generation, version, revision, handed_over, took_ms }) => {
                self.shared.counters.note(PluginHappened::Reloaded);
                tracing::info!(
                    plugin = %self.shared.name, generation, version, revision, handed_over, took_ms, "plugin reloaded"
                );
            }
            Err(error) => {
                self.shared.counters.note(PluginHappened::ReloadFailed);
                self.shared.failed(error.aftermath(), error);
            }
        }
        reloaded
    }

    /// Waits for the reload before, bounded in number and in time, and for the instances that it has replaced: however fast
    /// reloads follow each other, there are never more instances than two versions have.
    async fn turn(&self) -> Result<MutexGuard<'_, ()>, PluginError> {
        const WHY: &str = "other reloads of the plugin are under way";
        let _waits = self.turns.try_acquire().map_err(|_| PluginError::Busy { why: WHY })?;
        let turn = async {
            let only = self.reloading.lock().await;
            self.shared.retired().await;
            only
        };
        timeout(TURN, turn).await.map_err(|_| PluginError::Busy { why: WHY })
    }

    async fn replace(&self, settings: Option<settings::Plugin>) -> Result<Reloaded, PluginError> {
        let began = Instant::now();
        let old = self.shared.current.load_full();
        let settings = settings.map_or_else(|| Arc::clone(&old.said), Arc::new);
        let compiled = component(&self.engine, &settings.file).await?;
        if Arc::ptr_eq(&compiled, &old.compiled) && settings == old.said {
            return Ok(Reloaded::Unchanged);
        }
        if compiled.roles() != old.compiled.roles() {
            return Err(PluginError::Roles {
                old: words(&old.compiled.roles()),
                new: words(&compiled.roles()),
            });
        }
        let reason = self.reason(&old, &compiled, &settings);
        let counters = Arc::clone(&old.counters);
        let parts = GenerationParts {
            number: old.number + 1,
            plugin: old.plugin.clone(),
            compiled,
            settings,
            counters,
        };
        let (generation, instance) = rehearse(parts, reason, |new| {
            // A state is first given to an instance that serves nobody.
            !(takes_state(&old, new) && self.is_running())
        })
        .await?;
        let handed_over = self.take_over(&old, (&generation, instance), reason).await?;
        Ok(Reloaded::Replaced {
            generation: generation.number,
            version: generation.about.version.to_string(),
            revision: generation.compiled.hash.short(),
            handed_over,
            took_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        })
    }

    /// Why new instances start.
    fn reason(
        &self,
        old: &Generation,
        compiled: &Arc<Compiled>,
        settings: &settings::Plugin,
    ) -> StartReason {
        let settings::Plugin { instances, affinity, .. } = *old.said;
        let but_for_these = settings::Plugin { instances, affinity, ..settings.clone() };
        let the_same = Arc::ptr_eq(compiled, &old.compiled) && but_for_these == *old.said;
        let scales = the_same && self.handler.is_some() && settings.instances != instances;
        if scales { StartReason::Scale } else { StartReason::Reload }
    }

    /// Whether an instance of its handler runs, which may have a state.
    fn is_running(&self) -> bool {
        self.handler.as_ref().is_some_and(|seats| seats.is_running())
    }

    /// Puts a rehearsed version in the old one's place. Returns whether the state went along.
    async fn take_over(
        &self,
        old: &Generation,
        (new, mut instance): (&Arc<Generation>, Instance),
        reason: StartReason,
    ) -> Result<bool, PluginError> {
        let pools = || [&self.authenticator, &self.sink].into_iter().flatten();
        let Some(seats) = &self.handler else {
            self.shared.current.store(Arc::clone(new));
            let mut instance = Some(instance);
            instance.iter_mut().for_each(|instance| instance.rehearses(false));
            pools().for_each(|pool| pool.renew(instance.take()));
            return Ok(false);
        };
        let takes_state = takes_state(old, new);
        check(new)?;
        let instance = match takes_state && self.is_running() {
            false => {
                instance.rehearses(false);
                instance
            }
            true => {
                rehearse_hand_over(seats, new, instance).await?;
                Instance::start(new, reason).await?
            }
        };
        let generation = Arc::clone(new);
        let next = Next { generation, instance, takes_state };
        let handed_over = seats.replace(next, reason).await?;
        if let Some(format) = old.saves().filter(|_| !takes_state) {
            tracing::warn!(plugin = %self.shared.name, format, "the new version does not read the state of the old one: it starts empty");
        }
        pools().for_each(|pool| pool.renew(None));
        Ok(handed_over)
    }

    /// Ends the plugin: what waits is worked off within the deadline, then the guest is told.
    pub async fn stop(&self, deadline: Duration) {
        let end = async {
            if let Some(seats) = &self.handler {
                seats.stop(deadline).await;
            }
            for pool in [&self.authenticator, &self.sink].into_iter().flatten() {
                pool.stop().await;
            }
        };
        // The guest's own `stop` has its allowance on top; nothing here waits longer than that.
        if timeout(deadline.saturating_add(STOP * 2), end).await.is_err() {
            tracing::warn!(plugin = %self.shared.name, "the plugin did not stop in time");
        }
    }
}

/// All instances of a new plugin's handler but the first.
async fn others(generation: &Generation) -> Result<Vec<Instance>, PluginError> {
    check(generation)?;
    let mut others = Vec::new();
    for _ in 1..Deal::new(&generation.settings).of {
        others.push(Instance::start(generation, StartReason::First).await?);
    }
    Ok(others)
}

/// Whether a handler may have as many instances as its settings say.
fn check(generation: &Generation) -> Result<(), PluginError> {
    let Generation { plugin, settings, .. } = generation;
    match settings.unfit_instances(plugin, generation.saves().is_some()) {
        Some(why) => Err(PluginError::Instances { why }),
        None => Ok(()),
    }
}

/// Loads a running state into the first instance, to see that it can be; those that serve are others.
async fn rehearse_hand_over(
    seats: &Seats,
    new: &Generation,
    mut instance: Instance,
) -> Result<(), PluginError> {
    let (number, state) = seats.save_one().await?;
    let of = Deal::new(&new.settings).of;
    instance.load(new, &Parts::own(&state, number, of.max(number + 1))).await?;
    dismiss(new, instance).await;
    Ok(())
}

/// Whether the new version reads the format of state that the old one writes.
fn takes_state(old: &Generation, new: &Generation) -> bool {
    let reads = |format| new.about.snapshot_reads.iter().any(|reads| reads == format);
    new.compiled.snapshot.is_some() && old.saves().is_some_and(reads)
}
