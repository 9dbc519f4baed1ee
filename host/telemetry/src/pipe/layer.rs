//! Where what `tracing` hears becomes signals: what the gateway says, and what its libraries do.

use super::Pipe;
use crate::record;
use std::sync::Arc;
use tracing::{
    Event, Metadata, Subscriber, level_filters::LevelFilter, span, subscriber::Interest,
};
use tracing_subscriber::{layer::Context, registry::LookupSpan};

/// Part of the installed log; a test puts one into a subscriber of its own.
#[derive(Debug, Clone)]
pub(crate) struct Layer(pub(crate) Arc<Pipe>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> tracing_subscriber::Layer<S> for Layer {
    /// Asked once for each call site, and again after each change of filters: what nobody wants to have is not made.
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        match self.0.state.load().may_pass(metadata) {
            true => Interest::always(),
            false => Interest::never(),
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.0.state.load().may_pass(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        None
    }

    fn on_new_span(
        &self,
        attributes: &span::Attributes<'_>,
        id: &span::Id,
        context: Context<'_, S>,
    ) {
        if let Some(span) = context.span(id) {
            record::remember(&span, attributes);
        }
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            record::learn(&span, values);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let state = self.0.state.load();
        let site = state.of_call_site(event.metadata());
        let is_out = site.is_some_and(|site| !site.passes) && state.raised.is_empty();
        if is_out && !state.records(event.metadata()) {
            return;
        }
        let guarded = site.is_none_or(|site| site.has_secrets);
        let signal = record::signal(event, context.event_scope(event), guarded);
        self.0.put_into(&state, signal, site);
    }
}
