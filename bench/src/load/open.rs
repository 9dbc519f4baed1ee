//! Open loop: requests leave when they are due, whether or not the ones before were answered.
//!
//! Latency counts from when a request was due, so a server that stalls cannot hide it by being asked less. The loop
//! spins: timers are a millisecond wide, and the load has a core of its own.

use super::{Peer, frame_of, peer::PATIENCE};
use anyhow::{Context as _, Result, bail};
use std::{
    ops::ControlFlow,
    thread,
    time::{Duration, Instant},
};

/// When requests leave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) interval: Duration,
    /// The last one, unless the caller has enough before.
    pub(crate) requests: u32,
    /// Slept between two looks, where the server may use the load's core as well.
    pub(crate) rest: Option<Duration>,
}

/// An answered request.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) number: u32,
    pub(crate) due: Instant,
    pub(crate) came: Instant,
    pub(crate) payload: &'a [u8],
}

/// Sends `request(number)` with the callback [`callback`] makes of it, the connections taking turns.
pub(crate) async fn run(
    peers: &mut [Peer],
    pace: Pace,
    request: impl Fn(u32) -> String,
    mut answered: impl FnMut(Answer<'_>) -> ControlFlow<()>,
) -> Result<()> {
    let began = Instant::now();
    let due = |number: u32| began + pace.interval * number;
    let patience = due(pace.requests) + PATIENCE;
    let (mut sent, mut open) = (0, 0_u32);
    let mut requests = pace.requests;
    while sent < requests || open > 0 {
        let now = Instant::now();
        if now > patience {
            bail!("{open} requests were not answered");
        }
        while sent < requests && due(sent) <= now {
            let turn = usize::try_from(sent)? % peers.len();
            let peer = peers.get(turn).context("there are no connections")?;
            peer.send(&frame_of(&request(sent))).await?;
            (sent, open) = (sent + 1, open + 1);
        }
        for peer in &mut *peers {
            if !peer.try_fill()? {
                continue;
            }
            let came = Instant::now();
            while let Some((_, payload)) = peer.pop()? {
                let Some(number) = number(payload) else { continue };
                open = open.saturating_sub(1);
                // Who has enough gets no more, but what is under way is waited for: it would disturb the next run.
                if requests > 0
                    && answered(Answer { number, due: due(number), came, payload }).is_break()
                {
                    requests = 0;
                }
            }
        }
        // Not the runtime's sleep, whose steps are a millisecond; there is no other task to hold up.
        pace.rest.into_iter().for_each(thread::sleep);
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// The callback of a request, of one width.
pub(crate) fn callback(number: u32) -> String {
    format!("\"{number:08}\"")
}

/// The request that a reply answers, or a raw frame that came back; none for anything else.
fn number(payload: &[u8]) -> Option<u32> {
    let text = payload.strip_suffix(b"\"]").unwrap_or(payload).last_chunk::<8>()?;
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(payload: &str, expected: Option<u32>) {
        assert_eq!(number(payload.as_bytes()), expected);
    }

    #[test]
    fn a_reply_is_told_by_its_callback() {
        check(&format!("[{{\"n\":1}},{}]", callback(42)), Some(42));
        check("[[[\"chat/said\",{}]],null]", None);
        check("[\"x\",\"short\"]", None);
    }

    #[test]
    fn a_raw_frame_is_told_by_its_end() {
        check(&super::super::raw_text(64, "00000042"), Some(42));
        check("xxxx", None);
    }
}
