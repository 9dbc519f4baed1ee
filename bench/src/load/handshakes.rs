//! Handshakes: connect, upgrade, reset, and again.

use super::peer::{PATIENCE, Peer};
use crate::process::Server;
use anyhow::{Context as _, Result};
use futures_util::{StreamExt, TryStreamExt, stream};
use std::time::Instant;
use tokio::time::timeout;

const AT_ONCE: usize = 64;

/// What a handshake is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Handshakes<'a> {
    pub(crate) count: usize,
    /// Further lines of the request, each with its end.
    pub(crate) headers: &'a str,
    /// Whether the dialect's first frame is waited for before the reset.
    pub(crate) greeting: bool,
}

/// One measurement of one server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// CPU time of the server per handshake, in microseconds.
    pub(crate) cpu: f64,
    pub(crate) per_second: f64,
}

pub(crate) async fn run(server: &Server, load: Handshakes<'_>) -> Result<Sample> {
    all(server, load, load.count / 10).await?;
    let (before, began) = (server.cpu()?, Instant::now());
    all(server, load, load.count).await?;
    let spent = server.cpu()?.since(&before).as_secs_f64();
    let count = load.count as f64;
    Ok(Sample { cpu: spent * 1e6 / count, per_second: count / began.elapsed().as_secs_f64() })
}

async fn all(server: &Server, load: Handshakes<'_>, count: usize) -> Result<()> {
    let one = |_| async move {
        timeout(PATIENCE, one(server, load)).await.context("a handshake took too long")?
    };
    stream::iter(0..count).map(one).buffer_unordered(AT_ONCE).try_collect().await
}

async fn one(server: &Server, load: Handshakes<'_>) -> Result<()> {
    let mut peer = Peer::upgrade(server.address(), load.headers).await?;
    if load.greeting {
        peer.text().await?;
    }
    Ok(())
}
