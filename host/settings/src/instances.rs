//! How many instances plugins may have at one time: what places are reserved for, and what `limits.plugin_instances` bounds.

use crate::{limits::PLUGIN_INSTANCES_MAX, plugins::Plugin, settings::Settings};
use std::{collections::BTreeMap, num::NonZeroUsize, ops::Add};
use tengen_wire::id::PluginName;

/// Components that a plugin folder may get, beside as many as it holds.
const TO_COME: usize = 8;

/// Numbers of instances.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Instances {
    /// Those that serve.
    pub serving: usize,
    /// Those that there may be while every plugin is reloaded: of two versions, and a rehearsal each.
    pub most: usize,
}

impl Instances {
    /// Of a plugin that this many of the stateless roles are used of. Whether it is a handler is not known before its
    /// file is read: it has one instance as one, unless events are routed to it.
    fn of(plugin: &Plugin, stateless: usize, is_routed: bool) -> Self {
        let each = plugin.instances.get();
        let handlers = if is_routed { each } else { 1 };
        Self::reloaded(each.saturating_mul(stateless).saturating_add(handlers))
    }

    /// Of so many components of a plugin folder: nobody asks them who somebody is, and no signals go to them.
    pub fn of_components(number: usize) -> Self {
        Self { serving: number, most: number.saturating_mul(Self::reloaded(1).most) }
    }

    /// What is reserved for a plugin folder with so many components: for twice as many and some more, since files are put
    /// into it.
    pub fn of_folder(components: usize) -> Self {
        Self::of_components(components.saturating_mul(2).saturating_add(TO_COME))
    }

    fn reloaded(serving: usize) -> Self {
        Self { serving, most: serving.saturating_mul(2).saturating_add(1) }
    }

    /// What to do when there may be more of them than the limit; none: they fit.
    pub fn excess(self, limit: NonZeroUsize) -> Option<String> {
        let Self { serving, most } = self;
        if most <= limit.get() {
            return None;
        }
        let raise = match most <= PLUGIN_INSTANCES_MAX {
            true => format!("write `limits.plugin_instances` = {most}, "),
            false => String::new(),
        };
        Some(format!(
            "the plugins may have {most} instances at one time ({serving} that serve, and while they are reloaded as many of another version and one each that is tried), where `limits.plugin_instances` allows {limit}; {raise}run fewer plugins, or lower `plugin.NAME.instances` where it is set"
        ))
    }
}

impl Add for Instances {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            serving: self.serving.saturating_add(other.serving),
            most: self.most.saturating_add(other.most),
        }
    }
}

impl Settings {
    /// Those of the plugins that are configured. What is in a plugin folder comes on top.
    pub fn instances(&self) -> Instances {
        let mut stateless: BTreeMap<&PluginName, (bool, bool)> = BTreeMap::new();
        for name in self.endpoints.iter().filter_map(|endpoint| endpoint.authenticator.as_ref()) {
            stateless.entry(name).or_default().0 = true;
        }
        for name in self.telemetry.sinks.iter().filter_map(|sink| sink.plugin.as_ref()) {
            stateless.entry(name).or_default().1 = true;
        }
        let of = |(name, plugin)| {
            let (authenticator, sink) = stateless.get(name).copied().unwrap_or_default();
            let is_routed = self.routes.iter().any(|route| route.plugin == *name);
            let stateless = usize::from(authenticator) + usize::from(sink);
            Instances::of(plugin, stateless, is_routed || plugin.affinity.is_some())
        };
        self.plugins.iter().map(of).fold(Instances::default(), Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sink;

    fn instances(serving: usize, most: usize) -> Instances {
        Instances { serving, most }
    }

    #[test]
    fn every_plugin_counts_with_its_roles_and_both_versions() {
        let mut settings = Settings::default();
        assert_eq!(settings.instances(), instances(0, 0));
        settings.plugins.insert("chat".into(), Plugin::new("chat.wasm"));
        assert_eq!(settings.instances(), instances(1, 3));
        let mut several = Plugin::new("auth.wasm");
        several.instances = NonZeroUsize::new(5).unwrap();
        settings.plugins.insert("auth".into(), several);
        assert_eq!(settings.instances(), instances(2, 6), "nobody asks it who somebody is");
        for endpoint in &mut settings.endpoints {
            std::sync::Arc::make_mut(endpoint).authenticator = Some("auth".into());
        }
        assert_eq!(settings.instances(), instances(1 + 6, 3 + 13), "one role, however many ask");
        let sink = Sink { buffer: NonZeroUsize::MIN, ..Sink::of_plugin("auth") };
        settings.telemetry.sinks.push(sink);
        assert_eq!(settings.instances(), instances(1 + 11, 3 + 23));
        settings.plugins.get_mut("auth").expect("it is there").affinity =
            Some(crate::Affinity::User);
        assert_eq!(settings.instances(), instances(1 + 15, 3 + 31), "it is a handler as well");
    }

    #[test]
    fn a_folder_counts_with_what_may_come() {
        assert_eq!(Instances::of_components(20), instances(20, 60));
        assert_eq!(Instances::of_folder(0), instances(8, 24));
        assert_eq!(Instances::of_folder(20), instances(48, 144));
        assert_eq!(Instances::of_folder(usize::MAX).most, usize::MAX);
    }

    #[test]
    fn what_does_not_fit_is_told_with_the_numbers_and_the_key() {
        let limit = NonZeroUsize::new(900).unwrap();
        assert_eq!(instances(300, 900).excess(limit), None);
        let why = instances(301, 903).excess(limit).expect("it is one plugin too many");
        assert!(why.contains("903 instances at one time (301 that serve"), "{why}");
        assert!(why.contains("allows 900; write `limits.plugin_instances` = 903, "), "{why}");
        let why = instances(9000, 18001).excess(limit).expect("far too many");
        assert!(!why.contains("write") && why.contains("run fewer plugins"), "{why}");
    }
}
