//! The process's log: what `tracing` hears becomes signals, of which those that nothing else is said about go to the standard
//! error stream.
//!
//! Nobody waits for the stream: it is a sink like others, with a thread of its own.

pub use crate::encode::Format;

use super::{
    TelemetryError,
    attached::Attached,
    encode::Encoder,
    filter::{Filter, parse},
    pipe::{Layer, Pipe},
    redact,
    station::{Station, Traits},
    stats::SinkStats,
    writer::stream::Stream,
};
use std::{
    env::{self, VarError},
    io::{self, IsTerminal},
    panic::{self, PanicHookInfo},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tengen_settings as settings;
use tracing_subscriber::{Registry, layer::SubscriberExt};

pub mod heard;
pub mod outlet;

pub use heard::{Heard, listen};
pub use outlet::Outlet;

/// The log's filter, over that of the settings.
pub(crate) const VARIABLE: &str = "TENGEN_LOG";

/// Whether what is said goes somewhere.
static INSTALLED: AtomicBool = AtomicBool::new(false);

/// The sink that the log is; none where the configuration sends it elsewhere.
static LOG: OnceLock<Attached> = OnceLock::new();

impl Format {
    /// For people on a terminal, JSON otherwise; no colours if `NO_COLOR` is set.
    pub fn detect() -> Self {
        Self::for_stream(&io::stderr())
    }

    pub(crate) fn for_stream(stream: &impl IsTerminal) -> Self {
        if stream.is_terminal() {
            Self::Human { colors: env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) }
        } else {
            Self::Json
        }
    }
}

/// How many lines of the log and of the notes beside it were lost since the process began.
pub fn lost_lines() -> u64 {
    outlet::lost_lines() + LOG.get().map_or(0, |log| log.station().lost())
}

/// The account of the sink that the log is, by its name.
pub(crate) fn stats() -> Option<(String, SinkStats)> {
    let station = LOG.get()?.station();
    Some((station.name().to_owned(), station.stats()))
}

/// That sink, to be paused, or to be given another filter.
pub(crate) fn station() -> Option<&'static Arc<Station>> {
    LOG.get().map(Attached::station)
}

/// Waits until the log is written, so long at most; whether it is.
pub fn flush(within: Duration) -> bool {
    LOG.get().is_none_or(|log| log.station().drain(within))
}

/// A way to a stream that nobody waits for, and that says in this format when it has lost lines.
pub fn outlet(stream: impl io::Write + Send + 'static, format: Format) -> io::Result<Outlet> {
    let tell = move |lost| String::from_utf8_lossy(&Encoder(format).lost(lost)).into_owned();
    Outlet::start(stream, tell)
}

/// Installs the log of the process and says whether it did: if there is one already, that one stays.
///
/// It goes to the standard error stream. The level is a word (`info`) or `target=level` pairs with commas between;
/// `TENGEN_LOG` in the environment wins, unless it is no filter: then that is the first thing in the log.
pub fn install(settings: &settings::Telemetry, format: Format) -> Result<bool, TelemetryError> {
    let outlet = outlet(io::stderr(), format).map_err(TelemetryError::Log)?;
    install_on(settings, format, outlet)
}

/// The same, for lines that go this way, where the settings have them go to the standard error stream.
pub fn install_on(
    settings: &settings::Telemetry,
    format: Format,
    outlet: Outlet,
) -> Result<bool, TelemetryError> {
    let (filter, mistake) = filter(settings)?;
    redact::keep_names(&settings.secrets);
    let pipe = Pipe::of_process();
    let subscriber = Registry::default().with(Layer(Arc::clone(&pipe)));
    let installed = tracing::subscriber::set_global_default(subscriber).is_ok();
    if installed {
        pipe.set_filter(filter);
        pipe.set_security(security(settings)?);
        pipe.set_recorder(settings.recorder);
        if let Some(sink) = settings.log() {
            let log = open(&pipe, &sink, format, outlet)?;
            drop(LOG.set(log));
        }
    }
    INSTALLED.fetch_or(installed, Ordering::Relaxed);
    if let Some(mistake) = mistake {
        tracing::error!(%mistake, "the log's filter is that of the settings");
    }
    Ok(installed)
}

/// The filter of what concerns security, if it has one of its own.
pub(crate) fn security(settings: &settings::Telemetry) -> Result<Option<Filter>, TelemetryError> {
    let own = settings.security.level.is_some();
    own.then(|| Filter::new(&settings.security, &settings.level)).transpose()
}

/// The filter of all signals, and what is wrong with the variable that would win over it.
pub(crate) fn filter(
    settings: &settings::Telemetry,
) -> Result<(Filter, Option<TelemetryError>), TelemetryError> {
    let of_settings = Filter::new(&settings.filter, &settings.level)?;
    match of_variable(env::var(VARIABLE)) {
        Ok(Some(level)) => {
            let filter = settings::Filter { level: None, ..settings.filter.clone() };
            Ok((Filter::new(&filter, &level)?, None))
        }
        Ok(None) => Ok((of_settings, None)),
        Err(mistake) => Ok((of_settings, Some(mistake))),
    }
}

fn open(
    pipe: &Arc<Pipe>,
    sink: &settings::Sink,
    format: Format,
    outlet: Outlet,
) -> Result<Attached, TelemetryError> {
    let station = Station::new(Traits::of(sink), Filter::new(&sink.filter, "trace")?);
    let encoder = Encoder(Format::of(sink.format, format));
    Attached::stream(pipe, &station, sink, Stream(Through(outlet)), encoder)
}

/// Writes to an outlet and waits for it.
struct Through(Outlet);

impl io::Write for Through {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.write_through(text)?;
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// None: it is not set, or empty.
fn of_variable(value: Result<String, VarError>) -> Result<Option<String>, TelemetryError> {
    match value {
        Ok(level) if !level.trim().is_empty() => parse(VARIABLE, &level).map(|_| Some(level)),
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

/// Whether this is a log filter; for `tengen check`.
pub fn check(level: &str) -> Result<(), TelemetryError> {
    parse("telemetry.level", level).map(drop)
}

#[cfg(test)]
mod tests;
