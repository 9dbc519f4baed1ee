//! Looks into component files, one engine for all of them.

use crate::plugin::{Compiler, Engine, EngineParts, Inspection, PluginError, Role};
use std::path::Path;

/// Opens component files. The engine is started with the first of them. Nothing is left on disk.
#[derive(Debug)]
pub(super) struct Inspector {
    compiler: Compiler,
    engine: Option<Engine>,
}

impl Inspector {
    pub(super) fn new(compiler: &Compiler) -> Self {
        Self { compiler: compiler.clone(), engine: None }
    }

    /// What a component is. Err: what is wrong with it, with its causes.
    pub(super) async fn file(&mut self, file: &Path) -> Result<Inspection, String> {
        let engine = match &self.engine {
            Some(engine) => engine,
            None => {
                let parts =
                    EngineParts { compiler: self.compiler.clone(), ..EngineParts::default() };
                self.engine.insert(Engine::new(parts).map_err(|error| error.explain())?)
            }
        };
        crate::plugin::inspect(engine, file).await.map_err(|error: PluginError| error.explain())
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
