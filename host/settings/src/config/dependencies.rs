//! Which plugin depends on which, and where one would wait for itself.

use crate::schema::document::Place;
use std::collections::{BTreeMap, BTreeSet, btree_map};
use tengen_wire::id::PluginName;

/// For each plugin those that it depends on, and where that is said.
#[derive(Debug, Default)]
pub(super) struct Dependencies(BTreeMap<PluginName, BTreeMap<PluginName, Place>>);

/// The plugins on a way from one to itself, the first once more at the end, and what closes it.
type Circle<'a> = (Vec<&'a PluginName>, &'a Place);

impl Dependencies {
    pub(super) fn add(&mut self, name: PluginName, depends_on: PluginName, at: Place) {
        self.0.entry(depends_on.clone()).or_default();
        self.0.entry(name).or_default().insert(depends_on, at);
    }

    /// One circle at most for each plugin that closes one: there may be more ways than anybody reads.
    pub(super) fn circles(&self) -> Vec<Circle<'_>> {
        let (mut found, mut seen, mut told) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        for start in self.0.keys().filter(|start| !self.of(start).is_empty()) {
            if seen.insert(start) {
                let circles = self.walk(start, &mut seen);
                found.extend(
                    circles.into_iter().filter(|(way, _)| told.insert(way.last().copied())),
                );
            }
        }
        found
    }

    fn of(&self, name: &PluginName) -> &BTreeMap<PluginName, Place> {
        static NONE: BTreeMap<PluginName, Place> = BTreeMap::new();
        self.0.get(name).unwrap_or(&NONE)
    }

    /// Goes as deep as it can, with a stack of its own: a chain may be longer than a thread's has room for.
    fn walk<'a>(
        &'a self,
        start: &'a PluginName,
        seen: &mut BTreeSet<&'a PluginName>,
    ) -> Vec<Circle<'a>> {
        let mut found = Vec::new();
        let mut way: Vec<(&PluginName, btree_map::Iter<'_, _, _>)> =
            vec![(start, self.of(start).iter())];
        while let Some((_, dependencies)) = way.last_mut() {
            let Some((next, place)) = dependencies.next() else {
                way.pop();
                continue;
            };
            if seen.insert(next) {
                way.push((next, self.of(next).iter()));
            } else if let Some(at) = way.iter().position(|(name, _)| *name == next) {
                let circle = way.iter().skip(at).map(|(name, _)| *name).chain([next]);
                found.push((circle.collect(), place));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(edges: &[(&str, &str)], expected: &[&str]) {
        let mut graph = Dependencies::default();
        for (place, (name, on)) in edges.iter().enumerate() {
            graph.add((*name).into(), (*on).into(), Place { key: String::new(), at: place });
        }
        let told = |(way, place): (Vec<&PluginName>, &Place)| {
            let way: Vec<_> = way.iter().map(|name| name.to_string()).collect();
            format!("{} at {}", way.join(" "), place.at)
        };
        let found: Vec<_> = graph.circles().into_iter().map(told).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_way_back_is_found_once_and_with_what_closes_it() {
        check(&[], &[]);
        check(&[("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")], &[]);
        check(&[("a", "a")], &["a a at 0"]);
        check(&[("a", "b"), ("b", "c"), ("c", "b"), ("x", "a")], &["b c b at 2"]);
        check(&[("a", "b"), ("b", "a"), ("c", "d"), ("d", "c")], &["a b a at 1", "c d c at 3"]);
        check(&[("a", "b"), ("b", "a"), ("b", "c"), ("c", "a")], &["a b a at 1"]);
    }

    #[test]
    fn a_chain_of_thousands_is_no_circle_and_no_overflow() {
        let mut graph = Dependencies::default();
        for number in 0..20_000 {
            let (one, next) = (format!("{number:05}"), format!("{:05}", number + 1));
            graph.add((*one).into(), (*next).into(), Place { key: String::new(), at: 0 });
        }
        assert!(graph.circles().is_empty());
        graph.add("20000".into(), "00000".into(), Place { key: String::new(), at: 7 });
        assert_eq!(graph.circles().len(), 1);
    }
}
