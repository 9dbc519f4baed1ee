//! The one WebAssembly engine of the process, the clock that interrupts guests, and what guests may import.
//!
//! Lean: without the component model's asynchronous ABI a call costs a third. Proposals that no toolchain for plugins
//! needs are off: less code that can be wrong.

use super::{
    bindings::Everything,
    cache::Cache,
    code::Fingerprint,
    compiler::{AT_ONCE, Compiler},
    error::PluginError,
    known::Known,
    meter::Ticks,
    pipes,
    space::{Layout, Layouts, Room, Space, layouts},
    state::State,
    trap,
};
use std::{
    fmt,
    num::NonZeroUsize,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};
use tengen_settings::Instances;
use tokio::sync::Semaphore;
use wasmtime::{
    Config,
    component::{HasSelf, Linker},
};

/// How often a running guest is looked at: the grain of deadlines, and the longest a guest holds a thread.
pub(super) const TICK: Duration = Duration::from_millis(5);

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
}

impl From<EngineLimits> for EngineParts {
    fn from(limits: EngineLimits) -> Self {
        Self { limits, ..Self::default() }
    }
}

/// The engine. Clones share it; its clock stops with the last one.
#[derive(Clone)]
pub struct Engine(Arc<Shared>);

struct Shared {
    wasm: wasmtime::Engine,
    linker: Linker<State>,
    limits: EngineLimits,
    space: Space,
    /// Places for instances.
    places: Arc<Semaphore>,
    compiler: Compiler,
    /// Turns at compiling.
    compiling: Semaphore,
    cache: Option<Cache>,
    known: Known,
    fingerprint: Fingerprint,
    clock: Clock,
}

impl Engine {
    pub fn new(parts: impl Into<EngineParts>) -> Result<Self, PluginError> {
        Self::build(parts.into()).map_err(|error| PluginError::Engine(error.into()))
    }

    fn build(parts: EngineParts) -> wasmtime::Result<Self> {
        let EngineParts { limits, wanted, compiler, cache } = parts;
        let (wasm, layout) = lay_out(&layouts(limits, wanted, Room::here()))?;
        let limits = EngineLimits { instances: layout.instances, ..limits };
        let mut linker = Linker::new(&wasm);
        Everything::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        pipes::refuse(&mut linker)?;
        Ok(Self(Arc::new(Shared {
            linker,
            limits,
            space: layout.space,
            places: Arc::new(Semaphore::new(layout.instances as usize)),
            compiler,
            compiling: Semaphore::new(AT_ONCE),
            cache: cache.as_deref().and_then(Cache::open),
            known: Known::default(),
            fingerprint: Fingerprint::of(&wasm),
            clock: Clock::start(&wasm)?,
            wasm,
        })))
    }

    pub(super) fn wasm(&self) -> &wasmtime::Engine {
        &self.0.wasm
    }

    pub(super) fn linker(&self) -> &Linker<State> {
        &self.0.linker
    }

    pub(super) fn limits(&self) -> EngineLimits {
        self.0.limits
    }

    /// How many instances there may be at one time: as many as places were reserved for.
    pub fn instances(&self) -> u32 {
        self.0.limits.instances
    }

    /// What machine code is made for.
    pub(super) fn space(&self) -> Space {
        self.0.space
    }

    /// Places for instances: each holds one as long as it is there.
    pub(super) fn places(&self) -> &Arc<Semaphore> {
        &self.0.places
    }

    pub(super) fn compiler(&self) -> &Compiler {
        &self.0.compiler
    }

    pub(super) fn compiling(&self) -> &Semaphore {
        &self.0.compiling
    }

    pub(super) fn cache(&self) -> Option<&Cache> {
        self.0.cache.as_ref()
    }

    /// Components that are loaded.
    pub(super) fn known(&self) -> &Known {
        &self.0.known
    }

    /// The ticks of its clock.
    pub(super) fn ticks(&self) -> &Ticks {
        &self.0.clock.ticks
    }

    /// What machine code must be for.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        self.0.fingerprint
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

/// All that machine code depends on. Compiling alone needs no more: the pool would reserve address space.
pub(super) fn code_config(space: Space) -> Config {
    let mut config = Config::new();
    space.configure(&mut config);
    config
        .concurrency_support(false)
        .epoch_interruption(true)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_relaxed_simd(false)
        .wasm_tail_call(false)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false)
        .memory_init_cow(true)
        .wasm_backtrace_max_frames(NonZeroUsize::new(trap::FRAMES + 1));
    config
}

/// Raises the engine's epoch every [`TICK`], on a thread of its own, so that a guest in a loop is noticed.
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
            while !ended.load(Ordering::Relaxed) {
                thread::park_timeout(TICK);
                let Some(wasm) = weak.upgrade() else { return };
                passing.pass();
                wasm.increment_epoch();
            }
        })?;
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

/// What an import that is not offered is answered.
pub(super) fn refusal(import: &str) -> Option<&'static str> {
    let name = import.split('@').next().unwrap_or(import);
    match name.split_once('/') {
        Some(("tengen:gateway", "types" | "signal-types" | "signals" | "config")) => None,
        Some(("tengen:gateway", "key-value" | "directory" | "history")) => Some(
            "this gateway does not offer it yet; a handler's `config` and `signals` are offered",
        ),
        Some(("tengen:gateway", _)) => {
            Some("plugins export this interface, the gateway does not offer it")
        }
        Some(("wasi:http", _)) => Some("this gateway does not offer outgoing HTTP yet"),
        Some((package, _)) if package.starts_with("wasi:") && is_wasi_0_2(package, import) => None,
        Some((package, _)) if package.starts_with("wasi:") => Some(
            "of WASI this gateway offers version 0.2 (cli, clocks, filesystem, io, random, sockets), with nothing granted",
        ),
        _ => Some("this gateway knows no such interface"),
    }
}

fn is_wasi_0_2(package: &str, import: &str) -> bool {
    let offered =
        ["wasi:cli", "wasi:clocks", "wasi:filesystem", "wasi:io", "wasi:random", "wasi:sockets"];
    offered.contains(&package) && import.contains("@0.2.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(import: &str, expected: Option<&str>) {
        let said = refusal(import);
        match expected {
            None => assert_eq!(said, None, "{import}"),
            Some(part) => {
                assert!(said.is_some_and(|said| said.contains(part)), "{import}: {said:?}")
            }
        }
    }

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

    #[test]
    fn imports_that_are_not_offered_are_refused_with_a_reason() {
        check("tengen:gateway/signals@0.1.0", None);
        check("wasi:io/streams@0.2.6", None);
        check("tengen:gateway/key-value@0.1.0", Some("yet"));
        check("wasi:http/outgoing-handler@0.2.6", Some("outgoing HTTP"));
        check("wasi:cli/stdout@0.3.0", Some("version 0.2"));
        check("wasi:nn/graph@0.2.0", Some("version 0.2"));
        check("acme:db/store@1.0.0", Some("no such interface"));
        check("log", Some("no such interface"));
    }
}
