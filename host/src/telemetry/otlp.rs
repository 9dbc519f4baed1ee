//! The exporter thread: it owns the OTLP client and the runtime that drives it.
//!
//! A thread and a runtime of its own, so that a slow collector takes nothing from the gateway's workers, the gateway's
//! runtime may end before or after it, and a request that hangs can be given up at the deadline.

use super::{
    TelemetryError,
    plan::Plan,
    processor::{Outlet, Processor, Spans},
    stats::SpanStats,
    tracer::{Ids, Tracer},
};
use crate::{settings::Protocol, trace};
use opentelemetry::{InstrumentationScope, KeyValue, trace::TracerProvider};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    resource::{EnvResourceDetector, ResourceDetector, TelemetryResourceDetector},
    trace::{Sampler, SdkTracerProvider, SpanExporter as _},
};
use std::{
    sync::{Arc, mpsc},
    thread,
    time::Instant,
};
use tokio::{runtime, sync::watch};

/// Tracing that is on.
#[derive(Debug)]
pub(super) struct Tracing {
    tracer: Arc<Tracer>,
    spans: Arc<Spans>,
    endpoint: String,
    protocol: Protocol,
    stop: watch::Sender<Option<Instant>>,
    /// Closed when the thread has ended.
    done: watch::Receiver<()>,
}

impl Tracing {
    pub(super) fn start(plan: Plan, resource: Resource) -> Result<Self, TelemetryError> {
        let spans = Arc::new(Spans::new(plan.batching));
        let (stop, stopped) = watch::channel(None);
        let (alive, done) = watch::channel(());
        let (ready, built) = mpsc::sync_channel(1);
        let (endpoint, protocol) = (plan.endpoint.clone(), plan.protocol);
        let thread = {
            let (spans, plan, resource) = (spans.clone(), plan.clone(), resource.clone());
            move || {
                let _alive = alive;
                match open(&plan, &resource) {
                    Ok((runtime, exporter)) => {
                        // The starter waits for this; if it is gone, `stop` is closed too.
                        ready.send(Ok(())).unwrap_or_default();
                        runtime.block_on(Outlet { spans, exporter, stop: stopped }.run());
                    }
                    Err(error) => ready.send(Err(error)).unwrap_or_default(),
                }
            }
        };
        thread::Builder::new()
            .name("tengen-otlp".into())
            .spawn(thread)
            .map_err(TelemetryError::Thread)?;
        built.recv().unwrap_or(Err(TelemetryError::Gone))?;

        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            // What comes to the SDK is sampled already.
            .with_sampler(Sampler::AlwaysOn)
            .with_id_generator(Ids)
            .with_span_processor(Processor(spans.clone()))
            .build();
        let scope =
            InstrumentationScope::builder("tengen").with_version(env!("CARGO_PKG_VERSION")).build();
        let tracer = Tracer::new(provider.tracer_with_scope(scope), plan.sampling, plan.propagate);
        Ok(Self { tracer: Arc::new(tracer), spans, endpoint, protocol, stop, done })
    }

    pub(super) fn tracer(&self) -> Arc<dyn trace::Tracer> {
        self.tracer.clone()
    }

    pub(super) fn stats(&self) -> SpanStats {
        let protocol = match self.protocol {
            Protocol::Grpc => "grpc",
            Protocol::HttpProtobuf => "http/protobuf",
        };
        SpanStats { endpoint: self.endpoint.clone(), protocol, ..self.spans.stats() }
    }

    /// Takes no more spans, sends the queued ones, and gives the rest up at the deadline.
    pub(super) async fn shutdown(&self, deadline: Instant) {
        self.spans.close();
        self.stop.send_replace(Some(deadline));
        let mut done = self.done.clone();
        // The thread gives up by itself at the deadline; this is for one that cannot.
        let ended = tokio::time::timeout_at(deadline.into(), async {
            while done.changed().await.is_ok() {}
        });
        if ended.await.is_err() {
            // A last moment for the thread, which has the same deadline, to count what it gave up.
            tokio::time::timeout(LAST_MOMENT, async { while done.changed().await.is_ok() {} })
                .await
                .unwrap_or_default();
        }
    }
}

const LAST_MOMENT: std::time::Duration = std::time::Duration::from_millis(100);

impl Drop for Tracing {
    /// Without a shutdown nobody waits for the thread: it ends at once.
    fn drop(&mut self) {
        self.spans.close();
        self.stop.send_if_modified(|stop| {
            stop.is_none().then(|| *stop = Some(Instant::now())).is_some()
        });
    }
}

type Opened = (runtime::Runtime, SpanExporter);

fn open(plan: &Plan, resource: &Resource) -> Result<Opened, TelemetryError> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(TelemetryError::Thread)?;
    // The gRPC channel belongs to the runtime in which it is made.
    let inside = runtime.enter();
    let mut exporter = exporter(plan)?;
    drop(inside);
    exporter.set_resource(resource);
    Ok((runtime, exporter))
}

/// Headers and compression are read from the environment by the exporter itself.
fn exporter(plan: &Plan) -> Result<SpanExporter, TelemetryError> {
    let built = match plan.protocol {
        Protocol::Grpc => SpanExporter::builder()
            .with_tonic()
            .with_endpoint(&plan.endpoint)
            .with_timeout(plan.timeout)
            .build(),
        Protocol::HttpProtobuf => SpanExporter::builder()
            .with_http()
            // Named, so that no feature of another crate can put a different client in its place.
            .with_http_client(http_client(plan)?)
            .with_protocol(opentelemetry_otlp::Protocol::HttpBinary)
            .with_endpoint(&plan.endpoint)
            .with_timeout(plan.timeout)
            .build(),
    };
    built.map_err(|error: ExporterBuildError| TelemetryError::Exporter(Box::new(error)))
}

/// Spans go where the endpoint says, and nowhere else: no redirects, no proxy from the environment.
fn http_client(plan: &Plan) -> Result<reqwest::Client, TelemetryError> {
    reqwest::Client::builder()
        .timeout(plan.timeout)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .map_err(|error| TelemetryError::Exporter(Box::new(error)))
}

/// Who we are: the settings, then `OTEL_RESOURCE_ATTRIBUTES`, then `OTEL_SERVICE_NAME`; the later wins.
pub(super) fn resource(
    service: &str,
    node: &str,
    named_by_environment: Option<String>,
) -> Resource {
    let detectors: [Box<dyn ResourceDetector>; 2] =
        [Box::new(TelemetryResourceDetector), Box::new(EnvResourceDetector::new())];
    let ours = [
        KeyValue::new("service.name", service.to_owned()),
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", node.to_owned()),
    ];
    let named = named_by_environment.map(|name| KeyValue::new("service.name", name));
    Resource::builder_empty()
        .with_attributes(ours)
        .with_detectors(&detectors)
        .with_attributes(named)
        .build()
}
