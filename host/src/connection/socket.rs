//! The WebSocket of one connection: its socket, and the framing around it.

use super::out::Out;
use crate::{
    close::Reason,
    payload::Frame,
    websocket::{Opcode, Reader, Received, close_payload},
};
use bytes::Bytes;
use std::{
    cell::RefCell,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    time,
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Bytes that are asked of the kernel at a time.
const READ: usize = 16 << 10;
/// How long a peer may take to answer our close frame.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

thread_local! {
    /// Where reads go first: one for all connections of a thread, so that an idle connection needs none.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ].into());
}

/// What a read brought.
#[derive(Debug)]
pub(super) enum Inbound {
    Frame(Frame),
    /// A ping or pong of the WebSocket layer: answered in here.
    Control,
}

#[derive(Debug)]
pub(super) struct Socket<S> {
    io: S,
    reader: Reader,
    out: Out,
    /// Bytes came in since somebody asked.
    heard: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Takes over a socket whose upgrade was answered; `already_read` came in behind the request.
    pub(super) fn new(io: S, already_read: &[u8], max_message: usize) -> Self {
        let mut reader = Reader::new(max_message);
        reader.feed(already_read);
        Self { io, reader, out: Out::default(), heard: false }
    }

    /// The next frame; Err: why no more will come.
    pub(super) fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Inbound, Reason>> {
        loop {
            match self.reader.take() {
                Err(violation) => return Poll::Ready(Err(violation.into())),
                Ok(Some(received)) => return Poll::Ready(self.received(received)),
                Ok(None) => ready!(self.poll_fill(cx))?,
            }
        }
    }

    fn received(&mut self, received: Received) -> Result<Inbound, Reason> {
        match received {
            Received::Message(frame) => Ok(Inbound::Frame(frame)),
            Received::Ping(payload) => {
                // A peer that pings and does not read gets fewer pongs: one may stand for several (RFC 6455 section 5.5.3).
                if self.out.has_room() {
                    self.out.push(Opcode::Pong, payload);
                }
                Ok(Inbound::Control)
            }
            Received::Pong => Ok(Inbound::Control),
            Received::Close(code) => Err(Reason::Peer(code)),
        }
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Reason>> {
        let Self { io, reader, heard, .. } = self;
        SCRATCH.with_borrow_mut(|scratch| {
            let mut read = ReadBuf::new(scratch);
            match Pin::new(io).poll_read(cx, &mut read) {
                Poll::Pending => {
                    reader.rest();
                    Poll::Pending
                }
                Poll::Ready(Ok(())) if !read.filled().is_empty() => {
                    *heard = true;
                    reader.feed(read.filled());
                    Poll::Ready(Ok(()))
                }
                Poll::Ready(_) => Poll::Ready(Err(Reason::Lost)),
            }
        })
    }

    /// Whether any byte has come in since this was asked last, be it of a message that is not whole yet.
    pub(super) fn take_heard(&mut self) -> bool {
        std::mem::take(&mut self.heard)
    }

    /// Whether another frame is taken; pending while the kernel takes nothing.
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Reason>> {
        if self.has_room() { Poll::Ready(Ok(())) } else { self.poll_flush(cx) }
    }

    pub(super) fn has_room(&self) -> bool {
        self.out.has_room()
    }

    /// Takes a frame over. Only after [`Socket::poll_ready`].
    pub(super) fn send(&mut self, frame: Frame) {
        self.out.push(Opcode::of_data(&frame), frame.body);
    }

    /// Takes over the end of what somebody else began to write.
    pub(super) fn send_rest(&mut self, bytes: &[u8]) {
        self.out.push_rest(bytes);
    }

    /// Whether nothing waits to be written.
    pub(super) fn is_clear(&self) -> bool {
        self.out.is_empty()
    }

    /// Takes over a ping of the WebSocket layer.
    pub(super) fn send_ping(&mut self) {
        self.out.push(Opcode::Ping, Bytes::new());
    }

    /// Writes what was taken over.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Reason>> {
        if self.out.is_empty() {
            return Poll::Ready(Ok(()));
        }
        self.out.poll_write(&mut self.io, cx).map_err(|_| Reason::Lost)
    }

    /// Says goodbye: a close frame, then a bounded wait for the peer's and for the end of its stream.
    pub(super) async fn close(mut self, reason: &Reason) {
        if *reason == Reason::Lost {
            return;
        }
        let goodbye = async {
            let told = match reason {
                // Its own code comes back (RFC 6455 section 5.5.1).
                Reason::Peer(code) => close_payload(*code, ""),
                reason => close_payload(reason.code(), reason.word()),
            };
            self.out.push(Opcode::Close, told.into());
            poll_fn(|cx| self.poll_flush(cx)).await?;
            // Who broke the protocol may think that it has closed already (RFC 6455 section 7.1.7).
            let broken = matches!(reason, Reason::Protocol | Reason::NotUtf8 | Reason::TooLarge);
            if !broken && !matches!(reason, Reason::Peer(_)) {
                while poll_fn(|cx| self.poll_receive(cx)).await.is_ok() {}
            }
            self.io.shutdown().await.map_err(|_| Reason::Lost)?;
            // A socket closed with unread bytes is reset, and the reset may overtake the close frame.
            let mut scrap = [0; 512];
            while matches!(self.io.read(&mut scrap).await, Ok(1..)) {}
            Ok::<_, Reason>(())
        };
        // The peer had its time: what it did not take by now is lost, which its close code says.
        drop(time::timeout(CLOSE_WITHIN, goodbye).await);
    }
}

/// `Sec-WebSocket-Accept` for a client's `Sec-WebSocket-Key` (RFC 6455 section 4.2.2).
pub fn accept_key(key: &[u8]) -> String {
    derive_accept_key(key)
}
