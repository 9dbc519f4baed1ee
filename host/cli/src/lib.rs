//! The command line: what it takes, and which part of it does what.

mod bench;
mod check;
mod compile;
mod connect;
mod find;
mod inspect;
mod jwt;
mod new;
mod plugins;
mod script;
mod serve;
mod shown;
mod sinks;
mod subject;
mod token;
mod wit;
mod words;

pub use compile::{compile, program};

use clap::{Args, Parser, Subcommand};
use std::{
    ffi::OsString,
    fmt,
    io::{BufRead, Write},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};
use tengen_engine::Compiler;
use tengen_settings::config::{self, Variables};
use tengen_wire::payload::Encoding;
use words::visible;

/// What a command came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Ok,
    /// It failed while it ran.
    Failed,
    /// Wrong arguments, configuration or plugins.
    Wrong,
    /// What a client got back was a fault.
    Fault,
    /// A client got nothing back in time.
    Late,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Ok => Self::SUCCESS,
            Exit::Failed => Self::from(1),
            Exit::Wrong => Self::from(2),
            Exit::Fault => Self::from(3),
            Exit::Late => Self::from(4),
        }
    }
}

/// Looks up an environment variable.
pub type Env = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// The process around a command.
pub struct Io {
    pub out: Box<dyn Write + Send>,
    pub err: Box<dyn Write + Send>,
    pub input: Box<dyn BufRead + Send>,
    pub env: Env,
    /// How components are compiled; see [`program`].
    pub compiler: Compiler,
}

impl fmt::Debug for Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Io")
    }
}

/// Whatever is said may quote a file or a peer: what does not show in it is written out.
impl Io {
    /// A line of results. A reader that went away wants no more of them: that is not a mistake.
    fn say(&mut self, line: impl fmt::Display) {
        let line = visible(&line.to_string(), true);
        let gone = writeln!(self.out, "{line}").and_then(|()| self.out.flush()).is_err();
        if gone {
            self.out = Box::new(std::io::sink());
        }
    }

    /// A line for the person who watches, apart from the results.
    fn note(&mut self, line: impl fmt::Display) {
        let line = visible(&line.to_string(), true);
        let gone = writeln!(self.err, "{line}").and_then(|()| self.err.flush()).is_err();
        if gone {
            self.err = Box::new(std::io::sink());
        }
    }

    /// What went wrong, with its causes. A cause that was told already is not told again.
    fn error(&mut self, error: &dyn std::error::Error) {
        self.error_of(&Variables::default(), error);
    }

    /// The same of a configuration: what its variables stand for is hidden.
    fn error_of(&mut self, variables: &Variables, error: &dyn std::error::Error) {
        let mut told = variables.hide(&error.to_string());
        self.note(format_args!("error: {told}"));
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = variables.hide(&error.to_string());
            if !told.ends_with(&text) {
                self.note(format_args!("  because: {text}"));
                told = text;
            }
            cause = error.source();
        }
    }
}

const AFTER: &str = "\
Exit codes:
  0  done
  1  it failed while it ran; a script went differently (`test`)
  2  wrong arguments, configuration or plugins
  3  what came back was a fault (`connect`, `ask`)
  4  nothing came back in time (`ask`)

Try it: `tengen serve`, and in another terminal `tengen connect ws://127.0.0.1:8080/ws --ask 'hello/world {\"x\": 1}'`.";

/// A programmable real-time gateway: it holds WebSocket connections, and WebAssembly components decide what they mean.
#[derive(Debug, Parser)]
#[command(name = "tengen", bin_name = "tengen", version, after_help = AFTER, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway
    ///
    /// Without a configuration file it serves /ws (tengen), /chsk (Sente) and /raw on 127.0.0.1:8080, and echoes every
    /// event to its sender. SIGTERM or Ctrl-C sends connections away gently, a second one ends at once; SIGHUP reads the
    /// configuration file again.
    Serve(Serve),
    /// Check a configuration and its plugins, and tell every mistake at once
    Check(Files),
    /// See the plugins of a running gateway, or in files
    #[command(subcommand)]
    Plugin(Plugin),
    /// See the sinks of a running gateway and what becomes of signals; change filters while it runs
    Sinks(sinks::Sinks),
    /// Print configuration
    #[command(subcommand)]
    Config(Config),
    /// Make and check tokens for the token-auth plugin (JWT, HS256)
    #[command(subcommand)]
    Token(Token),
    /// Connect to a gateway, send events, see what arrives
    Connect(Connect),
    /// Ask a running gateway one thing, and print the answer
    Ask(connect::Ask),
    /// Make a folder with a plugin, its tests, a page to try it and all that it is built from
    New(new::New),
    /// Play event scripts against a plugin, without a gateway, and compare what it decides
    Test(script::Test),
    /// Print the version
    Version,
}

#[derive(Debug, Args)]
struct Serve {
    #[command(flatten)]
    files: Files,
    /// Address and port for clients, instead of `server.listen`; port 0: any free one
    #[arg(long, value_name = "ADDR", value_parser = address)]
    listen: Option<SocketAddr>,
    /// Write the real port to this file once clients can connect
    #[arg(long, value_name = "FILE")]
    port_file: Option<PathBuf>,
    /// Address and port for health, statistics and reloads, or `off`
    #[arg(long, value_name = "ADDR|off", value_parser = admin_address)]
    admin: Option<AdminAddress>,
}

/// Where configuration and plugins come from.
#[derive(Debug, Clone, Default, Args)]
struct Files {
    /// The configuration file
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A folder whose .wasm files are all plugins; every event goes to them
    #[arg(short, long, value_name = "DIR")]
    plugins: Option<PathBuf>,
}

/// Which running gateway is meant.
#[derive(Debug, Clone, Default, Args)]
struct Running {
    /// Admin address of the running gateway; without it, the state file tells
    #[arg(long, value_name = "ADDR", value_parser = address)]
    admin: Option<SocketAddr>,
    /// State file of the running gateway: its port file's name with `.state`
    #[arg(long, value_name = "FILE", conflicts_with = "admin")]
    state: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Plugin {
    /// List the plugins of the running gateway; without one, those of the files given
    List {
        #[command(flatten)]
        running: Running,
        #[command(flatten)]
        files: Files,
    },
    /// Show all that is known of one plugin
    Inspect(Inspect),
    /// Load a plugin of the running gateway again from its file
    Reload {
        name: String,
        #[command(flatten)]
        running: Running,
        /// One of `admin.keys`; without it, the environment variable TENGEN_API_KEY
        #[arg(long)]
        key: Option<String>,
    },
    /// Measure what a call costs: an event, again and again, alone and 64 together
    Bench(bench::Bench),
    /// Write the WIT package that plugins are built against into a folder
    Wit {
        /// Made where it is not there
        dir: PathBuf,
        /// Overwrite files that say something else
        #[arg(long)]
        force: bool,
    },
}

#[derive(Debug, Args)]
struct Inspect {
    /// A .wasm file, or the name of a plugin of the running gateway
    #[arg(value_name = "FILE|NAME")]
    what: String,
    #[command(flatten)]
    running: Running,
    #[command(flatten)]
    files: Files,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Config {
    /// Print a complete configuration file: defaults as they are, examples as comments
    Default,
    /// Print all keys as a Markdown table
    Table,
}

#[derive(Debug, Subcommand)]
enum Token {
    /// Print a signed token
    Make {
        #[command(flatten)]
        key: Key,
        /// Whose token it is (`sub`)
        #[arg(short, long, value_parser = token::user)]
        user: String,
        /// How long it is good for, as in 1h
        #[arg(short, long, value_name = "DURATION", default_value = "1h", value_parser = config::duration)]
        expires: Duration,
        /// A further claim; the value is JSON, or text. Can be given several times
        #[arg(long = "claim", value_name = "NAME=VALUE", value_parser = token::claim)]
        claims: Vec<(String, Box<serde_json::value::RawValue>)>,
    },
    /// Check a token's signature and time, and print its claims
    Check {
        #[command(flatten)]
        key: Key,
        token: String,
    },
}

/// The secret that signs tokens.
#[derive(Debug, Args)]
struct Key {
    /// The secret; others on this machine can see it in the list of processes. Without --key and --key-file, the environment variable TENGEN_TOKEN_KEY
    #[arg(short, long, conflicts_with = "key_file")]
    key: Option<String>,
    /// A file with the secret
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

const CONNECT: &str = r#"Lines that are typed:
  room/say {"text": "hi"}     sends an event
  ? room/who                  asks, and shows the reply

Lines that are shown:
  room/said {"text": "hi"}    an event that arrived
  = room/who ["ada"]          the reply to what was asked

Data is written and shown in the format that is spoken (--format): as JSON where that is MessagePack, as EDN where it is Transit. Data goes to the output, everything else to the error output; characters that do not show are
written as JSON's escapes. What comes back to events that were only sent is shown for a second, or for --timeout. It exits with
3 when any answer was a fault (`tengen/error`)."#;

#[derive(Debug, Args)]
#[command(after_help = CONNECT)]
struct Connect {
    /// Such as ws://127.0.0.1:8080/ws
    url: String,
    /// A token for the gateway's authenticator
    #[arg(long)]
    token: Option<String>,
    /// What is spoken: json, edn, transit or msgpack
    #[arg(long, default_value = "json", value_parser = format)]
    format: Encoding,
    /// Send this event instead of reading lines, and show what comes back; can be given several times
    #[arg(long, value_name = "EVENT")]
    send: Vec<String>,
    /// Ask this instead of reading lines, and end with the last reply; can be given several times
    #[arg(long, value_name = "EVENT")]
    ask: Vec<String>,
    /// End after so many events and replies
    #[arg(long, value_name = "N")]
    count: Option<usize>,
    /// End after so long; a failure if replies or --count are then missing
    #[arg(long, value_name = "DURATION", value_parser = config::duration)]
    timeout: Option<Duration>,
    /// Go on showing what arrives when there is nothing more to send
    #[arg(short, long)]
    follow: bool,
}

/// An admin listener's address, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct AdminAddress(Option<SocketAddr>);

fn format(word: &str) -> Result<Encoding, String> {
    connect::formats().find(|format| format.word() == word).ok_or_else(|| {
        let words: Vec<_> = connect::formats().map(Encoding::word).collect();
        format!("write one of {}", words.join(", "))
    })
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| config::address_remedy(text))
}

fn admin_address(text: &str) -> Result<AdminAddress, String> {
    match text {
        "off" => Ok(AdminAddress(None)),
        _ => address(text).map(|address| AdminAddress(Some(address))),
    }
}

/// Carries out a command line, whose first word is the program's name.
pub async fn run(args: impl IntoIterator<Item = OsString>, mut io: Io) -> Exit {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            io.note(error.render().to_string().trim_end());
            return Exit::Wrong;
        }
        Err(help) => {
            io.say(help.render().to_string().trim_end());
            return Exit::Ok;
        }
    };
    match cli.command {
        Command::Serve(args) => Box::pin(serve::run(args, &mut io)).await,
        Command::Check(files) => check::run(&files, &mut io).await,
        Command::Plugin(command) => plugins::run(command, &mut io).await,
        Command::Sinks(args) => sinks::run(args, &mut io).await,
        Command::Config(Config::Default) => print(&mut io, &config::default_file()),
        Command::Config(Config::Table) => print(&mut io, &config::table()),
        Command::Token(command) => token::run(command, &mut io),
        Command::Connect(args) => Box::pin(connect::run(args, io)).await,
        Command::Ask(args) => Box::pin(connect::ask(args, &mut io)).await,
        Command::New(args) => new::run(&args, &mut io),
        Command::Test(args) => Box::pin(script::run(args, &mut io)).await,
        Command::Version => print(
            &mut io,
            concat!(
                "tengen ",
                env!("CARGO_PKG_VERSION"),
                "\nplugins: tengen:gateway@0.1.0\nwire: tengen.v1"
            ),
        ),
    }
}

fn print(io: &mut Io, text: &str) -> Exit {
    io.say(text.trim_end());
    Exit::Ok
}

#[cfg(test)]
mod tests;
