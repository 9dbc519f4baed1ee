//! `tengen serve`: runs the gateway until it is told to end.

use super::{AdminAddress, Env, Exit, Io, Serve, words::counted};
use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tengen_server::{
    admin::state::{State, runtime_folder},
    gateway::{Gateway, GatewayError, Options, Overrides},
};
use tengen_settings::{
    Drain, Settings,
    config::{self, Variables},
};
use tengen_telemetry::log::{self, Outlet};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long the end waits for somebody who reads what was said last.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The streams of a gateway: it waits for neither.
struct Streams {
    out: Outlet,
    err: Outlet,
}

impl Streams {
    fn take(io: &mut Io) -> io::Result<Self> {
        let format = log::Format::detect();
        let take = |stream: &mut Box<dyn Write + Send>| -> io::Result<Outlet> {
            // Until there is another way, and for good if there is none: to say so.
            let own = std::mem::replace(stream, Box::new(io::stderr()));
            let outlet = log::outlet(own, format)?;
            *stream = Box::new(outlet.pen());
            Ok(outlet)
        };
        Ok(Self { out: take(&mut io.out)?, err: take(&mut io.err)? })
    }
}

impl Drop for Streams {
    /// However the gateway ends, what it said is written, if somebody reads.
    fn drop(&mut self) {
        let until = Instant::now() + LAST_LINES;
        log::flush(LAST_LINES);
        for outlet in [&self.err, &self.out] {
            outlet.flush(until.saturating_duration_since(Instant::now()));
        }
    }
}

pub(super) async fn run(args: Serve, io: &mut Io) -> Exit {
    let streams = match Streams::take(io) {
        Ok(streams) => streams,
        Err(error) => {
            io.error(&error);
            return Exit::Failed;
        }
    };
    let overrides = Overrides {
        listen: args.listen,
        admin: args.admin.map(|AdminAddress(address)| address),
        port_file: args.port_file,
        plugin_folder: args.files.plugins,
    };
    let (mut settings, variables) = match &args.files.config {
        None => (Settings::default(), Variables::default()),
        Some(file) => match config::load(file, &io.env) {
            Ok(parsed) => {
                parsed
                    .warnings
                    .iter()
                    .for_each(|warning| io.note(format_args!("warning: {warning}")));
                (parsed.settings, parsed.variables)
            }
            Err(error) => {
                io.error(&error);
                return Exit::Wrong;
            }
        },
    };
    overrides.apply(&mut settings);
    let err = streams.err.clone();
    if let Err(error) = log::install_on(&settings.telemetry, log::Format::detect(), err) {
        io.error_of(&variables, &error);
        return Exit::Wrong;
    }
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => {
            io.error(&error);
            return Exit::Failed;
        }
    };
    let options = Options {
        config_file: args.files.config.clone(),
        overrides,
        compiler: io.compiler.clone(),
        user_cache: user_cache(&io.env),
        names: None,
    };
    match start((settings.clone(), &variables), options, signals.end(), io).await {
        Ok(gateway) => {
            until_told(gateway, &settings, args.files.config.as_deref(), signals, io).await
        }
        Err(exit) => exit,
    }
}

/// Err: nothing runs, and why is told.
pub(super) async fn start(
    (settings, variables): (Settings, &Variables),
    options: Options,
    end: impl Future<Output = ()>,
    io: &mut Io,
) -> Result<Gateway, Exit> {
    let started = tokio::select! {
        started = Gateway::start(settings, options) => started,
        () = end => return Err(Exit::Ok),
    };
    started.map_err(|error| {
        io.error_of(variables, &error);
        if matches!(error, GatewayError::Plugins(_)) { Exit::Wrong } else { Exit::Failed }
    })
}

/// Where this user's compiled plugins are kept; none without a home.
pub(super) fn user_cache(env: &Env) -> Option<PathBuf> {
    let folder = |name: &str| env(name).map(PathBuf::from).filter(|folder| folder.is_absolute());
    let home = || folder("HOME").map(|home| home.join(".cache"));
    Some(folder("XDG_CACHE_HOME").or_else(home)?.join("tengen"))
}

async fn until_told(
    gateway: Gateway,
    settings: &Settings,
    config: Option<&Path>,
    mut signals: Signals,
    io: &mut Io,
) -> Exit {
    let state = State {
        pid: std::process::id(),
        listen: gateway.address(),
        admin: gateway.admin_address(),
    };
    let written = state.write(settings.server.port_file.as_deref(), &runtime_folder(&io.env));
    let running = gateway.plugins();
    let names = running.as_array().into_iter().flatten();
    let names = names.filter_map(|plugin| plugin.get("name")?.as_str());
    let running: Vec<_> = names.map(str::to_owned).collect();
    for line in greeting(&state, settings, &running, config) {
        io.say(line);
    }
    while signals.ask().await == Asked::Reload {
        match gateway.reload().await {
            Ok(changes) if changes.is_empty() => {
                io.note("configuration read again: nothing has changed")
            }
            Ok(changes) => changes
                .iter()
                .for_each(|change| io.note(format_args!("configuration read again: {change}"))),
            Err(why) => io.note(format_args!("error: the configuration is not used: {why}")),
        }
    }
    let Drain { grace, deadline, .. } = settings.server.drain;
    if !grace.is_zero() {
        io.note(format_args!("ending: not ready any more, and open for another {grace:?}"));
    }
    io.note(format_args!(
        "ending: sending connections away, at most {deadline:?}; a second signal ends at once"
    ));
    let exit = tokio::select! {
        drained = gateway.drain() => {
            if drained.cut_off > 0 {
                let all = counted(drained.connections, "connection", "connections");
                io.note(format_args!("warning: {} of {all} cut off at the deadline", drained.cut_off));
            }
            Exit::Ok
        }
        () = signals.end() => {
            io.note("ended at once, by a second signal");
            Exit::Failed
        }
    };
    drop(written);
    exit
}

/// The plugins that run and where others would come from; without any, what becomes of events.
fn plugins(settings: &Settings, running: &[String]) -> String {
    let names = running.join(", ");
    match (&settings.plugin_folder, names.as_str()) {
        (Some(folder), "") => format!(
            "none; put a .wasm file into {} and it runs, until then every event is answered `unknown-event`",
            folder.display()
        ),
        (Some(folder), names) => {
            format!(
                "{names}; every .wasm file in {} is one, save it and it is replaced",
                folder.display()
            )
        }
        (None, "") if settings.echo => "none; every event is echoed to its sender".to_owned(),
        (None, "") => "none; every event is answered `unknown-event`".to_owned(),
        (None, names) => names.to_owned(),
    }
}

/// What runs and how to reach it, for the person who started it.
fn greeting(
    state: &State,
    settings: &Settings,
    running: &[String],
    config: Option<&Path>,
) -> Vec<String> {
    let mut lines =
        vec![format!("tengen {} listens on {}", env!("CARGO_PKG_VERSION"), state.listen)];
    for endpoint in &settings.endpoints {
        let formats: Vec<_> = endpoint.formats.iter().map(|format| format.word()).collect();
        let formats = match formats.is_empty() {
            true => String::new(),
            false => format!(" ({})", formats.join(", ")),
        };
        lines.push(format!(
            "  ws://{}{}  {}{formats}",
            state.listen,
            endpoint.path,
            endpoint.dialect.word()
        ));
    }
    for served in &settings.statics {
        lines.push(format!(
            "  http://{}{}  files of {}",
            state.listen,
            served.path,
            served.dir.display()
        ));
    }
    let admin = state.admin.map_or_else(|| "off".to_owned(), |admin| format!("http://{admin}"));
    lines.push(format!("admin: {admin}"));
    lines.push(format!("plugins: {}", plugins(settings, running)));
    lines.push(match config {
        Some(file) => format!("configuration: {}", file.display()),
        None => "configuration: defaults (`tengen config default` prints them)".to_owned(),
    });
    lines
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    End,
    /// Read the configuration again (SIGHUP).
    Reload,
}

/// The signals of the program's terminal and supervisor.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn ask(&mut self) -> Asked {
        tokio::select! {
            _ = self.interrupt.recv() => Asked::End,
            _ = self.terminate.recv() => Asked::End,
            _ = self.hangup.recv() => Asked::Reload,
        }
    }

    /// Waits for the next signal to end; one to reload says nothing while the gateway starts or ends.
    async fn end(&mut self) {
        while self.ask().await != Asked::End {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_plugins_the_greeting_says_what_becomes_of_events() {
        let mut settings = Settings::default();
        let said = |settings: &Settings, running: &[&str]| {
            plugins(settings, &running.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(said(&settings, &[]), "none; every event is echoed to its sender");
        settings.echo = false;
        assert_eq!(said(&settings, &[]), "none; every event is answered `unknown-event`");
        assert_eq!(said(&settings, &["chat", "log"]), "chat, log");
        settings.plugin_folder = Some("there".into());
        let none = said(&settings, &[]);
        assert!(none.starts_with("none; put a .wasm file into there"), "{none}");
        let some = said(&settings, &["chat"]);
        assert!(some.starts_with("chat; every .wasm file in there"), "{some}");
    }
}
