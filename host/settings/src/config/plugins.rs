//! The plugins of a file: whether their names are any, what uses them, and what they cannot hold.

use super::dependencies::Dependencies;
use crate::{
    Plugin, Settings,
    schema::{
        Part,
        document::{Document, Place},
        mistakes::nearest,
        table::Table,
    },
};
use std::collections::{BTreeMap, BTreeSet};
use tengen_wire::id::PluginName;

/// The plugins of the file, and which of them something uses.
pub(super) struct Plugins {
    pub(super) settings: BTreeMap<PluginName, Plugin>,
    places: Vec<(String, Place)>,
    /// Where each one's file is named.
    pub(super) lines: Vec<(PluginName, usize)>,
    used: BTreeSet<PluginName>,
}

impl Plugins {
    pub(super) fn read(root: &Table<'_>) -> Self {
        let tables = root.named("plugin");
        let places =
            tables.iter().map(|(name, table)| (name.clone(), table.place.clone())).collect();
        let settings =
            tables.iter().map(|(name, table)| (name.as_str().into(), plugin(name, table)));
        let line = |table: &Table<'_>| root.document.lines.line(table.place_of("file").at);
        let lines =
            tables.iter().map(|(name, table)| (name.as_str().into(), line(table))).collect();
        let mut plugins =
            Self { settings: settings.collect(), places, lines, used: BTreeSet::new() };
        plugins.check_dependencies(root, &tables);
        plugins
    }

    /// Each plugin that is depended on is there, and none depends on itself, directly or by others.
    fn check_dependencies(&mut self, root: &Table<'_>, tables: &[(String, Table<'_>)]) {
        let mut graph = Dependencies::default();
        for (name, table) in tables {
            let named = table.get("depends_on").map(|value| value.texts()).unwrap_or_default();
            for (other, place) in named.into_iter().filter(|(other, _)| !other.trim().is_empty()) {
                let other = PluginName::from(other);
                self.used_at(&other, &place, root.document);
                if self.settings.contains_key(&other) {
                    graph.add(name.as_str().into(), other, place);
                }
            }
        }
        for (names, place) in graph.circles() {
            let way: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
            let what = format!(
                "the plugin would wait for itself: {}; remove one of these dependencies",
                way.join(" → ")
            );
            root.document.mistake(place, what);
        }
    }

    /// Notes a use; a name that no plugin has is a mistake.
    pub(super) fn used_at(&mut self, name: &PluginName, place: &Place, document: &Document<'_>) {
        if self.settings.contains_key(name) {
            self.used.insert(name.clone());
            return;
        }
        let names: Vec<String> = self.settings.keys().map(ToString::to_string).collect();
        document.mistake(
            place,
            match nearest(name, names.iter().map(String::as_str)) {
                Some(meant) => {
                    // Not warned of as unused beside its own mistake.
                    self.used.insert(meant.into());
                    format!("there is no plugin `{name}`; did you mean `{meant}`?")
                }
                None => {
                    format!("there is no plugin `{name}`; add `[plugin.{name}]` with its `file`")
                }
            },
        );
    }

    /// A message is copied into the memory of each plugin that is routed to, and read there.
    pub(super) fn warn_of_little_memory(&self, root: &Table<'_>, settings: &Settings) {
        let message = settings.limits.message.get();
        let routed: BTreeSet<_> =
            settings.routes.iter().map(|route| route.plugin.as_str()).collect();
        for (name, place) in &self.places {
            let Some(plugin) = self.settings.get(name.as_str()) else { continue };
            if !routed.contains(name.as_str()) || plugin.batch_bytes() >= message {
                continue;
            }
            let enough = message.saturating_mul(plugin.memory() / plugin.batch_bytes().max(1));
            let what = format!(
                "a message may have {message} bytes (`limits.message`), which do not fit into its memory of {} with what it makes of them; write `plugin.{name}.memory` = \"{}MiB\" or more, or a lower `limits.message`",
                plugin.memory(),
                enough.div_ceil(1 << 20)
            );
            root.document.warning(place, what);
        }
    }

    pub(super) fn warn_of_unused(&self, root: &Table<'_>) {
        for (name, place) in
            self.places.iter().filter(|(name, _)| !self.used.contains(name.as_str()))
        {
            let what =
                format!("nothing uses the plugin; add a `[[route]]` with plugin = \"{name}\"");
            root.document.warning(place, what);
        }
    }
}

fn plugin(name: &str, table: &Table<'_>) -> Plugin {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
        table.document.mistake(
            &table.place,
            "is not a plugin's name; write at most 64 letters, digits, `-` and `_`",
        );
    }
    Plugin::of(table)
}
