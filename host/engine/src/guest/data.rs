//! What the gateway keeps beside a guest: its limits, its time, its grants, and what it said during a call.

use super::{
    chance::Chance, clocks::Coarse, console::Console, patience::Patience, signals::Signals,
    stopwatch::Stopwatch, tape::Tape, ticks::Ticks,
};
use crate::{
    counters::Counters,
    error::{Cause, PluginError, lacks_addresses},
    trap::lines::Lines,
};
use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{Arc, atomic::Ordering},
};
use tengen_core::{
    directory::Directory, outgoing::Outgoing, store::Store as Kept, trace::TraceContext,
};
use tengen_settings as settings;
use tengen_wire::id::PluginName;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::{ResourceLimiter, Store, UpdateDeadline, component::ResourceTable};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

/// Core instances of one component: an interpreter with its adapters has dozens.
pub(crate) const INSTANCES: u32 = 100;
/// Tables of one component.
pub(crate) const TABLES: u32 = 100;
/// Elements of one table.
pub(crate) const TABLE_ELEMENTS: usize = 60_000;
const MEMORIES: usize = 16;
/// Handles of resources (open files, streams, polls) that one instance may hold.
const HANDLES: usize = 1024;
/// What a call of an import counts as, in bytes, beside what it hands over.
const STEP: usize = 8;
/// Random bytes in one call.
const RANDOM_BYTES: u64 = 64 << 10;

/// A guest has handed over more in one call than it may.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the guest handed over too much in one call")]
pub(crate) struct HandedTooMuch;

/// What all instances of one engine have in common.
#[derive(Debug, Clone)]
pub(crate) struct Hosting {
    /// The clock that interrupts them.
    pub(crate) ticks: Ticks,
    /// Places for them: each holds one as long as it is there.
    pub(crate) places: Arc<Semaphore>,
    /// What plugins have put away; none: nothing is kept.
    pub(crate) kept: Option<Arc<dyn Kept>>,
    /// Who carries out requests to servers; none: nobody does.
    pub(crate) outgoing: Option<Arc<dyn Outgoing>>,
    /// Who knows who is here; none: nobody does.
    pub(crate) directory: Option<Arc<dyn Directory>>,
    /// From which each plugin has a seed for its tables, the same for all of its instances.
    pub(crate) seeds: RandomState,
}

impl Hosting {
    /// What a plugin's tables are mixed with: what one instance has in one order, the next has in the same.
    fn seed(&self, plugin: &PluginName) -> u128 {
        let half = |number: u8| u128::from(self.seeds.hash_one((plugin, number)));
        (half(0) << 64) | half(1)
    }
}

/// The data of a guest's store.
pub(crate) struct Data {
    wasi: WasiCtx,
    table: ResourceTable,
    pub(crate) memory: Memory,
    pub(crate) config: Arc<settings::Plugin>,
    pub(crate) signals: Signals,
    pub(crate) counters: Arc<Counters>,
    /// Bytes that the call in hand has handed over by its imports, and the most that it may.
    handed: usize,
    handed_max: usize,
    /// How long the call in hand computes.
    pub(crate) stopwatch: Stopwatch,
    pub(super) kept: Option<Arc<dyn Kept>>,
    pub(super) outgoing: Option<Arc<dyn Outgoing>>,
    pub(super) directory: Option<Arc<dyn Directory>>,
    /// How long it may wait for servers.
    pub(crate) patience: Patience,
    /// What the call in hand is a part of, where it may wait.
    pub(crate) trace: Option<TraceContext>,
    /// What it is answered, for an instance after it.
    pub(crate) tape: Tape,
    /// Lines of its source, for what is told when a call breaks.
    pub(crate) lines: Arc<Lines>,
    /// Its place among all instances.
    _place: OwnedSemaphorePermit,
}

impl Data {
    /// An empty store for one instance. What the settings grant is in it, and nothing else.
    pub(crate) fn store(
        wasm: &wasmtime::Engine,
        hosting: &Hosting,
        name: &PluginName,
        settings: &Arc<settings::Plugin>,
        counters: &Arc<Counters>,
    ) -> Result<Store<Self>, PluginError> {
        let place = Arc::clone(&hosting.places).try_acquire_owned();
        let place = place.map_err(|_| PluginError::NoRoom(Cause::new("every place is taken")))?;
        let (console, tape) = (Console::default(), Tape::default());
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES);
        let data = Self {
            wasi: wasi(settings, &console, &tape, hosting.seed(name))?,
            table,
            memory: Memory::new(settings.memory(), counters),
            config: Arc::clone(settings),
            signals: Signals::new(name.clone(), console),
            counters: Arc::clone(counters),
            handed: 0,
            handed_max: 0,
            stopwatch: Stopwatch::new(&hosting.ticks),
            kept: hosting.kept.clone(),
            outgoing: hosting.outgoing.clone(),
            directory: hosting.directory.clone(),
            patience: Patience::none(),
            trace: None,
            tape,
            lines: Arc::default(),
            _place: place,
        };
        let mut store = Store::new(wasm, data);
        store.limiter(|data| &mut data.memory);
        store.set_max_component_handles(HANDLES);
        store.epoch_deadline_callback(|store| Ok(store.data().tick()));
        Ok(store)
    }

    /// The guest was still computing when the clock ticked: let others go first, or end it.
    fn tick(&self) -> UpdateDeadline {
        match self.stopwatch.is_over() {
            false => UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())),
            true => UpdateDeadline::Interrupt,
        }
    }

    /// The next call may hand over so many bytes by its imports.
    pub(crate) fn allow(&mut self, bytes: usize) {
        self.handed = 0;
        self.handed_max = bytes;
    }

    /// The guest has handed over so many bytes, or had a step done for it: an error when it was too much in one call.
    pub(super) fn charge(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.handed = self.handed.saturating_add(bytes).saturating_add(STEP);
        match self.handed > self.handed_max {
            true => Err(HandedTooMuch.into()),
            false => Ok(()),
        }
    }
}

impl WasiView for Data {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

fn wasi(
    settings: &settings::Plugin,
    console: &Console,
    tape: &Tape,
    seed: u128,
) -> Result<WasiCtx, PluginError> {
    let mut wasi = WasiCtxBuilder::new();
    wasi.allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .max_random_size(RANDOM_BYTES);
    wasi.wall_clock(Coarse::new(tape)).monotonic_clock(Coarse::new(tape));
    let chance = || Chance::new(tape).ok_or(PluginError::NoChance);
    wasi.secure_random(chance()?).insecure_random(chance()?).insecure_random_seed(seed);
    wasi.stdout(console.clone()).stderr(console.error());
    for name in &settings.grant.env {
        if let Ok(value) = std::env::var(name) {
            wasi.env(name, value);
        }
    }
    for dir in &settings.grant.dirs {
        let permissions = if dir.writable { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
        wasi.preopened_dir(&dir.host, &dir.guest, permissions).map_err(|error| {
            PluginError::Directory { dir: dir.host.clone(), source: error.into() }
        })?;
    }
    Ok(wasi.build())
}

/// Bounds the linear memory of all of a component's modules together, and its tables. Counts as long as it is there: it
/// goes with its store.
pub(crate) struct Memory {
    limit: usize,
    /// What holds for the call in hand: some have more.
    allowed: usize,
    used: usize,
    /// The bytes that all together would have been, where growth was refused.
    pub(crate) denied: Option<usize>,
    /// Whether the system had nothing to grow into.
    pub(crate) lacking: bool,
    /// What the last growth was to add.
    grown: usize,
    counters: Arc<Counters>,
}

impl Memory {
    fn new(limit: usize, counters: &Arc<Counters>) -> Self {
        counters.instances.fetch_add(1, Ordering::Relaxed);
        let counters = Arc::clone(counters);
        Self { limit, allowed: limit, used: 0, denied: None, lacking: false, grown: 0, counters }
    }

    /// How much there is, and how much there may be.
    pub(crate) fn level(&self) -> (usize, usize) {
        (self.used, self.limit)
    }

    /// From here on, so many bytes are the limit.
    pub(crate) fn limit(&mut self, limit: usize) {
        (self.limit, self.allowed) = (limit, limit);
    }

    /// Allows so many times the limit from now on. What has grown beyond does not shrink, but grows no further.
    pub(crate) fn widen(&mut self, times: usize) {
        self.allowed = self.limit.saturating_mul(times);
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let grown = desired.saturating_sub(current);
        let total = self.used.saturating_add(grown);
        if total > self.allowed {
            self.denied = Some(total);
            return Ok(false);
        }
        (self.used, self.grown) = (total, grown);
        self.counters.memory.fetch_add(grown, Ordering::Relaxed);
        Ok(true)
    }

    /// What was allowed did not happen: there is no more of the memory, or the system has none.
    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        let grown = std::mem::take(&mut self.grown);
        self.used = self.used.saturating_sub(grown);
        self.counters.memory.fetch_sub(grown, Ordering::Relaxed);
        self.lacking |= lacks_addresses(&error);
        Ok(())
    }

    fn table_growing(
        &mut self,
        _: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS)
    }

    fn instances(&self) -> usize {
        INSTANCES as usize
    }

    fn tables(&self) -> usize {
        TABLES as usize
    }

    fn memories(&self) -> usize {
        MEMORIES
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.counters.memory.fetch_sub(self.used, Ordering::Relaxed);
        self.counters.instances.fetch_sub(1, Ordering::Relaxed);
    }
}
