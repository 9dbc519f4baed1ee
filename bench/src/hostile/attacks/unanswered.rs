//! Questions that the plugin never answers, by many connections.

use super::{Done, breathe, crowd};
use crate::{
    hostile::arena::Arena,
    load::{Peer, frame_of},
};
use anyhow::Result;
use futures_util::future::join_all;
use std::time::Duration;
use tokio::time::timeout;

const CONNECTIONS: usize = 40;
/// Of one connection in one write.
const ASKED: usize = 100;
/// A gateway that reads more slowly is a good defence; one that reads nothing for so long has ended the connection.
const WRITE_WITHIN: Duration = Duration::from_secs(5);

pub(super) async fn run(arena: &Arena<'_>) -> Result<Done> {
    let peers = crowd(arena, CONNECTIONS).await?;
    let question = |n: usize| frame_of(&format!(r#"[["hostile/ignore",1],"{n}"]"#));
    let burst = (0..ASKED).map(question).collect::<Vec<_>>().concat();
    let all = join_all(peers.into_iter().map(|peer| press(arena, peer, &burst))).await;
    let asked: usize = all.iter().map(|(asked, _)| asked).sum();
    let ended = all.iter().filter(|(_, ended)| *ended).count();
    Ok(Done::new(format!("{asked} questions, {ended} of {} connections ended", all.len())))
}

/// Asks on one connection. How much, and whether the gateway ended it: which is no harm done to others.
async fn press(arena: &Arena<'_>, mut peer: Peer, burst: &[u8]) -> (usize, bool) {
    let mut asked = 0;
    while !arena.is_over() {
        let sent = timeout(WRITE_WITHIN, peer.send(burst)).await;
        let is_open = sent.is_ok_and(|sent| sent.is_ok());
        if !is_open || drain(&mut peer).is_err() {
            return (asked, true);
        }
        asked += ASKED;
        breathe().await;
    }
    (asked, false)
}

/// Takes what is there: it is only in the way.
fn drain(peer: &mut Peer) -> Result<()> {
    while peer.try_fill()? {}
    while peer.pop()?.is_some() {}
    Ok(())
}
