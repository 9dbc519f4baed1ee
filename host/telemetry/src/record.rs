//! A `tracing` event as a signal.
//!
//! These fields have a place of their own in a signal; all others are its data:
//!
//! | field | where | meaning |
//! |---|---|---|
//! | `error` | event | what went wrong, with its causes if it is an error value |
//! | `connection`, `user` | event or the spans around it | whom it is about |
//! | `trace_id`, `span_id` | event or the spans around it | hex |
//! | `sampled` | event of target `plugin` | whether that trace is recorded |
//! | `plugin` | event of target `plugin` | who says it: the namespace becomes `plugin.NAME` |
//! | `id` | event of target `plugin` | the signal's id; elsewhere it is the event's `name:` |
//! | `fatal` | event of target `plugin` | `true` raises the level from error to fatal |
//! | `location` | event of target `plugin` | where the plugin says it; elsewhere it is the event's place in the source |
//! | `parent`, `took_ms` | event of target `plugin` | the timed work that it is a part of; how long what it tells of took |
//! | any, if it is [`Facts`] | event of target `plugin` | each fact is a piece of data of its own |

use super::redact;
use std::{
    borrow::Cow,
    error::Error,
    fmt,
    fmt::Write as _,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tengen_core::sink::{Facts, Failure, Level, Location, Signal, Text, Value};
use tracing::{
    Event, Metadata,
    field::{Field, Visit},
    span,
};
use tracing_subscriber::registry::{LookupSpan, Scope, SpanRef};

/// The target under which plugins' records are logged.
pub(super) const PLUGIN: &str = "plugin";

/// What is known about whom an event concerns; kept with each span.
#[derive(Debug, Clone, Default)]
struct Place {
    /// For people: the span's name and its fields.
    within: String,
    connection: String,
    user: String,
    trace_id: String,
    span_id: String,
}

impl Place {
    fn slot(&mut self, field: &str) -> Option<&mut String> {
        match field {
            "connection" => Some(&mut self.connection),
            "user" => Some(&mut self.user),
            "trace_id" => Some(&mut self.trace_id),
            "span_id" => Some(&mut self.span_id),
            _ => None,
        }
    }

    /// Says what a signal does not know itself.
    fn complete(&self, signal: &mut Signal) {
        for (own, other) in [
            (&mut signal.connection, &self.connection),
            (&mut signal.user, &self.user),
            (&mut signal.trace_id, &self.trace_id),
            (&mut signal.span_id, &self.span_id),
        ] {
            if own.is_empty() {
                own.clone_from(other);
            }
        }
    }
}

impl Place {
    /// Spans of libraries may have the targets of requests.
    fn clean(&mut self) {
        if let Cow::Owned(clean) = redact::scrubbed(&self.within) {
            self.within = clean;
        }
    }

    fn tell(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        let name = field.name();
        let gap = if self.within.ends_with('{') { "" } else { " " };
        // Writing to a string cannot fail.
        let _written = match redact::is_secret(name) {
            true => write!(self.within, "{gap}{name}={}", redact::MASK),
            false => write!(self.within, "{gap}{name}={value}"),
        };
    }
}

impl Visit for Place {
    fn record_str(&mut self, field: &Field, value: &str) {
        if let Some(slot) = self.slot(field.name()) {
            value.clone_into(slot);
        }
        self.tell(field, format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if let Some(slot) = self.slot(field.name()) {
            *slot = format!("{value:?}");
        }
        self.tell(field, format_args!("{value:?}"));
    }
}

/// Keeps what a new span says about whom it concerns.
pub(super) fn remember<'a, S: LookupSpan<'a>>(
    span: &SpanRef<'a, S>,
    attributes: &span::Attributes<'_>,
) {
    let mut place = Place { within: format!("{}{{", span.name()), ..Place::default() };
    attributes.record(&mut place);
    place.clean();
    span.extensions_mut().insert(place);
}

/// Takes over what a span learned later.
pub(super) fn learn<'a, S: LookupSpan<'a>>(span: &SpanRef<'a, S>, values: &span::Record<'_>) {
    if let Some(place) = span.extensions_mut().get_mut::<Place>() {
        values.record(place);
        place.clean();
    }
}

/// The plugin that says this, or that it is about.
pub(super) fn plugin(signal: &Signal) -> Option<&str> {
    let speaker = signal.namespace.strip_prefix(PLUGIN).and_then(|rest| rest.strip_prefix('.'));
    speaker.or_else(|| {
        signal.data.iter().find_map(|(key, value)| match value {
            Value::Text(name) if key == "plugin" => Some(name.as_str()),
            _ => None,
        })
    })
}

/// Whether a call site has a field that is never shown.
pub(super) fn has_secrets(metadata: &Metadata<'_>) -> bool {
    metadata.fields().iter().any(|field| redact::is_secret(field.name()))
}

/// The whole event, with what the spans around it know, the nearest first. `guarded`: each field is looked at whether it is
/// a secret; not where the call site is known to have none.
///
/// It is made where it stays: moving it would take as long as anything else that is done here.
pub(super) fn signal<'a, S: LookupSpan<'a>>(
    event: &Event<'_>,
    spans: Option<Scope<'a, S>>,
    guarded: bool,
) -> Arc<Signal> {
    let metadata = event.metadata();
    let mut made = Arc::new(Signal::new(level(*metadata.level()), metadata.target(), ""));
    // Nobody else has it yet.
    let Some(signal) = Arc::get_mut(&mut made) else { return made };
    let mut fields = Fields::new(metadata, signal, guarded);
    event.record(&mut fields);
    for span in spans.into_iter().flatten() {
        if let Some(place) = span.extensions().get::<Place>() {
            place.complete(fields.signal);
            let within = place.within.strip_suffix('{').unwrap_or(&place.within);
            let end = if within.len() < place.within.len() { ": " } else { "}: " };
            fields.signal.within.insert_str(0, end);
            fields.signal.within.insert_str(0, within);
        }
    }
    fields.end(metadata);
    made
}

/// A call site's own name; `tracing` names one by its place in the source where it has none.
pub(super) fn named<'a>(metadata: &Metadata<'a>) -> &'a str {
    Some(metadata.name()).filter(|name| !name.starts_with("event ")).unwrap_or_default()
}

/// The fields of one event, sorted.
#[derive(Debug)]
struct Fields<'s> {
    signal: &'s mut Signal,
    is_guarded: bool,
    is_plugin: bool,
    plugin: String,
}

impl<'s> Fields<'s> {
    fn new(metadata: &'static Metadata<'static>, signal: &'s mut Signal, is_guarded: bool) -> Self {
        signal.at = SystemTime::now();
        signal.data.reserve_exact(metadata.fields().len().saturating_sub(1));
        let is_plugin = metadata.target() == PLUGIN;
        Self { signal, is_guarded, is_plugin, plugin: String::new() }
    }

    /// Whom it concerns.
    fn slot(&mut self, field: &str) -> Option<&mut String> {
        match field {
            "connection" => Some(&mut self.signal.connection),
            "user" => Some(&mut self.signal.user),
            "trace_id" => Some(&mut self.signal.trace_id),
            "span_id" => Some(&mut self.signal.span_id),
            _ => None,
        }
    }

    fn text(&mut self, field: &Field, value: String) {
        let value = redact::cleaned(value, self.is_wholly_cleaned());
        match field.name() {
            "message" => self.signal.message = value.into(),
            "error" => self.signal.error = Some(value.into()),
            "plugin" if self.is_plugin => self.plugin = value,
            "id" if self.is_plugin => self.signal.id = value.into(),
            "location" if self.is_plugin => self.signal.location = Location::Named(value),
            "parent" if self.is_plugin => self.signal.parent = value,
            name => match self.slot(name) {
                Some(slot) => *slot = value,
                None => self.data(field, Value::Text(value)),
            },
        }
    }

    /// What strangers to the gateway have a part in is looked at more closely: plugins, and whatever went wrong.
    fn is_wholly_cleaned(&self) -> bool {
        self.is_plugin || self.signal.level >= Level::Warn
    }

    fn data(&mut self, field: &Field, value: Value) {
        let name = field.name();
        let is_secret = self.is_guarded && redact::is_secret(name);
        let value = if is_secret { Value::Text(redact::MASK.into()) } else { value };
        // A raw identifier (`r#type`) is written so only because of Rust's grammar.
        let name = name.strip_prefix("r#").unwrap_or(name);
        // What the gateway says of a plugin's record wins over what the plugin calls by the same name.
        if self.is_plugin {
            self.signal.data.retain(|(other, _)| other != name);
        }
        self.signal.data.push((Text::Borrowed(name), value));
    }

    fn facts(&mut self, facts: &Facts) {
        for (name, value) in &facts.0 {
            let value = match redact::is_secret(name) {
                true => Value::Text(redact::MASK.into()),
                false => match value {
                    Value::Text(text) => Value::Text(redact::cleaned(text.clone(), true)),
                    other => other.clone(),
                },
            };
            self.signal.data.retain(|(other, _)| other != name);
            self.signal.data.push((Text::Owned(name.clone()), value));
        }
    }

    fn end(self, metadata: &'static Metadata<'static>) {
        let Self { signal, is_plugin, plugin, .. } = self;
        if !plugin.is_empty() {
            signal.namespace = format!("{PLUGIN}.{plugin}").into();
        }
        if signal.id.is_empty() {
            signal.id = named(metadata).into();
        }
        // The place in the gateway's source that writes all that plugins say would say nothing.
        if !is_plugin && let (Some(file), Some(line)) = (metadata.file(), metadata.line()) {
            signal.location = Location::Line(file, line);
        }
    }
}

pub(super) fn level(level: tracing::Level) -> Level {
    match level {
        tracing::Level::TRACE => Level::Trace,
        tracing::Level::DEBUG => Level::Debug,
        tracing::Level::INFO => Level::Info,
        tracing::Level::WARN => Level::Warn,
        tracing::Level::ERROR => Level::Error,
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, format!("{value:?}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        match value.downcast_ref::<Facts>() {
            Some(facts) if self.is_plugin => self.facts(facts),
            _ if field.name() == "error" => {
                // What a plugin says of an error has its causes in it.
                let said = value.downcast_ref::<Failure>().cloned();
                let mut failure = said.unwrap_or_else(|| Failure::of(value));
                let wholly = self.is_wholly_cleaned();
                failure.message = redact::cleaned(failure.message, wholly);
                let causes = failure.causes.into_iter();
                failure.causes = causes.map(|cause| redact::cleaned(cause, wholly)).collect();
                self.signal.error = Some(failure);
            }
            _ => self.text(field, Failure::of(value).to_string()),
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        match field.name() {
            "fatal" if self.is_plugin => {
                if value {
                    self.signal.level = Level::Fatal;
                }
            }
            "sampled" if self.is_plugin => self.signal.sampled = value,
            _ => self.data(field, Value::Boolean(value)),
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.data(field, Value::Integer(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        // Too large for a signal's integer: better as text than wrong.
        let value =
            i64::try_from(value).map_or_else(|_| Value::Text(value.to_string()), Value::Integer);
        self.data(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        match field.name() {
            "took_ms" if self.is_plugin => {
                self.signal.took = Duration::try_from_secs_f64(value / 1e3).ok();
            }
            _ => self.data(field, Value::Float(value)),
        }
    }

    fn record_bytes(&mut self, field: &Field, value: &[u8]) {
        self.data(field, Value::Bytes(value.to_owned()));
    }
}
