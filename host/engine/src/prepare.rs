//! From a file to a version that has shown that it runs.

use crate::{
    call::{
        generation::Generation,
        instance::{Instance, STOP},
    },
    compile::compiled::{Compiled, Role, Source},
    counters::Counters,
    engine::Engine,
    error::PluginError,
    guest::bindings::plugin::StartReason,
};
use serde::{Serialize, Serializer};
use std::{
    path::Path,
    sync::Arc,
    time::{Instant, SystemTime},
};
use tengen_settings as settings;
use tengen_wire::{id::PluginName, payload::Encoding};
use tokio::task::spawn_blocking;

/// What a component is and says of itself.
#[derive(Debug, Clone, Serialize)]
pub struct Inspection {
    pub name: String,
    pub version: String,
    /// The format in which it wants its payloads.
    #[serde(serialize_with = "word")]
    pub encoding: Encoding,
    pub max_batch: usize,
    /// Event id patterns that it wants; empty: all.
    pub events: Vec<String>,
    pub roles: Vec<Role>,
    pub snapshot: bool,
    pub imports: Vec<String>,
    pub exports: Vec<String>,
    /// In bytes.
    pub size: usize,
    pub sha256: String,
}

fn word<S: Serializer>(encoding: &Encoding, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(encoding.word())
}

/// Memory that a plugin may begin with whose configuration says nothing of it.
const WIDE: usize = 64 << 20;

/// Says what a component is. Only its `describe` is called, in an instance with nothing granted.
pub async fn inspect(engine: &Engine, file: &Path) -> Result<Inspection, PluginError> {
    let settings = wide(&settings::Plugin::new(file));
    let name = PluginName::from("inspected");
    let compiled = component(engine, file).await?;
    let mut instance = Instance::new(&compiled, &name, &settings, (&Arc::default(), true)).await?;
    let about = instance.describe(&settings).await?;
    Ok(Inspection {
        name: about.name,
        version: about.version.to_string(),
        encoding: about.encoding,
        max_batch: about.max_batch,
        events: about.events.patterns().iter().map(|pattern| pattern.0.clone()).collect(),
        roles: compiled.roles(),
        snapshot: compiled.snapshot.is_some(),
        imports: compiled.imports.clone(),
        exports: compiled.exports.clone(),
        size: compiled.size,
        sha256: compiled.hash.to_string(),
    })
}

/// Runs what takes long on a thread for that.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PluginError> + Send + 'static,
) -> Result<T, PluginError> {
    let ended = |_| PluginError::NotRunning { why: "its work ended without a result" };
    spawn_blocking(work).await.map_err(ended)?
}

/// The component of a file: the one that runs, here or in another plugin, when the bytes are the same.
pub(super) async fn component(engine: &Engine, file: &Path) -> Result<Arc<Compiled>, PluginError> {
    let (own, path) = (engine.clone(), file.to_owned());
    let source = match blocking(move || find(&own, &path)).await? {
        Found::Ready(compiled) => return Ok(compiled),
        Found::New(source) => source,
    };
    let turn = engine.known().turn(source.hash);
    let _alone = turn.lock().await;
    if let Some(made) = engine.known().get(source.hash) {
        return Ok(made);
    }
    let (bytes, began) = (source.bytes.len(), Instant::now());
    // Somebody may wait for it, at the start of a gateway.
    tracing::info!(file = %file.display(), bytes, "compiling a component, which takes a moment, or some seconds where it is large");
    let code = engine.compile(Arc::clone(&source.bytes)).await?;
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(file = %file.display(), took_ms, "compiled");
    let own = engine.clone();
    blocking(move || {
        let compiled = own.link(&source, &code)?;
        if let Some(cache) = own.cache() {
            cache.put(source.hash, own.fingerprint(), &code);
        }
        Ok(own.known().add(compiled))
    })
    .await
}

/// What a file holds.
enum Found {
    /// What is loaded already, or was compiled before.
    Ready(Arc<Compiled>),
    New(Source),
}

fn find(engine: &Engine, file: &Path) -> Result<Found, PluginError> {
    let source = Source::read(file, engine.limits().component_bytes)?;
    if let Some(known) = engine.known().get(source.hash) {
        return Ok(Found::Ready(known));
    }
    let cached = engine.cache().and_then(|cache| cache.get(source.hash, engine.fingerprint()));
    // Only what linked was kept: if it does not now, it is not what it was, and is compiled again.
    let ready = cached.and_then(|code| engine.link(&source, &code).ok());
    let ready = ready.map(|compiled| Found::Ready(engine.known().add(compiled)));
    Ok(ready.unwrap_or(Found::New(source)))
}

/// What a version is made of.
pub(super) struct GenerationParts {
    pub(super) number: u64,
    pub(super) plugin: PluginName,
    pub(super) compiled: Arc<Compiled>,
    pub(super) settings: Arc<settings::Plugin>,
    pub(super) counters: Arc<Counters>,
}

/// A version and its first instance, which has described itself and started. The caller knows from its description whether
/// that instance will serve, or another one after it: until it is known, it is a rehearsal unless it is the first of all.
pub(super) async fn rehearse(
    parts: GenerationParts,
    reason: StartReason,
    serves: impl FnOnce(&Generation) -> bool,
) -> Result<(Arc<Generation>, Instance), PluginError> {
    let GenerationParts { number, plugin, compiled, settings: said, counters } = parts;
    let unknown = !matches!(reason, StartReason::First);
    let settings = if said.memory.is_some() { Arc::clone(&said) } else { wide(&said) };
    let mut instance = Instance::new(&compiled, &plugin, &settings, (&counters, unknown)).await?;
    let about = instance.describe(&settings).await?;
    let since = SystemTime::now();
    let mut generation =
        Generation { number, plugin, compiled, settings, said, about, counters, since };
    instance.rehearses(!serves(&generation));
    instance.begin(generation.lifecycle(), reason).await?;
    let (needed, limit) = instance.memory();
    if generation.said.memory.is_none() {
        generation.settings = fitting(&generation.said, needed);
        instance.may_have(&generation.settings);
    } else if needed > limit / 2 {
        let plugin = &generation.plugin;
        tracing::warn!(%plugin, needed, limit, "the plugin has more than half of its memory in use when it has started: raise `plugin.{plugin}.memory`");
    }
    Ok((Arc::new(generation), instance))
}

/// The settings with all the memory that a plugin may begin with of which nothing is said.
fn wide(settings: &settings::Plugin) -> Arc<settings::Plugin> {
    Arc::new(settings::Plugin { memory: Some(WIDE), ..settings.clone() })
}

/// The settings with memory for a plugin that has so much of it when it has started: it needs some for what it does.
fn fitting(settings: &settings::Plugin, needed: usize) -> Arc<settings::Plugin> {
    let memory = needed.saturating_mul(2).next_multiple_of(1 << 20).max(settings.memory());
    Arc::new(settings::Plugin { memory: Some(memory), ..settings.clone() })
}

/// Ends an instance that was only a rehearsal.
pub(super) async fn dismiss(generation: &Generation, instance: Instance) {
    let mut allowance = generation.lifecycle();
    allowance.wall = allowance.wall.min(STOP);
    if let Err(error) = instance.stop(allowance).await {
        tracing::warn!(plugin = %generation.plugin, "the rehearsal did not stop well: {}", error.explain());
    }
}
