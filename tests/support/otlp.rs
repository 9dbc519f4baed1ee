//! An OTLP receiver in this process, over gRPC or over HTTP with protobuf or JSON, with TLS or without, that can also
//! misbehave.

mod logs;
mod metrics;
mod over_http;
mod services;
mod tls;

pub use logs::Record;
pub use metrics::{Point, Ranges, Shape};

use anyhow::{Context, Result, bail};
use data_encoding::HEXLOWER;
use http::HeaderMap;
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::TraceService,
    },
    common::v1::{KeyValue, any_value},
    trace::v1 as wire,
};
use prost::Message as _;
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{net::TcpListener, sync::watch, task::JoinSet, time};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::Status;

/// How long [`Collector::wait_for`] waits.
const PATIENCE: Duration = Duration::from_secs(20);

/// A span as it arrived.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// Hex.
    pub trace_id: String,
    /// Hex.
    pub span_id: String,
    /// Hex; none for the root of a trace.
    pub parent: Option<String>,
    pub name: String,
    pub kind: Kind,
    pub attributes: BTreeMap<String, Value>,
    /// Trace and span, in hex.
    pub links: Vec<(String, String)>,
    /// Those of the links that lead out of the process.
    pub remote_links: Vec<(String, String)>,
    pub failed: bool,
    pub trace_state: String,
    /// Who sent it.
    pub resource: BTreeMap<String, Value>,
    /// Nanoseconds since 1970.
    pub start: u64,
    pub end: u64,
}

impl Span {
    /// A text attribute.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.attributes.get(key) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    pub fn is_child_of(&self, parent: &Self) -> bool {
        self.trace_id == parent.trace_id && self.parent.as_deref() == Some(&*parent.span_id)
    }

    pub fn links_to(&self, other: &Self) -> bool {
        self.links.iter().any(|(trace, span)| *trace == other.trace_id && *span == other.span_id)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Unspecified,
    Internal,
    Server,
    Client,
    Producer,
    Consumer,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    /// Anything that the gateway does not send.
    Other,
}

/// A receiver on a port of its own; gone when dropped.
#[derive(Debug)]
pub struct Collector {
    endpoint: String,
    authority: Option<PathBuf>,
    inbox: Arc<Inbox>,
    _tasks: JoinSet<()>,
}

impl Collector {
    pub async fn grpc() -> Result<Self> {
        Self::grpc_at(anywhere()).await
    }

    /// As [`Collector::grpc`], at an address that others know.
    pub async fn grpc_at(address: SocketAddr) -> Result<Self> {
        Self::serve_grpc(address, tonic::transport::Server::builder(), None).await
    }

    /// As [`Collector::grpc`], over TLS.
    pub async fn grpc_tls() -> Result<Self> {
        let server = tonic::transport::Server::builder().tls_config(tls::for_grpc())?;
        Self::serve_grpc(anywhere(), server, Some(tls::authority())).await
    }

    async fn serve_grpc(
        address: SocketAddr,
        server: tonic::transport::Server,
        authority: Option<PathBuf>,
    ) -> Result<Self> {
        let (listener, address) = listen(address).await?;
        let inbox = Arc::new(Inbox::default());
        let services = services::Services::new(&inbox);
        let server = server.serve_with_incoming(services, TcpListenerStream::new(listener));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { server.await.unwrap_or_default() });
        Ok(Self::new(address, authority, inbox, tasks))
    }

    pub async fn http() -> Result<Self> {
        Self::serve_http(None).await
    }

    /// As [`Collector::http`], over TLS.
    pub async fn http_tls() -> Result<Self> {
        Self::serve_http(Some(tls::acceptor()?)).await
    }

    async fn serve_http(tls: Option<TlsAcceptor>) -> Result<Self> {
        let (listener, address) = listen(anywhere()).await?;
        let (inbox, mut tasks) = (Arc::new(Inbox::default()), JoinSet::new());
        let authority = tls.as_ref().map(|_| tls::authority());
        tasks.spawn(over_http::serve(listener, tls, Arc::clone(&inbox)));
        Ok(Self::new(address, authority, inbox, tasks))
    }

    fn new(
        address: SocketAddr,
        authority: Option<PathBuf>,
        inbox: Arc<Inbox>,
        tasks: JoinSet<()>,
    ) -> Self {
        let scheme = authority.as_ref().map_or("http", |_| "https");
        Self { endpoint: format!("{scheme}://{address}"), authority, inbox, _tasks: tasks }
    }

    /// Who vouches for it (PEM), if it speaks TLS.
    pub fn authority(&self) -> Option<PathBuf> {
        self.authority.clone()
    }

    /// What to write into the settings.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// All spans so far, in the order of their arrival.
    pub fn spans(&self) -> Vec<Span> {
        self.inbox.spans().clone()
    }

    /// All spans so far, which are then forgotten.
    pub fn take(&self) -> Vec<Span> {
        std::mem::take(&mut *self.inbox.spans())
    }

    /// Requests with spans so far, refused ones too.
    pub fn requests(&self) -> u64 {
        self.inbox.requests.load(Ordering::SeqCst)
    }

    /// A header of the last request.
    pub fn header(&self, name: &str) -> Option<String> {
        let headers = self.inbox.headers.lock().unwrap_or_else(PoisonError::into_inner);
        headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    }

    /// Waits until the spans are as wanted, and hands them out; an error after a while.
    pub async fn wait_for(&self, wanted: impl Fn(&[Span]) -> bool) -> Result<Vec<Span>> {
        let mut arrivals = self.inbox.arrivals.subscribe();
        let waiting = async {
            loop {
                let spans = self.spans();
                if wanted(&spans) || arrivals.changed().await.is_err() {
                    return spans;
                }
            }
        };
        match time::timeout(PATIENCE, waiting).await {
            Ok(spans) => Ok(spans),
            Err(_) => {
                let names: Vec<_> = self.spans().into_iter().map(|span| span.name).collect();
                bail!("not the wanted spans within {PATIENCE:?}; there are {names:?}")
            }
        }
    }

    /// Waits for this many requests with spans, refused ones too.
    pub async fn wait_for_requests(&self, count: u64) -> Result<()> {
        let mut arrivals = self.inbox.arrivals.subscribe();
        let waiting =
            async { while self.requests() < count && arrivals.changed().await.is_ok() {} };
        time::timeout(PATIENCE, waiting).await.context("the exporter does not ask")
    }

    /// Refuses the next requests, in a way that asks to try again (`UNAVAILABLE`, 503).
    pub fn refuse(&self, requests: u32) {
        self.inbox.refusals.store(requests, Ordering::SeqCst);
    }

    /// Takes no request from now on that has more bytes than this, as protobuf.
    pub fn limit(&self, bytes: usize) {
        self.inbox.limit.store(bytes, Ordering::SeqCst);
    }

    /// Takes requests with spans but for the first so many of them, all together.
    pub fn reject_spans(&self, spans: u64) {
        self.inbox.rejected_spans.store(spans, Ordering::SeqCst);
    }

    /// Answers no request from now on, or answers all that wait.
    pub fn hang(&self, hangs: bool) {
        self.inbox.hangs.send_replace(hangs);
    }

    /// Takes so long over each request from now on.
    pub fn delay(&self, delay: Duration) {
        let micros = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
        self.inbox.delay_micros.store(micros, Ordering::SeqCst);
    }
}

/// A port that nobody else has.
fn anywhere() -> SocketAddr {
    SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, 0))
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await;
    let listener = listener.with_context(|| format!("cannot listen at {address}"))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// What has arrived, and how the next request is treated.
#[derive(Debug, Default)]
struct Inbox {
    spans: Mutex<Vec<Span>>,
    points: Mutex<Vec<Point>>,
    metric_requests: AtomicU64,
    rejects: AtomicU64,
    records: Mutex<Vec<Record>>,
    log_requests: AtomicU64,
    rejected_records: AtomicU64,
    headers: Mutex<HeaderMap>,
    requests: AtomicU64,
    refusals: AtomicU32,
    delay_micros: AtomicU64,
    /// Bytes of the largest request that is taken; 0: any.
    limit: AtomicUsize,
    /// Spans of the next requests that are refused, with the rest taken.
    rejected_spans: AtomicU64,
    hangs: watch::Sender<bool>,
    arrivals: watch::Sender<()>,
}

/// Why the receiver does not take a request.
#[derive(Debug, Clone, Copy)]
enum Refused {
    /// Not now.
    Now,
    TooLarge,
}

impl From<Refused> for Status {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Now => Self::unavailable("not now"),
            Refused::TooLarge => {
                Self::resource_exhausted("grpc: received message larger than max (2 vs. 1)")
            }
        }
    }
}

impl Inbox {
    fn spans(&self) -> MutexGuard<'_, Vec<Span>> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Treats a request as the next is to be treated.
    async fn admit(&self, headers: HeaderMap, bytes: usize) -> Result<(), Refused> {
        *self.headers.lock().unwrap_or_else(PoisonError::into_inner) = headers;
        self.arrivals.send_replace(());
        // An error would mean that this inbox is gone, and with it whoever asks.
        drop(self.hangs.subscribe().wait_for(|hangs| !hangs).await);
        let delay = Duration::from_micros(self.delay_micros.load(Ordering::SeqCst));
        if !delay.is_zero() {
            time::sleep(delay).await;
        }
        let one_less = |left: u32| left.checked_sub(1);
        if self.refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok() {
            return Err(Refused::Now);
        }
        match self.limit.load(Ordering::SeqCst) {
            limit if limit > 0 && bytes > limit => Err(Refused::TooLarge),
            _ => Ok(()),
        }
    }

    async fn receive(
        &self,
        headers: HeaderMap,
        request: ExportTraceServiceRequest,
    ) -> Result<ExportTraceServiceResponse, Refused> {
        self.requests.fetch_add(1, Ordering::SeqCst);
        self.admit(headers, request.encoded_len()).await?;
        let mut spans = spans_of(request);
        let of_these = |left: u64| Some(left - left.min(spans.len() as u64));
        let rejected = &self.rejected_spans;
        let left = rejected.fetch_update(Ordering::SeqCst, Ordering::SeqCst, of_these);
        let rejected = left.unwrap_or_default().min(spans.len() as u64);
        self.spans().extend(spans.split_off(usize::try_from(rejected).unwrap_or_default()));
        self.arrivals.send_replace(());
        let partial = ExportTracePartialSuccess {
            rejected_spans: i64::try_from(rejected).unwrap_or(i64::MAX),
            error_message: "too old".into(),
        };
        Ok(ExportTraceServiceResponse { partial_success: (rejected > 0).then_some(partial) })
    }
}

struct Grpc(Arc<Inbox>);

#[tonic::async_trait]
impl TraceService for Grpc {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        match self.0.receive(metadata.into_headers(), request).await {
            Ok(response) => Ok(tonic::Response::new(response)),
            Err(refused) => Err(refused.into()),
        }
    }
}

/// The spans of a request that somebody wrote as JSON.
pub fn spans_of_json(text: &str) -> Result<Vec<Span>> {
    Ok(spans_of(serde_json::from_str(text)?))
}

/// The records of a request that somebody wrote as JSON.
pub fn records_of_json(text: &str) -> Result<Vec<Record>> {
    Ok(logs::records_of(serde_json::from_str(text)?))
}

/// The values of a request that somebody wrote as JSON.
pub fn points_of_json(text: &str) -> Result<Vec<Point>> {
    Ok(metrics::points_of(serde_json::from_str(text)?))
}

fn spans_of(request: ExportTraceServiceRequest) -> Vec<Span> {
    let mut spans = Vec::new();
    for group in request.resource_spans {
        let resource =
            attributes(group.resource.map(|resource| resource.attributes).unwrap_or_default());
        for span in group.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            spans.push(span_of(span, resource.clone()));
        }
    }
    spans
}

fn span_of(span: wire::Span, resource: BTreeMap<String, Value>) -> Span {
    let place =
        |link: &wire::span::Link| (HEXLOWER.encode(&link.trace_id), HEXLOWER.encode(&link.span_id));
    let is_remote =
        |link: &&wire::span::Link| link.flags & (wire::SpanFlags::ContextIsRemoteMask as u32) != 0;
    Span {
        kind: kind_of(span.kind()),
        failed: span.status.is_some_and(|status| status.code() == wire::status::StatusCode::Error),
        trace_id: HEXLOWER.encode(&span.trace_id),
        span_id: HEXLOWER.encode(&span.span_id),
        parent: Some(HEXLOWER.encode(&span.parent_span_id)).filter(|parent| !parent.is_empty()),
        name: span.name,
        attributes: attributes(span.attributes),
        links: span.links.iter().map(place).collect(),
        remote_links: span.links.iter().filter(is_remote).map(place).collect(),
        trace_state: span.trace_state,
        resource,
        start: span.start_time_unix_nano,
        end: span.end_time_unix_nano,
    }
}

fn kind_of(kind: wire::span::SpanKind) -> Kind {
    match kind {
        wire::span::SpanKind::Unspecified => Kind::Unspecified,
        wire::span::SpanKind::Internal => Kind::Internal,
        wire::span::SpanKind::Server => Kind::Server,
        wire::span::SpanKind::Client => Kind::Client,
        wire::span::SpanKind::Producer => Kind::Producer,
        wire::span::SpanKind::Consumer => Kind::Consumer,
    }
}

fn attributes(pairs: Vec<KeyValue>) -> BTreeMap<String, Value> {
    let value = |pair: &KeyValue| match pair.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => Value::Text(text.clone()),
        Some(any_value::Value::IntValue(number)) => Value::Integer(*number),
        Some(any_value::Value::DoubleValue(number)) => Value::Float(*number),
        Some(any_value::Value::BoolValue(truth)) => Value::Boolean(*truth),
        _ => Value::Other,
    };
    pairs.into_iter().map(|pair| (pair.key.clone(), value(&pair))).collect()
}
