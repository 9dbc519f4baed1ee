//! The process's log: `tracing` on the standard error stream, and a tap for sinks.

use super::{TelemetryError, redact::Visible, tap};
use std::io::{self, IsTerminal};
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

/// How records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people, one line each.
    Human { colors: bool },
    /// One JSON object a line, in the words of [`Signal`](crate::sink::Signal).
    Json,
}

impl Format {
    /// For people on a terminal, JSON otherwise; no colours if `NO_COLOR` is set.
    pub fn detect() -> Self {
        if io::stderr().is_terminal() {
            Self::Human {
                colors: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
            }
        } else {
            Self::Json
        }
    }
}

/// Installs the log of the process and says whether it did: if there is one already, that one stays.
///
/// The level is a word (`info`) or `target=level` pairs with commas between; `TENGEN_LOG` in the environment wins, unless
/// it is no filter: then that is the first thing in the log.
pub fn install(level: &str, format: Format) -> Result<bool, TelemetryError> {
    let of_settings = parse("telemetry.level", level)?;
    let variable = std::env::var("TENGEN_LOG").ok().filter(|level| !level.trim().is_empty());
    let (filter, mistake) = match variable.map(|level| parse("TENGEN_LOG", &level)) {
        Some(Ok(filter)) => (filter, None),
        Some(Err(mistake)) => (of_settings, Some(mistake)),
        None => (of_settings, None),
    };
    let subscriber = subscriber(filter, format, io::stderr);
    let installed = tracing::subscriber::set_global_default(subscriber).is_ok();
    if let Some(mistake) = mistake {
        tracing::error!(%mistake, "the log's filter is that of the settings");
    }
    Ok(installed)
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
