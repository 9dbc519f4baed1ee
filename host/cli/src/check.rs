//! `tengen check`: the configuration and the plugins it names, every mistake at once.

use super::{
    Exit, Files, Io,
    inspect::{Inspector, summary},
    words::counted,
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
use tengen_engine::{Inspection, Role};
use tengen_server::gateway::{name_of, named_twice};
use tengen_settings::{
    FullSink, Instances, Settings, SinkKind,
    config::{self, Examined, Mistake, Variables},
};
use tengen_wire::id::PluginName;

pub(super) async fn run(files: &Files, io: &mut Io) -> Exit {
    let mut wrong = 0;
    if let (None, None) = (&files.config, &files.plugins) {
        io.note("error: nothing to check; give --config FILE, --plugins DIR, or both");
        return Exit::Wrong;
    }
    let mut read = Read::default();
    if let Some(file) = &files.config {
        let (mistakes, of_file) = check_config(file, io).await;
        wrong += mistakes;
        read = of_file.unwrap_or_default();
    }
    if let Some(folder) = &files.plugins {
        wrong += check_folder(folder, &read, io).await;
    }
    match wrong {
        0 => Exit::Ok,
        _ => Exit::Wrong,
    }
}

/// What could be read of a file, and what of it is to be hidden.
#[derive(Debug, Default)]
struct Read {
    settings: Settings,
    variables: Variables,
}

/// How many mistakes there are, and what could be read.
async fn check_config(file: &Path, io: &mut Io) -> (usize, Option<Read>) {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            io.note(format_args!("error: cannot read `{}`: {error}", file.display()));
            return (1, None);
        }
    };
    let examined = config::examine(&text, &io.env, file.parent().unwrap_or(Path::new("")));
    let Examined { settings, mut mistakes, warnings, plugin_lines, variables } = examined;
    let settings = settings.unwrap_or_default();
    let mut inspector = Inspector::new(&settings.server.cache, io);
    let (found, broken) = inspect_all(&settings, &plugin_lines, &mut inspector).await;
    let later = broken.into_iter().chain(roles(&settings, &found));
    let later = later.chain(instances(&settings, &found)).chain(folders(&settings));
    mistakes
        .extend(later.map(|mistake| Mistake { what: variables.hide(&mistake.what), ..mistake }));
    for warning in &warnings {
        io.note(format_args!("warning: {warning}"));
    }
    mistakes.sort_by_key(|mistake| mistake.line.unwrap_or(usize::MAX));
    let count = mistakes.len();
    if count > 0 {
        let mistakes = config::ConfigErrors(mistakes).in_file(file);
        io.note(format_args!("error: {mistakes}"));
        return (count, Some(Read { settings, variables }));
    }
    io.say(format_args!(
        "`{}` is good: {}, {}, {}",
        file.display(),
        counted(settings.endpoints.len(), "endpoint", "endpoints"),
        counted(settings.plugins.len(), "plugin", "plugins"),
        counted(settings.routes.len(), "route", "routes")
    ));
    for (name, found) in &found {
        io.say(format_args!("  {name} is {}", summary(found)));
    }
    telemetry(&settings, io);
    (0, Some(Read { settings, variables }))
}

/// What signals come to: which there are, and where they go.
fn telemetry(settings: &Settings, io: &mut Io) {
    let settings = &settings.telemetry;
    let preset = settings.preset.map(|preset| format!(", of the preset {}", preset.word()));
    let level = settings.filter.level.as_ref().unwrap_or(&settings.level);
    io.say(format_args!("  signals from level {level}{}", preset.unwrap_or_default()));
    let log = settings.log();
    let others = settings.sinks.iter().filter(|sink| sink.kind != SinkKind::Stderr);
    for sink in log.iter().chain(others) {
        let mode = if sink.synchronous { "synchronous" } else { sink.when_full.word() };
        let format = sink.format.map(|format| format!(", {}", format.word())).unwrap_or_default();
        let name = sink.label();
        io.say(format_args!("  sink {name} is {}{format}, {mode}", sink.kind.word()));
        if !sink.synchronous && sink.when_full == FullSink::Block {
            io.say(format_args!(
                "    on threads that serve connections `block` counts as `drop-newest`: nobody there waits for a sink"
            ));
        }
    }
}

type Found = BTreeMap<PluginName, Inspection>;

async fn inspect_all(
    settings: &Settings,
    lines: &BTreeMap<PluginName, usize>,
    inspector: &mut Inspector,
) -> (Found, Vec<Mistake>) {
    let (mut found, mut broken) = (Found::new(), Vec::new());
    // A file that is not named, or not rightly, has its mistake already.
    let named = settings.plugins.iter().filter(|(_, plugin)| !plugin.file.as_os_str().is_empty());
    for (name, plugin) in named {
        match inspector.file(&plugin.file).await {
            Ok(inspection) => drop(found.insert(name.clone(), inspection)),
            Err(what) => {
                let key = format!("plugin.{name}.file");
                broken.push(Mistake { key, line: lines.get(name).copied(), what });
            }
        }
    }
    (found, broken)
}

/// A route needs a handler behind it, an endpoint's authenticator an authenticator, a sink a sink.
fn roles(settings: &Settings, found: &Found) -> Vec<Mistake> {
    let routes = settings.routes.iter().enumerate();
    let routes = routes
        .map(|(place, route)| (format!("route[{place}].plugin"), &route.plugin, Role::Handler));
    let endpoints = settings.endpoints.iter().enumerate();
    let endpoints = endpoints.filter_map(|(place, endpoint)| {
        Some((
            format!("endpoint[{place}].authenticator"),
            endpoint.authenticator.as_ref()?,
            Role::Authenticator,
        ))
    });
    let sinks = settings.telemetry.sinks.iter().enumerate();
    let sinks = sinks.filter_map(|(place, sink)| {
        Some((format!("sink[{place}].plugin"), sink.plugin.as_ref()?, Role::Sink))
    });
    let unfit = |(key, name, role): (String, &PluginName, Role)| {
        let found = found.get(name).filter(|found| !found.roles.contains(&role))?;
        let has: Vec<_> = found.roles.iter().map(|role| role.word()).collect();
        let what = format!(
            "the plugin `{name}` is no {}, only: {}; name another, or export it",
            role.word(),
            has.join(", ")
        );
        Some(Mistake { key, line: None, what })
    };
    routes.chain(endpoints).chain(sinks).filter_map(unfit).collect()
}

/// A handler has as many instances as it may, and says by what its state is dealt out to several.
fn instances(settings: &Settings, found: &Found) -> Vec<Mistake> {
    let handlers = found.iter().filter(|(_, found)| found.roles.contains(&Role::Handler));
    let unfit = |(name, found): (&PluginName, &Inspection)| {
        let what = settings.plugins.get(name)?.unfit_instances(name, found.snapshot)?;
        Some(Mistake { key: format!("plugin.{name}"), line: None, what })
    };
    handlers.filter_map(unfit).collect()
}

/// Folders that are served or granted must be there.
fn folders(settings: &Settings) -> Vec<Mistake> {
    let statics = settings.statics.iter().enumerate();
    let statics = statics.map(|(place, served)| (format!("static[{place}].dir"), &served.dir));
    let granted = settings.plugins.iter().flat_map(|(name, plugin)| {
        let dirs = plugin.grant.dirs.iter().enumerate();
        dirs.map(move |(place, dir)| (format!("plugin.{name}.grant.dirs[{place}].host"), &dir.host))
    });
    let missing = |(key, dir): (String, &PathBuf)| {
        let what = format!("there is no folder `{}`; make it, or name another", dir.display());
        (!dir.is_dir()).then_some(Mistake { key, line: None, what })
    };
    statics.chain(granted).filter_map(missing).collect()
}

/// The components of a folder.
pub(super) fn components(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let files = std::fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path()));
    let hidden = |file: &Path| {
        file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
    };
    let mut files: Vec<_> = files
        .filter(|file| {
            file.extension().is_some_and(|extension| extension == "wasm") && !hidden(file)
        })
        .collect();
    files.sort();
    Ok(files)
}

/// The components of a folder, beside those that these settings name.
async fn check_folder(folder: &Path, read: &Read, io: &mut Io) -> usize {
    let Read { settings, variables } = read;
    let mut inspector = Inspector::new(&settings.server.cache, io);
    let files = match components(folder) {
        Ok(files) => files,
        Err(error) => {
            io.note(format_args!("error: cannot read the folder `{}`: {error}", folder.display()));
            return 1;
        }
    };
    if files.is_empty() {
        io.note(format_args!(
            "warning: `{}` has no .wasm file; every event will be unknown until it has",
            folder.display()
        ));
    }
    let mut wrong = 0;
    let all = settings.instances() + Instances::of_components(files.len());
    if let Some(why) = all.excess(settings.limits.plugin_instances) {
        io.note(format_args!("error: with what is in `{}`, {why}", folder.display()));
        wrong += 1;
    }
    for file in files {
        if let Some(why) = name_of(&file).and_then(|name| named_twice(settings, &name, &file)) {
            io.note(format_args!("error: `{}`: {}", file.display(), variables.hide(&why)));
            wrong += 1;
            continue;
        }
        match inspector.file(&file).await {
            Ok(found) => io.say(format_args!("`{}` is good: {}", file.display(), summary(&found))),
            Err(why) => {
                io.note(format_args!("error: `{}`: {why}", file.display()));
                wrong += 1;
            }
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use tengen_settings::{Affinity, Plugin};

    #[test]
    fn several_instances_of_a_handler_with_a_state_need_an_affinity() {
        let mut settings = Settings::default();
        let instances = std::num::NonZeroUsize::new(2).expect("not zero");
        settings.plugins.insert("p".into(), Plugin { instances, ..Plugin::new("p.wasm") });
        let found = |roles: &[Role], snapshot| {
            let inspection = Inspection {
                name: "p".into(),
                version: "1".into(),
                encoding: tengen_wire::payload::Encoding::Json,
                max_batch: 1,
                events: Vec::new(),
                roles: roles.to_vec(),
                snapshot,
                imports: Vec::new(),
                exports: Vec::new(),
                size: 1,
                sha256: "ab".into(),
            };
            Found::from([("p".into(), inspection)])
        };
        let handler = found(&[Role::Handler], true);
        let missing = told(&settings, &handler);
        assert!(
            missing.iter().any(|it| it.contains("`plugin.p.affinity` is missing")),
            "{missing:?}"
        );
        assert!(told(&settings, &found(&[Role::Handler], false)).is_empty(), "it has no state");
        assert!(told(&settings, &found(&[Role::Authenticator], true)).is_empty(), "no handler");
        if let Some(plugin) = settings.plugins.get_mut("p") {
            plugin.affinity = Some(Affinity::User);
        }
        assert!(told(&settings, &handler).is_empty());
    }

    fn told(settings: &Settings, found: &Found) -> Vec<String> {
        instances(settings, found).into_iter().map(|mistake| mistake.what).collect()
    }
}
