//! From an event's id to the routes whose patterns match it, in few steps however many patterns there are.
//!
//! An id without a star is found by a map. A beginning is found in two steps: the namespace by a map, and what lies in it
//! by a search in order. What names no whole namespace (`*`, `cha*`) is searched for each event, and is rarely more than
//! one. Where there are few routes, all are looked at: that is done before a key is hashed.

use super::places::{Merged, Place, Places};
use foldhash::quality::RandomState;
use std::{
    collections::{BTreeMap, HashMap},
    ops::ControlFlow,
};
use tengen_settings::Pattern;
use tengen_wire::id::EndpointIndex;

/// Up to so many routes are looked at one by one.
const FEW: usize = 8;

/// A route's pattern, and the endpoint whose events it is for; none: those of all.
pub(crate) type Taken = (Pattern, Option<EndpointIndex>);

/// The patterns of all routes.
#[derive(Debug, Clone)]
pub(crate) enum Index {
    Few(Box<[Taken]>),
    Many(Box<Sorted>),
}

impl Index {
    /// In route order.
    pub(crate) fn of(taken: Vec<Taken>) -> Self {
        match taken.len() {
            ..=FEW => Self::Few(taken.into()),
            _ => Self::Many(Box::new(Sorted::of(&taken))),
        }
    }

    /// Calls with the place of each route that takes this event, in order, until it is told to end.
    pub(crate) fn visit(
        &self,
        endpoint: EndpointIndex,
        id: &str,
        mut visit: impl FnMut(Place) -> ControlFlow<()>,
    ) {
        let all = match self {
            Self::Few(all) => all,
            Self::Many(sorted) => {
                let _ended = sorted.matching(endpoint, id).try_for_each(visit);
                return;
            }
        };
        for (place, (pattern, own)) in (0..).zip(all) {
            super::step();
            let takes = own.is_none_or(|own| own == endpoint) && pattern.matches(id);
            if takes && visit(place).is_break() {
                return;
            }
        }
    }
}

/// Keys are the operator's, and nobody else can add one; peers choose what is looked up. The seed is random, so they
/// cannot choose what it collides with either.
type Map<T> = HashMap<Box<str>, T, RandomState>;

/// Patterns, each with the places of the routes that have it.
#[derive(Debug, Clone)]
pub(crate) struct Sorted {
    whole: Map<Places>,
    /// Beginnings by their namespace.
    spaces: Map<Beginnings>,
    /// Those of no whole namespace.
    short: Beginnings,
}

impl Sorted {
    fn of(taken: &[Taken]) -> Self {
        let (mut whole, mut short) = (Map::<Places>::default(), BTreeMap::new());
        let mut spaces = Map::<BTreeMap<Box<str>, Places>>::default();
        for (place, (pattern, endpoint)) in (0..).zip(taken) {
            let places = match pattern.0.strip_suffix('*') {
                None => whole.entry(pattern.0.as_str().into()).or_default(),
                Some(beginning) => {
                    let beginnings = match beginning.split_once('/') {
                        Some((space, _)) => spaces.entry(space.into()).or_default(),
                        None => &mut short,
                    };
                    beginnings.entry(beginning.into()).or_default()
                }
            };
            places.add(*endpoint, place);
        }
        let spaces = spaces.into_iter().map(|(space, of)| (space, Beginnings::new(of))).collect();
        Self { whole, spaces, short: Beginnings::new(short) }
    }

    fn matching(&self, endpoint: EndpointIndex, id: &str) -> Merged<'_> {
        let mut merged = Merged::default();
        self.short.matching(id, |places| merged.add(places, endpoint));
        if let Some(beginnings) = look_up(&self.spaces, || Some(id.split_once('/')?.0)) {
            beginnings.matching(id, |places| merged.add(places, endpoint));
        }
        if let Some(places) = look_up(&self.whole, || Some(id)) {
            merged.add(places, endpoint);
        }
        merged
    }
}

/// Makes no key for an empty map.
fn look_up<'a, 'k, T>(map: &'a Map<T>, key: impl FnOnce() -> Option<&'k str>) -> Option<&'a T> {
    if map.is_empty() {
        return None;
    }
    super::step();
    map.get(key()?)
}

/// Beginnings in order. Each knows which other one it goes on from.
#[derive(Debug, Clone, Default)]
struct Beginnings(Box<[Beginning]>);

#[derive(Debug, Clone)]
struct Beginning {
    text: Box<str>,
    places: Places,
    /// The longest other one that this one begins with.
    within: Option<usize>,
}

impl Beginnings {
    fn new(of: BTreeMap<Box<str>, Places>) -> Self {
        let mut all: Vec<Beginning> = Vec::with_capacity(of.len());
        for (text, places) in of {
            // What this one begins with is the one before it, or what that one begins with.
            let mut within = all.len().checked_sub(1);
            while let Some(before) = within.and_then(|place| all.get(place)) {
                if text.starts_with(&*before.text) {
                    break;
                }
                within = before.within;
            }
            all.push(Beginning { text, places, within });
        }
        Self(all.into())
    }

    /// Calls back with each beginning of this id.
    fn matching<'a>(&'a self, id: &str, mut found: impl FnMut(&'a Places)) {
        // A beginning of the id is not after the id, and whatever stands between the two begins with it. So the last
        // one that is not after the id begins with all that are looked for.
        let after = self.0.partition_point(|beginning| {
            super::step();
            *beginning.text <= *id
        });
        let mut place = after.checked_sub(1);
        // What begins with a beginning of the id is none itself only if it is longer: once one matches, all do.
        let mut matches = false;
        while let Some(beginning) = place.and_then(|place| self.0.get(place)) {
            super::step();
            matches = matches || id.starts_with(&*beginning.text);
            if matches {
                found(&beginning.places);
            }
            place = beginning.within;
        }
    }
}
