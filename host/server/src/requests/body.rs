//! A body that says when it has been handed over.

use super::watch::Watch;
use hyper::body::{Body, Frame, SizeHint};
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::time::Instant;

/// Tells the watch that the answer is given, once hyper lets go of it.
#[derive(Debug)]
pub(super) struct Watched<B> {
    body: B,
    watch: Arc<Watch>,
}

impl<B> Watched<B> {
    pub(super) fn new(body: B, watch: Arc<Watch>) -> Self {
        Self { body, watch }
    }
}

impl<B> Drop for Watched<B> {
    fn drop(&mut self) {
        self.watch.answered(Instant::now());
    }
}

impl<B: Body + Unpin> Body for Watched<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
