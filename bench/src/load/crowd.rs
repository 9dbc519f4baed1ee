//! Connections that are there and say nothing, but answer the gateway's pings.

use super::{Burst, Dialect, Peer, frame_of, open_all, peer::PATIENCE};
use anyhow::{Context as _, Result, bail};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

/// How far apart connections begin the one message they send.
const STEP: Duration = Duration::from_micros(500);

/// Idle connections; they close when this is dropped.
#[derive(Debug)]
pub(crate) struct Crowd {
    size: usize,
    pinged: Arc<AtomicUsize>,
    answered: Arc<AtomicUsize>,
    /// Tells all of them to send their one message.
    speak: watch::Sender<Option<Arc<Burst>>>,
    tasks: JoinSet<Result<()>>,
}

impl Crowd {
    pub(crate) async fn gather(address: SocketAddr, size: usize) -> Result<Self> {
        let (speak, _) = watch::channel(None);
        let (pinged, answered) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let mut tasks = JoinSet::new();
        for (place, peer) in open_all(address, size, Dialect::Tengen).await?.into_iter().enumerate()
        {
            let member = Member {
                peer,
                place,
                pinged: Arc::clone(&pinged),
                answered: Arc::clone(&answered),
            };
            tasks.spawn(member.idle(speak.subscribe()));
        }
        Ok(Self { size, pinged, answered, speak, tasks })
    }

    /// Waits until every connection was pinged once, and answered.
    pub(crate) async fn heartbeat_round(&mut self, patience: Duration) -> Result<()> {
        let pinged = Arc::clone(&self.pinged);
        self.reach(&pinged, patience).await.context("waiting for the heartbeat round")
    }

    /// Lets time pass, in which the gateway's pings are answered. A connection that ends meanwhile is an error.
    pub(crate) async fn stay(&mut self, time: Duration) -> Result<()> {
        match timeout(time, self.tasks.join_next()).await {
            Err(_) => Ok(()),
            Ok(Some(ended)) => ended?.and_then(|()| bail!("an idle connection has ended")),
            Ok(None) => bail!("no connection is left"),
        }
    }

    /// Each sends one message of `size` bytes and gets it back.
    pub(crate) async fn echo(&mut self, size: usize) -> Result<()> {
        self.speak.send_replace(Some(Arc::new(Burst::echo(size, 1))));
        let answered = Arc::clone(&self.answered);
        self.reach(&answered, PATIENCE * 3).await.context("waiting for everybody's echo")
    }

    /// Waits until `count` is everybody. A connection that ends meanwhile is an error.
    async fn reach(&mut self, count: &AtomicUsize, patience: Duration) -> Result<()> {
        let end = Instant::now() + patience;
        loop {
            let came = count.load(Ordering::Relaxed);
            if came >= self.size {
                return Ok(());
            }
            if Instant::now() > end {
                bail!("{came} of {} connections in {patience:?}", self.size);
            }
            tokio::select! {
                ended = self.tasks.join_next() => match ended {
                    Some(ended) => ended??,
                    None => bail!("no connection is left"),
                },
                () = sleep_until(Instant::now() + Duration::from_millis(20)) => {}
            }
        }
    }
}

struct Member {
    peer: Peer,
    place: usize,
    pinged: Arc<AtomicUsize>,
    answered: Arc<AtomicUsize>,
}

impl Member {
    async fn idle(mut self, mut speak: watch::Receiver<Option<Arc<Burst>>>) -> Result<()> {
        let mut has_pinged = false;
        loop {
            tokio::select! {
                told = speak.changed() => {
                    if told.is_err() {
                        return Ok(());
                    }
                    let burst = speak.borrow_and_update().clone();
                    if let Some(burst) = burst {
                        self.speak(&burst).await?;
                    }
                }
                text = self.peer.text() => {
                    let ping = is_ping(text?)?;
                    self.peer.send(&frame_of(PONG)).await?;
                    if ping && !std::mem::replace(&mut has_pinged, true) {
                        self.pinged.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        }
    }

    /// Not all in one instant: a crowd that speaks at once is another measurement.
    async fn speak(&mut self, burst: &Burst) -> Result<()> {
        sleep_until(Instant::now() + STEP * u32::try_from(self.place).unwrap_or(0)).await;
        self.peer.send(&burst.bytes).await?;
        for expected in &burst.answers {
            loop {
                let text = timeout(PATIENCE, self.peer.text()).await.context("no echo came")??;
                if text == expected {
                    break;
                }
                is_ping(text)?;
                self.peer.send(&frame_of(PONG)).await?;
            }
        }
        self.answered.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

const PONG: &str = r#"[["chsk/ws-pong"],null]"#;

fn is_ping(text: &[u8]) -> Result<bool> {
    if text.starts_with(br#"["chsk/ws-ping""#) {
        return Ok(true);
    }
    bail!(
        "an idle connection was sent {}",
        String::from_utf8_lossy(text.get(..200).unwrap_or(text))
    )
}
