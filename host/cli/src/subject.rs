//! Which plugin is meant, where somebody names a folder, a component or a configuration.

use super::Env;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
use tengen_server::gateway::name_of;
use tengen_settings::{
    Plugin, Settings,
    config::{Variables, load},
};
use tengen_telemetry::secrets;
use tengen_wire::id::PluginName;

/// How somebody names it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named<'a> {
    /// A folder with a tengen.toml, or a component.
    pub(super) what: &'a Path,
    /// The configuration, where it is not the folder's.
    pub(super) config: Option<&'a Path>,
    /// Which of its plugins; none: the only one.
    pub(super) plugin: Option<&'a str>,
}

/// A plugin with its settings, and where its scripts are.
pub(super) struct Subject {
    pub(super) settings: Settings,
    pub(super) plugin: PluginName,
    pub(super) scripts: PathBuf,
    /// What is to be hidden in what is said of the settings.
    pub(super) variables: Variables,
}

impl Subject {
    /// From now on what the settings know to be secret is masked, and so is what variables of their file stand for.
    pub(super) fn keep_secrets(&self, env: &Env) {
        let variables = self.variables.values().map(str::to_owned);
        secrets::keep(secrets::of(&self.settings, env).into_iter().chain(variables));
    }
}

/// Finds it. Err: why it is not there, and what to write.
pub(super) fn find(named: &Named<'_>, env: &Env) -> Result<Subject, String> {
    let Named { what, config, plugin } = *named;
    let is_component = what.extension().is_some_and(|extension| extension == "wasm");
    let file = match (config, is_component) {
        (Some(file), _) => Some(file.to_owned()),
        (None, true) => None,
        (None, false) => Some(what.join("tengen.toml")),
    };
    let Some(file) = file else { return component(what) };
    if config.is_none() && !file.exists() {
        let folder = what.display();
        return Err(format!(
            "there is no tengen.toml in `{folder}`; name a folder that has one, a component (`.wasm`), or the file by --config"
        ));
    }
    let parsed = load(&file, env).map_err(|error| match std::error::Error::source(&error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    })?;
    let (mut settings, variables) = (parsed.settings, parsed.variables);
    let plugin = chosen(&settings.plugins, plugin)?;
    if let Some(own) = settings.plugins.get_mut(&plugin).filter(|_| is_component) {
        own.file = what.to_owned();
    }
    let scripts = file.parent().unwrap_or(Path::new("")).join("tests");
    Ok(Subject { settings, plugin, scripts, variables })
}

/// A component alone has default settings, and so no grant.
fn component(file: &Path) -> Result<Subject, String> {
    let name = name_of(file);
    let plugin = name.ok_or_else(|| format!("`{}` is not named like a plugin", file.display()))?;
    let mut settings = Settings { echo: false, ..Settings::default() };
    settings.plugins.insert(plugin.clone(), Plugin::new(file));
    let scripts = file.parent().unwrap_or(Path::new("")).join("tests");
    Ok(Subject { settings, plugin, scripts, variables: Variables::default() })
}

fn chosen(
    plugins: &BTreeMap<PluginName, Plugin>,
    named: Option<&str>,
) -> Result<PluginName, String> {
    let names: Vec<_> = plugins.keys().map(PluginName::as_str).collect();
    let found = match (named, names.as_slice()) {
        (Some(name), _) => names.iter().find(|it| **it == name).copied(),
        (None, [only]) => Some(*only),
        (None, []) => return Err("the configuration has no plugin".into()),
        (None, _) => {
            return Err(format!("say by --plugin which plugin is meant: {}", names.join(", ")));
        }
    };
    found.map(PluginName::from).ok_or_else(|| {
        let named = named.unwrap_or_default();
        format!("the configuration has no plugin `{named}`, only: {}", names.join(", "))
    })
}
