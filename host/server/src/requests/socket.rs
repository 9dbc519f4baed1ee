//! The socket of an HTTP connection: hyper gets one head at a time from it, and none that may not be read.

use super::watch::Watch;
use crate::transport::Tcp;
use bytes::{Buf, Bytes, BytesMut};
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
pub(super) struct Socket {
    stream: Tcp,
    watch: Arc<Watch>,
    /// What was read behind the end of a head.
    rest: BytesMut,
    /// What hyper reads before that; it did not come in.
    in_front: Bytes,
    /// What was written since the connection becomes something else: whoever takes it over sends it.
    unsent: BytesMut,
}

impl Socket {
    pub(super) fn new(stream: Tcp, watch: Arc<Watch>) -> Self {
        let (rest, unsent) = (BytesMut::new(), BytesMut::new());
        Self { stream, watch, rest, in_front: Bytes::new(), unsent }
    }

    /// hyper is to read this next.
    pub(super) fn put_in_front(&mut self, head: Bytes) {
        self.in_front = head;
    }

    /// The stream, what was read of it and given to nobody, and what is still to be written.
    pub(super) fn into_parts(self) -> (Tcp, BytesMut, BytesMut) {
        (self.stream, self.rest, self.unsent)
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
        if !this.in_front.is_empty() {
            let most = this.in_front.len().min(into.remaining());
            into.put_slice(&this.in_front.split_to(most));
            return Poll::Ready(Ok(()));
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
    /// Takes what hyper writes, and sends nothing: the last answer, and what of those before it the peer has not taken.
    fn keep(&mut self, pieces: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let before = self.unsent.len();
        pieces.iter().for_each(|piece| self.unsent.extend_from_slice(piece));
        self.wrote(Poll::Ready(Ok(self.unsent.len() - before)))
    }

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
        if self.watch.is_switching() {
            return self.keep(&[IoSlice::new(bytes)]);
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.watch.is_switching() {
            return self.keep(pieces);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requests::{Limits, Places, Times};
    use futures_util::FutureExt as _;
    use std::{io::ErrorKind, time::Duration};
    use tokio::{
        io::AsyncWriteExt as _,
        net::{TcpListener, TcpStream},
    };

    async fn pair() -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (near, far) = tokio::join!(listener.accept(), TcpStream::connect(address));
        let stream = Tcp::new(near.unwrap().0);
        let places = Places::new(1, None);
        let place = places.take([127, 0, 0, 1].into()).now_or_never().unwrap().unwrap();
        let second = Duration::from_secs(1);
        let times = Times { head: second, answer: second, keep_alive: None };
        let rules = (Limits { bytes: 100, lines: 5 }, times);
        let watch = Watch::new(rules, place.ticket(), stream.shortcut(), Instant::now());
        (Socket::new(stream, Arc::new(watch)), far.unwrap())
    }

    #[tokio::test]
    async fn the_answer_to_an_upgrade_is_left_to_whoever_takes_the_socket_over() {
        let (mut socket, far) = pair().await;
        socket.write_all(b"an answer before").await.unwrap();
        far.readable().await.unwrap();
        let mut read = [0; 99];
        assert_eq!(far.try_read(&mut read).unwrap(), 16);
        socket.watch.switches();
        socket.write_all(b"HTTP/1.1 101 ").await.unwrap();
        let rest = [IoSlice::new(b"Switching"), IoSlice::new(b" Protocols")];
        assert_eq!(socket.write_vectored(&rest).await.unwrap(), 19);
        socket.flush().await.unwrap();
        assert_eq!(far.try_read(&mut read).unwrap_err().kind(), ErrorKind::WouldBlock);
        let (_stream, _, unsent) = socket.into_parts();
        assert_eq!(unsent, "HTTP/1.1 101 Switching Protocols");
    }
}
