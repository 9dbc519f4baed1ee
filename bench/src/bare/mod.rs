//! Baselines: the least that a server on tokio can do for the same bytes on the wire.

mod broadcast;
mod direct;
mod echo;
mod socket;
mod upgrade;

use anyhow::{Context as _, Result};
use std::{fs, net::Ipv4Addr, path::Path};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
    task::JoinSet,
};

/// What a bare server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Role {
    /// Answers each request; one flush for all that was readable.
    Echo,
    /// Sends each frame back as it is; one flush for all that was readable.
    Raw,
    /// Publishes by writing one frame to every socket, without waking a task.
    Direct,
    /// Publishes through a broadcast channel; one flush for all that waits.
    Broadcast,
    /// Answers the upgrade and does nothing more.
    Upgrade,
    /// Answers the upgrade and sends one frame.
    Greet,
}

impl Role {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Raw => "raw",
            Self::Direct => "direct",
            Self::Broadcast => "broadcast",
            Self::Upgrade => "upgrade",
            Self::Greet => "greet",
        }
    }
}

/// Serves on a free port until it is ended, with so many workers; writes the port to a file.
pub(crate) fn run(role: Role, workers: usize, port_file: &Path) -> Result<()> {
    let runtime = match workers {
        1 => runtime::Builder::new_current_thread().enable_all().build()?,
        _ => runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build()?,
    };
    runtime.block_on(async {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("cannot listen")?;
        let part = port_file.with_extension("part");
        fs::write(&part, format!("{}\n", listener.local_addr()?.port()))?;
        fs::rename(&part, port_file)?;
        match role {
            Role::Echo => accept(&listener, echo::serve).await,
            Role::Raw => accept(&listener, echo::serve_raw).await,
            Role::Direct => {
                let room = direct::Room::default();
                accept(&listener, move |stream| room.clone().serve(stream)).await
            }
            Role::Broadcast => {
                let room = broadcast::Room::default();
                accept(&listener, move |stream| room.clone().serve(stream)).await
            }
            Role::Upgrade => accept(&listener, |stream| upgrade::serve(stream, false)).await,
            Role::Greet => accept(&listener, |stream| upgrade::serve(stream, true)).await,
        }
    })
}

/// One task per connection. How a connection ends is nobody's business here: a load that misses something says so.
async fn accept<F>(listener: &TcpListener, serve: impl Fn(TcpStream) -> F) -> Result<()>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        connections.spawn(serve(stream));
        while connections.try_join_next().is_some() {}
    }
}
