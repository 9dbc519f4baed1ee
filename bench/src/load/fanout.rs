//! Fan-out: one publisher, many subscribers, so many publications under way at a time.

use super::{Dialect, Peer, frame_of, open_all, peer::PATIENCE, text_of};
use crate::process::Server;
use anyhow::{Context as _, Result, bail};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{timeout, timeout_at},
};

/// What is published, and to how many.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fanout {
    pub(crate) subscribers: usize,
    /// Further subscribers that never read.
    pub(crate) slow: usize,
    /// Publications sent in one write; the next follow when every subscriber has all of them.
    pub(crate) window: usize,
    /// Bytes of data in a publication.
    pub(crate) size: usize,
}

/// One measurement of one server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// CPU time of the server per delivery, in microseconds.
    pub(crate) cpu: f64,
    pub(crate) per_second: f64,
}

#[derive(Debug)]
struct Progress {
    delivered: AtomicU64,
    /// When this is reached, the publisher goes on.
    awaited: AtomicU64,
    reached: Notify,
}

/// Publishes for `warm_up`, then for `measured`.
pub(crate) async fn run(
    server: &Server,
    load: Fanout,
    warm_up: Duration,
    measured: Duration,
) -> Result<Sample> {
    let progress = Arc::new(Progress {
        delivered: 0.into(),
        awaited: u64::MAX.into(),
        reached: Notify::new(),
    });
    let mut readers = JoinSet::new();
    for peer in subscribe(server, load.subscribers).await? {
        readers.spawn(read(peer, Arc::clone(&progress)));
    }
    let slow = subscribe(server, load.slow).await?;
    let publisher = Peer::open(server.address()).await?;
    let publications =
        frame_of(&format!(r#"[["relay/say",{}],null]"#, text_of(load.size))).repeat(load.window);
    let each = (load.subscribers * load.window) as u64;
    let publishing = async {
        publish(&publisher, &publications, each, &progress, warm_up).await?;
        let (before, began) = (server.cpu()?, Instant::now());
        let deliveries =
            publish(&publisher, &publications, each, &progress, measured).await? as f64;
        let spent = server.cpu()?.since(&before).as_secs_f64();
        Ok(Sample {
            cpu: spent * 1e6 / deliveries,
            per_second: deliveries / began.elapsed().as_secs_f64(),
        })
    };
    let sample = tokio::select! {
        sample = publishing => sample,
        ended = readers.join_next() => match ended {
            Some(ended) => ended?.and(Err(anyhow::anyhow!("a subscriber ended"))),
            None => Err(anyhow::anyhow!("there are no subscribers")),
        },
    };
    drop(slow);
    sample
}

/// Publishes window after window for so long; how many deliveries that were.
async fn publish(
    publisher: &Peer,
    bytes: &[u8],
    each: u64,
    progress: &Progress,
    during: Duration,
) -> Result<u64> {
    let first = progress.delivered.load(Ordering::Relaxed);
    let end = Instant::now() + during;
    let mut awaited = first;
    while Instant::now() < end {
        awaited += each;
        progress.awaited.store(awaited, Ordering::Relaxed);
        publisher.send(bytes).await?;
        let late = tokio::time::Instant::now() + PATIENCE;
        timeout_at(late, progress.reached.notified()).await.with_context(|| {
            let missing = awaited - progress.delivered.load(Ordering::Relaxed);
            format!("{missing} of {each} deliveries are missing")
        })?;
    }
    Ok(awaited - first)
}

async fn subscribe(server: &Server, count: usize) -> Result<Vec<Peer>> {
    let mut peers = open_all(server.address(), count, Dialect::Tengen).await?;
    let join = frame_of(r#"[["relay/join",1],"cb"]"#);
    for peer in &mut peers {
        peer.send(&join).await?;
        let answer = timeout(PATIENCE, peer.text()).await.context("joining took too long")??;
        if answer != br#"[1,"cb"]"# {
            bail!("joining failed: {}", String::from_utf8_lossy(answer));
        }
    }
    Ok(peers)
}

async fn read(mut peer: Peer, progress: Arc<Progress>) -> Result<()> {
    loop {
        peer.fill().await?;
        let mut came = 0;
        while let Some((_, payload)) = peer.pop()? {
            if !payload.starts_with(br#"[[["tengen/publication""#) {
                bail!("not a publication: {}", String::from_utf8_lossy(payload));
            }
            came += 1;
        }
        let delivered = progress.delivered.fetch_add(came, Ordering::Relaxed) + came;
        if came > 0 && delivered == progress.awaited.load(Ordering::Relaxed) {
            progress.reached.notify_one();
        }
    }
}
