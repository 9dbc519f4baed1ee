//! A TCP socket that the connection's task reads, and others may write to.

use crate::hub::Shortcut;
use socket2::SockRef;
use std::{
    io::{self, IoSlice},
    net::Shutdown,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// The task's part. The socket closes when this is dropped and the link has let go of the other.
#[derive(Debug)]
pub struct Tcp {
    read: OwnedReadHalf,
    write: Arc<Write>,
}

#[derive(Debug)]
struct Write {
    half: OwnedWriteHalf,
    written: AtomicU64,
}

impl Write {
    fn count(&self, written: io::Result<usize>) -> io::Result<usize> {
        if let Ok(bytes) = written {
            self.written.fetch_add(bytes as u64, Ordering::Relaxed);
        }
        written
    }
}

impl Tcp {
    pub fn new(stream: TcpStream) -> Self {
        let (read, write) = stream.into_split();
        Self { read, write: Arc::new(Write { half: write, written: AtomicU64::new(0) }) }
    }

    /// For [`crate::hub::Link::set_shortcut`].
    pub fn shortcut(&self) -> Arc<dyn Shortcut> {
        Arc::clone(&self.write) as Arc<dyn Shortcut>
    }

    fn poll_writing(
        &self,
        cx: &mut Context<'_>,
        mut write: impl FnMut(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let stream = self.write.half.as_ref();
        loop {
            match self.write.count(write(stream)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(stream.poll_write_ready(cx))?;
                }
                written => return Poll::Ready(written),
            }
        }
    }
}

impl Shortcut for Write {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.count(self.half.try_write(bytes))
    }

    fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    fn untaken(&self) -> usize {
        let stream: &TcpStream = self.half.as_ref();
        send_queue(stream)
    }

    fn poll_ended(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut byte = [0];
        let stream: &TcpStream = self.half.as_ref();
        match stream.poll_peek(cx, &mut ReadBuf::new(&mut byte)) {
            Poll::Ready(Ok(0) | Err(_)) => Poll::Ready(()),
            // Bytes that nobody asked for: what is behind them is not seen, and a write will tell.
            Poll::Ready(Ok(_)) | Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Tcp {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.read).poll_read(cx, into)
    }
}

impl AsyncWrite for Tcp {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_writing(cx, |stream| stream.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_writing(cx, |stream| stream.try_write_vectored(pieces))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stream: &TcpStream = self.write.half.as_ref();
        Poll::Ready(match SockRef::from(stream).shutdown(Shutdown::Write) {
            // The peer was faster.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            ended => ended,
        })
    }
}

/// What waits in the kernel for the peer: not sent, or sent and not acknowledged.
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
#[expect(unsafe_code, reason = "an ioctl that reads one integer; no safe wrapper of it exists")]
fn send_queue(stream: &TcpStream) -> usize {
    use rustix::ioctl::{Getter, Opcode, ioctl};

    /// `SIOCOUTQ` of tcp(7).
    const SIOCOUTQ: Opcode = 0x5411;
    // SAFETY: the call writes one C `int`, and nothing else.
    let count = unsafe { ioctl(stream, Getter::<SIOCOUTQ, i32>::new()) };
    count.ok().and_then(|count| usize::try_from(count).ok()).unwrap_or(0)
}

/// Elsewhere what the kernel has taken counts as taken.
#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
fn send_queue(_: &TcpStream) -> usize {
    0
}
