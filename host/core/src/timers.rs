//! Plugins' timers: which are set, and which are due. A state machine: time comes in as milliseconds since some beginning.
//!
//! A timer is its owner's, under a key. It is in two places: in its owner's list, which is short, and in the order of
//! what is due.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};
use tengen_wire::id::Handle;

/// The most that a connection has, of one plugin.
pub const OF_A_CONNECTION: usize = 16;
/// The most that a plugin has of its own.
pub const OF_A_PLUGIN: usize = 1024;

/// Whose timers they are: a plugin's, which is known by its number here, and a connection's or its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    pub plugin: u16,
    pub connection: Option<Handle>,
}

/// A timer that is due, and gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    pub owner: Owner,
    pub key: Arc<str>,
}

/// An owner has as many as it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full {
    pub most: usize,
}

#[derive(Debug, Default)]
pub struct Timers {
    of: HashMap<Owner, Vec<Own>>,
    order: BTreeSet<(u64, Owner, Arc<str>)>,
}

#[derive(Debug)]
struct Own {
    key: Arc<str>,
    at: u64,
}

impl Timers {
    /// Sets a timer; one that has the key already is replaced.
    pub fn set(&mut self, owner: Owner, key: &str, at: u64) -> Result<(), Full> {
        let own = self.of.entry(owner).or_default();
        let key = match own.iter_mut().find(|own| *own.key == *key) {
            Some(known) => {
                self.order.remove(&(known.at, owner, Arc::clone(&known.key)));
                known.at = at;
                Arc::clone(&known.key)
            }
            None => {
                let most = if owner.connection.is_some() { OF_A_CONNECTION } else { OF_A_PLUGIN };
                if own.len() >= most {
                    return Err(Full { most });
                }
                let key: Arc<str> = key.into();
                // Most owners have one or two.
                own.reserve_exact(usize::from(own.len() == own.capacity()) * own.len().max(1));
                own.push(Own { key: Arc::clone(&key), at });
                key
            }
        };
        self.order.insert((at, owner, key));
        Ok(())
    }

    /// Whether there was one.
    pub fn cancel(&mut self, owner: Owner, key: &str) -> bool {
        let Some(at) = self.take(owner, key) else { return false };
        self.order.remove(&(at, owner, key.into()))
    }

    /// When the next one is due.
    pub fn next(&self) -> Option<u64> {
        self.order.first().map(|(at, ..)| *at)
    }

    /// One that is due by now. It is gone from here on.
    pub fn pop(&mut self, now: u64) -> Option<Due> {
        self.next().filter(|at| *at <= now)?;
        let (_, owner, key) = self.order.pop_first()?;
        self.take(owner, &key);
        Some(Due { owner, key })
    }

    /// Nobody has these any more: the connection has ended. Returns how many there were.
    pub fn end(&mut self, owner: Owner) -> usize {
        let own = self.of.remove(&owner).unwrap_or_default();
        for Own { key, at } in &own {
            self.order.remove(&(*at, owner, Arc::clone(key)));
        }
        own.len()
    }

    /// A plugin is gone, with all that it had set.
    pub fn forget(&mut self, plugin: u16) -> usize {
        let owners: Vec<_> =
            self.of.keys().copied().filter(|owner| owner.plugin == plugin).collect();
        owners.into_iter().map(|owner| self.end(owner)).sum()
    }

    pub fn len(&self) -> usize {
        self.order.len()
    }

    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Takes one out of its owner's list. Returns when it would have been due.
    fn take(&mut self, owner: Owner, key: &str) -> Option<u64> {
        let own = self.of.get_mut(&owner)?;
        let place = own.iter().position(|own| *own.key == *key)?;
        let at = own.swap_remove(place).at;
        if own.is_empty() {
            self.of.remove(&owner);
        }
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OWN: Owner = Owner { plugin: 0, connection: None };

    fn of(connection: u32) -> Owner {
        Owner { plugin: 0, connection: Some(Handle(connection)) }
    }

    fn due(timers: &mut Timers, now: u64) -> Vec<String> {
        std::iter::from_fn(|| timers.pop(now)).map(|due| due.key.to_string()).collect()
    }

    #[test]
    fn a_timer_fires_once_and_the_same_key_replaces() {
        let mut timers = Timers::default();
        timers.set(OWN, "a", 10).unwrap();
        timers.set(OWN, "b", 20).unwrap();
        timers.set(OWN, "a", 30).unwrap();
        assert_eq!((timers.len(), timers.next()), (2, Some(20)));
        assert_eq!(due(&mut timers, 19), [""; 0]);
        assert_eq!(due(&mut timers, 30), ["b", "a"]);
        assert_eq!(due(&mut timers, 99), [""; 0]);
        assert!(timers.is_empty() && timers.of.is_empty());
    }

    #[test]
    fn the_same_key_of_another_owner_is_another_timer() {
        let mut timers = Timers::default();
        let other = Owner { plugin: 1, ..of(1) };
        for owner in [OWN, of(1), of(2), other] {
            timers.set(owner, "a", 10).unwrap();
        }
        assert!(timers.cancel(of(2), "a"));
        assert!(!timers.cancel(of(2), "a") && !timers.cancel(of(3), "a"));
        assert_eq!(timers.end(of(1)), 1);
        assert_eq!(timers.len(), 2);
        assert_eq!(timers.forget(0), 1);
        assert_eq!(timers.pop(10), Some(Due { owner: other, key: "a".into() }));
    }

    #[test]
    fn an_owner_has_so_many_and_may_always_replace() {
        let mut timers = Timers::default();
        for (owner, most) in [(of(1), OF_A_CONNECTION), (OWN, OF_A_PLUGIN)] {
            for number in 0..most {
                timers.set(owner, &number.to_string(), 10).unwrap();
            }
            assert_eq!(timers.set(owner, "more", 10), Err(Full { most }));
            timers.set(owner, "0", 20).unwrap();
            assert!(timers.cancel(owner, "0"));
            timers.set(owner, "more", 10).unwrap();
        }
    }

    /// What may be done to timers.
    #[derive(Debug, Clone)]
    enum Step {
        Set(Owner, u8, u64),
        Cancel(Owner, u8),
        End(Owner),
        Forget(u16),
        Wait(u64),
    }

    fn owner() -> impl Strategy<Value = Owner> {
        (0..2_u16, proptest::option::of(0..3_u32))
            .prop_map(|(plugin, handle)| Owner { plugin, connection: handle.map(Handle) })
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (owner(), 0..4_u8, 0..50_u64).prop_map(|(owner, key, after)| Step::Set(owner, key, after)),
            2 => (owner(), 0..4_u8).prop_map(|(owner, key)| Step::Cancel(owner, key)),
            1 => owner().prop_map(Step::End),
            1 => (0..2_u16).prop_map(Step::Forget),
            3 => (0..30_u64).prop_map(Step::Wait),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn timers_are_what_a_plain_list_of_them_is(steps in proptest::collection::vec(step(), 0..60)) {
            let mut timers = Timers::default();
            let mut model: Vec<(Owner, String, u64)> = Vec::new();
            let mut now = 0;
            for step in steps {
                match step {
                    Step::Set(owner, key, after) => {
                        let key = key.to_string();
                        model.retain(|(of, named, _)| (of, named) != (&owner, &key));
                        timers.set(owner, &key, now + after).unwrap();
                        model.push((owner, key, now + after));
                    }
                    Step::Cancel(owner, key) => {
                        let key = key.to_string();
                        let before = model.len();
                        model.retain(|(of, named, _)| (of, named) != (&owner, &key));
                        prop_assert_eq!(timers.cancel(owner, &key), model.len() < before);
                    }
                    Step::End(owner) => {
                        let before = model.len();
                        model.retain(|(of, ..)| *of != owner);
                        prop_assert_eq!(timers.end(owner), before - model.len());
                    }
                    Step::Forget(plugin) => {
                        let before = model.len();
                        model.retain(|(of, ..)| of.plugin != plugin);
                        prop_assert_eq!(timers.forget(plugin), before - model.len());
                    }
                    Step::Wait(time) => {
                        now += time;
                        let mut fired = Vec::new();
                        let mut last = 0;
                        while let Some(at) = timers.next().filter(|at| *at <= now) {
                            prop_assert!(at >= last, "in the order in which they are due");
                            last = at;
                            let Due { owner, key } = timers.pop(now).unwrap();
                            fired.push((owner, key.to_string(), at));
                        }
                        let (mut due, rest): (Vec<_>, Vec<_>) =
                            model.into_iter().partition(|(.., at)| *at <= now);
                        model = rest;
                        due.sort();
                        fired.sort();
                        prop_assert_eq!(fired, due);
                    }
                }
                prop_assert_eq!(timers.len(), model.len());
                prop_assert_eq!(timers.next(), model.iter().map(|(.., at)| *at).min());
            }
        }
    }
}
