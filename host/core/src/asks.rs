//! Questions to clients that have no answer yet. A state machine: time comes in as milliseconds since some beginning.
//!
//! A question is in two places: in its connection's list, which is short, and in the order of when it is given up.

use std::collections::{BTreeSet, HashMap};
use tengen_wire::id::{Handle, PluginName};

/// The most that a connection has open, of all plugins together.
pub const OF_A_CONNECTION: usize = 16;

/// A question. `held` is whatever goes with it.
#[derive(Debug, PartialEq, Eq)]
pub struct Open<T> {
    /// No other question ever has it.
    pub key: u64,
    pub plugin: PluginName,
    /// The plugin's own: of its open questions to a connection, only one has it.
    pub name: String,
    /// When it is given up.
    pub at: u64,
    pub held: T,
}

/// Why there is no further question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The connection has as many as it may.
    Many,
    /// The plugin has asked it one of this name.
    Named,
}

#[derive(Debug)]
pub struct Asks<T> {
    of: HashMap<Handle, Vec<Open<T>>>,
    order: BTreeSet<(u64, Handle, u64)>,
}

impl<T> Default for Asks<T> {
    fn default() -> Self {
        Self { of: HashMap::new(), order: BTreeSet::new() }
    }
}

impl<T> Asks<T> {
    /// Asks a connection.
    pub fn open(&mut self, of: Handle, question: Open<T>) -> Result<(), Full> {
        let own = self.of.get(&of).map_or(&[][..], Vec::as_slice);
        let is_same = |own: &Open<T>| own.plugin == question.plugin && own.name == question.name;
        if own.iter().any(is_same) {
            return Err(Full::Named);
        }
        if own.len() >= OF_A_CONNECTION {
            return Err(Full::Many);
        }
        self.order.insert((question.at, of, question.key));
        self.of.entry(of).or_default().push(question);
        Ok(())
    }

    /// Takes a question out: it is answered, or given up. None: the connection has none of this key.
    pub fn take(&mut self, of: Handle, key: u64) -> Option<Open<T>> {
        let own = self.of.get_mut(&of)?;
        let place = own.iter().position(|own| own.key == key)?;
        let question = own.remove(place);
        if own.is_empty() {
            self.of.remove(&of);
        }
        self.order.remove(&(question.at, of, key));
        Some(question)
    }

    /// Whether a connection has one of this key.
    pub fn has(&self, of: Handle, key: u64) -> bool {
        self.of.get(&of).is_some_and(|own| own.iter().any(|own| own.key == key))
    }

    /// When the next one is given up.
    pub fn next(&self) -> Option<u64> {
        self.order.first().map(|(at, ..)| *at)
    }

    /// One that nobody has answered by now, and whom it was for.
    pub fn pop(&mut self, now: u64) -> Option<(Handle, Open<T>)> {
        let (_, of, key) = *self.order.first().filter(|(at, ..)| *at <= now)?;
        self.take(of, key).map(|question| (of, question))
    }

    /// The connection has ended: what it was asked, in order.
    pub fn end(&mut self, of: Handle) -> Vec<Open<T>> {
        let own = self.of.remove(&of).unwrap_or_default();
        for question in &own {
            self.order.remove(&(question.at, of, question.key));
        }
        own
    }

    /// Questions of these plugins are nobody's any more. Returns how many there were.
    pub fn forget(&mut self, is_gone: impl Fn(&PluginName) -> bool) -> usize {
        let before = self.order.len();
        let Self { of, order } = self;
        of.retain(|handle, own| {
            own.retain(|question| {
                let stays = !is_gone(&question.plugin);
                if !stays {
                    order.remove(&(question.at, *handle, question.key));
                }
                stays
            });
            !own.is_empty()
        });
        before - order.len()
    }

    pub fn len(&self) -> usize {
        self.order.len()
    }

    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn question(key: u64, plugin: &str, name: &str, at: u64) -> Open<()> {
        Open { key, plugin: plugin.into(), name: name.to_owned(), at, held: () }
    }

    #[test]
    fn a_name_is_free_again_when_its_question_is_over_and_each_plugin_has_its_own() {
        let (mut asks, one) = (Asks::default(), Handle(1));
        assert_eq!(asks.open(one, question(1, "a", "n", 10)), Ok(()));
        assert_eq!(asks.open(one, question(2, "a", "n", 10)), Err(Full::Named));
        assert_eq!(asks.open(one, question(3, "b", "n", 10)), Ok(()));
        assert_eq!(asks.open(Handle(2), question(4, "a", "n", 10)), Ok(()));
        assert_eq!(asks.take(Handle(2), 1), None, "another connection's");
        assert!(asks.has(one, 1) && !asks.has(Handle(2), 1) && !asks.has(one, 2));
        assert_eq!(asks.take(one, 1).map(|question| question.name), Some("n".to_owned()));
        assert_eq!(asks.take(one, 1), None, "once");
        assert_eq!(asks.open(one, question(5, "a", "n", 10)), Ok(()));
        assert_eq!(asks.forget(|plugin| &**plugin == "a"), 2);
        assert_eq!(asks.end(one), [question(3, "b", "n", 10)]);
        assert!(asks.is_empty() && asks.of.is_empty());
    }

    #[test]
    fn a_connection_has_so_many_whoever_asks() {
        let (mut asks, one) = (Asks::default(), Handle(1));
        for key in 0..OF_A_CONNECTION as u64 {
            let plugin = if key % 2 == 0 { "a" } else { "b" };
            assert_eq!(asks.open(one, question(key, plugin, &key.to_string(), 10)), Ok(()));
        }
        assert_eq!(asks.open(one, question(99, "a", "more", 10)), Err(Full::Many));
        asks.take(one, 3);
        assert_eq!(asks.open(one, question(99, "a", "more", 10)), Ok(()));
    }

    /// What may happen to questions.
    #[derive(Debug, Clone)]
    enum Step {
        Open(u32, bool, u8, u64),
        Take(u32, u64),
        End(u32),
        Forget(bool),
        Wait(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (0..3_u32, any::<bool>(), 0..4_u8, 0..50_u64)
                .prop_map(|(of, plugin, name, after)| Step::Open(of, plugin, name, after)),
            3 => (0..3_u32, 0..40_u64).prop_map(|(of, key)| Step::Take(of, key)),
            1 => (0..3_u32).prop_map(Step::End),
            1 => any::<bool>().prop_map(Step::Forget),
            3 => (0..30_u64).prop_map(Step::Wait),
        ]
    }

    fn plugin(first: bool) -> PluginName {
        if first { "a".into() } else { "b".into() }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        /// Each question comes out once, and as what it went in.
        #[test]
        fn questions_are_what_a_plain_list_of_them_is(steps in proptest::collection::vec(step(), 0..60)) {
            let mut asks = Asks::default();
            let mut model: Vec<(Handle, u64, PluginName, String, u64)> = Vec::new();
            let mut now = 0;
            for (key, step) in (0_u64..).zip(steps) {
                match step {
                    Step::Open(of, first, name, after) => {
                        let (of, plugin, name, at) =
                            (Handle(of), plugin(first), name.to_string(), now + after);
                        let is_known = model.iter().any(|(own, _, by, named, _)| {
                            (own, by, named) == (&of, &plugin, &name)
                        });
                        let held = ();
                        let opened = asks
                            .open(of, Open { key, plugin: plugin.clone(), name: name.clone(), at, held });
                        prop_assert_eq!(opened.is_ok(), !is_known);
                        if !is_known {
                            model.push((of, key, plugin, name, at));
                        }
                    }
                    Step::Take(of, key) => {
                        let place = model.iter().position(|(own, it, ..)| (own.0, *it) == (of, key));
                        let expected = place.map(|place| model.remove(place).3);
                        prop_assert_eq!(asks.take(Handle(of), key).map(|own| own.name), expected);
                    }
                    Step::End(of) => {
                        let keys: Vec<_> = asks.end(Handle(of)).iter().map(|own| own.key).collect();
                        let (gone, rest): (Vec<_>, Vec<_>) =
                            model.into_iter().partition(|(own, ..)| own.0 == of);
                        model = rest;
                        prop_assert_eq!(keys, gone.iter().map(|(_, key, ..)| *key).collect::<Vec<_>>());
                    }
                    Step::Forget(first) => {
                        let before = model.len();
                        model.retain(|(_, _, by, ..)| *by != plugin(first));
                        prop_assert_eq!(asks.forget(|by| *by == plugin(first)), before - model.len());
                    }
                    Step::Wait(time) => {
                        now += time;
                        let mut over: Vec<_> = std::iter::from_fn(|| asks.pop(now))
                            .map(|(of, own)| (of, own.key)).collect();
                        let (mut due, rest): (Vec<_>, Vec<_>) =
                            model.into_iter().partition(|(.., at)| *at <= now);
                        model = rest;
                        over.sort();
                        due.sort();
                        let due: Vec<_> = due.iter().map(|(of, key, ..)| (*of, *key)).collect();
                        prop_assert_eq!(over, due);
                    }
                }
                prop_assert_eq!(asks.len(), model.len());
                prop_assert_eq!(asks.next(), model.iter().map(|(.., at)| *at).min());
            }
        }
    }
}
