//! Chromium's processes and their profile folder: started together, gone together.

use anyhow::Context as _;
use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, ChildStderr, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};
use tempfile::TempDir;
use tokio::{sync::oneshot, time};

/// Quiet, alone, and as awake in the background as in front: pages that wait must not be slowed down.
const FLAGS: [&str; 14] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--remote-debugging-port=0",
    "about:blank",
];

const START_WITHIN: Duration = Duration::from_secs(60);
const END_WITHIN: Duration = Duration::from_secs(10);

/// A running Chromium with a fresh profile. Dropping it ends it, and returns when all of its processes are gone.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    /// Disconnected when nobody holds the other end of Chromium's standard error, that is, when its last process ended.
    running: mpsc::Receiver<()>,
    // Dropped last: a process that still ran would write into it again.
    _profile: TempDir,
}

impl Process {
    /// Starts it; returns the address of its DevTools socket, too.
    pub(super) async fn start(program: &Path) -> anyhow::Result<(Self, String)> {
        let profile = tempfile::tempdir().context("cannot make a profile folder")?;
        let mut command = Command::new(program);
        command.arg(format!("--user-data-dir={}", profile.path().display())).args(FLAGS);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child =
            command.spawn().with_context(|| format!("cannot start `{}`", program.display()))?;
        let stderr = child.stderr.take().context("no standard error")?;
        let (address, listening) = oneshot::channel();
        let (end, running) = mpsc::sync_channel(0);
        thread::spawn(move || {
            read(stderr, address);
            drop(end);
        });
        let process = Self { child, running, _profile: profile };
        let address = time::timeout(START_WITHIN, listening)
            .await
            .context("Chromium does not say where it listens")?;
        let address = address.context("Chromium ended before it listened")?;
        Ok((process, address))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails when it ended by itself; then there is nothing to do either.
        let ended = self.child.kill().and_then(|()| self.child.wait());
        let gone =
            self.running.recv_timeout(END_WITHIN) == Err(mpsc::RecvTimeoutError::Disconnected);
        debug_assert!(ended.is_ok() && gone, "Chromium did not end");
    }
}

/// Passes the DevTools address on, then reads to the end so that Chromium never waits for us.
fn read(stderr: ChildStderr, address: oneshot::Sender<String>) {
    let mut address = Some(address);
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        if let Some(found) = line.strip_prefix("DevTools listening on ")
            && let Some(address) = address.take()
        {
            // Whoever waited may have given up.
            drop(address.send(found.to_owned()));
        }
    }
}
