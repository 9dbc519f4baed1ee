//! Which events go to whom: event id and endpoint in, handlers out.

use tengen_settings::{Mode, Pattern, Route};
use tengen_wire::id::{EndpointIndex, PluginName};

/// Routes with their endpoints resolved, each with what it leads to.
#[derive(Debug, Clone)]
pub struct Routes<H> {
    routes: Vec<Resolved<H>>,
}

#[derive(Debug, Clone)]
struct Resolved<H> {
    event: Pattern,
    /// None: all endpoints.
    endpoint: Option<EndpointIndex>,
    mode: Mode,
    plugin: PluginName,
    handler: H,
}

impl<H> Default for Routes<H> {
    fn default() -> Self {
        Self { routes: Vec::new() }
    }
}

impl<H> Routes<H> {
    /// Adds a route after those that are there: order is precedence.
    pub fn push(&mut self, route: &Route, endpoint: Option<EndpointIndex>, handler: H) {
        self.routes.push(Resolved {
            event: route.event.clone(),
            endpoint,
            mode: route.mode,
            plugin: route.plugin.clone(),
            handler,
        });
    }

    /// Everybody who gets this event, in route order: each matching `all` route, up to and with the first `first`
    /// route. A plugin with several matching routes gets the event once; one that does not want it is passed over, as
    /// if it had no route.
    pub fn matching<'a>(
        &'a self,
        endpoint: EndpointIndex,
        event: &str,
        wants: impl Fn(&H) -> bool,
    ) -> impl Iterator<Item = &'a H> {
        let mut ended = false;
        self.routes.iter().enumerate().filter_map(move |(place, route)| {
            if ended || !route.takes(endpoint, event) || !wants(&route.handler) {
                return None;
            }
            ended = route.mode == Mode::First;
            (!self.had_it(place, endpoint, event)).then_some(&route.handler)
        })
    }

    /// This plugin's matching route and those after it, whatever their modes: who is next when one fails.
    pub fn from<'a>(
        &'a self,
        plugin: &'a PluginName,
        endpoint: EndpointIndex,
        event: &'a str,
        wants: impl Fn(&H) -> bool,
    ) -> impl Iterator<Item = (Mode, &'a H)> {
        let mut begun = false;
        self.routes.iter().enumerate().filter_map(move |(place, route)| {
            let takes = route.takes(endpoint, event) && wants(&route.handler);
            begun |= takes && route.plugin == *plugin;
            let is_next = begun && takes && !self.had_it(place, endpoint, event);
            is_next.then_some((route.mode, &route.handler))
        })
    }

    /// Whether the plugin of this route has an earlier one for the event.
    fn had_it(&self, place: usize, endpoint: EndpointIndex, event: &str) -> bool {
        let Some(route) = self.routes.get(place) else { return false };
        let mut earlier = self.routes.iter().take(place);
        earlier.any(|other| other.plugin == route.plugin && other.takes(endpoint, event))
    }

    /// Everybody who may get events of this endpoint, each once: those who hear of its connections.
    pub fn owners(&self, endpoint: EndpointIndex) -> impl Iterator<Item = &H> {
        self.routes.iter().enumerate().filter_map(move |(place, route)| {
            let mut earlier = self.routes.iter().take(place);
            let again = earlier.any(|other| other.plugin == route.plugin && other.covers(endpoint));
            (route.covers(endpoint) && !again).then_some(&route.handler)
        })
    }
}

impl<H> Resolved<H> {
    fn covers(&self, endpoint: EndpointIndex) -> bool {
        self.endpoint.is_none_or(|own| own == endpoint)
    }

    fn takes(&self, endpoint: EndpointIndex, event: &str) -> bool {
        self.covers(endpoint) && self.event.matches(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `event plugin mode endpoint`, `-` for any endpoint.
    fn routes(lines: &[&str]) -> Routes<String> {
        let mut routes = Routes::default();
        for line in lines {
            let words: Vec<_> = line.split(' ').collect();
            let route = Route {
                event: Pattern(words[0].into()),
                plugin: words[1].into(),
                endpoint: None,
                mode: if words[2] == "all" { Mode::All } else { Mode::First },
            };
            let endpoint = words[3].parse().ok().map(EndpointIndex);
            routes.push(&route, endpoint, words[1].to_owned());
        }
        routes
    }

    #[track_caller]
    fn check(lines: &[&str], endpoint: u16, event: &str, expected: &[&str]) {
        let routes = routes(lines);
        let found: Vec<_> = routes.matching(EndpointIndex(endpoint), event, |_| true).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn first_match_all_matches_and_fallback() {
        let lines = [
            "audit/* log first -",
            "* mirror all -",
            "chat/* chat first 0",
            "chat/say other first -",
            "* rest first -",
        ];
        check(&lines, 0, "audit/x", &["log"]);
        check(&lines, 0, "chat/say", &["mirror", "chat"]);
        check(&lines, 1, "chat/say", &["mirror", "other"]);
        check(&lines, 1, "chat/join", &["mirror", "rest"]);
        check(&["chat/* chat first -"], 0, "game/move", &[]);
    }

    #[test]
    fn an_event_that_a_plugin_does_not_want_goes_to_the_next_route() {
        let routes = routes(&["* picky first -", "chat/* all all -", "* rest first -"]);
        let found = |wanted: &str| {
            let wants = |plugin: &String| plugin != wanted;
            routes.matching(EndpointIndex(0), "chat/say", wants).cloned().collect::<Vec<_>>()
        };
        assert_eq!(found("picky"), ["all", "rest"]);
        assert_eq!(found("rest"), ["picky"]);
    }

    #[test]
    fn a_plugin_with_two_matching_routes_gets_the_event_once() {
        check(&["* chat all -", "chat/* chat first -"], 0, "chat/say", &["chat"]);
    }

    #[test]
    fn owners_are_those_with_a_route_from_the_endpoint() {
        let routes = routes(&["chat/* chat first 0", "* log all -", "game/* game first 1"]);
        let owners: Vec<_> = routes.owners(EndpointIndex(0)).collect();
        assert_eq!(owners, ["chat", "log"]);
        let others: Vec<_> = routes.owners(EndpointIndex(1)).collect();
        assert_eq!(others, ["log", "game"]);
    }
}
