//! Which events go to whom: event id and endpoint in, handlers out.
//!
//! What an event costs here follows from the routes that match it, and hardly from how many there are.

pub(crate) mod index;
mod places;

use foldhash::fast::RandomState;
use index::{Index, Taken};
use places::{Merged, Place, Places, Seen};
use std::{
    collections::{HashMap, HashSet},
    ops::ControlFlow,
};
use tengen_settings::{Mode, Route};
use tengen_wire::id::{EndpointIndex, PluginName};

/// Routes, each with what it leads to.
#[derive(Debug, Clone)]
pub struct Routes<H> {
    /// In route order: that of precedence.
    routes: Box<[Resolved<H>]>,
    index: Index,
    /// Each plugin's first route of an endpoint.
    owners: Places,
}

#[derive(Debug, Clone)]
struct Resolved<H> {
    mode: Mode,
    plugin: PluginName,
    /// The plugin's number among those with several routes: they may match the same event.
    number: Option<u32>,
    handler: H,
}

/// Routes that are being put together.
#[derive(Debug)]
pub struct Builder<H> {
    routes: Vec<Resolved<H>>,
    taken: Vec<Taken>,
}

impl<H> Default for Builder<H> {
    fn default() -> Self {
        Self { routes: Vec::new(), taken: Vec::new() }
    }
}

impl<H> Builder<H> {
    /// Adds a route after those that are there: order is precedence. `endpoint`: only events of this one; none: of all.
    pub fn push(&mut self, route: &Route, endpoint: Option<EndpointIndex>, handler: H) {
        let (mode, plugin) = (route.mode, route.plugin.clone());
        self.routes.push(Resolved { mode, plugin, number: None, handler });
        self.taken.push((route.event.clone(), endpoint));
    }

    pub fn build(mut self) -> Routes<H> {
        self.number();
        let mut owners = Places::default();
        let mut known = HashSet::<_, RandomState>::default();
        for (place, (route, (_, endpoint))) in (0..).zip(self.routes.iter().zip(&self.taken)) {
            if known.insert((&route.plugin, *endpoint)) {
                owners.add(*endpoint, place);
            }
        }
        Routes { index: Index::of(self.taken), routes: self.routes.into(), owners }
    }

    /// Numbers the plugins that have several routes.
    fn number(&mut self) {
        let mut counts = HashMap::<_, usize, RandomState>::default();
        for route in &self.routes {
            *counts.entry(route.plugin.clone()).or_default() += 1;
        }
        let several = counts.into_iter().filter(|(_, count)| *count > 1);
        let numbers: HashMap<_, u32, RandomState> =
            several.zip(0..).map(|((plugin, _), number)| (plugin, number)).collect();
        for route in &mut self.routes {
            route.number = numbers.get(&route.plugin).copied();
        }
    }
}

impl<H> Default for Routes<H> {
    fn default() -> Self {
        Builder::default().build()
    }
}

impl<H> Routes<H> {
    /// Calls with everybody who gets this event, in route order: each matching `all` route, up to and with the first
    /// `first` route. A plugin with several matching routes gets the event once; one that does not want it is passed
    /// over, as if it had no route.
    ///
    /// No iterator, because what one would carry along costs more than a look at one route.
    pub fn matching<'a>(
        &'a self,
        endpoint: EndpointIndex,
        event: &str,
        wants: impl Fn(&H) -> bool,
        mut found: impl FnMut(&'a H),
    ) {
        self.visit(endpoint, event, |route, again| {
            if !wants(&route.handler) {
                return ControlFlow::Continue(());
            }
            if !again {
                found(&route.handler);
            }
            match route.mode {
                Mode::First => ControlFlow::Break(()),
                Mode::All => ControlFlow::Continue(()),
            }
        });
    }

    /// This plugin's matching route and those after it, whatever their modes: who is next when one fails.
    pub fn from<'a>(
        &'a self,
        plugin: &PluginName,
        (endpoint, event): (EndpointIndex, &str),
        wants: impl Fn(&H) -> bool,
        mut found: impl FnMut(Mode, &'a H),
    ) {
        let mut begun = false;
        self.visit(endpoint, event, |route, again| {
            if wants(&route.handler) {
                begun = begun || route.plugin == *plugin;
                if begun && !again {
                    found(route.mode, &route.handler);
                }
            }
            ControlFlow::Continue(())
        });
    }

    /// Everybody who may get events of this endpoint, each once: those who hear of its connections.
    pub fn owners(&self, endpoint: EndpointIndex) -> impl Iterator<Item = &H> {
        let mut places = Merged::default();
        places.add(&self.owners, endpoint);
        let mut seen = Seen::default();
        places.filter_map(move |place| {
            let (route, again) = self.route(place, &mut seen)?;
            (!again).then_some(&route.handler)
        })
    }

    /// Calls with each route that takes this event, and whether its plugin had one before it.
    fn visit<'a>(
        &'a self,
        endpoint: EndpointIndex,
        event: &str,
        mut visit: impl FnMut(&'a Resolved<H>, bool) -> ControlFlow<()>,
    ) {
        let mut seen = Seen::default();
        self.index.visit(endpoint, event, |place| match self.route(place, &mut seen) {
            Some((route, again)) => visit(route, again),
            None => ControlFlow::Continue(()),
        });
    }

    fn route(&self, place: Place, seen: &mut Seen) -> Option<(&Resolved<H>, bool)> {
        let route = self.routes.get(place as usize)?;
        Some((route, route.number.is_some_and(|number| seen.again(number))))
    }
}

/// One comparison, look-up or list more. Only tests count.
#[inline(always)]
fn step() {
    #[cfg(test)]
    cost_tests::step();
}

#[cfg(test)]
mod cost_tests;
#[cfg(test)]
mod tests;
