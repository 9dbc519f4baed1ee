//! The socket of an HTTP connection: hyper gets one head at a time from it, and none that may not be read.

use super::watch::Watch;
use crate::transport::Tcp;
use bytes::{Buf, BytesMut};
use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

#[derive(Debug)]
pub struct Socket {
    stream: Tcp,
    watch: Arc<Watch>,
    /// What was read behind the end of a head.
    rest: BytesMut,
}

impl Socket {
    pub(super) fn new(stream: Tcp, watch: Arc<Watch>) -> Self {
        Self { stream, watch, rest: BytesMut::new() }
    }

    /// The stream, and what was read of it and given to nobody.
    pub fn into_parts(self) -> (Tcp, BytesMut) {
        (self.stream, self.rest)
    }

    /// What comes next goes to hyper, as far as it may; nothing does if it must not be read.
    fn give_rest(&mut self, into: &mut ReadBuf<'_>, now: Instant) -> Poll<io::Result<()>> {
        let most = self.rest.len().min(into.remaining());
        let next = self.rest.get(..most).unwrap_or_default();
        let Some(length) = self.watch.read(next, now) else { return Poll::Pending };
        into.put_slice(next.get(..length).unwrap_or_default());
        self.rest.advance(length);
        if self.rest.is_empty() {
            // Nothing is kept for those that read on.
            self.rest = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.watch.is_wrong() {
            // Whoever drives the connection sees it and ends it.
            return Poll::Pending;
        }
        let now = Instant::now();
        if !this.rest.is_empty() {
            return this.give_rest(into, now);
        }
        let before = into.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, into);
        if polled.is_pending() {
            this.watch.idles();
        }
        ready!(polled)?;
        let read = into.filled().get(before..).unwrap_or_default();
        match this.watch.read(read, now) {
            Some(length) => {
                this.rest.extend_from_slice(read.get(length..).unwrap_or_default());
                into.set_filled(before + length);
                Poll::Ready(Ok(()))
            }
            None => {
                into.set_filled(before);
                Poll::Pending
            }
        }
    }
}

impl Socket {
    fn wrote(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Ready(Ok(bytes)) => self.watch.wrote(Some(*bytes), Instant::now()),
            Poll::Pending => self.watch.wrote(None, Instant::now()),
            Poll::Ready(Err(_)) => {}
        }
        written
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
