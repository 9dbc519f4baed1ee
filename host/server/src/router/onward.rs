//! Where an event goes whose plugin failed at it, if that plugin's `on_failure` is `open`: to the next match.

use super::Destination;
use crate::hub::Hub;
use std::sync::Arc;
use tengen_core::{
    event::{Event, Onward},
    handler::{Declined, Wants},
    routes::Routes,
};
use tengen_settings::Mode;
use tengen_wire::{
    fault::{Fault, FaultId},
    id::{EndpointIndex, EventId, PluginName},
};

/// Those who are next.
#[derive(Debug)]
pub(super) struct Next {
    hub: Arc<Hub>,
    /// Who has failed then.
    from: PluginName,
    /// In route order; none: they have the event already.
    then: Vec<(Mode, Destination)>,
}

/// Who has an event when this plugin fails at it; none: nobody, and its failure is told.
pub(super) fn next(
    hub: &Arc<Hub>,
    routes: &Routes<Destination>,
    from: &PluginName,
    of: (EndpointIndex, &EventId),
) -> Option<Arc<dyn Onward>> {
    let (endpoint, event) = of;
    let wants = |to: &Destination| to.handler.wants(event) != Wants::No;
    let (mut own, mut others) = (None, false);
    let mut then = Vec::new();
    routes.from(from, (endpoint, event), wants, |mode, to| match own {
        None => own = Some(mode),
        Some(Mode::First) => then.push((mode, to.clone())),
        // Those behind it have the event already.
        Some(Mode::All) => others = true,
    });
    if then.is_empty() && !others {
        return None;
    }
    Some(Arc::new(Next { hub: Arc::clone(hub), from: from.clone(), then }))
}

/// A handler did not take an event: whoever is next does, or its sender is told.
pub(super) fn decline(hub: &Hub, plugin: &PluginName, mut declined: Box<Declined>) {
    let onward = declined.event.permit.as_mut().and_then(|permit| permit.onward.take());
    match onward {
        Some(onward) => onward.go_on(declined.event, declined.why),
        None => hub.decline(plugin, declined),
    }
}

impl Onward for Next {
    fn go_on(&self, mut event: Event, why: Fault) {
        let first = self.then.iter().position(|(mode, _)| *mode == Mode::First);
        let (now, later) = self.then.split_at(first.map_or(self.then.len(), |place| place + 1));
        tracing::debug!(plugin = %self.from, why = %why.message, to = now.len(), "the event goes on");
        if let Some(number) = event.reply_to() {
            let names: Vec<_> = now.iter().map(|(_, to)| to.plugin.clone()).collect();
            self.hub.pass_reply_on(number, &self.from, names);
        }
        let Some(((mode, last), others)) = now.split_last() else { return };
        for (_, to) in others {
            self.offer(to, event.another());
        }
        let passes_on =
            event.message().is_some_and(|message| last.handler.wants(&message.id) == Wants::OrElse);
        if let Some(permit) = &mut event.permit
            && passes_on
            && *mode == Mode::First
            && !later.is_empty()
        {
            let (hub, from, then) = (Arc::clone(&self.hub), last.plugin.clone(), later.to_vec());
            permit.onward = Some(Arc::new(Self { hub, from, then }));
        }
        self.offer(last, event);
    }
}

impl Next {
    fn offer(&self, to: &Destination, event: Event) {
        if let Err(declined) = to.handler.offer(event) {
            if declined.why.id == FaultId::Overloaded {
                to.handler.lost(FaultId::Overloaded);
            }
            decline(&self.hub, &to.plugin, declined);
        }
        to.handler.settle();
    }
}
