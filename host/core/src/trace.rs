//! Spans as the gateway uses them, without a tracing library's types.
//!
//! `telemetry` implements [`Tracer`]; everything else only starts, marks and drops [`Span`]s. A span ends when it is
//! dropped, so a delivery span shared by many outboxes ends with its last write.

pub use tengen_wire::trace::TraceContext;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// OpenTelemetry's span kinds, as far as the gateway has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Server,
    Client,
    Consumer,
    Producer,
    Internal,
}

/// A value of a span attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Text(Arc<str>),
    Static(&'static str),
    Integer(i64),
    Float(f64),
    Boolean(bool),
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Static(text)
    }
}
impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}
impl From<Arc<str>> for Value {
    fn from(text: Arc<str>) -> Self {
        Self::Text(text)
    }
}
impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}
impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}
impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Boolean(truth)
    }
}

/// What is known when a span begins. The name is `operation target` (semantic conventions, messaging spans), put
/// together only when the span is recorded.
#[derive(Debug, Clone)]
pub struct Start<'a> {
    /// `process`, `call`, `send`, `authenticate`, `GET` …
    pub operation: &'static str,
    /// Event id, plugin and export, route …; empty: the name is the operation alone.
    pub target: &'a str,
    pub kind: Kind,
    /// Without a parent the span begins a trace of its own.
    pub parent: Option<&'a TraceContext>,
    /// A place of this process, such as the upgrade of an event; where a peer is, [`Span::link`] leads.
    pub link: Option<&'a TraceContext>,
    /// When it began, if not now.
    pub at: Option<SystemTime>,
}

/// Makes spans. One per process, handed down by `gateway`.
pub trait Tracer: fmt::Debug + Send + Sync {
    fn start(&self, start: Start<'_>) -> Span;

    /// Reads a `traceparent` and `tracestate` that a peer sent; none when they are not well formed.
    fn extract(&self, traceparent: &str, tracestate: Option<&str>) -> Option<TraceContext>;

    /// How old an event is that counts as slow when it has been decided. None: no trace is told after the fact.
    fn slow(&self) -> Option<Duration>;

    /// Records a span after the fact that was not chosen when it began: in its place, with the parent and the link that it
    /// had, from `start.at` on; `start.parent` is not asked. What begins below it from now on is recorded as well. A span of
    /// no trace stays as it is, and so does one too many within a second, which is counted.
    fn recall(&self, span: &mut Span, start: Start<'_>);
}

/// What a recorded span does; implemented by `telemetry`. Dropping it ends the span.
pub trait Recording: Send + Sync {
    fn set(&mut self, key: &'static str, value: Value);

    /// Links it to a place that a peer named, beside the link that it began with.
    fn link(&mut self, to: &TraceContext);

    /// Marks the span as failed, with the `error.type` attribute.
    fn fail(&mut self, error_type: &str);

    /// Ends the span at a moment that has passed.
    fn end_at(&mut self, end: SystemTime);
}

/// Where a span that was not chosen comes from, for a tracer that records it after the fact.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Origin {
    /// The peer's span that it is below.
    pub parent: Option<TraceContext>,
    /// The peer's span that it is linked to.
    pub link: Option<TraceContext>,
}

/// A span that has begun; dropping it ends it. A span that is not recorded costs nothing to mark.
#[derive(Default)]
pub struct Span {
    context: Option<TraceContext>,
    recording: Option<Box<dyn Recording>>,
    /// Only of one that is not recorded, and that a peer's span led to.
    origin: Option<Box<Origin>>,
}

impl Span {
    pub fn recorded(context: TraceContext, recording: Box<dyn Recording>) -> Self {
        Self { context: Some(context), recording: Some(recording), origin: None }
    }

    /// A span that was not chosen: it has its place in a trace, and its parent if that is a peer's.
    pub fn left_out(context: TraceContext, parent: Option<&TraceContext>) -> Self {
        let origin =
            parent.map(|parent| Box::new(Origin { parent: Some(parent.clone()), link: None }));
        Self { context: Some(context), recording: None, origin }
    }

    /// A span of no trace: used where tracing is off.
    pub fn none() -> Self {
        Self::default()
    }

    /// Ask before building attributes that cost something.
    pub fn is_recording(&self) -> bool {
        self.recording.is_some()
    }

    /// The place of this span, to be a parent or a link; none where tracing is off.
    pub fn context(&self) -> Option<&TraceContext> {
        self.context.as_ref()
    }

    pub fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        if let Some(recording) = &mut self.recording {
            recording.set(key, value.into());
        }
    }

    /// Links it to a place that a peer named, beside the link that it began with.
    pub fn link(&mut self, to: &TraceContext) {
        if let Some(recording) = &mut self.recording {
            recording.link(to);
        } else if self.context.is_some() {
            self.origin.get_or_insert_default().link = Some(to.clone());
        }
    }

    /// Whether it has a place in a trace and is not recorded: [`Tracer::recall`] would change that.
    pub fn is_left_out(&self) -> bool {
        self.context.is_some() && self.recording.is_none()
    }

    /// Where a span that was left out comes from, as far as a peer said so.
    pub fn origin(&self) -> Option<&Origin> {
        self.origin.as_deref()
    }

    pub fn fail(&mut self, error_type: &str) {
        if let Some(recording) = &mut self.recording {
            recording.fail(error_type);
        }
    }

    /// Ends it at a moment that has passed.
    pub fn end_at(mut self, end: SystemTime) {
        if let Some(recording) = &mut self.recording {
            recording.end_at(end);
        }
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Span").field("context", &self.context).finish_non_exhaustive()
    }
}

/// The tracer of a gateway without tracing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTracer;

impl Tracer for NoTracer {
    fn start(&self, _: Start<'_>) -> Span {
        Span::none()
    }

    fn extract(&self, _: &str, _: Option<&str>) -> Option<TraceContext> {
        None
    }

    fn slow(&self) -> Option<Duration> {
        None
    }

    fn recall(&self, _: &mut Span, _: Start<'_>) {}
}
