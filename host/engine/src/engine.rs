//! The one WebAssembly engine of the process, the clock that interrupts guests, and what guests may import.
//!
//! Lean: without the component model's asynchronous ABI a call costs a third. Proposals that no toolchain for plugins
//! needs are off: less code that can be wrong.

use crate::{
    compile::{
        cache::Cache,
        code::{Code, Fingerprint, code_config},
        compiled::{Compiled, Source, link},
        compiler::{Compiler, Order},
        known::Known,
    },
    error::PluginError,
    guest::{
        bindings::Everything,
        data::{Data, Hosting},
        pipes,
        ticks::{REST, TICK, Ticks},
    },
    space::{Layout, Layouts, Room, layouts},
};
use std::{
    fmt,
    hash::RandomState,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};
use tengen_core::{directory::Directory, outgoing::Outgoing, store::Store};
use tengen_settings::Instances;
use tokio::sync::Semaphore;
use wasmtime::{
    Config,
    component::{HasSelf, Linker},
};

/// Components that are compiled at one time.
const COMPILES: usize = 2;

/// What all plugins together may take.
#[derive(Debug, Clone, Copy)]
pub struct EngineLimits {
    /// Instances at one time, those of reloads included.
    pub instances: u32,
    /// The largest component file, in bytes.
    pub component_bytes: usize,
}

impl Default for EngineLimits {
    fn default() -> Self {
        Self { instances: 4096, component_bytes: 64 << 20 }
    }
}

/// What an engine is made from. The default compiles in this process and keeps nothing on disk.
#[derive(Debug, Clone, Default)]
pub struct EngineParts {
    pub limits: EngineLimits,
    /// Instances that the settings ask for, if it is known: for so many places are reserved, within the limits.
    pub wanted: Option<Instances>,
    pub compiler: Compiler,
    /// The folder that keeps compiled components; none: each start and each reload compiles.
    pub cache: Option<PathBuf>,
    /// What guests may read of what plugins have put away; none: nothing is kept.
    pub kept: Option<Arc<dyn Store>>,
    /// Who carries out what authenticators ask of servers; none: nobody does.
    pub outgoing: Option<Arc<dyn Outgoing>>,
    /// Who tells guests who is here; none: nobody does.
    pub directory: Option<Arc<dyn Directory>>,
}

impl From<EngineLimits> for EngineParts {
    fn from(limits: EngineLimits) -> Self {
        Self { limits, ..Self::default() }
    }
}

/// The engine. Clones share it; its clock stops with the last one.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    linker: Linker<Data>,
    limits: EngineLimits,
    hosting: Hosting,
    order: Order,
    compiler: Compiler,
    /// Turns at compiling.
    compiling: Semaphore,
    cache: Option<Cache>,
    known: Known,
    _clock: Clock,
}

impl Engine {
    pub fn new(parts: impl Into<EngineParts>) -> Result<Self, PluginError> {
        Self::build(parts.into()).map_err(|error| PluginError::Engine(error.into()))
    }

    fn build(parts: EngineParts) -> wasmtime::Result<Self> {
        let EngineParts { limits, wanted, compiler, cache, kept, outgoing, directory } = parts;
        let (wasm, layout) = lay_out(&layouts(limits.instances, wanted, Room::here()))?;
        let limits = EngineLimits { instances: layout.instances, ..limits };
        let mut linker = Linker::new(&wasm);
        Everything::add_to_linker::<Data, HasSelf<Data>>(&mut linker, |data| data)?;
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        pipes::refuse(&mut linker)?;
        let clock = Clock::start(&wasm)?;
        let places = Arc::new(Semaphore::new(layout.instances as usize));
        Ok(Self(Arc::new(Inner {
            linker,
            limits,
            hosting: Hosting {
                ticks: clock.ticks.clone(),
                places,
                kept,
                outgoing,
                directory,
                seeds: RandomState::new(),
            },
            order: Order {
                fingerprint: Fingerprint::of(&wasm),
                space: layout.space,
                component_bytes: limits.component_bytes,
                wasm,
            },
            compiler,
            compiling: Semaphore::new(COMPILES),
            cache: cache.as_deref().and_then(Cache::open),
            known: Known::default(),
            _clock: clock,
        })))
    }

    pub(super) fn limits(&self) -> EngineLimits {
        self.0.limits
    }

    /// How many instances there may be at one time: as many as places were reserved for.
    pub fn instances(&self) -> u32 {
        self.0.limits.instances
    }

    /// From a component's bytes to machine code, which the cache does not know yet.
    pub(super) async fn compile(&self, component: Arc<[u8]>) -> Result<Code, PluginError> {
        // Never closed; were it, there would be nobody to keep in order.
        let _turn = self.0.compiling.acquire().await.ok();
        self.0.compiler.compile(&self.0.order, component).await
    }

    /// Makes code executable and checks what it imports and exports.
    pub(super) fn link(&self, source: &Source, code: &Code) -> Result<Compiled, PluginError> {
        link(&self.0.linker, &self.0.hosting, source, code)
    }

    /// Compiles, checks and links at once and in this process.
    #[cfg(any(test, fuzzing))]
    pub(super) fn compile_here(&self, component: &[u8]) -> Result<Compiled, PluginError> {
        let source = Source::of(component.into())?;
        self.link(&source, &Code::compile(self.wasm(), component).expect("it compiles"))
    }

    /// Whether its clock rests, because no guest computes.
    #[cfg(test)]
    pub(super) fn is_quiet(&self) -> bool {
        self.0.hosting.ticks.rest()
    }

    #[cfg(test)]
    pub(super) fn linker(&self) -> &Linker<Data> {
        &self.0.linker
    }

    #[cfg(test)]
    pub(super) fn space(&self) -> crate::space::Space {
        self.0.order.space
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn wasm(&self) -> &wasmtime::Engine {
        &self.0.order.wasm
    }

    pub(super) fn cache(&self) -> Option<&Cache> {
        self.0.cache.as_ref()
    }

    /// Components that are loaded.
    pub(super) fn known(&self) -> &Known {
        &self.0.known
    }

    /// What machine code must be for.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        self.0.order.fingerprint
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("limits", &self.0.limits).finish_non_exhaustive()
    }
}

/// The first layout that there is room for. Where that has fewer places than are wanted, or none that are reserved, the log
/// is told what it costs.
fn lay_out(layouts: &Layouts) -> wasmtime::Result<(wasmtime::Engine, Layout)> {
    let mut failed = None;
    for layout in &layouts.all {
        match wasmtime::Engine::new(&config(*layout)) {
            Ok(wasm) => {
                if layouts.is_poor(*layout) {
                    tracing::warn!(
                        "there are few addresses for plugins: {layout}; raise the limit of addresses (`ulimit -v`, `LimitAS=` of a service) and of data (`ulimit -d`, `LimitDATA=`)"
                    );
                }
                return Ok((wasm, *layout));
            }
            Err(error) => failed = Some(error),
        }
    }
    Err(failed.unwrap_or_else(|| wasmtime::Error::msg("there is no way to lay memories out")))
}

fn config(layout: Layout) -> Config {
    let mut config = code_config(layout.space);
    layout.configure(&mut config);
    config
}

/// Raises the engine's epoch every [`TICK`], on a thread of its own, so that a guest in a loop is noticed. It rests while no
/// guest computes.
struct Clock {
    ticks: Ticks,
    over: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Clock {
    fn start(wasm: &wasmtime::Engine) -> wasmtime::Result<Self> {
        let over = Arc::new(AtomicBool::new(false));
        let ticks = Ticks::default();
        let (weak, ended, passing) = (wasm.weak(), Arc::clone(&over), ticks.clone());
        let thread = thread::Builder::new().name("plugin-clock".into()).spawn(move || {
            let mut wait = TICK;
            while !ended.load(Ordering::Relaxed) {
                thread::park_timeout(wait);
                if wait == REST && !passing.rest() {
                    // Woken: whoever did has begun just now.
                    wait = TICK;
                    continue;
                }
                let Some(wasm) = weak.upgrade() else { return };
                wait = passing.pass();
                wasm.increment_epoch();
            }
        })?;
        ticks.come_from(thread.thread().clone());
        Ok(Self { ticks, over, thread: Some(thread) })
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // The thread cannot panic; were it to, there would be nothing left to stop.
            thread.join().ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::Space;

    #[test]
    fn the_compilers_configuration_makes_code_for_the_engine() {
        for (space, pooled) in [(Space::Narrow, false), (Space::Wide, false), (Space::Wide, true)] {
            let layout = Layout { space, instances: 4, pooled };
            let engine = wasmtime::Engine::new(&config(layout)).expect("an engine");
            let mut compiling = code_config(space);
            compiling.parallel_compilation(false);
            let compiler = wasmtime::Engine::new(&compiling).expect("a compiler");
            assert_eq!(Fingerprint::of(&engine), Fingerprint::of(&compiler), "{layout:?}");
        }
        let engine = wasmtime::Engine::new(&code_config(Space::Wide)).expect("an engine");
        let mut compiling = code_config(Space::Wide);
        let other = wasmtime::Engine::new(compiling.epoch_interruption(false)).expect("another");
        assert_ne!(Fingerprint::of(&engine), Fingerprint::of(&other));
    }
}
