//! Machine code of a component, and the one place that lets it run.
//!
//! **Invariant:** a [`Code`] was made by this gateway's compiler: in this process, in a child that runs this very
//! program, or earlier, kept where only this user can write and under a seal that is checked. wasmtime trusts it.

use super::format;
use crate::{error::PluginError, space::Space, trap};
use sha2::{Digest, Sha256};
use std::{
    fmt,
    hash::{Hash as _, Hasher},
    num::NonZeroUsize,
};
use wasmtime::{Config, WasmBacktraceDetails, component::Component};

/// All that machine code depends on. Compiling alone needs no more: the pool would reserve address space.
pub(crate) fn code_config(space: Space) -> Config {
    let mut config = Config::new();
    space.configure(&mut config);
    config
        .concurrency_support(false)
        .epoch_interruption(true)
        .wasm_memory64(false)
        // Not for modules, of which each may have one memory (`engine`): what leads from one component to another inside a
        // component, as QuickJS's are made, is a module that wasmtime writes itself and that sees both memories. Without
        // this it panics at it.
        .wasm_multi_memory(true)
        .wasm_relaxed_simd(false)
        .wasm_tail_call(false)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false)
        .memory_init_cow(true)
        // Lines are looked up in the component's own file when a call has broken (`trap`), whatever the environment says.
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .wasm_backtrace_max_frames(NonZeroUsize::new(trap::FRAMES + 1));
    config
}

/// Machine code as the compiler made it.
pub(crate) struct Code(Vec<u8>);

impl Code {
    /// Compiles here and now.
    pub(crate) fn compile(wasm: &wasmtime::Engine, component: &[u8]) -> Result<Self, NoCode> {
        wasm.precompile_component(component)
            .map(Self)
            .map_err(|error| NoCode::of(&error, component))
    }

    /// What the child that runs this program has given back, its fingerprint checked.
    pub(super) fn of_child(code: Vec<u8>) -> Self {
        Self(code)
    }

    /// What the cache has kept, its seal checked.
    pub(crate) fn of_cache(code: Vec<u8>) -> Self {
        Self(code)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Makes it executable. Code of another wasmtime, or for another configuration, is an error.
    pub(super) fn load(&self, wasm: &wasmtime::Engine) -> Result<Component, PluginError> {
        #[expect(unsafe_code, reason = "a `Code` comes from our own compiler, see its invariant")]
        // SAFETY: the bytes are what wasmtime's compiler wrote, and nobody else could change them on the way: see the
        // constructors. `compile` took them from wasmtime in this process. `of_child` got them over a pipe that only
        // the child held; it runs the program that the gateway was started with, and who can replace that program needs
        // no machine code. `of_cache` read them from a file that only this user can write, under a seal (HMAC) whose key
        // only this user can read; who acts as this user owns the process anyway.
        let component = unsafe { Component::deserialize(wasm, &self.0) };
        component.map_err(|error| PluginError::Engine(error.into()))
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code({} bytes)", self.0.len())
    }
}

/// Why the compiler gave no code.
#[derive(Debug)]
pub(crate) enum NoCode {
    /// The component is not good: the compiler's own words.
    Refused(String),
    /// It is built for the asynchronous ABI: the compiler's own words.
    Async(String),
    /// There was not enough memory.
    Memory,
}

impl NoCode {
    fn of(error: &wasmtime::Error, component: &[u8]) -> Self {
        if error.is::<wasmtime::error::OutOfMemory>() {
            return Self::Memory;
        }
        let words = trap::told(error);
        if format::needs_async(component) { Self::Async(words) } else { Self::Refused(words) }
    }
}

/// What machine code must have been made for, to run in an engine: wasmtime's version, its settings, the processor.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub(super) const LEN: usize = 32;

    pub(crate) fn of(wasm: &wasmtime::Engine) -> Self {
        let mut all = Everything(Sha256::new());
        wasm.precompile_compatibility_hash().hash(&mut all);
        Self(all.0.finalize().into())
    }

    pub(crate) fn bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    /// The first sixteen digits: enough for a file's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(8).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Takes what std's hashing feeds it, and gives more than 64 bits of it.
struct Everything(Sha256);

impl Hasher for Everything {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Not asked for.
    fn finish(&self) -> u64 {
        0
    }
}
