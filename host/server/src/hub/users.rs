//! Users by the endpoints at which they are, so that those of some endpoints are counted without looking at anybody.
//!
//! A user who is at two endpoints is one user for a plugin that has both. So each is counted once, for the set of endpoints
//! that it is at; of such sets there are few.

use std::collections::HashMap;
use tengen_wire::id::EndpointIndex;

/// How many users are at which endpoints.
#[derive(Debug, Default)]
pub(super) struct Users {
    /// Those who are at one endpoint alone, by its index.
    alone: Vec<usize>,
    /// Those who are at several, by these in order.
    several: HashMap<Box<[EndpointIndex]>, usize>,
}

/// At which endpoints one user is, and with how many connections at each, in order.
#[derive(Debug, Default)]
pub(super) struct At(Vec<(EndpointIndex, usize)>);

impl Users {
    /// A user without a connection has one.
    pub(super) fn comes(&mut self, to: EndpointIndex) {
        self.alone(to, |count| count + 1);
    }

    /// A user with one connection has none any more.
    pub(super) fn goes(&mut self, from: EndpointIndex) {
        self.alone(from, |count| count.saturating_sub(1));
    }

    /// A user has one connection more.
    pub(super) fn joins(&mut self, at: &mut At, to: EndpointIndex) {
        match at.find(to) {
            Ok(place) => at.change(place, |count| count + 1),
            Err(place) => {
                self.less(at);
                at.0.insert(place, (to, 1));
                self.more(at);
            }
        }
    }

    /// A user has one connection less, and had one there.
    pub(super) fn leaves(&mut self, at: &mut At, from: EndpointIndex) {
        let Ok(place) = at.find(from) else { return };
        if at.0.get(place).is_some_and(|(_, count)| *count > 1) {
            at.change(place, |count| count - 1);
            return;
        }
        self.less(at);
        at.0.remove(place);
        self.more(at);
    }

    /// How many are at one at least of these endpoints.
    pub(super) fn at(&self, own: impl Fn(EndpointIndex) -> bool) -> usize {
        let alone = (0..).map(EndpointIndex).zip(&self.alone);
        let alone = alone.filter(|(at, _)| own(*at)).map(|(_, count)| count);
        let several = self.several.iter().filter(|(at, _)| at.iter().any(|at| own(*at)));
        alone.chain(several.map(|(_, count)| count)).sum()
    }

    fn more(&mut self, at: &At) {
        match at.0.as_slice() {
            [] => {}
            [(at, _)] => self.comes(*at),
            _ => *self.several.entry(at.endpoints()).or_default() += 1,
        }
    }

    fn less(&mut self, at: &At) {
        let all = match at.0.as_slice() {
            [] => return,
            [(at, _)] => return self.goes(*at),
            _ => at.endpoints(),
        };
        if let Some(count) = self.several.get_mut(&all) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.several.remove(&all);
            }
        }
    }

    fn alone(&mut self, at: EndpointIndex, change: impl FnOnce(usize) -> usize) {
        let place = usize::from(at.0);
        if self.alone.len() <= place {
            self.alone.resize(place + 1, 0);
        }
        if let Some(count) = self.alone.get_mut(place) {
            *count = change(*count);
        }
    }
}

impl At {
    /// With one connection, which is counted already.
    pub(super) fn one(endpoint: EndpointIndex) -> Self {
        Self(vec![(endpoint, 1)])
    }

    fn find(&self, endpoint: EndpointIndex) -> Result<usize, usize> {
        self.0.binary_search_by_key(&endpoint, |(at, _)| *at)
    }

    fn change(&mut self, place: usize, change: impl FnOnce(usize) -> usize) {
        if let Some((_, count)) = self.0.get_mut(place) {
            *count = change(*count);
        }
    }

    /// Whether one of them is one of these.
    pub(super) fn is_at(&self, is_one: impl Fn(EndpointIndex) -> bool) -> bool {
        self.0.iter().any(|(at, _)| is_one(*at))
    }

    fn endpoints(&self) -> Box<[EndpointIndex]> {
        self.0.iter().map(|(at, _)| *at).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: EndpointIndex = EndpointIndex(0);
    const B: EndpointIndex = EndpointIndex(1);

    #[track_caller]
    fn check(users: &Users, [only_a, only_b, both]: [usize; 3]) {
        let counts = [users.at(|at| at == A), users.at(|at| at == B), users.at(|_| true)];
        assert_eq!(counts, [only_a, only_b, both]);
    }

    #[test]
    fn who_is_at_two_endpoints_is_one_user() {
        let mut users = Users::default();
        users.comes(A);
        let mut ann = At::one(A);
        users.comes(B);
        check(&users, [1, 1, 2]);
        users.joins(&mut ann, B);
        users.joins(&mut ann, B);
        check(&users, [1, 2, 2]);
        users.leaves(&mut ann, B);
        check(&users, [1, 2, 2]);
        users.leaves(&mut ann, A);
        check(&users, [0, 2, 2]);
        users.leaves(&mut ann, B);
        check(&users, [0, 1, 1]);
        users.goes(B);
        check(&users, [0, 0, 0]);
        assert!(users.several.is_empty());
    }
}
