//! Everybody who is not the attacker, in a thread of their own: the attack's own work must not look like the gateway's.

use super::{
    arena::Arena,
    health::{self, Answers},
    neighbour::{self, Noticed},
};
use anyhow::{Context as _, Result};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::time::sleep;

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What was seen while a gateway was attacked.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) noticed: Noticed,
    pub(super) health: Answers,
    /// The most memory that the gateway held at one time, in bytes.
    pub(super) resident: u64,
}

/// The thread; ends when it is told to, or with this.
#[derive(Debug)]
pub(super) struct Watch {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<Seen>>>,
}

impl Watch {
    pub(super) fn start(arena: &Arena<'_>) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (address, admin, told) = (arena.address(), arena.admin, Arc::clone(&stop));
        let status = arena.server.proc().join("status");
        let thread = thread::Builder::new().name("neighbour".into()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            Ok(runtime.block_on(async {
                let (noticed, health, resident) = tokio::join!(
                    neighbour::run(address, &told),
                    health::run(admin, &told),
                    memory(status, &told)
                );
                Seen { noticed, health, resident }
            }))
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }

    pub(super) fn end(mut self) -> Result<Seen> {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().context("it has ended already")?;
        thread.join().map_err(|_| anyhow::anyhow!("the neighbour's thread panicked"))?
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

async fn memory(status: PathBuf, stop: &AtomicBool) -> u64 {
    let mut most = 0;
    while !stop.load(Ordering::Relaxed) {
        most = most.max(resident(&status).unwrap_or(0));
        sleep(LOOK_EVERY).await;
    }
    most
}

/// Nothing of a process that is gone.
fn resident(status: &Path) -> Option<u64> {
    crate::process::resident(&fs::read_to_string(status).ok()?).ok()
}
