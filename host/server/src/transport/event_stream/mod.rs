//! Server-sent events: frames go down a stream, and come up by requests of their own.
//!
//! The two belong to one session, which is named by a secret. Its task drives an [`EventStream`]; what it writes goes
//! through a `Pipe` into the body of an HTTP answer, and what clients post comes out of a queue. A session outlives its
//! stream for [`GRACE`]: who comes back in that time, with the secret as `Last-Event-ID`, goes on where it was, but for
//! what was on its way when the stream broke.

mod pipe;
mod sessions;

pub use pipe::{Body, Held};
pub use sessions::{NoStream, Posted, Registered, Session, Sessions};

use super::{Carrier, Inbound, Patience};
use pipe::Pipe;
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tengen_wire::{close::Reason, transport::Framed, websocket::Unfinished};
use tokio::{
    sync::mpsc::Receiver,
    time::{self, Sleep},
};

/// How long a session is kept without a stream.
pub const GRACE: Duration = Duration::from_secs(5);

/// The task's end of a session.
#[derive(Debug)]
pub struct EventStream {
    pipe: Arc<Pipe>,
    posts: Receiver<Posted>,
    /// Set while there is no stream.
    grace: Option<Pin<Box<Sleep>>>,
    heard: bool,
}

impl EventStream {
    fn new(pipe: Arc<Pipe>, posts: Receiver<Posted>) -> Self {
        Self { pipe, posts, grace: None, heard: false }
    }

    /// Ready when there has been no stream for too long.
    fn poll_lost(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(since) = self.pipe.poll_lost(cx) else {
            self.grace = None;
            return Poll::Pending;
        };
        let until = since + GRACE;
        let grace = self.grace.get_or_insert_with(|| Box::pin(time::sleep_until(until)));
        if grace.deadline() != until {
            grace.as_mut().reset(until);
        }
        grace.as_mut().poll(cx)
    }
}

impl Carrier for EventStream {
    fn begin_turn(&mut self) {}

    /// The queue is short.
    fn is_exhausted(&self) -> bool {
        false
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Inbound, Reason>> {
        if self.poll_lost(cx).is_ready() {
            return Poll::Ready(Err(Reason::Lost));
        }
        self.heard |= self.pipe.is_taken();
        match self.posts.poll_recv(cx) {
            Poll::Ready(Some(posted)) => {
                self.heard = true;
                Poll::Ready(Ok(Inbound::Frame(posted.into_frame())))
            }
            // Nobody has the session any more: only its end is left.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    /// A peer cannot answer: it lives if it posts something, or its system has taken all that was written.
    fn take_heard(&mut self) -> bool {
        std::mem::take(&mut self.heard)
    }

    /// A request comes whole.
    fn unfinished(&self) -> Option<Unfinished> {
        None
    }

    fn throw_away(&mut self) {
        self.posts.close();
        while self.posts.try_recv().is_ok() {}
    }

    fn has_room(&self) -> bool {
        self.pipe.has_room()
    }

    fn send(&mut self, frame: Framed) {
        self.pipe.push(frame);
    }

    /// Nobody else writes here.
    fn send_rest(&mut self, _: &[u8]) {}

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Reason>> {
        self.pipe.poll_empty(cx).map(Ok)
    }

    fn is_clear(&self) -> bool {
        self.pipe.waiting() == 0
    }

    fn total(&self) -> u64 {
        self.pipe.total()
    }

    fn untaken(&self) -> usize {
        self.pipe.untaken()
    }

    fn waiting(&self) -> usize {
        self.pipe.waiting()
    }

    fn held(&self) -> usize {
        self.pipe.held()
    }

    /// The last event, if there is a stream that takes it; then its end.
    async fn close(mut self, goodbye: Framed, reason: &Reason, mut patience: Patience) {
        if *reason != Reason::Lost && !self.pipe.is_lost() {
            self.pipe.push(goodbye);
            // What is not taken in time is lost, as the count of the outbox says.
            let _taken = patience.wait(&mut self, Self::poll_flush).await;
        }
        self.pipe.end();
    }
}

#[cfg(test)]
mod tests;
