//! Configuration: from the text of a file to checked [`Settings`], with every mistake at once.
//!
//! Reading opens nothing, so that `tengen check` calls the same function as `tengen serve`. An empty file is a working
//! gateway.

mod change;
mod document;
mod environment;
mod keys;
mod mistakes;
mod origins;
mod print;
mod read;
mod read_plugins;
mod table;
mod units;
mod value;

pub use change::{Change, diff};
pub use environment::Variables;
pub use mistakes::{ConfigErrors, Mistake};
pub use print::{default_file, table};
pub use units::{duration, size};
pub use value::address_remedy;

use crate::{Endpoint, Settings, SinkPlugin};
use document::{Document, Place};
use mistakes::nearest;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};
use table::Table;
use tengen_wire::id::PluginName;
use toml::de::DeTable;

/// A configuration file that can be run.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    pub settings: Settings,
    /// What is allowed and probably not meant.
    pub warnings: Vec<Mistake>,
    /// What is to be hidden in what is said of the settings.
    pub variables: Variables,
}

/// Why a configuration file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("cannot read the configuration file `{}`", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{}", .errors.in_file(path))]
    Wrong { path: PathBuf, errors: ConfigErrors },
}

impl ConfigErrors {
    /// The report for a person: how many mistakes, in which file, and each of them.
    pub fn in_file(&self, path: &Path) -> String {
        let count = self.0.len();
        let mistakes = if count == 1 { "mistake" } else { "mistakes" };
        format!("{count} {mistakes} in `{}`:\n{self}", path.display())
    }
}

/// Reads a configuration file; relative paths in it count from its folder.
pub fn load(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Parsed, FileError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| FileError::Unreadable { path: path.to_owned(), source })?;
    let base = path.parent().unwrap_or(Path::new(""));
    parse(&text, env, base).map_err(|errors| FileError::Wrong { path: path.to_owned(), errors })
}

/// Reads the text of a configuration file. Opens nothing; `base` is the folder of relative paths.
pub fn parse(
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
    base: &Path,
) -> Result<Parsed, ConfigErrors> {
    let Examined { settings, mistakes, warnings, variables, .. } = examine(text, env, base);
    match settings {
        Some(settings) if mistakes.is_empty() => Ok(Parsed { settings, warnings, variables }),
        _ => Err(ConfigErrors(mistakes)),
    }
}

/// All that can be said of a configuration file, right or wrong: for `tengen check`, which looks at the plugins of a
/// file even if other things in it are wrong.
#[derive(Debug)]
pub struct Examined {
    /// What could be read, defaults in place of mistakes; none when the text is no TOML. Run it only without mistakes.
    pub settings: Option<Settings>,
    pub mistakes: Vec<Mistake>,
    pub warnings: Vec<Mistake>,
    /// In which line each plugin's file is named.
    pub plugin_lines: BTreeMap<PluginName, usize>,
    /// What is to be hidden in what is said of the settings.
    pub variables: Variables,
}

/// Like [`parse`], with whatever could be read of a file that is wrong.
pub fn examine(text: &str, env: &dyn Fn(&str) -> Option<String>, base: &Path) -> Examined {
    let document = Document::new(text, env, base);
    let (file, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        document.syntax(error.span(), error.message());
    }
    let mut plugin_lines = BTreeMap::new();
    // What could be recovered of a broken file would only bring mistakes that are none.
    let settings = errors
        .is_empty()
        .then(|| settings(&Table::root(&document, file.get_ref()), &mut plugin_lines));
    let (mistakes, warnings) = document.findings();
    Examined { settings, mistakes, warnings, plugin_lines, variables: document.variables() }
}

fn settings(root: &Table<'_>, plugin_lines: &mut BTreeMap<PluginName, usize>) -> Settings {
    let mut settings = Settings::default();
    let within = |name: &'static str| root.table(name, name);
    if let Some(table) = within("server") {
        settings.server = read::server(&table);
    }
    if let Some(table) = within("admin") {
        settings.admin = read::admin(&table);
    }
    if let Some(table) = within("heartbeat") {
        settings.heartbeat = read::heartbeat(&table);
    }
    if let Some(table) = within("outbox") {
        settings.outbox = read::outbox(&table);
    }
    let limits = within("limits");
    if let Some(table) = &limits {
        settings.limits = read::limits(table);
    }
    if let Some(table) = within("telemetry") {
        settings.telemetry = read::telemetry(&table);
    }
    settings.statics = root.tables("static", "static").iter().filter_map(read::folder).collect();
    let mut plugins = Plugins::read(root);
    plugin_lines.extend(plugins.lines.iter().map(|(name, line)| (name.clone(), *line)));
    endpoints(root, &mut settings, &mut plugins);
    routes(root, &mut settings, &mut plugins);
    sinks(root, &mut settings, &mut plugins);
    plugins.warn_of_unused(root);
    plugins.warn_of_little_memory(root, &settings);
    settings.echo = root.get("plugin").is_none() && root.get("route").is_none();
    settings.plugins = plugins.settings;
    instances(root, limits.as_ref(), &settings);
    settings
}

/// The limit of instances is below what the plugins may have.
fn instances(root: &Table<'_>, limits: Option<&Table<'_>>, settings: &Settings) {
    let Some(what) = settings.instances().excess(settings.limits.plugin_instances) else { return };
    let limit = limits.and_then(|limits| limits.get("plugin_instances"));
    if let Some(value) = limit.or_else(|| root.get("plugin")) {
        value.mistake(what);
    }
}

/// The plugins of the file, and which of them something uses.
struct Plugins {
    settings: BTreeMap<PluginName, crate::Plugin>,
    places: Vec<(String, Place)>,
    /// Where each one's file is named.
    lines: Vec<(PluginName, usize)>,
    used: BTreeSet<PluginName>,
}

impl Plugins {
    fn read(root: &Table<'_>) -> Self {
        let tables = root.named("plugin", "plugin");
        let places =
            tables.iter().map(|(name, table)| (name.clone(), table.place.clone())).collect();
        let settings = tables
            .iter()
            .map(|(name, table)| (name.as_str().into(), read_plugins::plugin(name, table)));
        let line = |table: &Table<'_>| {
            let place = table.get("file").map_or_else(|| table.place.clone(), |file| file.place);
            root.document.lines.line(place.at)
        };
        let lines =
            tables.iter().map(|(name, table)| (name.as_str().into(), line(table))).collect();
        Self { settings: settings.collect(), places, lines, used: BTreeSet::new() }
    }

    /// Notes a use; a name that no plugin has is a mistake.
    fn used_at(&mut self, name: &PluginName, place: &Place, document: &Document<'_>) {
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
    fn warn_of_little_memory(&self, root: &Table<'_>, settings: &Settings) {
        let message = settings.limits.message.get();
        let routed: BTreeSet<_> =
            settings.routes.iter().map(|route| route.plugin.as_str()).collect();
        for (name, place) in &self.places {
            let Some(plugin) = self.settings.get(name.as_str()) else { continue };
            if !routed.contains(name.as_str()) || plugin.batch_bytes() >= message {
                continue;
            }
            let enough = message.saturating_mul(plugin.memory / plugin.batch_bytes().max(1));
            let what = format!(
                "a message may have {message} bytes (`limits.message`), which do not fit into its memory of {} with what it makes of them; write `plugin.{name}.memory` = \"{}MiB\" or more, or a lower `limits.message`",
                plugin.memory,
                enough.div_ceil(1 << 20)
            );
            root.document.warning(place, what);
        }
    }

    fn warn_of_unused(&self, root: &Table<'_>) {
        for (name, place) in
            self.places.iter().filter(|(name, _)| !self.used.contains(name.as_str()))
        {
            let what =
                format!("nothing uses the plugin; add a `[[route]]` with plugin = \"{name}\"");
            root.document.warning(place, what);
        }
    }
}

fn endpoints(root: &Table<'_>, settings: &mut Settings, plugins: &mut Plugins) {
    let tables = root.tables("endpoint", "endpoint");
    if tables.is_empty() {
        return;
    }
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    let mut endpoints: Vec<Arc<Endpoint>> = Vec::new();
    for table in &tables {
        let (endpoint, authenticator) = read::endpoint(table);
        if let (Some(name), Some(place)) = (&endpoint.authenticator, authenticator) {
            plugins.used_at(name, &place, root.document);
        }
        let place = table.get("path").map_or_else(|| table.place.clone(), |value| value.place);
        let line = root.document.lines.line(place.at);
        if let Some(first) = taken.get(&endpoint.path).filter(|_| !endpoint.path.is_empty()) {
            let what = format!(
                "the endpoint of line {first} has the path `{}` already; give each its own",
                endpoint.path
            );
            root.document.mistake(&place, what);
        }
        taken.entry(endpoint.path.clone()).or_insert(line);
        endpoints.push(Arc::new(endpoint));
    }
    settings.endpoints = endpoints;
}

fn routes(root: &Table<'_>, settings: &mut Settings, plugins: &mut Plugins) {
    let endpoints = settings.endpoints.clone();
    let paths: BTreeSet<_> = endpoints.iter().map(|endpoint| endpoint.path.as_str()).collect();
    for routed in root.tables("route", "route").iter().map(read_plugins::route) {
        if let Some((name, place)) = &routed.plugin {
            plugins.used_at(name, place, root.document);
        }
        if let Some((path, place)) = &routed.endpoint
            && !paths.contains(path.as_str())
        {
            let known = endpoints.iter().map(|endpoint| endpoint.path.as_str());
            let known = mistakes::choice(known);
            root.document.mistake(place, format!("there is no endpoint `{path}`; write {known}"));
        }
        settings.routes.extend(routed.whole());
    }
}

fn sinks(root: &Table<'_>, settings: &mut Settings, plugins: &mut Plugins) {
    for (plugin, buffer) in root.tables("sink", "sink").iter().map(read_plugins::sink) {
        let Some((plugin, place)) = plugin else { continue };
        plugins.used_at(&plugin, &place, root.document);
        settings.telemetry.sinks.push(SinkPlugin { plugin, buffer });
    }
}

#[cfg(test)]
mod tests;
