//! Many connections that end together.

use super::{Done, crowd, rest};
use crate::{
    hostile::arena::{Arena, Grounds, PLUGIN_MEMORY, Part, plugin},
    load::{Peer, close_frame},
};
use anyhow::Result;
use futures_util::{StreamExt, TryStreamExt, stream};
use std::path::Path;

const OF_ONE_USER: usize = 8000;
const LEAVING: usize = 1000;
const AT_ONCE: usize = 64;

pub(super) fn config(grounds: &Grounds, folder: &Path) -> Result<Part> {
    let mut part = plugin(grounds, folder, ("says", "authenticator_hostile"), "")?;
    part.text += "\n[[endpoint]]\npath = \"/guarded\"\nauthenticator = \"says\"\n";
    part.memory = PLUGIN_MEMORY;
    Ok(part)
}

/// Peers are closed by reset.
pub(super) async fn resets(arena: &Arena<'_>) -> Result<Done> {
    let (mut times, count) = (0, arena.count(OF_ONE_USER));
    while !arena.is_over() {
        let open = |_| {
            let headers = "Sec-WebSocket-Protocol: tengen.v1.json\r\n";
            Peer::connect(arena.address(), "/guarded?ann", headers)
        };
        let peers: Vec<Peer> =
            stream::iter(0..count).map(open).buffer_unordered(AT_ONCE).try_collect().await?;
        drop(peers);
        times += 1;
    }
    Ok(Done::new(format!("{times} times {count} resets")))
}

/// A goodbye whose answer is not read, on a socket that stays.
pub(super) async fn leaving(arena: &Arena<'_>) -> Result<Done> {
    let peers = crowd(arena, LEAVING).await?;
    arena.begin();
    for peer in &peers {
        peer.send(&close_frame(1000)).await?;
    }
    rest(arena).await;
    Ok(Done::new(format!("{} connections", peers.len())))
}
