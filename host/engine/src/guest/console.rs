//! What a guest writes to standard output and error: kept, bounded, until the call ends, and then logged by line.
//!
//! Of what it writes to standard error the beginning and the end are kept apart: if the call breaks, that is what the guest
//! itself says of it, as interpreters do of an exception and Go of a panic, and it comes last.

use crate::text::lines;
use bytes::Bytes;
use std::{
    collections::VecDeque,
    io, mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};
use tokio::io::AsyncWrite;
use wasmtime_wasi::{
    cli::{IsTerminal, StdoutStream},
    p2::{OutputStream, Pollable, StreamResult},
};

/// What is kept of one call; the rest is dropped, and counted.
const KEPT: usize = 8 << 10;

/// What is kept of the beginning of what it writes to standard error,
const FIRST: usize = 512;
/// and of its end.
const LAST: usize = 1024;

/// A bounded buffer that a guest writes to.
#[derive(Clone, Default)]
pub(crate) struct Console {
    printed: Arc<Mutex<Printed>>,
    /// Whether this way to it is standard error.
    is_error: bool,
}

#[derive(Default)]
struct Printed {
    kept: Vec<u8>,
    /// Bytes that were too many.
    dropped: usize,
    error: Ends,
}

/// The beginning and the end of what may be long.
#[derive(Default)]
pub(super) struct Ends {
    first: Vec<u8>,
    last: VecDeque<u8>,
    /// Whether there is something between them that was not kept.
    is_cut: bool,
}

impl Ends {
    fn put(&mut self, bytes: &[u8]) {
        let room = FIRST.saturating_sub(self.first.len()).min(bytes.len());
        let (first, rest) = bytes.split_at(room);
        self.first.extend_from_slice(first);
        let rest_kept = rest.get(rest.len().saturating_sub(LAST)..).unwrap_or_default();
        self.last.extend(rest_kept);
        let over = self.last.len().saturating_sub(LAST);
        self.last.drain(..over);
        self.is_cut |= over > 0 || rest_kept.len() < rest.len();
    }

    /// In one line, its own lines apart from each other.
    pub(super) fn line(&self) -> String {
        let between = if self.is_cut { " … " } else { "" };
        let mut text = self.first.clone();
        text.extend_from_slice(between.as_bytes());
        text.extend(&self.last);
        lines(&String::from_utf8_lossy(&text), 2 * (FIRST + LAST))
    }
}

impl Console {
    /// The same buffer, where what is written is about what goes wrong.
    pub(super) fn error(&self) -> Self {
        Self { is_error: true, ..self.clone() }
    }

    /// What has been written to standard error since it was last taken.
    pub(super) fn last_words(&self) -> String {
        self.lock().error.line()
    }

    fn lock(&self) -> MutexGuard<'_, Printed> {
        self.printed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what has been written, and says how many bytes more there were.
    pub(super) fn take(&self) -> (Vec<u8>, usize) {
        let printed = mem::take(&mut *self.lock());
        (printed.kept, printed.dropped)
    }

    fn put(&self, bytes: &[u8]) {
        let mut printed = self.lock();
        if self.is_error {
            printed.error.put(bytes);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_is_written_to_standard_error_the_beginning_and_the_end_are_kept() {
        let console = Console::default();
        console.put(b"no error\n");
        let error = console.error();
        error.put(b"first\n\n  second\x1b[31m\n");
        assert_eq!(console.last_words(), "first | second\\u{1b}[31m");
        for number in 0..10_000 {
            error.put(format!("{number}\n").as_bytes());
        }
        let said = console.last_words();
        assert!(said.starts_with("first | second") && said.ends_with(" | 9998 | 9999"), "{said}");
        assert!(said.contains(" … ") && said.len() < 4096, "{}", said.len());
        error.put(&[b'x'; 100_000]);
        assert!(console.last_words().ends_with(&"x".repeat(LAST)));
        console.take();
        assert_eq!(console.last_words(), "");
    }
}
