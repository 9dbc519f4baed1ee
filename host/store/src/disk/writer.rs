//! The thread that brings batches to the disk.

use super::{
    error::CommitError,
    file::Commit,
    line::{Batch, Line},
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};
use tengen_core::often::Often;

/// Between two tries, doubled with each up to the second.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// A batch that takes longer is told of: so much more would be lost.
const SLOW: Duration = Duration::from_secs(1);

pub(crate) struct Writer<D> {
    line: Arc<Line>,
    disk: D,
    often: Often,
}

impl<D: Commit> Writer<D> {
    pub(crate) fn new(line: Arc<Line>, disk: D) -> Self {
        Self { line, disk, often: Often::default() }
    }

    /// Until the line ends. However it ends, the line is told, once the file is closed.
    pub(crate) fn run(self) {
        let _over = Over(Arc::clone(&self.line));
        self.bring_all();
    }

    fn bring_all(mut self) {
        while let Some(batch) = self.line.take() {
            if !self.bring(&batch) {
                return;
            }
            self.line.brought();
        }
        if let Err(error) = self.disk.close(self.line.waiting().0 == 0) {
            tracing::warn!(%error, "the key-value store was not closed as it should be; nothing is lost");
        }
    }

    /// Tries until the batch is there. False: the end came first.
    fn bring(&mut self, batch: &Batch) -> bool {
        let (mut pause, mut failed) = (PAUSES.0, 0_u64);
        let started = Instant::now();
        while let Err(error) = self.commit(batch) {
            failed += 1;
            self.line.account.failed.fetch_add(1, Ordering::Relaxed);
            self.tell(batch, &error);
            if !self.line.pause(pause) {
                return false;
            }
            pause = PAUSES.1.min(pause * 2);
        }
        let took = started.elapsed();
        self.line.account.took.record(took);
        if failed > 0 {
            tracing::info!(failed, ?took, "the key-value store is written again");
        } else if took > SLOW
            && let Some(untold) = self.often.untold("slow", Instant::now())
        {
            let writes = batch.writes();
            tracing::warn!(
                ?took,
                writes,
                untold,
                "the disk is slow to take what plugins write: what waits for it would be lost with the process"
            );
        }
        true
    }

    /// A panic in it is a failure like others: the file is opened anew.
    fn commit(&mut self, batch: &Batch) -> Result<(), CommitError> {
        catch_unwind(AssertUnwindSafe(|| self.disk.commit(batch)))
            .unwrap_or(Err(CommitError::Panicked))
    }

    fn tell(&self, batch: &Batch, error: &CommitError) {
        if let Some(untold) = self.often.untold("failed", Instant::now()) {
            let (waiting, bytes) = self.line.waiting();
            let writes = batch.writes();
            tracing::error!(%error, writes, waiting, bytes, untold, "what plugins write does not get to the disk and would be lost with the process; it is tried again. Make room on the disk or mend it: once too much waits, writes are refused with `overloaded`");
        }
    }
}

struct Over(Arc<Line>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.over();
    }
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
