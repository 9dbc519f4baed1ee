//! A sink that is attached to a pipe, and how it ends.

use crate::{
    TelemetryError, delivery,
    encode::{Encoder, Format},
    filter::Filter,
    logs,
    pipe::{Pipe, Unattached},
    spill,
    station::{Station, Traits},
    writer::{self, Output, Pace, by_connection::ByConnection, file::Growing, stream::Stream},
};
use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};
use tengen_core::sink::Sink;
use tengen_settings::{self as settings, Per, SinkKind};
use tokio::{sync::watch, time};
use tokio_util::task::TaskTracker;

/// How much longer than its deadline a sink is waited for: only if it cannot run, for it has the same deadline.
const LATE: Duration = Duration::from_millis(100);
/// What the disk is given of the time until the deadline, at most; never more than a quarter.
const FOR_THE_DISK: Duration = Duration::from_secs(1);

/// The handle of a sink; without it, it ends at once.
#[derive(Debug)]
pub(crate) struct Attached {
    pipe: Arc<Pipe>,
    station: Arc<Station>,
    /// Closed when nobody delivers any more.
    done: watch::Receiver<()>,
    /// Closed when the disk has what is left for it.
    kept: watch::Receiver<()>,
}

impl Attached {
    /// A sink of its own task or tasks, such as a plugin.
    pub(crate) fn tasks(
        pipe: &Arc<Pipe>,
        sink: Arc<dyn Sink>,
        settings: &settings::Sink,
        tasks: &TaskTracker,
    ) -> Result<Self, TelemetryError> {
        let station = Station::new(Traits::of(settings), Filter::new(&settings.filter, "trace")?);
        attach(pipe, &station)?;
        let kept = keep(pipe, &station, settings)?;
        let done = delivery::start(&station, &sink, settings, tasks);
        Ok(Self { pipe: Arc::clone(pipe), station, done, kept })
    }

    /// A collector, on a thread of its own, with its deliveries and their runtime. Where it cannot be sent to, the sink gives
    /// itself up with the reason: the gateway starts without it.
    pub(crate) fn collector(
        pipe: &Arc<Pipe>,
        settings: &settings::Sink,
        plan: Result<logs::Plan, String>,
        node: &str,
    ) -> Result<Self, TelemetryError> {
        let station = Station::new(Traits::of(settings), Filter::new(&settings.filter, "trace")?);
        attach(pipe, &station)?;
        let kept = keep(pipe, &station, settings)?;
        let done = logs::start(&station, settings, plan, node).map_err(|error| {
            pipe.detach(&station);
            station.keep_the_rest();
            TelemetryError::Thread(error)
        })?;
        Ok(Self { pipe: Arc::clone(pipe), station, done, kept })
    }

    /// A stream or a file, as the configuration has it.
    pub(crate) fn open(
        pipe: &Arc<Pipe>,
        settings: &settings::Sink,
    ) -> Result<Self, TelemetryError> {
        let station = Station::new(Traits::of(settings), Filter::new(&settings.filter, "trace")?);
        let encoder = |usual| Encoder(Format::of(settings.format, usual));
        match settings.kind {
            SinkKind::Stdout => {
                let encoder = encoder(Format::for_stream(&io::stdout()));
                Self::stream(pipe, &station, settings, Stream(io::stdout()), encoder)
            }
            SinkKind::Stderr => {
                let encoder = encoder(Format::for_stream(&io::stderr()));
                Self::stream(pipe, &station, settings, Stream(io::stderr()), encoder)
            }
            SinkKind::File if settings.per == Some(Per::Connection) => {
                let encoder = encoder(Format::Json);
                let folder = settings.path.clone().unwrap_or_default();
                let files = settings.files.clone().unwrap_or_default();
                let folder = ByConnection::new(folder, encoder.0.ending(), files);
                Self::stream(pipe, &station, settings, folder, encoder)
            }
            SinkKind::File | SinkKind::Otlp | SinkKind::Plugin => {
                let path = settings.path.clone().unwrap_or_default();
                let file = Growing::new(path, settings.rotate.clone());
                Self::stream(pipe, &station, settings, file, encoder(Format::Json))
            }
        }
    }

    pub(crate) fn stream(
        pipe: &Arc<Pipe>,
        station: &Arc<Station>,
        settings: &settings::Sink,
        output: impl Output + 'static,
        encoder: Encoder,
    ) -> Result<Self, TelemetryError> {
        attach(pipe, station)?;
        let kept = keep(pipe, station, settings)?;
        let pace = Pace { batch: settings.batch, delay: settings.delay };
        let done = match settings.synchronous {
            true => {
                writer::at_once(station, output, encoder);
                watch::channel(()).1
            }
            false => {
                let started = writer::start(Arc::clone(station), output, encoder, pace);
                started.map_err(|error| {
                    pipe.detach(station);
                    station.keep_the_rest();
                    TelemetryError::Log(error)
                })?
            }
        };
        Ok(Self { pipe: Arc::clone(pipe), station: Arc::clone(station), done, kept })
    }

    pub(crate) fn station(&self) -> &Arc<Station> {
        &self.station
    }

    /// Takes no more signals; the future ends when the queued ones are delivered, or at the deadline: what is left then is
    /// on the disk, if there is one, or lost, and counted.
    pub(crate) fn stop(&self, deadline: Instant) -> impl Future<Output = ()> + use<> {
        self.pipe.detach(&self.station);
        let station = Arc::clone(&self.station);
        let for_the_disk = match station.traits.spills {
            true => (deadline.saturating_duration_since(Instant::now()) / 4).min(FOR_THE_DISK),
            false => Duration::ZERO,
        };
        let until = deadline - for_the_disk;
        station.close(until);
        let (done, kept) = (self.done.clone(), self.kept.clone());
        async move {
            closed(done, until + LATE).await;
            station.keep_the_rest();
            closed(kept, deadline + LATE).await;
            station.abandon();
        }
    }
}

/// Waits until it is closed, but no longer than this.
async fn closed(mut it: watch::Receiver<()>, until: Instant) {
    let ended = time::timeout_at(until.into(), async { while it.changed().await.is_ok() {} });
    ended.await.unwrap_or_default();
}

/// Has somebody keep what is aside, if there is a disk for it.
fn keep(
    pipe: &Pipe,
    station: &Arc<Station>,
    settings: &settings::Sink,
) -> Result<watch::Receiver<()>, TelemetryError> {
    match settings.spill.as_ref().filter(|_| station.traits.spills) {
        None => Ok(watch::channel(()).1),
        Some(spill) => spill::start(station, spill).map_err(|error| {
            pipe.detach(station);
            TelemetryError::Log(error)
        }),
    }
}

fn attach(pipe: &Pipe, station: &Arc<Station>) -> Result<(), TelemetryError> {
    pipe.attach(Arc::clone(station)).map_err(|why: Unattached| TelemetryError::Sink {
        name: station.name().to_owned(),
        why: why.to_string(),
    })
}

impl Drop for Attached {
    /// Without a shutdown nobody waits for it: it ends at once.
    fn drop(&mut self) {
        self.pipe.detach(&self.station);
        self.station.close(Instant::now());
        self.station.keep_the_rest();
    }
}
