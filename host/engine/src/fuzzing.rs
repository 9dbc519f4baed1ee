//! The way in for the fuzz targets that need the engine (`fuzz/`): nothing in here is part of the gateway.
//!
//! They hand over what a guest might return, as records or as bytes of a guest's memory, and get what the gateway would
//! have carried out.

use crate::{
    Engine, EngineLimits, PluginError,
    call::{
        effects::decide,
        events::{prepare, tell},
        generation::lifecycle,
        instance::Instance,
        numbering::Numbering,
        whose::Whose,
    },
    compile::compiled::Compiled,
    counters::Counters,
};
use std::{sync::Arc, time::SystemTime};
use tengen_core::{
    effect::Outcome,
    event::{Connection, Event, Message, Occurrence},
    trace::Span,
};
use tengen_settings as settings;
use tengen_wire::{
    id::{EventId, PluginName},
    payload::{Encoding, Payload},
};

pub use crate::guest::bindings::handling::types as wit;

/// What is taken over of a guest's decision.
#[derive(Debug)]
pub struct Taken {
    pub outcome: Outcome,
    /// The events that the refused effects name, as far as they exist.
    pub refused: Vec<Option<u32>>,
}

/// Checks decisions about a batch of a message, its connection's opening and another message.
pub fn take(decisions: Vec<wit::Decision>, settings: &settings::Plugin) -> Taken {
    let events = [message(b"1"), event(Occurrence::Opened), message(b"2")];
    taken(decisions, &events, settings)
}

fn taken(decisions: Vec<wit::Decision>, events: &[Event], settings: &settings::Plugin) -> Taken {
    let decided = decide(decisions, events, &Numbering::Same, settings);
    let refused = decided.refused.iter().map(|refused| refused.by).collect();
    Taken { outcome: decided.outcome, refused }
}

/// A guest that is called again and again, and made anew after each trap.
#[derive(Debug)]
pub struct Guest {
    runtime: tokio::runtime::Runtime,
    compiled: Compiled,
    settings: Arc<settings::Plugin>,
    counters: Arc<Counters>,
    instance: Option<Instance>,
    _engine: Engine,
}

impl Guest {
    pub fn new(component: &[u8], settings: settings::Plugin) -> Result<Self, PluginError> {
        let engine = Engine::new(EngineLimits { instances: 8, ..EngineLimits::default() })?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        Ok(Self {
            runtime: runtime
                .map_err(|error| PluginError::Engine(wasmtime::Error::from(error).into()))?,
            compiled: engine.compile_here(component)?,
            settings: Arc::new(settings),
            counters: Arc::default(),
            instance: None,
            _engine: engine,
        })
    }

    /// Sends a message with this payload; none when the guest traps, or the host cannot read what it returned.
    pub fn handle(&mut self, payload: &[u8]) -> Option<Result<Taken, String>> {
        let events = [message(payload)];
        let made = prepare(&events, &[], Encoding::Binary);
        let told = tell(&events, &made);
        let mut instance = match self.instance.take() {
            Some(instance) => instance,
            None => self.instantiate()?,
        };
        let allowance = lifecycle(&self.settings);
        let called =
            self.runtime.block_on(instance.handle(allowance, &told.records, Whose::NOBODY)).ok()?;
        // Only what has not trapped is called again.
        self.instance = Some(instance);
        Some(called.map(|outcome| taken(outcome, &events, &self.settings)))
    }

    fn instantiate(&self) -> Option<Instance> {
        let name = PluginName::from("fuzzed");
        let made = Instance::new(&self.compiled, &name, &self.settings, (&self.counters, false));
        self.runtime.block_on(made).ok()
    }
}

fn message(payload: &[u8]) -> Event {
    let payload = Payload::new(Encoding::Binary, payload.to_vec());
    event(Occurrence::Message(Message { id: EventId::from("a/b"), payload, reply_to: Some(7) }))
}

fn event(what: Occurrence) -> Event {
    Event {
        connection: Some(Arc::new(Connection::anybody(1))),
        seq: 1,
        at: SystemTime::UNIX_EPOCH,
        what,
        span: Span::none(),
        permit: None,
    }
}
