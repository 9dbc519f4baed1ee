//! What a guest says while it is called.
//!
//! Signals are held back until the call ends, so that those of a failed call are marked, and a flood is bounded.

use super::{
    bindings::{signal_types::Level, signals},
    console::Console,
};
use crate::text::{lines, plain};
use std::{error::Error, time::Instant};
use tengen_core::{
    often::{Often, Times},
    sink::{Facts, Failure, Value},
    trace::TraceContext,
};
use tengen_wire::id::{ConnectionId, PluginName, UserId};

/// Signals of one call that are kept.
const PER_CALL: usize = 256;
/// Pieces of data of one signal.
const FACTS: usize = 64;
/// Bytes of a key of its data.
const KEY_MAX: usize = 128;
/// What an SDK calls the place in the plugin's source, which it gives as the last piece of data,
const LOCATION: &str = "location";
/// and the bytes of it.
const LOCATION_MAX: usize = 256;
/// Texts of an error: itself and its causes.
const CAUSES: usize = 16;
/// Bytes of text of one signal.
const MESSAGE_MAX: usize = 4096;
/// Bytes of the message of a panic, where it is the reason that a call broke.
const PANIC_MAX: usize = 512;
/// Bytes of text of all signals of one call.
const TEXT_PER_CALL: usize = 64 << 10;

/// What a guest said during the call in hand.
pub(crate) struct Signals {
    plugin: PluginName,
    console: Console,
    held: Vec<Held>,
    text: usize,
    dropped: u64,
    /// The message of the last fatal one of the call.
    fatal: Option<String>,
    /// The instance only shows whether its version would do: what it says is marked so.
    pub(crate) rehearsal: bool,
    /// It goes through what was: all of it has been said.
    pub(crate) muted: bool,
}

struct Held {
    level: Level,
    id: String,
    message: String,
    location: Option<String>,
    facts: Facts,
    error: Option<Failure>,
    parent: Option<String>,
    took_ms: Option<f64>,
    /// The record of the call's list that it is about.
    by: Option<u32>,
}

impl Held {
    /// With nothing but this.
    fn new(level: Level, id: String, message: String) -> Self {
        Self {
            level,
            id,
            message,
            location: None,
            facts: Facts::default(),
            error: None,
            parent: None,
            took_ms: None,
            by: None,
        }
    }

    fn size(&self) -> usize {
        let facts = self.facts.0.iter().map(|(key, value)| key.len() + text_of(value));
        let location = self.location.as_ref().map_or(0, String::len);
        let error = self.error.iter().flat_map(|error| error.causes.iter().chain([&error.message]));
        let error: usize = error.map(String::len).sum();
        let parent = self.parent.as_ref().map_or(0, String::len);
        self.id.len() + self.message.len() + location + error + parent + facts.sum::<usize>()
    }
}

fn text_of(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        _ => 0,
    }
}

impl Signals {
    pub(crate) fn new(plugin: PluginName, console: Console) -> Self {
        Self {
            plugin,
            console,
            held: Vec::new(),
            text: 0,
            dropped: 0,
            fatal: None,
            rehearsal: false,
            muted: false,
        }
    }

    /// Whether what it counts counts.
    pub(super) fn counts(&self) -> bool {
        !self.rehearsal && !self.muted
    }

    /// Whose they are.
    pub(crate) fn plugin(&self) -> &PluginName {
        &self.plugin
    }

    /// What it says of a call that breaks, before that is let out: the message of its last fatal signal, as an SDK gives it of
    /// a panic, and what it wrote to standard error.
    pub(crate) fn last_words(&mut self) -> (Option<String>, String) {
        (self.fatal.take(), self.console.last_words())
    }

    /// The message of a fatal signal, whether somebody listens or not.
    fn note_fatal(&mut self, level: Level, message: &str) {
        if matches!(level, Level::Fatal) {
            self.fatal = Some(lines(message, PANIC_MAX));
        }
    }

    /// Whether a signal would be kept; if not it counts as dropped, and nothing else is done about it.
    fn has_room(&mut self) -> bool {
        let has_room = self.held.len() < PER_CALL && self.text < TEXT_PER_CALL;
        self.dropped += u64::from(!has_room);
        has_room
    }

    /// The guest says something with all that can be said of it. It is held, if somebody listens and there is room.
    pub(super) fn say(&mut self, what: signals::Said) {
        self.note_fatal(what.level, &what.message);
        if is_enabled(what.level) && self.has_room() {
            let named = |text: Option<String>, most| text.map(|text| plain(&text, most));
            self.dropped += u64::from(!what.more.is_empty());
            let mut error = what.error.iter().take(CAUSES).map(|text| plain(text, MESSAGE_MAX));
            let error = error.next().map(|message| Failure { message, causes: error.collect() });
            self.hold(Held {
                location: named(what.location, LOCATION_MAX),
                parent: named(what.parent, 128),
                took_ms: what.took_ms.filter(|took| took.is_finite() && *took >= 0.0),
                by: what.by,
                error,
                facts: Facts(facts(what.data)),
                ..Held::new(
                    what.level,
                    named(what.id, 128).unwrap_or_default(),
                    plain(&what.message, MESSAGE_MAX),
                )
            });
        }
    }

    /// The same for what has a level, an id, a sentence and facts, of which the last may be its place.
    pub(super) fn emit(
        &mut self,
        level: Level,
        (id, message): (&str, &str),
        data: Vec<(String, signals::Value)>,
    ) {
        self.note_fatal(level, message);
        if is_enabled(level) && self.has_room() {
            let (facts, location) = placed(data);
            let (id, message) = (plain(id, 128), plain(message, MESSAGE_MAX));
            self.hold(Held { location, facts, ..Held::new(level, id, message) });
        }
    }

    fn hold(&mut self, signal: Held) {
        let size = signal.size();
        if self.held.len() >= PER_CALL || self.text + size > TEXT_PER_CALL {
            self.dropped += 1;
            return;
        }
        self.text += size;
        self.held.push(signal);
    }

    /// Writes out what was said in the call that just ended, with whom it is about (`whose`); returns how many signals were too
    /// many. That they were is told as `often` says.
    pub(crate) fn release(&mut self, whose: Whose<'_, '_>, aborted: bool, often: &Often) -> u64 {
        self.fatal = None;
        let (printed, unprinted) = self.console.take();
        if self.muted {
            self.held.clear();
            (self.text, self.dropped) = (0, 0);
            return 0;
        }
        if unprinted > 0 {
            // Said as a line of its own, and one that counts.
            self.dropped += 1;
            if let Some(Times { untold, .. }) = often.count("printed", Instant::now()) {
                tracing::warn!(plugin = %self.plugin, bytes = unprinted, untold, "the plugin printed too much in one call; the rest is not shown");
            }
        }
        for line in printed.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let message = plain(&String::from_utf8_lossy(line), MESSAGE_MAX);
            self.hold(Held::new(Level::Info, "console".into(), message));
        }
        if self.held.is_empty() && self.dropped == 0 {
            return 0;
        }
        for signal in self.held.drain(..) {
            let marks = Marks { aborted, rehearsal: self.rehearsal };
            write_out(&self.plugin, &signal, whose(signal.by), marks);
        }
        self.text = 0;
        let dropped = std::mem::take(&mut self.dropped);
        if dropped > 0
            && let Some(Times { untold, .. }) = often.count("said", Instant::now())
        {
            tracing::warn!(plugin = %self.plugin, dropped, untold, "the plugin said too much in one call");
        }
        dropped
    }
}

/// Whom a signal is about.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct About<'a> {
    pub(crate) connection: Option<&'a ConnectionId>,
    pub(crate) user: Option<&'a UserId>,
    pub(crate) trace: Option<&'a TraceContext>,
}

/// Says whom, by the record that the guest names.
type Whose<'a, 'b> = &'b dyn Fn(Option<u32>) -> About<'a>;

/// What is said of a signal beside what it says.
#[derive(Clone, Copy)]
struct Marks {
    /// Its call failed.
    aborted: bool,
    /// It is of an instance that serves nobody.
    rehearsal: bool,
}

fn write_out(plugin: &PluginName, signal: &Held, about: About<'_>, marks: Marks) {
    let facts = (!signal.facts.0.is_empty()).then_some(&signal.facts as &dyn Error);
    let error = signal.error.as_ref().map(|error| error as &dyn Error);
    let About { connection, user, trace } = about;
    let connection = connection.map(ToString::to_string);
    let trace_id = trace.map(|trace| format!("{:032x}", trace.trace_id));
    let span_id = trace.map(|trace| format!("{:016x}", trace.span_id));
    macro_rules! write_at {
        ($level:ident) => {
            tracing::event!(
                target: "plugin",
                tracing::Level::$level,
                plugin = plugin.as_str(),
                id = signal.id.as_str(),
                location = signal.location.as_deref(),
                facts,
                error,
                connection = connection.as_deref(),
                user = user.map(|user| user.as_str()),
                trace_id = trace_id.as_deref(),
                span_id = span_id.as_deref(),
                sampled = trace.map(|trace| trace.sampled),
                parent = signal.parent.as_deref(),
                took_ms = signal.took_ms,
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

/// Whether somebody listens to what is said at this level.
pub(super) fn is_enabled(level: Level) -> bool {
    match level {
        Level::Trace => tracing::enabled!(target: "plugin", tracing::Level::TRACE),
        Level::Debug => tracing::enabled!(target: "plugin", tracing::Level::DEBUG),
        Level::Info => tracing::enabled!(target: "plugin", tracing::Level::INFO),
        Level::Warn => tracing::enabled!(target: "plugin", tracing::Level::WARN),
        Level::Error | Level::Fatal => tracing::enabled!(target: "plugin", tracing::Level::ERROR),
    }
}

/// A signal's data, and where it was said, if the guest says that.
fn placed(mut data: Vec<(String, signals::Value)>) -> (Facts, Option<String>) {
    let named =
        data.pop_if(|(key, value)| key == LOCATION && matches!(value, signals::Value::Text(_)));
    let location = named.and_then(|(_, value)| match value {
        signals::Value::Text(text) => Some(plain(&text, LOCATION_MAX)),
        _ => None,
    });
    (Facts(facts(data)), location)
}

/// A signal's data, each text cut before it is written out, for that takes many times as long.
fn facts(data: Vec<(String, signals::Value)>) -> Vec<(String, Value)> {
    let more = data.len().saturating_sub(FACTS);
    let mut facts: Vec<_> = data.into_iter().take(FACTS).map(fact).collect();
    if more > 0 {
        facts.push((
            "dropped-data".to_owned(),
            Value::Integer(i64::try_from(more).unwrap_or(i64::MAX)),
        ));
    }
    facts
}

fn fact((key, value): (String, signals::Value)) -> (String, Value) {
    let value = match value {
        signals::Value::Text(text) => Value::Text(plain(&text, MESSAGE_MAX)),
        signals::Value::Integer(number) => Value::Integer(number),
        signals::Value::Number(number) => Value::Float(number),
        signals::Value::Boolean(truth) => Value::Boolean(truth),
        signals::Value::Bytes(mut bytes) => {
            bytes.truncate(MESSAGE_MAX);
            Value::Bytes(bytes)
        }
    };
    (plain(&key, KEY_MAX), value)
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

    fn text(text: &str) -> signals::Value {
        signals::Value::Text(text.to_owned())
    }

    #[test]
    fn values_are_cut_before_they_are_written_out() {
        let long = "\u{1b}ü".repeat(8 << 20);
        let mut data = vec![("first".to_owned(), signals::Value::Text(long.clone()))];
        data.push((long, signals::Value::Integer(1)));
        data.extend(
            (0..FACTS + 5).map(|number| (number.to_string(), signals::Value::Boolean(true))),
        );
        let before = processor();
        let facts = facts(data);
        assert!(processor() - before < Duration::from_millis(100), "in a moment");
        let [(_, Value::Text(first)), (second, _), ..] = facts.as_slice() else {
            panic!("{} facts", facts.len())
        };
        assert!(
            first.starts_with(r"\u{1b}ü") && first.len() <= MESSAGE_MAX + 16,
            "{}",
            first.len()
        );
        assert!(second.len() <= KEY_MAX + 12, "{}", second.len());
        let last = ("dropped-data".to_owned(), Value::Integer(7));
        assert_eq!(
            (facts.len(), facts.last()),
            (FACTS + 1, Some(&last)),
            "what is left out is said"
        );
    }

    #[test]
    fn the_place_is_no_fact_and_only_the_last_one_is_the_place() {
        let data = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), text(value))).collect::<Vec<_>>()
        };
        let said = data(&[("location", "Berlin"), ("room", "tea"), ("location", "src/lib.rs:7")]);
        let (Facts(kept), place) = placed(said);
        assert_eq!(place.as_deref(), Some("src/lib.rs:7"));
        let value = |text: &str| Value::Text(text.to_owned());
        assert_eq!(
            kept,
            [("location".to_owned(), value("Berlin")), ("room".to_owned(), value("tea"))]
        );
        assert_eq!(placed(data(&[("location", "Berlin"), ("room", "tea")])).1, None);
    }
}
