//! A connection that has nothing to do with an attack: it asks a plugin of its own, pings, and takes the time.

use crate::load::{Peer, frame_of};
use anyhow::Result;
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use tokio::time::{Instant, sleep_until, timeout};

/// Between two questions: twenty of each kind a second.
const EVERY: Duration = Duration::from_millis(25);
/// How long the last answers are waited for.
const LAST: Duration = Duration::from_secs(5);

/// What a neighbour has noticed.
#[derive(Debug, Default)]
pub(super) struct Noticed {
    /// How long answers took, from when their question was due.
    pub(super) latencies: Vec<Duration>,
    /// Questions that got an error, or nothing.
    pub(super) unanswered: usize,
    /// Why the connection ended, if it did.
    pub(super) ended: Option<String>,
}

/// Asks until it is told to stop.
pub(super) async fn run(address: SocketAddr, stop: &AtomicBool) -> Noticed {
    let mut noticed = Noticed::default();
    let mut open = BTreeMap::new();
    let ended = match Peer::open(address).await {
        Ok(mut peer) => talk(&mut peer, stop, &mut open, &mut noticed).await,
        Err(error) => Err(error),
    };
    noticed.unanswered += open.len();
    noticed.ended = ended.err().map(|error| format!("{error:#}"));
    noticed
}

async fn talk(
    peer: &mut Peer,
    stop: &AtomicBool,
    open: &mut BTreeMap<u32, Instant>,
    noticed: &mut Noticed,
) -> Result<()> {
    let (mut due, mut number) = (Instant::now(), 0);
    while !stop.load(Ordering::Relaxed) {
        tokio::select! {
            read = peer.fill() => {
                read?;
                take(peer, open, noticed)?;
            }
            () = sleep_until(due) => {
                number += 1;
                peer.send(&frame_of(&question(number))).await?;
                open.insert(number, due);
                due += EVERY;
            }
        }
    }
    let rest = async {
        while !open.is_empty() {
            peer.fill().await?;
            take(peer, open, noticed)?;
        }
        Ok(())
    };
    // What is still open then was not answered.
    timeout(LAST, rest).await.unwrap_or(Ok(()))
}

/// By turns for the plugin and for the connection itself.
fn question(number: u32) -> String {
    match number % 2 {
        0 => format!(r#"[["near/ask",{number}],"{number}"]"#),
        _ => format!(r#"[["chsk/ws-ping"],"{number}"]"#),
    }
}

/// What the gateway owes for it.
fn answer(number: u32) -> String {
    match number % 2 {
        0 => format!(r#"[{number},"{number}"]"#),
        _ => format!(r#"["pong","{number}"]"#),
    }
}

fn take(peer: &mut Peer, open: &mut BTreeMap<u32, Instant>, noticed: &mut Noticed) -> Result<()> {
    let now = Instant::now();
    while let Some((_, payload)) = peer.pop()? {
        let Some(number) = number(payload) else { continue };
        let Some(due) = open.remove(&number) else { continue };
        match payload == answer(number).as_bytes() {
            true => noticed.latencies.push(now.saturating_duration_since(due)),
            false => noticed.unanswered += 1,
        }
    }
    Ok(())
}

/// The callback at the end of an answer.
fn number(payload: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(payload).ok()?.strip_suffix("\"]")?;
    text.rsplit_once('"')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_told_by_its_callback_and_an_error_is_none() {
        for asked in [1, 2, 700] {
            assert_eq!(number(answer(asked).as_bytes()), Some(asked));
        }
        let error = br#"[{"tengen/error":{"id":"overloaded"}},"2"]"#;
        assert_eq!(number(error), Some(2));
        assert_ne!(error.as_slice(), answer(2).as_bytes());
        assert_eq!(number(br#"["chsk/ws-ping",null]"#), None);
    }
}
