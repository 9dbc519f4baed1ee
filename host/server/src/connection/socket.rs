//! The WebSocket of one connection: its socket, and the framing around it.

use super::out::Out;
use crate::hub::Shortcut;
use bytes::Bytes;
use std::{
    cell::RefCell,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tengen_wire::{
    close::Reason,
    payload::Frame,
    websocket::{Opcode, Reader, Received, Unfinished, close_payload},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time,
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Bytes that are asked of the kernel at a time.
const READ: usize = 16 << 10;
/// How often the kernel is asked in one turn. Hundreds of peers may each have a megabyte there, and memory that was never
/// touched comes slowly: whoever has little to say waits for one turn of each of them.
const READS: u8 = 2;
/// How long a peer may take to answer our close frame, unless it takes what was written before.
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
    /// How often the kernel may still be asked in this turn.
    reads: u8,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Takes over a socket whose upgrade was answered; `already_read` came in behind the request.
    pub(super) fn new(io: S, already_read: &[u8], max_message: usize) -> Self {
        let mut reader = Reader::new(max_message);
        reader.feed(already_read);
        Self { io, reader, out: Out::default(), heard: false, reads: READS }
    }

    /// A turn begins, which may read for a while.
    pub(super) fn begin_turn(&mut self) {
        self.reads = READS;
    }

    /// Whether the turn has read as much as it may. The caller sees to it that there is another one.
    pub(super) fn is_exhausted(&self) -> bool {
        self.reads == 0
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

    /// Bytes of what came in and of what waits to be written.
    pub(super) fn held(&self) -> usize {
        self.reader.held() + self.out.waiting()
    }

    /// What has begun to come in and is not whole.
    pub(super) fn unfinished(&self) -> Option<Unfinished> {
        self.reader.unfinished()
    }

    /// Bytes that the kernel has taken since the connection began.
    pub(super) fn total(&self) -> u64 {
        self.out.total()
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

    /// Messages are read no more; what has come of one is let go of.
    pub(super) fn throw_away(&mut self) {
        self.reader.throw_away();
    }

    /// Says goodbye, after [`Socket::throw_away`]: a close frame, then a bounded wait for the peer's and for the end of its stream.
    ///
    /// `patience`: how long it may last while the peer goes on taking what the kernel holds for it.
    pub(super) async fn close(mut self, reason: &Reason, mut patience: Patience) {
        if *reason == Reason::Lost {
            return;
        }
        let told = match reason {
            // Its own code comes back (RFC 6455 section 5.5.1).
            Reason::Peer(code) => close_payload(*code, ""),
            reason => close_payload(reason.code(), reason.word()),
        };
        self.out.push(Opcode::Close, told.into());
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

/// How long a goodbye may last.
#[derive(Debug)]
pub(super) struct Patience {
    kernel: Option<Arc<dyn Shortcut>>,
    until: time::Instant,
    /// When the wait ends, unless the peer takes something until then.
    next: time::Instant,
}

impl Patience {
    /// `most`: how long in all.
    pub(super) fn new(kernel: Option<Arc<dyn Shortcut>>, most: Duration) -> Self {
        let now = time::Instant::now();
        Self { kernel, until: now + most.max(CLOSE_WITHIN), next: now + CLOSE_WITHIN }
    }

    /// None: the peer had its time.
    async fn wait<S: AsyncRead + AsyncWrite + Unpin, T>(
        &mut self,
        socket: &mut Socket<S>,
        mut poll: impl FnMut(&mut Socket<S>, &mut Context<'_>) -> Poll<T>,
    ) -> Option<T> {
        loop {
            let before = self.left(socket);
            let step = poll_fn(|cx| poll(socket, cx));
            if let Ok(done) = time::timeout_at(self.next.min(self.until), step).await {
                return Some(done);
            }
            if self.left(socket) >= before || self.next >= self.until {
                return None;
            }
            self.next = time::Instant::now() + CLOSE_WITHIN;
        }
    }

    /// Bytes that the peer has still to take.
    fn left<S: AsyncRead + AsyncWrite + Unpin>(&self, socket: &Socket<S>) -> usize {
        socket.out.waiting() + self.kernel.as_ref().map_or(0, |kernel| kernel.untaken())
    }
}

/// `Sec-WebSocket-Accept` for a client's `Sec-WebSocket-Key` (RFC 6455 section 4.2.2).
pub fn accept_key(key: &[u8]) -> String {
    derive_accept_key(key)
}
