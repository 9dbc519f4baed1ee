//! The imports `signals` and `config`: what a guest says, and what it is told of its settings.
//!
//! Signals are held back until the call ends, so that those of a failed call are marked, and a flood is bounded.

use super::{
    bindings::{config, signal_types, signal_types::Level, signals, types},
    console::Console,
    state::State,
    text::plain,
};
use crate::{id::PluginName, trace::TraceContext};
use std::fmt::Write as _;

/// Signals of one call that are kept.
const PER_CALL: usize = 256;
/// Bytes of text of one signal.
const MESSAGE_MAX: usize = 4096;
/// Bytes of text of all signals of one call.
const TEXT_PER_CALL: usize = 64 << 10;

/// What a guest said during the call in hand.
pub(super) struct Signals {
    plugin: PluginName,
    console: Console,
    held: Vec<Held>,
    text: usize,
    dropped: u64,
    /// The trace of the event that the guest was called for, when it is one.
    trace: Option<u128>,
}

struct Held {
    level: Level,
    id: String,
    message: String,
    data: Option<String>,
}

impl Signals {
    pub(super) fn new(plugin: PluginName, console: Console) -> Self {
        Self { plugin, console, held: Vec::new(), text: 0, dropped: 0, trace: None }
    }

    /// Whose they are.
    pub(super) fn plugin(&self) -> &PluginName {
        &self.plugin
    }

    /// Names the trace that the next call's signals belong to.
    pub(super) fn belong_to(&mut self, context: Option<&TraceContext>) {
        self.trace = context.map(|context| context.trace_id);
    }

    fn hold(&mut self, signal: Held) {
        let size =
            signal.id.len() + signal.message.len() + signal.data.as_ref().map_or(0, String::len);
        if self.held.len() >= PER_CALL || self.text + size > TEXT_PER_CALL {
            self.dropped += 1;
            return;
        }
        self.text += size;
        self.held.push(signal);
    }

    /// Writes out what was said in the call that just ended; returns how many signals were too many.
    pub(super) fn release(&mut self, aborted: bool) -> u64 {
        let printed = self.console.take();
        for line in printed.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let message = plain(&String::from_utf8_lossy(line), MESSAGE_MAX);
            self.hold(Held { level: Level::Info, id: "console".into(), message, data: None });
        }
        if self.held.is_empty() && self.dropped == 0 {
            return 0;
        }
        let trace = self.trace.map(|id| format!("{id:032x}"));
        for signal in self.held.drain(..) {
            write_out(&self.plugin, &signal, trace.as_deref(), aborted);
        }
        self.text = 0;
        let dropped = std::mem::take(&mut self.dropped);
        if dropped > 0 {
            tracing::warn!(plugin = %self.plugin, dropped, "the plugin said too much in one call");
        }
        dropped
    }
}

fn write_out(plugin: &PluginName, signal: &Held, trace: Option<&str>, aborted: bool) {
    macro_rules! write_at {
        ($level:ident) => {
            tracing::event!(
                target: "plugin",
                tracing::Level::$level,
                plugin = plugin.as_str(),
                id = signal.id.as_str(),
                data = signal.data.as_deref(),
                trace_id = trace,
                fatal = matches!(signal.level, Level::Fatal).then_some(true),
                aborted = aborted.then_some(true),
                "{}",
                signal.message
            )
        };
    }
    match signal.level {
        Level::Trace => write_at!(TRACE),
        Level::Debug => write_at!(DEBUG),
        Level::Info => write_at!(INFO),
        Level::Warn => write_at!(WARN),
        Level::Error | Level::Fatal => write_at!(ERROR),
    }
}

fn is_enabled(level: Level) -> bool {
    match level {
        Level::Trace => tracing::enabled!(target: "plugin", tracing::Level::TRACE),
        Level::Debug => tracing::enabled!(target: "plugin", tracing::Level::DEBUG),
        Level::Info => tracing::enabled!(target: "plugin", tracing::Level::INFO),
        Level::Warn => tracing::enabled!(target: "plugin", tracing::Level::WARN),
        Level::Error | Level::Fatal => tracing::enabled!(target: "plugin", tracing::Level::ERROR),
    }
}

impl types::Host for State {}

impl signal_types::Host for State {}

impl signals::Host for State {
    fn enabled(&mut self, level: Level, _id: String) -> wasmtime::Result<bool> {
        Ok(is_enabled(level))
    }

    fn emit(
        &mut self,
        level: Level,
        id: String,
        message: String,
        data: Vec<(String, signals::Value)>,
    ) -> wasmtime::Result<()> {
        if is_enabled(level) {
            let data = (!data.is_empty()).then(|| render(&data));
            let (id, message) = (plain(&id, 128), plain(&message, MESSAGE_MAX));
            self.signals.hold(Held { level, id, message, data });
        }
        Ok(())
    }

    fn add(&mut self, counter: String, by: u32, _: Vec<types::Attribute>) -> wasmtime::Result<()> {
        self.counters.own.add(&counter, u64::from(by));
        Ok(())
    }

    fn observe(
        &mut self,
        histogram: String,
        value: f64,
        _: Vec<types::Attribute>,
    ) -> wasmtime::Result<()> {
        self.counters.own.observe(&histogram, value);
        Ok(())
    }
}

impl config::Host for State {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<String>> {
        Ok(self.config.config.get(&key).cloned())
    }

    fn all(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        Ok(self.config.config.iter().map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}

/// A signal's data as the text `key=value key=value`, cut like any other text.
fn render(data: &[(String, signals::Value)]) -> String {
    let mut text = String::new();
    for (key, value) in data {
        if text.len() > MESSAGE_MAX {
            break;
        }
        let gap = if text.is_empty() { "" } else { " " };
        // Writing to a string does not fail.
        match value {
            signals::Value::Text(value) => write!(text, "{gap}{key}={value:?}"),
            signals::Value::Integer(value) => write!(text, "{gap}{key}={value}"),
            signals::Value::Float(value) => write!(text, "{gap}{key}={value}"),
            signals::Value::Boolean(value) => write!(text, "{gap}{key}={value}"),
            signals::Value::Bytes(value) => write!(text, "{gap}{key}=<{} bytes>", value.len()),
        }
        .ok();
    }
    plain(&text, MESSAGE_MAX)
}
