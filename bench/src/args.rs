//! The command line.

use crate::bare::Role;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::{net::SocketAddr, path::PathBuf};

/// Measures the gateway against bare servers, in the same run.
#[derive(Debug, Parser)]
#[command(name = "tengen-bench")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs benches and prints their report as Markdown.
    Run(Run),
    /// Attacks a gateway and says what another connection notices.
    Hostile(Hostile),
    /// Loads a server that runs already, to be profiled meanwhile, and says what a message costs it.
    Load(Load),
    /// Times a calculation and prints microseconds: what `run --against` tells a quiet machine by.
    Calibrate,
    /// Is a bare server; what `run` measures against.
    Bare {
        role: Role,
        /// Threads that serve.
        #[arg(long, default_value_t = 1)]
        workers: usize,
        /// Gets the port once the server listens.
        #[arg(long)]
        port_file: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Load {
    /// Its process.
    #[arg(long)]
    pub(crate) pid: u32,
    #[arg(long)]
    pub(crate) address: SocketAddr,
    #[arg(long, default_value_t = 50)]
    pub(crate) connections: usize,
    /// Messages in flight per connection.
    #[arg(long, default_value_t = 1)]
    pub(crate) depth: usize,
    /// Bytes of data in a message.
    #[arg(long, default_value_t = 64)]
    pub(crate) size: usize,
    #[arg(long, default_value_t = 10)]
    pub(crate) seconds: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Hostile {
    /// Which attacks; without names all of them.
    pub(crate) names: Vec<String>,
    /// How long each lasts.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) seconds: u64,
    /// A twentieth of everything: shows that the attacks run, decides nothing.
    #[arg(long)]
    pub(crate) smoke: bool,
    /// Prints the attacks and what they do.
    #[arg(long)]
    pub(crate) list: bool,
    /// The gateway's binary.
    #[arg(long, required_unless_present = "list", default_value = "")]
    pub(crate) gateway: PathBuf,
    /// The folder of the built guests.
    #[arg(long, required_unless_present = "list", default_value = "")]
    pub(crate) guests: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Which benches.
    #[arg(required_unless_present = "smoke")]
    pub(crate) names: Vec<Name>,
    /// Fails when a must is missed.
    #[arg(long, conflicts_with = "smoke")]
    pub(crate) gate: bool,
    /// Everything, small and short: shows that the benches run, decides nothing.
    #[arg(long)]
    pub(crate) smoke: bool,
    /// How costs grow with connections, subscribers and idle ones, instead of the one point of the limits.
    #[arg(long, conflicts_with = "smoke")]
    pub(crate) slopes: bool,
    /// Compares with another revision, by this name, whose `tengen`, `tengen-bench-call` and guests are in the folder that
    /// `--against-folder` names.
    #[arg(long, requires = "against_folder", conflicts_with_all = ["gate", "slopes"])]
    pub(crate) against: Option<String>,
    #[arg(long, requires = "against")]
    pub(crate) against_folder: Option<PathBuf>,
    /// Its guests, if they are not in `guests` of that folder.
    #[arg(long, requires = "against")]
    pub(crate) against_guests: Option<PathBuf>,
    /// Keeps the cheapest bare echo that this machine has shown.
    #[arg(long)]
    pub(crate) quiet: Option<PathBuf>,
    /// How often each server takes its turn.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..100))]
    pub(crate) rounds: Option<u32>,
    /// The gateway's binary; otherwise the one beside this program.
    #[arg(long)]
    pub(crate) gateway: Option<PathBuf>,
    /// The folder of the built guests; otherwise `guests` in cargo's target folder.
    #[arg(long)]
    pub(crate) guests: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    /// One message at a time, 64, and the tail of an open loop.
    Echo,
    /// The same on a raw endpoint.
    Raw,
    /// One message at a time, of 64 B to 256 KiB, in each format.
    Payload,
    /// One publication to a thousand subscribers.
    Fanout,
    /// Memory of ten thousand connections that say nothing.
    Idle,
    /// An echo beside a fan-out, with others that subscribe and unsubscribe.
    Beside,
    /// The metrics of many plugins and connections.
    Scrape,
    /// Upgrades.
    Handshake,
    /// A plugin's call, without sockets.
    Call,
    /// A plugin's next version, from the end of writing to the first answer.
    Reload,
    /// From start to ready.
    Start,
    /// What a message costs on two cores, against one.
    Cores,
    /// A plugin whose state is kept for after a trap.
    State,
    /// Signals: what it costs to say something, and that no sink is felt.
    Telemetry,
    /// All of these.
    All,
}

impl Name {
    pub(crate) const EACH: [Self; 14] = [
        Self::Echo,
        Self::Raw,
        Self::Payload,
        Self::Fanout,
        Self::Idle,
        Self::Beside,
        Self::Scrape,
        Self::Handshake,
        Self::Call,
        Self::Reload,
        Self::Start,
        Self::Cores,
        Self::State,
        Self::Telemetry,
    ];
}
