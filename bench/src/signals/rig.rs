//! Telemetry as the gateway starts it, with the sinks that a case needs and no other.

use anyhow::{Context as _, Result};
use futures_util::future::BoxFuture;
use std::{
    num::NonZeroUsize,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tengen_core::sink::{Refusal, Signal, Sink};
use tengen_settings::{self as settings, FullSink, SinkKind};
use tengen_telemetry::{Report, Telemetry};
use tokio::runtime::{Builder, Runtime};
use tokio_util::task::TaskTracker;

/// Signals that may wait: what a burst needs, and what tracing-appender is given as well.
pub(crate) const BUFFER: usize = 1 << 16;
/// Bytes of them: no bound here.
const BYTES: usize = 256 << 20;
const PATIENCE: Duration = Duration::from_secs(60);

/// Telemetry, and the thread on which its sinks' tasks run.
pub(crate) struct Rig {
    pub(crate) telemetry: Telemetry,
    pub(crate) runtime: Runtime,
    tasks: TaskTracker,
}

impl Rig {
    /// With the log at `level` and sent nowhere: each sink is the case's.
    pub(crate) fn new(settings: settings::Telemetry) -> Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        // The log goes to standard output where that is a sink, which nobody opens here.
        let sinks = vec![settings::Sink::new(SinkKind::Stdout)];
        let telemetry =
            tengen_telemetry::init(&settings::Telemetry { sinks, ..settings }, "bench")?;
        Ok(Self { telemetry, runtime, tasks: TaskTracker::new() })
    }

    /// A sink that takes everything and counts it.
    pub(crate) fn count(&self, settings: &settings::Sink) -> Result<Arc<Counting>> {
        let sink = Arc::<Counting>::default();
        let _entered = self.runtime.enter();
        self.telemetry.attach_sink(settings, Arc::clone(&sink) as Arc<dyn Sink>, &self.tasks)?;
        Ok(sink)
    }

    /// A file of this name, as JSON lines.
    pub(crate) fn file(&self, path: &Path, synchronous: bool) -> Result<()> {
        let format = Some(settings::Format::Json);
        let path = Some(path.to_owned());
        let settings = settings::Sink { path, format, synchronous, ..sink("file") };
        Ok(self.telemetry.open_sink(&settings)?)
    }

    /// Waits until all is delivered.
    pub(crate) fn end(&self) -> Result<Report> {
        let report = self.runtime.block_on(self.telemetry.shutdown(PATIENCE));
        anyhow::ensure!(report.is_complete(), "{report}");
        Ok(report)
    }
}

/// One that loses nothing: who says more than it takes waits.
pub(crate) fn sink(name: &str) -> settings::Sink {
    settings::Sink {
        name: Some(name.to_owned()),
        buffer: NonZeroUsize::new(BUFFER).unwrap_or(NonZeroUsize::MIN),
        bytes: NonZeroUsize::new(BYTES).unwrap_or(NonZeroUsize::MIN),
        when_full: FullSink::Block,
        wait: Duration::from_secs(10),
        ..settings::Sink::new(SinkKind::File)
    }
}

/// What became of a sink's signals: accepted, processed and dropped.
pub(crate) fn account(report: &Report, name: &str) -> Result<(u64, u64, u64)> {
    let sink = report.stats.sinks.get(name).context("the sink is gone")?;
    Ok((sink.accepted, sink.processed, sink.dropped.total()))
}

#[derive(Debug, Default)]
pub(crate) struct Counting(pub(crate) AtomicU64);

impl Sink for Counting {
    fn deliver<'a>(
        &'a self,
        signals: &'a [Arc<Signal>],
        _: u32,
    ) -> BoxFuture<'a, Result<usize, Refusal>> {
        self.0.fetch_add(signals.len() as u64, Ordering::Relaxed);
        Box::pin(std::future::ready(Ok(signals.len())))
    }

    fn flush(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(std::future::ready(Ok(())))
    }
}
