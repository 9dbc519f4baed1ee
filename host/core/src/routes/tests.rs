//! What routes say, and that they say what a list says that is walked for each event.

use super::*;
use proptest::prelude::*;
use tengen_settings::Pattern;

/// `event plugin mode endpoint`, `-` for any endpoint. Each leads to its plugin's name.
fn routes(lines: &[impl AsRef<str>]) -> Routes<String> {
    let mut routes = Builder::default();
    for line in lines {
        let words: Vec<_> = line.as_ref().split(' ').collect();
        let mode = if words[2] == "all" { Mode::All } else { Mode::First };
        let (event, plugin) = (Pattern(words[0].into()), words[1].into());
        let route = Route { event, plugin, endpoint: None, mode };
        let endpoint = words[3].parse().ok().map(EndpointIndex);
        routes.push(&route, endpoint, words[1].to_owned());
    }
    routes.build()
}

impl<H: Clone> Routes<H> {
    fn takers(&self, endpoint: u16, event: &str, wants: impl Fn(&H) -> bool) -> Vec<H> {
        let mut found = Vec::new();
        self.matching(EndpointIndex(endpoint), event, wants, |to| found.push(to.clone()));
        found
    }

    fn those_from(
        &self,
        plugin: &str,
        (endpoint, event): (u16, &str),
        wants: impl Fn(&H) -> bool,
    ) -> Vec<(Mode, H)> {
        let (mut found, of) = (Vec::new(), (EndpointIndex(endpoint), event));
        self.from(&plugin.into(), of, wants, |mode, to| found.push((mode, to.clone())));
        found
    }
}

#[track_caller]
fn check(lines: &[&str], endpoint: u16, event: &str, expected: &[&str]) {
    assert_eq!(routes(lines).takers(endpoint, event, |_| true), expected);
    // Where there are many, they are found in another way.
    let mut many = lines.to_vec();
    let others = ["none/* x all -", "none/a y all -", "none* z all -"];
    many.extend(others.iter().cycle().take(30));
    assert_eq!(routes(&many).takers(endpoint, event, |_| true), expected, "among many");
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
fn what_is_more_exact_has_no_precedence() {
    let lines =
        ["chat/s* some all -", "chat/say exact all 0", "* any all -", "chat/say* last first -"];
    check(&lines, 0, "chat/say", &["some", "exact", "any", "last"]);
    check(&lines, 1, "chat/says", &["some", "any", "last"]);
    check(&lines, 1, "chat/join", &["any"]);
    check(&["* any first -", "chat/say exact first -"], 0, "chat/say", &["any"]);
}

#[test]
fn a_star_may_stand_anywhere_at_the_end() {
    let lines =
        ["cha* short all -", "chat/* space all -", "chat/a/* deep all -", "ch* other all -"];
    check(&lines, 0, "chat/a/b", &["short", "space", "deep", "other"]);
    check(&lines, 0, "chat/ab", &["short", "space", "other"]);
    check(&lines, 0, "chas/ab", &["short", "other"]);
    check(&lines, 0, "cb/ab", &[]);
    check(&["ä* umlaut all -"], 0, "äb/c", &["umlaut"]);
}

#[test]
fn an_event_that_a_plugin_does_not_want_goes_to_the_next_route() {
    let routes = routes(&["* picky first -", "chat/* all all -", "* rest first -"]);
    let found = |wanted: &str| routes.takers(0, "chat/say", |plugin: &String| plugin != wanted);
    assert_eq!(found("picky"), ["all", "rest"]);
    assert_eq!(found("rest"), ["picky"]);
}

#[test]
fn a_plugin_with_two_matching_routes_gets_the_event_once() {
    check(&["* chat all -", "chat/* chat first -"], 0, "chat/say", &["chat"]);
    let lines = ["chat/* chat all 0", "* chat first -", "* rest first -"];
    check(&lines, 0, "chat/say", &["chat"]);
    check(&lines, 1, "chat/say", &["chat"]);
}

#[test]
fn who_is_next_comes_behind_the_one_that_failed() {
    let lines = [
        "* mirror all -",
        "chat/* chat first -",
        "chat/say chat all -",
        "* mirror first -",
        "* rest first -",
    ];
    let routes = routes(&lines);
    let from = |plugin: &str, event: &str| {
        let found = routes.those_from(plugin, (0, event), |_| true).into_iter();
        found.map(|(mode, to)| format!("{mode:?} {to}")).collect::<Vec<_>>()
    };
    assert_eq!(from("chat", "chat/say"), ["First chat", "First rest"]);
    assert_eq!(from("mirror", "chat/say"), ["All mirror", "First chat", "First rest"]);
    assert_eq!(from("chat", "game/move"), Vec::<String>::new());
}

#[test]
fn owners_are_those_with_a_route_from_the_endpoint() {
    let routes = routes(&["chat/* chat first 0", "* log all -", "game/* game first 1"]);
    let owners: Vec<_> = routes.owners(EndpointIndex(0)).collect();
    assert_eq!(owners, ["chat", "log"]);
    let others: Vec<_> = routes.owners(EndpointIndex(1)).collect();
    assert_eq!(others, ["log", "game"]);
}

/// The same routes, each looked at for everything.
struct List<'a>(&'a [String]);

impl<'a> List<'a> {
    /// Mode and plugin of each route that takes this, and whether its plugin had one before.
    fn taking(
        &self,
        endpoint: u16,
        takes: impl Fn(&str) -> bool,
    ) -> impl Iterator<Item = (&'a str, &'a str, bool)> {
        let mut known = Vec::new();
        self.0.iter().filter_map(move |line| {
            let words: Vec<_> = line.split(' ').collect();
            let [event, plugin, mode, own] = words[..] else { panic!("{line}") };
            let covers = own == "-" || own == endpoint.to_string();
            (covers && takes(event)).then(|| {
                let again = known.contains(&plugin);
                known.push(plugin);
                (mode, plugin, again)
            })
        })
    }

    fn of(&self, endpoint: u16, id: &str) -> impl Iterator<Item = (&'a str, &'a str, bool)> {
        self.taking(endpoint, |event| Pattern(event.into()).matches(id))
    }

    fn matching(&self, endpoint: u16, id: &str, wants: impl Fn(&str) -> bool) -> Vec<&'a str> {
        let (mut found, mut ended) = (Vec::new(), false);
        for (mode, plugin, again) in self.of(endpoint, id).filter(|(_, plugin, _)| wants(plugin)) {
            if !ended && !again {
                found.push(plugin);
            }
            ended |= mode == "first";
        }
        found
    }

    fn from(
        &self,
        begins: &str,
        endpoint: u16,
        id: &str,
        wants: impl Fn(&str) -> bool,
    ) -> Vec<(Mode, &'a str)> {
        let (mut found, mut begun) = (Vec::new(), false);
        for (mode, plugin, again) in self.of(endpoint, id).filter(|(_, plugin, _)| wants(plugin)) {
            begun |= plugin == begins;
            if begun && !again {
                found.push((if mode == "all" { Mode::All } else { Mode::First }, plugin));
            }
        }
        found
    }

    fn owners(&self, endpoint: u16) -> Vec<&'a str> {
        let all = self.taking(endpoint, |_| true);
        all.filter_map(|(_, plugin, again)| (!again).then_some(plugin)).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn routes_say_what_a_list_says_that_is_walked_for_each_event(
        lines in prop::collection::vec("([ab]{0,3}(/[ab/]{0,3})?\\*|[ab]/[ab]) p[0-4] (all|first|all) (-|0|1)", 0..30),
        id in "[ab]{1,3}/[ab/]{1,3}",
        endpoint in 0_u16..3,
        unwanted in "p[0-9]",
        begins in "p[0-4]",
    ) {
        let (routes, list) = (routes(&lines), List(&lines));
        let wants = |plugin: &String| *plugin != unwanted;
        let wanted = |plugin: &str| plugin != unwanted;
        let found = routes.takers(endpoint, &id, wants);
        prop_assert_eq!(found, list.matching(endpoint, &id, wanted));
        let found = routes.those_from(&begins, (endpoint, &id), wants);
        let found: Vec<_> = found.iter().map(|(mode, to)| (*mode, to.as_str())).collect();
        prop_assert_eq!(found, list.from(&begins, endpoint, &id, wanted));
        let owners: Vec<_> = routes.owners(EndpointIndex(endpoint)).collect();
        prop_assert_eq!(owners, list.owners(endpoint));
    }
}
