//! `tengen test`: event scripts against a plugin, on the engine of the gateway, without sockets and in a time that is told.

mod compare;
mod crash;
mod play;
mod read;
mod signals;

use super::{
    Env, Exit, Io,
    serve::user_cache,
    subject::{self, Subject},
    words::counted,
};
use clap::Args;
use signals::Ear;
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use tengen_server::tryout::{Parts, Tryout, TryoutError};
use tengen_settings::{Telemetry, check_level};
use tengen_telemetry::{
    log::{self, Outlet},
    secrets,
};

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

pub(super) async fn run(args: Test, io: &mut Io) -> Exit {
    let prepared = prepare(&args, io).and_then(|prepared| {
        let listens = listen(args.log.as_deref(), &prepared.0, &io.env)?;
        Ok((prepared, listens))
    });
    let ((subject, scripts), (mut ear, outlet)) = match prepared {
        Ok(prepared) => prepared,
        Err(why) => {
            io.note(format_args!("error: {why}"));
            return Exit::Wrong;
        }
    };
    let exit = all(&args, &subject, scripts, &mut ear, io).await;
    if let Some(outlet) = outlet
        && !(log::flush(LAST_LINES) && outlet.flush(LAST_LINES))
    {
        io.note("warning: the last lines of the log are missing");
    }
    exit
}

fn level(text: &str) -> Result<String, String> {
    check_level(text).map(|()| text.to_owned())
}

/// Hears what plugins say, without the secrets of the settings. `level`: signals of it are written to the error output.
fn listen(
    level: Option<&str>,
    subject: &Subject,
    env: &Env,
) -> Result<(Ear, Option<Outlet>), String> {
    subject.keep_secrets(env);
    let settings = &subject.settings;
    let mut telemetry = Telemetry::default();
    telemetry.secrets.clone_from(&settings.telemetry.secrets);
    level.unwrap_or("off").clone_into(&mut telemetry.level);
    let format = log::Format::detect();
    let outlet = level.map(|_| log::outlet(std::io::stderr(), format)).transpose();
    let outlet = outlet.map_err(|why| why.to_string())?;
    let shown = outlet.clone().map(|outlet| (format, outlet));
    let heard = log::listen(&telemetry, shown).map_err(|why| why.to_string())?;
    Ok((Ear::new(heard), outlet))
}

impl Test {
    fn named(&self) -> subject::Named<'_> {
        let (config, plugin) = (self.config.as_deref(), self.plugin.as_deref());
        subject::Named { what: &self.what, config, plugin }
    }
}

/// A script under the name by which people know it.
struct Named {
    name: String,
    steps: Vec<read::Line>,
}

/// Everything is read before anything is played.
fn prepare(args: &Test, io: &mut Io) -> Result<(Subject, Vec<Named>), String> {
    let subject = subject::find(&args.named(), &io.env)?;
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

async fn all(
    args: &Test,
    subject: &Subject,
    scripts: Vec<Named>,
    ear: &mut Ear,
    io: &mut Io,
) -> Exit {
    let (mut failed, count) = (0, scripts.len());
    for Named { name, steps } in scripts {
        // What the one before said at its end is none of this one's.
        ear.take();
        let mut tryout = match begin(subject, io).await {
            Ok(tryout) => tryout,
            Err(error) => {
                io.note(format_args!("error: {}", secrets::hide(&error.to_string())));
                return Exit::Wrong;
            }
        };
        let played = play::script(&mut tryout, &steps, ear, args.show, io).await;
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
