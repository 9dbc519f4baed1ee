//! Bytes on their way to the kernel.

use bytes::{Buf, Bytes};
use std::{
    cell::Cell,
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};
use tengen_wire::transport::Framed;
use tokio::io::AsyncWrite;

/// Payloads from this size on are not copied behind their header but written from where they are.
const LARGE: usize = 8 << 10;
/// What may wait for the kernel before no more is taken.
const WAITING_MAX: usize = 64 << 10;
/// The largest buffer that is kept for the next connection of this thread.
const SPARE_MAX: usize = 128 << 10;
/// Pieces of one write.
const PIECES: usize = 16;

thread_local! {
    /// Most turns write everything, so the connections of a thread can share one buffer: none is kept by an idle one.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Frames that were handed over and not yet written. Small ones lie one behind the other, for one write.
#[derive(Debug, Default)]
pub(super) struct Out {
    /// Goes first: filled-up buffers and large payloads, in turn.
    front: VecDeque<Bytes>,
    /// Small frames behind them, the first `written` bytes of it gone.
    back: Vec<u8>,
    written: usize,
    waiting: usize,
    /// Bytes that the kernel has taken, in all.
    total: u64,
    /// The stream was given bytes that it may hold back until it is flushed.
    unflushed: bool,
}

impl Out {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting == 0 && !self.unflushed
    }

    /// Bytes that the kernel has taken since the connection began.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Bytes that the kernel has not taken.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether one more frame is taken.
    pub(super) fn has_room(&self) -> bool {
        self.waiting < WAITING_MAX
    }

    pub(super) fn push(&mut self, frame: Framed) {
        self.borrow_spare();
        self.unflushed = true;
        self.waiting += frame.len();
        if frame.body.len() < LARGE {
            frame.put(&mut self.back);
        } else {
            self.back.extend_from_slice(frame.head());
            self.seal();
            self.front.push_back(frame.body);
        }
    }

    /// Takes over the end of frames as it is.
    pub(super) fn push_rest(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.borrow_spare();
        self.unflushed = true;
        self.waiting += bytes.len();
        self.back.extend_from_slice(bytes);
    }

    fn borrow_spare(&mut self) {
        if self.back.capacity() == 0 {
            self.back = SPARE.take();
        }
    }

    /// Writes until the kernel takes no more, or until nothing is left.
    pub(super) fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while self.waiting > 0 {
            let written = match self.poll_write_once(io, cx) {
                Poll::Pending => {
                    self.make_small();
                    return Poll::Pending;
                }
                Poll::Ready(written) => written?,
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(written);
        }
        self.give_back();
        ready!(Pin::new(io).poll_flush(cx))?;
        self.unflushed = false;
        Poll::Ready(Ok(()))
    }

    fn poll_write_once<S: AsyncWrite + Unpin>(
        &self,
        io: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let back = self.back.get(self.written..).unwrap_or_default();
        if self.front.is_empty() {
            return Pin::new(io).poll_write(cx, back);
        }
        let mut pieces = [IoSlice::new(&[]); PIECES];
        let all = self.front.iter().map(Bytes::as_ref).chain(std::iter::once(back));
        let mut count = 0;
        for (piece, bytes) in pieces.iter_mut().zip(all) {
            *piece = IoSlice::new(bytes);
            count += 1;
        }
        Pin::new(io).poll_write_vectored(cx, pieces.get(..count).unwrap_or_default())
    }

    fn advance(&mut self, mut written: usize) {
        self.waiting -= written;
        self.total += written as u64;
        while let Some(first) = self.front.front_mut() {
            if written < first.len() {
                first.advance(written);
                return;
            }
            written -= first.len();
            self.front.pop_front();
        }
        self.written += written;
    }

    /// What is in the back goes before what comes next.
    fn seal(&mut self) {
        let sealed = self.back.get(self.written..).unwrap_or_default();
        self.front.push_back(Bytes::copy_from_slice(sealed));
        self.give_back();
    }

    /// The kernel takes no more: what waits moves into a buffer of its own size.
    fn make_small(&mut self) {
        let left = self.back.get(self.written..).unwrap_or_default();
        if self.back.capacity() > 2 * left.len() + 64 {
            let left = left.to_vec();
            self.give_back();
            self.back = left;
        }
    }

    fn give_back(&mut self) {
        let mut back = std::mem::take(&mut self.back);
        self.written = 0;
        if back.capacity() > 0 && back.capacity() <= SPARE_MAX {
            back.clear();
            SPARE.set(back);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use tengen_wire::websocket::{Opcode, framed};
    use tokio::io::AsyncReadExt;

    fn poll<S: AsyncWrite + Unpin>(out: &mut Out, io: &mut S) -> Poll<io::Result<()>> {
        out.poll_write(io, &mut Context::from_waker(std::task::Waker::noop()))
    }

    #[tokio::test]
    async fn small_and_large_frames_leave_in_their_order() {
        let (mut near, mut far) = tokio::io::duplex(1 << 20);
        let mut out = Out::default();
        let large = Bytes::from(vec![b'x'; LARGE]);
        out.push(framed(Opcode::Text, Bytes::from_static(b"a")));
        out.push(framed(Opcode::Binary, large.clone()));
        out.push(framed(Opcode::Text, Bytes::from_static(b"b")));
        out.push(framed(Opcode::Binary, large.clone()));
        assert!(poll(&mut out, &mut near).is_ready());
        assert!(out.is_empty());
        drop(near);
        let mut all = Vec::new();
        far.read_to_end(&mut all).await.unwrap();
        let mut expected = b"\x81\x01a\x82\x7e\x20\x00".to_vec();
        expected.extend_from_slice(&large);
        expected.extend_from_slice(b"\x81\x01b\x82\x7e\x20\x00");
        expected.extend_from_slice(&large);
        assert!(all == expected, "{} bytes", all.len());
    }

    #[tokio::test]
    async fn what_the_kernel_does_not_take_waits_in_order_and_holds_no_shared_buffer() {
        let (mut near, far) = tokio::io::duplex(100);
        let mut far = pin!(far);
        let mut out = Out::default();
        let mut expected = Vec::new();
        for number in 0..2000_u32 {
            let text = Bytes::from(format!("{number:05}"));
            expected.extend_from_slice(b"\x81\x05");
            expected.extend_from_slice(&text);
            out.push(framed(Opcode::Text, text));
        }
        let mut all = Vec::new();
        while poll(&mut out, &mut near).is_pending() {
            assert!(out.back.capacity() <= 2 * out.waiting + 64);
            let mut some = [0; 64];
            let count = far.read(&mut some).await.unwrap();
            all.extend_from_slice(some.get(..count).unwrap());
        }
        drop(near);
        far.read_to_end(&mut all).await.unwrap();
        assert!(all == expected, "{} of {} bytes", all.len(), expected.len());
        assert_eq!(out.back.capacity(), 0);
    }

    #[tokio::test]
    async fn a_stream_that_holds_bytes_back_is_flushed_until_it_holds_none() {
        let (near, mut far) = tokio::io::duplex(4);
        let mut near = tokio::io::BufWriter::new(near);
        let mut out = Out::default();
        out.push(framed(Opcode::Text, Bytes::from_static(b"abc")));
        assert!(poll(&mut out, &mut near).is_pending());
        assert!(!out.is_empty());
        let mut all = [0; 5];
        far.read_exact(&mut all[..4]).await.unwrap();
        assert!(poll(&mut out, &mut near).is_ready());
        assert!(out.is_empty());
        far.read_exact(&mut all[4..]).await.unwrap();
        assert_eq!(&all, b"\x81\x03abc");
    }

    #[test]
    fn room_ends_with_what_waits() {
        let mut out = Out::default();
        out.push(framed(Opcode::Binary, Bytes::from(vec![0; WAITING_MAX])));
        assert!(!out.has_room());
    }
}
