//! The tables of a file, put together and held against each other.

use super::plugins::Plugins;
use crate::{
    Admin, ChannelRule, Endpoint, Preset, Route, Settings, Sink, Static,
    schema::{Part, mistakes::choice, table::Table},
};
use std::{collections::BTreeMap, sync::Arc};
use tengen_wire::id::PluginName;

/// The settings of a file. Whatever is wrong with it is noted.
pub(super) fn settings(
    root: &Table<'_>,
    plugin_lines: &mut BTreeMap<PluginName, usize>,
) -> Settings {
    let mut settings = Settings::default();
    one(root, "server", &mut settings.server);
    if let Some(table) = root.table("admin") {
        let admin = Admin::of(&table);
        settings.admin = (!Admin::is_off(&table)).then_some(admin);
    }
    one(root, "heartbeat", &mut settings.heartbeat);
    one(root, "outbox", &mut settings.outbox);
    one(root, "limits", &mut settings.limits);
    one(root, "store", &mut settings.store);
    one(root, "telemetry", &mut settings.telemetry);
    settings.statics = root.tables("static").iter().filter_map(Static::whole).collect();
    let mut plugins = Plugins::read(root);
    plugin_lines.extend(plugins.lines.iter().map(|(name, line)| (name.clone(), *line)));
    endpoints(root, &mut settings, &mut plugins);
    routes(root, &mut settings, &mut plugins);
    sinks(root, &mut settings, &mut plugins);
    channels(root, &mut settings);
    plugins.warn_of_unused(root);
    plugins.warn_of_little_memory(root, &settings);
    settings.echo = root.get("plugin").is_none() && root.get("route").is_none();
    settings.plugins = plugins.settings;
    instances(root, &settings);
    settings
}

/// A table that stands once.
fn one<P: Part>(root: &Table<'_>, name: &str, part: &mut P) {
    if let Some(table) = root.table(name) {
        part.read(&table);
    }
}

/// The limit of instances is below what the plugins may have.
fn instances(root: &Table<'_>, settings: &Settings) {
    let Some(what) = settings.instances().excess(settings.limits.plugin_instances) else { return };
    let limit = root.get("limits").and_then(|limits| limits.entry("plugin_instances"));
    if let Some(value) = limit.or_else(|| root.get("plugin")) {
        value.mistake(what);
    }
}

fn endpoints(root: &Table<'_>, settings: &mut Settings, plugins: &mut Plugins) {
    let tables = root.tables("endpoint");
    if tables.is_empty() {
        return;
    }
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    let mut endpoints: Vec<Arc<Endpoint>> = Vec::new();
    for table in &tables {
        let endpoint = Endpoint::of(table);
        if let Some(name) = &endpoint.authenticator {
            plugins.used_at(name, &table.place_of("authenticator"), root.document);
        }
        let place = table.place_of("path");
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

/// The names in a route are checked even if the rest of it is wrong.
fn routes(root: &Table<'_>, settings: &mut Settings, plugins: &mut Plugins) {
    let paths: Vec<&str> =
        settings.endpoints.iter().map(|endpoint| endpoint.path.as_str()).collect();
    for table in root.tables("route") {
        let route = Route::of(&table);
        if !route.plugin.is_empty() {
            plugins.used_at(&route.plugin, &table.place_of("plugin"), root.document);
        }
        if let Some(path) = route.endpoint.as_deref().filter(|path| !paths.contains(path)) {
            let known = choice(paths.iter().copied());
            let what = format!("there is no endpoint `{path}`; write {known}");
            root.document.mistake(&table.place_of("endpoint"), what);
        }
        settings.routes.extend(table.is_whole().then_some(route));
    }
}

/// The first of a name is the one that counts.
fn channels(root: &Table<'_>, settings: &mut Settings) {
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    for table in root.tables("channel") {
        let Some(rule) = ChannelRule::whole(&table) else { continue };
        let line = root.document.lines.line(table.place.at);
        if let Some(first) = taken.get(&rule.name.to_string()) {
            let what = format!(
                "means nothing: the table of line {first} has this name and decides; remove one of them"
            );
            root.document.warning(&table.place_of("name"), what);
        }
        taken.entry(rule.name.to_string()).or_insert(line);
        settings.channels.push(rule);
    }
}

fn sinks(root: &Table<'_>, settings: &mut Settings, plugins: &mut Plugins) {
    for table in root.tables("sink") {
        let mut sink = Sink::of(&table);
        match settings.telemetry.preset {
            Some(Preset::Production) if sink.synchronous => table.document.mistake(
                &table.place_of("synchronous"),
                "is for development, for whatever holds up the sink holds up the gateway; remove it, or the preset `production`",
            ),
            Some(preset) => preset.complete(&mut sink, |key| table.get(key).is_some()),
            None => {}
        }
        if let Some(name) = &sink.plugin {
            plugins.used_at(name, &table.place_of("plugin"), root.document);
        }
        if settings.telemetry.sinks.iter().any(|other| other.label() == sink.label()) {
            let what = format!(
                "another sink is named `{}` already; give this one a `name` of its own",
                sink.label()
            );
            root.document.mistake(&table.place_of("name"), what);
            continue;
        }
        let spills_there = |other: &&Sink| {
            let both = other.spill.as_ref().zip(sink.spill.as_ref());
            both.is_some_and(|(one, other)| one.path == other.path)
        };
        let of_spans = settings.telemetry.otlp.as_ref().and_then(|otlp| otlp.spill.as_ref());
        if of_spans.zip(sink.spill.as_ref()).is_some_and(|(one, other)| one.path == other.path) {
            let what = "spans wait there already (`telemetry.otlp.spill`); give the sink a folder of its own";
            root.document.mistake(&table.place_of("spill"), what);
            continue;
        }
        if let Some(other) = settings.telemetry.sinks.iter().find(spills_there) {
            let what = format!(
                "the sink `{}` spills there already; give this one a folder of its own",
                other.label()
            );
            root.document.mistake(&table.place_of("spill"), what);
            continue;
        }
        settings.telemetry.sinks.extend(table.is_whole().then_some(sink));
    }
}
