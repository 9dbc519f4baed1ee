//! What an event costs among many routes, counted in comparisons, look-ups and lists that are looked at.

use super::*;
use std::cell::Cell;
use tengen_settings::Pattern;

thread_local! {
    static STEPS: Cell<usize> = const { Cell::new(0) };
}

pub(super) fn step() {
    STEPS.set(STEPS.get() + 1);
}

fn steps(run: impl FnOnce()) -> usize {
    STEPS.set(0);
    run();
    STEPS.get()
}

/// A pattern, and the endpoint whose events it is for.
type Taken = (String, Option<u16>);

/// The route of a number.
type Shape = fn(usize) -> Taken;

/// So many routes of as many plugins, the first one of the first number.
fn routes(patterns: impl IntoIterator<Item = Taken>, mode: Mode) -> Routes<usize> {
    let mut routes = Builder::default();
    for (place, (pattern, endpoint)) in patterns.into_iter().enumerate() {
        let plugin = format!("p{place}").as_str().into();
        let route = Route { event: Pattern(pattern), plugin, endpoint: None, mode };
        routes.push(&route, endpoint.map(EndpointIndex), place);
    }
    routes.build()
}

/// Who gets this event, and the steps to know it.
fn takers(routes: &Routes<usize>, event: &str) -> (Vec<usize>, usize) {
    let mut found = Vec::new();
    let steps = steps(|| routes.matching(EndpointIndex(0), event, |_| true, |to| found.push(*to)));
    (found, steps)
}

fn everything(before: Vec<Taken>) -> Routes<usize> {
    routes(before.into_iter().chain([("*".into(), None)]), Mode::First)
}

#[test]
fn one_route_costs_one_comparison() {
    for pattern in ["*", "chat/*", "chat/say"] {
        let one = routes([(pattern.to_owned(), None)], Mode::First);
        assert_eq!(takers(&one, "chat/say"), (vec![0], 1));
    }
}

#[test]
fn a_thousand_routes_cost_a_few_steps() {
    let shapes: [(Shape, usize); 5] = [
        (|number| (format!("n{number}/name"), None), 4),
        (|number| (format!("n{number}/*"), None), 4),
        (|number| (format!("chat/n{number}*"), None), 19),
        (|number| (format!("n{number}*"), None), 13),
        (|number| ("*".into(), Some(u16::try_from(number).unwrap() + 1)), 3),
    ];
    for (shape, most) in shapes {
        let many = everything((0..1000).map(shape).collect());
        let (found, steps) = takers(&many, "chat/say");
        assert_eq!(found, [1000]);
        assert!(steps <= most, "{:?}: {steps} steps", shape(7));
    }
    let many = everything((0..1000).map(|number| (format!("n{number}/*"), None)).collect());
    let (found, steps) = takers(&many, "n500/name");
    assert!(found == [500] && steps <= 9, "{found:?}: {steps} steps");
}

#[test]
fn routes_that_nobody_asks_for_are_not_looked_at() {
    let all = routes((0..1000).map(|_| ("*".to_owned(), None)), Mode::First);
    assert_eq!(takers(&all, "chat/say"), (vec![0], 3));
}

#[test]
fn what_matches_costs_a_step_each() {
    let all = routes((0..1000).map(|_| ("*".to_owned(), None)), Mode::All);
    let (found, matching) = takers(&all, "a/b");
    assert!(found.len() == 1000 && matching <= 1010, "{matching}");
    let owners = steps(|| assert_eq!(all.owners(EndpointIndex(0)).count(), 1000));
    assert!(owners <= 1010, "{owners}");
    let mut next = 0;
    let of = (EndpointIndex(0), "a/b");
    let from = steps(|| all.from(&"p500".into(), of, |_| true, |_, _| next += 1));
    assert!(next == 500 && from <= 1010, "{from}");
}

#[test]
fn a_plugins_many_routes_are_one_owner_at_the_cost_of_one() {
    let mut routes = Builder::default();
    for number in 0..1000 {
        let event = Pattern(format!("n{number}/*"));
        let route = Route { event, plugin: "chat".into(), endpoint: None, mode: Mode::First };
        routes.push(&route, None, number);
    }
    let routes = routes.build();
    let owners = steps(|| assert_eq!(routes.owners(EndpointIndex(0)).count(), 1));
    assert!(owners <= 3, "{owners}");
}
