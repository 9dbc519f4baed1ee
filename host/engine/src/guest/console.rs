//! What a guest writes to standard output and error: kept, bounded, until the call ends, and then logged by line.

use bytes::Bytes;
use std::{
    io, mem,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};
use tokio::io::AsyncWrite;
use wasmtime_wasi::{
    cli::{IsTerminal, StdoutStream},
    p2::{OutputStream, Pollable, StreamResult},
};

/// What is kept of one call; the rest is dropped, and counted.
const KEPT: usize = 8 << 10;

/// A bounded buffer that a guest writes to.
#[derive(Clone, Default)]
pub(crate) struct Console(Arc<Mutex<Printed>>);

#[derive(Default)]
struct Printed {
    kept: Vec<u8>,
    /// Bytes that were too many.
    dropped: usize,
}

impl Console {
    /// Takes what has been written, and says how many bytes more there were.
    pub(super) fn take(&self) -> (Vec<u8>, usize) {
        let printed = mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        (printed.kept, printed.dropped)
    }

    fn put(&self, bytes: &[u8]) {
        let mut printed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = KEPT.saturating_sub(printed.kept.len()).min(bytes.len());
        printed.kept.extend_from_slice(bytes.get(..room).unwrap_or_default());
        printed.dropped = printed.dropped.saturating_add(bytes.len() - room);
    }
}

impl IsTerminal for Console {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Console {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Console {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.put(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(KEPT)
    }
}

impl Pollable for Console {
    fn ready<'a, 'b>(&'a mut self) -> Pin<Box<dyn Future<Output = ()> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(std::future::ready(()))
    }
}

impl AsyncWrite for Console {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.put(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
