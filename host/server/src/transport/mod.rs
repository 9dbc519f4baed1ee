//! Transports, the server's part: what reads and writes the frames of a connection.
//!
//! A transport's bytes are made in `tengen-wire`; here is what moves them. The connection's task drives a [`Carrier`] and
//! knows no more of it. Writing past a sleeping task ([`crate::hub::Shortcut`]) is offered by those that can have it.

pub mod event_stream;
pub mod long_poll;
mod patience;
mod tcp;
pub mod websocket;

pub use patience::Patience;
pub use tcp::Tcp;

use std::{
    future::Future,
    task::{Context, Poll},
};
use tengen_wire::{
    close::Reason, dialect::Callback, payload::Frame, transport::Framed, websocket::Unfinished,
};

/// Why a session's task does not take a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Untaken {
    /// The session found no time for it.
    Busy,
    Ended,
}

/// What a read brought.
#[derive(Debug)]
pub enum Inbound {
    Frame(Frame),
    /// The transport's own: answered in there.
    Control,
}

/// A connection's transport, as its task uses it.
pub trait Carrier: Sized {
    /// A turn begins, which may read for a while.
    fn begin_turn(&mut self);

    /// Whether the turn has read as much as it may. The caller sees to it that there is another one.
    fn is_exhausted(&self) -> bool;

    /// The next frame; Err: why no more will come.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Inbound, Reason>>;

    /// What answers the frame that was received last: the callback that its sender named, or another that the transport
    /// knows it by. Asked for each frame before the next is received.
    fn callback(&mut self, callback: Option<Callback>) -> Option<Callback> {
        callback
    }

    /// The same for a frame that could not be read, whose callback may be among what could not.
    fn callback_of_unread(&mut self, callback: Option<Callback>) -> Option<Callback> {
        self.callback(callback)
    }

    /// Whether the peer has shown that it lives since this was asked last.
    fn take_heard(&mut self) -> bool;

    /// What has begun to come in and is not whole.
    fn unfinished(&self) -> Option<Unfinished>;

    /// Messages are read no more; what has come of one is let go of.
    fn throw_away(&mut self);

    /// Whether one more frame is taken.
    fn has_room(&self) -> bool;

    /// Takes a frame over. Only after [`Carrier::poll_ready`].
    fn send(&mut self, frame: Framed);

    /// Takes over the end of what somebody else began to write.
    fn send_rest(&mut self, bytes: &[u8]);

    /// Writes what was taken over.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Reason>>;

    /// Another frame is taken; pending while what is below takes nothing.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Reason>> {
        if self.has_room() { Poll::Ready(Ok(())) } else { self.poll_flush(cx) }
    }

    /// Whether nothing waits to be written.
    fn is_clear(&self) -> bool;

    /// Bytes that were written since the connection began.
    fn total(&self) -> u64;

    /// Bytes of those, and of what others wrote for it, that the peer has not taken, as far as the system says.
    fn untaken(&self) -> usize;

    /// Bytes that wait to be written.
    fn waiting(&self) -> usize;

    /// Bytes of memory: of what came in and of what waits.
    fn held(&self) -> usize;

    /// Says goodbye, after [`Carrier::throw_away`], and lets go of the peer. `goodbye`: what `reason` is to it.
    fn close(
        self,
        goodbye: Framed,
        reason: &Reason,
        patience: Patience,
    ) -> impl Future<Output = ()> + Send;
}
