//! One plugin of the configuration: its version now, its roles, and the way to its next version.

use crate::{
    call::{
        generation::Generation,
        instance::{Instance, STOP},
    },
    compile::compiled::{Role, words},
    counters::Counters,
    engine::Engine,
    error::PluginError,
    guest::bindings::plugin::StartReason,
    handler::{
        driver::Seat,
        queue::Queue,
        runner::{Next, Runner},
    },
    pool::Pool,
    prepare::{GenerationParts, component, dismiss, rehearse},
    shared::{Shared, Status},
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
    /// Owns the handler's task.
    pub tasks: TaskTracker,
    /// Ends it at once; [`Plugin::stop`] ends it in good order.
    pub stop: CancellationToken,
    /// Events that may wait for its handler.
    pub waiting_events: NonZeroUsize,
}

/// One named plugin.
#[derive(Debug)]
pub struct Plugin {
    engine: Engine,
    shared: Arc<Shared>,
    handler: Option<Arc<Seat>>,
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
        let shared = Arc::new(Shared::new(generation, actor, tracer, tasks.clone()));
        let mut first = Some(instance);
        let handler = roles.contains(&Role::Handler).then_some(()).and_then(|()| first.take()).map(
            |instance| {
                let queue = Arc::new(Queue::new(waiting_events));
                let runner = Runner::new(Arc::clone(&shared), Arc::clone(&queue), instance);
                let (seat, task) = Seat::new(Arc::clone(&shared), queue, runner, stop);
                tasks.spawn(task);
                Arc::new(seat)
            },
        );
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
        self.handler.clone().map(|seat| seat as Arc<dyn Handler>)
    }

    pub fn authenticator(&self) -> Option<Arc<dyn Authenticator>> {
        self.authenticator.clone().map(|pool| pool as Arc<dyn Authenticator>)
    }

    pub fn sink(&self) -> Option<Arc<dyn Sink>> {
        self.sink.clone().map(|pool| pool as Arc<dyn Sink>)
    }

    pub fn name(&self) -> &PluginName {
        &self.shared.name
    }

    /// The settings that the running version has.
    pub fn settings(&self) -> Arc<settings::Plugin> {
        Arc::clone(&self.shared.current.load().settings)
    }

    pub fn status(&self) -> Status {
        let waiting = self.handler.as_ref().map_or(0, |seat| seat.waiting());
        let pools = || [&self.authenticator, &self.sink].into_iter().flatten();
        let waiting = waiting + pools().map(|pool| pool.waiting()).sum::<usize>();
        let mut status = self.shared.status(waiting);
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
        let settings = settings.map_or_else(|| Arc::clone(&old.settings), Arc::new);
        let compiled = component(&self.engine, &settings.file).await?;
        if Arc::ptr_eq(&compiled, &old.compiled) && settings == old.settings {
            return Ok(Reloaded::Unchanged);
        }
        if compiled.roles() != old.compiled.roles() {
            return Err(PluginError::Roles {
                old: words(&old.compiled.roles()),
                new: words(&compiled.roles()),
            });
        }
        let counters = Arc::clone(&old.counters);
        let parts = GenerationParts {
            number: old.number + 1,
            plugin: old.plugin.clone(),
            compiled,
            settings,
            counters,
        };
        let (generation, instance) = rehearse(parts, StartReason::Reload, |new| {
            // A state is first given to an instance that serves nobody.
            !(takes_state(&old, new) && self.shared.is_running())
        })
        .await?;
        let handed_over = self.take_over(&old, &generation, instance).await?;
        Ok(Reloaded::Replaced {
            generation: generation.number,
            version: generation.about.version.to_string(),
            revision: generation.compiled.hash.short(),
            handed_over,
            took_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        })
    }

    /// Puts a rehearsed version in the old one's place. Returns whether the state went along.
    async fn take_over(
        &self,
        old: &Generation,
        new: &Arc<Generation>,
        mut instance: Instance,
    ) -> Result<bool, PluginError> {
        let pools = || [&self.authenticator, &self.sink].into_iter().flatten();
        let Some(seat) = &self.handler else {
            self.shared.current.store(Arc::clone(new));
            let mut instance = Some(instance);
            instance.iter_mut().for_each(|instance| instance.rehearses(false));
            pools().for_each(|pool| pool.renew(instance.take()));
            return Ok(false);
        };
        let takes_state = takes_state(old, new);
        let instance = match takes_state && self.shared.is_running() {
            false => {
                instance.rehearses(false);
                instance
            }
            true => self.rehearse_hand_over(seat, new, instance).await?,
        };
        let generation = Arc::clone(new);
        let handed_over = seat.swap(Next { generation, instance, takes_state }).await?;
        if let Some(format) = old.saves().filter(|_| !takes_state) {
            tracing::warn!(plugin = %self.shared.name, format, "the new version does not read the state of the old one: it starts empty");
        }
        pools().for_each(|pool| pool.renew(None));
        Ok(handed_over)
    }

    /// Loads the running state into the first instance, to see that it can be; the one that serves is another.
    async fn rehearse_hand_over(
        &self,
        seat: &Seat,
        new: &Arc<Generation>,
        mut instance: Instance,
    ) -> Result<Instance, PluginError> {
        let state = seat.save().await?;
        instance.load(new, &state).await?;
        dismiss(new, instance).await;
        Instance::start(new, StartReason::Reload).await
    }

    /// Ends the plugin: what waits is worked off within the deadline, then the guest is told.
    pub async fn stop(&self, deadline: Duration) {
        let end = async {
            if let Some(seat) = &self.handler {
                seat.stop(deadline).await;
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

/// Whether the new version reads the format of state that the old one writes.
fn takes_state(old: &Generation, new: &Generation) -> bool {
    let reads = |format| new.about.snapshot_reads.iter().any(|reads| reads == format);
    new.compiled.snapshot.is_some() && old.saves().is_some_and(reads)
}
