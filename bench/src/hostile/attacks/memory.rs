//! Bytes that the gateway has to hold for others: unfinished messages, unread answers, events that wait.

use super::{Done, breathe, crowd, rest};
use crate::{
    hostile::arena::Arena,
    load::{Peer, frame_of},
};
use anyhow::Result;
use futures_util::future::join_all;
use std::time::Duration;
use tokio::time::timeout;

const UNFINISHED: usize = 228;
const CAME: usize = 900_000;
const OTHERS: usize = 300;
/// A socket that takes no more bytes has shown that the gateway does not read it.
const WRITE_WITHIN: Duration = Duration::from_secs(2);

pub(super) async fn unfinished(arena: &Arena<'_>) -> Result<Done> {
    let peers = crowd(arena, UNFINISHED).await?;
    arena.begin();
    let whole = frame_of(&format!("[[\"hostile/well\",\"{}\"],\"1\"]", "x".repeat(1_000_000)));
    let came = whole.get(..CAME).unwrap_or(&whole);
    write_all(&peers, came).await;
    // A byte now and then: they are slow, not silent.
    let mut sent = CAME;
    while !arena.is_over() {
        let byte = whole.get(sent..=sent).unwrap_or_default();
        write_all(&peers, byte).await;
        sent += 1;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Ok(Done::new(format!("{} messages, {CAME} bytes of each", peers.len())))
}

pub(super) async fn non_readers(arena: &Arena<'_>) -> Result<Done> {
    let question = frame_of(&format!(r#"[["near/ask","{}"],"1"]"#, "x".repeat(CAME)));
    hold(arena, &question).await
}

pub(super) async fn waiting(arena: &Arena<'_>) -> Result<Done> {
    let question = frame_of(&format!(r#"[["hostile/slow","{}"],"1"]"#, "x".repeat(CAME)));
    hold(arena, &question).await
}

/// Every connection asks and reads nothing; who is thrown out comes back.
async fn hold(arena: &Arena<'_>, question: &[u8]) -> Result<Done> {
    let count = arena.count(OTHERS);
    let (mut peers, mut turned_away, mut asked) = (Vec::new(), 0, 0);
    while !arena.is_over() {
        while peers.len() < count && !arena.is_over() {
            match Peer::open_narrow(arena.address()).await {
                Ok(peer) => peers.push(peer),
                Err(_) => {
                    turned_away += 1;
                    breathe().await;
                }
            }
        }
        let sent = write_all(&peers, question).await;
        asked += sent.iter().filter(|sent| **sent).count();
        // Those whose socket is full or gone.
        let mut sent = sent.into_iter();
        peers.retain(|_| sent.next().unwrap_or(false));
        breathe().await;
    }
    rest(arena).await;
    Ok(Done::new(format!("{asked} messages of {CAME} bytes, {turned_away} times turned away")))
}

/// Whether each took all of it.
async fn write_all(peers: &[Peer], bytes: &[u8]) -> Vec<bool> {
    let write = |peer| async move {
        let sent = timeout(WRITE_WITHIN, Peer::send(peer, bytes)).await;
        sent.is_ok_and(|sent| sent.is_ok())
    };
    join_all(peers.iter().map(write)).await
}
