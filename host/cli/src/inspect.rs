//! Looks into component files, one engine for all of them.

use super::{Io, serve::user_cache};
use std::path::{Path, PathBuf};
use tengen_engine::{Compiler, Engine, EngineParts, Inspection, PluginError, Role};
use tengen_settings::{Cache, Instances};

/// Opens component files. The engine is started with the first of them. What it compiles is kept where the gateway keeps
/// it: whoever checks before serving does not compile twice, and what serves is checked at once.
#[derive(Debug)]
pub(super) struct Inspector {
    compiler: Compiler,
    cache: Option<PathBuf>,
    engine: Option<Engine>,
}

impl Inspector {
    /// One that uses this cache, as a configuration names it.
    pub(super) fn new(cache: &Cache, io: &Io) -> Self {
        let cache = cache.folder(user_cache(&io.env));
        Self { compiler: io.compiler.clone(), cache, engine: None }
    }

    /// What a component is. Err: what is wrong with it, with its causes.
    pub(super) async fn file(&mut self, file: &Path) -> Result<Inspection, String> {
        let engine = match &self.engine {
            Some(engine) => engine,
            None => {
                let (compiler, cache) = (self.compiler.clone(), self.cache.clone());
                let wanted = Some(Instances { serving: 1, most: 1 });
                let parts = EngineParts { compiler, cache, wanted, ..EngineParts::default() };
                self.engine.insert(Engine::new(parts).map_err(|error| error.explain())?)
            }
        };
        tengen_engine::inspect(engine, file).await.map_err(|error: PluginError| error.explain())
    }
}

/// `chat 0.1.0: handler, sink, 212 KiB`
pub(super) fn summary(found: &Inspection) -> String {
    let roles: Vec<_> = found.roles.iter().map(|role| Role::word(*role)).collect();
    format!(
        "{} {}: {}, {} KiB",
        found.name,
        found.version,
        roles.join(", "),
        found.size.div_ceil(1024)
    )
}
