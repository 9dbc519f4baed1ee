//! What the SDK gets to see of a span, and what peers are told.

use super::*;
use crate::{
    plan::Batching,
    processor::{Processor, Spans},
};
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, SpanData};
use proptest::prelude::*;
use std::{
    num::NonZeroUsize,
    time::{Duration, SystemTime},
};
use tengen_core::trace::Tracer as _;

/// Traces that may be told after the fact within a second.
const LATE: usize = 2;

fn tracing(follow_parent: bool, share: f64) -> (Tracer, Arc<Spans>) {
    let count = NonZeroUsize::new(64).unwrap();
    let every = Duration::from_secs(1);
    let batching = Batching { queue: count, most: count, every, export_timeout: None };
    let spans = Arc::new(Spans::new(batching));
    let provider = SdkTracerProvider::builder()
        .with_sampler(Sampler::AlwaysOn)
        .with_id_generator(Ids)
        .with_span_processor(Processor(spans.clone()))
        .build();
    let tracer = Tracer {
        sdk: provider.tracer("test"),
        sampling: Current::new(Sampling { follow_parent, share }),
        propagator: Some(TraceContextPropagator::new()),
        late: Arc::new(Late::new(Duration::from_secs(1), LATE)),
        text: 256,
    };
    (tracer, spans)
}

fn root(target: &str) -> Start<'_> {
    Start { operation: "process", target, kind: Kind::Consumer, parent: None, link: None, at: None }
}

fn only(spans: &Spans) -> SpanData {
    let mut ended = spans.take();
    assert_eq!(ended.len(), 1);
    ended.pop().unwrap()
}

const PEER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[test]
fn a_recorded_span_has_its_name_kind_parent_link_and_attributes() {
    let (tracer, spans) = tracing(true, 1.0);
    let parent = tracer.extract(PEER, Some("vendor=x")).unwrap();
    let upgrade = TraceContext { trace_id: 7, span_id: 9, sampled: true, state: None };
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(5);
    let mut span = tracer.start(Start {
        parent: Some(&parent),
        link: Some(&upgrade),
        at: Some(at),
        ..root("chat/send")
    });
    span.set("messaging.system", "tengen");
    span.set("count", 3_i64);
    span.set("http.request.header.authorization", "Bearer abc".to_owned());
    span.fail("trap");
    span.fail("closed");
    let context = span.context().unwrap().clone();
    assert_eq!((context.trace_id, context.sampled), (parent.trace_id, true));
    assert_eq!(context.state.as_deref(), Some("vendor=x"));
    drop(span);

    let ended = only(&spans);
    assert_eq!(ended.name, "process chat/send");
    assert_eq!(ended.span_kind, SpanKind::Consumer);
    assert_eq!(ended.parent_span_id, SpanId::from(parent.span_id));
    assert!(ended.parent_span_is_remote);
    assert_eq!(ended.span_context.span_id(), SpanId::from(context.span_id));
    assert_eq!(ended.span_context.trace_state().get("vendor"), Some("x"));
    assert_eq!(ended.links[0].span_context.span_id(), SpanId::from(9));
    assert_eq!(ended.start_time, at);
    assert_eq!(ended.status, Status::error(""));
    assert_eq!(
        ended.attributes,
        [
            KeyValue::new("messaging.system", "tengen"),
            KeyValue::new("count", 3),
            KeyValue::new("http.request.header.authorization", "***"),
            KeyValue::new("error.type", "trap"),
        ]
    );
}

#[test]
fn what_happens_inside_has_no_remote_parent_and_may_have_no_target() {
    let (tracer, spans) = tracing(true, 1.0);
    let outer = tracer.start(root("chat/send"));
    let inner = Start {
        operation: "authenticate",
        kind: Kind::Internal,
        parent: outer.context(),
        ..root("")
    };
    drop(tracer.start(inner));
    let ended = only(&spans);
    assert_eq!(ended.name, "authenticate");
    assert!(!ended.parent_span_is_remote);
    assert_eq!(ended.parent_span_id, SpanId::from(outer.context().unwrap().span_id));
}

// Who sends events chose how much memory waits for the collector.
#[test]
fn no_text_of_a_span_is_longer_than_its_limit() {
    let (tracer, spans) = tracing(true, 1.0);
    let long = "x".repeat(1000);
    let mut span = tracer.start(root(&long));
    span.set("user_agent.original", long.clone());
    span.set("short", "kept".to_owned());
    span.fail(&long);
    drop(span);
    let ended = only(&spans);
    assert_eq!(ended.name.len(), "process ".len() + 256);
    let text = |place: usize| ended.attributes[place].value.to_string();
    assert_eq!((text(0).len(), text(2).len()), (256, 256));
    assert!(text(0).ends_with("x…"), "it says that it was cut");
    assert_eq!(text(1), "kept");
}

#[test]
fn a_span_can_be_linked_to_more_than_one_place() {
    let (tracer, spans) = tracing(true, 1.0);
    let upgrade = TraceContext { trace_id: 7, span_id: 9, sampled: true, state: None };
    let peer = tracer.extract(PEER, None).unwrap();
    let mut span = tracer.start(Start { link: Some(&upgrade), ..root("a/b") });
    span.link(&peer);
    assert_ne!(span.context().unwrap().trace_id, peer.trace_id);
    drop(span);
    let ended = only(&spans);
    let linked: Vec<_> =
        ended.links.iter().map(|link| number(link.span_context.trace_id())).collect();
    assert_eq!(linked, [7, peer.trace_id]);
    let remote: Vec<_> = ended.links.iter().map(|link| link.span_context.is_remote()).collect();
    assert_eq!(remote, [false, true], "the upgrade was here, and the peer is not");
}

#[track_caller]
fn check(follow_parent: bool, share: f64, parent: Option<bool>, recorded: bool) {
    let (tracer, spans) = tracing(follow_parent, share);
    let parent = parent.map(|sampled| TraceContext {
        trace_id: 1,
        span_id: 2,
        sampled,
        state: Some("a=b".into()),
    });
    let span = tracer.start(Start { parent: parent.as_ref(), ..root("x/y") });
    assert_eq!(span.is_recording(), recorded);
    let context = span.context().unwrap().clone();
    assert_eq!(context.sampled, recorded, "what is propagated is what is done");
    assert!(context.trace_id != 0 && context.span_id != 0);
    if let Some(parent) = parent {
        assert_eq!((context.trace_id, context.state), (parent.trace_id, parent.state));
        assert_ne!(context.span_id, parent.span_id);
    }
    drop(span);
    assert_eq!(spans.take().len(), usize::from(recorded));
}

#[test]
fn sampling_follows_the_parent_or_the_share() {
    check(true, 1.0, None, true);
    check(true, 0.0, None, false);
    check(true, 0.0, Some(true), true);
    check(true, 1.0, Some(false), false);
    check(false, 0.0, Some(true), false);
    check(false, 1.0, Some(false), true);
}

#[test]
fn a_share_of_new_traces_is_recorded() {
    let (tracer, spans) = tracing(true, 0.25);
    let recorded = (0..4000).filter(|_| tracer.start(root("x/y")).is_recording()).count();
    // Five standard deviations around a quarter of 4000.
    assert!((863..=1137).contains(&recorded), "{recorded}");
    assert_eq!(spans.stats().ended, recorded as u64);
}

#[test]
fn another_share_holds_for_the_traces_that_begin_after_it() {
    let (tracer, spans) = tracing(false, 0.0);
    let is_recorded = || tracer.start(root("x/y")).is_recording();
    assert!(!is_recorded());
    let wanted = Sampling { follow_parent: true, share: 1.0 };
    tracer.resample(wanted);
    assert_eq!(tracer.sampling(), wanted);
    assert!(is_recorded());
    let peer = TraceContext { trace_id: 1, span_id: 2, sampled: false, state: None };
    let below = Start { parent: Some(&peer), ..root("x/y") };
    assert!(!tracer.start(below).is_recording(), "a parent is followed from now on");
    assert_eq!(spans.stats().ended, 1);
}

#[track_caller]
fn check_extract(traceparent: &str, expected: Option<bool>) {
    let (tracer, _) = tracing(true, 1.0);
    let place = tracer.extract(traceparent, None);
    assert_eq!(place.map(|place| place.sampled), expected, "{traceparent}");
}

#[test]
fn only_well_formed_trace_parents_are_read() {
    check_extract(PEER, Some(true));
    check_extract("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", Some(false));
    check_extract("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03", Some(true));
    check_extract(
        "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-comes-later",
        Some(true),
    );
    check_extract("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", None);
    check_extract("00-00000000000000000000000000000000-b7ad6b7169203331-01", None);
    check_extract("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", None);
    check_extract("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", None);
    check_extract("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None);
    check_extract("00-1-1-01", None);
    check_extract("+0-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None);
    check_extract("", None);
}

#[track_caller]
fn check_state(state: &str, carried: bool) {
    let (tracer, _) = tracing(true, 1.0);
    let place = tracer.extract(PEER, Some(state)).unwrap();
    assert_eq!(place.state.as_deref(), carried.then_some(state));
}

#[test]
fn trace_state_is_carried_if_it_can_be_read() {
    check_state("congo=t61rcWkgMzE,rojo=00f067aa0ba902b7", true);
    check_state("no key or value", false);
    check_state("", false);
    check_state(&format!("long={}", "x".repeat(STATE_LIMIT)), false);
}

#[test]
fn propagation_can_be_off() {
    let (tracer, _) = tracing(true, 1.0);
    let tracer = Tracer { propagator: None, ..tracer };
    assert_eq!(tracer.extract(PEER, None), None);
}

proptest! {
    #[test]
    fn what_we_tell_peers_we_can_read(trace_id in 1_u128.., span_id in 1_u64.., sampled: bool) {
        let (tracer, _) = tracing(true, 1.0);
        let context = TraceContext { trace_id, span_id, sampled, state: None };
        prop_assert_eq!(tracer.extract(&context.traceparent(), None), Some(context));
    }

    #[test]
    fn no_header_breaks_the_reader(parent in any::<String>(), state in any::<String>()) {
        let (tracer, _) = tracing(true, 1.0);
        tracer.extract(&parent, Some(&state));
        tracer.extract(PEER, Some(&state));
    }
}

#[test]
fn a_span_that_was_left_out_is_recorded_after_the_fact_in_its_place() {
    let (tracer, spans) = tracing(true, 0.0);
    let peer = tracer.extract(PEER, None).unwrap();
    let parent = TraceContext { sampled: false, ..peer.clone() };
    let upgrade = TraceContext { trace_id: 7, span_id: 9, sampled: false, state: None };
    let mut span = tracer.start(Start { parent: Some(&parent), ..root("chat/send") });
    span.link(&peer);
    let before = span.context().unwrap().clone();
    assert!(span.is_left_out());

    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(5);
    tracer.recall(&mut span, Start { at: Some(at), link: Some(&upgrade), ..root("chat/send") });
    let context = span.context().unwrap().clone();
    assert_eq!(context, TraceContext { sampled: true, ..before.clone() });
    let below = Start { parent: Some(&context), kind: Kind::Internal, ..root("below") };
    tracer.start(below).end_at(at + Duration::from_secs(2));
    let below = only(&spans);
    assert_eq!(below.parent_span_id, SpanId::from(before.span_id));
    assert_eq!(below.end_time, at + Duration::from_secs(2));

    drop(span);
    let ended = only(&spans);
    assert_eq!(ended.span_context.span_id(), SpanId::from(before.span_id));
    assert_eq!(ended.parent_span_id, SpanId::from(parent.span_id));
    assert_eq!(ended.start_time, at);
    let linked: Vec<_> = ended.links.iter().map(|link| link.span_context.span_id()).collect();
    assert_eq!(linked, [SpanId::from(9), SpanId::from(peer.span_id)]);
}

#[test]
fn what_is_below_a_span_that_was_recorded_after_the_fact_is_recorded_whatever_the_share() {
    let (tracer, spans) = tracing(false, 0.0);
    let mut span = tracer.start(root("chat/send"));
    tracer.recall(&mut span, root("chat/send"));
    let parent = span.context().cloned();
    drop(tracer.start(Start { parent: parent.as_ref(), kind: Kind::Producer, ..root("answer") }));
    assert_eq!(only(&spans).name, "process answer");
}

#[test]
fn no_more_is_recorded_after_the_fact_than_may_be_and_nothing_twice() {
    let (tracer, spans) = tracing(true, 0.0);
    let mut several: Vec<_> = (0..5).map(|_| tracer.start(root("chat/send"))).collect();
    for span in &mut several {
        tracer.recall(span, root("chat/send"));
        tracer.recall(span, root("chat/send"));
    }
    let recorded = several.iter().filter(|span| span.is_recording()).count();
    assert_eq!((recorded, tracer.late.counts()), (LATE, [2, 6]));
    tracer.recall(&mut trace::Span::none(), root("nothing"));
    drop(several);
    assert_eq!(spans.take().len(), LATE);
}
