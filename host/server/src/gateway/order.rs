//! Who begins when: plugins after those that they depend on, and at the end the other way round.

use std::collections::{BTreeMap, BTreeSet};
use tengen_settings::Settings;
use tengen_wire::id::PluginName;

/// What is left of an order that is being gone through.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// For each one whose turn has not come those that come before it.
    waiting: BTreeMap<PluginName, BTreeSet<PluginName>>,
    /// For each one those that may wait for it.
    behind: BTreeMap<PluginName, Vec<PluginName>>,
    ready: BTreeSet<PluginName>,
}

impl Order {
    /// These, each after what it names; what it names that is not among these is not waited for.
    pub(super) fn new(all: impl IntoIterator<Item = (PluginName, BTreeSet<PluginName>)>) -> Self {
        let mut waiting: BTreeMap<_, BTreeSet<PluginName>> = all.into_iter().collect();
        let known: BTreeSet<_> = waiting.keys().cloned().collect();
        let mut order = Self::default();
        for (name, before) in &mut waiting {
            before.retain(|other| known.contains(other));
            for other in before.iter() {
                order.behind.entry(other.clone()).or_default().push(name.clone());
            }
        }
        let free = waiting.extract_if(.., |_, before| before.is_empty());
        order.ready = free.map(|(name, _)| name).collect();
        order.waiting = waiting;
        order
    }

    /// These plugins, each after those that it depends on.
    pub(super) fn starting(settings: &Settings, names: impl Iterator<Item = PluginName>) -> Self {
        let before = |name: &PluginName| {
            let plugin = settings.plugins.get(name);
            plugin.map(|it| it.depends_on.iter().cloned().collect()).unwrap_or_default()
        };
        Self::new(names.map(|name| {
            let before = before(&name);
            (name, before)
        }))
    }

    /// These plugins, each after those that depend on it.
    pub(super) fn stopping(settings: &Settings, names: impl Iterator<Item = PluginName>) -> Self {
        let mut all: BTreeMap<_, BTreeSet<_>> = names.map(|name| (name, BTreeSet::new())).collect();
        for (name, plugin) in &settings.plugins {
            for other in &plugin.depends_on {
                if let Some(before) = all.get_mut(other) {
                    before.insert(name.clone());
                }
            }
        }
        Self::new(all)
    }

    /// One whose turn has come; each comes once.
    pub(super) fn next(&mut self) -> Option<PluginName> {
        self.ready.pop_first()
    }

    /// One is done: those come next that waited for nobody else.
    pub(super) fn done(&mut self, name: &PluginName) {
        for other in self.behind.remove(name).unwrap_or_default() {
            let Some(before) = self.waiting.get_mut(&other) else { continue };
            before.remove(name);
            if before.is_empty() {
                self.waiting.remove(&other);
                self.ready.insert(other);
            }
        }
    }

    /// Those whose turn has not come, each with those that it waits for.
    pub(super) fn left(self) -> BTreeMap<PluginName, BTreeSet<PluginName>> {
        self.waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tengen_settings::Plugin;

    fn settings(plugins: &[(&str, &[&str])]) -> Settings {
        let mut settings = Settings::default();
        for (name, depends_on) in plugins {
            let mut plugin = Plugin::new("p.wasm");
            plugin.depends_on = depends_on.iter().map(|&name| name.into()).collect();
            settings.plugins.insert((*name).into(), plugin);
        }
        settings
    }

    /// All that may go at one time, stage by stage.
    fn stages(mut order: Order) -> Vec<Vec<String>> {
        let mut stages = Vec::new();
        loop {
            let stage: Vec<_> = std::iter::from_fn(|| order.next()).collect();
            if stage.is_empty() {
                assert!(order.left().is_empty(), "everybody had a turn");
                return stages;
            }
            stage.iter().for_each(|name| order.done(name));
            stages.push(stage.iter().map(ToString::to_string).collect());
        }
    }

    #[test]
    fn what_is_depended_on_comes_first_at_the_start_and_last_at_the_end() {
        let settings = settings(&[
            ("chat", &["auth", "store"]),
            ("auth", &["store"]),
            ("log", &[]),
            ("store", &[]),
            ("zoo", &["chat", "gone"]),
        ]);
        let names = || settings.plugins.keys().cloned().chain(["of-folder".into()]);
        let starting = stages(Order::starting(&settings, names()));
        let expected = [vec!["log", "of-folder", "store"], vec!["auth"], vec!["chat"], vec!["zoo"]];
        assert_eq!(starting, expected);
        let stopping = stages(Order::stopping(&settings, names()));
        let expected = [vec!["log", "of-folder", "zoo"], vec!["chat"], vec!["auth"], vec!["store"]];
        assert_eq!(stopping, expected);
    }

    #[test]
    fn those_that_wait_for_each_other_are_left_and_hold_up_nobody_else() {
        let settings = settings(&[("a", &["b"]), ("b", &["a"]), ("c", &[])]);
        let mut order = Order::stopping(&settings, settings.plugins.keys().cloned());
        assert_eq!((order.next().as_deref(), order.next()), (Some("c"), None));
        order.done(&"c".into());
        assert_eq!(order.left().len(), 2);
    }

    #[test]
    fn whoever_waits_for_one_that_is_never_done_is_left_with_what_it_waits_for() {
        let settings = settings(&[("a", &[]), ("b", &["a"]), ("c", &["b", "d"]), ("d", &[])]);
        let mut order = Order::starting(&settings, settings.plugins.keys().cloned());
        assert_eq!((order.next().as_deref(), order.next().as_deref()), (Some("a"), Some("d")));
        order.done(&"d".into());
        assert_eq!(order.next(), None);
        let left = order.left();
        let waits = |name: &str| left[name].iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!((waits("b"), waits("c")), (vec!["a".to_owned()], vec!["b".to_owned()]));
    }
}
