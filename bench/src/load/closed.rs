//! Closed loop: each connection sends a burst, waits for all answers, and sends the next.

use super::{Peer, burst::Burst, open_all, peer::PATIENCE};
use crate::process::Server;
use anyhow::{Context as _, Result, bail};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

/// How long a sample may be extended for its latencies.
const EXTENSIONS: u32 = 8;

/// What is sent, and by how many.
#[derive(Debug, Clone)]
pub(crate) struct Closed {
    pub(crate) connections: usize,
    pub(crate) burst: Arc<Burst>,
}

/// How long is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
    /// Round trips that the sample should hold; it is extended for them, within bounds.
    pub(crate) round_trips: usize,
}

/// One measurement of one server.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    /// CPU time of the server per message, in microseconds.
    pub(crate) cpu: f64,
    pub(crate) per_second: f64,
    /// Time from sending a burst to its last answer, in nanoseconds, sorted.
    pub(crate) latencies: Vec<u32>,
}

#[derive(Debug, Default)]
struct Progress {
    messages: AtomicU64,
    round_trips: AtomicU64,
    measuring: AtomicBool,
    over: AtomicBool,
}

/// Loads a server and measures it in the middle.
pub(crate) async fn run(server: &Server, load: &Closed, window: Window) -> Result<Sample> {
    let peers = open_all(server.address(), load.connections, load.burst.dialect).await?;
    let progress = Arc::new(Progress::default());
    let mut tasks = JoinSet::new();
    for peer in peers {
        tasks.spawn(work(peer, Arc::clone(&load.burst), Arc::clone(&progress)));
    }
    let measured = measure(server, &progress, window).await;
    progress.over.store(true, Ordering::Relaxed);
    let mut latencies = Vec::new();
    let join = async {
        while let Some(ended) = tasks.join_next().await {
            latencies.extend(ended??);
        }
        anyhow::Ok(())
    };
    timeout(PATIENCE, join).await.context("the load did not end")??;
    let (cpu, per_second) = measured?;
    latencies.sort_unstable();
    Ok(Sample { cpu, per_second, latencies })
}

async fn measure(server: &Server, progress: &Progress, window: Window) -> Result<(f64, f64)> {
    sleep(window.warm_up).await;
    progress.measuring.store(true, Ordering::Relaxed);
    let (began, before) = (Instant::now(), server.cpu()?);
    let first = progress.messages.load(Ordering::Relaxed);
    for _ in 0..EXTENSIONS {
        sleep(window.measured).await;
        if progress.round_trips.load(Ordering::Relaxed) >= window.round_trips as u64 {
            break;
        }
    }
    let messages = (progress.messages.load(Ordering::Relaxed) - first) as f64;
    let spent = server.cpu()?.since(&before);
    if messages == 0.0 {
        bail!("no message came back");
    }
    Ok((spent.as_secs_f64() * 1e6 / messages, messages / began.elapsed().as_secs_f64()))
}

async fn work(mut peer: Peer, burst: Arc<Burst>, progress: Arc<Progress>) -> Result<Vec<u32>> {
    let mut latencies = Vec::new();
    while !progress.over.load(Ordering::Relaxed) {
        let sent = Instant::now();
        peer.send(&burst.bytes).await?;
        for expected in &burst.answers {
            let answer = peer.text().await?;
            if !is_answer(answer, expected) {
                bail!("not the answer that was expected: {}", String::from_utf8_lossy(answer));
            }
        }
        progress.messages.fetch_add(burst.answers.len() as u64, Ordering::Relaxed);
        if progress.measuring.load(Ordering::Relaxed) {
            progress.round_trips.fetch_add(1, Ordering::Relaxed);
            latencies.push(u32::try_from(sent.elapsed().as_nanos()).unwrap_or(u32::MAX));
        }
    }
    Ok(latencies)
}

/// A reply of a traced event carries its trace behind what was expected.
fn is_answer(answer: &[u8], expected: &[u8]) -> bool {
    let traced =
        || answer.strip_prefix(expected.strip_suffix(b"]")?)?.starts_with(b",{").then_some(());
    answer == expected || traced().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(answer: &str, is: bool) {
        assert_eq!(is_answer(answer.as_bytes(), br#"["x","1"]"#), is);
    }

    #[test]
    fn a_trace_may_follow_and_nothing_else() {
        check(r#"["x","1"]"#, true);
        check(r#"["x","1",{"traceparent":"00"}]"#, true);
        check(r#"["x","2"]"#, false);
        check(r#"[{"tengen/error":{}},"1"]"#, false);
    }
}
