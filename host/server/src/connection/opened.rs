//! What has to be undone when a connection ends, however it ends: also by a panic, or because its task is dropped.

use super::Surroundings;
use crate::{hub::Link, router::Source};
use std::sync::Arc;
use tengen_wire::close::Reason;

/// A connection that the hub and the handlers know of, until this is dropped.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) source: Source,
    around: Arc<Surroundings>,
    /// Why it ended, once somebody has said so.
    reason: Reason,
}

impl Opened {
    /// Tells the hub and the handlers that a connection is there.
    pub(super) fn new(link: &Arc<Link>, around: &Arc<Surroundings>) -> Self {
        let source = Source::new(Arc::clone(link));
        let mut opened = Self { source, around: Arc::clone(around), reason: Reason::Internal };
        opened.around.hub.open(link);
        opened.around.router.opened(&mut opened.source);
        opened.around.hub.begin_news(link);
        opened
    }

    /// Tells them that it is gone.
    pub(super) fn end(mut self, reason: &Reason) {
        self.reason = reason.clone();
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        let Self { source, around, reason } = self;
        around.hub.close(&source.link, reason);
        if *reason == Reason::Memory {
            around.router.forget(source);
        }
        around.router.closed(source, &(&*reason).into());
    }
}
