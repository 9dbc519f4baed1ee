//! The spans of calls: of what was chosen as it happens, and after the fact of what failed or took long.

use crate::{
    call::{events::Told, generation::Generation},
    shared::Shared,
};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};
use tengen_core::{
    effect::Failure,
    event::Event,
    meter::Exemplar,
    trace::{Kind, Span, Start},
};
use tokio::time::Instant;

/// A call that has ended.
#[derive(Debug, Clone)]
pub(super) struct Called {
    pub(super) began: Instant,
    pub(super) took: Duration,
    /// Events that it was for.
    pub(super) records: usize,
    /// What became of it, if it went wrong.
    pub(super) error: Option<&'static str>,
}

impl Called {
    /// For what is decided without a call: now.
    pub(super) fn none() -> Self {
        Self { began: Instant::now(), took: Duration::ZERO, records: 0, error: None }
    }
}

/// Whose calls they are.
#[derive(Debug)]
pub(super) struct Calls<'a> {
    pub(super) shared: &'a Shared,
    pub(super) generation: &'a Generation,
}

impl Calls<'_> {
    /// A span for each recorded event's part in the call, and one for how long it has waited for it.
    pub(super) fn spans(&self, events: &[Event], told: &Told<'_>) -> Vec<Span> {
        let mut unsaid = told.unsaid.iter().map(|(place, _)| *place).peekable();
        let said = (0..).zip(events).filter(|(place, _)| unsaid.next_if_eq(place).is_none());
        let recorded = said.filter(|(_, event)| event.span.is_recording());
        let begun = recorded.map(|(_, event)| {
            drop(self.wait(event, event.at));
            self.call_span(event, told.records.len(), None)
        });
        begun.collect()
    }

    /// Keeps, beside the times that are counted of a call and its events, the traces that show them: of what is recorded, and
    /// so of nothing in most batches.
    pub(super) fn show(&self, events: &[Event], called: &Called) {
        let mut recorded = events.iter().filter(|event| event.span.is_recording()).peekable();
        if recorded.peek().is_none() {
            return;
        }
        let (at, meter) = (SystemTime::now(), &self.shared.counters.meter);
        let began = called.began.into_std();
        let first = recorded.peek().and_then(|event| event.span.context());
        if let Some(shown) = first.and_then(|trace| Exemplar::of(trace, called.took, at)) {
            meter.show_call(shown);
        }
        for event in recorded {
            let arrived = event.permit.as_ref().and_then(|permit| permit.arrived);
            let Some((trace, arrived)) = event.span.context().zip(arrived) else { continue };
            let waited = began.saturating_duration_since(arrived);
            let shown = |time| Exemplar::of(trace, time, at);
            if let Some((waited, decided)) = shown(waited).zip(shown(waited + called.took)) {
                meter.show_event(waited, decided);
            }
        }
    }

    /// Tells the traces of those events that nobody chose and that failed or are slow. What is carried out for them from now
    /// on is part of them.
    pub(super) fn recall(
        &self,
        events: &mut [Event],
        failures: &[Failure],
        called: Option<&Called>,
    ) {
        let Some(slow) = self.shared.tracer.slow() else { return };
        let decided = called.map_or_else(Instant::now, |called| called.began + called.took);
        let mut failed = vec![None; if failures.is_empty() { 0 } else { events.len() }];
        for failure in failures {
            let place = usize::try_from(failure.by).ok();
            if let Some(place) = place.and_then(|place| failed.get_mut(place)) {
                *place = Some(failure);
            }
        }
        for (place, event) in events.iter_mut().enumerate() {
            let failure = failed.get(place).copied().flatten();
            if !event.span.is_left_out() || failure.is_none() && !is_slow(event, decided, slow) {
                continue;
            }
            self.tell(event, called);
            if let Some(failure) = failure {
                event.span.fail(failure.why.id.word());
            }
        }
    }

    /// What an event has been through. Its age was told by the clock that does not jump, and so its times follow from that.
    fn tell(&self, event: &mut Event, called: Option<&Called>) {
        let (instant, time) = (Instant::now(), SystemTime::now());
        let at = |moment: Instant| time.checked_sub(instant.duration_since(moment)).unwrap_or(time);
        let arrived = event.permit.as_ref().and_then(|permit| permit.arrived);
        let arrived = arrived.map_or(event.at, |arrived| at(arrived.into()));
        event.recall(&*self.shared.tracer, arrived);
        if !event.span.is_recording() {
            return;
        }
        let wait = self.wait(event, arrived);
        let Some(called) = called else { return };
        wait.end_at(at(called.began));
        let mut call = self.call_span(event, called.records, Some(at(called.began)));
        if let Some(error) = called.error {
            call.fail(error);
        }
        call.end_at(at(called.began + called.took));
    }

    /// From the event's arrival on.
    fn wait(&self, event: &Event, arrived: SystemTime) -> Span {
        let mut span = self.shared.tracer.start(Start {
            operation: "wait",
            target: &self.shared.name.to_string(),
            kind: Kind::Internal,
            parent: event.span.context(),
            link: None,
            at: Some(arrived),
        });
        span.set("tengen.plugin.name", self.shared.name.to_string());
        span
    }

    /// `at`: when the call began, if not now.
    fn call_span(&self, event: &Event, batch: usize, at: Option<SystemTime>) -> Span {
        let target = format!("{}.handle", self.shared.name);
        let mut span = self.shared.tracer.start(Start {
            operation: "call",
            target: &target,
            kind: Kind::Internal,
            parent: event.span.context(),
            link: None,
            at,
        });
        span.set("tengen.plugin.name", self.shared.name.to_string());
        span.set("tengen.plugin.version", Arc::clone(&self.generation.about.version));
        span.set("tengen.plugin.revision", self.generation.compiled.hash.short());
        span.set("messaging.batch.message_count", i64::try_from(batch).unwrap_or(i64::MAX));
        span
    }
}

fn is_slow(event: &Event, decided: Instant, slow: Duration) -> bool {
    let arrived = event.permit.as_ref().and_then(|permit| permit.arrived);
    arrived.is_some_and(|arrived| decided.into_std().duration_since(arrived) >= slow)
}
