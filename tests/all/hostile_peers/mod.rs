//! Peers that break rules, on raw sockets: each gets an answer that says so and nothing more, is counted, and costs
//! nobody else anything.

mod floods;
mod frames;
mod memory;
mod messages;
mod places;
mod requests;

use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};
use support::{
    client::{Client, PATIENCE},
    gateway::{self, Running},
    peer::Peer,
};
use tengen_settings::Settings;

/// A gateway that echoes, and somebody on it who does no wrong.
struct Scene {
    gateway: Running,
    neighbour: Client,
    before: Value,
}

impl Scene {
    async fn new() -> Result<Self> {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Settings)) -> Result<Self> {
        let mut settings = Settings { admin: None, ..Settings::default() };
        change(&mut settings);
        let gateway = gateway::start(settings).await?;
        let neighbour = Client::json(gateway.address(), "/ws").await?;
        let before = gateway.gateway.stats();
        Ok(Self { gateway, neighbour, before })
    }

    fn address(&self) -> SocketAddr {
        self.gateway.address()
    }

    /// After an attack: the neighbour is still answered, a newcomer gets in, and each counter, a JSON pointer into the
    /// statistics, has grown by at least so much.
    async fn unharmed(mut self, losses: &[(&str, u64)]) -> Result<()> {
        for (counter, by) in losses {
            self.counted(counter, *by).await?;
        }
        ensure!(self.neighbour.ask("a/b", json!([1, "x"])).await? == json!([1, "x"]));
        let mut newcomer = Client::json(self.address(), "/ws").await?;
        ensure!(newcomer.ask("a/b", json!("new")).await? == "new");
        newcomer.close().await?;
        self.neighbour.close().await?;
        self.gateway.drain().await;
        Ok(())
    }

    /// Waits until the statistics are as they should be. Each look is a round trip of the neighbour's, so time passes.
    async fn until(&mut self, is_so: impl Fn(&Value) -> bool) -> Result<()> {
        let started = Instant::now();
        loop {
            let stats = self.gateway.gateway.stats();
            if is_so(&stats) {
                return Ok(());
            }
            ensure!(started.elapsed() < PATIENCE, "they are not: {stats}");
            self.neighbour.ask("a/b", Value::Null).await?;
        }
    }

    /// Waits until a counter has grown by so much. Each look is a round trip of the neighbour's, so time passes.
    async fn counted(&mut self, counter: &str, by: u64) -> Result<()> {
        // What is counted by its reason is not there before the first.
        let read = |stats: &Value| stats.pointer(counter).and_then(Value::as_u64).unwrap_or(0);
        let wanted = read(&self.before) + by;
        let started = Instant::now();
        loop {
            let stats = self.gateway.gateway.stats();
            if read(&stats) >= wanted {
                return Ok(());
            }
            ensure!(started.elapsed() < PATIENCE, "{counter} is not {wanted}: {stats}");
            self.neighbour.ask("a/b", Value::Null).await?;
        }
    }
}

/// What tells a reader about the inside: types, modules, files, errors of the libraries.
const INSIDE: [&str; 16] = [
    "::",
    ".rs",
    "Error",
    "error:",
    "panick",
    "unwrap",
    "Some(",
    "None",
    "Ok(",
    "Err(",
    "hyper",
    "tungstenite",
    "tokio",
    "wasm",
    "Os {",
    "src/",
];

/// Nothing of the gateway's inside shows in what a peer is told.
fn nothing_internal(told: &str) -> Result<()> {
    match INSIDE.iter().find(|word| told.contains(**word)) {
        Some(word) => bail!("`{word}` is told to a peer: {told}"),
        None => Ok(()),
    }
}

/// Reads to the close frame; its code, after a look at its reason.
async fn close_code(peer: &mut Peer) -> Result<u16> {
    let (code, reason) = peer.closed().await?;
    nothing_internal(&reason)?;
    Ok(code)
}

/// Long enough to send a request in, short enough to wait for.
const SHORT: Duration = Duration::from_secs(1);
