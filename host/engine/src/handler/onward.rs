//! Events that a plugin failed at and that go on to somebody else (`on_failure = "open"`).

use std::sync::Arc;
use tengen_core::{
    effect::Outcome,
    event::{Event, Onward},
};
use tengen_wire::fault::{Fault, FaultId};

/// An event on its way to whom else it is routed to.
#[derive(Debug)]
pub(super) struct Failed {
    event: Event,
    why: Fault,
    onward: Arc<dyn Onward>,
}

impl Failed {
    pub(super) fn go_on(self) {
        self.onward.go_on(self.event, self.why);
    }
}

/// Takes out what goes on. Of the outcome nothing is left of it: neither its failure, nor what it caused.
pub(super) fn taken(events: &mut [Event], outcome: &mut Outcome) -> Vec<Failed> {
    let mut taken = Vec::new();
    if outcome.failures.is_empty() {
        return taken;
    }
    let mut places = Vec::new();
    outcome.failures.retain(|failure| {
        let event = usize::try_from(failure.by).ok().and_then(|by| events.get_mut(by));
        let Some(event) = event.filter(|_| is_the_plugins(&failure.why)) else { return true };
        let onward = event.permit.as_mut().and_then(|permit| permit.onward.take());
        let Some(onward) = onward else { return true };
        places.push(failure.by);
        let event = event.take_on();
        taken.push(Failed { event, why: failure.why.clone(), onward });
        false
    });
    if !places.is_empty() {
        outcome.effects.retain(|caused| !places.contains(&caused.by));
    }
    taken
}

/// Passes events on that broke the plugin, whatever it is called; what is left goes to nobody else.
pub(super) fn broken(events: Vec<Event>, why: &Fault) -> Vec<Event> {
    let mut left = Vec::new();
    for mut event in events {
        match event.permit.as_mut().and_then(|permit| permit.onward.take()) {
            Some(onward) => onward.go_on(event, why.clone()),
            None => left.push(event),
        }
    }
    left
}

/// Whether it is the plugin that failed; whatever else is said of an event, it has decided.
fn is_the_plugins(why: &Fault) -> bool {
    use FaultId::{Overloaded, PluginFailed, PluginUnavailable, Timeout};
    matches!(why.id, PluginFailed | PluginUnavailable | Overloaded | Timeout)
}
