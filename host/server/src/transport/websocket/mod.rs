//! WebSocket: the socket of one connection, and the framing around it.

mod out;

use super::{Carrier, Inbound, Patience};
use crate::hub::Shortcut;
use out::Out;
use std::{
    cell::RefCell,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tengen_wire::{
    close::Reason,
    transport::Framed,
    websocket::{Opcode, Reader, Received, Unfinished, framed},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Bytes that are asked of the kernel at a time.
const READ: usize = 16 << 10;
/// How often the kernel is asked in one turn. Hundreds of peers may each have a megabyte there, and memory that was never
/// touched comes slowly: whoever has little to say waits for one turn of each of them.
const READS: u8 = 2;
thread_local! {
    /// Where reads go first: one for all connections of a thread, so that an idle connection needs none.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ].into());
}

#[derive(Debug)]
pub struct Socket<S> {
    io: S,
    /// What the system says of it, and who writes for it.
    kernel: Option<Arc<dyn Shortcut>>,
    reader: Reader,
    out: Out,
    /// Bytes came in since somebody asked.
    heard: bool,
    /// How often the kernel may still be asked in this turn.
    reads: u8,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Socket<S> {
    /// Takes over a socket whose upgrade was answered; `already_read` came in behind the request. `kernel`: what the system
    /// says of the socket.
    pub fn new(
        io: S,
        kernel: Option<Arc<dyn Shortcut>>,
        already_read: &[u8],
        max_message: usize,
    ) -> Self {
        let mut reader = Reader::new(max_message);
        reader.feed(already_read);
        Self { io, kernel, reader, out: Out::default(), heard: false, reads: READS }
    }

    fn received(&mut self, received: Received) -> Result<Inbound, Reason> {
        match received {
            Received::Message(frame) => Ok(Inbound::Frame(frame)),
            Received::Ping(payload) => {
                // A peer that pings and does not read gets fewer pongs: one may stand for several (RFC 6455 section 5.5.3).
                if self.out.has_room() {
                    self.out.push(framed(Opcode::Pong, payload));
                }
                Ok(Inbound::Control)
            }
            Received::Pong => Ok(Inbound::Control),
            Received::Close(code) => Err(Reason::Peer(code)),
        }
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Reason>> {
        let Self { io, reader, heard, reads, .. } = self;
        let Some(left) = reads.checked_sub(1) else { return Poll::Pending };
        SCRATCH.with_borrow_mut(|scratch| {
            let mut read = ReadBuf::new(scratch);
            match Pin::new(io).poll_read(cx, &mut read) {
                Poll::Pending => {
                    reader.rest();
                    Poll::Pending
                }
                Poll::Ready(Ok(())) if !read.filled().is_empty() => {
                    (*heard, *reads) = (true, left);
                    reader.feed(read.filled());
                    Poll::Ready(Ok(()))
                }
                Poll::Ready(_) => Poll::Ready(Err(Reason::Lost)),
            }
        })
    }

    /// The peer's close frame, or the end of its stream.
    fn poll_farewell(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.begin_turn();
        loop {
            match self.poll_receive(cx) {
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => {
                    if self.is_exhausted() {
                        cx.waker().wake_by_ref();
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut scrap = [0; 512];
        loop {
            let mut read = ReadBuf::new(&mut scrap);
            match ready!(Pin::new(&mut self.io).poll_read(cx, &mut read)) {
                Ok(()) if !read.filled().is_empty() => {}
                _ => return Poll::Ready(()),
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Carrier for Socket<S> {
    fn begin_turn(&mut self) {
        self.reads = READS;
    }

    fn is_exhausted(&self) -> bool {
        self.reads == 0
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Inbound, Reason>> {
        loop {
            match self.reader.take() {
                Err(violation) => return Poll::Ready(Err(violation.into())),
                Ok(Some(received)) => return Poll::Ready(self.received(received)),
                Ok(None) => ready!(self.poll_fill(cx))?,
            }
        }
    }

    /// Any byte is a sign, be it of a message that is not whole yet.
    fn take_heard(&mut self) -> bool {
        std::mem::take(&mut self.heard)
    }

    fn unfinished(&self) -> Option<Unfinished> {
        self.reader.unfinished()
    }

    fn throw_away(&mut self) {
        self.reader.throw_away();
    }

    fn has_room(&self) -> bool {
        self.out.has_room()
    }

    fn send(&mut self, frame: Framed) {
        self.out.push(frame);
    }

    fn send_rest(&mut self, bytes: &[u8]) {
        self.out.push_rest(bytes);
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Reason>> {
        if self.out.is_empty() {
            return Poll::Ready(Ok(()));
        }
        self.out.poll_write(&mut self.io, cx).map_err(|_| Reason::Lost)
    }

    fn is_clear(&self) -> bool {
        self.out.is_empty()
    }

    fn total(&self) -> u64 {
        self.out.total()
    }

    fn untaken(&self) -> usize {
        self.kernel.as_ref().map_or(0, |kernel| kernel.untaken())
    }

    fn waiting(&self) -> usize {
        self.out.waiting()
    }

    fn held(&self) -> usize {
        self.reader.held() + self.out.waiting()
    }

    /// A close frame, then a bounded wait for the peer's and for the end of its stream.
    async fn close(mut self, goodbye: Framed, reason: &Reason, mut patience: Patience) {
        if *reason == Reason::Lost {
            return;
        }
        self.out.push(goodbye);
        // Each step ends early when the peer has had its time: what it did not take by then is lost, as its close code says.
        let Some(Ok(())) = patience.wait(&mut self, Self::poll_flush).await else { return };
        // Who broke the protocol may think that it has closed already (RFC 6455 section 7.1.7).
        let broken = matches!(reason, Reason::Protocol | Reason::NotUtf8 | Reason::TooLarge);
        if !broken && !matches!(reason, Reason::Peer(_)) {
            patience.wait(&mut self, Self::poll_farewell).await;
        }
        if !matches!(patience.wait(&mut self, Self::poll_shutdown).await, Some(Ok(()))) {
            return;
        }
        // A socket closed with unread bytes is reset, and the reset may overtake the close frame.
        patience.wait(&mut self, Self::poll_end).await;
    }
}

/// `Sec-WebSocket-Accept` for a client's `Sec-WebSocket-Key` (RFC 6455 section 4.2.2).
pub fn accept_key(key: &[u8]) -> String {
    derive_accept_key(key)
}
