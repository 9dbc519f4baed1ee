//! The load generator: many clients in one thread, on a core of its own.

mod burst;
pub(crate) mod closed;
pub(crate) mod crowd;
pub(crate) mod fanout;
mod frame;
pub(crate) mod handshakes;
pub(crate) mod open;
mod peer;

pub(crate) use burst::{Burst, close_frame, frame_of, raw_text, text_of};
pub(crate) use peer::{Dialect, Peer};

use anyhow::Result;
use futures_util::{StreamExt, TryStreamExt, stream};
use std::net::SocketAddr;

/// Handshakes under way at one time while connections are opened.
const AT_ONCE: usize = 64;

/// Opens so many connections.
pub(crate) async fn open_all(
    address: SocketAddr,
    count: usize,
    dialect: Dialect,
) -> Result<Vec<Peer>> {
    stream::iter(0..count)
        .map(|_| Peer::open_as(address, dialect))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}
