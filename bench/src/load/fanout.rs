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
    time::{interval, timeout, timeout_at},
};

const PING: &[u8] = br#"["chsk/ws-ping""#;
const PONG: &str = r#"[["chsk/ws-pong"],null]"#;
const PUBLICATION: &[u8] = br#"[[["tengen/publication""#;

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
        answered(peer).await?;
    }
    Ok(peers)
}

/// Waits until a connection has joined or left; publications may come before.
pub(crate) async fn answered(peer: &mut Peer) -> Result<()> {
    loop {
        let text = timeout(PATIENCE, peer.text()).await.context("an answer took too long")??;
        if text == br#"[1,"cb"]"# {
            return Ok(());
        }
        if !text.starts_with(PUBLICATION) {
            bail!("not joined: {}", String::from_utf8_lossy(text));
        }
    }
}

/// Publications at a steady pace, whoever reads them how fast, until this is ended.
#[derive(Debug)]
pub(crate) struct Steady {
    tasks: JoinSet<Result<()>>,
}

impl Steady {
    /// `size`: bytes of a publication's data.
    pub(crate) async fn begin(
        server: &Server,
        subscribers: usize,
        size: usize,
        apart: Duration,
    ) -> Result<Self> {
        let progress =
            Arc::new(Progress { delivered: 0.into(), awaited: 0.into(), reached: Notify::new() });
        let mut tasks = JoinSet::new();
        for peer in subscribe(server, subscribers).await? {
            tasks.spawn(read(peer, Arc::clone(&progress)));
        }
        let publisher = Peer::open(server.address()).await?;
        let publication = frame_of(&format!(r#"[["relay/say",{}],null]"#, text_of(size)));
        tasks.spawn(async move {
            let mut due = interval(apart);
            loop {
                due.tick().await;
                publisher.send(&publication).await?;
            }
        });
        Ok(Self { tasks })
    }

    /// Why it ended by itself, if it did.
    pub(crate) fn end(mut self) -> Result<()> {
        match self.tasks.try_join_next() {
            Some(ended) => ended?,
            None => Ok(()),
        }
    }
}

async fn read(mut peer: Peer, progress: Arc<Progress>) -> Result<()> {
    loop {
        peer.fill().await?;
        let (mut came, mut is_asked) = (0, false);
        while let Some((_, payload)) = peer.pop()? {
            // Who only listens is asked now and then whether it lives.
            if payload.starts_with(PING) {
                is_asked = true;
                continue;
            }
            if !payload.starts_with(PUBLICATION) {
                bail!("not a publication: {}", String::from_utf8_lossy(payload));
            }
            came += 1;
        }
        if is_asked {
            peer.send(&frame_of(PONG)).await?;
        }
        let delivered = progress.delivered.fetch_add(came, Ordering::Relaxed) + came;
        if came > 0 && delivered == progress.awaited.load(Ordering::Relaxed) {
            progress.reached.notify_one();
        }
    }
}
