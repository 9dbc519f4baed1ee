//! `tengen test`: event scripts against a plugin, on the engine of the gateway, without sockets and in a time that is told.

mod compare;
mod crash;
mod play;
mod read;

use super::{Env, Exit, Io, serve::user_cache, words::counted};
use clap::Args;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use tengen_server::{
    gateway::name_of,
    tryout::{Parts, Tryout, TryoutError},
};
use tengen_settings::{Plugin, Settings, Telemetry, check_level, config};
use tengen_telemetry::log::{self, Outlet};
use tengen_wire::id::PluginName;

const AFTER: &str = r#"A script has one step a line, each a JSON object, and is played against a fresh instance:
  {"open": "ann", "user": "ann"}
  {"as": "ann", "send": "room/join", "data": {"room": "tea"}, "ask": true, "expect": [{"reply": {"members": 1}}]}
  {"pass": "10s", "includes": [{"push": "room/reminded", "to": "ann"}]}
All steps, and what can be expected of them, are in docs/testing.md. --show prints what there is to expect.

Exit codes: 0 all went as expected, 1 something did not, 2 the plugin or a script cannot be loaded."#;

/// How long the end waits until what was said is written.
const LAST_LINES: Duration = Duration::from_secs(1);

/// What is tried out, with what.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(super) struct Test {
    /// A folder with a tengen.toml, whose scripts are in its `tests`; or a component
    #[arg(value_name = "DIR|PLUGIN.wasm", default_value = ".")]
    what: PathBuf,
    /// The scripts; without any, all `.jsonl` files in the folder `tests` beside the configuration
    #[arg(value_name = "SCRIPT")]
    scripts: Vec<PathBuf>,
    /// The configuration file; without it, the folder's tengen.toml
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Which of the configuration's plugins, where it has several
    #[arg(short, long, value_name = "NAME")]
    plugin: Option<String>,
    /// Print what each step brought about
    #[arg(long)]
    show: bool,
    /// Print what the plugin says, and the gateway of it, on the error output from this level on, as in info
    #[arg(long, value_name = "LEVEL", value_parser = level)]
    log: Option<String>,
    /// Play an event that broke the plugin: a file of its `quarantine`
    #[arg(long, value_name = "FILE", conflicts_with = "scripts")]
    from: Option<PathBuf>,
    /// Write that event as a script, which is to go well from the day on that the plugin is mended
    #[arg(long, value_name = "SCRIPT", requires = "from")]
    write: Option<PathBuf>,
}

/// A plugin with its settings, and where its scripts are.
struct Subject {
    settings: Settings,
    plugin: PluginName,
    scripts: PathBuf,
}

pub(super) async fn run(args: Test, io: &mut Io) -> Exit {
    let prepared = prepare(&args, io).and_then(|prepared| {
        let listens = args.log.as_deref().map(listen).transpose()?;
        Ok((prepared, listens))
    });
    let ((subject, scripts), listens) = match prepared {
        Ok(prepared) => prepared,
        Err(why) => {
            io.note(format_args!("error: {why}"));
            return Exit::Wrong;
        }
    };
    let exit = all(&args, &subject, scripts, io).await;
    if let Some(outlet) = listens
        && !(log::flush(LAST_LINES) && outlet.flush(LAST_LINES))
    {
        io.note("warning: the last lines of the log are missing");
    }
    exit
}

fn level(text: &str) -> Result<String, String> {
    check_level(text).map(|()| text.to_owned())
}

/// Has signals written to the error output.
fn listen(level: &str) -> Result<Outlet, String> {
    let telemetry = Telemetry { level: level.to_owned(), ..Telemetry::default() };
    let format = log::Format::detect();
    let outlet = log::outlet(std::io::stderr(), format).map_err(|why| why.to_string())?;
    log::install_on(&telemetry, format, outlet.clone()).map_err(|why| why.to_string())?;
    Ok(outlet)
}

/// A script under the name by which people know it.
struct Named {
    name: String,
    steps: Vec<read::Line>,
}

/// Everything is read before anything is played.
fn prepare(args: &Test, io: &mut Io) -> Result<(Subject, Vec<Named>), String> {
    let subject = subject(args, &io.env)?;
    if let Some(file) = &args.from {
        let script = crash::script(file)?;
        if let Some(at) = &args.write {
            write(at, &script)?;
            io.note(format_args!("the event is in `{}` as a script", at.display()));
        }
        let (name, steps) = (file.display().to_string(), read::script(&script)?);
        return Ok((subject, vec![Named { name, steps }]));
    }
    let files = match args.scripts.is_empty() {
        true => scripts_in(&subject.scripts)?,
        false => args.scripts.clone(),
    };
    let named = |file: &PathBuf| {
        let name = file.display().to_string();
        let text =
            fs::read_to_string(file).map_err(|why| format!("cannot read `{name}`: {why}"))?;
        let steps = read::script(&text).map_err(|why| format!("{name}:{why}"))?;
        Ok(Named { name, steps })
    };
    let scripts = files.iter().map(named).collect::<Result<_, String>>()?;
    Ok((subject, scripts))
}

async fn all(args: &Test, subject: &Subject, scripts: Vec<Named>, io: &mut Io) -> Exit {
    let (mut failed, count) = (0, scripts.len());
    for Named { name, steps } in scripts {
        let mut tryout = match begin(subject, io).await {
            Ok(tryout) => tryout,
            Err(error) => {
                io.error(&error);
                return Exit::Wrong;
            }
        };
        let played = play::script(&mut tryout, &steps, args.show, io).await;
        tryout.end().await;
        match played {
            Ok(()) => {
                io.say(format_args!("ok      {name}: {}", counted(steps.len(), "step", "steps")));
            }
            Err(play::Stopped { line, what, is_wrong }) => {
                io.say(format_args!("FAILED  {name}:{line}: {what}"));
                if is_wrong {
                    return Exit::Wrong;
                }
                failed += 1;
            }
        }
    }
    if failed > 0 {
        io.note(format_args!("{failed} of {} failed", counted(count, "script", "scripts")));
        return Exit::Failed;
    }
    Exit::Ok
}

async fn begin(subject: &Subject, io: &Io) -> Result<Tryout, TryoutError> {
    let settings = subject.settings.clone();
    let cache = settings.server.cache.folder(user_cache(&io.env));
    let (plugin, compiler) = (subject.plugin.clone(), io.compiler.clone());
    Box::pin(Tryout::begin(Parts { settings, plugin, compiler, cache })).await
}

fn subject(args: &Test, env: &Env) -> Result<Subject, String> {
    let is_component = args.what.extension().is_some_and(|extension| extension == "wasm");
    let file = match (&args.config, is_component) {
        (Some(file), _) => Some(file.clone()),
        (None, true) => None,
        (None, false) => Some(args.what.join("tengen.toml")),
    };
    let Some(file) = file else { return component(&args.what) };
    if args.config.is_none() && !file.exists() {
        let folder = args.what.display();
        return Err(format!(
            "there is no tengen.toml in `{folder}`; name a folder that has one, a component (`.wasm`), or the file by --config"
        ));
    }
    let parsed =
        config::load(&file, env).map_err(|error| match std::error::Error::source(&error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        })?;
    let mut settings = parsed.settings;
    let plugin = chosen(&settings.plugins, args.plugin.as_deref())?;
    if let Some(own) = settings.plugins.get_mut(&plugin).filter(|_| is_component) {
        own.file = args.what.clone();
    }
    let scripts = file.parent().unwrap_or(Path::new("")).join("tests");
    Ok(Subject { settings, plugin, scripts })
}

/// A component alone has default settings, and so no grant.
fn component(file: &Path) -> Result<Subject, String> {
    let name = name_of(file);
    let plugin = name.ok_or_else(|| format!("`{}` is not named like a plugin", file.display()))?;
    let mut settings = Settings { echo: false, ..Settings::default() };
    settings.plugins.insert(plugin.clone(), Plugin::new(file));
    let scripts = file.parent().unwrap_or(Path::new("")).join("tests");
    Ok(Subject { settings, plugin, scripts })
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

fn scripts_in(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let none = |why: &dyn std::fmt::Display| {
        format!(
            "no scripts in `{}` ({why}); name some, or put `.jsonl` files there",
            folder.display()
        )
    };
    let entries = fs::read_dir(folder).map_err(|why| none(&why))?;
    let mut scripts = Vec::new();
    for entry in entries {
        let path = entry.map_err(|why| none(&why))?.path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            scripts.push(path);
        }
    }
    scripts.sort();
    if scripts.is_empty() { Err(none(&"no `.jsonl` file")) } else { Ok(scripts) }
}

/// Never over something that is there: it may be somebody's work.
fn write(at: &Path, script: &str) -> Result<(), String> {
    let made = fs::OpenOptions::new().write(true).create_new(true).open(at);
    let written = made.and_then(|mut file| std::io::Write::write_all(&mut file, script.as_bytes()));
    written.map_err(|why| format!("cannot write `{}`: {why}", at.display()))
}
