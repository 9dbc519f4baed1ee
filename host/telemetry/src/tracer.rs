//! The gateway's tracer on OpenTelemetry's SDK.

use super::{
    late::Late,
    plan::{Current, Plan, Sampling},
    redact,
};
use opentelemetry::{
    Context, KeyValue,
    propagation::{Extractor, TextMapPropagator},
    trace::{
        Link, Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt,
        TraceFlags, TraceId, TraceState, Tracer as _,
    },
};
use opentelemetry_sdk::{
    propagation::TraceContextPropagator,
    trace::{IdGenerator, RandomIdGenerator, SdkTracer},
};
use std::{
    borrow::Cow,
    cell::Cell,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tengen_core::trace::{self, Kind, Start, TraceContext, Value};

/// A longer `tracestate` is left behind (W3C Trace Context asks to carry 512 characters).
pub(super) const STATE_LIMIT: usize = 512;

/// Room for so many attributes from the start.
const USUAL_ATTRIBUTES: usize = 8;

#[derive(Debug)]
pub(super) struct Tracer {
    sdk: SdkTracer,
    sampling: Current,
    propagator: Option<TraceContextPropagator>,
    late: Arc<Late>,
    /// Bytes of a text that a span holds.
    text: usize,
}

impl Tracer {
    pub(super) fn new(sdk: SdkTracer, plan: &Plan, late: Arc<Late>) -> Self {
        let propagator = plan.propagate.then(TraceContextPropagator::new);
        let sampling = Current::new(plan.sampling);
        Self { sdk, sampling, propagator, late, text: plan.limits.text }
    }

    /// Which new traces are recorded, from now on.
    pub(super) fn resample(&self, sampling: Sampling) {
        self.sampling.set(sampling);
    }

    pub(super) fn sampling(&self) -> Sampling {
        self.sampling.get()
    }

    /// The sampler's answer, before the SDK is asked: a span that is not recorded costs a quarter so. What happens in here
    /// does as what it is below, which may be recorded after the fact.
    fn is_sampled(&self, trace_id: TraceId, start: &Start<'_>) -> bool {
        let sampling = self.sampling.get();
        match start.parent {
            Some(parent) if sampling.follow_parent || !comes_from_a_peer(start.kind) => {
                parent.sampled
            }
            _ => sampling.chooses(trace_id),
        }
    }

    /// A span that is recorded; `span_id`: one that it has already.
    fn record(&self, start: &Start<'_>, trace_id: TraceId, span_id: Option<SpanId>) -> trace::Span {
        let parent = match start.parent {
            Some(parent) => Context::new()
                .with_remote_span_context(place(parent, comes_from_a_peer(start.kind))),
            None => Context::new(),
        };
        NEXT.set((Some(trace_id), span_id));
        let span = self.sdk.build_with_context(builder(start, self.text), &parent);
        NEXT.set((None, None));
        let context = TraceContext {
            trace_id: number(span.span_context().trace_id()),
            span_id: u64::from_be_bytes(span.span_context().span_id().to_bytes()),
            sampled: span.span_context().is_sampled(),
            state: start.parent.and_then(|parent| parent.state.clone()),
        };
        let recording = Recording { span, failed: false, text: self.text };
        trace::Span::recorded(context, Box::new(recording))
    }
}

/// What the SDK makes a span of; each list gets its room once.
fn builder(start: &Start<'_>, text: usize) -> SpanBuilder {
    let name = match start.target {
        "" => Cow::Borrowed(start.operation),
        target => Cow::Owned([start.operation, " ", &*redact::cut(target, text)].concat()),
    };
    let mut builder = SpanBuilder::from_name(name).with_kind(kind(start.kind));
    builder.start_time = start.at;
    builder.attributes = Some(Vec::with_capacity(USUAL_ATTRIBUTES));
    builder.links = start.link.map(|link| vec![Link::with_context(place(link, false))]);
    builder
}

/// A span that is not recorded still has a place in its trace, so that those after it know not to record either.
fn left_out(trace_id: TraceId, parent: Option<&TraceContext>) -> trace::Span {
    let context = TraceContext {
        trace_id: number(trace_id),
        span_id: u64::from_be_bytes(Ids.new_span_id().to_bytes()),
        sampled: false,
        state: parent.and_then(|parent| parent.state.clone()),
    };
    trace::Span::left_out(context, parent)
}

impl trace::Tracer for Tracer {
    fn start(&self, start: Start<'_>) -> trace::Span {
        let trace_id = start
            .parent
            .map_or_else(|| Ids.new_trace_id(), |parent| TraceId::from(parent.trace_id));
        match self.is_sampled(trace_id, &start) {
            true => self.record(&start, trace_id, None),
            false => left_out(trace_id, start.parent),
        }
    }

    fn slow(&self) -> Option<Duration> {
        self.late.slow()
    }

    fn recall(&self, span: &mut trace::Span, start: Start<'_>) {
        let Some(context) = span.context().filter(|_| span.is_left_out()) else { return };
        if !self.late.has_room() {
            return;
        }
        let trace::Origin { parent, link } = span.origin().cloned().unwrap_or_default();
        let (trace_id, span_id) = (TraceId::from(context.trace_id), SpanId::from(context.span_id));
        *span = self.record(&Start { parent: parent.as_ref(), ..start }, trace_id, Some(span_id));
        if let Some(link) = link {
            span.link(&link);
        }
    }

    fn extract(&self, traceparent: &str, tracestate: Option<&str>) -> Option<TraceContext> {
        let propagator = self.propagator.as_ref()?;
        let traceparent = traceparent.trim();
        if !has_the_shape_of_a_traceparent(traceparent) {
            return None;
        }
        let tracestate = tracestate.map(str::trim).filter(|state| state.len() <= STATE_LIMIT);
        let context =
            propagator.extract_with_context(&Context::new(), &Headers { traceparent, tracestate });
        let span = context.span();
        let place = span.span_context();
        // A state that the propagator could not read is not carried on.
        let is_readable = *place.trace_state() != TraceState::default();
        place.is_valid().then(|| TraceContext {
            trace_id: number(place.trace_id()),
            span_id: u64::from_be_bytes(place.span_id().to_bytes()),
            sampled: place.is_sampled(),
            state: tracestate.filter(|_| is_readable).map(Arc::from),
        })
    }
}

fn number(trace_id: TraceId) -> u128 {
    u128::from_be_bytes(trace_id.to_bytes())
}

thread_local! {
    /// The trace whose root is being made: its id was needed for the sampling. And the id of a span that has one.
    static NEXT: Cell<(Option<TraceId>, Option<SpanId>)> = const { Cell::new((None, None)) };
}

/// Gives the SDK the ids that the sampling was done with.
#[derive(Debug)]
pub(super) struct Ids;

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        NEXT.get().0.unwrap_or_else(|| RandomIdGenerator::default().new_trace_id())
    }

    fn new_span_id(&self) -> SpanId {
        NEXT.get().1.unwrap_or_else(|| RandomIdGenerator::default().new_span_id())
    }
}

/// The propagator reads numbers of any length; the header has fixed places. Later versions may add fields.
fn has_the_shape_of_a_traceparent(header: &str) -> bool {
    let bytes = header.as_bytes();
    let at = |place: usize| bytes.get(place).copied();
    let is_hex = |place: usize| matches!(at(place), Some(b'0'..=b'9' | b'a'..=b'f'));
    let ends_well = match at(55) {
        None => true,
        Some(b'-') => !header.starts_with("00"),
        Some(_) => false,
    };
    ends_well
        && [2, 35, 52].into_iter().all(|dash| at(dash) == Some(b'-'))
        && (0..55).filter(|place| ![2, 35, 52].contains(place)).all(is_hex)
}

/// The two headers, as the propagator wants to read them.
struct Headers<'a> {
    traceparent: &'a str,
    tracestate: Option<&'a str>,
}

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            "traceparent" => Some(self.traceparent),
            "tracestate" => self.tracestate,
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent", "tracestate"]
    }
}

/// What starts with the peer's own act has the peer's span as its parent; all else happens in here.
fn comes_from_a_peer(kind: Kind) -> bool {
    matches!(kind, Kind::Server | Kind::Consumer)
}

fn kind(kind: Kind) -> SpanKind {
    match kind {
        Kind::Server => SpanKind::Server,
        Kind::Consumer => SpanKind::Consumer,
        Kind::Client => SpanKind::Client,
        Kind::Producer => SpanKind::Producer,
        Kind::Internal => SpanKind::Internal,
    }
}

fn place(context: &TraceContext, is_remote: bool) -> SpanContext {
    let state = context.state.as_deref().and_then(|state| state.parse().ok()).unwrap_or_default();
    SpanContext::new(
        TraceId::from(context.trace_id),
        SpanId::from(context.span_id),
        TraceFlags::default().with_sampled(context.sampled),
        is_remote,
        state,
    )
}

/// A span of the SDK; it ends when it is dropped.
struct Recording {
    span: opentelemetry_sdk::trace::Span,
    failed: bool,
    text: usize,
}

impl trace::Recording for Recording {
    fn set(&mut self, key: &'static str, value: Value) {
        let value = match redact::is_secret(key) {
            true => redact::MASK.into(),
            false => attribute(value, self.text),
        };
        self.span.set_attribute(KeyValue::new(key, value));
    }

    fn link(&mut self, to: &TraceContext) {
        self.span.add_link(place(to, true), Vec::new());
    }

    /// The first failure counts: what follows is usually its consequence.
    fn fail(&mut self, error_type: &str) {
        if std::mem::replace(&mut self.failed, true) {
            return;
        }
        let error_type = redact::cut(error_type, self.text).into_owned();
        self.span.set_attribute(KeyValue::new("error.type", error_type));
        self.span.set_status(Status::error(""));
    }

    fn end_at(&mut self, end: SystemTime) {
        self.span.end_with_timestamp(end);
    }
}

/// Peers choose some of the texts, and a span waits for its collector with all of them.
fn attribute(value: Value, most: usize) -> opentelemetry::Value {
    match value {
        Value::Text(text) => match redact::cut(&text, most) {
            Cow::Borrowed(_) => text.into(),
            Cow::Owned(cut) => cut.into(),
        },
        Value::Static(text) => text.into(),
        Value::Integer(number) => number.into(),
        Value::Float(number) => number.into(),
        Value::Boolean(truth) => truth.into(),
    }
}

#[cfg(test)]
mod tests;
