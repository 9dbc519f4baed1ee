//! The exporter thread: it owns the OTLP client and the runtime that drives it.
//!
//! A thread and a runtime of its own, so that a slow collector takes nothing from the gateway's workers, the gateway's
//! runtime may end before or after it, and a request that hangs can be given up at the deadline.

use super::{
    TelemetryError,
    late::Late,
    plan::{Plan, Sampling, resource},
    processor::{Aside, Outlet, Processor, Spans},
    stats::SpanStats,
    tracer::{Ids, Tracer},
    traces::Exporter,
};
use opentelemetry::{InstrumentationScope, trace::TracerProvider};
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SdkTracerProvider},
};
use std::{
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};
use tengen_core::trace;
use tengen_settings::Protocol;
use tokio::{runtime, sync::watch};

/// How long the start waits for the exporter. It reads files, and a disk that is far away may not answer.
const READY_WITHIN: Duration = Duration::from_secs(5);

/// Tracing that is on.
#[derive(Debug)]
pub(super) struct Tracing {
    tracer: Arc<Tracer>,
    spans: Arc<Spans>,
    late: Arc<Late>,
    /// As it may be shown.
    endpoint: String,
    protocol: Protocol,
    stop: watch::Sender<Option<Instant>>,
    /// Closed when the thread has ended.
    done: watch::Receiver<()>,
}

impl Tracing {
    pub(super) fn start(plan: Plan, node: &str) -> Result<Self, TelemetryError> {
        let resource = resource(&plan.attributes, &plan.service_name, node);
        let spans = Arc::new(Spans::new(plan.batching));
        let (stop, stopped) = watch::channel(None);
        let (alive, done) = watch::channel(());
        let (ready, built) = mpsc::sync_channel(1);
        let endpoint = plan.collector.endpoint.shown().to_owned();
        let protocol = plan.collector.protocol;
        let thread = {
            let (spans, plan, resource) = (spans.clone(), plan.clone(), resource.clone());
            move || {
                let _alive = alive;
                match open(&plan, &resource) {
                    Ok((runtime, exporter)) => {
                        // The starter waits for this; if it is gone, `stop` is closed too.
                        ready.send(Ok(())).unwrap_or_default();
                        let aside = plan.spill.clone().map(Aside::new);
                        let outlet = Outlet { spans, exporter, stop: stopped, aside };
                        runtime.block_on(outlet.run());
                    }
                    Err(error) => ready.send(Err(error)).unwrap_or_default(),
                }
            }
        };
        thread::Builder::new()
            .name("tengen-otlp".into())
            .spawn(thread)
            .map_err(TelemetryError::Thread)?;
        until_ready(&built, READY_WITHIN)?;

        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            // What comes to the SDK is sampled already.
            .with_sampler(Sampler::AlwaysOn)
            .with_id_generator(Ids)
            .with_max_attributes_per_span(plan.limits.attributes)
            .with_max_links_per_span(plan.limits.links)
            .with_span_processor(Processor(spans.clone()))
            .build();
        let scope =
            InstrumentationScope::builder("tengen").with_version(env!("CARGO_PKG_VERSION")).build();
        let late = Arc::new(Late::new(plan.slow, plan.failures_per_second));
        let tracer = Tracer::new(provider.tracer_with_scope(scope), &plan, Arc::clone(&late));
        Ok(Self { tracer: Arc::new(tracer), spans, late, endpoint, protocol, stop, done })
    }

    pub(super) fn tracer(&self) -> Arc<dyn trace::Tracer> {
        self.tracer.clone()
    }

    /// Which new traces are recorded, from now on.
    pub(super) fn resample(&self, sampling: Sampling) {
        self.tracer.resample(sampling);
    }

    pub(super) fn sampling(&self) -> Sampling {
        self.tracer.sampling()
    }

    pub(super) fn stats(&self) -> SpanStats {
        let protocol = self.protocol.word();
        let [late, late_over_limit] = self.late.counts();
        let endpoint = self.endpoint.clone();
        SpanStats { endpoint, protocol, late, late_over_limit, ..self.spans.stats() }
    }

    /// Takes no more spans, sends the queued ones, and gives the rest up at the deadline.
    pub(super) async fn shutdown(&self, deadline: Instant) {
        self.spans.close();
        self.stop.send_replace(Some(deadline));
        until_done(&self.done, deadline).await;
    }
}

/// Waits for a thread that gives up by itself at the deadline; this is for one that cannot.
pub(super) async fn until_done(done: &watch::Receiver<()>, deadline: Instant) {
    let mut done = done.clone();
    let ended =
        tokio::time::timeout_at(deadline.into(), async { while done.changed().await.is_ok() {} });
    if ended.await.is_err() {
        // A last moment for the thread, which has the same deadline, to count what it gave up.
        tokio::time::timeout(LAST_MOMENT, async { while done.changed().await.is_ok() {} })
            .await
            .unwrap_or_default();
    }
}

const LAST_MOMENT: Duration = Duration::from_millis(100);

impl Drop for Tracing {
    /// Without a shutdown nobody waits for the thread: it ends at once.
    fn drop(&mut self) {
        self.spans.close();
        self.stop.send_if_modified(|stop| {
            stop.is_none().then(|| *stop = Some(Instant::now())).is_some()
        });
    }
}

/// Waits for the exporter, but not for ever: without it there are no traces, and the gateway starts all the same. One that
/// comes too late finds nobody, and ends.
fn until_ready(
    built: &Receiver<Result<(), TelemetryError>>,
    within: Duration,
) -> Result<(), TelemetryError> {
    match built.recv_timeout(within) {
        Ok(built) => built,
        Err(RecvTimeoutError::Timeout) => Err(TelemetryError::NotReady(within)),
        Err(RecvTimeoutError::Disconnected) => Err(TelemetryError::Gone),
    }
}

type Opened = (runtime::Runtime, Exporter);

fn open(plan: &Plan, resource: &Resource) -> Result<Opened, TelemetryError> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(TelemetryError::Thread)?;
    // The gRPC channel belongs to the runtime in which it is made.
    let inside = runtime.enter();
    let exporter = Exporter::open(plan, resource)?;
    drop(inside);
    Ok((runtime, exporter))
}

#[cfg(test)]
mod tests {
    use super::*;

    // A certificate on a disk that did not answer stopped the start, and the signals that end it.
    #[test]
    fn an_exporter_that_is_never_ready_is_an_error_after_a_while() {
        let (made, built) = mpsc::sync_channel(1);
        let error = until_ready(&built, Duration::from_millis(1)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the exporter is not ready after 1ms; is the disk there that its certificates are on?"
        );
        made.send(Ok(())).unwrap();
        assert!(until_ready(&built, READY_WITHIN).is_ok());
        drop(made);
        assert!(matches!(until_ready(&built, READY_WITHIN), Err(TelemetryError::Gone)));
    }
}
