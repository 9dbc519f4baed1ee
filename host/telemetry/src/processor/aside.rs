//! Spans that nobody takes for now, on the disk, if there is one for them.
//!
//! While a collector is away, what ends goes there straight away, and one batch is tried now and then, with pauses that double
//! up to 10 s. When it is back, what is on the disk follows between what ends meanwhile: spans have times of their own, so their
//! order is of no concern.

use super::{Spans, add};
use crate::{
    spill::{self, spans::Folder},
    stats::SpillStats,
};
use opentelemetry_proto::tonic::trace::v1::Span as Written;
use std::{io, sync::PoisonError, time::Duration};
use tengen_settings::SpanSpill;
use tokio::time::Instant;

/// Spans that come back at one time.
const CHUNK: usize = 256;
/// What the disk is given of the time until the deadline, at most; never more than a quarter.
const FOR_THE_DISK: Duration = Duration::from_secs(1);
/// Longer than any end takes.
const LONG: Duration = Duration::from_secs(24 * 3600);

/// What can be seen of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// Spans on the disk.
    pub(super) spans: u64,
    pub(super) spill: SpillStats,
}

#[derive(Debug)]
pub(crate) struct Aside {
    folder: Folder,
    /// Times in a row that the collector took nothing,
    failures: u32,
    /// and when it is tried again.
    again: Option<Instant>,
}

impl Aside {
    pub(crate) fn new(spill: SpanSpill) -> Self {
        Self { folder: Folder::new(spill), failures: 0, again: None }
    }

    /// Opens the disk, if that may be tried.
    pub(super) fn open(&mut self, spans: &Spans) {
        match self.folder.open() {
            Ok(None) => {}
            Ok(Some(left)) => {
                if left.spans > 0 || left.unread > 0 {
                    let (kept, unread) = (left.spans, left.unread);
                    tracing::info!(kept, unread, "spans of an earlier run wait on the disk");
                }
                add(&spans.ended, left.spans);
                self.show(spans, |seen| {
                    seen.recovered += left.spans;
                    seen.damaged += left.unread;
                    seen.error = None;
                });
            }
            Err(error) => self.failed(spans, &error),
        }
    }

    /// Whether the collector is not to be tried now.
    pub(super) fn is_away(&self) -> bool {
        self.again.is_some_and(|again| Instant::now() < again)
    }

    /// The collector took something.
    pub(super) fn reached(&mut self) {
        if self.failures > 0 {
            tracing::info!(spilled = self.folder.holds().0, "spans reach the collector again");
        }
        (self.failures, self.again) = (0, None);
    }

    /// It took nothing. The first of a row is told.
    pub(super) fn missed(&mut self, why: &str) {
        if self.failures == 0 {
            tracing::warn!(why, "no spans reach the collector: they wait on the disk");
        }
        self.failures = self.failures.saturating_add(1);
        self.again = Some(Instant::now() + spill::pace(self.failures));
    }

    /// The end has come before it took anything: nothing more is tried.
    pub(super) fn leave(&mut self) {
        self.again = Some(Instant::now() + LONG);
    }

    /// Brings these to the disk; what is not taken there is lost, and counted.
    pub(super) fn keep(&mut self, those: &[Written], spans: &Spans) {
        let (kept, result) = self.folder.keep(those);
        let lost = (those.len() - kept) as u64;
        match &result {
            Ok(()) => {
                add(&spans.spill_full, lost);
                self.show(spans, |seen| seen.error = None);
            }
            Err(error) => {
                add(&spans.spill_failed, lost);
                self.failed(spans, error);
            }
        }
    }

    /// Some that are on the disk; they are in nobody else's hands then.
    pub(super) fn take(&mut self, spans: &Spans) -> Vec<Written> {
        if self.folder.holds().0 == 0 {
            return Vec::new();
        }
        match self.folder.take(CHUNK) {
            Ok((those, lost)) => {
                add(&spans.spill_failed, lost);
                self.show(spans, |_| {});
                those
            }
            Err(error) => {
                self.failed(spans, &error);
                Vec::new()
            }
        }
    }

    /// When exports have to have ended, so that there is time for the disk before the deadline.
    pub(super) fn before(deadline: std::time::Instant) -> std::time::Instant {
        let left = deadline.saturating_duration_since(Instant::now().into_std());
        deadline - (left / 4).min(FOR_THE_DISK)
    }

    /// What is there is for the next start.
    pub(super) fn finish(self, spans: &Spans) {
        if let Err(error) = self.folder.finish() {
            note(spans, &error);
        }
    }

    fn failed(&self, spans: &Spans, error: &io::Error) {
        note(spans, error);
        self.show(spans, |_| {});
    }

    fn show(&self, spans: &Spans, change: impl FnOnce(&mut SpillStats)) {
        let mut guard = spans.aside.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = guard.get_or_insert_default();
        (seen.spans, seen.spill.bytes) = self.folder.holds();
        change(&mut seen.spill);
    }
}

fn note(spans: &Spans, error: &io::Error) {
    let mut guard = spans.aside.lock().unwrap_or_else(PoisonError::into_inner);
    let spill = &mut guard.get_or_insert_default().spill;
    spill.errors += 1;
    spill.error = Some(error.to_string());
    drop(guard);
    spans.complain_of_disk(error);
}
