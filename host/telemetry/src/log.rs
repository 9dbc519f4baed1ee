//! The process's log: `tracing` on the standard error stream, and a tap for sinks.
//!
//! Nobody waits for the stream: see [`mod@outlet`].

use super::{TelemetryError, record, redact::Visible, tap};
use std::{
    env::{self, VarError},
    io::{self, IsTerminal},
    panic::{self, PanicHookInfo},
    sync::atomic::{AtomicBool, Ordering},
};
use tengen_core::sink::{Level, Value};
use tracing::Subscriber;
use tracing_subscriber::{
    Layer as _, Registry,
    filter::Targets,
    fmt::{self, FmtContext, FormatEvent, FormatFields, MakeWriter, format},
    layer::SubscriberExt,
    registry::LookupSpan,
};

mod human;
mod json;
pub mod outlet;

pub use outlet::{Outlet, lost_lines};

/// The log's filter, over that of the settings.
const VARIABLE: &str = "TENGEN_LOG";

/// Whether what is said goes somewhere.
static INSTALLED: AtomicBool = AtomicBool::new(false);

/// How records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people, one line each.
    Human { colors: bool },
    /// One JSON object a line, in the words of [`Signal`](tengen_core::sink::Signal).
    Json,
}

impl Format {
    /// For people on a terminal, JSON otherwise; no colours if `NO_COLOR` is set.
    pub fn detect() -> Self {
        if io::stderr().is_terminal() {
            Self::Human { colors: env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) }
        } else {
            Self::Json
        }
    }
}

/// A way to a stream that nobody waits for, and that says in this format when it has lost lines.
pub fn outlet(stream: impl io::Write + Send + 'static, format: Format) -> io::Result<Outlet> {
    Outlet::start(stream, move |lost| lost_line(format, lost))
}

/// Installs the log of the process and says whether it did: if there is one already, that one stays.
///
/// It goes to the standard error stream. The level is a word (`info`) or `target=level` pairs with commas between;
/// `TENGEN_LOG` in the environment wins, unless it is no filter: then that is the first thing in the log.
pub fn install(level: &str, format: Format) -> Result<bool, TelemetryError> {
    let outlet = outlet(io::stderr(), format).map_err(TelemetryError::Log)?;
    install_on(level, format, outlet)
}

/// The same, for lines that go this way.
pub fn install_on(level: &str, format: Format, outlet: Outlet) -> Result<bool, TelemetryError> {
    let of_settings = parse("telemetry.level", level)?;
    let (filter, mistake) = match of_variable(env::var(VARIABLE)) {
        Ok(filter) => (filter.unwrap_or(of_settings), None),
        Err(mistake) => (of_settings, Some(mistake)),
    };
    let subscriber = subscriber(filter, format, outlet);
    let installed = tracing::subscriber::set_global_default(subscriber).is_ok();
    INSTALLED.fetch_or(installed, Ordering::Relaxed);
    if let Some(mistake) = mistake {
        tracing::error!(%mistake, "the log's filter is that of the settings");
    }
    Ok(installed)
}

/// None: it is not set, or empty.
fn of_variable(value: Result<String, VarError>) -> Result<Option<Targets>, TelemetryError> {
    match value {
        Ok(level) if !level.trim().is_empty() => parse(VARIABLE, &level).map(Some),
        Ok(_) | Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(TelemetryError::NotUnicode(VARIABLE)),
    }
}

/// From now on, panics are told in the log where there is one: the usual way waits for the error stream.
pub fn take_panics() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |panic| match INSTALLED.load(Ordering::Relaxed) {
        true => tell_of(panic),
        false => usual(panic),
    }));
}

fn tell_of(panic: &PanicHookInfo<'_>) {
    let at = panic.location().map(ToString::to_string).unwrap_or_default();
    let why = panic.payload_as_str().unwrap_or("it does not say why");
    tracing::error!(at, why, "a fault of the gateway's own: please report it");
}

/// The line that says how many were lost before it.
fn lost_line(format: Format, lost: u64) -> String {
    const MESSAGE: &str =
        "lines were lost: the stream did not take them fast enough, or not at all";
    let lost = Value::Integer(i64::try_from(lost).unwrap_or(i64::MAX));
    let data = vec![("lost".to_owned(), lost)];
    let signal = record::own(Level::Warn, module_path!(), MESSAGE, data);
    match format {
        Format::Human { .. } => human::line(&signal),
        Format::Json => json::line(&signal),
    }
    .unwrap_or_default()
}

fn parse(origin: &'static str, level: &str) -> Result<Targets, TelemetryError> {
    level.trim().parse().map_err(|source| TelemetryError::Level {
        origin,
        level: level.to_owned(),
        source,
    })
}

/// Whether this is a log filter; for `tengen check`.
pub fn check(level: &str) -> Result<(), TelemetryError> {
    parse("telemetry.level", level).map(drop)
}

fn subscriber<W>(filter: Targets, format: Format, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let written = fmt::layer().with_writer(writer).fmt_fields(Escaped);
    let written = match format {
        Format::Human { colors } => written.with_ansi(colors).event_format(human::Human).boxed(),
        Format::Json => written.with_ansi(false).event_format(json::Json).boxed(),
    };
    Registry::default().with(filter).with(tap::Layer).with(written)
}

/// The fields of spans and events for people: secrets masked, control characters visible.
#[derive(Debug)]
struct Escaped;

impl<'w> FormatFields<'w> for Escaped {
    fn format_fields<R: tracing_subscriber::field::RecordFields>(
        &self,
        writer: format::Writer<'w>,
        fields: R,
    ) -> std::fmt::Result {
        human::write_fields(writer, fields)
    }
}

#[cfg(test)]
mod tests;
