//! One running guest: a store of its own, and calls that end in time.
//!
//! A call that traps, overruns or is given up leaves the store unusable; the owner drops the instance then.

use super::{
    fuel,
    generation::{About, Allowance, COPIES, Generation, describing, lifecycle},
    parts::Parts,
    saved::Saved,
    whose::Whose,
};
use crate::{
    compile::compiled::Compiled,
    counters::Counters,
    error::{CallError, Cause, PluginError, Stack, lacks_addresses},
    guest::{
        bindings::{
            VERSION, authenticator,
            handling::{handler, types},
            plugin::{self, StartReason},
            snapshot, telemetry_sink,
        },
        data::{Data, HandedTooMuch},
        patience::Patience,
        stopwatch::Stopwatch,
        tape::Tape,
    },
    text::plain,
};
use futures_util::{FutureExt as _, future::BoxFuture};
use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};
use tengen_core::{meter::PluginHappened, trace::TraceContext};
use tengen_settings as settings;
use tengen_wire::id::PluginName;
use tokio::time::{Instant, Sleep, sleep};
use wasmtime::{
    PoolConcurrencyLimitError, Store, Trap, WasmBacktrace, component::Instance as Component,
};

const NO_SNAPSHOT: PluginError = PluginError::NotRunning { why: "it exports no `snapshot`" };

/// A guest in its store.
pub(crate) struct Instance {
    store: Store<Data>,
    /// The store's.
    stopwatch: Stopwatch,
    plugin: plugin::Guest,
    handler: Option<handler::Guest>,
    authenticator: Option<authenticator::Guest>,
    sink: Option<telemetry_sink::Guest>,
    snapshot: Option<snapshot::Guest>,
}

/// Runs one exported function within an allowance: ticks inside, a timeout outside.
///
/// `about`: the events that it is about, whose traces and connections what the guest says bears.
macro_rules! call {
    ($self:ident, $allowance:expr, $guest:expr, $function:ident($($argument:expr),*)) => {
        call!($self, $allowance, $guest, $function($($argument),*), about Whose::NOBODY)
    };
    ($self:ident, $allowance:expr, $guest:expr, $function:ident($($argument:expr),*), about $about:expr) => {{
        let allowance = $allowance;
        arm(&mut $self.store, allowance);
        let result = {
            let call = pin!($guest.$function(&mut $self.store, $($argument),*));
            within(allowance.wall, &$self.stopwatch, call).await
        };
        match judge(&mut $self.store, allowance, result, $about) {
            Ok(value) => Ok(value),
            Err(error) => Err(located($self.store.data(), error).await),
        }
    }};
}

impl Instance {
    /// Instantiates; a core `start` function runs here already, so this has an allowance too.
    pub(crate) async fn new(
        compiled: &Compiled,
        name: &PluginName,
        settings: &Arc<settings::Plugin>,
        (counters, rehearsal): (&Arc<Counters>, bool),
    ) -> Result<Self, PluginError> {
        let mut store =
            Data::store(compiled.pre.engine(), &compiled.hosting, name, settings, counters)?;
        store.data_mut().signals.rehearsal = rehearsal;
        store.data_mut().lines = Arc::clone(&compiled.lines);
        let allowance = lifecycle(settings);
        arm(&mut store, allowance);
        let stopwatch = store.data().stopwatch.clone();
        let instantiated = {
            let instantiate = pin!(compiled.pre.instantiate_async(&mut store));
            within(allowance.wall, &stopwatch, instantiate).await
        };
        let instance = match instantiated {
            Some(Err(error)) if !error.is::<Trap>() => {
                let_out(&mut store, true, Whose::NOBODY);
                return Err(match store.data().memory.denied {
                    Some(wanted) => {
                        let limit = settings.memory();
                        PluginError::Memory {
                            wanted,
                            limit,
                            stack: Stack::of(compiled.stack, limit),
                        }
                    }
                    None if error.is::<PoolConcurrencyLimitError>() => {
                        PluginError::NoRoom(error.into())
                    }
                    None if lacks_addresses(&error) => PluginError::NoAddresses(error.into()),
                    None => PluginError::Instantiate(error.into()),
                });
            }
            other => match judge(&mut store, allowance, other, Whose::NOBODY) {
                Ok(instance) => instance,
                Err(error) => {
                    let source = located(store.data(), error).await;
                    return Err(PluginError::Call { function: "instantiation", source });
                }
            },
        };
        Self::find(store, instance, compiled)
    }

    /// Checks the types of all exported functions, which only an instance has.
    fn find(
        mut store: Store<Data>,
        instance: Component,
        compiled: &Compiled,
    ) -> Result<Self, PluginError> {
        macro_rules! load {
            ($interface:literal, $indices:expr) => {
                $indices
                    .as_ref()
                    .map(|indices| indices.load(&mut store, &instance))
                    .transpose()
                    .map_err(|error| unfit($interface, error))?
            };
        }
        let plugin =
            compiled.plugin.load(&mut store, &instance).map_err(|error| unfit("plugin", error))?;
        let handler = load!("handler", compiled.handler);
        let authenticator = load!("authenticator", compiled.authenticator);
        let sink = load!("telemetry-sink", compiled.sink);
        let snapshot = load!("snapshot", compiled.snapshot);
        let stopwatch = store.data().stopwatch.clone();
        Ok(Self { plugin, handler, authenticator, sink, snapshot, store, stopwatch })
    }

    /// An instance of a version, told that it begins.
    pub(crate) async fn start(
        generation: &Generation,
        reason: StartReason,
    ) -> Result<Self, PluginError> {
        let Generation { compiled, plugin, settings, counters, .. } = generation;
        let mut instance = Self::new(compiled, plugin, settings, (counters, false)).await?;
        instance.begin(generation.lifecycle(), reason).await?;
        Ok(instance)
    }

    pub(crate) async fn begin(
        &mut self,
        allowance: Allowance,
        reason: StartReason,
    ) -> Result<(), PluginError> {
        said("start", call!(self, allowance, self.plugin, call_start(reason)))
    }

    /// What it is answered by its imports.
    pub(crate) fn tape(&self) -> &Tape {
        &self.store.data().tape
    }

    /// Says whether it goes through what was: then nothing of what it says is heard.
    pub(crate) fn goes_through(&mut self, what_was: bool) {
        self.store.data_mut().signals.muted = what_was;
    }

    /// How much memory it has, and how much it may have.
    pub(crate) fn memory(&self) -> (usize, usize) {
        self.store.data().memory.level()
    }

    /// From here on these are its settings, which say how much memory it may have.
    pub(crate) fn may_have(&mut self, settings: &Arc<settings::Plugin>) {
        let data = self.store.data_mut();
        data.config = Arc::clone(settings);
        data.memory.limit(settings.memory());
    }

    /// Says whether it only shows that its version would do.
    pub(crate) fn rehearses(&mut self, rehearsal: bool) {
        self.store.data_mut().signals.rehearsal = rehearsal;
    }

    pub(crate) async fn describe(
        &mut self,
        settings: &settings::Plugin,
    ) -> Result<About, PluginError> {
        let allowance = describing(settings);
        let said = call!(self, allowance, self.plugin, call_describe())
            .map_err(|source| PluginError::Call { function: "describe", source })?;
        About::try_from(said)
    }

    pub(crate) async fn stop(mut self, allowance: Allowance) -> Result<(), PluginError> {
        call!(self, allowance, self.plugin, call_stop())
            .map_err(|source| PluginError::Call { function: "stop", source })
    }

    /// The state. Only after [`PluginError::Call`] the instance is lost; whatever else is wrong, it can go on serving.
    pub(crate) async fn save(&mut self, generation: &Generation) -> Result<Saved, PluginError> {
        let guest = self.snapshot.clone().ok_or(NO_SNAPSHOT)?;
        let mut allowance = generation.hand_over();
        let (mut state, limit) = (Saved::default(), generation.settings.memory());
        loop {
            let (number, began) = (state.next(), Instant::now());
            self.store.data_mut().memory.widen(COPIES);
            let saved = said("save", call!(self, allowance, guest, call_save(number)));
            self.store.data_mut().memory.widen(1);
            allowance.spend(began.elapsed());
            let is_last = state.add(saved?)?;
            match state.size {
                size if size > limit => return Err(PluginError::StateTooLarge { size, limit }),
                _ if is_last => return Ok(state),
                _ => {}
            }
        }
    }

    pub(crate) async fn load(
        &mut self,
        generation: &Generation,
        state: &Parts<'_>,
    ) -> Result<(), PluginError> {
        let guest = self.snapshot.clone().ok_or(NO_SNAPSHOT)?;
        let mut allowance = generation.hand_over();
        for (piece, place) in state.pieces() {
            let began = Instant::now();
            self.store.data_mut().memory.widen(COPIES);
            let loaded = said("load", call!(self, allowance, guest, call_load(piece, place)));
            self.store.data_mut().memory.widen(1);
            loaded?;
            allowance.spend(began.elapsed());
        }
        Ok(())
    }

    pub(crate) async fn handle(
        &mut self,
        allowance: Allowance,
        events: &[types::Event<'_>],
        about: Whose<'_>,
    ) -> Result<Result<Vec<types::Decision>, String>, CallError> {
        let Some(guest) = &self.handler else { return Ok(Err("it exports no `handler`".into())) };
        call!(self, allowance, guest, call_handle(events), about about)
    }
    /// Whether memory was refused to it in the last call.
    pub(crate) fn lacked_memory(&self) -> bool {
        self.store.data().memory.denied.is_some()
    }

    pub(crate) async fn authenticate(
        &mut self,
        allowance: Allowance,
        upgrade: &authenticator::Upgrade,
        trace: Option<TraceContext>,
    ) -> Result<Option<authenticator::Verdict>, CallError> {
        let Some(guest) = &self.authenticator else { return Ok(None) };
        let data = self.store.data_mut();
        (data.patience, data.trace) = (Patience::begin(), trace);
        let said = call!(self, allowance, guest, call_authenticate(upgrade));
        let data = self.store.data_mut();
        (data.patience, data.trace) = (Patience::none(), None);
        said.map(Some)
    }

    pub(crate) async fn deliver(
        &mut self,
        allowance: Allowance,
        signals: &[telemetry_sink::Signal],
        dropped_before: u32,
    ) -> Result<Result<u32, telemetry_sink::Refusal>, CallError> {
        let Some(guest) = &self.sink else {
            return Ok(Err(telemetry_sink::Refusal::Fatal(
                "it exports no `telemetry-sink`".into(),
            )));
        };
        call!(self, allowance, guest, call_deliver(signals, dropped_before))
    }

    pub(crate) async fn flush(
        &mut self,
        allowance: Allowance,
    ) -> Result<Result<(), String>, CallError> {
        let Some(guest) = &self.sink else { return Ok(Ok(())) };
        call!(self, allowance, guest, call_flush())
    }
}

/// What a call comes to, unless it takes too long. Nearly every call ends without waiting: no timer is made for it.
async fn within<T>(
    limit: Duration,
    stopwatch: &Stopwatch,
    mut call: Pin<&mut impl Future<Output = T>>,
) -> Option<T> {
    let mut timer: Option<Pin<Box<Sleep>>> = None;
    poll_fn(|cx| {
        if timer.is_some() {
            stopwatch.resume();
        }
        if let Poll::Ready(value) = call.as_mut().poll(cx) {
            return Poll::Ready(Some(value));
        }
        stopwatch.pause();
        timer.get_or_insert_with(|| Box::pin(sleep(limit))).as_mut().poll(cx).map(|()| None)
    })
    .await
}

/// Readies the store for one call.
fn arm(store: &mut Store<Data>, allowance: Allowance) {
    // Before the clock is told: a tick that comes at any moment after that is one at which this guest is looked at.
    store.set_epoch_deadline(1);
    let data = store.data_mut();
    data.stopwatch.begin(allowance.cpu);
    data.allow(allowance.bytes);
    (data.memory.denied, data.memory.lacking) = (None, false);
    store.set_hostcall_fuel(allowance.bytes);
}

/// What came of one call: counts it, and lets out what the guest said meanwhile.
fn judge<T: Given>(
    store: &mut Store<Data>,
    allowance: Allowance,
    result: Option<wasmtime::Result<T>>,
    about: Whose<'_>,
) -> Result<T, CallError> {
    let judged = match result {
        Some(Ok(value)) => Ok(value),
        Some(Err(error)) => Err(failure(error, allowance, store.data())),
        None => {
            let plugin = store.data().signals.plugin().clone();
            Err(CallError::TimedOut { plugin, limit: allowance.wall })
        }
    };
    let judged = judged.map_err(|mut error| {
        if let Some(story) = error.story_mut() {
            (story.panic, story.wrote) = store.data_mut().signals.last_words();
        }
        error
    });
    let_out(store, judged.as_ref().ok().is_none_or(Given::is_failure), about);
    if let Err(error) = &judged {
        let counters = &store.data().counters;
        counters.note(PluginHappened::Broke(error.kind()));
    }
    judged
}

/// A call that broke, with the lines of the source where it did.
fn located(data: &Data, mut error: CallError) -> BoxFuture<'static, CallError> {
    let (lines, config) = (Arc::clone(&data.lines), Arc::clone(&data.config));
    let located = async move {
        if let Some(story) = error.story_mut() {
            lines.locate(story, &config.file).await;
        }
        error
    };
    located.boxed()
}

/// Lets out what the guest said in the call that just ended, marked if the call failed.
fn let_out(store: &mut Store<Data>, failed: bool, about: Whose<'_>) {
    let Data { signals, counters, .. } = store.data_mut();
    let dropped = signals.release(&|by| about.of(by), failed, &counters.notable);
    counters.note(PluginHappened::SignalsDropped(dropped));
}

/// What a call gives when it returns.
trait Given {
    /// Whether the guest itself says that it failed.
    fn is_failure(&self) -> bool {
        false
    }
}

impl Given for () {}
impl Given for Component {}
impl Given for plugin::Description {}
impl Given for authenticator::Verdict {}

impl<T, E> Given for Result<T, E> {
    fn is_failure(&self) -> bool {
        self.is_err()
    }
}

fn failure(error: wasmtime::Error, allowance: Allowance, data: &Data) -> CallError {
    if error.is::<HandedTooMuch>() {
        return CallError::TooMuch { limit: allowance.bytes };
    }
    if matches!(error.downcast_ref::<Trap>(), Some(Trap::Interrupt)) {
        let (plugin, limit) = (data.signals.plugin().clone(), allowance.cpu);
        let cause = Cause::from(error);
        let samples = cause.has_places() && data.lines.samples(std::time::Instant::now());
        return CallError::Overrun { plugin, limit, source: samples.then_some(cause) };
    }
    // Whatever goes wrong while the guest runs has its stack beside it; so has what goes wrong in an import. What is left
    // is what it returned: where it was to put what it is given, which no honest allocator gets wrong, or its result.
    let is_trap = error.is::<Trap>();
    if !is_trap && fuel::has_ended(&error) {
        return CallError::TooMuch { limit: allowance.bytes };
    }
    if data.memory.lacking {
        return CallError::OutOfAddresses(error.into());
    }
    if data.memory.denied.is_some() {
        let (plugin, limit) = (data.signals.plugin().clone(), data.config.memory());
        return CallError::OutOfMemory { plugin, limit, source: error.into() };
    }
    match is_trap || error.downcast_ref::<WasmBacktrace>().is_some() {
        true => CallError::Trapped(error.into()),
        false => CallError::Unreadable(error.into()),
    }
}

fn said<T>(
    function: &'static str,
    result: Result<Result<T, String>, CallError>,
) -> Result<T, PluginError> {
    match result {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(message)) => Err(PluginError::Refused { function, message: plain(&message, 1024) }),
        Err(source) => Err(PluginError::Call { function, source }),
    }
}

fn unfit(interface: &'static str, error: wasmtime::Error) -> PluginError {
    PluginError::Export { interface, offered: VERSION, source: error.into() }
}

impl std::fmt::Debug for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instance")
            .field("store", &self.store.data().config.file)
            .finish_non_exhaustive()
    }
}

/// How long a guest's `stop` may take when the gateway itself is ending.
pub(crate) const STOP: Duration = Duration::from_secs(1);
