//! Files that failed for a reason that passes, and when each is tried again.

use std::{collections::BTreeMap, future::pending, path::PathBuf, time::Duration};
use tokio::time::{Instant, sleep_until};

/// The first pause; each is twice as long as the one before,
const FIRST: Duration = Duration::from_secs(1);
/// and no longer than this.
const LONGEST: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(super) struct Retries(BTreeMap<PathBuf, Retry>);

#[derive(Debug)]
struct Retry {
    /// None while it is being tried.
    at: Option<Instant>,
    next: Duration,
}

impl Retries {
    /// The file failed: it is tried again after a pause.
    pub(super) fn failed(&mut self, file: PathBuf) {
        let retry = self.0.entry(file).or_insert(Retry { at: None, next: FIRST });
        retry.at = Some(Instant::now() + retry.next);
        retry.next = (retry.next * 2).min(LONGEST);
    }

    /// The file is in use, or is another one now: nothing is held against it.
    pub(super) fn done(&mut self, file: &PathBuf) {
        self.0.remove(file);
    }

    /// The next file whose pause is over; never, when there is none. May be given up and called again.
    pub(super) async fn due(&mut self) -> PathBuf {
        let times = self.0.iter_mut().filter_map(|(file, retry)| Some((retry.at?, file, retry)));
        let Some((at, file, retry)) = times.min_by_key(|(at, ..)| *at) else {
            return pending().await;
        };
        sleep_until(at).await;
        retry.at = None;
        file.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use tokio::time::timeout;

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_and_begin_anew_with_another_file() {
        let (mut retries, file) = (Retries::default(), Path::new("a.wasm").to_owned());
        let (mut pauses, mut before) = (Vec::new(), Instant::now());
        for _ in 0..8 {
            retries.failed(file.clone());
            assert_eq!(retries.due().await, file);
            pauses.push(before.elapsed().as_secs());
            before = Instant::now();
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        retries.done(&file);
        assert!(timeout(Duration::from_secs(600), retries.due()).await.is_err(), "none is due");
        retries.failed(file.clone());
        retries.failed(Path::new("b.wasm").to_owned());
        assert!(timeout(FIRST / 2, retries.due()).await.is_err(), "not yet");
        assert_eq!(retries.due().await, file);
        assert_eq!(retries.due().await, Path::new("b.wasm"));
    }
}
