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
/// Bytes of a key of its data.
const KEY_MAX: usize = 128;
/// What an entry of a list of the guest counts as beside its texts.
const PLACE: usize = 32;
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
    /// The instance only shows whether its version would do: what it says is marked so.
    pub(super) rehearsal: bool,
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
        Self {
            plugin,
            console,
            held: Vec::new(),
            text: 0,
            dropped: 0,
            rehearsal: false,
            trace: None,
        }
    }

    /// Names the trace that the next call's signals belong to.
    pub(super) fn belong_to(&mut self, context: Option<&TraceContext>) {
        self.trace = context.map(|context| context.trace_id);
    }

    /// Whether a signal would be kept; if not it counts as dropped, and nothing else is done about it.
    fn has_room(&mut self) -> bool {
        let has_room = self.held.len() < PER_CALL && self.text < TEXT_PER_CALL;
        self.dropped += u64::from(!has_room);
        has_room
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
        let (printed, unprinted) = self.console.take();
        if unprinted > 0 {
            // Said as a line of its own, and one that counts.
            self.dropped += 1;
            tracing::warn!(plugin = %self.plugin, bytes = unprinted, "the plugin printed too much in one call; the rest is not shown");
        }
        for line in printed.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let message = plain(&String::from_utf8_lossy(line), MESSAGE_MAX);
            self.hold(Held { level: Level::Info, id: "console".into(), message, data: None });
        }
        if self.held.is_empty() && self.dropped == 0 {
            return 0;
        }
        let trace = self.trace.map(|id| format!("{id:032x}"));
        for signal in self.held.drain(..) {
            let marks = Marks { trace: trace.as_deref(), aborted, rehearsal: self.rehearsal };
            write_out(&self.plugin, &signal, marks);
        }
        self.text = 0;
        let dropped = std::mem::take(&mut self.dropped);
        if dropped > 0 {
            tracing::warn!(plugin = %self.plugin, dropped, "the plugin said too much in one call");
        }
        dropped
    }
}

/// What is said of a signal beside what it says.
#[derive(Clone, Copy)]
struct Marks<'a> {
    trace: Option<&'a str>,
    /// Its call failed.
    aborted: bool,
    /// It is of an instance that serves nobody.
    rehearsal: bool,
}

fn write_out(plugin: &PluginName, signal: &Held, marks: Marks<'_>) {
    macro_rules! write_at {
        ($level:ident) => {
            tracing::event!(
                target: "plugin",
                tracing::Level::$level,
                plugin = plugin.as_str(),
                id = signal.id.as_str(),
                data = signal.data.as_deref(),
                trace_id = marks.trace,
                fatal = matches!(signal.level, Level::Fatal).then_some(true),
                aborted = marks.aborted.then_some(true),
                rehearsal = marks.rehearsal.then_some(true),
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
    fn enabled(&mut self, level: Level, id: String) -> wasmtime::Result<bool> {
        self.charge(id.len())?;
        Ok(is_enabled(level))
    }

    fn emit(
        &mut self,
        level: Level,
        id: String,
        message: String,
        data: Vec<(String, signals::Value)>,
    ) -> wasmtime::Result<()> {
        let of_data = data.iter().map(|(key, value)| key.len() + size_of(value));
        self.charge(id.len() + message.len() + of_data.sum::<usize>())?;
        if is_enabled(level) && self.signals.has_room() {
            let data = (!data.is_empty()).then(|| render(&data));
            let (id, message) = (plain(&id, 128), plain(&message, MESSAGE_MAX));
            self.signals.hold(Held { level, id, message, data });
        }
        Ok(())
    }

    fn add(
        &mut self,
        counter: String,
        by: u32,
        attributes: Vec<types::Attribute>,
    ) -> wasmtime::Result<()> {
        self.charge(counter.len() + size_of_all(&attributes))?;
        if !self.signals.rehearsal {
            self.counters.own.add(&counter, u64::from(by));
        }
        Ok(())
    }

    fn observe(
        &mut self,
        histogram: String,
        value: f64,
        attributes: Vec<types::Attribute>,
    ) -> wasmtime::Result<()> {
        self.charge(histogram.len() + size_of_all(&attributes))?;
        if !self.signals.rehearsal {
            self.counters.own.observe(&histogram, value);
        }
        Ok(())
    }
}

impl config::Host for State {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<String>> {
        self.charge(key.len())?;
        Ok(self.config.config.get(&key).cloned())
    }

    fn all(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        let texts = self.config.config.iter();
        let bytes = texts.map(|(key, value)| key.len() + value.len()).sum();
        self.charge(bytes)?;
        Ok(self.config.config.iter().map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}

/// What a value takes, beside the place that it has in its list.
fn size_of(value: &signals::Value) -> usize {
    PLACE
        + match value {
            signals::Value::Text(text) => text.len(),
            signals::Value::Bytes(bytes) => bytes.len(),
            _ => 0,
        }
}

fn size_of_all(attributes: &[types::Attribute]) -> usize {
    attributes.iter().map(|attribute| attribute.key.len() + attribute.value.len() + PLACE).sum()
}

/// The beginning of a text, at most so many bytes, whole characters.
fn beginning(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or(text)
}

/// A signal's data as the text `key=value key=value`, cut like any other text: before it is written out, for that takes
/// many times as long.
fn render(data: &[(String, signals::Value)]) -> String {
    let mut text = String::new();
    for (key, value) in data {
        if text.len() > MESSAGE_MAX {
            break;
        }
        let gap = if text.is_empty() { "" } else { " " };
        let key = beginning(key, KEY_MAX);
        // Writing to a string does not fail.
        match value {
            signals::Value::Text(value) => {
                write!(text, "{gap}{key}={:?}", beginning(value, MESSAGE_MAX))
            }
            signals::Value::Integer(value) => write!(text, "{gap}{key}={value}"),
            signals::Value::Float(value) => write!(text, "{gap}{key}={value}"),
            signals::Value::Boolean(value) => write!(text, "{gap}{key}={value}"),
            signals::Value::Bytes(value) => write!(text, "{gap}{key}=<{} bytes>", value.len()),
        }
        .ok();
    }
    plain(&text, MESSAGE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::time::{ClockId, clock_gettime};
    use std::time::Duration;

    fn processor() -> Duration {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Duration::try_from(time).expect("it has passed")
    }

    // Issue 9, C 13.
    #[test]
    fn values_are_cut_before_they_are_written_out() {
        let long = "\u{1b}ü".repeat(8 << 20);
        let data = vec![
            ("first".to_owned(), signals::Value::Text(long.clone())),
            (long, signals::Value::Integer(1)),
            ("never".to_owned(), signals::Value::Boolean(true)),
        ];
        let before = processor();
        let text = render(&data);
        assert!(processor() - before < Duration::from_millis(100), "in a moment");
        assert!(text.starts_with(r#"first="\u{1b}ü"#), "{}", text.get(..40).unwrap_or(&text));
        assert!(text.len() <= MESSAGE_MAX + 3 && !text.contains("never"));
    }
}
